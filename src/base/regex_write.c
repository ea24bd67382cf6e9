/*
 * regex_write.c - a tree in PCRE2's syntax.
 *
 * Nothing is left to PCRE2's reading of what the two spell alike: characters of the text that could mean
 * anything are written as \x{..}, classes as ranges, and every option stands in the text.
 */
#include "base/regex_syntax.h"

#include "base/utf8.h"

#define NEVER           "(?!)"
#define SURROGATE_FIRST 0xd800u
#define SURROGATE_LAST  0xdfffu

static bool is_word(uint32_t c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static void write_character(struct nv_buf *out, uint32_t c)
{
    char bytes[4];

    if (c < 0x80 && !is_word(c))
        nv_buf_printf(out, "\\x{%x}", c);
    else if (c >= SURROGATE_FIRST && c <= SURROGATE_LAST)
        nv_buf_text(out, NEVER); /* no text has one */
    else
        nv_buf_add(out, bytes, nv_utf8_encode(bytes, c));
}

static void write_class(const struct nv_regex_node *node, struct nv_buf *out)
{
    bool any = false;

    nv_buf_text(out, node->fold ? "(?i:" : "");
    nv_buf_text(out, node->negated ? "[^" : "[");
    for (const struct nv_regex_part *part = node->parts; part; part = part->next) {
        uint32_t lo = part->lo, hi = part->hi;
        if (part->property.n) {
            nv_buf_printf(out, "\\%c{%.*s}", part->negated ? 'P' : 'p', NV_ARGS(part->property));
            any = true;
            continue;
        }
        if (lo >= SURROGATE_FIRST && lo <= SURROGATE_LAST)
            lo = SURROGATE_LAST + 1;
        if (hi >= SURROGATE_FIRST && hi <= SURROGATE_LAST)
            hi = SURROGATE_FIRST - 1;
        if (lo > hi)
            continue;
        nv_buf_printf(out, lo == hi ? "\\x{%x}" : "\\x{%x}-\\x{%x}", lo, hi);
        any = true;
    }
    if (!any)
        nv_buf_text(out, "\\P{Any}");
    nv_buf_text(out, node->fold ? "])" : "]");
}

static bool is_atom(const struct nv_regex_node *node)
{
    return (node->op == NV_REGEX_LITERAL && !node->fold && node->character < SURROGATE_FIRST) ||
           node->op == NV_REGEX_CLASS || node->op == NV_REGEX_ANY ||
           node->op == NV_REGEX_ANY_BUT_NEWLINE || node->op == NV_REGEX_CAPTURE;
}

static void write_repeat(const struct nv_regex_node *node, struct nv_buf *out)
{
    bool atom = is_atom(node->first);

    nv_buf_text(out, atom ? "" : "(?:");
    nv_regex_write(node->first, out);
    nv_buf_text(out, atom ? "" : ")");
    if (node->max < 0)
        nv_buf_printf(out, node->min == 0 ? "*" : node->min == 1 ? "+" : "{%d,}", node->min);
    else
        nv_buf_printf(out, "{%d,%d}", node->min, node->max);
    nv_buf_text(out, node->lazy ? "?" : "");
}

/* A run of letters whatever their case is written under one option. */
static void write_concatenation(const struct nv_regex_node *node, struct nv_buf *out)
{
    bool folding = false;

    for (const struct nv_regex_node *child = node->first; child; child = child->next) {
        bool fold = child->op == NV_REGEX_LITERAL && child->fold;
        if (fold != folding)
            nv_buf_text(out, fold ? "(?i:" : ")");
        folding = fold;
        if (fold)
            write_character(out, child->character);
        else
            nv_regex_write(child, out);
    }
    nv_buf_text(out, folding ? ")" : "");
}

static void write_alternation(const struct nv_regex_node *node, struct nv_buf *out)
{
    nv_buf_text(out, "(?:");
    for (const struct nv_regex_node *child = node->first; child; child = child->next) {
        nv_regex_write(child, out);
        nv_buf_text(out, child->next ? "|" : ")");
    }
}

void nv_regex_write(const struct nv_regex_node *node, struct nv_buf *out)
{
    static const char *const fixed[] = {
        [NV_REGEX_EMPTY] = "",
        [NV_REGEX_ANY] = ".",
        [NV_REGEX_ANY_BUT_NEWLINE] = "\\N",
        [NV_REGEX_BEGIN_TEXT] = "\\A",
        [NV_REGEX_END_TEXT] = "\\z",
        [NV_REGEX_BEGIN_LINE] = "^",
        [NV_REGEX_END_LINE] = "$",
        [NV_REGEX_WORD_EDGE] = "\\b",
        [NV_REGEX_NO_WORD_EDGE] = "\\B",
    };

    switch (node->op) {
    case NV_REGEX_LITERAL:
        nv_buf_text(out, node->fold ? "(?i:" : "");
        write_character(out, node->character);
        nv_buf_text(out, node->fold ? ")" : "");
        break;
    case NV_REGEX_CLASS:
        write_class(node, out);
        break;
    case NV_REGEX_CAPTURE:
        nv_buf_char(out, '(');
        nv_regex_write(node->first, out);
        nv_buf_char(out, ')');
        break;
    case NV_REGEX_REPEAT:
        write_repeat(node, out);
        break;
    case NV_REGEX_CONCAT:
        write_concatenation(node, out);
        break;
    case NV_REGEX_ALTERNATE:
        write_alternation(node, out);
        break;
    default:
        nv_buf_text(out, fixed[node->op]);
    }
}
