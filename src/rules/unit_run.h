/*
 * unit_run.h - runs a file of tests for rules over simulated time, in memory.
 *
 * At each step of evaluation_interval from a test's start on, the input up to then is loaded and all groups are evaluated
 * once, whatever their intervals. Alerts are looked at after the last step that is not behind their time, expressions
 * when all steps are done. A rule that fails ends its test.
 */
#ifndef NV_RULES_UNIT_RUN_H
#define NV_RULES_UNIT_RUN_H

#include "base/buf.h"
#include "base/regex.h"

enum { NV_UNIT_MEMORY = 1 << 30, NV_UNIT_OUTPUT_MAX = 64 << 20 };

struct nv_unit_options {
    struct nv_regex *const *run; /* tests whose names fit one of them; none: all */
    size_t n_run;
    unsigned features;   /* enum nv_promql_feature */
    bool ignore_unknown; /* keys of rule files */
    bool diff;           /* lines that only one side has, rather than both sides whole */

    /* Told of each test that ran: its name ("" for none), and what was wrong ("" for nothing). May be NULL. */
    void (*each)(void *user, const char *name, struct nv_str failure);
    void *user;
};

/*
 * Returns 0 where all tests passed; 1 where some did not, or the file or its rules cannot be read, with lines for the user
 * in `out`; -ENOMEM. `warnings` gets lines, too.
 */
NV_MUST_USE int nv_unit_run(const char *path, const struct nv_unit_options *options,
                            struct nv_buf *out, struct nv_buf *warnings);

#endif
