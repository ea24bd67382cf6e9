/*
 * fuzz_log.c - a log of any records: each is a type, two bytes of length, and a body, to which the right head and checksum
 * are put, for else nothing would ever get past them. It opens, answers, and can be written to.
 */
#include "base/assert.h"
#include "support/memory_fs.h"
#include "tsdb/log.h"
#include "tsdb/log_record.h"
#include "tsdb/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_records(struct nv_buf *out, const uint8_t *data, size_t size)
{
    nv_segment_put_head(out, 1);
    while (size >= 3) {
        size_t n = (size_t)data[1] | (size_t)data[2] << 8;
        if (n > size - 3)
            n = size - 3;
        size_t at = nv_record_begin(out, data[0]);
        nv_buf_add(out, data + 3, n);
        nv_record_end(out, at);
        data += n + 3;
        size -= n + 3;
    }
}

static void read_all(struct nv_store *store)
{
    const struct nv_queryable *q = nv_store_queryable(store);
    struct nv_matcher any = {NV_MATCH_NOT_EQUAL, NV_LIT("__name__"), NV_LIT("nothing"), NULL};
    struct nv_samples samples = {0};
    struct nv_selection selection;

    if (q->select(q->store, &any, 1, INT64_MIN, INT64_MAX, 0, &selection) < 0)
        return;
    for (size_t i = 0; i < selection.n; i++) {
        nv_samples_reset(&samples);
        if (q->read(&selection, i, &samples) < 0)
            continue;
        for (size_t k = 1; k < samples.n; k++)
            nv_assert(samples.times[k - 1] < samples.times[k]);
    }
    nv_samples_done(&samples);
    q->release(&selection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    NV_AUTO_BUF log = NV_BUF(1 << 22);
    struct nv_store_options options = {.fs = nv_memory_fs_new(), .block_ms = 60000};
    char name[NV_LOG_NAME_MAX], error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    nv_log_name(name, 1);
    put_records(&log, data, size);
    nv_memory_fs_put(options.fs, name, log.p, log.n);
    if (nv_store_open(&options, &store, error) < 0)
        return 0;
    read_all(store);
    nv_store_maintain(store);
    read_all(store);
    nv_store_close(store);
    return 0;
}
