/*
 * The body of a frame record, version 1 of the log:
 *
 *   uvarint  source, generation, sequence (one more with each frame of the source), flags
 *   varint   time, less that of the frame before unless the frame is whole
 *   uvarint  number of columns n, number of sections m
 *   OBSERVED set of m (codec.h): the sections observed; without the flag as in the frame before
 *   PRESENT  set of n: the columns whose presence changed. The presence of a column is that at the last
 *            observation of its section; a whole frame gives it for all, as the change from none
 *   VALUES   uvarint count, of each value that changed:
 *              uvarint (columns skipped since the one before) * 2 + 1 if its kind changed; u8 the new kind;
 *              kinds below XOR: varint difference of the integers behind old and new value (`operations`);
 *              XOR: u8 of zero bytes behind * 16 + bytes that differ, and these of the exclusive or, lowest first
 *   NATIVE   uvarint count, of each histogram: uvarint columns skipped, text: codec.h's column of one
 *
 * In a whole frame all values are told as changes from 0, and all kinds begin at 0.
 */
#include "base/assert.h"
#include "tsdb/log_record.h"

enum { WHOLE = 1, OBSERVED = 2, PRESENT = 4, VALUES = 8, NATIVE = 16, ALL_FLAGS = 31 };

/* How the kernel's integer became the value: i / by, or i * by. */
static const struct {
    double by;
    bool times;
} operations[] = {
    {1,    false},
    {1e1,  false},
    {1e2,  false},
    {1e3,  false},
    {1e6,  false},
    {1e9,  false},
    {1e-1, true },
    {1e-2, true },
    {1e-3, true },
    {1e-6, true },
    {1e-9, true },
};
enum { KIND_XOR = sizeof(operations) / sizeof(operations[0]) };

static const double integer_max = 9007199254740992.0; /* 2^53 */

/* ---- state ---------------------------------------------------------------------------------- */

void nv_log_state_done(struct nv_log_state *state)
{
    free(state->values);
    free(state->kinds);
    free(state->present);
    free(state->observed);
    *state = (struct nv_log_state){0};
}

static bool grow(void **p, size_t size)
{
    void *larger = realloc(*p, size);

    if (larger)
        *p = larger;
    return larger;
}

static size_t words(size_t bits)
{
    return bits / 64 + 1;
}

int nv_log_state_room(struct nv_log_state *state, size_t n_columns, size_t n_sections)
{
    if (n_columns >= state->room) {
        size_t room = n_columns + n_columns / 8 + 256, old = state->room ? words(state->room) : 0;
        if (!grow((void **)&state->values, room * sizeof(double)) ||
            !grow((void **)&state->kinds, room) ||
            !grow((void **)&state->present, words(room) * sizeof(uint64_t)))
            return -ENOMEM;
        memset(state->present + old, 0, (words(room) - old) * sizeof(uint64_t));
        memset(state->values + state->room, 0, (room - state->room) * sizeof(double));
        memset(state->kinds + state->room, 0, room - state->room);
        state->room = room;
    }
    if (n_sections >= state->sections_room) {
        size_t room = n_sections + 64, old = state->sections_room ? words(state->sections_room) : 0;
        if (!grow((void **)&state->observed, words(room) * sizeof(uint64_t)))
            return -ENOMEM;
        memset(state->observed + old, 0, (words(room) - old) * sizeof(uint64_t));
        state->sections_room = room;
    }
    return 0;
}

static void forget_values(struct nv_log_state *state)
{
    if (!state->room)
        return;
    memset(state->values, 0, state->room * sizeof(double));
    memset(state->kinds, 0, state->room);
}

void nv_log_state_begin(struct nv_log_state *state)
{
    forget_values(state);
    if (state->room)
        memset(state->present, 0, words(state->room) * sizeof(uint64_t));
    if (state->sections_room)
        memset(state->observed, 0, words(state->sections_room) * sizeof(uint64_t));
    state->n_columns = state->n_sections = 0;
    state->valid = false;
}

/* ---- values --------------------------------------------------------------------------------- */

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double of_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static double of_integer(int64_t integer, unsigned kind)
{
    return operations[kind].times ? (double)integer * operations[kind].by
                                  : (double)integer / operations[kind].by;
}

/* The integer behind a value, where the operation gives the very same bits back. */
static bool to_integer(double value, unsigned kind, int64_t *ret)
{
    double scaled =
        operations[kind].times ? value / operations[kind].by : value * operations[kind].by;

    if (!(scaled > -integer_max && scaled < integer_max))
        return false;
    *ret = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    return bits_of(of_integer(*ret, kind)) == bits_of(value);
}

static bool both_integers(double old, double value, unsigned kind, int64_t *ret_difference)
{
    int64_t a, b;

    if (!to_integer(value, kind, &b) || !to_integer(old, kind, &a))
        return false;
    *ret_difference = b - a;
    return true;
}

static void put_xor(struct nv_buf *out, uint64_t bits)
{
    unsigned behind = (unsigned)__builtin_ctzll(bits) / 8;
    unsigned n = 8 - (unsigned)__builtin_clzll(bits) / 8 - behind;

    nv_buf_char(out, (char)(behind << 4 | n));
    for (unsigned i = behind; i < behind + n; i++)
        nv_buf_char(out, (char)(bits >> 8 * i));
}

static bool get_xor(struct nv_str *in, uint64_t *ret)
{
    if (!in->n)
        return false;
    unsigned behind = (unsigned char)in->p[0] >> 4, n = (unsigned char)in->p[0] & 15;
    if (behind + n > 8 || in->n < n + 1u)
        return false;
    *ret = 0;
    for (unsigned i = 0; i < n; i++)
        *ret |= (uint64_t)(unsigned char)in->p[1 + i] << 8 * (behind + i);
    *in = nv_str_from(*in, n + 1);
    return true;
}

/* One change: its kind stays what it was if it fits, and XOR until the next whole frame once nothing did. */
static void put_value(struct nv_buf *out, uint64_t skipped, double old, double value, uint8_t *kind)
{
    int64_t difference = 0;
    unsigned fits = *kind;

    if (fits != KIND_XOR && !both_integers(old, value, fits, &difference))
        for (fits = 0; fits < KIND_XOR && !both_integers(old, value, fits, &difference);)
            fits++;
    nv_put_uvarint(out, skipped << 1 | (fits != *kind));
    if (fits != *kind)
        nv_buf_char(out, (char)fits);
    *kind = (uint8_t)fits;
    if (fits == KIND_XOR)
        put_xor(out, bits_of(old) ^ bits_of(value));
    else
        nv_put_varint(out, difference);
}

static bool get_value(struct nv_str *in, double *value, uint8_t *kind, bool new_kind)
{
    int64_t old, difference;
    uint64_t bits;

    if (new_kind) {
        if (!in->n || (unsigned char)in->p[0] > KIND_XOR)
            return false;
        *kind = (uint8_t)in->p[0];
        *in = nv_str_from(*in, 1);
    }
    if (*kind == KIND_XOR) {
        if (!get_xor(in, &bits))
            return false;
        *value = of_bits(bits_of(*value) ^ bits);
        return true;
    }
    if (!nv_get_varint(in, &difference) || !to_integer(*value, *kind, &old) ||
        __builtin_add_overflow(old, difference, &old))
        return false;
    *value = of_integer(old, *kind);
    return true;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Moves presence on by a row: a bit changes only where the section was observed. True where any did. */
static bool advance_presence(struct nv_log_state *state, const struct nv_row *row,
                             const struct nv_column *columns, uint64_t *flips)
{
    uint64_t any = 0;

    memset(flips, 0, words(row->n_columns) * sizeof(*flips));
    for (size_t c = 0; c < row->n_columns; c++) {
        uint64_t is = nv_bit(row->present, c), was = nv_bit(state->present, c);
        if (is == was || !nv_bit(row->observed, columns[c].section))
            continue;
        nv_bit_set(flips, c);
        any = 1;
    }
    for (size_t w = 0; w < words(row->n_columns); w++)
        state->present[w] ^= flips[w];
    return any;
}

static uint64_t put_values(struct nv_log_state *state, const struct nv_row *row, struct nv_buf *out)
{
    uint64_t n = 0;
    size_t next = 0;

    for (size_t w = 0; w < words(row->n_columns); w++) {
        for (uint64_t present = row->present[w]; present; present &= present - 1) {
            size_t c = w * 64 + (size_t)__builtin_ctzll(present);
            if (c >= row->n_columns)
                break;
            if (bits_of(row->values[c]) == bits_of(state->values[c]) ||
                (row->histograms && row->histograms[c]))
                continue;
            put_value(out, c - next, state->values[c], row->values[c], &state->kinds[c]);
            state->values[c] = row->values[c];
            next = c + 1;
            n++;
        }
    }
    return n;
}

static int put_natives(const struct nv_row *row, struct nv_codec *codec, struct nv_buf *out,
                       uint64_t *ret_n)
{
    NV_AUTO_BUF one = NV_BUF(NV_RECORD_MAX);
    size_t next = 0;

    *ret_n = 0;
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

struct parts {
    struct nv_buf values, natives;
    uint64_t n_values, n_natives;
    uint64_t *flips;
};

static void parts_done(struct parts *parts)
{
    nv_buf_done(&parts->values);
    nv_buf_done(&parts->natives);
    free(parts->flips);
}

int nv_log_put_frame(struct nv_log_state *state, uint32_t source, uint64_t generation,
                     const struct nv_row *row, const struct nv_column *columns, bool whole,
                     struct nv_codec *codec, struct nv_buf *out)
{
    __attribute__((cleanup(parts_done))) struct parts parts = {NV_BUF(NV_RECORD_MAX),
                                                               NV_BUF(NV_RECORD_MAX)};
    size_t observed_words = words(row->n_sections);

    int r = nv_log_state_room(state, row->n_columns, row->n_sections);
    if (r < 0)
        return r;
    parts.flips = malloc(words(row->n_columns) * sizeof(uint64_t));
    if (!parts.flips)
        return -ENOMEM;
    bool present_changed = advance_presence(state, row, columns, parts.flips);
    if (whole)
        forget_values(state);
    parts.n_values = put_values(state, row, &parts.values);
    r = put_natives(row, codec, &parts.natives, &parts.n_natives);
    if (r < 0)
        return r;
    bool observed_changed =
        whole || row->n_sections != state->n_sections ||
        memcmp(row->observed, state->observed, observed_words * sizeof(uint64_t)) != 0;
    memcpy(state->observed, row->observed, observed_words * sizeof(uint64_t));
    unsigned flags = (whole ? WHOLE : 0) | (observed_changed && row->n_sections ? OBSERVED : 0) |
                     ((whole || present_changed) && row->n_columns ? PRESENT : 0) |
                     (parts.n_values ? VALUES : 0) | (parts.n_natives ? NATIVE : 0);

    nv_put_uvarint(out, source);
    nv_put_uvarint(out, generation);
    nv_put_uvarint(out, ++state->sequence);
    nv_put_uvarint(out, flags);
    nv_put_varint(out, row->time_ms - (whole ? 0 : state->time_ms));
    nv_put_uvarint(out, row->n_columns);
    nv_put_uvarint(out, row->n_sections);
    if (flags & OBSERVED)
        r = nv_codec_encode_set(row->observed, row->n_sections, out);
    if (r == 0 && (flags & PRESENT))
        r = nv_codec_encode_set(whole ? state->present : parts.flips, row->n_columns, out);
    if (flags & VALUES) {
        nv_put_uvarint(out, parts.n_values);
        nv_buf_str(out, nv_buf_view(&parts.values));
    }
    if (flags & NATIVE) {
        nv_put_uvarint(out, parts.n_natives);
        nv_buf_str(out, nv_buf_view(&parts.natives));
    }
    state->time_ms = row->time_ms;
    state->n_columns = row->n_columns;
    state->n_sections = row->n_sections;
    return r < 0 || out->failed || parts.values.failed || parts.natives.failed ? -ENOMEM : 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

int nv_log_get_frame_head(struct nv_str *body, struct nv_log_frame_head *ret)
{
    return nv_get_uvarint(body, &ret->source) && nv_get_uvarint(body, &ret->generation) ? 0
                                                                                        : -EBADMSG;
}

static bool get_values(struct nv_log_state *state, struct nv_str *in, size_t n_columns)
{
    uint64_t n, skipped;
    size_t c = 0;

    if (!nv_get_uvarint(in, &n) || n > n_columns)
        return false;
    for (; n; n--, c++) {
        if (!nv_get_uvarint(in, &skipped) || skipped >> 1 >= n_columns - c)
            return false;
        c += skipped >> 1;
        if (!get_value(in, &state->values[c], &state->kinds[c], skipped & 1))
            return false;
    }
    return true;
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
        forget_values(state);
    r = get_sets(state, &body, (unsigned)flags, n, arena);
    if (r == 0 && (flags & VALUES) && !get_values(state, &body, n))
        r = -EBADMSG;
    if (r == 0 && (flags & NATIVE))
        r = get_natives(&body, n, codec, arena, &natives);
    if (r == 0 && body.n)
        r = -EBADMSG;
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
    ret->values = state->values;
    ret->histograms = natives;
    return 0;
}
