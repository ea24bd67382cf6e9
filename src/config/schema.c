#include "config/schema.h"

#include <errno.h>
#include <stdarg.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "config/units.h"

int nv_schema_refuse(struct nv_schema *schema, const struct nv_yaml *node, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    nv_config_write_error(schema->error, schema->file, node->line, node->column, format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

static int out_of_memory(struct nv_schema *schema)
{
    snprintf(schema->error, NV_YAML_ERROR_MAX, "%.256s: too large for its memory", schema->file);
    return -ENOMEM;
}

static const char *kind_name(const struct nv_yaml *node)
{
    static const char *const names[] = {
        [NV_YAML_SCALAR] = "a scalar", [NV_YAML_LIST] = "a list", [NV_YAML_MAP] = "a map"};

    return names[node->kind];
}

static int refuse_key(struct nv_schema *schema, const struct nv_yaml *key,
                      const struct nv_schema_key *keys, size_t n_keys)
{
    NV_AUTO_BUF names = NV_BUF(NV_YAML_ERROR_MAX);

    for (size_t i = 0; i < n_keys; i++) {
        if (keys[i].read == nv_schema_not_provided)
            continue;
        nv_buf_text(&names, names.n ? ", " : "");
        nv_buf_text(&names, keys[i].name);
    }
    return nv_schema_refuse(schema, key, "unknown key '%.64s'; allowed: %s", key->text.p,
                            nv_buf_c_string(&names));
}

int nv_schema_read(struct nv_schema *schema, const struct nv_yaml *map,
                   const struct nv_schema_key *keys, size_t n_keys, void *into)
{
    if (nv_yaml_is_null(map))
        return 0;
    if (map->kind != NV_YAML_MAP)
        return nv_schema_refuse(schema, map, "a map of keys and values is wanted, not %s",
                                kind_name(map));

    for (size_t i = 0; i < map->n; i++) {
        const struct nv_yaml_pair *pair = &map->pairs[i];
        size_t k = 0;
        while (k < n_keys && !nv_str_is(pair->key->text, keys[k].name))
            k++;
        if (k == n_keys)
            return refuse_key(schema, pair->key, keys, n_keys);
        if (keys[k].read == nv_schema_not_provided)
            return nv_schema_not_provided(schema, pair->key, NULL, keys[k].with);
        if (nv_yaml_is_null(pair->value))
            continue;
        int r = keys[k].read(schema, pair->value, (char *)into + keys[k].offset, keys[k].with);
        if (r < 0)
            return r;
    }
    return 0;
}

int nv_schema_scalar(struct nv_schema *schema, const struct nv_yaml *node, struct nv_str *ret)
{
    if (node->kind != NV_YAML_SCALAR)
        return nv_schema_refuse(schema, node, "one value is wanted, not %s", kind_name(node));
    if (nv_str_find(node->text, '\0') < node->text.n)
        return nv_schema_refuse(schema, node, "text with a NUL byte");
    *ret = node->text;
    return 0;
}

int nv_schema_text(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with)
{
    struct nv_str text = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &text);

    (void)with;
    if (r < 0)
        return r;
    *(const char **)into = text.p; /* in the arena already */
    return 0;
}

int nv_schema_bool(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with)
{
    static const char *const names[][2] = {
        {"true", "false"},
        {"True", "False"},
        {"TRUE", "FALSE"},
        {"yes",  "no"   },
        {"Yes",  "No"   },
        {"YES",  "NO"   },
        {"on",   "off"  },
        {"On",   "Off"  },
        {"ON",   "OFF"  },
        {"y",    "n"    },
        {"Y",    "N"    }
    };
    struct nv_str text = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &text);

    (void)with;
    if (r < 0)
        return r;
    for (size_t i = 0; node->plain && i < sizeof(names) / sizeof(names[0]); i++) {
        for (int no = 0; no < 2; no++) {
            if (nv_str_is(text, names[i][no])) {
                *(bool *)into = !no;
                return 0;
            }
        }
    }
    return nv_schema_refuse(schema, node, "'%.64s' is neither true nor false", text.p);
}

int nv_schema_int(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                  const void *with)
{
    const struct nv_schema_range *range = with;
    struct nv_str text = {NULL, 0};
    int64_t value;
    int r = nv_schema_scalar(schema, node, &text);

    if (r < 0)
        return r;
    if (!node->plain || !nv_str_to_i64(text, &value))
        return nv_schema_refuse(schema, node, "'%.64s' is no whole number", text.p);
    if (range && (value < range->least || value > range->most))
        return nv_schema_refuse(schema, node, "%lld is not allowed; allowed: %lld to %lld",
                                (long long)value, (long long)range->least, (long long)range->most);
    *(int64_t *)into = value;
    return 0;
}

int nv_schema_duration(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with)
{
    struct nv_str text = {NULL, 0};
    int64_t ns;
    int r = nv_schema_scalar(schema, node, &text);

    (void)with;
    if (r < 0)
        return r;
    bool valid = nv_parse_go_duration(text, &ns) || (node->plain && nv_str_to_i64(text, &ns));
    if (!valid || ns < 0)
        return nv_schema_refuse(
            schema, node,
            "'%.64s' is no duration; allowed: numbers with ns, us, ms, s, m, h: 1m30s", text.p);
    *(int64_t *)into = ns;
    return 0;
}

int nv_schema_texts(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                    const void *with)
{
    (void)with;
    if (node->kind != NV_YAML_LIST)
        return nv_schema_refuse(schema, node, "a list is wanted, not %s", kind_name(node));
    const char **texts = nv_arena_alloc(schema->memory, (node->n + 1) * sizeof(char *));
    if (!texts)
        return out_of_memory(schema);
    for (size_t i = 0; i < node->n; i++) {
        int r = nv_schema_text(schema, node->items[i], &texts[i], NULL);
        if (r < 0)
            return r;
    }
    texts[node->n] = NULL;
    *(struct nv_text_list *)into = (struct nv_text_list){texts, node->n};
    return 0;
}

int nv_schema_choice(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    const char *const *names = with;
    NV_AUTO_BUF list = NV_BUF(NV_YAML_ERROR_MAX);
    struct nv_str text = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &text);

    if (r < 0)
        return r;
    for (int i = 0; names[i]; i++) {
        if (nv_str_is(text, names[i])) {
            *(int *)into = i;
            return 0;
        }
        nv_buf_text(&list, i ? ", " : "");
        nv_buf_text(&list, names[i]);
    }
    return nv_schema_refuse(schema, node, "unknown value '%.64s'; allowed: %s", text.p,
                            nv_buf_c_string(&list));
}

int nv_schema_alloc(struct nv_schema *schema, size_t size, void *ret)
{
    void *p = nv_arena_alloc(schema->memory, size ? size : 1);

    if (!p)
        return out_of_memory(schema);
    memset(p, 0, size);
    memcpy(ret, &p, sizeof(p));
    return 0;
}

int nv_schema_milliseconds(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                           const void *with)
{
    struct nv_str text = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &text);

    (void)with;
    if (r < 0)
        return r;
    r = nv_parse_duration(text, into);
    if (r == NV_UNITS_OUT_OF_RANGE)
        return nv_schema_refuse(schema, node, "'%.64s': duration out of range", text.p);
    return r == 0 ? 0
                  : nv_schema_refuse(schema, node,
                                     "not a valid duration string: '%.64s'; allowed: whole numbers "
                                     "with y, w, d, h, m, s, ms in that order: 1h30m",
                                     text.p);
}

int nv_schema_size(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with)
{
    struct nv_str text = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &text);

    (void)with;
    if (r < 0)
        return r;
    r = nv_parse_size(text, into);
    if (r == NV_UNITS_OUT_OF_RANGE)
        return nv_schema_refuse(schema, node, "'%.64s': size out of range", text.p);
    return r == 0
               ? 0
               : nv_schema_refuse(schema, node,
                                  "'%.64s' is no size; allowed: a number with B, KB, MB, GB, TB, "
                                  "PB, EB: 512MB",
                                  text.p);
}

int nv_schema_path(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with)
{
    struct nv_str text = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &text);
    char *path;

    (void)with;
    if (r < 0 || text.n == 0)
        return r;
    if (text.p[0] == '/' || schema->folder.n == 0) {
        *(const char **)into = text.p;
        return 0;
    }
    r = nv_schema_alloc(schema, schema->folder.n + text.n + 2, &path);
    if (r < 0)
        return r;
    memcpy(path, schema->folder.p, schema->folder.n);
    path[schema->folder.n] = '/';
    memcpy(path + schema->folder.n + 1, text.p, text.n);
    *(const char **)into = path;
    return 0;
}

int nv_schema_paths(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                    const void *with)
{
    struct nv_text_list list = {NULL, 0};
    const char **paths;
    int r = nv_schema_texts(schema, node, &list, with);

    if (r == 0)
        r = nv_schema_alloc(schema, (list.n + 1) * sizeof(*paths), &paths);
    for (size_t i = 0; r == 0 && i < list.n; i++) {
        paths[i] = "";
        r = nv_schema_path(schema, node->items[i], &paths[i], NULL);
    }
    if (r == 0)
        *(struct nv_text_list *)into = (struct nv_text_list){paths, list.n};
    return r;
}

int nv_schema_secret(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    struct nv_schema_hidden *hidden;
    int r = nv_schema_alloc(schema, sizeof(*hidden), &hidden);

    (void)with;
    if (r < 0)
        return r;
    *hidden = (struct nv_schema_hidden){node, schema->hidden};
    schema->hidden = hidden;
    return nv_schema_text(schema, node, into, NULL);
}

int nv_schema_not_provided(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                           const void *with)
{
    const char *why = with;

    (void)into;
    return nv_schema_refuse(schema, node, "'%.64s' is not provided here%s%s", node->text.p,
                            why ? "; " : "", why ? why : "");
}

int nv_schema_list(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with)
{
    const struct nv_schema_items *items = with;
    char *at;

    if (node->kind != NV_YAML_LIST)
        return nv_schema_refuse(schema, node, "a list is wanted, not %s", kind_name(node));
    if (node->n > items->max)
        return nv_schema_refuse(schema, node, "more than %zu entries", items->max);
    int r = nv_schema_alloc(schema, node->n * items->size, &at);
    if (r < 0)
        return r;
    for (size_t i = 0; i < node->n; i++) {
        if (nv_yaml_is_null(node->items[i]))
            return nv_schema_refuse(schema, node->items[i], "empty or null %s", items->singular);
        r = items->read(schema, node->items[i], at + i * items->size);
        if (r < 0)
            return r;
    }
    *(void **)into = at;
    *(size_t *)((char *)into + items->n_delta) = node->n;
    return 0;
}

static int order_labels(const void *a, const void *b)
{
    return nv_str_cmp(((const struct nv_label *)a)->name, ((const struct nv_label *)b)->name);
}

int nv_schema_labels(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    struct nv_label *labels;

    (void)with;
    if (node->kind != NV_YAML_MAP)
        return nv_schema_refuse(schema, node, "a map of labels is wanted, not %s", kind_name(node));
    int r = nv_schema_alloc(schema, node->n * sizeof(*labels), &labels);
    for (size_t i = 0; r == 0 && i < node->n; i++) {
        const struct nv_yaml_pair *pair = &node->pairs[i];
        r = nv_schema_scalar(schema, pair->key, &labels[i].name);
        if (r == 0)
            r = nv_schema_scalar(schema, pair->value, &labels[i].value);
        if (r == 0 && (labels[i].name.n == 0 || !nv_utf8_valid(labels[i].name)))
            r = nv_schema_refuse(schema, pair->key, "'%.64s' is not a valid label name",
                                 labels[i].name.p);
        if (r == 0 && nv_yaml_is_null(pair->value))
            labels[i].value = NV_LIT("");
    }
    if (r < 0)
        return r;
    qsort(labels, node->n, sizeof(*labels), order_labels);
    *(struct nv_schema_labels *)into = (struct nv_schema_labels){labels, node->n};
    return 0;
}

/* ---- durations ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    double ns;
} units[] = {
    {"ns",        1     },
    {"us",        1e3   },
    {"\xc2\xb5s", 1e3   },
    {"\xce\xbcs", 1e3   },
    {"ms",        1e6   },
    {"s",         1e9   },
    {"m",         6e10  },
    {"h",         3.6e12},
};

/* One number with its unit, from the front. Negative where there is none. */
static double take_part(struct nv_str *text)
{
    size_t n = 0;
    double value;

    while (n < text->n && (nv_is_digit(text->p[n]) || text->p[n] == '.'))
        n++;
    if (n == 0 || n > 32 || !nv_str_to_real((struct nv_str){text->p, n}, &value))
        return -1;
    struct nv_str rest = nv_str_from(*text, n);
    size_t unit_n = 0;
    while (unit_n < rest.n && !nv_is_digit(rest.p[unit_n]) && rest.p[unit_n] != '.')
        unit_n++;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (nv_str_is((struct nv_str){rest.p, unit_n}, units[i].name)) {
            *text = nv_str_from(rest, unit_n);
            return value * units[i].ns;
        }
    }
    return -1;
}

bool nv_parse_go_duration(struct nv_str text, int64_t *ret_ns)
{
    double total_ns = 0, sign = 1;

    if (text.n && (text.p[0] == '-' || text.p[0] == '+')) {
        sign = text.p[0] == '-' ? -1 : 1;
        text = nv_str_from(text, 1);
    }
    if (nv_str_is(text, "0")) {
        *ret_ns = 0;
        return true;
    }
    if (text.n == 0)
        return false;
    while (text.n) {
        double part = take_part(&text);
        if (part < 0)
            return false;
        total_ns += part;
    }
    if (total_ns > 9.2e18)
        return false;
    *ret_ns = (int64_t)(sign * total_ns);
    return true;
}
