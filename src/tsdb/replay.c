/*
 * The log read again: into the memory of a store that starts, less what a block holds already; or only to see whether it
 * makes sense.
 *
 * A segment may end in a record that was cut short: writing stopped there. Whatever else cannot be read is damage: the
 * rest of the file is used from the next record that can be, what was read goes to a block at once, and the file is
 * kept as <name>.damaged.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "tsdb/replay_parts.h"

enum { SEGMENT_MAX = 1 << 30, PROBES = 64 };

static void note_fault(struct nv_replay *replay, const char *what, const char *of)
{
    if (replay->faults)
        nv_buf_printf(replay->faults, "%s: %s%s at byte %zu\n", replay->name, what, of, replay->at);
    replay->n_faults++;
}

/* ---- what blocks hold ----------------------------------------------------------------------- */

static int same_series(struct nv_block *block, uint32_t number, const struct nv_label *labels,
                       size_t n, struct nv_arena *arena)
{
    const struct nv_label *other;
    size_t n_other;

    int r = nv_block_labels(block, number, arena, &other, &n_other);
    return r < 0 ? r : nv_labels_compare(other, n_other, labels, n) == 0;
}

/* The last row of the group a series is in, if the block has it in one. */
static int covered_by(struct nv_block *block, const struct nv_label *labels, size_t n,
                      struct nv_arena *arena, int64_t *ret)
{
    struct nv_matcher matchers[NV_REPLAY_LABELS_MAX];
    struct nv_block_column column;
    struct nv_block_group group;
    uint32_t *numbers;
    size_t n_numbers;

    if (n > NV_REPLAY_LABELS_MAX)
        return 0;
    for (size_t i = 0; i < n; i++)
        matchers[i] = (struct nv_matcher){NV_MATCH_EQUAL, labels[i].name, labels[i].value, NULL};
    int r = nv_block_select(block, matchers, n, arena, &numbers, &n_numbers);
    for (size_t i = 0; r >= 0 && i < n_numbers; i++) {
        r = same_series(block, numbers[i], labels, n, arena);
        if (r <= 0)
            continue;
        r = nv_block_column(block, numbers[i], arena, &column);
        if (r < 0 || column.group == NV_BLOCK_SPARSE)
            return r;
        r = nv_block_group(block, column.group, arena, &group);
        if (r < 0)
            return r;
        if (group.n_rows && group.times[group.n_rows - 1] > *ret)
            *ret = group.times[group.n_rows - 1];
        return 1;
    }
    return r < 0 ? r : 0;
}

/* Up to which row blocks hold this source: its series tell, for they lie in its group. */
static void probe(struct nv_replay *replay, struct nv_head *head, int64_t first_ms)
{
    struct nv_blocks *blocks = replay->store->blocks;
    int64_t covered = INT64_MIN;

    for (size_t b = 0; b < blocks->n; b++) {
        if (nv_block_info(blocks->at[b])->to_ms < first_ms)
            continue;
        int found = 0;
        for (uint32_t c = 0; c < head->columns->n && c < PROBES && found <= 0; c++) {
            __attribute__((cleanup(nv_arena_done))) struct nv_arena arena =
                NV_ARENA(NV_REPLAY_ROW_BYTES);
            const struct nv_head_series *series = head->columns->at[c].series;
            const struct nv_label *labels = nv_series_labels(series, &arena);
            if (labels)
                found =
                    covered_by(blocks->at[b], labels, nv_series_n_labels(series), &arena, &covered);
        }
    }
    replay->covered_ms[head->number] = covered;
    replay->probed[head->number] = true;
}

/* ---- records -------------------------------------------------------------------------------- */

static int replay_source(struct nv_replay *replay, struct nv_str body)
{
    char name[NV_HEAD_NAME_MAX + 1];
    struct nv_str text;
    uint64_t number;
    int64_t last;
    uint32_t ours;

    if (!nv_get_uvarint(&body, &number) || !nv_record_get_str(&body, &text) ||
        !nv_get_varint(&body, &last) || body.n || number >= NV_STORE_SOURCES_MAX ||
        text.n > NV_HEAD_NAME_MAX || memchr(text.p, 0, text.n))
        return -EBADMSG;
    memcpy(name, text.p, text.n);
    name[text.n] = '\0';
    int r = nv_store_source(replay->store, name, &ours);
    if (r)
        return r < 0 ? r : -EBADMSG;
    struct nv_head *head = replay->store->heads[ours];
    replay->by_number[number] = head;
    if (last > head->last_ms)
        head->last_ms = last;
    return 0;
}

/* At the last row a block has: who is missing in the next one becomes stale there. */
static void note_live(struct nv_head *head)
{
    for (uint32_t c = 0; c < head->columns->n && c < head->log.room; c++)
        head->columns->at[c].series->live = nv_bit(head->log.present, c);
}

static int replay_frame(struct nv_replay *replay, struct nv_str body)
{
    struct nv_log_frame_head frame;
    struct nv_row row;

    int r = nv_log_get_frame_head(&body, &frame);
    struct nv_head *head = r == 0 ? nv_replay_head(replay, frame.source) : NULL;
    if (!head)
        return -EBADMSG;
    if (replay->gap[head->number] || frame.generation != head->generation) {
        head->log.valid = false;
        if (!replay->damaged && !replay->n_faults)
            note_fault(replay, "a frame whose columns were not told", "");
        return 0; /* what it stands on is missing, which was counted where it was met */
    }
    nv_arena_reset(&replay->row);
    r = nv_log_get_frame(&head->log, body, head->columns->at, head->columns->n, replay->codec,
                         &replay->row, &row);
    if (r > 0 && !replay->damaged && !replay->n_faults)
        note_fault(replay, "a frame that follows none", "");
    if (r)
        return r < 0 ? r : 0;
    if (!replay->probed[head->number])
        probe(replay, head, row.time_ms);
    if (row.time_ms <= replay->covered_ms[head->number]) {
        head->last_ms = row.time_ms > head->last_ms ? row.time_ms : head->last_ms;
        if (row.time_ms == replay->covered_ms[head->number])
            note_live(head);
        return 0;
    }
    int64_t newest = nv_head_newest(head);
    return row.time_ms > newest ? nv_head_replay(head, &row, replay->segment) : 0;
}

static const char *const type_names[] = {
    [NV_RECORD_SOURCE] = "source",         [NV_RECORD_COLUMNS] = "columns",
    [NV_RECORD_FRAME] = "frame",           [NV_RECORD_SPARSE] = "sparse sample",
    [NV_RECORD_DELETE] = "delete",         [NV_RECORD_SPARSE_NATIVE] = "sparse histogram",
    [NV_RECORD_SPARSE_NAME] = "name",      [NV_RECORD_SPARSE_AGAIN] = "sparse sample",
    [NV_RECORD_COLUMNS_AGAIN] = "columns",
};

static int replay_record(struct nv_replay *replay, enum nv_record_type type, struct nv_str body)
{
    switch (type) {
    case NV_RECORD_SOURCE:
        return replay_source(replay, body);
    case NV_RECORD_COLUMNS:
        return nv_replay_columns(replay, body);
    case NV_RECORD_COLUMNS_AGAIN:
        return nv_replay_columns_again(replay, body);
    case NV_RECORD_FRAME:
        return replay_frame(replay, body);
    case NV_RECORD_SPARSE:
        return nv_replay_sparse(replay, body);
    case NV_RECORD_DELETE:
        return nv_replay_delete(replay, body);
    case NV_RECORD_SPARSE_NATIVE:
        return nv_replay_native(replay, body);
    case NV_RECORD_SPARSE_NAME:
        return nv_replay_name(replay, body);
    case NV_RECORD_SPARSE_AGAIN:
        return nv_replay_again(replay, body);
    default:
        return -EBADMSG;
    }
}

/* ---- segments ------------------------------------------------------------------------------- */

static int read_file(struct nv_fs *fs, const char *name, struct nv_buf *out)
{
    struct nv_fs_stat stat;

    int r = fs->ops->stat(fs, name, &stat);
    int handle = r < 0 ? r : fs->ops->open_read(fs, name);
    if (handle < 0)
        return handle;
    nv_buf_reset(out);
    if (stat.size > SEGMENT_MAX || !nv_buf_room(out, stat.size + 1)) {
        fs->ops->close(fs, handle);
        return -EFBIG;
    }
    while (out->n < stat.size) {
        ssize_t n = fs->ops->pread(fs, handle, out->p + out->n, stat.size - out->n, out->n);
        if (n <= 0) {
            r = n < 0 ? (int)n : 0;
            break;
        }
        out->n += (size_t)n;
    }
    fs->ops->close(fs, handle);
    return r;
}

/* All records that can be read. Returns where the last of them ends. */
static int replay_records(struct nv_replay *replay, struct nv_str in, size_t *ret_end)
{
    size_t at = NV_SEGMENT_HEAD, size;
    enum nv_record_type type;
    struct nv_str body;

    *ret_end = at;
    while (at < in.n) {
        int r = nv_record_get(nv_str_from(in, at), &type, &body, &size);
        if (r == 0) {
            replay->at = at;
            r = replay_record(replay, type, body);
            if (r == -EBADMSG) {
                replay->damaged = true;
                note_fault(replay, "a record that makes no sense: ",
                           type < NV_LEN(type_names) && type_names[type] ? type_names[type]
                                                                         : "of no known type");
            } else if (r < 0) {
                return r;
            }
            *ret_end = at += size;
            continue;
        }
        size_t skip = 1 + nv_record_search(nv_str_from(in, at + 1));
        if (r == -EBADMSG || at + skip < in.n) {
            replay->damaged = true;
            replay->at = at;
            note_fault(replay, "damaged record", "");
        }
        if (at + skip >= in.n)
            return 0;
        at += skip;
    }
    return 0;
}

/* A segment can be read by itself: nothing in it stands on one before. */
static void forget_before(struct nv_replay *replay)
{
    for (size_t i = 0; i < NV_STORE_SOURCES_MAX; i++)
        nv_columns_unref(nv_take(replay->before[i]));
}

static int note_damaged(struct nv_store *store, struct nv_str name)
{
    struct nv_str *more = realloc(store->damaged, (store->n_damaged + 1) * sizeof(*more));

    if (!more)
        return -ENOMEM;
    store->damaged = more;
    store->damaged[store->n_damaged] = nv_arena_str(&store->damaged_names, name);
    if (!store->damaged[store->n_damaged].p)
        return -ENOMEM;
    store->n_damaged++;
    nv_count(&store->stats.corruptions, 1);
    return 0;
}

static int replay_segment(struct nv_replay *replay, struct nv_str name, struct nv_buf *buf)
{
    struct nv_store *store = replay->store;
    uint64_t number;
    size_t end;

    int r = read_file(store->fs, name.p, buf);
    if (r == -ENOENT && store->options.read_only)
        return -ESTALE;
    if (r < 0)
        return r == -ENOMEM ? r : note_damaged(store, name);
    if (buf->n < NV_SEGMENT_HEAD) { /* it was made, and nothing was written */
        if (!store->options.read_only)
            store->fs->ops->unlink(store->fs, name.p);
        return 0;
    }
    memset(replay->by_number, 0, sizeof(replay->by_number));
    for (size_t i = 0; i < NV_STORE_SOURCES_MAX; i++)
        replay->names[i].n = 0;
    forget_before(replay);
    replay->damaged = !nv_segment_get_head(nv_buf_view(buf), &number) || number != replay->segment;
    r = replay_records(replay, nv_buf_view(buf), &end);
    if (r < 0)
        return r;
    if (replay->damaged)
        return note_damaged(store, name);
    if (end < buf->n && !store->options.read_only) /* a tail is skipped where it cannot be cut */
        (void)!store->fs->ops->truncate(store->fs, name.p, end);
    return 0;
}

static void replay_done(struct nv_replay *replay)
{
    forget_before(replay);
    for (size_t i = 0; i < NV_STORE_SOURCES_MAX; i++)
        free(replay->names[i].at);
    nv_codec_free(replay->codec);
    nv_arena_done(&replay->row);
}

int nv_replay_log(struct nv_store *store, const struct nv_str *names, size_t n, uint64_t *ret_next)
{
    NV_AUTO_BUF buf = NV_BUF((size_t)SEGMENT_MAX + 1);
    NV_AUTO_FREE struct nv_replay *replay = calloc(1, sizeof(*replay));

    if (!replay)
        return -ENOMEM;
    *replay = (struct nv_replay){.store = store, .row = NV_ARENA(NV_REPLAY_ROW_BYTES), .last = 1};
    replay->codec = nv_codec_new();
    int r = replay->codec ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!nv_log_is_name(names[i], &replay->segment))
            continue;
        if (replay->segment >= replay->last)
            replay->last = replay->segment + 1;
        r = replay_segment(replay, names[i], &buf);
    }
    *ret_next = replay->last;
    replay_done(replay);
    return r;
}

/* ---- verifying ------------------------------------------------------------------------------ */

/* A segment is read into a store in memory, which is thrown away. */
static int verify_bytes(struct nv_replay *replay, struct nv_str in)
{
    uint64_t number;
    size_t end;

    if (in.n < NV_SEGMENT_HEAD)
        return 0; /* made, and not yet written to */
    if (!nv_segment_get_head(in, &number) || number != replay->segment)
        note_fault(replay, "damaged head", "");
    return replay_records(replay, in, &end);
}

int nv_replay_verify(struct nv_fs *fs, const char *name, uint64_t segment, struct nv_buf *out)
{
    NV_AUTO_BUF buf = NV_BUF((size_t)SEGMENT_MAX + 1);
    NV_AUTO_FREE struct nv_replay *replay = calloc(1, sizeof(*replay));
    const struct nv_store_options options = {0};
    char error[NV_STORE_ERROR_MAX];

    if (!replay)
        return -ENOMEM;
    *replay = (struct nv_replay){
        .row = NV_ARENA(NV_REPLAY_ROW_BYTES), .segment = segment, .faults = out, .name = name};
    int r = read_file(fs, name, &buf);
    if (r < 0) {
        nv_buf_printf(out, "%s: cannot be read: %s\n", name, strerror(-r));
        return 1;
    }
    r = nv_store_open(&options, &replay->store, error);
    if (r < 0)
        return r;
    replay->codec = nv_codec_new();
    r = replay->codec ? verify_bytes(replay, nv_buf_view(&buf)) : -ENOMEM;
    replay_done(replay);
    nv_store_close(replay->store);
    return r < 0 ? r : replay->n_faults;
}
