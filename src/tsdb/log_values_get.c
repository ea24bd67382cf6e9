/*
 * Reads what log_values.c writes, where the format stands.
 */
#include <endian.h>

#include "tsdb/log_coder.h"

struct in_bits {
    struct nv_str in;
    size_t at, n; /* bits */
    bool failed;
};

/* At least 57 bits from here on, zeros behind the end. */
static inline uint64_t peek(const struct in_bits *in)
{
    uint64_t bytes = 0;
    size_t at = in->at / 8;

    if (in->in.n - at >= sizeof(bytes))
        memcpy(&bytes, in->in.p + at, sizeof(bytes));
    else
        memcpy(&bytes, in->in.p + at, in->in.n - at);
    return le64toh(bytes) >> in->at % 8;
}

/* Up to 56. */
static inline uint64_t get(struct in_bits *in, unsigned width)
{
    if (in->failed || width > in->n - in->at) {
        in->failed = true;
        return 0;
    }
    uint64_t value = peek(in) & ((UINT64_C(1) << width) - 1);
    in->at += width;
    return value;
}

static inline uint64_t get_wide(struct in_bits *in, unsigned width)
{
    if (width <= 32)
        return get(in, width);
    uint64_t low = get(in, 32);
    return low | get(in, width - 32) << 32;
}

static uint64_t get_sized(struct in_bits *in)
{
    return get_wide(in, (unsigned)get(in, NV_CODER_WIDTH_BITS) + 1);
}

static void get_form(struct in_bits *in, struct nv_log_coder *c)
{
    uint8_t operation = (uint8_t)get(in, NV_CODER_OPERATION_BITS),
            shift = (uint8_t)get(in, NV_CODER_SHIFT_BITS);
    bool negative = get(in, 1);
    uint64_t u = get_sized(in);

    if (operation > NV_CODER_BITS) {
        in->failed = true;
        return;
    }
    c->operation = operation;
    c->shift = shift;
    c->negative = negative;
    nv_coder_begin(c, (int64_t)((negative ? (uint64_t)nv_unzigzag(u) : u) << shift));
}

static void get_change(struct in_bits *in, struct nv_log_coder *c)
{
    bool by_step = nv_coder_uses_step(c);
    unsigned k = nv_coder_k(by_step ? c->step_mean : c->mean);
    unsigned q = in->failed ? 0 : (unsigned)__builtin_ctzll(~peek(in) | 1u << NV_CODER_UNARY);
    uint64_t u;

    (void)get(in, q < NV_CODER_UNARY ? q + 1 : NV_CODER_UNARY);
    if (q < NV_CODER_UNARY)
        u = (uint64_t)q << k | get_wide(in, k);
    else if (get(in, 1)) {
        get_form(in, c);
        return;
    } else
        u = get_sized(in);
    int64_t d = by_step       ? nv_plus(nv_unzigzag(u), c->step)
                : c->negative ? nv_unzigzag(u)
                              : (int64_t)u;
    c->integer = nv_plus(c->integer, (int64_t)((uint64_t)d << c->shift));
    nv_coder_follow(c, d);
}

static uint64_t get_active(struct in_bits *in, uint64_t active)
{
    uint64_t changed = 0, packed = get_wide(in, (unsigned)__builtin_popcountll(active));

    for (; active; active &= active - 1, packed >>= 1)
        changed |= (packed & 1) << __builtin_ctzll(active);
    return changed;
}

static uint64_t get_others(struct in_bits *in)
{
    uint64_t others = 0;

    while (get(in, 1))
        others |= UINT64_C(1) << get(in, 6);
    return others;
}

int nv_log_values_get(struct nv_log_values *values, struct nv_str in, size_t n_columns, bool whole)
{
    struct in_bits bits = {.in = in, .n = in.n * 8};

    for (size_t w = 0; w * 64 < n_columns && !bits.failed; w++) {
        uint64_t there = nv_coder_columns(w, n_columns);
        uint64_t changed = get_active(&bits, whole ? there : values->active[w] & there);
        if (!whole)
            changed |= get_others(&bits);
        if (changed & ~there)
            return -EBADMSG;
        for (uint64_t rest = changed; rest && !bits.failed; rest &= rest - 1) {
            size_t c = w * 64 + (size_t)__builtin_ctzll(rest);
            if (!nv_bit(values->formed, c))
                get_form(&bits, &values->coders[c]);
            else
                get_change(&bits, &values->coders[c]);
            values->at[c] = nv_coder_value(values->coders[c].integer, values->coders[c].operation);
        }
        nv_coder_note(values, w, changed);
    }
    return bits.failed || bits.n - bits.at >= 8 ? -EBADMSG : 0;
}
