#include "config/schema.h"

#include <errno.h>
#include <stdarg.h>

#include "base/buf.h"

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
        nv_buf_text(&names, i ? ", " : "");
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
