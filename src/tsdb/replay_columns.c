/*
 * Columns of a source, as the log told them: all in the order of their numbers, or those that stood in the generation before. Where
 * some are missing nothing is believed of that generation until they are told from the first.
 */
#include "tsdb/replay_parts.h"

/* One column of a record; labels[] holds those of the column before it. */
static int replay_column(struct nv_head *head, struct nv_str *body, struct nv_label *labels,
                         size_t *n_labels, bool known)
{
    uint64_t section, n, same;

    if (!nv_get_uvarint(body, &section) || !nv_get_uvarint(body, &n) ||
        !nv_get_uvarint(body, &same) || section >> 1 >= NV_LOG_SECTIONS_MAX ||
        n > NV_REPLAY_LABELS_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        if (i < 64 && (same >> i & 1)) {
            if (i >= *n_labels)
                return -EBADMSG;
            continue;
        }
        if (!nv_record_get_str(body, &labels[i].name) || !nv_record_get_str(body, &labels[i].value))
            return -EBADMSG;
    }
    for (size_t i = 1; i < n; i++)
        if (nv_str_cmp(labels[i - 1].name, labels[i].name) >= 0)
            return -EBADMSG;
    *n_labels = n;
    return known ? 0 : nv_head_add_column(head, labels, n, (uint32_t)(section >> 1), section & 1);
}

struct columns_head {
    uint64_t number, generation, first, n;
};

static bool get_columns_head(struct nv_str *body, struct columns_head *ret)
{
    return nv_get_uvarint(body, &ret->number) && nv_get_uvarint(body, &ret->generation) &&
           nv_get_uvarint(body, &ret->first) && nv_get_uvarint(body, &ret->n) &&
           ret->first <= NV_LOG_COLUMNS_MAX && ret->n <= NV_LOG_COLUMNS_MAX - ret->first;
}

/* Begins a generation with its first column. Notes a gap where columns in front of these are missing. */
static int follow_generation(struct nv_replay *replay, struct nv_head *head,
                             const struct columns_head *columns)
{
    struct nv_columns **before = &replay->before[head->number];
    bool *gap = &replay->gap[head->number];
    int r = 0;

    if (columns->first == 0 && (columns->generation != head->generation || *gap)) {
        nv_columns_unref(*before);
        *before = *gap ? NULL : nv_columns_ref(head->columns);
        r = nv_head_begin_generation(head, columns->generation);
        *gap = false;
    }
    *gap |= columns->generation != head->generation || columns->first > head->columns->n;
    return r;
}

int nv_replay_columns(struct nv_replay *replay, struct nv_str body)
{
    struct nv_label labels[NV_REPLAY_LABELS_MAX];
    struct columns_head columns;
    size_t n_labels = 0;

    struct nv_head *head =
        get_columns_head(&body, &columns) ? nv_replay_head(replay, columns.number) : NULL;
    if (!head)
        return -EBADMSG;
    int r = follow_generation(replay, head, &columns);
    if (replay->gap[head->number])
        return r;
    for (uint64_t c = columns.first; r == 0 && c < columns.first + columns.n; c++)
        r = replay_column(head, &body, labels, &n_labels, c < head->columns->n);
    if (r == 0 && body.n)
        r = -EBADMSG;
    if (r < 0)
        replay->gap[head->number] = true;
    return r;
}

/* One column of a record, whose series stood in `before`; *at is its number there. */
static int replay_column_again(struct nv_head *head, const struct nv_columns *before,
                               struct nv_str *body, int64_t *at, bool known)
{
    uint64_t section;
    int64_t step;

    if (!nv_get_varint(body, &step) || __builtin_add_overflow(*at, step, at) ||
        __builtin_add_overflow(*at, 1, at) || *at < 0 || *at >= before->n ||
        !nv_get_uvarint(body, &section) || section >> 1 >= NV_LOG_SECTIONS_MAX)
        return -EBADMSG;
    return known ? 0
                 : nv_head_add_column_again(head, before->at[*at].series, (uint32_t)(section >> 1),
                                            section & 1);
}

int nv_replay_columns_again(struct nv_replay *replay, struct nv_str body)
{
    struct columns_head columns;
    uint64_t generation;
    int64_t at = -1;

    struct nv_head *head =
        get_columns_head(&body, &columns) ? nv_replay_head(replay, columns.number) : NULL;
    if (!head || !nv_get_uvarint(&body, &generation))
        return -EBADMSG;
    int r = follow_generation(replay, head, &columns);
    const struct nv_columns *before = replay->before[head->number];
    bool *gap = &replay->gap[head->number];
    *gap |= !before || before->number != generation;
    if (*gap)
        return r;
    for (uint64_t c = columns.first; r == 0 && c < columns.first + columns.n; c++)
        r = replay_column_again(head, before, &body, &at, c < head->columns->n);
    if (r == 0 && body.n)
        r = -EBADMSG;
    *gap |= r < 0;
    return r;
}
