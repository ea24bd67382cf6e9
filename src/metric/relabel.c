#include "metric/relabel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/case.h"
#include "base/md5.h"
#include "base/utf8.h"

enum { GROUPS_MAX = 64 };

const char *const nv_relabel_actions[] = {
    [NV_RELABEL_REPLACE] = "replace",     [NV_RELABEL_KEEP] = "keep",
    [NV_RELABEL_DROP] = "drop",           [NV_RELABEL_KEEPEQUAL] = "keepequal",
    [NV_RELABEL_DROPEQUAL] = "dropequal", [NV_RELABEL_HASHMOD] = "hashmod",
    [NV_RELABEL_LABELMAP] = "labelmap",   [NV_RELABEL_LABELDROP] = "labeldrop",
    [NV_RELABEL_LABELKEEP] = "labelkeep", [NV_RELABEL_LOWERCASE] = "lowercase",
    [NV_RELABEL_UPPERCASE] = "uppercase", NULL,
};

void nv_relabel_done(struct nv_relabel *rule)
{
    nv_regex_free(rule->regex);
    rule->regex = NULL;
}

/* ---- what goes together --------------------------------------------------------------------- */

static bool is_name(struct nv_str name)
{
    return name.n > 0 && nv_utf8_valid(name);
}

__attribute__((format(printf, 2, 3))) static int refuse(char error[NV_RELABEL_ERROR_MAX],
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, NV_RELABEL_ERROR_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int check_target(const struct nv_relabel *rule, char error[NV_RELABEL_ERROR_MAX])
{
    const char *action = nv_relabel_actions[rule->action];

    if (!rule->target_label.n)
        return refuse(error, "relabel configuration for %s action requires 'target_label' value",
                      action);
    if (!is_name(rule->target_label))
        return refuse(error, "\"%.*s\" is invalid 'target_label' for %s action",
                      NV_ARGS(rule->target_label), action);
    return 0;
}

static bool has_defaults(const struct nv_relabel *rule)
{
    return rule->modulus == 0 && nv_str_is(rule->separator, ";") &&
           nv_str_is(rule->replacement, "$1");
}

int nv_relabel_check(const struct nv_relabel *rule, char error[NV_RELABEL_ERROR_MAX])
{
    const char *action = nv_relabel_actions[rule->action];
    int r = 0;

    switch (rule->action) {
    case NV_RELABEL_HASHMOD:
        if (!rule->modulus)
            return refuse(error, "relabel configuration for hashmod requires non-zero modulus");
        return check_target(rule, error);
    case NV_RELABEL_REPLACE:
        return check_target(rule, error);
    case NV_RELABEL_LOWERCASE:
    case NV_RELABEL_UPPERCASE:
        r = check_target(rule, error);
        if (r == 0 && !nv_str_is(rule->replacement, "$1"))
            return refuse(error, "'replacement' can not be set for %s action", action);
        return r;
    case NV_RELABEL_KEEPEQUAL:
    case NV_RELABEL_DROPEQUAL:
        r = check_target(rule, error);
        if (r == 0 && (rule->regex || !has_defaults(rule)))
            return refuse(error,
                          "%s action requires only 'source_labels' and `target_label`, and no "
                          "other fields",
                          action);
        return r;
    case NV_RELABEL_LABELMAP:
        if (!is_name(rule->replacement))
            return refuse(error, "\"%.*s\" is invalid 'replacement' for %s action",
                          NV_ARGS(rule->replacement), action);
        return 0;
    case NV_RELABEL_LABELDROP:
    case NV_RELABEL_LABELKEEP:
        if (rule->n_source_labels || rule->target_label.n || !has_defaults(rule))
            return refuse(error, "%s action requires only 'regex', and no other fields", action);
        return 0;
    default:
        return 0;
    }
}

/* ---- a label set that changes --------------------------------------------------------------- */

struct set {
    struct nv_arena *memory;
    const struct nv_label *labels;
    struct nv_label *own; /* NULL before the first change */
    size_t n, room;
};

static size_t find(const struct set *set, struct nv_str name)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (nv_str_cmp(set->labels[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct nv_str get(const struct set *set, struct nv_str name)
{
    size_t i = find(set, name);

    return i < set->n && nv_str_eq(set->labels[i].name, name) ? set->labels[i].value : NV_LIT("");
}

/* Room for one more, in memory of our own. */
static int make_own(struct set *set)
{
    if (set->own && set->n < set->room)
        return 0;
    if (set->n >= NV_RELABEL_LABELS_MAX)
        return -E2BIG;
    size_t room = set->n * 2 + 8;
    struct nv_label *own = nv_arena_alloc(set->memory, room * sizeof(*own));
    if (!own)
        return -ENOMEM;
    if (set->n)
        memcpy(own, set->labels, set->n * sizeof(*own));
    set->own = own;
    set->labels = own;
    set->room = room;
    return 0;
}

static int delete_at(struct set *set, size_t i)
{
    int r = make_own(set);

    if (r < 0)
        return r;
    memmove(set->own + i, set->own + i + 1, (set->n - i - 1) * sizeof(*set->own));
    set->n--;
    return 0;
}

/* An empty value deletes. The texts must live as long as the set. */
static int put(struct set *set, struct nv_str name, struct nv_str value)
{
    size_t i = find(set, name);
    bool there = i < set->n && nv_str_eq(set->labels[i].name, name);

    if (there && nv_str_eq(set->labels[i].value, value))
        return 0;
    if (!value.n)
        return there ? delete_at(set, i) : 0;
    int r = make_own(set);
    if (r < 0)
        return r;
    if (there) {
        set->own[i].value = value;
        return 0;
    }
    memmove(set->own + i + 1, set->own + i, (set->n - i) * sizeof(*set->own));
    set->own[i] = (struct nv_label){name, value};
    set->n++;
    return 0;
}

/* What a buffer holds, in the arena. */
static int keep(struct set *set, const struct nv_buf *text, struct nv_str *ret)
{
    if (text->failed)
        return text->failed == -ENOMEM ? -ENOMEM : -E2BIG;
    *ret = nv_arena_str(set->memory, nv_buf_view(text));
    return ret->p ? 0 : -ENOMEM;
}

/* ---- actions -------------------------------------------------------------------------------- */

/* The values of the source labels, joined; of one label, without a copy. */
static int join(struct set *set, const struct nv_relabel *rule, struct nv_str *ret)
{
    NV_AUTO_BUF text = NV_BUF(NV_RELABEL_VALUE_MAX);

    *ret = NV_LIT("");
    if (rule->n_source_labels == 0)
        return 0;
    if (rule->n_source_labels == 1) {
        *ret = get(set, rule->source_labels[0]);
        return 0;
    }
    for (size_t i = 0; i < rule->n_source_labels; i++) {
        if (i)
            nv_buf_str(&text, rule->separator);
        nv_buf_str(&text, get(set, rule->source_labels[i]));
    }
    return keep(set, &text, ret);
}

static bool matches(const struct nv_relabel *rule, struct nv_str text)
{
    return !rule->regex || nv_regex_match(rule->regex, text);
}

/* The spans of a match; without an expression of its own, group 1 is all. */
static size_t match_groups(const struct nv_relabel *rule, struct nv_str text, struct nv_str *spans)
{
    if (rule->regex)
        return nv_regex_groups(rule->regex, text, spans, GROUPS_MAX);
    spans[0] = spans[1] = text;
    return 2;
}

static int expand(struct set *set, const struct nv_regex *regex, struct nv_str template_,
                  const struct nv_str *spans, size_t n, struct nv_str *ret)
{
    NV_AUTO_BUF text = NV_BUF(NV_RELABEL_VALUE_MAX);

    if (nv_str_find(template_, '$') == template_.n) {
        *ret = template_;
        return 0;
    }
    nv_regex_expand(regex, template_, spans, n, &text);
    return keep(set, &text, ret);
}

static int replace(struct set *set, const struct nv_relabel *rule, struct nv_str value)
{
    struct nv_str spans[GROUPS_MAX], target = {NULL, 0}, result = {NULL, 0};
    size_t n = match_groups(rule, value, spans);

    if (!n)
        return 0;
    int r = expand(set, rule->regex, rule->target_label, spans, n, &target);
    if (r < 0 || !is_name(target))
        return r;
    r = expand(set, rule->regex, rule->replacement, spans, n, &result);
    return r < 0 ? r : put(set, target, result);
}

static int change_case(struct set *set, const struct nv_relabel *rule, struct nv_str value)
{
    NV_AUTO_BUF text = NV_BUF(NV_RELABEL_VALUE_MAX);
    struct nv_str kept = {NULL, 0};

    if (rule->action == NV_RELABEL_LOWERCASE)
        nv_utf8_lower(&text, value);
    else
        nv_utf8_upper(&text, value);
    int r = keep(set, &text, &kept);
    return r < 0 ? r : put(set, rule->target_label, kept);
}

/* The last eight bytes of the value's MD5, as Prometheus has always taken them. */
static int hash(struct set *set, const struct nv_relabel *rule, struct nv_str value)
{
    NV_AUTO_BUF text = NV_BUF(32);
    struct nv_str kept = {NULL, 0};
    unsigned char digest[16];
    uint64_t number = 0;

    nv_md5(value, digest);
    for (size_t i = 8; i < 16; i++)
        number = number << 8 | digest[i];
    nv_buf_printf(&text, "%llu", (unsigned long long)(number % rule->modulus));
    int r = keep(set, &text, &kept);
    return r < 0 ? r : put(set, rule->target_label, kept);
}

/* Names are those of before, whatever is added meanwhile. */
static int map_names(struct set *set, const struct nv_relabel *rule)
{
    size_t n_before = set->n;
    struct nv_label *before = nv_arena_alloc(set->memory, n_before * sizeof(*before));
    int r = 0;

    if (!before)
        return -ENOMEM;
    if (n_before)
        memcpy(before, set->labels, n_before * sizeof(*before));
    for (size_t i = 0; i < n_before && r == 0; i++) {
        struct nv_str spans[GROUPS_MAX], name = {NULL, 0};
        size_t n = match_groups(rule, before[i].name, spans);
        if (!n)
            continue;
        r = expand(set, rule->regex, rule->replacement, spans, n, &name);
        if (r == 0 && is_name(name))
            r = put(set, name, before[i].value);
    }
    return r;
}

static int drop_names(struct set *set, const struct nv_relabel *rule, bool matching)
{
    for (size_t i = set->n; i-- > 0;) {
        if (matches(rule, set->labels[i].name) != matching)
            continue;
        int r = delete_at(set, i);
        if (r < 0)
            return r;
    }
    return 0;
}

static int dropped_if(bool yes)
{
    return yes ? NV_RELABEL_DROPPED : 0;
}

static int apply(struct set *set, const struct nv_relabel *rule)
{
    struct nv_str value;
    int r = join(set, rule, &value);

    if (r < 0)
        return r;
    switch (rule->action) {
    case NV_RELABEL_REPLACE:
        return replace(set, rule, value);
    case NV_RELABEL_KEEP:
        return dropped_if(!matches(rule, value));
    case NV_RELABEL_DROP:
        return dropped_if(matches(rule, value));
    case NV_RELABEL_KEEPEQUAL:
        return dropped_if(!nv_str_eq(get(set, rule->target_label), value));
    case NV_RELABEL_DROPEQUAL:
        return dropped_if(nv_str_eq(get(set, rule->target_label), value));
    case NV_RELABEL_HASHMOD:
        return hash(set, rule, value);
    case NV_RELABEL_LABELMAP:
        return map_names(set, rule);
    case NV_RELABEL_LABELDROP:
        return drop_names(set, rule, true);
    case NV_RELABEL_LABELKEEP:
        return drop_names(set, rule, false);
    default:
        return change_case(set, rule, value);
    }
}

int nv_relabel(const struct nv_relabel *rules, size_t n, struct nv_arena *memory,
               const struct nv_label *labels, size_t n_labels, const struct nv_label **ret,
               size_t *ret_n)
{
    struct set set = {.memory = memory, .labels = labels, .n = n_labels};
    int r = n_labels > NV_RELABEL_LABELS_MAX ? -E2BIG : 0;

    for (size_t i = set.n; i-- > 0 && r == 0;) {
        if (!labels[i].value.n)
            r = delete_at(&set, i);
    }
    for (size_t i = 0; i < n && r == 0; i++)
        r = apply(&set, &rules[i]);
    if (r)
        return r;
    *ret = set.labels;
    *ret_n = set.n;
    return 0;
}
