/*
 * The body of a frame record, version 2 of the log:
 *
 *   uvarint  source, generation, sequence (one more with each frame of the source), flags
 *   varint   time, less that of the frame before unless the frame is whole
 *   uvarint  number of columns n, number of sections m
 *   OBSERVED set of m (codec.h): the sections observed; without the flag as in the frame before
 *   PRESENT  set of n: the columns whose presence changed. The presence of a column is that at the last
 *            observation of its section; a whole frame gives it for all, as the change from none
 *   NATIVE   uvarint count, of each histogram: uvarint columns skipped, text: codec.h's column of one
 *   VALUES   the rest: those that changed, see log_values.c; without the flag none did
 *
 * In a whole frame all values are told as changes from 0.
 */
#include "base/assert.h"
#include "tsdb/log_record.h"

enum { WHOLE = 1, OBSERVED = 2, PRESENT = 4, VALUES = 8, NATIVE = 16, ALL_FLAGS = 31 };

/* ---- state ---------------------------------------------------------------------------------- */

void nv_log_state_done(struct nv_log_state *state)
{
    nv_log_values_done(&state->values);
    free(state->present);
    free(state->observed);
    free(state->flips);
    *state = (struct nv_log_state){0};
}

static size_t words(size_t bits)
{
    return bits / 64 + 1;
}

int nv_log_state_room(struct nv_log_state *state, size_t n_columns, size_t n_sections)
{
    if (n_columns >= state->room) {
        size_t room = n_columns + n_columns / 8 + 256, old = state->room ? words(state->room) : 0;
        if (!nv_resize((void **)&state->present, words(room) * sizeof(uint64_t)) ||
            !nv_resize((void **)&state->flips, words(room) * sizeof(uint64_t)))
            return -ENOMEM;
        memset(state->present + old, 0, (words(room) - old) * sizeof(uint64_t));
        state->room = room;
    }
    int r = nv_log_values_room(&state->values, n_columns);
    if (r < 0)
        return r;
    if (n_sections >= state->sections_room) {
        size_t room = n_sections + 64, old = state->sections_room ? words(state->sections_room) : 0;
        if (!nv_resize((void **)&state->observed, words(room) * sizeof(uint64_t)))
            return -ENOMEM;
        memset(state->observed + old, 0, (words(room) - old) * sizeof(uint64_t));
        state->sections_room = room;
    }
    return 0;
}

void nv_log_state_begin(struct nv_log_state *state)
{
    nv_log_values_begin(&state->values);
    if (state->room)
        memset(state->present, 0, words(state->room) * sizeof(uint64_t));
    if (state->sections_room)
        memset(state->observed, 0, words(state->sections_room) * sizeof(uint64_t));
    state->n_columns = state->n_sections = 0;
    state->valid = false;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Moves presence on by a row: a bit changes only where the section was observed. True where any did. */
static bool advance_presence(struct nv_log_state *state, const struct nv_row *row,
                             const struct nv_column *columns)
{
    uint64_t any = 0;

    for (size_t w = 0; w < words(row->n_columns); w++) {
        uint64_t flips = 0;
        for (uint64_t bits = row->present[w] ^ state->present[w]; bits; bits &= bits - 1) {
            size_t c = w * 64 + (size_t)__builtin_ctzll(bits);
            if (c < row->n_columns && nv_bit(row->observed, columns[c].section))
                flips |= bits & -bits;
        }
        state->present[w] ^= flips;
        state->flips[w] = flips;
        any |= flips;
    }
    return any;
}

static int put_natives(const struct nv_row *row, struct nv_codec *codec, struct nv_buf *out,
                       uint64_t *ret_n)
{
    NV_AUTO_BUF one = NV_BUF(NV_RECORD_MAX);
    size_t next = 0;

    for (size_t c = 0; row->histograms && c < row->n_columns; c++) {
        if (!nv_bit(row->present, c) || !row->histograms[c])
            continue;
        nv_buf_reset(&one);
        int r = nv_codec_encode_histograms(codec, NV_CODEC_FAST, &row->histograms[c], 1, &one);
        if (r < 0)
            return r;
        nv_put_uvarint(out, c - next);
        nv_record_put_str(out, nv_buf_view(&one));
        next = c + 1;
        ++*ret_n;
    }
    return 0;
}

static void put_numbers(struct nv_log_state *state, const struct nv_row *row, unsigned flags,
                        struct nv_buf *out)
{
    nv_put_uvarint(out, ++state->sequence);
    nv_put_uvarint(out, flags);
    nv_put_varint(out, row->time_ms - (flags & WHOLE ? 0 : state->time_ms));
    nv_put_uvarint(out, row->n_columns);
    nv_put_uvarint(out, row->n_sections);
}

static bool observed_changed(const struct nv_log_state *state, const struct nv_row *row)
{
    return row->n_sections != state->n_sections ||
           memcmp(row->observed, state->observed, words(row->n_sections) * sizeof(uint64_t)) != 0;
}

int nv_log_put_frame(struct nv_log_state *state, uint32_t source, uint64_t generation,
                     const struct nv_row *row, const struct nv_column *columns, bool whole,
                     struct nv_codec *codec, struct nv_buf *out)
{
    NV_AUTO_BUF natives = NV_BUF(NV_RECORD_MAX);
    uint64_t n_natives = 0;

    int r = nv_log_state_room(state, row->n_columns, row->n_sections);
    if (r == 0 && row->histograms)
        r = put_natives(row, codec, &natives, &n_natives);
    if (r < 0)
        return r;
    if (whole)
        nv_log_values_forget(&state->values);
    bool flips = advance_presence(state, row, columns);
    unsigned flags = (whole ? WHOLE : 0) |
                     ((whole || observed_changed(state, row)) && row->n_sections ? OBSERVED : 0) |
                     ((whole || flips) && row->n_columns ? PRESENT : 0) |
                     (nv_log_values_differ(&state->values, row) ? VALUES : 0) |
                     (n_natives ? NATIVE : 0);

    nv_put_uvarint(out, source);
    nv_put_uvarint(out, generation);
    put_numbers(state, row, flags, out);
    if (flags & OBSERVED)
        r = nv_codec_encode_set(row->observed, row->n_sections, out);
    if (r == 0 && (flags & PRESENT))
        r = nv_codec_encode_set(whole ? state->present : state->flips, row->n_columns, out);
    if (flags & NATIVE) {
        nv_put_uvarint(out, n_natives);
        nv_buf_str(out, nv_buf_view(&natives));
    }
    if (flags & VALUES)
        nv_log_values_put(&state->values, row, whole, out);
    nv_log_values_next(&state->values);
    memcpy(state->observed, row->observed, words(row->n_sections) * sizeof(uint64_t));
    state->time_ms = row->time_ms;
    state->n_columns = row->n_columns;
    state->n_sections = row->n_sections;
    return r < 0 || out->failed || natives.failed ? -ENOMEM : 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

int nv_log_get_frame_head(struct nv_str *body, struct nv_log_frame_head *ret)
{
    return nv_get_uvarint(body, &ret->source) && nv_get_uvarint(body, &ret->generation) ? 0
                                                                                        : -EBADMSG;
}

static int get_natives(struct nv_str *in, size_t n_columns, struct nv_codec *codec,
                       struct nv_arena *arena, const struct nv_histogram ***ret)
{
    uint64_t n, skipped;
    struct nv_str text;
    size_t c = 0;

    *ret = nv_arena_alloc(arena, (n_columns + 1) * sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    memset(*ret, 0, (n_columns + 1) * sizeof(**ret));
    if (!nv_get_uvarint(in, &n) || n > n_columns)
        return -EBADMSG;
    for (; n; n--, c++) {
        if (!nv_get_uvarint(in, &skipped) || skipped >= n_columns - c ||
            !nv_record_get_str(in, &text))
            return -EBADMSG;
        c += skipped;
        int r = nv_codec_decode_histograms(codec, text, arena, &(*ret)[c], 1);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The columns present in a row: those whose section was observed with them. */
static int row_presence(const struct nv_log_state *state, const struct nv_column *columns, size_t n,
                        struct nv_arena *arena, const uint64_t **ret)
{
    uint64_t *present = nv_arena_alloc(arena, words(n) * sizeof(*present));

    if (!present)
        return -ENOMEM;
    memcpy(present, state->present, words(n) * sizeof(*present));
    present[n / 64] &= (UINT64_C(1) << n % 64) - 1;
    for (size_t c = 0; c < n; c++)
        if (columns[c].section >= state->n_sections || !nv_bit(state->observed, columns[c].section))
            present[c / 64] &= ~(UINT64_C(1) << c % 64);
    *ret = present;
    return 0;
}

static int get_sets(struct nv_log_state *state, struct nv_str *in, unsigned flags, size_t n_columns,
                    struct nv_arena *arena)
{
    if ((flags & WHOLE) || state->n_sections > state->sections_room)
        memset(state->observed, 0, words(state->sections_room) * sizeof(uint64_t));
    if (flags & OBSERVED) {
        int r = nv_codec_decode_set(in, state->observed, state->n_sections);
        if (r < 0)
            return r;
    }
    if (flags & WHOLE)
        memset(state->present, 0, words(state->room) * sizeof(uint64_t));
    if (!(flags & PRESENT))
        return 0;
    uint64_t *flips = nv_arena_alloc(arena, words(n_columns) * sizeof(*flips));
    if (!flips)
        return -ENOMEM;
    memset(flips, 0, words(n_columns) * sizeof(*flips));
    int r = nv_codec_decode_set(in, flips, n_columns);
    for (size_t w = 0; r == 0 && w < words(n_columns); w++)
        state->present[w] ^= flips[w];
    return r;
}

static int get_numbers(struct nv_log_state *state, struct nv_str *in, uint64_t *ret_flags,
                       uint64_t *ret_columns)
{
    uint64_t sequence, n_sections;
    int64_t time;

    if (!nv_get_uvarint(in, &sequence) || !nv_get_uvarint(in, ret_flags) ||
        !nv_get_varint(in, &time) || !nv_get_uvarint(in, ret_columns) ||
        !nv_get_uvarint(in, &n_sections) || *ret_flags > ALL_FLAGS ||
        n_sections > NV_LOG_SECTIONS_MAX || *ret_columns > NV_LOG_COLUMNS_MAX ||
        ((*ret_flags & OBSERVED) && !n_sections) || ((*ret_flags & PRESENT) && !*ret_columns))
        return -EBADMSG;
    bool whole = *ret_flags & WHOLE;
    if (!whole && (!state->valid || sequence != state->sequence + 1))
        return 1;
    if (!whole && *ret_columns < state->n_columns)
        return -EBADMSG;
    if (__builtin_add_overflow(time, whole ? 0 : state->time_ms, &state->time_ms))
        return -EBADMSG;
    state->sequence = sequence;
    int r = nv_log_state_room(state, *ret_columns, n_sections);
    state->n_sections = n_sections;
    return r;
}

int nv_log_get_frame(struct nv_log_state *state, struct nv_str body,
                     const struct nv_column *columns, size_t n_columns, struct nv_codec *codec,
                     struct nv_arena *arena, struct nv_row *ret)
{
    const struct nv_histogram **natives = NULL;
    uint64_t flags, n;

    int r = get_numbers(state, &body, &flags, &n);
    if (r == 0 && n > n_columns)
        r = 1;
    if (r) {
        state->valid = false;
        return r;
    }
    state->valid = false; /* until all is read */
    if (flags & WHOLE)
        nv_log_values_forget(&state->values);
    r = get_sets(state, &body, (unsigned)flags, n, arena);
    if (r == 0 && (flags & NATIVE))
        r = get_natives(&body, n, codec, arena, &natives);
    if (r == 0 && (flags & VALUES))
        r = nv_log_values_get(&state->values, body, n, flags & WHOLE);
    else if (r == 0 && body.n)
        r = -EBADMSG;
    nv_log_values_next(&state->values);
    if (r == 0)
        r = row_presence(state, columns, n, arena, &ret->present);
    if (r < 0)
        return r;
    state->n_columns = n;
    state->valid = true;
    ret->time_ms = state->time_ms;
    ret->n_columns = n;
    ret->n_sections = state->n_sections;
    ret->observed = state->observed;
    ret->values = state->values.at;
    ret->histograms = natives;
    return 0;
}
