/*
 * config_relabel.c - relabel_configs and their kin.
 */
#include <strings.h>

#include "config/config_parts.h"

/* What the file says, in words; a rule is made of it. */
struct words {
    struct nv_relabel rule;
    struct nv_text_list source_labels;
    const char *separator, *target_label, *replacement;
    const struct nv_yaml *regex;
    int action;
};

static int read_action(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with)
{
    struct nv_str text = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &text);

    (void)with;
    if (r < 0)
        return r;
    for (int i = 0; nv_relabel_actions[i]; i++) {
        if (strcasecmp(text.p, nv_relabel_actions[i]) == 0) {
            *(int *)into = i;
            return 0;
        }
    }
    return nv_schema_refuse(schema, node, "unknown relabel action \"%.64s\"", text.p);
}

static int read_modulus(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                        const void *with)
{
    struct nv_str text = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &text);

    (void)with;
    if (r < 0)
        return r;
    if (!node->plain || !nv_str_to_u64(text, into))
        return nv_schema_refuse(schema, node, "'%.64s' is no whole number", text.p);
    return 0;
}

static int read_regex(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    struct nv_str text = {NULL, 0};

    (void)with;
    *(const struct nv_yaml **)into = node;
    return nv_schema_scalar(schema, node, &text);
}

static int compile(struct nv_schema *schema, const struct nv_yaml *node, struct nv_regex **ret)
{
    char error[NV_REGEX_ERROR_MAX] = "";
    struct nv_str text = nv_yaml_is_null(node) ? NV_LIT("") : node->text;
    int r = nv_regex_new(text, NV_REGEX_ANCHORED, ret, error);

    if (r == -EINVAL)
        return nv_schema_refuse(schema, node, "%s", error);
    if (r < 0)
        return nv_schema_refuse(schema, node, "out of memory"), r;
    return nv_config_own(schema, *ret);
}

static int copy_sources(struct nv_schema *schema, const struct nv_yaml *node,
                        const struct nv_text_list *names, struct nv_relabel *rule)
{
    struct nv_str *copy;
    int r = nv_schema_alloc(schema, names->n * sizeof(*copy), &copy);

    for (size_t i = 0; i < names->n && r == 0; i++) {
        copy[i] = nv_str(names->at[i]);
        if (!copy[i].n)
            r = nv_schema_refuse(schema, node, "an empty name among the source_labels");
    }
    rule->source_labels = copy;
    rule->n_source_labels = names->n;
    return r;
}

/* Nothing behind one of these keys is an empty text there, not the default, as with Prometheus: `replacement:` deletes. */
static void read_nulls(const struct nv_yaml *node, struct words *words)
{
    for (size_t i = 0; i < node->n; i++) {
        struct nv_str key = node->pairs[i].key->text;
        if (!nv_yaml_is_null(node->pairs[i].value))
            continue;
        if (nv_str_is(key, "separator"))
            words->separator = "";
        else if (nv_str_is(key, "replacement"))
            words->replacement = "";
        else if (nv_str_is(key, "regex"))
            words->regex = node->pairs[i].value;
    }
}

static int read_rule(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    static const struct nv_schema_key keys[] = {
        NV_KEY(struct words, source_labels, nv_schema_texts, NULL),
        NV_KEY(struct words, separator, nv_schema_text, NULL),
        NV_KEY(struct words, target_label, nv_schema_text, NULL),
        NV_KEY(struct words, regex, read_regex, NULL),
        NV_FIELD("modulus", struct words, rule.modulus, read_modulus, NULL),
        NV_KEY(struct words, replacement, nv_schema_text, NULL),
        NV_KEY(struct words, action, read_action, NULL),
    };
    struct words words = {
        .rule = NV_RELABEL_DEFAULT, .separator = ";", .target_label = "", .replacement = "$1"};
    char error[NV_RELABEL_ERROR_MAX] = "";

    int r = nv_schema_read(schema, node, NV_KEYS(keys), &words);
    if (r < 0)
        return r;
    if (node->kind == NV_YAML_MAP)
        read_nulls(node, &words);
    words.rule.action = (enum nv_relabel_action)words.action;
    words.rule.separator = nv_str(words.separator);
    words.rule.target_label = nv_str(words.target_label);
    words.rule.replacement = nv_str(words.replacement);
    r = copy_sources(schema, node, &words.source_labels, &words.rule);
    if (r == 0 && words.regex)
        r = compile(schema, words.regex, &words.rule.regex);
    if (r < 0)
        return r;
    if (nv_relabel_check(&words.rule, error) < 0)
        return nv_schema_refuse(schema, node, "%s", error);
    *(struct nv_relabel *)item = words.rule;
    return 0;
}

int nv_schema_relabel(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    return nv_schema_list(
        schema, node, into,
        NV_ITEMS(struct nv_relabel_list, at, n, read_rule, NV_CONFIG_RELABELS_MAX, with));
}
