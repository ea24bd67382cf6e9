/*
 * promqltest.c - runs scripts in PromQL's test language: promqltest FILE...
 *
 * Prints each failure with its file and line, and closes with "N passed, N failed". Exits with 0 where nothing
 * failed, 1 otherwise, 2 for want of a file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/promql_script.h"

static void failed(const char *path, unsigned line, const char *text, void *user)
{
    (void)user;
    printf("%s:%u: %s\n", path, line, text);
}

int main(int argc, char **argv)
{
    size_t n_passed = 0, n_failed = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: promqltest FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        struct nv_script_totals totals;
        int r = nv_promql_script(argv[i], failed, NULL, &totals);
        if (r == -ENOENT)
            failed(argv[i], 0, "cannot be read", NULL);
        n_passed += totals.passed;
        n_failed += totals.failed + (r < 0);
    }
    printf("%zu passed, %zu failed\n", n_passed, n_failed);
    return n_failed > 0;
}
