/*
 * Protobuf: families that follow each other, each with its length. A family is held as a whole, nothing else is. A series is
 * told by a hash over its family, its labels as they lie, and which part of a metric it is.
 */
#include "base/number.h"
#include "base/utf8.h"
#include "expo/proto_in.h"
#include "scrape/intake_parts.h"

/* One series of a metric: what it adds to the name, and the label it has besides. */
struct part {
    const struct nv_proto_family *family;
    const struct nv_proto_metric *metric;
    const char *suffix;
    const char *bound_name; /* NULL: none */
    double bound;
    bool is_native;
};

static const char *const types[NV_PROTO_TYPES] = {
    "counter", "gauge", "summary", "unknown", "histogram", "gaugehistogram",
};

static int bad_message(struct nv_intake *intake)
{
    return nv_intake_refuse(intake, "malformed protobuf message");
}

/* ---- a series ------------------------------------------------------------------------------- */

/* Texts that are made are in the memory of one new series. */
static int read_part(struct nv_intake *intake, const void *what, struct nv_intake_series *ret)
{
    const struct part *part = what;
    size_t n_suffix = strlen(part->suffix);
    char *name = nv_arena_alloc(&intake->work, part->family->name.n + n_suffix + 1);
    char *bound = nv_arena_alloc(&intake->work, NV_NUMBER_MAX);
    struct nv_label *labels = intake->reader.labels;
    size_t n;

    if (!name || !bound)
        return nv_intake_no_memory(intake);
    memcpy(name, part->family->name.p, part->family->name.n);
    memcpy(name + part->family->name.n, part->suffix, n_suffix);
    if (!nv_proto_labels(part->metric, labels, NV_LINE_LABELS_MAX - 1, &n))
        return bad_message(intake);
    if (part->bound_name)
        labels[n++] = (struct nv_label){
            nv_str(part->bound_name), {bound, nv_number_openmetrics(bound, part->bound)}
        };
    *ret = (struct nv_intake_series){
        .name = {name, part->family->name.n + n_suffix},
        .labels = labels,
        .n_labels = n,
        .is_native = part->is_native,
    };
    return 0;
}

/* NaN is the ordinary one, unless it is the marker of what is stale. */
static double ordinary(double value)
{
    static const uint64_t bits = UINT64_C(0x7ff8000000000001);

    if (isnan(value) && !nv_is_stale(value))
        memcpy(&value, &bits, sizeof(value));
    return value;
}

static int put(struct nv_intake *intake, const struct part *part, double value,
               const struct nv_histogram *histogram)
{
    const struct nv_intake_source source = {read_part, part};
    const struct nv_line_value as = {ordinary(value), part->metric->time_ms,
                                     part->metric->time_ms != 0};
    struct {
        uint64_t labels, family, suffix;
        double bound;
    } key = {part->metric->labels, intake->family_hash,
             part->suffix[0] ? (uint64_t)(unsigned char)part->suffix[1] : part->is_native,
             part->bound_name ? part->bound : 0};
    uint64_t hash = nv_hash_keyed(&key, sizeof(key));
    uint32_t i = nv_lines_expected(&intake->lines);

    if (intake->lines.at[i].hash != hash || intake->lines.at[i].length != 0)
        i = nv_lines_find(&intake->lines, hash, 0);
    if (!i)
        return nv_intake_new_sample(intake, hash, 0, &as, histogram, &source);
    nv_lines_follow(&intake->lines, i);
    return nv_intake_known(intake, i, &as, histogram, &source);
}

/* ---- metrics -------------------------------------------------------------------------------- */

static int put_suffixed(struct nv_intake *intake, struct part part, const char *suffix,
                        double value)
{
    part.suffix = suffix;
    return put(intake, &part, value, NULL);
}

static int summary(struct nv_intake *intake, struct part part)
{
    struct nv_proto_summary s;
    struct nv_proto_part quantile;

    if (!nv_proto_summary(part.metric->value, &s))
        return bad_message(intake);
    int r = put_suffixed(intake, part, "_count", s.count);
    if (r == 0)
        r = put_suffixed(intake, part, "_sum", s.sum);
    part.bound_name = "quantile";
    while (r == 0 && nv_proto_next_quantile(&s.quantiles, &quantile)) {
        part.bound = quantile.bound;
        r = put(intake, &part, quantile.value, NULL);
    }
    return r == 0 && s.quantiles.failed ? bad_message(intake) : r;
}

static int classic(struct nv_intake *intake, struct part part, const struct nv_proto_histogram *h)
{
    struct nv_wire_in in = nv_wire_in(h->message);
    struct nv_proto_part bucket;

    int r = put_suffixed(intake, part, "_count", h->count);
    if (r == 0)
        r = put_suffixed(intake, part, "_sum", h->sum);
    part.bound_name = "le";
    part.suffix = "_bucket";
    while (r == 0 && nv_proto_next_bucket(&in, &bucket)) {
        part.bound = bucket.bound;
        r = put(intake, &part, bucket.value, NULL);
    }
    if (r == 0 && !h->has_infinity) {
        part.bound = (double)INFINITY;
        r = put(intake, &part, h->count, NULL);
    }
    return r;
}

static int histogram(struct nv_intake *intake, struct part part)
{
    bool is_gauge = part.family->type == NV_PROTO_GAUGE_HISTOGRAM;
    struct nv_proto_histogram h;
    struct nv_histogram native;
    const char *why = "";

    if (!nv_proto_histogram(part.metric->value, &h))
        return bad_message(intake);
    if (!h.is_native || !intake->scrape->scrape_native_histograms)
        return classic(intake, part, &h);
    nv_arena_reset(&intake->scratch);
    int r = nv_proto_native(&h, is_gauge, &intake->scratch, &native, &why);
    if (r == -ENOMEM)
        return nv_intake_no_memory(intake);
    if (r < 0)
        return nv_intake_refuse(intake, "%s", why);
    part.is_native = true;
    r = put(intake, &part, native.sum, &native);
    part.is_native = false;
    return r == 0 && intake->scrape->always_scrape_classic_histograms && h.n_buckets
               ? classic(intake, part, &h)
               : r;
}

static int metric(struct nv_intake *intake, const struct nv_proto_family *family,
                  const struct nv_proto_metric *m)
{
    struct part part = {.family = family, .metric = m, .suffix = ""};
    double value;

    switch (family->type) {
    case NV_PROTO_SUMMARY:
        return summary(intake, part);
    case NV_PROTO_HISTOGRAM:
    case NV_PROTO_GAUGE_HISTOGRAM:
        return histogram(intake, part);
    default:
        return nv_proto_single(m->value, &value) ? put(intake, &part, value, NULL)
                                                 : bad_message(intake);
    }
}

/* ---- families ------------------------------------------------------------------------------- */

static int check_unit(struct nv_intake *intake, const struct nv_proto_family *family)
{
    struct nv_str name = family->name, unit = family->unit;

    if (family->type == NV_PROTO_COUNTER && nv_str_ends(name, "_total"))
        name.n -= strlen("_total");
    if (!unit.n)
        return 0;
    struct nv_str tail = nv_str_from(name, name.n - (unit.n < name.n ? unit.n : name.n));
    if (nv_str_eq(tail, unit) && tail.n < name.n && tail.p[-1] == '_')
        return 0;
    return nv_intake_refuse(intake, "unit \"%.*s\" not a suffix of metric \"%.*s\"", NV_ARGS(unit),
                            NV_ARGS(family->name));
}

static int check(struct nv_intake *intake, const struct nv_proto_family *family)
{
    if (!family->name.n || !nv_utf8_valid(family->name))
        return nv_intake_refuse(intake, "invalid metric name: %s",
                                nv_token_quote(&intake->reader.quoter, family->name));
    if (!nv_utf8_valid(family->help))
        return nv_intake_refuse(intake, "invalid help for metric \"%.*s\"", NV_ARGS(family->name));
    if (family->type >= NV_PROTO_TYPES)
        return nv_intake_refuse(intake, "unknown metric type for metric \"%.*s\"",
                                NV_ARGS(family->name));
    return check_unit(intake, family);
}

static int tell(struct nv_intake *intake, const struct nv_proto_family *family)
{
    static const enum nv_line_kind kinds[] = {NV_LINE_TYPE, NV_LINE_HELP, NV_LINE_UNIT};
    int r = 0;

    for (size_t i = 0; i < NV_LEN(kinds) && r == 0; i++)
        r = nv_intake_tell(intake, kinds[i], family->name,
                           kinds[i] == NV_LINE_HELP ? family->help : family->unit,
                           types[family->type], &intake->family);
    return r;
}

static int family_message(struct nv_intake *intake, struct nv_str message)
{
    struct nv_proto_family family;
    struct nv_proto_metric m;

    if (!nv_proto_family(message, &family))
        return bad_message(intake);
    int r = check(intake, &family);
    if (r == 0)
        r = tell(intake, &family);
    intake->family_hash = nv_hash_keyed(family.name.p, family.name.n);
    struct nv_wire_in in = nv_wire_in(message);
    while (r == 0 && nv_proto_next_metric(&in, &family, &m))
        r = metric(intake, &family, &m);
    return r == 0 && in.failed ? bad_message(intake) : r;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* The message at the front, if it is whole. 1: it was; 0: not yet; *ret_needs: how many bytes it has, 0 if unknown. */
static int front(struct nv_intake *intake, struct nv_str s, struct nv_str *ret, size_t *ret_needs)
{
    const unsigned char *from = (const unsigned char *)s.p, *at = from;
    uint64_t n;

    *ret_needs = 0;
    int r = nv_wire_varint(&at, from + s.n, &n);
    if (r < 0)
        return bad_message(intake);
    if (r == 0)
        return 0;
    if (n > NV_INTAKE_MESSAGE_MAX - 16)
        return nv_intake_refuse(intake, "a metric family takes more than %d bytes",
                                NV_INTAKE_MESSAGE_MAX - 16);
    *ret_needs = (size_t)(at - from) + (size_t)n;
    if (*ret_needs > s.n)
        return 0;
    *ret = (struct nv_str){(const char *)at, (size_t)n};
    return 1;
}

/* Adds to the carry what its message lacks. */
static int fill_carry(struct nv_intake *intake, const char **p, size_t *n)
{
    struct nv_str message;
    size_t needs = 0;

    int r = intake->carry.n ? front(intake, nv_buf_view(&intake->carry), &message, &needs) : 0;
    if (r < 0)
        return r;
    size_t take = needs ? needs - intake->carry.n : 1;
    if (take > *n)
        take = *n;
    nv_buf_add(&intake->carry, *p, take);
    if (intake->carry.failed)
        return nv_intake_no_memory(intake);
    *p += take;
    *n -= take;
    r = front(intake, nv_buf_view(&intake->carry), &message, &needs);
    if (r <= 0)
        return r;
    r = family_message(intake, message);
    nv_buf_reset(&intake->carry);
    return r;
}

int nv_intake_proto(struct nv_intake *intake, const char *p, size_t n)
{
    struct nv_str message;
    size_t needs;

    while (n) {
        int r = intake->carry.n ? 0 : front(intake, (struct nv_str){p, n}, &message, &needs);
        if (r == 1) {
            r = family_message(intake, message);
            p += needs;
            n -= needs;
        } else if (r == 0) {
            r = fill_carry(intake, &p, &n);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int nv_intake_proto_end(struct nv_intake *intake)
{
    return intake->carry.n ? nv_intake_refuse(intake, "unexpected EOF") : 0;
}
