/*
 * test_scripts.c - runs the scripts beside it, and those of ../shared/fixtures/promql where they are there.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fixture.h"
#include "support/promql_script.h"

static size_t failures;

static void failed(const char *path, unsigned line, const char *text, void *user)
{
    (void)user;
    failures++;
    printf("%s:%u: %s\n", path, line, text);
}

static int is_script(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return dot && strcmp(dot, ".test") == 0;
}

/* Returns how many scripts there were. */
static int run_folder(const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_script, alphasort);

    for (int i = 0; i < n; i++) {
        char path[4096];
        struct nv_script_totals totals;
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        failures += nv_promql_script(path, failed, NULL, &totals) < 0;
        printf("%s: %zu passed, %zu failed\n", entries[i]->d_name, totals.passed, totals.failed);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return n;
}

int main(void)
{
    const char *shared = nv_shared("fixtures/promql");

    if (run_folder(NV_TEST_DIR "/promql") <= 0)
        return 1;
    if (shared && run_folder(shared) <= 0)
        return 1;
    return failures ? 1 : shared ? 0 : 77;
}
