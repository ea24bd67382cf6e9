/*
 * What is due: sealing, blocks, segments of the log that nothing needs, merging, retention, once a second.
 */
#include <malloc.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/locked.h"
#include "tsdb/parts.h"
#include "tsdb/sparse.h"

int64_t nv_store_newest(struct nv_store *store)
{
    struct nv_blocks *blocks = nv_store_view(store);
    int64_t newest = INT64_MIN;

    for (size_t i = 0; i < blocks->n; i++)
        if (nv_block_info(blocks->at[i])->to_ms > newest)
            newest = nv_block_info(blocks->at[i])->to_ms;
    nv_blocks_unref(blocks);
    for (size_t i = 0; i < nv_store_n_heads(store); i++) {
        int64_t last = nv_head_newest(store->heads[i]);
        if (last > newest)
            newest = last;
    }
    return newest;
}

static size_t page_bytes(struct nv_store *store)
{
    size_t bytes = 0;

    for (size_t i = 0; i < nv_store_n_heads(store); i++)
        bytes += nv_head_page_bytes(store->heads[i]);
    return bytes;
}

/* Newest and oldest row in pages. */
static void page_span(struct nv_store *store, int64_t *ret_from, int64_t *ret_to)
{
    *ret_from = INT64_MAX;
    *ret_to = INT64_MIN;
    for (size_t i = 0; i < nv_store_n_heads(store); i++) {
        int64_t from, to;
        if (!nv_head_page_span(store->heads[i], &from, &to))
            continue;
        if (from < *ret_from)
            *ret_from = from;
        if (to > *ret_to)
            *ret_to = to;
    }
}

static size_t within(size_t n, size_t least, size_t most)
{
    return n < least ? least : n > most ? most : n;
}

/* Whether many series are in memory only for pages that wait, as when containers come and go: a block takes them along. */
static bool are_series_many(struct nv_store *store)
{
    size_t n = nv_series_count(store->table), kept = store->series_kept;

    if (n < kept) /* some have gone by themselves */
        store->series_kept = kept = n;
    return n > kept + within(kept, NV_STORE_SPARE_LEAST, NV_STORE_SPARE_MOST);
}

/*
 * Rows of a source that speaks seldom may keep a log from going that others have filled: they go to a block too. What was
 * there last stands in the newest segment before that, and safely.
 */
static bool give_up_old_segments(struct nv_store *store)
{
    struct nv_head *held[NV_STORE_SOURCES_MAX];
    int64_t deadline = nv_monotonic_ns() + NV_STORE_FLUSH_MS * INT64_C(1000000);
    uint64_t segment = store->log ? nv_log_segment(store->log) : 0;
    size_t n = 0;

    for (size_t i = 0; segment >= NV_STORE_SEGMENTS && i < nv_store_n_heads(store); i++)
        if (nv_head_segment(store->heads[i]) <= segment - NV_STORE_SEGMENTS)
            held[n++] = store->heads[i];
    for (size_t i = 0; i < n; i++)
        nv_head_tell_again(held[i], store->log);
    if (!n || nv_log_flush(store->log, deadline) < 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (nv_head_seal(held[i], true) < 0)
            break; /* memory is out: with the next look */
    return true;
}

/* How many bytes of pages may wait: what a node's memory should be goes by its series. */
static size_t pages_limit(struct nv_store *store, int64_t span_ms)
{
    size_t least =
        span_ms < NV_STORE_PAGES_LATER_MS ? NV_STORE_PAGES_LEAST : NV_STORE_PAGES_LEAST_LATER;

    return within(nv_series_count(store->table) * NV_STORE_PAGES_A_SERIES, least,
                  NV_STORE_PAGES_MOST);
}

static bool is_cut_due(struct nv_store *store)
{
    int64_t from, to;

    if (give_up_old_segments(store))
        return true;
    page_span(store, &from, &to);
    if (from > to)
        return store->cut_now || nv_store_sparse_due(store);
    if (from < store->cut_ms)
        from = store->cut_ms; /* a slow source's page began long ago */
    return store->cut_now || to - from >= store->options.block_ms ||
           page_bytes(store) > pages_limit(store, to - from) || are_series_many(store) ||
           nv_store_sparse_due(store);
}

/* A segment more every half block, so that those before go soon after their block is there. */
static void rotate_if_due(struct nv_store *store)
{
    int64_t newest = nv_store_newest(store);

    if (!store->log || newest == INT64_MIN)
        return;
    if (store->rotated_ms == INT64_MIN || newest < store->rotated_ms)
        store->rotated_ms = newest;
    if (newest - store->rotated_ms < store->options.block_ms / 2)
        return;
    nv_log_rotate(store->log);
    store->rotated_ms = newest;
}

/* What cannot go to a disk goes: the oldest first. */
static int drop_pages(struct nv_store *store)
{
    uint64_t limit = NV_STORE_MEMORY_BYTES;
    int64_t newest = store->aged_ms, keep = store->fs ? 0 : store->options.retention_ms;
    int n = 0;

    if (!store->fs && store->options.retention_bytes && store->options.retention_bytes < limit)
        limit = store->options.retention_bytes;
    for (;;) {
        struct nv_head *oldest = NULL;
        int64_t from, to, first = INT64_MAX, last = INT64_MAX;
        for (size_t i = 0; i < nv_store_n_heads(store); i++) {
            if (nv_head_first_page(store->heads[i], &from, &to) && from < first) {
                oldest = store->heads[i];
                first = from;
                last = to;
            }
        }
        bool expired = keep && oldest && last < newest - keep;
        if (!oldest || (!expired && page_bytes(store) <= limit))
            return n;
        uint64_t rows = nv_head_drop_pages(oldest, 1);
        if (store->fs)
            nv_count(&store->stats.dropped_disk, rows);
        n++;
    }
}

static int seal_all(struct nv_store *store)
{
    int64_t newest = nv_store_newest(store);
    int n = 0;

    if (newest == INT64_MIN) /* nothing has been appended */
        return 0;
    for (size_t i = 0; i < nv_store_n_heads(store); i++) {
        struct nv_head *head = store->heads[i];
        bool idle = nv_head_newest(head) < newest - store->options.block_ms / 2;
        int r = nv_head_seal(head, idle);
        if (r > 0)
            n += r;
    }
    return n;
}

void nv_store_seal_pending(struct nv_store *store)
{
    for (size_t i = 0; i < nv_store_n_heads(store); i++)
        (void)!nv_head_seal(store->heads[i], false);
}

/* After the last of some queries: the memory they decoded into, which the next one would take anew. */
static void give_up_idle(struct nv_store *store)
{
    int64_t asked = __atomic_load_n(&store->asked_ns, __ATOMIC_RELAXED);

    if (!asked || nv_monotonic_ns() - asked < NV_STORE_QUIET_MS * INT64_C(1000000))
        return;
    nv_block_cache_trim(store->cache);
    malloc_trim(0);
    __atomic_compare_exchange_n(&store->asked_ns, &asked, 0, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

int nv_store_maintain(struct nv_store *store)
{
    NV_LOCKED(&store->maintain_lock);
    bool written = false;
    int done, r;

    if (store->options.read_only)
        return 0;
    give_up_idle(store);
    if (store->log)
        nv_log_pump(store->log);
    done = seal_all(store);
    nv_store_mind_clock(store);
    if (!store->fs)
        return done + drop_pages(store);
    rotate_if_due(store);
    bool waits = store->options.threads && nv_monotonic_ns() < store->cut_retry_ns;
    if (!waits && is_cut_due(store)) {
        r = nv_store_cut(store, store->cut_now);
        done += r > 0;
        written |= r > 0;
        if (r >= 0)
            store->series_kept = nv_series_count(store->table);
        store->cut_retry_ns =
            r < 0 ? nv_monotonic_ns() + NV_STORE_CUT_RETRY_MS * INT64_C(1000000) : 0;
    }
    done += drop_pages(store);
    while ((r = nv_store_merge(store)) > 0 && !__atomic_load_n(&store->stop, __ATOMIC_RELAXED)) {
        done += r;
        written = true;
    }
    if (written)
        malloc_trim(0); /* a block takes memory once in a while that is needed for nothing else */
    r = nv_store_retain(store);
    nv_store_count_files(store, written || r > 0);
    return done + (r > 0 ? r : 0);
}
