/*
 * api_metadata.c - type, help and unit of metrics: /metadata, /targets/metadata.
 */
#include <errno.h>

#include "web/exchange.h"

/* A number that may be absent (-1). Anything else is refused as Prometheus does it, which here names no parameter. */
static int ask_number(struct nv_exchange *x, const char *name, int64_t *ret)
{
    struct nv_str text = nv_param(x, name);

    *ret = -1;
    if (!text.n || (!nv_is_space(text.p[0]) && nv_str_to_i64(text, ret)))
        return 0;
    return nv_fail(x, NV_BAD_DATA, "%s must be a number", name);
}

/* ---- by metric ------------------------------------------------------------------------------ */

struct family {
    struct nv_str name, type, help, unit;
};

struct families {
    struct nv_arena *memory;
    struct nv_str metric; /* empty: all */
    struct family *at;
    size_t n, room;
};

static int family_order(const void *a, const void *b)
{
    const struct family *x = a, *y = b;
    int order = nv_str_cmp(x->name, y->name);

    if (order == 0)
        order = nv_str_cmp(x->type, y->type);
    if (order == 0)
        order = nv_str_cmp(x->help, y->help);
    return order ? order : nv_str_cmp(x->unit, y->unit);
}

static int add_family(void *to, const struct nv_api_family *family)
{
    struct families *families = to;
    struct nv_arena *memory = families->memory;

    if (families->metric.n && !nv_str_eq(families->metric, family->name))
        return 0;
    if (families->n == families->room) {
        size_t room = families->room ? families->room * 2 : 256;
        struct family *at = realloc(families->at, room * sizeof(*at));
        if (!at)
            return -ENOMEM;
        families->at = at;
        families->room = room;
    }
    struct family *one = &families->at[families->n];
    *one = (struct family){nv_arena_str(memory, family->name), nv_arena_str(memory, family->type),
                           nv_arena_str(memory, family->help), nv_arena_str(memory, family->unit)};
    if (!one->name.p || !one->type.p || !one->help.p || !one->unit.p)
        return -ENOMEM;
    families->n++;
    return 0;
}

static void write_family(struct nv_writer *out, const struct family *family)
{
    nv_write_object(out);
    nv_write_member(out, "type", family->type);
    nv_write_member(out, "help", family->help);
    nv_write_member(out, "unit", family->unit);
    nv_write_object_end(out);
}

/* Writes those of one name, of which at least one stands at *i; equal ones once. */
static void write_metric(struct nv_writer *out, const struct families *families, size_t *i,
                         int64_t per_metric)
{
    const struct family *first = &families->at[*i], *last = NULL;
    int64_t n = 0;

    nv_write_key_str(out, first->name);
    nv_write_array(out);
    for (; *i < families->n && nv_str_eq(families->at[*i].name, first->name); ++*i) {
        const struct family *one = &families->at[*i];
        if ((last && family_order(last, one) == 0) || (per_metric > 0 && n == per_metric))
            continue;
        write_family(out, one);
        last = one;
        n++;
    }
    nv_write_array_end(out);
}

static int get_metadata(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct families families = {.memory = &x->memory, .metric = nv_param(x, "metric")};
    int64_t limit, per_metric;

    if (ask_number(x, "limit", &limit) || ask_number(x, "limit_per_metric", &per_metric))
        return NV_ANSWERED;
    int r = sources->families ? sources->families(x->api->user, add_family, &families) : 0;
    if (r == 0) {
        if (families.n)
            qsort(families.at, families.n, sizeof(*families.at), family_order);
        struct nv_writer *out = nv_data(x);
        nv_write_object(out);
        int64_t n = 0;
        for (size_t i = 0; i < families.n && n != limit && !out->failed; n++)
            write_metric(out, &families, &i, per_metric);
        nv_write_object_end(out);
    }
    free(families.at);
    return r;
}

/* ---- by target ------------------------------------------------------------------------------ */

struct listing {
    struct nv_writer *out;
    struct nv_str metric;
    const struct nv_matcher *matchers;
    size_t n_matchers;
    int64_t limit, n;
};

enum { ENOUGH = 1 };

static int write_target_family(void *to, const struct nv_api_family *family)
{
    struct listing *listing = to;
    struct nv_writer *out = listing->out;

    if ((listing->limit >= 0 && listing->n >= listing->limit) || out->failed)
        return ENOUGH;
    if ((listing->metric.n && !nv_str_eq(listing->metric, family->name)) ||
        !nv_matchers_fit(listing->matchers, listing->n_matchers, family->target, family->n_target))
        return 0;
    listing->n++;
    nv_write_object(out);
    nv_write_key(out, "target");
    nv_write_labels(out, family->target, family->n_target);
    if (!listing->metric.n)
        nv_write_member(out, "metric", family->name);
    nv_write_member(out, "type", family->type);
    nv_write_member(out, "help", family->help);
    nv_write_member(out, "unit", family->unit);
    nv_write_object_end(out);
    return 0;
}

static int list_targets(struct nv_exchange *x, struct listing *listing)
{
    const struct nv_api_sources *sources = &x->api->sources;

    listing->out = nv_data(x);
    nv_write_array(listing->out);
    int r = sources->families ? sources->families(x->api->user, write_target_family, listing) : 0;
    nv_write_array_end(listing->out);
    return r == ENOUGH ? 0 : r;
}

static int get_target_metadata(struct nv_exchange *x)
{
    struct listing listing = {.metric = nv_param(x, "metric")};
    struct nv_str match = nv_param(x, "match_target");
    struct nv_promql_error error;
    struct nv_promql promql;

    if (ask_number(x, "limit", &listing.limit))
        return NV_ANSWERED;
    if (!match.n)
        return list_targets(x, &listing);
    int r = nv_promql_parse_selector(match, &x->memory, &promql, &error);
    if (r == -EINVAL) {
        NV_AUTO_BUF text = NV_BUF(NV_PROMQL_ERROR_MAX + 64);
        nv_promql_error_text(match, &error, &text);
        return nv_fail_parameter(x, "match_target", "%s", nv_buf_c_string(&text));
    }
    if (r < 0)
        return r;
    listing.matchers = promql.root->selector.matchers;
    listing.n_matchers = promql.root->selector.n_matchers;
    r = list_targets(x, &listing);
    nv_promql_done(&promql);
    return r;
}

const struct nv_endpoint nv_api_metadata_endpoints[] = {
    {"/api/v1/metadata", NV_GET, 0, get_metadata},
    {"/api/v1/targets/metadata",                 NV_GET, 0, get_target_metadata},
    {0                 },
};
