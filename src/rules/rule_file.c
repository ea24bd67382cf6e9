#include "rules/rule_file.h"

#include <errno.h>
#include <stdarg.h>

#include "base/utf8.h"
#include "config/template.h"
#include "config/units.h"
#include "promql/ast.h"

enum { TREE_MEMORY = 256 << 20, QUERY_MEMORY = 64 << 20, MISTAKE_MAX = 8192 };

/* What of a rule is a map of texts. */
struct texts {
    struct nv_label *at;
    size_t n;
};

struct reader {
    struct nv_rule_set *set;
    const char *file;
    const struct nv_rule_file_options *options;
    struct nv_buf *mistakes;
    size_t first_group; /* of this file */
    struct nv_arena scratch;
    bool wrong, no_memory;

    /* Where we are, for messages. */
    struct nv_str group, rule;
    size_t rule_number; /* from 1; 0 outside of rules */
};

/* ---- mistakes ------------------------------------------------------------------------------- */

/* `nodes`: one or two, where it is; NULL for none. */
__attribute__((format(printf, 4, 0))) static void mistake_at(struct reader *r,
                                                             const struct nv_yaml *const *nodes,
                                                             size_t n, const char *format,
                                                             va_list arguments)
{
    char what[MISTAKE_MAX];

    vsnprintf(what, sizeof(what), format, arguments);
    for (char *p = what; *p; p++)
        if (*p == '\n')
            *p = ' ';
    nv_buf_printf(r->mistakes, "%s: ", r->file);
    for (size_t i = 0; i < n; i++)
        nv_buf_printf(r->mistakes, "%u:%u: ", nodes[i]->line, nodes[i]->column);
    if (r->rule_number)
        nv_buf_printf(r->mistakes, "group \"%.*s\", rule %zu, \"%.*s\": ", NV_ARGS(r->group),
                      r->rule_number, NV_ARGS(r->rule));
    nv_buf_printf(r->mistakes, "%s\n", what);
    r->wrong = true;
}

__attribute__((format(printf, 3, 4))) static void
mistake(struct reader *r, const struct nv_yaml *node, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    mistake_at(r, &node, 1, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 4, 5))) static void mistake_of_two(struct reader *r,
                                                                 const struct nv_yaml *a,
                                                                 const struct nv_yaml *b,
                                                                 const char *format, ...)
{
    const struct nv_yaml *const nodes[] = {a, b};
    va_list arguments;

    va_start(arguments, format);
    mistake_at(r, nodes, 2, format, arguments);
    va_end(arguments);
}

/* ---- values --------------------------------------------------------------------------------- */

static struct nv_str keep(struct reader *r, struct nv_str text)
{
    struct nv_str kept = nv_arena_str(&r->set->memory, text);

    if (!kept.p)
        r->no_memory = true;
    return kept;
}

static void *make(struct reader *r, size_t n, size_t size)
{
    void *p = nv_arena_alloc(&r->set->memory, (n + 1) * size);

    if (p)
        memset(p, 0, (n + 1) * size);
    else
        r->no_memory = true;
    return p;
}

/* The text of a scalar; empty for a null and, with a mistake, for anything else. */
static struct nv_str text_of(struct reader *r, const struct nv_yaml *node)
{
    if (!node || nv_yaml_is_null(node))
        return NV_LIT("");
    if (node->kind == NV_YAML_SCALAR)
        return node->text;
    mistake(r, node, "a text is wanted");
    return NV_LIT("");
}

static int64_t duration_of(struct reader *r, const struct nv_yaml *node, int64_t without)
{
    int64_t ms = 0;

    if (!node || nv_yaml_is_null(node))
        return without;
    struct nv_str text = text_of(r, node);
    if (nv_parse_duration(text, &ms) != 0)
        mistake(r, node, "not a valid duration string: \"%.*s\"", NV_ARGS(text));
    return ms;
}

static uint64_t limit_of(struct reader *r, const struct nv_yaml *node)
{
    uint64_t limit = 0;

    if (!node || nv_yaml_is_null(node))
        return 0;
    struct nv_str text = text_of(r, node);
    if (!nv_str_to_u64(text, &limit))
        mistake(r, node, "limit must be a whole number from 0: \"%.*s\"", NV_ARGS(text));
    return limit;
}

static int by_name(const void *a, const void *b)
{
    return nv_str_cmp(((const struct nv_label *)a)->name, ((const struct nv_label *)b)->name);
}

/* A map of texts, sorted. `what`: "label" or "annotation". */
static struct texts texts_of(struct reader *r, const struct nv_yaml *node, const char *what)
{
    struct texts texts = {0};

    if (!node || nv_yaml_is_null(node))
        return texts;
    if (node->kind != NV_YAML_MAP) {
        mistake(r, node, "%ss must be a map of texts", what);
        return texts;
    }
    texts.at = make(r, node->n, sizeof(*texts.at));
    for (size_t i = 0; texts.at && i < node->n; i++)
        texts.at[texts.n++] = (struct nv_label){keep(r, text_of(r, node->pairs[i].key)),
                                                keep(r, text_of(r, node->pairs[i].value))};
    if (texts.n)
        qsort(texts.at, texts.n, sizeof(*texts.at), by_name);
    return texts;
}

/* Keys that a map may have, as bits of what is found; NULL at the end. */
static void check_keys(struct reader *r, const struct nv_yaml *map, const char *const *known)
{
    for (size_t i = 0; i < map->n && !r->options->ignore_unknown; i++) {
        size_t k = 0;
        while (known[k] && !nv_str_is(map->pairs[i].key->text, known[k]))
            k++;
        if (!known[k])
            mistake(r, map->pairs[i].key, "field %.*s not found", NV_ARGS(map->pairs[i].key->text));
    }
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool name_fits(const struct reader *r, struct nv_str name)
{
    return r->options->legacy_names ? nv_name_is_legacy_label(name) : name.n && nv_utf8_valid(name);
}

static void check_labels(struct reader *r, const struct nv_yaml *node)
{
    for (size_t i = 0; node && node->kind == NV_YAML_MAP && i < node->n; i++) {
        const struct nv_yaml_pair *pair = &node->pairs[i];
        if (!name_fits(r, pair->key->text) || nv_str_is(pair->key->text, "__name__"))
            mistake(r, pair->key, "invalid label name: %.*s", NV_ARGS(pair->key->text));
        if (pair->value->kind == NV_YAML_SCALAR && !nv_utf8_valid(pair->value->text))
            mistake(r, pair->value, "invalid label value: %.*s", NV_ARGS(pair->value->text));
    }
}

static void check_annotations(struct reader *r, const struct nv_yaml *node)
{
    for (size_t i = 0; node && node->kind == NV_YAML_MAP && i < node->n; i++)
        if (!name_fits(r, node->pairs[i].key->text))
            mistake(r, node->pairs[i].key, "invalid annotation name: %.*s",
                    NV_ARGS(node->pairs[i].key->text));
}

static void check_templates(struct reader *r, const struct nv_yaml *node, const char *what)
{
    for (size_t i = 0; node && node->kind == NV_YAML_MAP && i < node->n; i++) {
        NV_AUTO(nv_template) *template_ = NULL;
        char error[NV_TEMPLATE_ERROR_MAX];
        const struct nv_yaml_pair *pair = &node->pairs[i];
        if (pair->value->kind != NV_YAML_SCALAR ||
            nv_str_find(pair->value->text, '{') == pair->value->text.n)
            continue;
        int e = nv_template_new_alert(r->rule, pair->value->text, &template_, error);
        if (e == -ENOMEM)
            r->no_memory = true;
        else if (e < 0)
            mistake(r, pair->value, "%s \"%.*s\": %s", what, NV_ARGS(pair->key->text), error);
    }
}

static void check_record(struct reader *r, const struct nv_yaml *name)
{
    struct nv_str text = name->text;
    bool fits =
        r->options->legacy_names ? nv_name_is_legacy_metric(text) : text.n && nv_utf8_valid(text);

    if (!fits)
        mistake(r, name, "invalid recording rule name: %.*s", NV_ARGS(text));
    else if (nv_str_find(text, '{') < text.n || nv_str_find(text, '}') < text.n)
        mistake(r, name, "braces present in the recording rule name; should it be in expr?: %.*s",
                NV_ARGS(text));
}

static void check_expr(struct reader *r, const struct nv_yaml *node, struct nv_str expr)
{
    struct nv_arena_mark mark = nv_arena_mark(&r->scratch);
    struct nv_promql promql;
    struct nv_promql_error error;

    int e = nv_promql_parse(expr, r->options->features, &r->scratch, &promql, &error);
    if (e == 0) {
        nv_promql_done(&promql);
    } else if (e == -EINVAL) {
        NV_AUTO_BUF text = NV_BUF(MISTAKE_MAX);
        nv_promql_error_text(expr, &error, &text);
        mistake(r, node, "could not parse expression: %s", nv_buf_c_string(&text));
    } else {
        mistake(r, node, "could not parse expression: it is too large");
    }
    nv_arena_rewind(&r->scratch, mark);
}

/* ---- rules ---------------------------------------------------------------------------------- */

/* Labels of the group and of the rule as one set; the rule's win. */
static struct texts merge(struct reader *r, struct texts group, struct texts rule)
{
    struct texts all = {make(r, group.n + rule.n, sizeof(struct nv_label)), 0};
    size_t g = 0, i = 0;

    while (all.at && (g < group.n || i < rule.n)) {
        int order = g == group.n ? 1 : i == rule.n ? -1 : by_name(&group.at[g], &rule.at[i]);
        all.at[all.n++] = order < 0 ? group.at[g] : rule.at[i];
        g += order <= 0;
        i += order >= 0;
    }
    return all;
}

/* A key with something in it. */
static const struct nv_yaml *set_key(const struct nv_yaml *map, const char *key)
{
    const struct nv_yaml *node = nv_yaml_get(map, key);
    bool empty =
        !node || nv_yaml_is_null(node) || (node->kind == NV_YAML_SCALAR ? !node->text.n : !node->n);

    return empty ? NULL : node;
}

static void check_rule(struct reader *r, const struct nv_yaml *node)
{
    const struct nv_yaml *record = set_key(node, "record"), *alert = set_key(node, "alert"),
                         *expr = set_key(node, "expr");
    static const char *const of_alerts[] = {"annotations", "for", "keep_firing_for"};

    if (record && alert)
        mistake_of_two(r, record, alert, "only one of 'record' and 'alert' must be set");
    if (!record && !alert)
        mistake(r, node, "one of 'record' or 'alert' must be set");
    if (!expr)
        mistake(r, node, "field 'expr' must be set in rule");
    else if (expr->kind == NV_YAML_SCALAR)
        check_expr(r, expr, nv_str_trim(expr->text));
    for (size_t i = 0; record && i < sizeof(of_alerts) / sizeof(of_alerts[0]); i++) {
        const struct nv_yaml *wrong = set_key(node, of_alerts[i]);
        int64_t ms = 0;
        bool zero = wrong && wrong->kind == NV_YAML_SCALAR &&
                    nv_parse_duration(wrong->text, &ms) == 0 && ms == 0;
        if (wrong && !zero)
            mistake_of_two(r, record, wrong, "invalid field '%s' in recording rule", of_alerts[i]);
    }
    if (record && record->kind == NV_YAML_SCALAR)
        check_record(r, record);
    check_labels(r, nv_yaml_get(node, "labels"));
    check_annotations(r, nv_yaml_get(node, "annotations"));
    if (alert && !record) {
        check_templates(r, nv_yaml_get(node, "labels"), "label");
        check_templates(r, nv_yaml_get(node, "annotations"), "annotation");
    }
}

static void read_rule(struct reader *r, const struct nv_yaml *node, struct texts group_labels,
                      struct nv_rule_def *rule)
{
    static const char *const known[] = {"record",          "alert",  "expr",        "for",
                                        "keep_firing_for", "labels", "annotations", NULL};

    if (node->kind != NV_YAML_MAP) {
        mistake(r, node, "a rule must be a map");
        return;
    }
    const struct nv_yaml *record = set_key(node, "record"), *alert = set_key(node, "alert");
    r->rule = text_of(r, record ? record : alert);
    check_keys(r, node, known);
    check_rule(r, node);

    struct texts labels = merge(r, group_labels, texts_of(r, nv_yaml_get(node, "labels"), "label"));
    struct texts annotations = texts_of(r, nv_yaml_get(node, "annotations"), "annotation");
    *rule = (struct nv_rule_def){
        .is_alert = alert != NULL,
        .name = keep(r, r->rule),
        .expr = keep(r, nv_str_trim(text_of(r, nv_yaml_get(node, "expr")))),
        .for_ms = duration_of(r, nv_yaml_get(node, "for"), 0),
        .keep_firing_ms = duration_of(r, nv_yaml_get(node, "keep_firing_for"), 0),
        .labels = labels.at,
        .n_labels = labels.n,
        .annotations = annotations.at,
        .n_annotations = annotations.n,
        .line = node->line,
    };
}

/* ---- groups --------------------------------------------------------------------------------- */

static void check_group_name(struct reader *r, const struct nv_yaml *node)
{
    const struct nv_yaml *name = nv_yaml_get(node, "name");

    r->group = text_of(r, name);
    if (!r->group.n)
        mistake(r, name ? name : node, "Groupname must not be empty");
    for (size_t i = r->first_group; i < r->set->n_groups; i++) {
        if (r->group.n && nv_str_eq(r->set->groups[i].name, r->group)) {
            mistake(r, node, "groupname: \"%.*s\" is repeated in the same file", NV_ARGS(r->group));
            return;
        }
    }
}

static bool room_for_group(struct reader *r)
{
    struct nv_rule_set *set = r->set;

    if (set->n_groups < set->room_groups)
        return true;
    size_t room = set->room_groups ? set->room_groups * 2 : 16;
    struct nv_rule_group_def *larger = realloc(set->groups, room * sizeof(*larger));
    if (!larger) {
        r->no_memory = true;
        return false;
    }
    set->groups = larger;
    set->room_groups = room;
    return true;
}

static void read_rules(struct reader *r, const struct nv_yaml *node, struct texts labels,
                       struct nv_rule_group_def *group)
{
    if (!node || nv_yaml_is_null(node))
        return;
    if (node->kind != NV_YAML_LIST) {
        mistake(r, node, "rules must be a list");
        return;
    }
    if (r->set->n_rules + node->n > NV_RULES_MAX) {
        mistake(r, node, "more than %d rules in all", NV_RULES_MAX);
        return;
    }
    struct nv_rule_def *rules = make(r, node->n, sizeof(*rules));
    for (size_t i = 0; rules && i < node->n; i++) {
        r->rule_number = i + 1;
        read_rule(r, node->items[i], labels, &rules[i]);
    }
    r->rule_number = 0;
    group->rules = rules;
    group->n_rules = rules ? node->n : 0;
    r->set->n_rules += group->n_rules;
}

static void read_group(struct reader *r, const struct nv_yaml *node)
{
    static const char *const known[] = {"name",  "interval", "query_offset", "limit", "labels",
                                        "rules", NULL};

    if (node->kind != NV_YAML_MAP) {
        mistake(r, node, "a group must be a map");
        return;
    }
    if (r->set->n_groups == NV_RULE_GROUPS_MAX) {
        mistake(r, node, "more than %d groups in all", NV_RULE_GROUPS_MAX);
        return;
    }
    check_keys(r, node, known);
    check_group_name(r, node);
    check_labels(r, nv_yaml_get(node, "labels"));
    struct texts labels = texts_of(r, nv_yaml_get(node, "labels"), "label");
    struct nv_rule_group_def group = {
        .file = r->file,
        .name = keep(r, r->group),
        .interval_ms = duration_of(r, nv_yaml_get(node, "interval"), 0),
        .query_offset_ms = duration_of(r, nv_yaml_get(node, "query_offset"), -1),
        .limit = limit_of(r, nv_yaml_get(node, "limit")),
        .line = node->line,
    };
    read_rules(r, nv_yaml_get(node, "rules"), labels, &group);
    if (room_for_group(r))
        r->set->groups[r->set->n_groups++] = group;
}

static void read_root(struct reader *r, const struct nv_yaml *root)
{
    static const char *const known[] = {"groups", NULL};

    if (nv_yaml_is_null(root))
        return;
    if (root->kind != NV_YAML_MAP) {
        mistake(r, root, "a map with the key 'groups' is wanted");
        return;
    }
    check_keys(r, root, known);
    const struct nv_yaml *groups = nv_yaml_get(root, "groups");
    if (!groups || nv_yaml_is_null(groups))
        return;
    if (groups->kind != NV_YAML_LIST) {
        mistake(r, groups, "groups must be a list");
        return;
    }
    for (size_t i = 0; i < groups->n && !r->no_memory; i++)
        read_group(r, groups->items[i]);
}

/* "---" or "..." by itself or before a blank: between documents it stands at the begin of a line, and nowhere else. */
static bool is_mark(struct nv_str line, const char *mark)
{
    return nv_str_starts(line, mark) && (line.n == 3 || nv_is_space(line.p[3]));
}

/* The first document of a text, and whether there is something behind it. */
static struct nv_str first_document(struct nv_str text, bool *ret_more)
{
    struct nv_str rest = text;
    bool begun = false;

    *ret_more = false;
    while (rest.n) {
        const char *at = rest.p;
        struct nv_str line = nv_str_cut(&rest, '\n');
        bool empty = !nv_str_trim(line).n || line.p[0] == '#' || (line.p[0] == '%' && !begun);
        if (begun && (is_mark(line, "---") || is_mark(line, "..."))) {
            *ret_more = nv_str_trim(rest).n > 0;
            return (struct nv_str){text.p, (size_t)(at - text.p)};
        }
        begun |= !empty;
    }
    return text;
}

static void read_text(struct reader *r, struct nv_str text)
{
    bool more;

    text = first_document(text, &more);
    r->set->n_more += more;
    NV_AUTO_FREE char *error = malloc(NV_YAML_ERROR_MAX);
    const struct nv_yaml *root;

    int e = error ? nv_yaml_parse(r->file, text, &r->scratch, &root, error) : -ENOMEM;
    if (e == 0)
        read_root(r, root);
    else if (e == -ENOMEM)
        r->no_memory = true;
    else {
        nv_buf_printf(r->mistakes, "%s\n", error);
        r->wrong = true;
    }
}

int nv_rule_set_add_text(struct nv_rule_set *set, const char *file, struct nv_str text,
                         const struct nv_rule_file_options *options, struct nv_buf *mistakes)
{
    struct nv_arena_mark mark = nv_arena_mark(&set->memory);
    size_t n_groups = set->n_groups, n_rules = set->n_rules, n_more = set->n_more;
    struct nv_str name = nv_arena_str(&set->memory, nv_str(file));
    struct reader r = {.set = set,
                       .file = name.p,
                       .options = options,
                       .mistakes = mistakes,
                       .first_group = set->n_groups,
                       .scratch = NV_ARENA(TREE_MEMORY),
                       .no_memory = !name.p};

    if (!r.no_memory)
        read_text(&r, text);
    nv_arena_done(&r.scratch);
    if (!r.wrong && !r.no_memory) {
        set->n_files++;
        return 0;
    }
    set->n_groups = n_groups;
    set->n_rules = n_rules;
    set->n_more = n_more;
    nv_arena_rewind(&set->memory, mark);
    return r.wrong ? -EBADMSG : -ENOMEM;
}

int nv_rule_set_add_file(struct nv_rule_set *set, const char *path,
                         const struct nv_rule_file_options *options, struct nv_buf *mistakes)
{
    struct nv_arena memory = NV_ARENA(2 * NV_YAML_SIZE_MAX);
    NV_AUTO_FREE char *error = malloc(NV_YAML_ERROR_MAX);
    struct nv_str text;

    if (!error)
        return -ENOMEM;
    int r = nv_config_read_file(path, &memory, &text, error);
    if (r == 0) {
        r = nv_rule_set_add_text(set, path, text, options, mistakes);
    } else if (r != -ENOMEM) {
        nv_buf_printf(mistakes, "%s\n", error);
        r = -EBADMSG;
    }
    nv_arena_done(&memory);
    return r;
}
