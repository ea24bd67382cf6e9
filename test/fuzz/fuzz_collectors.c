/*
 * fuzz_collectors.c - every collector, on machines in memory (support/memory_host.h). The seeds are the
 * fixtures, packed by pack_fixtures.py when the tests are configured.
 *
 * NV_COLLECTOR=name in the environment keeps to one collector, whatever the input names.
 */
#include "support/memory_host.h"

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const skipped[] = {
    "perf",            /* opens events of this machine, whatever the files say; */
    "kmsg", "journal", /* so do these its logs: see fuzz_kmsg.c and fuzz_problem_rules.c */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_str archive = {(const char *)data, size};
    const char *only = getenv("NV_COLLECTOR");

    for (size_t i = 0; i < NV_LEN(skipped); i++) {
        struct nv_str name = nv_str_from(archive, strlen("collector "));
        if (nv_str_starts(name, skipped[i]))
            return 0;
    }
    if (!only) {
        nv_memory_run(archive);
        return 0;
    }
    NV_AUTO_BUF own = NV_BUF(1 << 24);
    struct nv_str rest = archive;
    nv_str_cut(&rest, '\n');
    nv_buf_printf(&own, "collector %s\n", only);
    nv_buf_str(&own, rest);
    nv_memory_run(nv_buf_view(&own));
    return 0;
}
