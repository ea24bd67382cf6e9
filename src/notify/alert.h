/*
 * alert.h - an alert on its way out.
 *
 *   shape      labels and annotations by name, values not empty; since when it fires; until when that holds
 *   identity   its labels, by their hash
 *   ownership  one block, counted and immutable, so that every queue and group holds the same one
 */
#ifndef NV_NOTIFY_ALERT_H
#define NV_NOTIFY_ALERT_H

#include "base/buf.h"
#include "config/config.h"

enum { NV_ALERT_LABELS_MAX = 512, NV_ALERT_BYTES_MAX = 1 << 20 };

struct nv_alert {
    unsigned refs; /* atomic */
    uint64_t fingerprint;
    const struct nv_label *labels, *annotations;
    size_t n_labels, n_annotations;
    int64_t starts_ms;
    int64_t ends_ms; /* when it was resolved; else until when it holds if nothing more is heard */
    bool resolved;
    int64_t updated_ms;
    struct nv_str generator_url;
};

/* What is in `from` is copied; its refs and fingerprint do not count, its labels need no order. NULL when memory is out or
 * a bound is passed. */
struct nv_alert *nv_alert_new(const struct nv_alert *from);
struct nv_alert *nv_alert_ref(struct nv_alert *alert);
void nv_alert_unref(struct nv_alert *alert); /* NULL is fine */
static inline void nv_alert_free(struct nv_alert *alert)
{
    nv_alert_unref(alert);
}
NV_DEFINE_AUTO(nv_alert)

/* Whether it fires at that time. */
static inline bool nv_alert_fires(const struct nv_alert *alert, int64_t now_ms)
{
    return !alert->resolved && alert->ends_ms > now_ms;
}

bool nv_alert_same_labels(const struct nv_alert *a, const struct nv_alert *b);
static inline struct nv_str nv_alert_label(const struct nv_alert *alert, struct nv_str name)
{
    return nv_label_value(alert->labels, alert->n_labels, name); /* empty: none */
}

/* In order of their labels. */
void nv_alerts_sort(struct nv_alert **alerts, size_t n);

/*
 * What the configuration makes of its labels: `external` are added where it has none of that name, then `rules` rewrite
 * them. Returns 0 and the same alert or another one, with a count; NV_RELABEL_DROPPED; -ENOMEM, -E2BIG.
 */
NV_MUST_USE int nv_alert_relabel(struct nv_alert *alert, const struct nv_label *external,
                                 size_t n_external, const struct nv_relabel_list *rules,
                                 struct nv_alert **ret);

/* `{"name":"value",...}` */
void nv_alert_write_labels(struct nv_buf *out, const struct nv_label *labels, size_t n);

/* As Alertmanager's POST /api/v2/alerts takes it. */
void nv_alert_write_post(struct nv_buf *out, const struct nv_alert *alert);

#endif
