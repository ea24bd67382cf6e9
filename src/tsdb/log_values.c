/*
 * The values of a frame record, as bits, the lowest of a byte first, zeros behind the last. Numbers of fixed width are
 * little-endian too.
 *
 *   for each 64 columns
 *     a bit for each active column: whether its value changed (in a whole frame, where all have changed from 0, for each
 *     column there is)
 *     for each other column that changed a 1 and six bits, its number among the 64; then a 0 (not in a whole frame)
 *     for each column that changed, in order, a change; or a form, where there was none since the whole frame
 *
 *   A column is active once it has changed twice within a window of 16 frames; after a window without change it no longer is. The
 *   first window begins with the whole frame.
 *
 *   A value is a number behind an operation: i / 1, i / 10 ... i * 0.001 ..., or its bits as an integer. What changes is
 *   told in units of 2^shift. The change of a column is u = the difference d of these numbers, which is not negative; or
 *   zigzag(d), once it may be; or zigzag(d - the d before), where such were smaller by half a bit. Its code:
 *
 *     q ones, a zero, and the low k bits of u, for q = u >> k below 7
 *     seven ones, a zero, 6 bits of width - 1, and u in that width
 *     seven ones, a one, and a form
 *
 *   A form: 4 bits operation, 6 bits shift, 1 bit whether changes may be negative, then 6 bits of width - 1 and the
 *   number itself in that width, less its shift, by zigzag where they may be.
 *
 *   k follows from the mean width of d, or of d - the d before, in 64ths of a bit: (mean - 32) / 64, at least 0. A mean is
 *   the first width after a form, and then 15/16 of itself and 1/16 of the next. Before the first, k is 4.
 */
#include "tsdb/log_values.h"

#include <endian.h>

#include "tsdb/log_coder.h"
#include "tsdb/log_record.h"

enum {
    WINDOW = 16,
    SHIFT_LEAST = 6, /* what numbers have by chance is not worth a shift */
    WORD_BYTES = 64 * 14 + 64,
};

/* ---- state ---------------------------------------------------------------------------------- */

void nv_log_values_done(struct nv_log_values *values)
{
    free(values->at);
    free(values->coders);
    free(values->active);
    free(values->used);
    free(values->changed);
    free(values->formed);
    *values = (struct nv_log_values){0};
}

static bool grow(void **p, size_t old, size_t size)
{
    char *larger = realloc(*p, size);

    if (!larger)
        return false;
    memset(larger + old, 0, size - old);
    *p = larger;
    return true;
}

int nv_log_values_room(struct nv_log_values *values, size_t n_columns)
{
    if (n_columns < values->room)
        return 0;
    size_t room = (n_columns + n_columns / 8 + 256) / 64 * 64, old = values->room;
    size_t bytes = nv_coder_words(room) * sizeof(uint64_t),
           old_bytes = old ? nv_coder_words(old) * sizeof(uint64_t) : 0;
    if (!grow((void **)&values->at, old * sizeof(double), room * sizeof(double)) ||
        !grow((void **)&values->coders, old * sizeof(struct nv_log_coder),
              room * sizeof(struct nv_log_coder)) ||
        !grow((void **)&values->active, old_bytes, bytes) ||
        !grow((void **)&values->used, old_bytes, bytes) ||
        !grow((void **)&values->changed, old_bytes, bytes) ||
        !grow((void **)&values->formed, old_bytes, bytes))
        return -ENOMEM;
    values->room = room;
    return 0;
}

void nv_log_values_forget(struct nv_log_values *values)
{
    values->frames = 0;
    if (!values->room)
        return;
    memset(values->at, 0, values->room * sizeof(double));
    memset(values->active, 0, nv_coder_words(values->room) * sizeof(uint64_t));
    memset(values->used, 0, nv_coder_words(values->room) * sizeof(uint64_t));
    memset(values->formed, 0, nv_coder_words(values->room) * sizeof(uint64_t));
}

void nv_log_values_begin(struct nv_log_values *values)
{
    nv_log_values_forget(values);
    if (values->room)
        memset(values->coders, 0, values->room * sizeof(*values->coders));
}

void nv_log_values_next(struct nv_log_values *values)
{
    if (++values->frames % WINDOW)
        return;
    for (size_t w = 0; values->room && w < nv_coder_words(values->room); w++) {
        values->active[w] &= values->used[w];
        values->used[w] = 0;
    }
}

/* ---- bits out ------------------------------------------------------------------------------- */

/* Into memory that has eight bytes more than is needed. */
struct out_bits {
    char *p;
    uint64_t bits;
    unsigned n; /* below 8 */
};

/* Up to 56 bits. */
static inline void put(struct out_bits *out, uint64_t value, unsigned width)
{
    out->bits |= value << out->n;
    out->n += width;
    uint64_t bytes = htole64(out->bits);
    memcpy(out->p, &bytes, sizeof(bytes));
    out->p += out->n / 8;
    out->bits >>= out->n & ~7u;
    out->n &= 7;
}

static inline void put_wide(struct out_bits *out, uint64_t value, unsigned width)
{
    if (width > 32) {
        put(out, value & UINT32_MAX, 32);
        value >>= 32;
        width -= 32;
    }
    put(out, value, width);
}

static void put_sized(struct out_bits *out, uint64_t u)
{
    unsigned width = u ? nv_width(u) : 1;

    put(out, width - 1, NV_CODER_WIDTH_BITS);
    put_wide(out, u, width);
}

static inline void put_difference(struct out_bits *out, struct nv_log_coder *c, int64_t d)
{
    bool by_step = nv_coder_uses_step(c);
    uint64_t u = by_step       ? nv_zigzag(nv_minus(d, c->step))
                 : c->negative ? nv_zigzag(d)
                               : (uint64_t)d;
    unsigned k = nv_coder_k(by_step ? c->step_mean : c->mean);
    uint64_t q = u >> k;

    uint64_t low = u & ((UINT64_C(1) << k) - 1);
    if (q < NV_CODER_UNARY && k < 48) { /* nearly all */
        put(out, ((1u << q) - 1) | low << (q + 1), (unsigned)q + 1 + k);
    } else if (q < NV_CODER_UNARY) {
        put(out, (1u << q) - 1, (unsigned)q + 1);
        put_wide(out, low, k);
    } else {
        put(out, (1u << NV_CODER_UNARY) - 1, NV_CODER_UNARY + 1);
        put_sized(out, u);
    }
    nv_coder_follow(c, d);
}

/* ---- writing -------------------------------------------------------------------------------- */

static unsigned find_operation(double value, int64_t *ret)
{
    unsigned operation = 0;

    while (!nv_coder_integer(value, operation, ret))
        operation++;
    return operation;
}

static uint8_t shift_of(uint64_t number)
{
    unsigned shift = number ? (unsigned)__builtin_ctzll(number) : 0;

    return shift < SHIFT_LEAST ? 0 : (uint8_t)shift;
}

/* Where the last form does not do: the least that does for this change too, and for those before. */
static void choose_form(struct nv_log_coder *c, double value, bool first, int64_t *ret)
{
    if (!c->known || (first && c->operation == NV_CODER_BITS) ||
        !nv_coder_integer(value, c->operation, ret)) {
        c->operation = (uint8_t)find_operation(value, ret);
        c->shift = shift_of((uint64_t)*ret);
        c->negative = c->operation == NV_CODER_BITS;
    } else if (*ret) {
        int64_t d = first ? *ret : nv_minus(*ret, c->integer);
        uint8_t shift = shift_of((uint64_t)d);
        c->shift = shift < c->shift ? shift : c->shift;
        c->negative |= d < 0;
    }
    c->negative |= *ret < 0;
    c->known = true;
}

static void put_form(struct out_bits *out, struct nv_log_coder *c, double value, bool first)
{
    int64_t integer;

    choose_form(c, value, first, &integer);
    int64_t number = integer >> c->shift;
    put(out,
        c->operation | (unsigned)c->shift << NV_CODER_OPERATION_BITS |
            (unsigned)c->negative << (NV_CODER_OPERATION_BITS + NV_CODER_SHIFT_BITS),
        NV_CODER_OPERATION_BITS + NV_CODER_SHIFT_BITS + 1);
    put_sized(out, c->negative ? nv_zigzag(number) : (uint64_t)number);
    nv_coder_begin(c, integer);
}

static inline void put_change(struct out_bits *out, struct nv_log_coder *c, double value)
{
    int64_t integer;

    if (nv_coder_integer(value, c->operation, &integer)) {
        uint64_t difference = (uint64_t)nv_minus(integer, c->integer);
        int64_t d = (int64_t)difference >> c->shift;
        if ((uint64_t)d << c->shift == difference && (d >= 0 || c->negative)) {
            put_difference(out, c, d);
            c->integer = integer;
            return;
        }
    }
    put(out, (1u << (NV_CODER_UNARY + 1)) - 1, NV_CODER_UNARY + 1);
    put_form(out, c, value, false);
}

bool nv_log_values_differ(struct nv_log_values *values, const struct nv_row *row)
{
    uint64_t any = 0;

    for (size_t w = 0; w < nv_coder_words(row->n_columns); w++) {
        uint64_t changed = 0, there = row->present[w] & nv_coder_columns(w, row->n_columns);
        size_t n = there ? 64 - (size_t)__builtin_clzll(there) : 0;
        for (size_t i = 0; i < n; i++)
            changed |= (uint64_t)(nv_bits_of(row->values[w * 64 + i]) !=
                                  nv_bits_of(values->at[w * 64 + i]))
                       << i;
        changed &= there;
        for (uint64_t bits = row->histograms ? changed : 0; bits; bits &= bits - 1)
            if (row->histograms[w * 64 + (size_t)__builtin_ctzll(bits)])
                changed &= ~(bits & -bits);
        values->changed[w] = changed;
        any |= changed;
    }
    return any;
}

/* The bits of `changed` at those of `active`, side by side. */
static void put_active(struct out_bits *out, uint64_t active, uint64_t changed)
{
    uint64_t packed = 0;
    unsigned n = 0;

    if (active == UINT64_MAX) {
        put_wide(out, changed, 64);
        return;
    }
    for (; active; active &= active - 1, n++)
        packed |= (changed >> __builtin_ctzll(active) & 1) << n;
    put_wide(out, packed, n);
}

static void put_others(struct out_bits *out, uint64_t others)
{
    for (; others; others &= others - 1)
        put(out, 1 | (uint64_t)__builtin_ctzll(others) << 1, 7);
    put(out, 0, 1);
}

void nv_log_values_put(struct nv_log_values *values, const struct nv_row *row, bool whole,
                       struct nv_buf *out)
{
    struct out_bits bits = {0};

    for (size_t w = 0; w * 64 < row->n_columns; w++) {
        uint64_t changed = values->changed[w];
        uint64_t there = nv_coder_columns(w, row->n_columns);
        uint64_t active = whole ? there : values->active[w] & there;
        if (!nv_buf_room(out, WORD_BYTES))
            return;
        bits.p = out->p + out->n;
        put_active(&bits, active, changed);
        if (!whole)
            put_others(&bits, changed & ~active);
        uint64_t formed = values->formed[w];
        for (uint64_t rest = changed; rest; rest &= rest - 1) {
            size_t c = w * 64 + (size_t)__builtin_ctzll(rest);
            if (!(formed >> c % 64 & 1))
                put_form(&bits, &values->coders[c], row->values[c], true);
            else
                put_change(&bits, &values->coders[c], row->values[c]);
            values->at[c] = row->values[c];
        }
        nv_coder_note(values, w, changed);
        out->n = (size_t)(bits.p - out->p);
    }
    if (bits.n && nv_buf_room(out, 1))
        out->p[out->n++] = (char)bits.bits;
}
