/*
 * api_rules.c - rules and their alerts: /rules, /alerts, /alertmanagers.
 */
#include <errno.h>
#include <gnutls/crypto.h>

#include "base/number.h"
#include "web/api_parts.h"

enum { TOKEN_LENGTH = 64, NAMES_MAX = 1024 };

/* ---- alerts --------------------------------------------------------------------------------- */

/* Go's 'e' with precision -1: "9.5e-01". */
static size_t format_value(char out[NV_NUMBER_MAX], double value)
{
    char digits[17];
    int exponent = 0;
    size_t n = 0, n_digits = 1;

    if (!isfinite(value))
        return nv_number_text(out, value);
    if (signbit(value))
        out[n++] = '-';
    digits[0] = '0';
    if (value != 0)
        n_digits = nv_number_digits(digits, &exponent, fabs(value));
    out[n++] = digits[0];
    if (n_digits > 1)
        out[n++] = '.';
    memcpy(out + n, digits + 1, n_digits - 1);
    n += n_digits - 1;
    out[n++] = 'e';
    out[n++] = exponent < 0 ? '-' : '+';
    unsigned size = (unsigned)abs(exponent);
    if (size < 10)
        out[n++] = '0';
    return n + nv_number_u64(out + n, size);
}

static void write_moment_ms(struct nv_writer *out, const char *key, int64_t ms)
{
    nv_write_key(out, key);
    nv_write_moment_ns(out, ms * 1000000, true);
}

static void write_alert(struct nv_writer *out, const struct nv_rule_instance *alert)
{
    char value[NV_NUMBER_MAX];

    nv_write_object(out);
    nv_write_key(out, "labels");
    nv_write_labels(out, alert->labels, alert->n_labels);
    nv_write_key(out, "annotations");
    nv_write_labels(out, alert->annotations, alert->n_annotations);
    nv_write_member_text(out, "state", nv_rule_state_name(alert->state));
    write_moment_ms(out, "activeAt", alert->active_ms);
    if (alert->keep_firing_since_ms != NV_RULES_NEVER)
        write_moment_ms(out, "keepFiringSince", alert->keep_firing_since_ms);
    nv_write_member(out, "value", (struct nv_str){value, format_value(value, alert->value)});
    nv_write_object_end(out);
}

/* ---- rules ---------------------------------------------------------------------------------- */

struct filter {
    bool alerts, records, with_alerts;
    struct nv_str names[NAMES_MAX], groups[NAMES_MAX], files[NAMES_MAX];
    size_t n_names, n_groups, n_files;
    struct nv_selector_list selectors;
    uint64_t group_limit; /* 0: none */
    struct nv_str token;  /* empty: from the first */
};

static bool is_listed(const struct nv_str *list, size_t n, struct nv_str text)
{
    for (size_t i = 0; i < n; i++)
        if (nv_str_eq(list[i], text))
            return true;
    return n == 0;
}

static bool is_wanted(const struct filter *filter, const struct nv_rule_view *rule)
{
    bool fits = filter->selectors.n == 0;

    if (!(rule->is_alert ? filter->alerts : filter->records) ||
        !is_listed(filter->names, filter->n_names, rule->name))
        return false;
    for (size_t i = 0; i < filter->selectors.n && !fits; i++)
        fits = nv_matchers_fit(filter->selectors.at[i].at, filter->selectors.at[i].n, rule->labels,
                               rule->n_labels);
    return fits;
}

static bool has_wanted(const struct filter *filter, const struct nv_rule_group_view *group)
{
    if (!is_listed(filter->groups, filter->n_groups, group->name) ||
        !is_listed(filter->files, filter->n_files, group->file))
        return false;
    for (size_t i = 0; i < group->n_rules; i++)
        if (is_wanted(filter, &group->rules[i]))
            return true;
    return false;
}

static void write_evaluation(struct nv_writer *out, int64_t took_ns, int64_t at_ns)
{
    nv_write_member_real(out, "evaluationTime", (double)took_ns / 1e9);
    nv_write_key(out, "lastEvaluation");
    nv_write_moment_ns(out, at_ns, at_ns != NV_RULES_NEVER);
}

static void write_alerting(struct nv_writer *out, const struct filter *filter,
                           const struct nv_rule_view *rule)
{
    nv_write_member_text(out, "state", nv_rule_state_name(rule->state));
    nv_write_member_real(out, "duration", (double)rule->for_ms / 1000);
    nv_write_member_real(out, "keepFiringFor", (double)rule->keep_firing_ms / 1000);
    nv_write_key(out, "annotations");
    nv_write_labels(out, rule->annotations, rule->n_annotations);
    nv_write_key(out, "alerts");
    nv_write_array(out);
    for (size_t i = 0; filter->with_alerts && i < rule->n_alerts && !out->failed; i++)
        write_alert(out, &rule->alerts[i]);
    nv_write_array_end(out);
}

static void write_rule(struct nv_writer *out, const struct filter *filter,
                       const struct nv_rule_view *rule)
{
    nv_write_object(out);
    nv_write_member_text(out, "type", rule->is_alert ? "alerting" : "recording");
    nv_write_member(out, "name", rule->name);
    nv_write_member(out, "query", rule->query);
    nv_write_key(out, "labels");
    nv_write_labels(out, rule->labels, rule->n_labels);
    if (rule->is_alert)
        write_alerting(out, filter, rule);
    nv_write_member_text(out, "health", nv_rule_health_name(rule->health));
    if (rule->last_error.n)
        nv_write_member(out, "lastError", rule->last_error);
    write_evaluation(out, rule->evaluation_ns, rule->last_evaluation_ns);
    nv_write_object_end(out);
}

static void write_group(struct nv_writer *out, const struct filter *filter,
                        const struct nv_rule_group_view *group)
{
    nv_write_object(out);
    nv_write_member(out, "name", group->name);
    nv_write_member(out, "file", group->file);
    nv_write_member_real(out, "interval", (double)group->interval_ms / 1000);
    nv_write_member_u64(out, "limit", group->limit);
    write_evaluation(out, group->evaluation_ns, group->last_evaluation_ns);
    nv_write_key(out, "rules");
    nv_write_array(out);
    for (size_t i = 0; i < group->n_rules && !out->failed; i++)
        if (is_wanted(filter, &group->rules[i]))
            write_rule(out, filter, &group->rules[i]);
    nv_write_array_end(out);
    nv_write_object_end(out);
}

/* Where to go on: the SHA-256 of FILE;GROUP, in hexadecimal. */
static void make_token(const struct nv_rule_group_view *group, char ret[TOKEN_LENGTH])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[TOKEN_LENGTH / 2] = {0};
    NV_AUTO_BUF text = NV_BUF(1 << 20);

    nv_buf_str(&text, group->file);
    nv_buf_char(&text, ';');
    nv_buf_str(&text, group->name);
    (void)gnutls_hash_fast(GNUTLS_DIG_SHA256, text.p, text.n, hash);
    for (size_t i = 0; i < TOKEN_LENGTH; i++)
        ret[i] = digits[i % 2 ? hash[i / 2] & 15 : hash[i / 2] >> 4];
}

/* The first group to show: that of the token. n_groups where there is none. */
static size_t find_token(const struct nv_rules_view *view, struct nv_str token)
{
    char text[TOKEN_LENGTH];
    size_t i = 0;

    for (; token.n && i < view->n_groups; i++) {
        make_token(&view->groups[i], text);
        if (nv_str_eq(token, (struct nv_str){text, sizeof(text)}))
            break;
    }
    return i;
}

static void write_groups(struct nv_writer *out, const struct filter *filter,
                         const struct nv_rules_view *view, size_t first)
{
    char token[TOKEN_LENGTH];
    bool more = false;
    uint64_t n = 0;

    nv_write_object(out);
    nv_write_key(out, "groups");
    nv_write_array(out);
    for (size_t i = first; i < view->n_groups && !more && !out->failed; i++) {
        if (!has_wanted(filter, &view->groups[i]))
            continue;
        more = filter->group_limit && n == filter->group_limit;
        if (more)
            make_token(&view->groups[i], token);
        else
            write_group(out, filter, &view->groups[i]);
        n++;
    }
    nv_write_array_end(out);
    if (more)
        nv_write_member(out, "groupNextToken", (struct nv_str){token, sizeof(token)});
    nv_write_object_end(out);
}

/* ---- what is asked -------------------------------------------------------------------------- */

static int ask_list(struct nv_exchange *x, const char *name, struct nv_str *list, size_t *n)
{
    size_t at = 0;

    for (*n = 0; *n < NAMES_MAX && nv_ask_next(x, name, &at, &list[*n]);)
        ++*n;
    if (*n == NAMES_MAX)
        return nv_fail_parameter(x, name, "more than %d values", NAMES_MAX - 1);
    return 0;
}

static int ask_type(struct nv_exchange *x, struct filter *filter)
{
    struct nv_str type = nv_param(x, "type");
    char lower[8] = "", shown[NV_SHOWN_MAX];

    for (size_t i = 0; i < type.n && type.n < sizeof(lower); i++)
        lower[i] = (char)(type.p[i] >= 'A' && type.p[i] <= 'Z' ? type.p[i] | 0x20 : type.p[i]);
    filter->alerts = !type.n || strcmp(lower, "alert") == 0;
    filter->records = !type.n || strcmp(lower, "record") == 0;
    if (filter->alerts || filter->records)
        return 0;
    return nv_fail_parameter(x, "type", "not supported value %s", nv_show(type, shown));
}

static int ask_page(struct nv_exchange *x, struct filter *filter)
{
    struct nv_str limit = nv_param(x, "group_limit");
    int64_t value;

    filter->token = nv_param(x, "group_next_token");
    if (filter->token.n && !limit.n)
        return nv_fail_parameter(
            x, "group_next_token",
            "group_limit needs to be present in order to paginate over the groups");
    if (!limit.n)
        return 0;
    if (nv_is_space(limit.p[0]) || !nv_str_to_i64(limit, &value) || value > INT32_MAX)
        return nv_fail_parameter(x, "group_limit", "group_limit needs to be a valid number");
    if (value <= 0)
        return nv_fail_parameter(x, "group_limit", "group_limit needs to be greater than 0");
    filter->group_limit = (uint64_t)value;
    return 0;
}

static int ask_filter(struct nv_exchange *x, struct filter *filter)
{
    bool without;

    if (ask_list(x, "rule_name[]", filter->names, &filter->n_names) ||
        ask_list(x, "rule_group[]", filter->groups, &filter->n_groups) ||
        ask_list(x, "file[]", filter->files, &filter->n_files) ||
        nv_ask_selectors(x, false, &filter->selectors) || ask_type(x, filter))
        return NV_ANSWERED;
    if (nv_ask_bool(x, "exclude_alerts", "error converting exclude_alerts", &without))
        return NV_ANSWERED;
    filter->with_alerts = !without;
    return ask_page(x, filter);
}

static int view_rules(struct nv_exchange *x, enum nv_rules_detail detail, struct nv_rules_view *ret)
{
    const struct nv_api_sources *sources = &x->api->sources;

    *ret = (struct nv_rules_view){0};
    return sources->rules ? sources->rules(x->api->user, detail, ret) : 0;
}

static int get_rules(struct nv_exchange *x)
{
    struct filter *filter = nv_arena_alloc(&x->memory, sizeof(*filter));
    struct nv_rules_view view;

    if (!filter)
        return -ENOMEM;
    memset(filter, 0, sizeof(*filter));
    if (ask_filter(x, filter))
        return NV_ANSWERED;
    int r = view_rules(x, filter->with_alerts && filter->alerts ? NV_RULES_ALERTS : NV_RULES_RULES,
                       &view);
    if (r < 0)
        return r;
    size_t first = find_token(&view, filter->token);
    if (filter->token.n && first == view.n_groups)
        r = nv_fail_parameter(
            x, "group_next_token", "invalid group_next_token '%.*s'. were rule groups changed?",
            (int)(filter->token.n < 200 ? filter->token.n : 200), filter->token.p);
    else
        write_groups(nv_data(x), filter, &view, first);
    nv_rules_view_done(&view);
    return r;
}

static int get_alerts(struct nv_exchange *x)
{
    struct nv_rules_view view;

    int r = view_rules(x, NV_RULES_ALERTS, &view);
    if (r < 0)
        return r;
    struct nv_writer *out = nv_data(x);
    nv_write_object(out);
    nv_write_key(out, "alerts");
    nv_write_array(out);
    for (size_t g = 0; g < view.n_groups; g++) {
        const struct nv_rule_group_view *group = &view.groups[g];
        for (size_t i = 0; i < group->n_rules; i++)
            for (size_t k = 0; k < group->rules[i].n_alerts && !out->failed; k++)
                write_alert(out, &group->rules[i].alerts[k]);
    }
    nv_write_array_end(out);
    nv_write_object_end(out);
    nv_rules_view_done(&view);
    return 0;
}

/* ---- Alertmanagers -------------------------------------------------------------------------- */

struct managers {
    struct nv_writer *out;
    bool dropped;
};

static int write_manager(void *to, const struct nv_api_alertmanager *one)
{
    const struct managers *managers = to;

    if (one->dropped != managers->dropped)
        return 0;
    nv_write_object(managers->out);
    nv_write_member(managers->out, "url", one->url);
    nv_write_object_end(managers->out);
    return 0;
}

static int write_managers(struct nv_exchange *x, struct nv_writer *out, const char *key,
                          bool dropped)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct managers managers = {out, dropped};

    nv_write_key(out, key);
    nv_write_array(out);
    int r =
        sources->alertmanagers ? sources->alertmanagers(x->api->user, write_manager, &managers) : 0;
    nv_write_array_end(out);
    return r;
}

static int get_alertmanagers(struct nv_exchange *x)
{
    struct nv_writer *out = nv_data(x);

    nv_write_object(out);
    int r = write_managers(x, out, "activeAlertmanagers", false);
    if (r == 0)
        r = write_managers(x, out, "droppedAlertmanagers", true);
    nv_write_object_end(out);
    return r;
}

const struct nv_endpoint nv_api_rules_endpoints[] = {
    {"/api/v1/rules", NV_GET, 0, get_rules},
    {"/api/v1/alerts",              NV_GET, 0, get_alerts},
    {"/api/v1/alertmanagers",               NV_GET, 0, get_alertmanagers},
    {0},
};
