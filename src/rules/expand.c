/*
 * expand.c - an element of an alerting rule's result becomes an alert: its labels, the rule's, the alert's name; and
 * annotations. Texts with actions are templates, parsed once for all elements of an evaluation.
 */
#include <errno.h>

#include "config/template.h"
#include "rules/group.h"

enum { TEMPLATES_MAX = 512 /* labels and annotations of a rule */ };

/* The templates of a rule, those of its labels first; NULL where the text stands for itself. */
struct templates {
    struct nv_template *at[TEMPLATES_MAX];
    const char *errors[TEMPLATES_MAX]; /* where one cannot be parsed */
    size_t n;
};

struct expanding {
    struct nv_evaluation *ev;
    const struct nv_rule *rule;
    struct nv_template_context context;
    struct nv_template_alert alert;
    struct templates templates;
};

static bool is_template(struct nv_str text)
{
    return nv_str_contains(text, "{{");
}

static int parse(struct expanding *e, struct nv_str text)
{
    struct templates *t = &e->templates;
    char error[NV_TEMPLATE_ERROR_MAX];

    if (t->n == TEMPLATES_MAX)
        return nv_evaluation_fail(e->ev, "more than %d labels and annotations", TEMPLATES_MAX);
    t->at[t->n] = NULL;
    t->errors[t->n] = NULL;
    if (is_template(text)) {
        int r = nv_template_new_alert(e->rule->def->name, text, &t->at[t->n], error);
        if (r == -ENOMEM)
            return nv_evaluation_fail(e->ev, "out of memory");
        if (r < 0)
            t->errors[t->n] = nv_arena_str(&e->ev->bench->expand, nv_str(error)).p;
    }
    t->n++;
    return 0;
}

static int parse_all(struct expanding *e)
{
    const struct nv_rule_def *def = e->rule->def;
    int r = 0;

    for (size_t i = 0; r == 0 && i < def->n_labels; i++)
        r = parse(e, def->labels[i].value);
    for (size_t i = 0; r == 0 && i < def->n_annotations; i++)
        r = parse(e, def->annotations[i].value);
    return r;
}

static void done(struct expanding *e)
{
    for (size_t i = 0; i < e->templates.n; i++)
        nv_template_free(e->templates.at[i]);
}

/* What the i-th text says of this element; p is NULL where memory is out. */
static struct nv_str expand(struct expanding *e, size_t i, struct nv_str text)
{
    struct nv_buf *out = &e->ev->bench->text;
    char error[NV_TEMPLATE_ERROR_MAX] = "";

    if (!e->templates.at[i] && !e->templates.errors[i])
        return text;
    nv_buf_reset(out);
    if (e->templates.errors[i]) {
        nv_buf_printf(out, "<error expanding template: error parsing template __alert_%.*s: %s>",
                      NV_ARGS(e->rule->def->name), e->templates.errors[i]);
    } else if (nv_template_execute_alert(e->templates.at[i], &e->context, &e->alert, out, error) <
               0) {
        nv_buf_reset(out);
        nv_buf_printf(out, "<error expanding template: %s>", error[0] ? error : "out of memory");
    }
    return out->failed ? (struct nv_str){NULL, 0}
                       : nv_arena_str(&e->ev->bench->expand, nv_buf_view(out));
}

static int expand_labels(struct expanding *e, const struct nv_promql_series *series,
                         struct nv_alert_found *ret)
{
    const struct nv_rule_def *def = e->rule->def;
    struct nv_label *labels = nv_arena_alloc(
        &e->ev->bench->expand, (series->n_labels + def->n_labels + 2) * sizeof(*labels));
    size_t n = 0;

    if (!labels)
        return -ENOMEM;
    for (size_t i = 0; i < series->n_labels; i++)
        if (!nv_str_is(series->labels[i].name, "__name__") && series->labels[i].value.n)
            labels[n++] = series->labels[i];
    for (size_t i = 0; i < def->n_labels; i++) {
        struct nv_str value = expand(e, i, def->labels[i].value);
        if (!value.p)
            return -ENOMEM;
        n = nv_labels_put(labels, n, def->labels[i].name, value);
    }
    ret->n_labels = nv_labels_put(labels, n, NV_LIT("alertname"), def->name);
    ret->labels = labels;
    return 0;
}

static int expand_annotations(struct expanding *e, struct nv_alert_found *ret)
{
    const struct nv_rule_def *def = e->rule->def;
    struct nv_label *annotations =
        nv_arena_alloc(&e->ev->bench->expand, (def->n_annotations + 1) * sizeof(*annotations));

    if (!annotations)
        return -ENOMEM;
    for (size_t i = 0; i < def->n_annotations; i++) {
        annotations[i].name = def->annotations[i].name;
        annotations[i].value = expand(e, def->n_labels + i, def->annotations[i].value);
        if (!annotations[i].value.p)
            return -ENOMEM;
    }
    ret->annotations = annotations;
    ret->n_annotations = def->n_annotations;
    return 0;
}

static int expand_element(struct expanding *e, const struct nv_promql_series *series,
                          struct nv_alert_found *ret)
{
    size_t last = series->n - 1;

    e->alert.labels = series->labels;
    e->alert.n_labels = series->n_labels;
    e->alert.value = series->values[last];
    e->alert.histogram = series->histograms ? series->histograms[last] : NULL;
    *ret = (struct nv_alert_found){.value = series->values[last]};
    int r = expand_labels(e, series, ret);
    if (r == 0)
        r = expand_annotations(e, ret);
    return r == -ENOMEM ? nv_evaluation_fail(e->ev, "labels and annotations take too much memory")
                        : r;
}

int nv_rule_expand(struct nv_evaluation *ev, const struct nv_rule *rule,
                   const struct nv_promql_result *result, struct nv_alert_found **ret)
{
    const struct nv_rules_config *config = &ev->group->engine->config;
    NV_AUTO_FREE struct expanding *e = calloc(1, sizeof(*e));
    struct nv_alert_found *found =
        nv_arena_alloc(&ev->bench->expand, (result->n + 1) * sizeof(*found));

    if (!e || !found)
        return nv_evaluation_fail(ev, "out of memory");
    *e = (struct expanding){
        .ev = ev,
        .rule = rule,
        .context = {.time_ms = ev->time_ms,
                    .external_url = nv_str(config->external_url),
                    .query = nv_rule_ask_for_template,
                    .user = ev},
        .alert = {.external_labels = config->external_labels,
                    .n_external_labels = config->n_external_labels                                },
    };
    int r = parse_all(e);
    for (size_t i = 0; r == 0 && i < result->n; i++)
        r = expand_element(e, &result->series[i], &found[i]);
    done(e);
    *ret = found;
    return r;
}
