/*
 * config_print.c - a configuration as YAML again, without comments and secrets.
 *
 * What is printed means the same when it is read: plain texts stay plain, all others stand in double quotes.
 */
#include <strings.h>

#include "base/utf8.h"
#include "config/config_parts.h"
#include "config/units.h"

enum { INDENT = 2 };

struct printer {
    struct nv_buf *out;
    const struct nv_schema_hidden *hidden;
};

static bool is_hidden(const struct printer *p, const struct nv_yaml *node)
{
    for (const struct nv_schema_hidden *h = p->hidden; h; h = h->next) {
        if (h->node == node)
            return true;
    }
    return false;
}

static void print_quoted(struct nv_buf *out, struct nv_str text)
{
    nv_buf_char(out, '"');
    while (text.n) {
        uint32_t c = 0xfffd;
        size_t n = nv_utf8_decode(text, &c);
        if (c == '"' || c == '\\')
            nv_buf_printf(out, "\\%c", (char)c);
        else if (c == '\n')
            nv_buf_text(out, "\\n");
        else if (c == '\t')
            nv_buf_text(out, "\\t");
        else if (c < ' ' || c == 0x7f)
            nv_buf_printf(out, "\\x%02x", c);
        else if ((c >= 0x80 && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff)
            nv_buf_printf(out, "\\u%04x", c);
        else
            nv_buf_add(out, text.p, n);
        text = nv_str_from(text, n ? n : 1);
    }
    nv_buf_char(out, '"');
}

/* Whether a text may stand there without quotes and mean itself. */
static bool is_simple(struct nv_str text)
{
    if (!text.n || (!nv_name_is_legacy_metric((struct nv_str){text.p, 1}) && text.p[0] != '/'))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool plain =
            nv_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("_./-", c));
        if (!plain)
            return false;
    }
    return true;
}

/* Words that mean something else without quotes. */
static bool is_word(struct nv_str text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on",
                                        "off",  "y",    "n",     "nan", "inf"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (text.n == strlen(words[i]) && strncasecmp(text.p, words[i], text.n) == 0)
            return true;
    }
    return false;
}

static void print_scalar(const struct printer *p, const struct nv_yaml *node)
{
    if (is_hidden(p, node))
        nv_buf_text(p->out, "<secret>");
    else if (nv_yaml_is_null(node))
        nv_buf_text(p->out, "null");
    else if (node->plain && nv_str_find(node->text, '\n') == node->text.n)
        nv_buf_str(p->out, node->text);
    else if (is_simple(node->text) && !is_word(node->text))
        nv_buf_str(p->out, node->text);
    else
        print_quoted(p->out, node->text);
}

static void indent(const struct printer *p, unsigned depth)
{
    for (unsigned i = 0; i < depth * INDENT; i++)
        nv_buf_char(p->out, ' ');
}

static void print_map(const struct printer *p, const struct nv_yaml *node, unsigned depth,
                      bool inline_first);

static bool is_empty(const struct nv_yaml *node)
{
    return node->kind != NV_YAML_SCALAR && node->n == 0;
}

/* Items at the depth of their key, as Prometheus prints them. */
static void print_list(const struct printer *p, const struct nv_yaml *node, unsigned depth)
{
    for (size_t i = 0; i < node->n; i++) {
        const struct nv_yaml *item = node->items[i];
        indent(p, depth);
        nv_buf_text(p->out, "- ");
        if (is_empty(item)) {
            nv_buf_text(p->out, item->kind == NV_YAML_MAP ? "{}\n" : "[]\n");
        } else if (item->kind == NV_YAML_MAP) {
            print_map(p, item, depth + 1, true);
        } else if (item->kind == NV_YAML_LIST) {
            nv_buf_char(p->out, '\n');
            print_list(p, item, depth + 1);
        } else {
            print_scalar(p, item);
            nv_buf_char(p->out, '\n');
        }
    }
}

static void print_value(const struct printer *p, const struct nv_yaml *value, unsigned depth)
{
    if (is_empty(value)) {
        nv_buf_text(p->out, value->kind == NV_YAML_MAP ? " {}\n" : " []\n");
    } else if (value->kind == NV_YAML_SCALAR) {
        nv_buf_char(p->out, ' ');
        print_scalar(p, value);
        nv_buf_char(p->out, '\n');
    } else {
        nv_buf_char(p->out, '\n');
        if (value->kind == NV_YAML_MAP)
            print_map(p, value, depth + 1, false);
        else
            print_list(p, value, depth);
    }
}

static void print_pair(const struct printer *p, const struct nv_yaml_pair *pair, unsigned depth)
{
    print_scalar(p, pair->key);
    nv_buf_char(p->out, ':');
    print_value(p, pair->value, depth);
}

static void print_map(const struct printer *p, const struct nv_yaml *node, unsigned depth,
                      bool inline_first)
{
    for (size_t i = 0; i < node->n; i++) {
        if (i || !inline_first)
            indent(p, depth);
        print_pair(p, &node->pairs[i], depth);
    }
}

static void print_time(const struct printer *p, const char *name, int64_t ms)
{
    indent(p, 1);
    nv_buf_printf(p->out, "%s: ", name);
    nv_write_duration(p->out, ms);
    nv_buf_char(p->out, '\n');
}

/* The times that hold, said or not; then the rest of what is said. */
static void print_global(const struct printer *p, const struct nv_yaml *node,
                         const struct nv_config_global *global)
{
    static const char *const shown[] = {"scrape_interval", "scrape_timeout", "evaluation_interval"};

    nv_buf_text(p->out, "global:\n");
    print_time(p, shown[0], global->scrape_interval_ms);
    print_time(p, shown[1], global->scrape_timeout_ms);
    print_time(p, shown[2], global->evaluation_interval_ms);
    for (size_t i = 0; node && node->kind == NV_YAML_MAP && i < node->n; i++) {
        const struct nv_yaml_pair *pair = &node->pairs[i];
        if (!nv_str_is(pair->key->text, shown[0]) && !nv_str_is(pair->key->text, shown[1]) &&
            !nv_str_is(pair->key->text, shown[2])) {
            indent(p, 1);
            print_pair(p, pair, 1);
        }
    }
}

void nv_config_print(struct nv_buf *out, const struct nv_yaml *root,
                     const struct nv_schema_hidden *hidden, const struct nv_config_global *global)
{
    const struct printer printer = {out, hidden};

    print_global(&printer, nv_yaml_get(root, "global"), global);
    for (size_t i = 0; root->kind == NV_YAML_MAP && i < root->n; i++) {
        if (!nv_str_is(root->pairs[i].key->text, "global"))
            print_pair(&printer, &root->pairs[i], 0);
    }
}
