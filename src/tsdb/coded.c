/*
 * coded.c - residuals as classes under an adaptive code (nibbles.h).
 *
 *   varint    centre m; what follows codes each residual less m, modulo 2^64
 *   stream    nibbles.h, of one state, or of two, where the second has the numbers' bits and the first the rest:
 *   8 bits    the lowest class in use; 8 bits: how far the highest is from it; for each class between
 *             them a bit, whether it is in use
 *   1 bit     whether one more symbol, the last, stands for any class, which follows it in 8 bits
 *   3 bits    how many bits below a number's highest one are coded, F: 0 to 4
 *   3 bits    how fast models learn: the limit of k less 1
 *   2 bits    contexts: 0 none, 1 the last symbol's group, 2 those of the last two
 *   8 bits    where there are contexts: the first symbol of group 1, in 4 bits, and of group 2
 *   n times   a symbol by the model of its context (the last group + 3 times the one before); for a number
 *             of w >= 2 bits min(F, w - 1) bits below the highest by the symbol's own model (of 2^F
 *             symbols, limit 7); the other bits plain
 *
 * The class of 0 is 0; of a number of w bits 2 w - 1 where it is positive, 2 w where negative. Symbols are the classes
 * in use in rising order, at most 16 with the last. Both groups start at 0.
 */
#include "tsdb/coded.h"

#include "tsdb/nibbles.h"

enum { CLASSES = 129, FINE_MAX = 4, FINE_LIMIT = 7, GROUPS = 3, CONTEXTS = 3, LIMIT_MIN = 5 };
enum { WEIGHED = 2048, TRIED = 1024 }; /* residuals that choices are made by, at most about */

struct scheme {
    int64_t centre;
    unsigned n, fine, limit, contexts, group[2];
    bool any; /* whether symbol n - 1 stands for any class */
    uint8_t class_of[NV_NIBBLES];
    uint8_t symbol_of[CLASSES]; /* for writing */
};

struct state {
    struct nv_model symbols[GROUPS * GROUPS], fine[NV_NIBBLES];
    uint8_t group_of[NV_NIBBLES];
    unsigned last, before;
};

static inline uint64_t magnitude(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

static inline unsigned class_of(int64_t value)
{
    return 2 * nv_width(magnitude(value)) - (value > 0);
}

static inline unsigned width_of(unsigned class)
{
    return (class + 1) / 2;
}

static void start(struct state *state, const struct scheme *scheme)
{
    unsigned n_contexts = scheme->contexts == 2 ? GROUPS * GROUPS : GROUPS;

    for (unsigned i = 0; i < n_contexts; i++)
        nv_model_init(&state->symbols[i], scheme->n);
    for (unsigned i = 0; i < NV_NIBBLES; i++) {
        nv_model_init(&state->fine[i], 1U << scheme->fine);
        state->group_of[i] =
            (uint8_t)(scheme->contexts ? (i >= scheme->group[0]) + (i >= scheme->group[1]) : 0);
    }
    state->last = state->before = 0;
}

static inline struct nv_model *model_of(struct state *state, unsigned contexts)
{
    return &state->symbols[state->last + (contexts == 2 ? GROUPS * state->before : 0)];
}

static inline void advance(struct state *state, unsigned symbol)
{
    state->before = state->last;
    state->last = state->group_of[symbol];
}

static inline unsigned fine_bits(unsigned fine, unsigned width)
{
    return width - 1 < fine ? width - 1 : fine;
}

/* ---- choosing ------------------------------------------------------------------------------- */

/* Moves the number that belongs at `k` there (Hoare's FIND): a sort of all was a quarter of sealing a page. */
static int64_t select_kth(int64_t *v, ptrdiff_t n, ptrdiff_t k)
{
    for (ptrdiff_t low = 0, high = n - 1; low < high;) {
        int64_t pivot = v[k];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j) {
                int64_t swapped = v[i];
                v[i++] = v[j];
                v[j--] = swapped;
            }
        }
        if (j < k)
            low = i;
        if (k < i)
            high = j;
    }
    return v[k];
}

int64_t nv_median(const int64_t *r, size_t n)
{
    int64_t some[127];
    size_t step = n / NV_LEN(some) + 1;
    ptrdiff_t many = 0;

    for (size_t i = 0; i < n; i += step)
        some[many++] = r[i];
    return many ? select_kth(some, many, many / 2) : 0;
}

/*
 * Bits of n numbers less a centre, if each half of a class had its share from the start and the bits below stood as
 * they are. Of many numbers, some are looked at.
 */
static double weigh(const int64_t *r, size_t n, int64_t centre)
{
    uint32_t count[2 * CLASSES] = {0};
    size_t step = n / WEIGHED + 1, seen = (n + step - 1) / step;
    double bits = 0;

    for (size_t i = 0; i < n; i += step) {
        int64_t value = nv_minus(r[i], centre);
        unsigned class = class_of(value), width = width_of(class);
        unsigned half = width > 1 ? magnitude(value) >> (width - 2) & 1 : 0;
        count[2 * class + half]++;
    }
    for (unsigned i = 0; i < 2 * CLASSES; i++) {
        unsigned width = width_of(i / 2);
        if (count[i])
            bits +=
                count[i] * (__builtin_log2((double)seen / count[i]) + (width > 2 ? width - 2 : 0));
    }
    return bits * (double)step;
}

double nv_coded_weigh(const int64_t *r, size_t n)
{
    double plain = weigh(r, n, 0);
    int64_t m = nv_median(r, n);
    double centred = m ? weigh(r, n, m) + 16 : plain;

    return centred < plain ? centred : plain;
}

/* Marks the most frequent classes, as many as there are symbols for. */
static void mark_frequent(const uint32_t count[CLASSES], unsigned n, bool chosen[CLASSES])
{
    for (; n; n--) {
        unsigned best = CLASSES;
        for (unsigned i = 0; i < CLASSES; i++) {
            if (!chosen[i] && count[i] && (best == CLASSES || count[i] > count[best]))
                best = i;
        }
        chosen[best] = true;
    }
}

static void choose_symbols(struct scheme *scheme, const uint32_t count[CLASSES])
{
    bool chosen[CLASSES] = {false};
    unsigned used = 0;

    for (unsigned i = 0; i < CLASSES; i++)
        used += count[i] > 0;
    scheme->any = used > NV_NIBBLES;
    mark_frequent(count, scheme->any ? NV_NIBBLES - 1 : used, chosen);
    scheme->n = 0;
    for (unsigned i = 0; i < CLASSES; i++) {
        scheme->symbol_of[i] = NV_NIBBLES - 1;
        if (!chosen[i])
            continue;
        scheme->class_of[scheme->n] = (uint8_t)i;
        scheme->symbol_of[i] = (uint8_t)scheme->n++;
    }
    scheme->n += scheme->any;
}

/* Groups of about a third of all numbers each. */
static void choose_groups(struct scheme *scheme, size_t n, const uint32_t count[CLASSES])
{
    size_t seen = 0;
    unsigned group = 0;

    scheme->group[0] = scheme->group[1] = NV_NIBBLES - 1;
    for (unsigned i = 0; i + 1 < scheme->n - scheme->any && group < 2; i++) {
        seen += count[scheme->class_of[i]];
        if (seen * 3 >= (group + 1) * n)
            scheme->group[group++] = i + 1;
    }
}

struct share {
    unsigned begin, f;
};

static inline struct share share_of(struct nv_model *model, unsigned symbol, unsigned limit)
{
    unsigned begin = model->begin[symbol];
    struct share share = {begin, model->begin[symbol + 1] - begin};

    nv_model_learn(model, symbol, limit);
    return share;
}

static inline uint32_t packed(struct share share)
{
    return (uint32_t)share.begin << 16 | share.f;
}

/*
 * Codes without writing: returns the bits it takes, and in shares, unless NULL, two for each residual: the symbol's
 * and the fine bits', 0 where there are none.
 */
static double simulate(const struct scheme *scheme, const int64_t *r, size_t n, uint32_t *shares)
{
    struct state state;
    double bits = 0, chance = 1;

    start(&state, scheme);
    for (size_t i = 0; i < n; i++) {
        int64_t value = nv_minus(r[i], scheme->centre);
        unsigned class = class_of(value), symbol = scheme->symbol_of[class];
        unsigned width = width_of(class), fine = width > 1 ? fine_bits(scheme->fine, width) : 0;
        struct share one = share_of(model_of(&state, scheme->contexts), symbol, scheme->limit);
        struct share two = {0, 1U << NV_NIBBLE_BITS};
        if (fine) {
            unsigned top = (unsigned)(magnitude(value) >> (width - 1 - fine)) & ((1U << fine) - 1);
            two = share_of(&state.fine[symbol], top, FINE_LIMIT);
        }
        chance *= (double)one.f * two.f * 0x1p-30;
        bits +=
            (width > 1 ? width - 1 - fine : 0) + (scheme->any && symbol == scheme->n - 1 ? 8 : 0);
        if (chance < 0x1p-900) {
            bits -= __builtin_log2(chance);
            chance = 1;
        }
        if (shares) {
            shares[2 * i] = packed(one);
            shares[2 * i + 1] = fine ? packed(two) : 0;
        }
        advance(&state, symbol);
    }
    return bits - __builtin_log2(chance);
}

/* Tries each value of one field in turn, and keeps the best. */
static double improve(struct scheme *scheme, unsigned *field, unsigned from, unsigned to,
                      double bits, const int64_t *r, size_t n)
{
    unsigned best = *field;

    for (unsigned value = from; value <= to; value++) {
        if (value == best && value == *field)
            continue;
        *field = value;
        double trial = simulate(scheme, r, n, NULL) + (scheme->contexts ? 8 : 0);
        if (trial < bits) {
            bits = trial;
            best = value;
        }
    }
    *field = best;
    return bits;
}

/* Returns the bits of the residuals tried: those in the middle. */
static double fit(struct scheme *scheme, const int64_t *r, size_t n)
{
    uint32_t count[CLASSES] = {0};

    for (size_t i = 0; i < n; i++)
        count[class_of(nv_minus(r[i], scheme->centre))]++;
    choose_symbols(scheme, count);
    choose_groups(scheme, n, count);
    scheme->contexts = 0;
    scheme->fine = 3;
    scheme->limit = 6;
    if (n > TRIED) {
        r += (n - TRIED) / 2;
        n = TRIED;
    }
    double bits = simulate(scheme, r, n, NULL);
    bits = improve(scheme, &scheme->contexts, 1, 2, bits, r, n);
    bits = improve(scheme, &scheme->limit, LIMIT_MIN, NV_NIBBLE_SLOWEST, bits, r, n);
    return improve(scheme, &scheme->fine, 0, FINE_MAX, bits, r, n);
}

static struct scheme choose(const int64_t *r, size_t n)
{
    struct scheme plain = {.centre = 0}, centred = {.centre = nv_median(r, n)};
    double plainly = weigh(r, n, 0), weight = weigh(r, n, centred.centre) + 16;

    if (!centred.centre || weight > plainly * 1.02 + 64) {
        fit(&plain, r, n);
        return plain;
    }
    if (plainly > weight * 1.02 + 64) {
        fit(&centred, r, n);
        return centred;
    }
    return fit(&plain, r, n) <= fit(&centred, r, n) + 16 ? plain : centred;
}

/* ---- writing, from the last to the first ---------------------------------------------------- */

static void put_header(struct nv_rans_writer *w, const struct scheme *scheme)
{
    unsigned n = scheme->n - scheme->any, low = scheme->class_of[0], high = scheme->class_of[n - 1];

    if (scheme->contexts) {
        nv_rans_put_bits(w, 0, scheme->group[1], 4);
        nv_rans_put_bits(w, 0, scheme->group[0], 4);
    }
    nv_rans_put_bits(w, 0, scheme->contexts, 2);
    nv_rans_put_bits(w, 0, scheme->limit - 1, 3);
    nv_rans_put_bits(w, 0, scheme->fine, 3);
    nv_rans_put_bits(w, 0, scheme->any, 1);
    for (unsigned class = high, at = n - 1; class -- > low + 1;) {
        bool in_use = scheme->class_of[at - 1] == class;
        nv_rans_put_bits(w, 0, in_use, 1);
        at -= in_use;
    }
    nv_rans_put_bits(w, 0, high - low, 8);
    nv_rans_put_bits(w, 0, low, 8);
}

static void put_residual(struct nv_rans_writer *w, const struct scheme *scheme, unsigned second,
                         int64_t value, const uint32_t shares[2])
{
    unsigned class = class_of(value), width = width_of(class);

    if (width > 1) {
        unsigned plain = width - 1 - fine_bits(scheme->fine, width);
        nv_rans_put_bits(w, second, magnitude(value) & ((UINT64_C(1) << plain) - 1), plain);
    }
    if (shares[1])
        nv_rans_put_share(w, second, shares[1] >> 16, shares[1] & UINT16_MAX);
    if (scheme->any && scheme->symbol_of[class] == scheme->n - 1)
        nv_rans_put_bits(w, 0, class, 8);
    nv_rans_put_share(w, 0, shares[0] >> 16, shares[0] & UINT16_MAX);
}

void nv_coded_put(struct nv_codec *codec, const int64_t *r, size_t n, bool two, struct nv_buf *out)
{
    struct scheme scheme = choose(r, n);
    struct nv_rans_writer w;

    simulate(&scheme, r, n, codec->shares);
    nv_rans_begin(&w, two, &codec->words);
    for (size_t i = n; i-- > 0;)
        put_residual(&w, &scheme, two, nv_minus(r[i], scheme.centre), &codec->shares[2 * i]);
    put_header(&w, &scheme);
    nv_put_varint(out, scheme.centre);
    nv_rans_end(&w, two, out);
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool get_header(struct nv_rans_reader *in, struct scheme *scheme)
{
    unsigned low = (unsigned)nv_rans_bits(in, 0, 8), span = (unsigned)nv_rans_bits(in, 0, 8);
    unsigned n = 0;

    if (low + span >= CLASSES)
        return false;
    for (unsigned i = 0; i <= span; i++) {
        if (i > 0 && i < span && !nv_rans_bits(in, 0, 1))
            continue;
        if (n == NV_NIBBLES)
            return false;
        scheme->class_of[n++] = (uint8_t)(low + i);
    }
    scheme->any = nv_rans_bits(in, 0, 1);
    scheme->n = n + scheme->any;
    scheme->fine = (unsigned)nv_rans_bits(in, 0, 3);
    scheme->limit = (unsigned)nv_rans_bits(in, 0, 3) + 1;
    scheme->contexts = (unsigned)nv_rans_bits(in, 0, 2);
    if (scheme->contexts) {
        scheme->group[0] = (unsigned)nv_rans_bits(in, 0, 4);
        scheme->group[1] = (unsigned)nv_rans_bits(in, 0, 4);
    }
    return scheme->n <= NV_NIBBLES && scheme->fine <= FINE_MAX && scheme->contexts < CONTEXTS;
}

/* The state of the reader is kept out of memory; `contexts` and `second` are constants where this is called. */
static inline __attribute__((always_inline)) bool get_all(struct nv_rans_reader *from,
                                                          const struct scheme *scheme,
                                                          unsigned contexts, unsigned second,
                                                          int64_t *r, size_t n)
{
    struct nv_rans_reader in = *from;
    struct state state;
    unsigned any = scheme->any ? scheme->n - 1 : NV_NIBBLES, most_fine = scheme->fine;
    unsigned n_symbols = scheme->n, limit = scheme->limit, last = 0, before = 0;
    int64_t centre = scheme->centre;

    start(&state, scheme);
    for (size_t i = 0; i < n; i++) {
        struct nv_model *model = &state.symbols[last + (contexts == 2 ? GROUPS * before : 0)];
        unsigned symbol = nv_rans_symbol(&in, 0, model, limit);
        if (symbol >= n_symbols)
            return false;
        unsigned class = scheme->class_of[symbol];
        if (symbol == any && (class = (unsigned)nv_rans_bits32(&in, 0, 8)) >= CLASSES)
            return false;
        unsigned width = width_of(class);
        uint64_t value = class > 0;
        if (width > 1) {
            unsigned fine = fine_bits(most_fine, width), plain = width - 1 - fine;
            if (fine) {
                unsigned top = nv_rans_symbol(&in, second, &state.fine[symbol], FINE_LIMIT);
                value = value << fine | top;
            }
            value = value << plain | nv_rans_bits(&in, second, plain);
        }
        r[i] = nv_plus((int64_t)(class & 1 ? value : -value), centre);
        if (contexts == 2)
            before = last;
        if (contexts)
            last = state.group_of[symbol];
    }
    *from = in;
    return true;
}

static bool get_by_scheme(struct nv_rans_reader *in, const struct scheme *scheme, bool two,
                          int64_t *r, size_t n)
{
    switch (scheme->contexts + (two ? CONTEXTS : 0)) {
    case 0:
        return get_all(in, scheme, 0, 0, r, n);
    case 1:
        return get_all(in, scheme, 1, 0, r, n);
    case 2:
        return get_all(in, scheme, 2, 0, r, n);
    case CONTEXTS:
        return get_all(in, scheme, 0, 1, r, n);
    case CONTEXTS + 1:
        return get_all(in, scheme, 1, 1, r, n);
    default:
        return get_all(in, scheme, 2, 1, r, n);
    }
}

int nv_coded_get(struct nv_str *in, bool two, int64_t *r, size_t n)
{
    struct scheme scheme = {0};
    struct nv_rans_reader reader;

    if (!nv_get_varint(in, &scheme.centre) || !nv_rans_open(in, two, &reader) ||
        !get_header(&reader, &scheme) || !get_by_scheme(&reader, &scheme, two, r, n))
        return -EBADMSG;
    return nv_rans_is_over(&reader, two) ? 0 : -EBADMSG;
}
