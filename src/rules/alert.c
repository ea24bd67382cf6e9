#include "rules/alert.h"

#include <errno.h>

/* ---- memory --------------------------------------------------------------------------------- */

static size_t size_of(const struct nv_label *labels, size_t n)
{
    size_t size = n * sizeof(*labels);

    for (size_t i = 0; i < n; i++)
        size += labels[i].name.n + labels[i].value.n;
    return size;
}

static struct nv_str copy_text(char **to, struct nv_str text)
{
    struct nv_str copy = {*to, text.n};

    if (text.n)
        memcpy(*to, text.p, text.n);
    *to += text.n;
    return copy;
}

/* Labels into memory of size_of() bytes. */
static const struct nv_label *copy_labels(void *memory, const struct nv_label *labels, size_t n)
{
    struct nv_label *copy = memory;
    char *text = (char *)(copy + n);

    for (size_t i = 0; i < n; i++) {
        copy[i].name = copy_text(&text, labels[i].name);
        copy[i].value = copy_text(&text, labels[i].value);
    }
    return copy;
}

static void free_alert(struct nv_alert *alert)
{
    free(alert->annotation_memory);
    free(alert);
}

void nv_alerts_clear(struct nv_alerts *alerts)
{
    for (size_t i = 0; i < alerts->n; i++)
        free_alert(alerts->at[i]);
    alerts->n = 0;
    alerts->moved = true;
}

void nv_alerts_done(struct nv_alerts *alerts)
{
    nv_alerts_clear(alerts);
    free(alerts->at);
    nv_index_done(&alerts->index);
    *alerts = (struct nv_alerts){0};
}

/* ---- looking up ----------------------------------------------------------------------------- */

static uint64_t rehash(uint32_t value, const void *user)
{
    const struct nv_alerts *alerts = user;

    return nv_rule_labels_hash(alerts->at[value]->labels, alerts->at[value]->n_labels);
}

static int make_index(struct nv_alerts *alerts)
{
    if (!alerts->moved)
        return 0;
    nv_index_done(&alerts->index);
    alerts->index = (struct nv_index){0};
    for (size_t i = 0; i < alerts->n; i++) {
        int r =
            nv_index_add(&alerts->index, rehash((uint32_t)i, alerts), (uint32_t)i, rehash, alerts);
        if (r < 0)
            return r;
    }
    alerts->moved = false;
    return 0;
}

static bool has_labels(const struct nv_alert *alert, const struct nv_label *labels, size_t n)
{
    return nv_rule_labels_same(alert->labels, alert->n_labels, labels, n);
}

/* With the index as it should be. */
static bool find(const struct nv_alerts *alerts, const struct nv_label *labels, size_t n,
                 uint64_t hash, uint32_t *ret)
{
    for (uint32_t at = nv_index_first(&alerts->index, hash);
         nv_index_next(&alerts->index, hash, &at, ret);)
        if (has_labels(alerts->at[*ret], labels, n))
            return true;
    return false;
}

struct nv_alert *nv_alerts_find(const struct nv_alerts *alerts, const struct nv_label *labels,
                                size_t n_labels)
{
    for (size_t i = 0; i < alerts->n; i++)
        if (has_labels(alerts->at[i], labels, n_labels))
            return alerts->at[i];
    return NULL;
}

/* ---- what an evaluation finds --------------------------------------------------------------- */

static int annotate(struct nv_alert *alert, const struct nv_alert_found *found)
{
    if (alert->annotations && nv_rule_labels_same(alert->annotations, alert->n_annotations,
                                                  found->annotations, found->n_annotations))
        return 0;
    void *memory = malloc(size_of(found->annotations, found->n_annotations) + 1);
    if (!memory)
        return -ENOMEM;
    free(alert->annotation_memory);
    alert->annotation_memory = memory;
    alert->annotations = copy_labels(memory, found->annotations, found->n_annotations);
    alert->n_annotations = found->n_annotations;
    return 0;
}

static void begin_alert(struct nv_alert *alert, int64_t now_ms)
{
    alert->state = NV_RULE_PENDING;
    alert->active_ms = now_ms;
    alert->fired_ms = alert->resolved_ms = alert->sent_ms = alert->valid_ms = alert->keep_since_ms =
        NV_RULES_NEVER;
}

static int add(struct nv_alerts *alerts, const struct nv_alert_found *found, uint64_t hash,
               int64_t now_ms, struct nv_alert **ret)
{
    if (alerts->n == NV_RULES_ALERTS_MAX)
        return -ENOMEM;
    if (alerts->n == alerts->room) {
        size_t room = alerts->room ? alerts->room * 2 : 4;
        struct nv_alert **larger = realloc(alerts->at, room * sizeof(*larger));
        if (!larger)
            return -ENOMEM;
        alerts->at = larger;
        alerts->room = room;
    }
    struct nv_alert *alert = calloc(1, sizeof(*alert) + size_of(found->labels, found->n_labels));
    if (!alert)
        return -ENOMEM;
    alert->labels = copy_labels(alert + 1, found->labels, found->n_labels);
    alert->n_labels = found->n_labels;
    begin_alert(alert, now_ms);
    alerts->at[alerts->n] = alert;
    int r = nv_index_add(&alerts->index, hash, (uint32_t)alerts->n, rehash, alerts);
    if (r < 0) {
        free_alert(alert);
        return r;
    }
    alerts->n++;
    *ret = alert;
    return 0;
}

static int take_in(struct nv_alerts *alerts, const struct nv_alert_found *found, int64_t now_ms)
{
    uint64_t hash = nv_rule_labels_hash(found->labels, found->n_labels);
    struct nv_alert *alert;
    uint32_t i;
    int r = 0;

    if (find(alerts, found->labels, found->n_labels, hash, &i)) {
        alert = alerts->at[i];
        if (!nv_alert_is_active(alert))
            begin_alert(alert, now_ms);
    } else {
        r = add(alerts, found, hash, now_ms, &alert);
    }
    if (r < 0)
        return r;
    alert->value = found->value;
    alert->keep_since_ms = NV_RULES_NEVER;
    alert->seen = alerts->evaluation;
    return annotate(alert, found);
}

static int by_labels(const void *a, const void *b)
{
    const struct nv_alert_found *const *x = a, *const *y = b;

    return nv_labels_compare((*x)->labels, (*x)->n_labels, (*y)->labels, (*y)->n_labels);
}

static int check_twice(const struct nv_alert_found *found, size_t n)
{
    NV_AUTO_FREE const struct nv_alert_found **sorted = NULL;

    if (n < 2)
        return 0;
    sorted = malloc(n * sizeof(*sorted));
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &found[i];
    qsort(sorted, n, sizeof(*sorted), by_labels);
    for (size_t i = 1; i < n; i++)
        if (by_labels(&sorted[i - 1], &sorted[i]) == 0)
            return NV_ALERTS_TWICE;
    return 0;
}

/* ---- what becomes of each ------------------------------------------------------------------- */

/* One that is not in the result. False where it is to be forgotten. */
static bool miss(struct nv_alert *alert, const struct nv_alert_terms *terms)
{
    int64_t now = terms->now_ms;

    if (alert->state == NV_RULE_PENDING)
        return false;
    if (alert->state == NV_RULE_INACTIVE)
        return now - alert->resolved_ms <= NV_RULES_RESOLVED_MS;
    if (terms->keep_firing_ms > 0) {
        if (alert->keep_since_ms == NV_RULES_NEVER)
            alert->keep_since_ms = now;
        if (now - alert->keep_since_ms < terms->keep_firing_ms)
            return true;
    }
    alert->state = NV_RULE_INACTIVE;
    alert->resolved_ms = now;
    return true;
}

static void ripen(struct nv_alert *alert, const struct nv_alert_terms *terms)
{
    bool long_enough = terms->now_ms - alert->active_ms >= terms->for_ms;

    if (alert->state == NV_RULE_PENDING && long_enough) {
        alert->state = NV_RULE_FIRING;
        alert->fired_ms = terms->now_ms;
    } else if (alert->state == NV_RULE_FIRING && !long_enough) { /* `for` became longer */
        alert->state = NV_RULE_PENDING;
        alert->fired_ms = alert->sent_ms = alert->keep_since_ms = NV_RULES_NEVER;
    }
}

static size_t go_through(struct nv_alerts *alerts, const struct nv_alert_terms *terms)
{
    size_t kept = 0, active = 0;

    for (size_t i = 0; i < alerts->n; i++) {
        struct nv_alert *alert = alerts->at[i];
        if (alert->seen != alerts->evaluation && !miss(alert, terms)) {
            free_alert(alert);
            alerts->moved = true;
            continue;
        }
        alerts->at[kept++] = alert;
        if (!nv_alert_is_active(alert))
            continue;
        ripen(alert, terms);
        active++;
    }
    alerts->n = kept;
    return active;
}

int nv_alerts_evaluate(struct nv_alerts *alerts, const struct nv_alert_found *found, size_t n,
                       const struct nv_alert_terms *terms, size_t *ret_active)
{
    *ret_active = 0;
    int r = check_twice(found, n);
    if (r == 0)
        r = make_index(alerts);
    if (r)
        return r;
    alerts->evaluation++;
    for (size_t i = 0; i < n && r == 0; i++)
        r = take_in(alerts, &found[i], terms->now_ms);
    if (r < 0)
        return r;
    *ret_active = go_through(alerts, terms);
    if (!terms->limit || *ret_active <= terms->limit)
        return 0;
    nv_alerts_clear(alerts);
    return NV_ALERTS_LIMIT;
}

enum nv_rule_state nv_alerts_state(const struct nv_alerts *alerts)
{
    enum nv_rule_state state = NV_RULE_INACTIVE;

    for (size_t i = 0; i < alerts->n; i++)
        if (alerts->at[i]->state > state)
            state = alerts->at[i]->state;
    return state;
}

/* ---- sending and restoring ------------------------------------------------------------------ */

bool nv_alert_is_due(const struct nv_alert *alert, int64_t now_ms, int64_t resend_ms)
{
    if (alert->state == NV_RULE_PENDING)
        return false;
    if (alert->sent_ms == NV_RULES_NEVER || alert->resolved_ms > alert->sent_ms)
        return true;
    return alert->sent_ms + resend_ms < now_ms;
}

void nv_alert_sent(struct nv_alert *alert, int64_t now_ms, int64_t interval_ms, int64_t resend_ms)
{
    alert->sent_ms = now_ms;
    alert->valid_ms = now_ms + 4 * (interval_ms > resend_ms ? interval_ms : resend_ms);
}

int64_t nv_alert_restored(int64_t now_ms, int64_t down_ms, int64_t was_ms, int64_t for_ms,
                          int64_t grace_ms)
{
    int64_t remaining = for_ms - (down_ms - was_ms);

    if (remaining <= 0)
        return was_ms;
    if (remaining < grace_ms)
        return now_ms + grace_ms - for_ms;
    return was_ms + (now_ms - down_ms);
}
