/*
 * codec.c - a column of doubles, by the first byte of its bytes:
 *
 *     0         CONSTANT  u64: the bits of the one value
 *     1         COPY      of the base column
 *     2         TIMES     u64: bits of c; every value is base * c
 *     3         OVER      u64: bits of c; every value is base / c
 *     4         XOR       codec_xor.c
 *     5         RAW       u64: the bits of each value
 *     6         FEW       codec_dictionary.c
 *    16 + op    INTEGERS  [op 2: a byte k], then integers (codec_integer.c) behind an operation
 *                         (codec_operation.c)
 *    64 + op    ... with exceptions: uvarint e; e times a uvarint (rows between it and the one before) and
 *                         the bits as u64; then as INTEGERS
 *   128 + op    SAME      [op 2: a byte k], varint: the one integer of a constant
 *   192 + op    SUM       [op 2: a byte k], then integers: of each value's the difference from the integer nearest to
 *                         what the operation would make the base's value of
 *
 * u64 is little-endian. Nothing follows the last part.
 */
#include "tsdb/codec_base.h"
#include "tsdb/codec_operation.h"

enum kind {
    CONSTANT,
    COPY,
    TIMES,
    OVER,
    XOR,
    RAW,
    FEW,
    INTEGERS = 16,
    WITH_ODD = 64,
    SAME = 128,
    SUM = 192
};

static uint64_t all_faults; /* atomic */

/* ---- encoding ------------------------------------------------------------------------------- */

static void put_operation(struct nv_buf *out, unsigned kind, struct nv_made operation)
{
    nv_put_byte(out, kind + operation.number);
    if (operation.number == NV_AS_BINARY)
        nv_put_byte(out, operation.shift);
}

static void put_constant(struct nv_codec *codec, double value, struct nv_buf *out)
{
    struct nv_made operation;

    if (nv_operation_find(codec, &value, 1, 0, &operation) == 0) {
        put_operation(out, SAME, operation);
        nv_put_varint(out, codec->ints[0]);
    } else {
        nv_put_byte(out, CONSTANT);
        nv_put_u64(out, nv_bits_of(value));
    }
}

static bool put_multiple(const double *values, size_t n, const double *base, struct nv_buf *out)
{
    double c;

    switch (nv_multiple_find(values, n, base, &c)) {
    case NV_EQUAL:
        nv_put_byte(out, COPY);
        return true;
    case NV_TIMES_BASE:
        nv_put_byte(out, TIMES);
        break;
    case NV_BASE_OVER:
        nv_put_byte(out, OVER);
        break;
    case NV_NO_MULTIPLE:
    default:
        return false;
    }
    nv_put_u64(out, nv_bits_of(c));
    return true;
}

static void put_odd(const struct nv_odd *odd, size_t n_odd, struct nv_buf *out)
{
    uint32_t next = 0;

    nv_put_uvarint(out, n_odd);
    for (size_t i = 0; i < n_odd; i++) {
        nv_put_uvarint(out, odd[i].row - next);
        nv_put_u64(out, odd[i].bits);
        next = odd[i].row + 1;
    }
}

static bool put_integers(struct nv_codec *codec, enum nv_codec_effort effort, const double *values,
                         size_t n, struct nv_made *ret_operation, struct nv_buf *out)
{
    int n_odd = nv_operation_find(codec, values, n, n / NV_ODD_PER_ROWS + 1, ret_operation);

    if (n_odd < 0)
        return false;
    put_operation(out, n_odd ? WITH_ODD : INTEGERS, *ret_operation);
    if (n_odd)
        put_odd(codec->odd, (size_t)n_odd, out);
    nv_integers_put(codec, effort, codec->ints, n, out);
    return true;
}

static void put_raw(const double *values, size_t n, struct nv_buf *out)
{
    nv_put_byte(out, RAW);
    for (size_t i = 0; i < n; i++)
        nv_put_u64(out, nv_bits_of(values[i]));
}

/* Keeps in codec->text whichever of it and codec->other is smaller. */
static void keep_smaller(struct nv_codec *codec)
{
    if (codec->other.n < codec->text.n) {
        struct nv_buf smaller = codec->other;
        codec->other = codec->text;
        codec->text = smaller;
    }
    nv_buf_reset(&codec->other);
}

/* The bits as integers, where that promises to be no larger than codec->text. */
static int try_bits(struct nv_codec *codec, enum nv_codec_effort effort, const double *values,
                    size_t n)
{
    nv_operation_bits(codec, values, n);
    if (effort == NV_CODEC_SMALL &&
        nv_integers_weigh(codec, effort, codec->ints, n) > 8.5 * (double)codec->text.n)
        return 0;
    nv_buf_reset(&codec->other);
    put_operation(&codec->other, INTEGERS, (struct nv_made){NV_AS_BITS, 0});
    nv_integers_put(codec, effort, codec->ints, n, &codec->other);
    if (!codec->other.failed)
        keep_smaller(codec);
    return codec->other.failed;
}

/* A dictionary, where values take more than a bit and a half and it is smaller. */
static int try_dictionary(struct nv_codec *codec, enum nv_codec_effort effort, const double *values,
                          size_t n)
{
    if (codec->text.n * 16 <= n * 3)
        return 0;
    nv_buf_reset(&codec->other);
    nv_put_byte(&codec->other, FEW);
    if (nv_dictionary_put(codec, effort, values, n, &codec->other) && !codec->other.failed)
        keep_smaller(codec);
    return codec->other.failed;
}

/* The smallest of those that take a column by itself, in codec->text. */
static int choose(struct nv_codec *codec, enum nv_codec_effort effort, const double *values,
                  size_t n)
{
    struct nv_made operation;
    int r = 0;

    nv_buf_reset(&codec->text);
    bool integers = put_integers(codec, effort, values, n, &operation, &codec->text);
    if (!integers) {
        nv_put_byte(&codec->text, XOR);
        nv_xor_put(codec, values, n, &codec->text);
    }
    if (!integers || (effort == NV_CODEC_SMALL && nv_operation_is_fine(operation)))
        r = try_bits(codec, effort, values, n);
    if (r == 0 && effort == NV_CODEC_SMALL)
        r = try_dictionary(codec, effort, values, n);
    if (r == 0 && codec->text.n > 1 + 8 * n) {
        nv_buf_reset(&codec->text);
        put_raw(values, n, &codec->text);
    }
    return r < 0 ? r : codec->text.failed;
}

/* Whether base and small integers make the column in clearly fewer bytes; then they are in codec->text. */
static bool choose_sum(struct nv_codec *codec, enum nv_codec_effort effort, const double *values,
                       size_t n, const double *base)
{
    struct nv_made operation;

    if (nv_operation_find(codec, values, n, 0, &operation) != 0)
        return false;
    nv_operation_near(operation, base, codec->near, n);
    for (size_t i = 0; i < n; i++)
        codec->ints[i] = nv_minus(codec->ints[i], codec->near[i]);
    nv_buf_reset(&codec->other);
    put_operation(&codec->other, SUM, operation);
    nv_integers_put(codec, effort, codec->ints, n, &codec->other);
    if (codec->other.failed || codec->other.n >= codec->text.n - codec->text.n / NV_WORTH_A_BASE)
        return false;
    keep_smaller(codec);
    return true;
}

/* ---- decoding ------------------------------------------------------------------------------- */

bool nv_codec_needs_base(struct nv_str column)
{
    uint8_t kind = column.n ? (uint8_t)column.p[0] : CONSTANT;

    return (kind >= COPY && kind <= OVER) || kind >= SUM;
}

static void fill(double *values, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        values[i] = value;
}

static int get_multiple(struct nv_str *in, enum kind kind, const double *base, double *values,
                        size_t n)
{
    uint64_t bits;

    if (!base)
        return -EBADMSG;
    if (kind == COPY) {
        memcpy(values, base, n * sizeof(*values));
        return 0;
    }
    if (!nv_get_u64(in, &bits))
        return -EBADMSG;
    double c = nv_double_of(bits);
    for (size_t i = 0; i < n; i++)
        values[i] = kind == TIMES ? base[i] * c : base[i] / c;
    return 0;
}

static int get_raw(struct nv_str *in, double *values, size_t n)
{
    uint64_t bits;

    if (in->n != 8 * n)
        return -EBADMSG;
    for (size_t i = 0; i < n && nv_get_u64(in, &bits); i++)
        values[i] = nv_double_of(bits);
    return 0;
}

static int get_operation(struct nv_str *in, unsigned number, struct nv_made *ret)
{
    uint8_t shift = 0;

    if (!nv_operation_known(number))
        return -EBADMSG;
    if (number == NV_AS_BINARY && (!nv_get_byte(in, &shift) || shift > 62))
        return -EBADMSG;
    *ret = (struct nv_made){number, shift};
    return 0;
}

/* Leaves *in behind the exceptions and writes nothing yet: they come last. */
static int skip_odd(struct nv_str *in, size_t n, uint64_t *ret_n_odd)
{
    uint64_t n_odd, gap, bits;
    size_t next = 0;

    if (!nv_get_uvarint(in, &n_odd) || n_odd > n)
        return -EBADMSG;
    for (uint64_t i = 0; i < n_odd; i++) {
        if (!nv_get_uvarint(in, &gap) || gap >= n - next || !nv_get_u64(in, &bits))
            return -EBADMSG;
        next += (size_t)gap + 1;
    }
    *ret_n_odd = n_odd;
    return 0;
}

static void get_odd(struct nv_str in, double *values)
{
    uint64_t n_odd = 0, gap = 0, bits = 0;
    size_t next = 0;

    (void)nv_get_uvarint(&in, &n_odd);
    for (uint64_t i = 0; i < n_odd && nv_get_uvarint(&in, &gap) && nv_get_u64(&in, &bits); i++) {
        next += (size_t)gap;
        values[next++] = nv_double_of(bits);
    }
}

static int get_integers(struct nv_codec *codec, struct nv_str *in, unsigned number, bool with_odd,
                        double *values, size_t n)
{
    struct nv_made operation;
    uint64_t n_odd;

    int r = get_operation(in, number, &operation);
    if (r < 0)
        return r;
    struct nv_str odd = *in;
    if (with_odd)
        r = skip_odd(in, n, &n_odd);
    if (r == 0)
        r = nv_integers_get(codec, in, codec->ints, n);
    if (r < 0)
        return r;
    nv_operation_apply(operation, codec->ints, values, n);
    if (with_odd)
        get_odd(odd, values);
    return 0;
}

static int get_sum(struct nv_codec *codec, struct nv_str *in, unsigned number, const double *base,
                   double *values, size_t n)
{
    struct nv_made operation;

    int r = base ? get_operation(in, number, &operation) : -EBADMSG;
    if (r == 0)
        r = nv_integers_get(codec, in, codec->ints, n);
    if (r < 0)
        return r;
    nv_operation_near(operation, base, codec->near, n);
    for (size_t i = 0; i < n; i++)
        codec->ints[i] = nv_plus(codec->ints[i], codec->near[i]);
    nv_operation_apply(operation, codec->ints, values, n);
    return 0;
}

static int get_same(struct nv_str *in, unsigned number, double *values, size_t n)
{
    struct nv_made operation;
    int64_t i;

    int r = get_operation(in, number, &operation);
    if (r < 0)
        return r;
    if (!nv_get_varint(in, &i))
        return -EBADMSG;
    nv_operation_apply(operation, &i, values, 1);
    fill(values, n, values[0]);
    return 0;
}

static int get_constant(struct nv_str *in, double *values, size_t n)
{
    uint64_t bits;

    if (!nv_get_u64(in, &bits))
        return -EBADMSG;
    fill(values, n, nv_double_of(bits));
    return 0;
}

static int get_column(struct nv_codec *codec, struct nv_str *in, const double *base, double *values,
                      size_t n)
{
    uint8_t kind;

    if (!nv_get_byte(in, &kind))
        return -EBADMSG;
    if (kind >= SUM)
        return get_sum(codec, in, kind - SUM, base, values, n);
    if (kind >= SAME)
        return get_same(in, kind - SAME, values, n);
    if (kind >= WITH_ODD)
        return get_integers(codec, in, kind - WITH_ODD, true, values, n);
    if (kind >= INTEGERS)
        return get_integers(codec, in, kind - INTEGERS, false, values, n);
    switch ((enum kind)kind) {
    case CONSTANT:
        return get_constant(in, values, n);
    case COPY:
    case TIMES:
    case OVER:
        return get_multiple(in, kind, base, values, n);
    case XOR:
        return nv_xor_get(in, values, n);
    case RAW:
        return get_raw(in, values, n);
    case FEW:
        return nv_dictionary_get(codec, in, values, n);
    default:
        return -EBADMSG;
    }
}

int nv_codec_decode(struct nv_codec *codec, struct nv_str column, const double *base,
                    double *values, size_t n)
{
    if (n < 1 || n > NV_CODEC_ROWS_MAX)
        return -EBADMSG;
    int r = nv_codec_room(codec, n);
    if (r == 0)
        r = get_column(codec, &column, base, values, n);
    return r == 0 && column.n ? -EBADMSG : r;
}

/* ---- both ----------------------------------------------------------------------------------- */

/*
 * What is written is read again, for nobody else will have the values to compare it with: a column that does not come
 * back is a fault in these files, and goes as it is.
 */
static int verify(struct nv_codec *codec, const double *values, size_t n, const double *base,
                  bool *used_base)
{
    double *back = (double *)codec->trial; /* which decoding leaves alone */

    int r = nv_codec_decode(codec, nv_buf_view(&codec->text), base, back, n);
    if (r == 0 && memcmp(back, values, n * sizeof(*back)) == 0)
        return 0;
    codec->faults++;
    __atomic_add_fetch(&all_faults, 1, __ATOMIC_RELAXED);
    *used_base = false;
    nv_buf_reset(&codec->text);
    put_raw(values, n, &codec->text);
    return codec->text.failed;
}

int nv_codec_encode(struct nv_codec *codec, enum nv_codec_effort effort, const double *values,
                    size_t n, const double *base, bool *ret_used_base, struct nv_buf *out)
{
    nv_assert(n >= 1 && n <= NV_CODEC_ROWS_MAX);
    bool unused;
    if (!ret_used_base)
        ret_used_base = &unused;
    *ret_used_base = false;
    int r = nv_codec_room(codec, n);
    if (r < 0)
        return r;
    if (nv_is_constant(values, n)) {
        put_constant(codec, values[0], out);
        return out->failed;
    }
    if (base && put_multiple(values, n, base, out)) {
        *ret_used_base = true;
        return out->failed;
    }
    r = choose(codec, effort, values, n);
    if (r < 0)
        return r;
    if (base && effort == NV_CODEC_SMALL && choose_sum(codec, effort, values, n, base))
        *ret_used_base = true;
    r = verify(codec, values, n, *ret_used_base ? base : NULL, ret_used_base);
    if (r < 0)
        return r;
    nv_buf_add(out, codec->text.p, codec->text.n);
    return out->failed;
}

uint64_t nv_codec_all_faults(void)
{
    return __atomic_load_n(&all_faults, __ATOMIC_RELAXED);
}

unsigned nv_codec_faults(const struct nv_codec *codec)
{
    return codec->faults;
}

const char *nv_codec_name(struct nv_str column)
{
    static const char *const names[] = {"constant", "copy", "multiple", "multiple",
                                        "xor",      "raw",  "few"};
    unsigned kind = column.n ? (uint8_t)column.p[0] : UINT8_MAX;

    if (kind < NV_LEN(names))
        return names[kind];
    if (kind >= SUM && column.n)
        return "sum";
    if (kind >= SAME)
        return column.n ? "constant" : "empty";
    return (kind - INTEGERS) % 48 == NV_AS_BITS ? "float" : "integer";
}
