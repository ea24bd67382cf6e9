/*
 * Samples with times of their own, and deletions, as the log told them.
 */
#include "tsdb/replay_parts.h"
#include "tsdb/sparse.h"

static bool get_double(struct nv_str *in, double *ret)
{
    uint64_t bits = 0;

    if (in->n < 8)
        return false;
    for (int i = 0; i < 8; i++)
        bits |= (uint64_t)(unsigned char)in->p[i] << 8 * i;
    memcpy(ret, &bits, sizeof(*ret));
    *in = nv_str_from(*in, 8);
    return true;
}

static int enter_sparse(struct nv_replay *replay, struct nv_head *head,
                        const struct nv_label *labels, size_t n_labels,
                        const struct nv_sparse_sample *sample)
{
    int r = nv_sparse_replay(head, labels, n_labels, sample);

    if (r >= 0 && head->sparse_segment > replay->segment)
        head->sparse_segment = replay->segment;
    return r < 0 ? r : 0;
}

int nv_replay_sparse(struct nv_replay *replay, struct nv_str body)
{
    struct nv_label labels[NV_REPLAY_LABELS_MAX];
    uint64_t number, n;
    size_t n_labels;
    struct nv_sparse_sample sample = {0};
    int64_t step;

    if (!nv_get_uvarint(&body, &number) ||
        !nv_record_get_labels(&body, labels, NV_REPLAY_LABELS_MAX, &n_labels) ||
        !nv_get_uvarint(&body, &n))
        return -EBADMSG;
    struct nv_head *head = nv_replay_head(replay, number);
    if (!head)
        return -EBADMSG;
    for (; n; n--) {
        if (!nv_get_varint(&body, &step) ||
            __builtin_add_overflow(sample.time_ms, step, &sample.time_ms) ||
            !get_double(&body, &sample.value))
            return -EBADMSG;
        int r = enter_sparse(replay, head, labels, n_labels, &sample);
        if (r < 0)
            return r;
    }
    return body.n ? -EBADMSG : 0;
}

/* Numbers that damage took are without labels. */
int nv_replay_name(struct nv_replay *replay, struct nv_str body)
{
    struct nv_label labels[NV_REPLAY_LABELS_MAX];
    uint64_t source, number;
    size_t n_labels;

    if (!nv_get_uvarint(&body, &source) || !nv_get_uvarint(&body, &number) ||
        !nv_replay_head(replay, source) || number >= NV_SERIES_TABLE_MAX)
        return -EBADMSG;
    struct nv_str text = body;
    if (!nv_record_get_labels(&body, labels, NV_REPLAY_LABELS_MAX, &n_labels) || body.n)
        return -EBADMSG;
    if (number >= replay->names[source].room) {
        size_t room = number + number / 2 + 64;
        struct nv_str *grown = realloc(replay->names[source].at, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        replay->names[source].at = grown;
        replay->names[source].room = room;
    }
    for (; replay->names[source].n <= number; replay->names[source].n++)
        replay->names[source].at[replay->names[source].n] = (struct nv_str){NULL, 0};
    replay->names[source].at[number] = text;
    return 0;
}

int nv_replay_again(struct nv_replay *replay, struct nv_str body)
{
    struct nv_label labels[NV_REPLAY_LABELS_MAX];
    struct nv_sparse_sample sample = {0};
    uint64_t source, number;
    size_t n_labels;

    if (!nv_get_uvarint(&body, &source) || !nv_get_uvarint(&body, &number) ||
        !nv_get_varint(&body, &sample.time_ms) || !get_double(&body, &sample.value) || body.n)
        return -EBADMSG;
    struct nv_head *head = nv_replay_head(replay, source);
    if (!head || number >= replay->names[source].n || !replay->names[source].at[number].p)
        return -EBADMSG;
    struct nv_str text = replay->names[source].at[number];
    return nv_record_get_labels(&text, labels, NV_REPLAY_LABELS_MAX, &n_labels)
               ? enter_sparse(replay, head, labels, n_labels, &sample)
               : -EBADMSG;
}

int nv_replay_native(struct nv_replay *replay, struct nv_str body)
{
    struct nv_label labels[NV_REPLAY_LABELS_MAX];
    struct nv_sparse_sample sample = {.value = NAN};
    const struct nv_histogram *histogram;
    uint64_t number;
    size_t n_labels;

    if (!nv_get_uvarint(&body, &number) ||
        !nv_record_get_labels(&body, labels, NV_REPLAY_LABELS_MAX, &n_labels) ||
        !nv_get_varint(&body, &sample.time_ms) || !nv_record_get_str(&body, &sample.native) ||
        body.n)
        return -EBADMSG;
    struct nv_head *head = nv_replay_head(replay, number);
    if (!head)
        return -EBADMSG;
    nv_arena_reset(&replay->row);
    int r = nv_codec_decode_histograms(replay->codec, sample.native, &replay->row, &histogram, 1);
    return r < 0 ? r : enter_sparse(replay, head, labels, n_labels, &sample);
}

int nv_replay_delete(struct nv_replay *replay, struct nv_str body)
{
    __attribute__((cleanup(nv_arena_done))) struct nv_arena arena = NV_ARENA(NV_REPLAY_ROW_BYTES);
    struct nv_label labels[NV_REPLAY_LABELS_MAX];
    struct nv_matcher matchers[NV_REPLAY_LABELS_MAX];
    struct nv_head_series **found;
    size_t n, n_found;
    int64_t from, to;

    if (!nv_record_get_labels(&body, labels, NV_REPLAY_LABELS_MAX, &n) ||
        !nv_get_varint(&body, &from) || !nv_get_varint(&body, &to))
        return -EBADMSG;
    for (size_t i = 0; i < n; i++)
        matchers[i] = (struct nv_matcher){NV_MATCH_EQUAL, labels[i].name, labels[i].value, NULL};
    int r = nv_series_select(replay->store->table, matchers, n, &arena, &found, &n_found);
    for (size_t i = 0; r == 0 && i < n_found; i++)
        if (nv_series_n_labels(found[i]) == n)
            r = nv_store_add_mark(replay->store, found[i], from, to);
    if (r == 0 && n_found)
        nv_series_unref(replay->store->table, found, n_found);
    return r;
}
