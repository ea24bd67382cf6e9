/*
 * fuzz_unit_file.c - files of tests for rules, and the notation of their series.
 */
#include <errno.h>

#include "base/assert.h"
#include "promql/points.h"
#include "rules/unit_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_FUZZED = 16 << 10 };

static void read_points(const char *series, const char *values)
{
    struct nv_arena arena = NV_ARENA(4 << 20);
    NV_AUTO_BUF line = NV_BUF(2 * SIZE_MAX_FUZZED);
    struct nv_points points;

    nv_buf_printf(&line, "%s %s", series, values);
    int r = nv_points_parse(nv_buf_view(&line), true, &arena, &points);
    nv_assert(r == 0 || r == -EINVAL || r == -ENOMEM || r == -EDQUOT);
    for (size_t i = 0; r == 0 && i < points.n; i++)
        nv_assert(!points.at[i].is_missing || !points.at[i].histogram);
    nv_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_arena arena = NV_ARENA(64 << 20);
    struct nv_str text = {(const char *)data, size};
    char error[NV_YAML_ERROR_MAX] = "";
    struct nv_unit_file file;

    if (size > SIZE_MAX_FUZZED)
        return 0;
    int r = nv_unit_file_parse("/etc/t.yml", text, &arena, &file, error);
    nv_assert(r == 0 || error[0]);
    for (size_t t = 0; r == 0 && t < file.n_tests; t++)
        for (size_t i = 0; i < file.tests[t].n_input_series; i++)
            read_points(file.tests[t].input_series[i].series, file.tests[t].input_series[i].values);
    nv_arena_done(&arena);
    return 0;
}
