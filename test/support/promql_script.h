/*
 * promql_script.h - runs a PromQL test script: load, eval, expect.
 *
 * Every `eval` is a case. An instant case is also run with `@` on its selectors at other times, and as a range
 * query around its time; all must agree.
 */
#ifndef NV_TEST_PROMQL_SCRIPT_H
#define NV_TEST_PROMQL_SCRIPT_H

#include <stddef.h>

struct nv_script_totals {
    size_t passed, failed;
};

/* Called for each case that fails, with the line of its `eval`. */
typedef void (*nv_script_fn)(const char *path, unsigned line, const char *text, void *user);

/* Returns 0, or -ENOENT, -EBADMSG where the script itself is broken (told through fn). */
int nv_promql_script(const char *path, nv_script_fn fn, void *user, struct nv_script_totals *ret);

#endif
