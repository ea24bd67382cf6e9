#include "notify/inhibit.h"

static bool fits(const struct nv_matcher_list *matchers, const struct nv_alert *alert)
{
    return nv_matchers_fit(matchers->at, matchers->n, alert->labels, alert->n_labels);
}

static bool are_equal(const struct nv_text_list *names, const struct nv_alert *a,
                      const struct nv_alert *b)
{
    for (size_t i = 0; i < names->n; i++) {
        struct nv_str name = nv_str(names->at[i]);
        if (!nv_str_eq(nv_alert_label(a, name), nv_alert_label(b, name)))
            return false;
    }
    return true;
}

const struct nv_alert *nv_inhibited_by(const struct nv_notify_config *config,
                                       const struct nv_alert *alert, struct nv_alert *const *all,
                                       size_t n, int64_t now_ms)
{
    for (size_t i = 0; i < config->n_inhibits; i++) {
        const struct nv_notify_inhibit *rule = &config->inhibits[i];
        if (!fits(&rule->target_matchers, alert))
            continue;
        bool both = fits(&rule->source_matchers, alert);
        for (size_t k = 0; k < n; k++) {
            if (nv_alert_fires(all[k], now_ms) && fits(&rule->source_matchers, all[k]) &&
                are_equal(&rule->equal, alert, all[k]) && !nv_alert_same_labels(alert, all[k]) &&
                !(both && fits(&rule->target_matchers, all[k])))
                return all[k];
        }
    }
    return NULL;
}
