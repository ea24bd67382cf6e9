/*
 * Samples that bring their own times: an array of times and values per series, until the next block.
 */
#include "tsdb/sparse.h"

#include "base/assert.h"
#include "base/locked.h"
#include "tsdb/log.h"
#include "tsdb/parts.h"

enum { SAMPLE_BYTES = sizeof(int64_t) + sizeof(double), NATIVE_MAX = 1 << 20, LABELS_MAX = 256 };

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
    *sparse = (struct nv_sparse){.series = series, .last_ms = INT64_MIN, .log_segment = UINT64_MAX};
    head->sparse[head->n_sparse++] = sparse;
    __atomic_store_n(&series->sparse, sparse, __ATOMIC_RELEASE);
    return sparse;
}

static bool make_room(struct nv_head *head, struct nv_sparse *sparse)
{
    if (sparse->room > sparse->n)
        return true;
    size_t room = sparse->room ? sparse->room * 2 : 16;
    int64_t *times = realloc(sparse->times, room * sizeof(*times));
    if (times)
        sparse->times = times;
    double *values = realloc(sparse->values, room * sizeof(*values));
    if (values)
        sparse->values = values;
    struct nv_str *natives =
        sparse->natives ? realloc(sparse->natives, room * sizeof(*natives)) : NULL;
    if (natives)
        sparse->natives = natives;
    if (!times || !values || (sparse->natives && !natives))
        return false;
    head->sparse_bytes += (room - sparse->room) * SAMPLE_BYTES;
    sparse->room = room;
    return true;
}

/* The histogram of the sample that comes next. */
static bool keep_native(struct nv_head *head, struct nv_sparse *sparse, struct nv_str native)
{
    char *bytes = malloc(native.n + 1);

    if (!sparse->natives)
        sparse->natives = calloc(sparse->room, sizeof(*sparse->natives));
    if (!bytes || !sparse->natives) {
        free(bytes);
        return false;
    }
    if (native.n)
        memcpy(bytes, native.p, native.n);
    sparse->natives[sparse->n] = (struct nv_str){bytes, native.n};
    head->sparse_bytes += native.n;
    return true;
}

static void drop_natives(struct nv_head *head, struct nv_sparse *sparse, size_t n)
{
    for (size_t i = 0; sparse->natives && i < n; i++) {
        head->sparse_bytes -= sparse->natives[i].n;
        free(__extension__({
            union {
                const char *from;
                char *to;
            } u = {sparse->natives[i].p};
            u.to;
        }));
    }
}

/* One that is newer than the one before. Under the lock. */
static int add(struct nv_head *head, struct nv_sparse *sparse,
               const struct nv_sparse_sample *sample)
{
    if (sparse->n == NV_SPARSE_ROWS || head->sparse_bytes > 2 * (size_t)NV_SPARSE_BYTES)
        return NV_STORE_FULL;
    if (sample->time_ms <= sparse->last_ms) {
        nv_count(&head->not_newer, 1);
        return NV_STORE_NOT_NEWER;
    }
    if (!make_room(head, sparse) ||
        (sample->native.p && !keep_native(head, sparse, sample->native)))
        return -ENOMEM;
    if (sparse->natives && !sample->native.p)
        sparse->natives[sparse->n] = (struct nv_str){NULL, 0};
    sparse->times[sparse->n] = sparse->last_ms = sample->time_ms;
    sparse->values[sparse->n++] = sample->value;
    if (sample->time_ms > head->newest_ms)
        head->newest_ms = sample->time_ms;
    nv_count(&head->samples, 1);
    return 0;
}

static void put_double(struct nv_buf *out, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    for (int k = 0; k < 8; k++)
        nv_buf_char(out, (char)(bits >> 8 * k));
}

static void put_sparse(struct nv_head *head, const struct nv_label *labels, size_t n_labels,
                       const struct nv_sparse_sample *sample)
{
    size_t at = nv_record_begin(&head->record,
                                sample->native.p ? NV_RECORD_SPARSE_NATIVE : NV_RECORD_SPARSE);

    nv_put_uvarint(&head->record, head->number);
    nv_record_put_labels(&head->record, labels, n_labels);
    if (!sample->native.p)
        nv_put_uvarint(&head->record, 1);
    nv_put_varint(&head->record, sample->time_ms);
    if (sample->native.p)
        nv_record_put_str(&head->record, sample->native);
    else
        put_double(&head->record, sample->value);
    nv_record_end(&head->record, at);
}

/* How the log knows a series: in a segment, by a number. */
struct log_name {
    uint64_t segment; /* UINT64_MAX: not at all */
    uint32_t number;
};

static void put_name(struct nv_head *head, uint32_t number, const struct nv_label *labels,
                     size_t n_labels)
{
    size_t at = nv_record_begin(&head->record, NV_RECORD_SPARSE_NAME);

    nv_put_uvarint(&head->record, head->number);
    nv_put_uvarint(&head->record, number);
    nv_record_put_labels(&head->record, labels, n_labels);
    nv_record_end(&head->record, at);
}

static void put_again(struct nv_head *head, uint32_t number, const struct nv_sparse_sample *sample)
{
    size_t at = nv_record_begin(&head->record, NV_RECORD_SPARSE_AGAIN);

    nv_put_uvarint(&head->record, head->number);
    nv_put_uvarint(&head->record, number);
    nv_put_varint(&head->record, sample->time_ms);
    put_double(&head->record, sample->value);
    nv_record_end(&head->record, at);
}

/*
 * Labels stand in a segment once or twice, however many samples follow: with the first sample of a series ever, and when
 * it gets its number. `name` NULL: it gets none yet. What has become of the name is in it.
 */
static void log_sparse(struct nv_head *head, struct nv_log *log, const struct nv_label *labels,
                       size_t n_labels, const struct nv_sparse_sample *sample,
                       struct log_name *name)
{
    uint64_t segment = nv_log_begin(log);

    nv_buf_reset(&head->record);
    if (segment != head->sparse_log_segment) {
        nv_head_put_source(head);
        head->sparse_numbers = 0;
    }
    head->sparse_log_segment = segment;
    if (!name || sample->native.p || head->sparse_numbers == NV_SERIES_TABLE_MAX) {
        put_sparse(head, labels, n_labels, sample);
    } else {
        if (name->segment != segment) {
            *name = (struct log_name){segment, head->sparse_numbers++};
            put_name(head, name->number, labels, n_labels);
        }
        put_again(head, name->number, sample);
    }
    if (name && head->record.failed)
        name->segment = UINT64_MAX;
    nv_log_end(log, head->record.failed ? (struct nv_str){NULL, 0} : nv_buf_view(&head->record), 1);
}

/* Enters a sample of a series that is held, which the caller lets go of where true is returned. Under head->writing. */
static bool enter(struct nv_head *head, struct nv_log *log, struct nv_head_series *series,
                  const struct nv_sparse_sample *sample, struct log_name *ret_name, int *ret)
{
    pthread_mutex_lock(&head->lock);
    uint64_t segment = log ? nv_log_segment(log) : UINT64_MAX;
    if (segment < head->sparse_segment)
        head->sparse_segment = segment;
    bool known = series->sparse;
    struct nv_sparse *sparse = known ? series->sparse : sparse_new(head, series);
    *ret = sparse ? add(head, sparse, sample) : -ENOMEM;
    if (sparse)
        *ret_name = (struct log_name){sparse->log_segment, sparse->log_number};
    pthread_mutex_unlock(&head->lock);
    if (*ret == NV_STORE_FULL)
        nv_count(&head->full, 1);
    return known || !sparse; /* what is there holds it already */
}

/* Whoever cuts may have let go of what was there. */
static void keep_name(struct nv_head *head, const struct nv_head_series *series,
                      struct log_name name)
{
    NV_LOCKED(&head->lock);

    if (series->sparse) {
        series->sparse->log_segment = name.segment;
        series->sparse->log_number = name.number;
    }
}

/* Under head->writing. */
static int append(struct nv_head *head, struct nv_log *log, const struct nv_label *labels,
                  size_t n_labels, const struct nv_sparse_sample *sample)
{
    struct nv_head_series *series;

    int r = nv_series_claim(head->table, head->number, labels, n_labels, &series);
    if (r == NV_SERIES_CONFLICT)
        nv_count(&head->conflicts, 1);
    if (r)
        return r < 0 ? r : r == NV_SERIES_CONFLICT ? NV_STORE_CONFLICT : NV_STORE_FULL;
    struct log_name name = {.segment = UINT64_MAX}, before;
    bool lets_go = enter(head, log, series, sample, &name, &r);
    before = name;
    if (log && r == 0)
        log_sparse(head, log, labels, n_labels, sample, lets_go ? &name : NULL);
    if (lets_go && name.segment != before.segment)
        keep_name(head, series, name);
    if (lets_go)
        nv_series_unref(head->table, &series, 1);
    return r;
}

int nv_sparse_replay(struct nv_head *head, const struct nv_label *labels, size_t n_labels,
                     const struct nv_sparse_sample *sample)
{
    NV_LOCKED(&head->writing);
    struct nv_head_series *series;

    int r = nv_series_take(head->table, head->number, labels, n_labels, &series);
    if (r)
        return r < 0 ? r : NV_STORE_FULL;
    struct log_name unused;
    if (enter(head, NULL, series, sample, &unused, &r))
        nv_series_unref(head->table, &series, 1);
    return r;
}

int nv_sparse_append(struct nv_head *head, struct nv_log *log, const struct nv_label *labels,
                     size_t n_labels, const struct nv_sparse_sample *sample)
{
    NV_LOCKED(&head->writing);
    return append(head, log, labels, n_labels, sample);
}

int nv_store_append_sparse(struct nv_store *store, uint32_t source, const struct nv_label *labels,
                           size_t n_labels, int64_t time_ms, double value)
{
    const struct nv_sparse_sample sample = {.time_ms = time_ms, .value = value};

    nv_assert(source < nv_store_n_heads(store));
    if (store->options.read_only)
        return -EROFS;
    if (n_labels > LABELS_MAX)
        return -EINVAL;
    return nv_sparse_append(store->heads[source], store->log, labels, n_labels, &sample);
}

int nv_store_append_sparse_histogram(struct nv_store *store, uint32_t source,
                                     const struct nv_label *labels, size_t n_labels,
                                     int64_t time_ms, const struct nv_histogram *histogram)
{
    NV_AUTO_BUF native = NV_BUF(NATIVE_MAX);
    struct nv_sparse_sample sample = {.time_ms = time_ms, .value = NAN};

    nv_assert(source < nv_store_n_heads(store));
    if (store->options.read_only)
        return -EROFS;
    if (n_labels > LABELS_MAX)
        return -EINVAL;
    struct nv_head *head = store->heads[source];
    NV_LOCKED(&head->writing);
    int r = nv_codec_encode_histograms(head->log_codec, NV_CODEC_FAST, &histogram, 1, &native);
    if (r < 0 || native.failed)
        return r < 0 ? r : native.failed;
    sample.native = nv_buf_view(&native);
    return append(head, store->log, labels, n_labels, &sample);
}

/* ---- reading -------------------------------------------------------------------------------- */

static int copy_range(const struct nv_sparse *sparse, int64_t from_ms, int64_t to_ms,
                      struct nv_arena *arena, struct nv_sparse_samples *ret)
{
    size_t first = 0, end = sparse->n;

    while (first < end && sparse->times[first] < from_ms)
        first++;
    while (end > first && sparse->times[end - 1] > to_ms)
        end--;
    struct nv_sparse_sample *at = nv_arena_alloc(arena, (end - first + 1) * sizeof(*at));
    if (!at)
        return -ENOMEM;
    for (size_t i = first; i < end; i++) {
        struct nv_str native = sparse->natives ? sparse->natives[i] : (struct nv_str){NULL, 0};
        if (native.p)
            native = nv_arena_str(arena, native);
        if (sparse->natives && sparse->natives[i].p && !native.p)
            return -ENOMEM;
        at[i - first] = (struct nv_sparse_sample){sparse->times[i], sparse->values[i], native};
    }
    *ret = (struct nv_sparse_samples){at, end - first};
    return 0;
}

int nv_sparse_copy(struct nv_head *head, const struct nv_head_series *series, int64_t from_ms,
                   int64_t to_ms, struct nv_arena *arena, struct nv_sparse_samples *ret)
{
    NV_LOCKED(&head->lock);

    *ret = (struct nv_sparse_samples){0};
    return series->sparse ? copy_range(series->sparse, from_ms, to_ms, arena, ret) : 0;
}

int nv_sparse_take(struct nv_head *head, size_t i, struct nv_arena *arena,
                   struct nv_head_series **ret_series, struct nv_sparse_samples *ret)
{
    NV_LOCKED(&head->lock);

    *ret_series = NULL;
    if (i >= head->n_sparse)
        return 0;
    *ret_series = head->sparse[i]->series;
    return copy_range(head->sparse[i], INT64_MIN, INT64_MAX, arena, ret);
}

int nv_sparse_read(const struct nv_sparse_samples *from, struct nv_codec *codec,
                   struct nv_samples *samples)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < from->n; i++) {
        const struct nv_sparse_sample *sample = &from->at[i];
        const struct nv_histogram *histogram = NULL;
        if (sample->native.p && !samples->histogram_memory.max)
            samples->histogram_memory = NV_ARENA(1 << 30);
        if (sample->native.p)
            r = nv_codec_decode_histograms(codec, sample->native, &samples->histogram_memory,
                                           &histogram, 1);
        if (r == 0)
            r = nv_samples_add(samples, sample->time_ms, sample->value, histogram);
    }
    return r;
}

/* ---- letting go ----------------------------------------------------------------------------- */

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
    free(sparse->natives);
    free(sparse);
}

void nv_sparse_drop(struct nv_head *head, struct nv_head_series *series, size_t n)
{
    {
        NV_LOCKED(&head->lock);
        struct nv_sparse *sparse = series->sparse;
        drop_natives(head, sparse, n);
        sparse->n -= n;
        if (sparse->n && sparse->natives)
            memmove(sparse->natives, sparse->natives + n, sparse->n * sizeof(*sparse->natives));
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
    NV_LOCKED(&head->lock);
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
        NV_LOCKED(&head->lock);
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
