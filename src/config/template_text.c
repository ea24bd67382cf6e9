/*
 * template_text.c - texts in quotes, and nodes as Go prints them.
 */
#include "config/template_parts.h"

#include "base/utf8.h"

static const struct {
    char letter, meaning;
} escapes[] = {
    {'a',  '\a'},
    {'b',  '\b'},
    {'f',  '\f'},
    {'n',  '\n'},
    {'r',  '\r'},
    {'t',  '\t'},
    {'v',  '\v'},
    {'\\', '\\'},
};

/* Beyond ASCII nearly all is; these are the ones that stand in texts and are not. */
static bool is_printable(uint32_t c)
{
    if (c < 0x80)
        return c >= ' ' && c != 0x7f;
    return c > 0xa0 && c != 0xad && !(c >= 0x2000 && c <= 0x200f) &&
           !(c >= 0x2028 && c <= 0x202f) && !(c >= 0x205f && c <= 0x206f) && c != 0x3000 &&
           c != 0xfeff && c != 0xfffe && !(c >= 0xe000 && c <= 0xf8ff) &&
           !(c >= 0xfff0 && c <= 0xfffb) && c < 0xe0000;
}

static void quote_character(struct nv_buf *out, uint32_t c, const char *p, size_t n)
{
    if (c == '"') {
        nv_buf_text(out, "\\\"");
        return;
    }
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (c == (unsigned char)escapes[i].meaning) {
            nv_buf_char(out, '\\');
            nv_buf_char(out, escapes[i].letter);
            return;
        }
    }
    if (is_printable(c))
        nv_buf_add(out, p, n);
    else if (c < 0x80)
        nv_buf_printf(out, "\\x%02x", c);
    else
        nv_buf_printf(out, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

void nv_go_quote(struct nv_buf *out, struct nv_str text)
{
    nv_buf_char(out, '"');
    while (text.n) {
        uint32_t c = 0;
        size_t n = nv_utf8_decode(text, &c);
        if (n)
            quote_character(out, c, text.p, n);
        else
            nv_buf_printf(out, "\\x%02x", (unsigned char)text.p[0]);
        text = nv_str_from(text, n ? n : 1);
    }
    nv_buf_char(out, '"');
}

/* ---- unquoting ------------------------------------------------------------------------------ */

static bool take_digits(struct nv_str *text, size_t n, unsigned base, uint32_t *ret)
{
    *ret = 0;
    if (text->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = text->p[i], lower = c | 0x20;
        unsigned digit = nv_is_digit(c)                 ? (unsigned)(c - '0')
                         : lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a' + 10)
                                                        : 99;
        if (digit >= base)
            return false;
        *ret = *ret * base + digit;
    }
    *text = nv_str_from(*text, n);
    return true;
}

static bool add_character(struct nv_buf *out, uint32_t c)
{
    char bytes[4];

    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return false;
    nv_buf_add(out, bytes, nv_utf8_encode(bytes, c));
    return true;
}

/* What stands behind a backslash. */
static bool take_escape(struct nv_str *text, char quote, struct nv_buf *out)
{
    uint32_t c;

    if (!text->n)
        return false;
    char letter = text->p[0];
    if (letter >= '0' && letter <= '7') {
        if (!take_digits(text, 3, 8, &c) || c > 255)
            return false;
        nv_buf_char(out, (char)c);
        return true;
    }
    *text = nv_str_from(*text, 1);
    if (letter == quote) {
        nv_buf_char(out, quote);
        return true;
    }
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (letter == escapes[i].letter) {
            nv_buf_char(out, escapes[i].meaning);
            return true;
        }
    }
    if (letter == 'x' && take_digits(text, 2, 16, &c)) {
        nv_buf_char(out, (char)c);
        return true;
    }
    if ((letter == 'u' && take_digits(text, 4, 16, &c)) ||
        (letter == 'U' && take_digits(text, 8, 16, &c)))
        return add_character(out, c);
    return false;
}

bool nv_go_unquote(struct nv_str quoted, struct nv_buf *out)
{
    size_t characters = 0;

    if (quoted.n < 2 || quoted.p[0] != quoted.p[quoted.n - 1])
        return false;
    char quote = quoted.p[0];
    struct nv_str text = {quoted.p + 1, quoted.n - 2};
    if (quote == '`') {
        for (size_t i = 0; i < text.n; i++) {
            if (text.p[i] != '\r') /* as in Go's sources */
                nv_buf_char(out, text.p[i]);
        }
        return !out->failed;
    }
    for (; text.n; characters++) {
        if (text.p[0] == quote || text.p[0] == '\n')
            return false;
        if (text.p[0] == '\\') {
            text = nv_str_from(text, 1);
            if (!take_escape(&text, quote, out))
                return false;
            continue;
        }
        uint32_t c;
        size_t n = nv_utf8_decode(text, &c);
        if (n)
            nv_buf_add(out, text.p, n);
        else
            (void)add_character(out, 0xfffd);
        text = nv_str_from(text, n ? n : 1);
    }
    return !out->failed && (quote == '"' || characters == 1);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static void print_names(struct nv_buf *out, const struct nv_template_node *node, bool first_plain)
{
    for (size_t i = 0; i < node->n_names; i++) {
        if (i || !first_plain)
            nv_buf_char(out, '.');
        nv_buf_str(out, node->names[i]);
    }
}

/* An operand; pipelines among operands stand in parentheses. */
static void print_operand(struct nv_buf *out, const struct nv_template_node *node)
{
    bool pipe = node->kind == NV_NODE_PIPE;

    nv_buf_text(out, pipe ? "(" : "");
    nv_template_print_node(out, node);
    nv_buf_text(out, pipe ? ")" : "");
}

static void print_pipe(struct nv_buf *out, const struct nv_template_node *pipe)
{
    for (size_t i = 0; i < pipe->n_names; i++) {
        nv_buf_text(out, i ? ", " : "");
        nv_buf_str(out, pipe->names[i]);
    }
    if (pipe->n_names)
        nv_buf_text(out, pipe->assigns ? " = " : " := ");
    for (const struct nv_template_node *c = pipe->first; c; c = c->next) {
        nv_buf_text(out, c == pipe->first ? "" : " | ");
        nv_template_print_node(out, c);
    }
}

/* Only what an error can be about: not what stands within a control. */
static void print_control(struct nv_buf *out, const char *word, const struct nv_template_node *node)
{
    nv_buf_printf(out, "{{%s ", word);
    print_pipe(out, node->pipe);
    nv_buf_text(out, "}}");
    for (const struct nv_template_node *n = node->body; n; n = n->next)
        nv_template_print_node(out, n);
    if (node->has_else) {
        nv_buf_text(out, "{{else}}");
        for (const struct nv_template_node *n = node->otherwise; n; n = n->next)
            nv_template_print_node(out, n);
    }
    nv_buf_text(out, "{{end}}");
}

static void print_template(struct nv_buf *out, const struct nv_template_node *node)
{
    nv_buf_text(out, "{{template ");
    nv_go_quote(out, node->text);
    if (node->pipe) {
        nv_buf_char(out, ' ');
        print_pipe(out, node->pipe);
    }
    nv_buf_text(out, "}}");
}

void nv_template_print_node(struct nv_buf *out, const struct nv_template_node *node)
{
    switch (node->kind) {
    case NV_NODE_ACTION:
        nv_buf_text(out, "{{");
        print_pipe(out, node->pipe);
        nv_buf_text(out, "}}");
        break;
    case NV_NODE_IF:
        print_control(out, "if", node);
        break;
    case NV_NODE_RANGE:
        print_control(out, "range", node);
        break;
    case NV_NODE_WITH:
        print_control(out, "with", node);
        break;
    case NV_NODE_TEMPLATE:
        print_template(out, node);
        break;
    case NV_NODE_PIPE:
        print_pipe(out, node);
        break;
    case NV_NODE_COMMAND:
        for (const struct nv_template_node *a = node->first; a; a = a->next) {
            nv_buf_text(out, a == node->first ? "" : " ");
            print_operand(out, a);
        }
        break;
    case NV_NODE_FIELD:
        print_names(out, node, false);
        break;
    case NV_NODE_VARIABLE:
        print_names(out, node, true);
        break;
    case NV_NODE_CHAIN:
        print_operand(out, node->first);
        print_names(out, node, false);
        break;
    case NV_NODE_DOT:
        nv_buf_char(out, '.');
        break;
    case NV_NODE_NIL:
        nv_buf_text(out, "nil");
        break;
    case NV_NODE_BREAK:
        nv_buf_text(out, "{{break}}");
        break;
    case NV_NODE_CONTINUE:
        nv_buf_text(out, "{{continue}}");
        break;
    default: /* as it is written */
        nv_buf_str(out, node->text);
    }
}
