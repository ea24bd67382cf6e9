/*
 * fuzz_import.c - any samples, in any order, with little memory: the blocks hold just these, of equal times the last.
 *
 * Each six bytes are a sample: series, time (two, and a scale), value, its kind.
 */
#include <stdint.h>

#include "base/assert.h"
#include "support/memory_fs.h"
#include "tsdb/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERIES = 16, SAMPLES_MAX = 2048, RECORD = 6 };

struct sample {
    int64_t time_ms;
    double value;
};

static struct sample expected[SERIES][SAMPLES_MAX];
static size_t n_expected[SERIES];

static struct sample sample_of(const uint8_t *p)
{
    static const int64_t scales[] = {1, 1000, 15000, 3600000, -1000, 86400000};
    int64_t time_ms = (p[1] | p[2] << 8) * scales[p[3] % NV_LEN(scales)];
    double value = p[5] % 4 == 0   ? p[4]
                   : p[5] % 4 == 1 ? p[4] * 0.001
                   : p[5] % 4 == 2 ? nv_stale()
                                   : 1.0 / p[4];

    return (struct sample){time_ms, value};
}

static void expect(unsigned series, struct sample sample)
{
    struct sample *list = expected[series];
    size_t at = n_expected[series];

    while (at && list[at - 1].time_ms > sample.time_ms)
        at--;
    if (at && list[at - 1].time_ms == sample.time_ms) {
        list[at - 1] = sample;
        return;
    }
    memmove(&list[at + 1], &list[at], (n_expected[series] - at) * sizeof(*list));
    list[at] = sample;
    n_expected[series]++;
}

static void import_all(struct nv_fs *fs, const uint8_t *data, size_t n)
{
    const struct nv_import_options options = {.fs = fs, .memory = NV_IMPORT_MEMORY_MIN};
    NV_AUTO(nv_import) *import = NULL;
    struct nv_import_stats stats;

    nv_assert(nv_import_new(&options, &import) == 0);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = data + i * RECORD;
        char name = (char)('a' + p[0] % SERIES);
        const struct nv_label label = {
            NV_LIT("__name__"), {&name, 1}
        };
        struct sample sample = sample_of(p);
        uint32_t series;
        nv_assert(nv_import_series(import, &label, 1, &series) == 0);
        nv_assert(nv_import_add(import, series, sample.time_ms, sample.value) == 0);
        expect(p[0] % SERIES, sample);
    }
    nv_assert(nv_import_finish(import, &stats) == 0);
    nv_assert(stats.written == stats.samples - stats.repeated - stats.replaced);
}

/* What a block has of each series lies, in order, among what is expected. Returns how many samples. */
static size_t check_block(struct nv_block *block)
{
    struct nv_samples samples = {.histogram_memory = NV_ARENA(SIZE_MAX)};
    struct nv_arena arena = NV_ARENA(SIZE_MAX);
    size_t total = 0;

    for (uint32_t i = 0; i < nv_block_info(block)->n_series; i++) {
        const struct nv_label *labels;
        size_t n, at = 0;
        nv_assert(nv_block_labels(block, i, &arena, &labels, &n) == 0 && n == 1);
        unsigned series = (unsigned)(labels[0].value.p[0] - 'a');
        nv_samples_reset(&samples);
        nv_assert(nv_block_read(block, i, INT64_MIN, INT64_MAX, &samples) == 0);
        for (size_t k = 0; k < samples.n; k++, at++) {
            while (at < n_expected[series] && expected[series][at].time_ms < samples.times[k])
                at++;
            nv_assert(at < n_expected[series]);
            nv_assert(expected[series][at].time_ms == samples.times[k]);
            nv_assert(memcmp(&expected[series][at].value, &samples.values[k], sizeof(double)) == 0);
        }
        total += samples.n;
    }
    nv_samples_done(&samples);
    nv_arena_done(&arena);
    return total;
}

static size_t check_blocks(struct nv_fs *fs)
{
    struct nv_block_cache *cache = nv_block_cache_new(1 << 20);
    struct nv_arena arena = NV_ARENA(SIZE_MAX);
    struct nv_str *names;
    size_t n, total = 0;

    nv_assert(cache && fs->ops->list(fs, &arena, &names, &n) == 0);
    for (size_t i = 0; i < n; i++) {
        struct nv_block *block;
        nv_assert(nv_block_open(fs, cache, names[i].p, &block) == 0);
        total += check_block(block);
        nv_block_unref(block);
    }
    nv_block_cache_free(cache);
    nv_arena_done(&arena);
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_fs *fs = nv_memory_fs_new();
    size_t n = size / RECORD < SAMPLES_MAX ? size / RECORD : SAMPLES_MAX, total = 0;

    nv_assert(fs);
    memset(n_expected, 0, sizeof(n_expected));
    import_all(fs, data, n);
    for (unsigned i = 0; i < SERIES; i++)
        total += n_expected[i];
    nv_assert(check_blocks(fs) == total);
    nv_fs_free(fs);
    return 0;
}
