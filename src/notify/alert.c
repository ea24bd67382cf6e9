#include "notify/alert.h"

#include <errno.h>

#include "base/index.h"
#include "base/json_out.h"
#include "base/rfc3339.h"

static int by_labels(const void *a, const void *b)
{
    const struct nv_alert *one = *(struct nv_alert *const *)a,
                          *other = *(struct nv_alert *const *)b;

    return nv_labels_compare(one->labels, one->n_labels, other->labels, other->n_labels);
}

void nv_alerts_sort(struct nv_alert **alerts, size_t n)
{
    if (n > 1)
        qsort(alerts, n, sizeof(*alerts), by_labels);
}

static size_t bytes_of(const struct nv_label *labels, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += labels[i].name.n + labels[i].value.n;
    return bytes;
}

static struct nv_str keep(char **at, struct nv_str s)
{
    struct nv_str kept = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return kept;
}

/* Copies those with a value, in order of their names. Returns how many. */
static size_t keep_labels(struct nv_label *into, char **at, const struct nv_label *labels, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (labels[i].value.n == 0)
            continue;
        into[kept++] = (struct nv_label){keep(at, labels[i].name), keep(at, labels[i].value)};
    }
    nv_labels_sort(into, kept);
    return kept;
}

static uint64_t fingerprint(const struct nv_label *labels, size_t n)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < n; i++) {
        hash = nv_hash(labels[i].name.p, labels[i].name.n, hash + 1);
        hash = nv_hash(labels[i].value.p, labels[i].value.n, hash + 2);
    }
    return hash;
}

struct nv_alert *nv_alert_new(const struct nv_alert *from)
{
    size_t n = from->n_labels + from->n_annotations;
    size_t bytes = bytes_of(from->labels, from->n_labels) +
                   bytes_of(from->annotations, from->n_annotations) + from->generator_url.n;

    if (n > NV_ALERT_LABELS_MAX || bytes > NV_ALERT_BYTES_MAX)
        return NULL;
    struct nv_alert *alert = malloc(sizeof(*alert) + n * sizeof(struct nv_label) + bytes);
    if (!alert)
        return NULL;
    struct nv_label *labels = (struct nv_label *)(void *)(alert + 1);
    char *at = (char *)(labels + n);

    *alert = *from;
    alert->refs = 1;
    alert->labels = labels;
    alert->n_labels = keep_labels(labels, &at, from->labels, from->n_labels);
    alert->annotations = labels + from->n_labels;
    alert->n_annotations =
        keep_labels(labels + from->n_labels, &at, from->annotations, from->n_annotations);
    alert->generator_url = keep(&at, from->generator_url);
    alert->fingerprint = fingerprint(alert->labels, alert->n_labels);
    return alert;
}

struct nv_alert *nv_alert_ref(struct nv_alert *alert)
{
    __atomic_add_fetch(&alert->refs, 1, __ATOMIC_RELAXED);
    return alert;
}

void nv_alert_unref(struct nv_alert *alert)
{
    if (alert && __atomic_sub_fetch(&alert->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(alert);
}

bool nv_alert_same_labels(const struct nv_alert *a, const struct nv_alert *b)
{
    if (a->fingerprint != b->fingerprint || a->n_labels != b->n_labels)
        return false;
    for (size_t i = 0; i < a->n_labels; i++) {
        if (!nv_str_eq(a->labels[i].name, b->labels[i].name) ||
            !nv_str_eq(a->labels[i].value, b->labels[i].value))
            return false;
    }
    return true;
}

/* Both in order of names; the first has the say. */
static size_t merge(struct nv_label *into, const struct nv_alert *alert,
                    const struct nv_label *more, size_t n_more)
{
    size_t n = alert->n_labels;

    if (n)
        memcpy(into, alert->labels, n * sizeof(*into));
    for (size_t i = 0; i < n_more; i++) {
        if (nv_label_value(alert->labels, alert->n_labels, more[i].name).n == 0)
            into[n++] = more[i];
    }
    nv_labels_sort(into, n);
    return n;
}

static int relabel_in(struct nv_arena *memory, struct nv_alert *alert,
                      const struct nv_label *external, size_t n_external,
                      const struct nv_relabel_list *rules, struct nv_alert **ret)
{
    struct nv_label *labels =
        nv_arena_alloc(memory, (alert->n_labels + n_external + 1) * sizeof(*labels));
    struct nv_alert changed = *alert;

    if (!labels)
        return -ENOMEM;
    changed.labels = labels;
    changed.n_labels = merge(labels, alert, external, n_external);
    int r = nv_relabel(rules->at, rules->n, memory, changed.labels, changed.n_labels,
                       &changed.labels, &changed.n_labels);
    if (r != 0)
        return r;
    *ret = nv_alert_new(&changed);
    return *ret ? 0 : -ENOMEM;
}

int nv_alert_relabel(struct nv_alert *alert, const struct nv_label *external, size_t n_external,
                     const struct nv_relabel_list *rules, struct nv_alert **ret)
{
    struct nv_arena memory = NV_ARENA(16 << 20);

    if (n_external == 0 && rules->n == 0) {
        *ret = nv_alert_ref(alert);
        return 0;
    }
    int r = relabel_in(&memory, alert, external, n_external, rules, ret);
    nv_arena_done(&memory);
    return r;
}

/* ---- as JSON -------------------------------------------------------------------------------- */

void nv_alert_write_labels(struct nv_buf *out, const struct nv_label *labels, size_t n)
{
    nv_buf_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            nv_buf_char(out, ',');
        nv_json_quote(out, labels[i].name);
        nv_buf_char(out, ':');
        nv_json_quote(out, labels[i].value);
    }
    nv_buf_char(out, '}');
}

static void write_time(struct nv_buf *out, const char *name, int64_t ms)
{
    char text[NV_RFC3339_MAX];

    nv_json_member(out, name, (struct nv_str){text, nv_rfc3339_ms(text, ms)});
}

void nv_alert_write_post(struct nv_buf *out, const struct nv_alert *alert)
{
    nv_buf_text(out, "{\"labels\":");
    nv_alert_write_labels(out, alert->labels, alert->n_labels);
    nv_buf_text(out, ",\"annotations\":");
    nv_alert_write_labels(out, alert->annotations, alert->n_annotations);
    write_time(out, "startsAt", alert->starts_ms);
    write_time(out, "endsAt", alert->ends_ms);
    nv_json_member(out, "generatorURL", alert->generator_url);
    nv_buf_char(out, '}');
}
