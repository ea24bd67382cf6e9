/*
 * group.c - one evaluation of a group: its rules one after the other, then the frame.
 */
#include "rules/group.h"

#include <errno.h>
#include <stdarg.h>

#include "base/assert.h"

enum { TEXT_MAX = 1 << 20, NAME_MAX_BYTES = 200 };

/* ---- life ----------------------------------------------------------------------------------- */

void nv_rules_bench_init(struct nv_rules_bench *bench)
{
    bench->parse = NV_ARENA(NV_RULES_QUERY_MEMORY);
    bench->expand = NV_ARENA(NV_RULES_EXPAND_MEMORY);
    bench->text = NV_BUF(TEXT_MAX);
}

void nv_rules_bench_done(struct nv_rules_bench *bench)
{
    nv_arena_done(&bench->parse);
    nv_arena_done(&bench->expand);
    nv_buf_done(&bench->text);
}

static uint64_t identity(const struct nv_rule_group_def *def)
{
    return nv_hash(def->name.p, def->name.n, nv_hash(def->file, strlen(def->file), 1));
}

bool nv_rule_group_is(const struct nv_rule_group_def *a, const struct nv_rule_group_def *b)
{
    return nv_str_eq(a->name, b->name) && strcmp(a->file, b->file) == 0;
}

/* A group that was renamed has kept its source, which the name it had would lead to. */
static bool is_taken(const struct nv_rules *engine, const struct nv_rule_group_def *def,
                     uint32_t source)
{
    for (size_t i = 0; i < engine->n_groups; i++)
        if (engine->groups[i]->source == source && !nv_rule_group_is(engine->groups[i]->def, def))
            return true;
    return false;
}

static int open_source(struct nv_group *group)
{
    const struct nv_rule_storage *storage = &group->engine->options.storage;
    const struct nv_rule_group_def *def = group->def;
    char name[NAME_MAX_BYTES + 64];
    int r = 0;

    for (unsigned i = 0; r == 0 && i <= NV_RULE_GROUPS_MAX; i++) {
        size_t n = strlen(def->file) + def->name.n < NAME_MAX_BYTES
                       ? (size_t)snprintf(name, sizeof(name), "rules/%s;%.*s", def->file,
                                          NV_ARGS(def->name))
                       : (size_t)snprintf(name, sizeof(name), "rules/%016llx",
                                          (unsigned long long)identity(def));
        if (i)
            snprintf(name + n, sizeof(name) - n, "#%u", i);
        r = storage->source(storage->user, name, &group->source);
        if (r == 0 && !is_taken(group->engine, def, group->source))
            return 0;
    }
    return r < 0 ? r : -E2BIG;
}

/* Whether an expression may ask for one of these names. */
static bool asks_for(const struct nv_promql *promql, const struct nv_str *names, size_t n)
{
    for (const struct nv_selector *s = promql->selectors; s; s = s->next) {
        bool named = false, fits = false;
        for (size_t m = 0; m < s->n_matchers; m++) {
            if (!nv_str_is(s->matchers[m].name, "__name__"))
                continue;
            for (size_t i = 0; i < n; i++)
                fits |= nv_matcher_fits(&s->matchers[m], names[i]);
            named = true;
        }
        if (fits || !named)
            return true;
    }
    return false;
}

static bool has_query(const struct nv_label *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nv_str_contains(texts[i].value, "query"))
            return true;
    return false;
}

/* Notes which rules look at what the ones before them write. */
static int note_dependence(struct nv_group *group)
{
    const struct nv_rule_group_def *def = group->def;
    NV_AUTO_FREE struct nv_str *names = malloc((def->n_rules + 2) * sizeof(*names));
    struct nv_arena memory = NV_ARENA(NV_RULES_QUERY_MEMORY);
    bool alerts = false;
    size_t n = 0;

    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < def->n_rules; i++) {
        const struct nv_rule_def *rule = &def->rules[i];
        struct nv_promql promql;
        struct nv_promql_error error;
        nv_arena_reset(&memory);
        group->rules[i].looks = n > 0;
        if (n && nv_promql_parse(rule->expr, group->engine->options.features, &memory, &promql,
                                 &error) == 0) {
            group->rules[i].looks = asks_for(&promql, names, n) ||
                                    has_query(rule->labels, rule->n_labels) ||
                                    has_query(rule->annotations, rule->n_annotations);
            nv_promql_done(&promql);
        }
        if (!rule->is_alert) {
            names[n++] = rule->name;
        } else if (!alerts) {
            names[n++] = NV_LIT("ALERTS");
            names[n++] = NV_LIT("ALERTS_FOR_STATE");
            alerts = true;
        }
    }
    nv_arena_done(&memory);
    return 0;
}

static void time_group(struct nv_group *group)
{
    const struct nv_rules_config *config = &group->engine->config;
    const struct nv_rule_group_def *def = group->def;

    group->interval_ms = def->interval_ms ? def->interval_ms : config->interval_ms;
    group->offset_ms = def->query_offset_ms >= 0 ? def->query_offset_ms : config->query_offset_ms;
    group->shift_ms = (int64_t)(identity(def) % (uint64_t)group->interval_ms);
}

int nv_rule_group_new(struct nv_rules *engine, struct nv_rule_set *set,
                      const struct nv_rule_group_def *def, struct nv_group **ret)
{
    struct nv_group *group = calloc(1, sizeof(*group));

    if (!group)
        return -ENOMEM;
    group->engine = engine;
    group->set = nv_rule_set_ref(set);
    group->def = def;
    group->newest_ms = group->stats.last_evaluation_ns = group->stats.last_slot_ms = NV_RULES_NEVER;
    pthread_mutex_init(&group->lock, NULL);
    group->rules = calloc(def->n_rules + 1, sizeof(*group->rules));
    int r = group->rules ? nv_cells_init(&group->cells) : -ENOMEM;
    for (size_t i = 0; r == 0 && i < def->n_rules; i++, group->n_rules++)
        group->rules[i] = (struct nv_rule){
            .def = &def->rules[i], .restored = true, .last_evaluation_ns = NV_RULES_NEVER};
    if (r == 0)
        r = note_dependence(group);
    if (r == 0)
        r = open_source(group);
    if (r < 0) {
        nv_rule_group_free(group);
        return r;
    }
    time_group(group);
    *ret = group;
    return 0;
}

void nv_rule_group_free(struct nv_group *group)
{
    if (!group)
        return;
    for (size_t i = 0; i < group->n_rules; i++) {
        nv_alerts_done(&group->rules[i].alerts);
        free(group->rules[i].columns.at);
        free(group->rules[i].last_error);
    }
    nv_cells_done(&group->cells);
    pthread_mutex_destroy(&group->lock);
    nv_rule_set_free(group->set);
    free(group->rules);
    free(group);
}

/* ---- rules ---------------------------------------------------------------------------------- */

int nv_evaluation_fail(struct nv_evaluation *ev, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ev->reason, sizeof(ev->reason), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int evaluate_rule(struct nv_evaluation *ev, struct nv_rule *rule)
{
    struct nv_promql_result result;

    int r = nv_rule_ask(ev, rule->def->expr, rule->looks, &result);
    if (r == 0 && result.type != NV_VALUE_VECTOR && result.type != NV_VALUE_SCALAR)
        r = nv_evaluation_fail(ev, "rule result is not a vector or scalar");
    if (r == 0)
        r = rule->def->is_alert ? nv_rule_alerting(ev, rule, &result)
                                : nv_rule_record(ev, rule, &result);
    nv_promql_result_done(&result);
    return r;
}

/* An error's text is kept where it is the same again. */
static void note_error(struct nv_rule *rule, const char *reason)
{
    if (reason && rule->last_error && strcmp(rule->last_error, reason) == 0)
        return;
    free(rule->last_error);
    rule->last_error = reason ? strdup(reason[0] ? reason : "unknown error") : NULL;
}

static void run_rule(struct nv_evaluation *ev, struct nv_rule *rule)
{
    struct nv_group *group = ev->group;
    int64_t wall = nv_rules_wall_ns(group->engine), begin = nv_rules_monotonic_ns(group->engine);
    size_t before = rule->columns.n;

    ev->reason[0] = 0;
    int r = evaluate_rule(ev, rule);
    ev->sees_more |= before || rule->columns.n;
    int64_t took = nv_rules_monotonic_ns(group->engine) - begin;

    pthread_mutex_lock(&group->lock);
    rule->evaluation_ns = took;
    rule->last_evaluation_ns = wall;
    rule->health = r == 0 ? NV_RULE_HEALTH_OK : NV_RULE_HEALTH_ERR;
    note_error(rule, r == 0 ? NULL : ev->reason);
    group->stats.evaluations++;
    group->stats.failures += r != 0;
    group->stats.rules_ns += (uint64_t)took;
    pthread_mutex_unlock(&group->lock);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void append(struct nv_group *group, int64_t time_ms)
{
    const struct nv_rule_storage *storage = &group->engine->options.storage;
    NV_AUTO(nv_frame) *frame = NULL;

    int r = nv_cells_frame(&group->cells, time_ms, &frame);
    if (r == 0 && frame) {
        r = storage->append(storage->user, group->source, frame);
        if (time_ms > group->newest_ms)
            group->newest_ms = time_ms;
    }
    if (r == 0)
        nv_complaint_over(&group->refused);
    else if (nv_complaint_speaks(&group->refused))
        nv_log_warn("rules: results of group %.*s in %s were dropped: %s",
                    NV_ARGS(group->def->name), group->def->file,
                    r < 0 ? strerror(-r)
                          : "they are not newer than the last, or the store is full");
}

/* Series that have gone leave the layout when they outweigh the others. */
static void renew(struct nv_group *group)
{
    const struct nv_rule_storage *storage = &group->engine->options.storage;

    if (!nv_cells_is_sparse(&group->cells) ||
        (storage->begins_page && !storage->begins_page(storage->user, group->source)))
        return;
    NV_AUTO_FREE struct nv_columns_of_rule **columns =
        malloc((group->n_rules + 1) * sizeof(*columns));
    for (size_t i = 0; columns && i < group->n_rules; i++)
        columns[i] = &group->rules[i].columns;
    int r = columns ? nv_cells_renew(&group->cells, columns, group->n_rules) : -ENOMEM;
    if (r < 0)
        nv_log_err(r, "rules: cannot tidy up group %.*s", NV_ARGS(group->def->name));
}

static void count(struct nv_group *group, int64_t time_ms, int64_t wall_ns, int64_t took_ns)
{
    pthread_mutex_lock(&group->lock);
    group->stats.iterations++;
    group->stats.samples = group->cells.n_written;
    group->stats.evaluation_ns = took_ns;
    group->stats.ns += (uint64_t)took_ns;
    group->stats.last_evaluation_ns = wall_ns;
    group->stats.last_slot_ms = time_ms;
    pthread_mutex_unlock(&group->lock);
}

void nv_rule_group_evaluate(struct nv_group *group, struct nv_rules_bench *bench, int64_t time_ms)
{
    struct nv_rules *engine = group->engine;
    struct nv_evaluation ev = {.group = group, .bench = bench, .time_ms = time_ms};
    int64_t wall = nv_rules_wall_ns(engine), begin = nv_rules_monotonic_ns(engine);

    renew(group);
    nv_sight_init(&ev.sight, engine->options.storage.queryable, &group->cells,
                  nv_evaluation_query_ms(&ev));
    nv_cells_begin(&group->cells);
    nv_arena_reset(&bench->parse);
    for (size_t i = 0; i < group->n_rules && !nv_rules_is_cancelled(engine); i++)
        run_rule(&ev, &group->rules[i]);
    if (nv_rules_is_cancelled(engine)) /* half an evaluation is none */
        return;
    append(group, nv_evaluation_query_ms(&ev));
    if (group->until_restore && --group->until_restore == 0)
        nv_rule_restore(&ev);
    count(group, time_ms, wall, nv_rules_monotonic_ns(engine) - begin);
}

void nv_rule_group_end(struct nv_group *group)
{
    if (group->newest_ms == NV_RULES_NEVER || !group->cells.n_written)
        return;
    int64_t now = nv_rules_wall_ns(group->engine) / 1000000;

    nv_cells_begin(&group->cells);
    for (uint32_t s = 0; s < group->cells.n_sections; s++)
        nv_bit_set(group->cells.observed, s);
    append(group, now > group->newest_ms ? now : group->newest_ms + 1);
}
