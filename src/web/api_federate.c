/*
 * api_federate.c - /federate: the newest sample of each series, as exposition, for a Prometheus above us.
 *
 *   which      not older than the lookback; where it is stale the series is left out
 *   labels     external ones are attached to series that lack them; `instance`, where there is none at all, is empty,
 *              so that whoever scrapes this does not attach its own
 *   order      by name, then labels
 */
#include <errno.h>

#include "expo/untyped.h"
#include "web/union.h"

enum { LOOKBACK_MS = 300000, LABELS_MAX = 4096 };

struct federation {
    struct nv_expo_untyped text;
    struct nv_writer *out;
    const struct nv_label *external;
    size_t n_external;
    struct nv_label *labels; /* room for those of one series */
};

static void pass_on(void *user, struct nv_str text)
{
    nv_write_str(user, text);
}

static bool has_label(const struct nv_selected *series, struct nv_str name)
{
    for (size_t i = 0; i < series->n_labels; i++)
        if (nv_str_eq(series->labels[i].name, name))
            return true;
    return false;
}

/* Its labels but the name, then what is attached. */
static size_t make_labels(const struct federation *f, const struct nv_selected *series,
                          struct nv_str *ret_name)
{
    size_t n = 0;

    *ret_name = (struct nv_str){"", 0};
    for (size_t i = 0; i < series->n_labels && n < LABELS_MAX; i++) {
        if (nv_str_is(series->labels[i].name, "__name__"))
            *ret_name = series->labels[i].value;
        else
            f->labels[n++] = series->labels[i];
    }
    for (size_t i = 0; i < f->n_external && n < LABELS_MAX; i++)
        if (!has_label(series, f->external[i].name))
            f->labels[n++] = f->external[i];
    return n;
}

static void add(struct federation *f, const struct nv_selected *series,
                const struct nv_samples *samples)
{
    if (!samples->n)
        return;
    size_t last = samples->n - 1, n;
    const struct nv_histogram *h = samples->histograms ? samples->histograms[last] : NULL;
    struct nv_str name;
    if (nv_is_stale(h ? h->sum : samples->values[last]))
        return;
    n = make_labels(f, series, &name);
    if (name.n)
        nv_expo_untyped_add(&f->text, name, f->labels, n, samples->values[last], h,
                            samples->times[last]);
}

/* The external labels, with an empty `instance` where it is none of them. */
static int ask_external(struct nv_exchange *x, struct federation *f)
{
    const struct nv_api_sources *sources = &x->api->sources;
    const struct nv_str instance = NV_LIT("instance");
    const struct nv_label *given = NULL;
    size_t n = 0, at = 0;

    int r = sources->external_labels
                ? sources->external_labels(x->api->user, &x->memory, &given, &n)
                : 0;
    struct nv_label *labels = nv_arena_alloc(&x->memory, (n + 1) * sizeof(*labels));
    f->labels = nv_arena_alloc(&x->memory, LABELS_MAX * sizeof(*f->labels));
    if (r < 0 || !labels || !f->labels)
        return r < 0 ? r : -ENOMEM;
    bool there = nv_label_value(given, n, instance).n > 0;
    for (size_t i = 0; i < n; i++) {
        if (!there && nv_str_cmp(instance, given[i].name) < 0) {
            labels[at++] = (struct nv_label){
                instance, {"", 0}
            };
            there = true;
        }
        labels[at++] = given[i];
    }
    if (!there)
        labels[at++] = (struct nv_label){
            instance, {"", 0}
        };
    f->external = labels;
    f->n_external = at;
    return 0;
}

static int write_all(struct nv_exchange *x, struct federation *f, const struct nv_union *all)
{
    struct nv_samples samples = {0};
    int r = 0;

    for (size_t i = 0; i < all->n && r == 0 && !f->out->failed; i++) {
        r = nv_is_over(x) ? *x->cancel ? -ECANCELED : -ETIMEDOUT : nv_union_read(all, i, &samples);
        if (r == 0)
            add(f, all->at[i].series, &samples);
    }
    nv_samples_done(&samples);
    int done = nv_expo_untyped_done(&f->text);
    return r ? r : done;
}

static int get_federate(struct nv_exchange *x)
{
    struct nv_expo_choice choice = nv_expo_negotiate(x->accept);
    int64_t lookback_ms = x->api->promql.lookback_ms ? x->api->promql.lookback_ms : LOOKBACK_MS;
    struct nv_selector_list selectors;
    struct federation f;
    struct nv_union all;
    char type[NV_EXPO_TYPE_MAX];

    nv_expo_content_type(choice, type);
    if (nv_ask_selectors(x, false, &selectors))
        return NV_ANSWERED;
    int r = ask_external(x, &f);
    if (r < 0)
        return r;
    r = nv_union_select(x, &selectors, x->now_ms - lookback_ms, x->now_ms, 0, NV_BY_NAME, &all);
    if (r == 0) {
        f.out = nv_raw(x, 200, type, false);
        nv_expo_untyped_init(&f.text, choice, pass_on, f.out);
        r = write_all(x, &f, &all);
    }
    nv_union_done(&all);
    return r < 0 ? nv_fail_select(x, r, "federating") : r;
}

const struct nv_endpoint nv_api_federate_endpoints[] = {
    {"/federate", NV_GET, 0, get_federate},
    {0         },
};
