/*
 * Samples that bring their own times: an array of times and values per series, until the next block.
 */
#include "tsdb/sparse.h"

#include "base/assert.h"
#include "tsdb/log.h"
#include "tsdb/parts.h"

static void unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}
#define LOCKED(mutex)                                                                              \
    __attribute__((cleanup(unlock), unused)) pthread_mutex_t *locked = (mutex);                    \
    pthread_mutex_lock(locked)

enum { SAMPLE_BYTES = sizeof(int64_t) + sizeof(double) };

static struct nv_sparse *sparse_new(struct nv_head *head, struct nv_head_series *series)
{
    if (head->n_sparse == head->room_sparse) {
        size_t room = head->room_sparse ? head->room_sparse * 2 : 64;
        struct nv_sparse **p = realloc(head->sparse, room * sizeof(struct nv_sparse *));
        if (!p)
            return NULL;
        head->sparse = p;
        head->room_sparse = room;
    }
    struct nv_sparse *sparse = calloc(1, sizeof(*sparse));
    if (!sparse)
        return NULL;
    *sparse = (struct nv_sparse){.series = series, .last_ms = INT64_MIN};
    head->sparse[head->n_sparse++] = sparse;
    __atomic_store_n(&series->sparse, sparse, __ATOMIC_RELEASE);
    return sparse;
}

static bool make_room(struct nv_head *head, struct nv_sparse *sparse, size_t n)
{
    if (sparse->room - sparse->n >= n)
        return true;
    size_t room = sparse->room ? sparse->room : 16;
    while (room < sparse->n + n)
        room *= 2;
    int64_t *times = realloc(sparse->times, room * sizeof(*times));
    if (times)
        sparse->times = times;
    double *values = realloc(sparse->values, room * sizeof(*values));
    if (values)
        sparse->values = values;
    if (!times || !values)
        return false;
    head->sparse_bytes += (room - sparse->room) * SAMPLE_BYTES;
    sparse->room = room;
    return true;
}

/* Those that are newer than the one before; returns how many were. Under the lock. */
static int add(struct nv_head *head, struct nv_sparse *sparse, const int64_t *times,
               const double *values, size_t n, size_t *ret_added)
{
    *ret_added = 0;
    if (sparse->n + n > NV_SPARSE_ROWS || head->sparse_bytes > 2 * (size_t)NV_SPARSE_BYTES)
        return NV_STORE_FULL;
    if (!make_room(head, sparse, n))
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (times[i] <= sparse->last_ms)
            continue;
        sparse->times[sparse->n] = sparse->last_ms = times[i];
        sparse->values[sparse->n++] = values[i];
        if (times[i] > head->newest_ms)
            head->newest_ms = times[i];
        ++*ret_added;
    }
    nv_count(&head->samples, *ret_added);
    nv_count(&head->not_newer, n - *ret_added);
    return *ret_added == n ? 0 : NV_STORE_NOT_NEWER;
}

static void put_sparse(struct nv_head *head, const struct nv_label *labels, size_t n_labels,
                       const int64_t *times, const double *values, size_t n)
{
    size_t at = nv_record_begin(&head->record, NV_RECORD_SPARSE);

    nv_put_uvarint(&head->record, head->number);
    nv_record_put_labels(&head->record, labels, n_labels);
    nv_put_uvarint(&head->record, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        nv_put_varint(&head->record, times[i] - (i ? times[i - 1] : 0));
        for (int k = 0; k < 8; k++)
            nv_buf_char(&head->record, (char)(bits >> 8 * k));
    }
    nv_record_end(&head->record, at);
}

static void log_sparse(struct nv_head *head, struct nv_log *log, const struct nv_label *labels,
                       size_t n_labels, const int64_t *times, const double *values, size_t n)
{
    uint64_t segment = nv_log_begin(log);

    nv_buf_reset(&head->record);
    if (segment != head->sparse_log_segment)
        nv_head_put_source(head);
    head->sparse_log_segment = segment;
    put_sparse(head, labels, n_labels, times, values, n);
    nv_log_end(log, head->record.failed ? (struct nv_str){NULL, 0} : nv_buf_view(&head->record), 1);
}

int nv_sparse_append(struct nv_head *head, struct nv_log *log, const struct nv_label *labels,
                     size_t n_labels, const int64_t *times, const double *values, size_t n)
{
    LOCKED(&head->writing);
    struct nv_head_series *series;
    size_t added = 0;

    int r = nv_series_take(head->table, head->number, labels, n_labels, &series);
    if (r == NV_SERIES_CONFLICT)
        nv_count(&head->conflicts, n);
    if (r)
        return r < 0 ? r : NV_STORE_FULL;
    pthread_mutex_lock(&head->lock);
    uint64_t segment = log ? nv_log_segment(log) : UINT64_MAX;
    if (segment < head->sparse_segment)
        head->sparse_segment = segment;
    bool known = series->sparse;
    struct nv_sparse *sparse = known ? series->sparse : sparse_new(head, series);
    r = sparse ? add(head, sparse, times, values, n, &added) : -ENOMEM;
    pthread_mutex_unlock(&head->lock);
    if (known || !sparse)
        nv_series_unref(head->table, &series, 1); /* what is there holds it already */
    if (r == NV_STORE_FULL)
        nv_count(&head->full, n);
    if (log && r >= 0 && r != NV_STORE_FULL && added)
        log_sparse(head, log, labels, n_labels, times, values, n);
    return r;
}

int nv_store_append_sparse(struct nv_store *store, uint32_t source, const struct nv_label *labels,
                           size_t n_labels, int64_t time_ms, double value)
{
    nv_assert(source < nv_store_n_heads(store));
    if (store->options.read_only)
        return -EROFS;
    return nv_sparse_append(store->heads[source], store->log, labels, n_labels, &time_ms, &value,
                            1);
}

static int copy_range(const struct nv_sparse *sparse, int64_t from_ms, int64_t to_ms,
                      struct nv_arena *arena, struct nv_samples *ret)
{
    size_t first = 0, n;

    while (first < sparse->n && sparse->times[first] < from_ms)
        first++;
    for (n = sparse->n; n > first && sparse->times[n - 1] > to_ms;)
        n--;
    n -= first;
    *ret = (struct nv_samples){.times = nv_arena_alloc(arena, n * sizeof(int64_t)),
                               .values = nv_arena_alloc(arena, n * sizeof(double)),
                               .n = n};
    if (!ret->times || !ret->values)
        return -ENOMEM;
    if (n) {
        memcpy(ret->times, sparse->times + first, n * sizeof(int64_t));
        memcpy(ret->values, sparse->values + first, n * sizeof(double));
    }
    return 0;
}

int nv_sparse_copy(struct nv_head *head, const struct nv_head_series *series, int64_t from_ms,
                   int64_t to_ms, struct nv_arena *arena, struct nv_samples *ret)
{
    LOCKED(&head->lock);

    *ret = (struct nv_samples){0};
    return series->sparse ? copy_range(series->sparse, from_ms, to_ms, arena, ret) : 0;
}

int nv_sparse_take(struct nv_head *head, size_t i, struct nv_arena *arena,
                   struct nv_head_series **ret_series, struct nv_samples *ret)
{
    LOCKED(&head->lock);

    *ret_series = NULL;
    if (i >= head->n_sparse)
        return 0;
    *ret_series = head->sparse[i]->series;
    return copy_range(head->sparse[i], INT64_MIN, INT64_MAX, arena, ret);
}

/* Out of the list; its hold on the series passes to the caller. Under the lock. */
static void forget(struct nv_head *head, struct nv_head_series *series)
{
    struct nv_sparse *sparse = series->sparse;
    size_t i = 0;

    while (head->sparse[i] != sparse)
        i++;
    head->sparse[i] = head->sparse[--head->n_sparse];
    head->sparse_bytes -= sparse->room * SAMPLE_BYTES;
    __atomic_store_n(&series->sparse, NULL, __ATOMIC_RELEASE);
    free(sparse->times);
    free(sparse->values);
    free(sparse);
}

void nv_sparse_drop(struct nv_head *head, struct nv_head_series *series, size_t n)
{
    {
        LOCKED(&head->lock);
        struct nv_sparse *sparse = series->sparse;
        sparse->n -= n;
        if (sparse->n) {
            memmove(sparse->times, sparse->times + n, sparse->n * sizeof(*sparse->times));
            memmove(sparse->values, sparse->values + n, sparse->n * sizeof(*sparse->values));
            return;
        }
        forget(head, series);
    }
    nv_series_unref(head->table, &series, 1);
}

void nv_sparse_settle(struct nv_head *head, uint64_t segment)
{
    LOCKED(&head->lock);
    head->sparse_segment = head->n_sparse ? segment : UINT64_MAX;
}

void nv_sparse_done(struct nv_head *head)
{
    while (head->n_sparse) {
        struct nv_sparse *last = head->sparse[head->n_sparse - 1];
        nv_sparse_drop(head, last->series, last->n);
    }
    free(head->sparse);
    head->sparse = NULL;
}

bool nv_store_sparse_due(struct nv_store *store)
{
    int64_t oldest = INT64_MAX;
    size_t bytes = 0;

    for (size_t i = 0; i < nv_store_n_heads(store); i++) {
        struct nv_head *head = store->heads[i];
        LOCKED(&head->lock);
        bytes += head->sparse_bytes;
        for (size_t k = 0; k < head->n_sparse; k++) {
            if (head->sparse[k]->n > NV_SPARSE_ROWS / 2)
                return true;
            if (head->sparse[k]->n && head->sparse[k]->times[0] < oldest)
                oldest = head->sparse[k]->times[0];
        }
    }
    return bytes > NV_SPARSE_BYTES ||
           (oldest != INT64_MAX && nv_store_newest(store) - oldest >= store->options.block_ms);
}
