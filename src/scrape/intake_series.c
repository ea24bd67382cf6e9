/*
 * A series that is new: the labels it will have in the store, whether it is wanted at all, and its column.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "metric/relabel.h"
#include "scrape/intake_parts.h"

enum {
    LABELS_ROOM = NV_LINE_LABELS_MAX + 256, /* the sample's, the target's and those exported */
    BYTES_MAX = 60 << 10,                   /* of all labels: what a block can hold */
};

struct label_set {
    struct nv_label at[LABELS_ROOM];
    size_t n;
};

static struct nv_label *find_label(struct label_set *set, struct nv_str name)
{
    for (size_t i = 0; i < set->n; i++)
        if (nv_str_eq(set->at[i].name, name))
            return &set->at[i];
    return NULL;
}

static int add(struct nv_intake *intake, struct label_set *set, struct nv_label label)
{
    if (set->n == LABELS_ROOM)
        return nv_intake_refuse(intake, "more than %d labels", LABELS_ROOM);
    set->at[set->n++] = label;
    return 0;
}

/* ---- the sample's own ----------------------------------------------------------------------- */

/* le of a histogram and quantile of a summary as Prometheus keeps them, so that "1" and "1.0" are one series. */
static struct nv_str value_of(struct nv_intake *intake, struct nv_label label)
{
    if (intake->form == NV_INTAKE_PROTO || !intake->type ||
        !((nv_str_is(label.name, "le") && strcmp(intake->type, "histogram") == 0) ||
          (nv_str_is(label.name, "quantile") && strcmp(intake->type, "summary") == 0)))
        return label.value;
    return nv_line_bound(&intake->work, label.value);
}

static int own_labels(struct nv_intake *intake, const struct nv_intake_series *series,
                      struct label_set *set)
{
    set->n = 0;
    int r = add(intake, set, (struct nv_label){NV_LIT("__name__"), series->name});
    for (size_t i = 0; i < series->n_labels && r == 0; i++) {
        struct nv_label label = {series->labels[i].name, value_of(intake, series->labels[i])};
        r = label.value.p ? add(intake, set, label) : nv_intake_no_memory(intake);
    }
    if (r < 0)
        return r;
    nv_labels_sort(set->at, set->n);
    for (size_t i = 1; i < set->n; i++)
        if (nv_str_eq(set->at[i].name, set->at[i - 1].name))
            return nv_intake_refuse(intake, "label name \"%.*s\" is not unique: invalid sample",
                                    NV_ARGS(set->at[i].name));
    return 0;
}

/* ---- the target's --------------------------------------------------------------------------- */

/* What the sample says stands as exported_<name>, or with that in front as often as it takes. */
static int export_label(struct nv_intake *intake, struct label_set *set, struct nv_label label)
{
    static const char prefix[] = "exported_";
    size_t n = sizeof(prefix) - 1;
    struct nv_label *there;

    do {
        char *name = nv_arena_alloc(&intake->work, n + label.name.n);
        if (!name)
            return nv_intake_refuse(intake, "labels take too much memory");
        memcpy(name, prefix, n);
        memcpy(name + n, label.name.p, label.name.n);
        label.name = (struct nv_str){name, n + label.name.n};
        there = find_label(set, label.name);
    } while (there && there->value.n);
    if (!there)
        return add(intake, set, label);
    there->value = label.value;
    return 0;
}

/* Shorter names first, so that it does not depend on the order what becomes exported_exported_. */
static int export_all(struct nv_intake *intake, struct label_set *set, struct nv_label *labels,
                      size_t n)
{
    int r = 0;

    for (size_t i = 1; i < n; i++) {
        struct nv_label label = labels[i];
        size_t k = i;
        for (; k && labels[k - 1].name.n > label.name.n; k--)
            labels[k] = labels[k - 1];
        labels[k] = label;
    }
    for (size_t i = 0; i < n && r == 0; i++)
        r = export_label(intake, set, labels[i]);
    return r;
}

static int target_labels(struct nv_intake *intake, struct label_set *set)
{
    struct nv_label *conflicts =
        nv_arena_alloc(&intake->work, (intake->n_labels + 1) * sizeof(*conflicts));
    size_t n = 0;
    int r = 0;

    if (!conflicts)
        return nv_intake_no_memory(intake);
    for (size_t i = 0; i < intake->n_labels && r == 0; i++) {
        struct nv_label *there = find_label(set, intake->labels[i].name);
        if (!there) {
            r = add(intake, set, intake->labels[i]);
        } else if (!intake->scrape->honor_labels) {
            if (there->value.n)
                conflicts[n++] = *there;
            there->value = intake->labels[i].value;
        } /* else it has the last word, also where it is empty */
    }
    return r < 0 ? r : export_all(intake, set, conflicts, n);
}

/* ---- what Prometheus refuses ---------------------------------------------------------------- */

static int length_limits(struct nv_intake *intake, const struct nv_label *labels, size_t n,
                         struct nv_str metric)
{
    const struct nv_scrape_limits *limits = &intake->scrape->limits;
    int shown = metric.n < 50 ? (int)metric.n : 50;

    for (size_t i = 0; i < n; i++) {
        struct nv_str name = labels[i].name, value = labels[i].value;
        int name_shown = name.n < 50 ? (int)name.n : 50;
        if (limits->label_name_length > 0 && name.n > (uint64_t)limits->label_name_length)
            return nv_intake_refuse(
                intake,
                "label_name_length_limit exceeded (metric: %.*s, label name: %.*s, "
                "length: %zu, limit: %lld)",
                shown, metric.p, name_shown, name.p, name.n, (long long)limits->label_name_length);
        if (limits->label_value_length > 0 && value.n > (uint64_t)limits->label_value_length)
            return nv_intake_refuse(
                intake,
                "label_value_length_limit exceeded (metric: %.*s, label name: %.*s, value: %s, "
                "length: "
                "%zu, limit: %lld)",
                shown, metric.p, name_shown, name.p,
                nv_token_quote(&intake->reader.quoter,
                               (struct nv_str){value.p, value.n < 50 ? value.n : 50}),
                value.n, (long long)limits->label_value_length);
    }
    return 0;
}

static int limits(struct nv_intake *intake, const struct nv_label *labels, size_t n,
                  struct nv_str metric)
{
    int64_t limit = intake->scrape->limits.labels;

    intake->told.label_limit = true;
    if (limit > 0 && n > (uint64_t)limit)
        return nv_intake_refuse(
            intake, "label_limit exceeded (metric: %.*s, number of labels: %zu, limit: %lld)",
            metric.n < 50 ? (int)metric.n : 50, metric.p, n, (long long)limit);
    int r = length_limits(intake, labels, n, metric);
    intake->told.label_limit = r < 0;
    return r;
}

static int check(struct nv_intake *intake, const struct nv_label *labels, size_t n)
{
    struct nv_str metric = nv_label_value(labels, n, NV_LIT("__name__"));

    if (!metric.n)
        return nv_intake_refuse(intake, "missing metric name (__name__ label)");
    for (size_t i = 0; i < n; i++)
        if (!labels[i].name.n || !nv_utf8_valid(labels[i].name) || !nv_utf8_valid(labels[i].value))
            return nv_intake_refuse(intake, "invalid metric name or label names: %s",
                                    nv_token_quote(&intake->reader.quoter, metric));
    return limits(intake, labels, n, metric);
}

/* Whether the store can hold it at all. */
static bool fits(const struct nv_label *labels, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += labels[i].name.n + labels[i].value.n;
    return n <= NV_REGISTRY_LABELS_MAX && bytes <= BYTES_MAX &&
           nv_label_value(labels, n, NV_LIT("__name__")).n < 4096;
}

/* ---- columns -------------------------------------------------------------------------------- */

int nv_intake_room_for(struct nv_intake *intake, size_t n)
{
    if (n <= intake->room)
        return 0;
    size_t room = (n + n / 8 + 64) / 64 * 64;
    double *values = realloc(intake->values, room * sizeof(*values));
    if (values)
        intake->values = values;
    uint64_t *present = realloc(intake->present, room / 8);
    if (present)
        intake->present = present;
    const struct nv_histogram **histograms =
        intake->histograms ? realloc(intake->histograms, room * sizeof(*histograms)) : NULL;
    if (histograms)
        intake->histograms = histograms;
    int64_t *own_ms = intake->own_ms ? realloc(intake->own_ms, room * sizeof(*own_ms)) : NULL;
    if (own_ms)
        intake->own_ms = own_ms;
    if (!values || !present || (intake->histograms && !histograms) || (intake->own_ms && !own_ms))
        return nv_intake_no_memory(intake);
    if (own_ms)
        memset(own_ms + intake->room, 0, (room - intake->room) * sizeof(*own_ms));
    memset(values + intake->room, 0, (room - intake->room) * sizeof(*values));
    memset((char *)present + intake->room / 8, 0, (room - intake->room) / 8);
    if (histograms)
        memset(histograms + intake->room, 0, (room - intake->room) * sizeof(*histograms));
    intake->room = room;
    return 0;
}

int nv_intake_set_targets(struct nv_intake *intake, struct nv_registry *registry)
{
    for (uint32_t i = NV_INTAKE_SAMPLES; i <= NV_INTAKE_ODD; i++) {
        uint32_t section = nv_registry_add_section(registry);
        nv_assert(section == i);
        int r = i == NV_INTAKE_ODD
                    ? 0
                    : nv_registry_set_target(registry, section, intake->labels, intake->n_labels);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Takes the target's labels out, where they are all there: the section has them. */
static uint32_t section_of(struct nv_intake *intake, struct nv_label *labels, size_t *n)
{
    size_t found = 0, kept = 0;

    for (size_t i = 0; i < *n && found < intake->n_labels; i++) /* both are by name */
        found += nv_str_eq(labels[i].name, intake->labels[found].name) &&
                 nv_str_eq(labels[i].value, intake->labels[found].value);
    if (found < intake->n_labels) {
        intake->has_odd = true;
        return NV_INTAKE_ODD;
    }
    for (size_t i = 0, t = 0; i < *n; i++) {
        if (t < intake->n_labels && nv_str_eq(labels[i].name, intake->labels[t].name))
            t++;
        else
            labels[kept++] = labels[i];
    }
    *n = kept;
    return NV_INTAKE_SAMPLES;
}

static const struct {
    const char *type, *suffix;
    enum nv_type as;
} parts[] = {
    {"counter",   "",        NV_COUNTER  },
    {"counter",   "_total",  NV_COUNTER  }, /* of OpenMetrics, whose family lacks it */
    {"gauge",     "",        NV_GAUGE    },
    {"stateset",  "",        NV_GAUGE    },
    {"info",      "_info",   NV_GAUGE    },
    {"histogram", "_bucket", NV_HISTOGRAM},
    {"histogram", "_sum",    NV_HISTOGRAM},
    {"histogram", "_count",  NV_HISTOGRAM},
    {"summary",   "",        NV_SUMMARY  },
    {"summary",   "_sum",    NV_SUMMARY  },
    {"summary",   "_count",  NV_SUMMARY  },
};

/* What was told of a series' family, for our own /metrics. */
static void describe(struct nv_intake *intake, struct nv_str name,
                     const struct nv_intake_series *series, struct nv_labelled_series *def)
{
    const struct nv_intake_family *family = nv_intake_family(intake);

    *def = (struct nv_labelled_series){.family = name, .suffix = "", .type = NV_UNTYPED};
    if (!family || name.n < family->name.n || memcmp(name.p, family->name.p, family->name.n) != 0)
        return;
    struct nv_str rest = nv_str_from(name, family->name.n);
    if (!rest.n)
        def->help = family->help;
    if (series->is_native && !rest.n)
        def->type = NV_HISTOGRAM;
    for (size_t i = 0; i < NV_LEN(parts) && family->type && !series->is_native; i++) {
        if (strcmp(parts[i].type, family->type) != 0 || !nv_str_is(rest, parts[i].suffix))
            continue;
        bool composed = parts[i].as == NV_HISTOGRAM || parts[i].as == NV_SUMMARY;
        def->type = parts[i].as;
        def->help = family->help;
        def->suffix = composed ? parts[i].suffix : "";
        def->family = composed ? family->name : name;
    }
}

static int register_in(struct nv_intake *intake, const struct nv_labelled_series *def, bool own,
                       uint32_t *ret)
{
    return own ? nv_intake_own_series(intake, def, ret)
               : nv_registry_add_labelled(intake->registry, def, ret);
}

static int register_series(struct nv_intake *intake, const struct nv_intake_series *series,
                           struct label_set *set, bool own, struct nv_intake_place *ret)
{
    struct nv_labelled_series def;
    uint32_t slot = 0;
    struct nv_str name = nv_label_value(set->at, set->n, NV_LIT("__name__"));

    describe(intake, name, series, &def);
    def.section = section_of(intake, set->at, &set->n);
    struct nv_label *named = find_label(set, NV_LIT("__name__"));
    if (named)
        memmove(named, named + 1, (size_t)(set->at + set->n - named - 1) * sizeof(*named));
    def.labels = set->at;
    def.n_labels = set->n - (named != NULL);

    int r = register_in(intake, &def, own, &slot);
    if (r == NV_REGISTRY_CONFLICT || r == NV_REGISTRY_INVALID) {
        def.family = name;
        def.suffix = "";
        def.type = NV_UNTYPED;
        r = register_in(intake, &def, own, &slot);
    }
    if (r < 0)
        return nv_intake_no_memory(intake);
    *ret = (struct nv_intake_place){own ? NV_ENTRY_OWN : NV_ENTRY_FRAME, slot};
    if (r == NV_REGISTRY_DUPLICATE && !own &&
        nv_registry_series(intake->registry, slot)->section == NV_INTAKE_REPORT)
        *ret = (struct nv_intake_place){NV_ENTRY_DROPPED, NV_ENTRY_REPORT};
    else if (r && r != NV_REGISTRY_DUPLICATE)
        *ret = (struct nv_intake_place){NV_ENTRY_DROPPED, NV_ENTRY_REFUSED};
    return own ? 0 : nv_intake_room_for(intake, nv_registry_n_series(intake->registry));
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int relabel(struct nv_intake *intake, struct label_set *set)
{
    const struct nv_relabel_list *rules = &intake->scrape->metric_relabel;
    const struct nv_label *labels;
    size_t n;

    nv_labels_sort(set->at, set->n);
    int r = nv_relabel(rules->at, rules->n, &intake->work, set->at, set->n, &labels, &n);
    if (r == -ENOMEM || r == -E2BIG || (r == 0 && n > LABELS_ROOM))
        return nv_intake_refuse(intake, "metric_relabel_configs make labels too large");
    if (r || n == 0)
        return r < 0 ? r : NV_RELABEL_DROPPED;
    memmove(set->at, labels, n * sizeof(*labels));
    set->n = n;
    return 0;
}

int nv_intake_find_place(struct nv_intake *intake, const struct nv_intake_source *source, bool own,
                         struct nv_intake_place *ret)
{
    struct nv_intake_series series;
    struct label_set set;

    nv_arena_reset(&intake->work);
    nv_arena_reset(&intake->reader.memory);
    int r = source->read(intake, source->what, &series);
    intake->told.samples -= r < 0; /* what cannot be read is not counted */
    if (r == 0)
        r = own_labels(intake, &series, &set);
    if (r == 0)
        r = target_labels(intake, &set);
    if (r == 0)
        r = relabel(intake, &set);
    if (r == NV_RELABEL_DROPPED && ret) {
        *ret = (struct nv_intake_place){NV_ENTRY_DROPPED, NV_ENTRY_RELABELLED};
        return 0;
    }
    if (r == 0)
        r = check(intake, set.at, set.n);
    if (r || !ret)
        return r;
    if (!fits(set.at, set.n)) {
        *ret = (struct nv_intake_place){NV_ENTRY_DROPPED, NV_ENTRY_REFUSED};
        return 0;
    }
    return register_series(intake, &series, &set, own, ret);
}
