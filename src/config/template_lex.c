/*
 * template_lex.c - the tokens of a template.
 *
 * Outside of actions there is text; {{ begins an action and }} ends it. "{{- " and " -}}" take the white space
 * of the text next to them along. Comments vanish here.
 */
#include "config/template_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

static const struct {
    const char *word;
    enum nv_template_token_kind kind;
} words[] = {
    {"block",    NV_TOK_BLOCK   },
    {"break",    NV_TOK_BREAK   },
    {"continue", NV_TOK_CONTINUE},
    {"define",   NV_TOK_DEFINE  },
    {"else",     NV_TOK_ELSE    },
    {"end",      NV_TOK_END     },
    {"if",       NV_TOK_IF      },
    {"nil",      NV_TOK_NIL     },
    {"range",    NV_TOK_RANGE   },
    {"template", NV_TOK_TEMPLATE},
    {"with",     NV_TOK_WITH    },
    {"true",     NV_TOK_BOOL    },
    {"false",    NV_TOK_BOOL    },
};

struct lexer {
    struct nv_str text;
    size_t pos, start; /* the next byte; where the token begins */
    uint32_t line;     /* at pos */
    int parens;
    struct nv_arena *memory;
    struct nv_template_token *tokens;
    size_t n, room;
    bool no_memory;
};

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int peek(const struct lexer *l)
{
    return l->pos < l->text.n ? (unsigned char)l->text.p[l->pos] : -1;
}

static bool starts(const struct lexer *l, size_t at, const char *prefix)
{
    return at <= l->text.n && nv_str_starts(nv_str_from(l->text, at), prefix);
}

static void add(struct lexer *l, enum nv_template_token_kind kind, struct nv_str text)
{
    if (l->n == l->room) {
        size_t room = l->room ? l->room * 2 : 32;
        struct nv_template_token *tokens =
            nv_arena_alloc(l->memory, room * sizeof(struct nv_template_token));
        if (!tokens) {
            l->no_memory = true;
            return;
        }
        if (l->n)
            memcpy(tokens, l->tokens, l->n * sizeof(*tokens));
        l->tokens = tokens;
        l->room = room;
    }
    l->tokens[l->n++] = (struct nv_template_token){kind, (uint32_t)l->start, l->line, text};
}

/* Goes on behind what was read, counting its lines. */
static void skip(struct lexer *l)
{
    for (size_t i = l->start; i < l->pos; i++)
        l->line += l->text.p[i] == '\n';
    l->start = l->pos;
}

static bool emit(struct lexer *l, enum nv_template_token_kind kind)
{
    add(l, kind, (struct nv_str){l->text.p + l->start, l->pos - l->start});
    skip(l);
    return !l->no_memory;
}

/* The end of all tokens. */
__attribute__((format(printf, 2, 3))) static bool fail(struct lexer *l, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct nv_str kept = nv_arena_str(l->memory, nv_str(text));
    if (!kept.p)
        l->no_memory = true;
    else
        add(l, NV_TOK_ERROR, kept);
    return false;
}

/* Letters and digits. Beyond ASCII all that is not plainly a sign counts. */
static size_t word_length(const struct lexer *l)
{
    struct nv_str rest = nv_str_from(l->text, l->pos);
    uint32_t c;
    size_t n = rest.n ? nv_utf8_decode(rest, &c) : 0;

    if (!n)
        return 0;
    bool letter =
        c == '_' ||
        (c < 0x80 && (nv_is_digit((char)c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))) ||
        c == 0xaa || c == 0xb5 || c == 0xba ||
        (c >= 0xc0 && c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c < 0x2c00) &&
         !(c >= 0x3000 && c < 0x3005));
    return letter ? n : 0;
}

static bool at_right(const struct lexer *l, bool *ret_trims)
{
    *ret_trims = is_space(peek(l)) && starts(l, l->pos + 1, "-}}");
    return *ret_trims || starts(l, l->pos, "}}");
}

/* What may stand behind a word. */
static bool at_terminator(const struct lexer *l)
{
    int c = peek(l);

    return c < 0 || is_space(c) || memchr(".,|:)(", c, 6) || starts(l, l->pos, "}}");
}

static void skip_blanks(struct lexer *l)
{
    while (is_space(peek(l)))
        l->pos++;
    skip(l);
}

/* ---- inside an action ----------------------------------------------------------------------- */

static bool bad_character(struct lexer *l, const char *what)
{
    struct nv_str rest = nv_str_from(l->text, l->pos);
    uint32_t c = 0xfffd;
    size_t n = nv_utf8_decode(rest, &c);
    bool shown = n && c >= ' ' && c != 0x7f && !(c >= 0x80 && c < 0xa0);

    if (shown)
        return fail(l, "%s U+%04X '%.*s'", what, c, (int)n, rest.p);
    return fail(l, "%s U+%04X", what, n ? c : 0xfffd);
}

static bool lex_quoted(struct lexer *l, char quote, const char *unterminated,
                       enum nv_template_token_kind kind)
{
    for (l->pos++;; l->pos++) {
        int c = peek(l);
        if (c == '\\' && quote != '`') {
            l->pos++;
            c = peek(l);
            if (c >= 0 && c != '\n')
                continue;
        }
        if (c < 0 || (c == '\n' && quote != '`'))
            return fail(l, "%s", unterminated);
        if (c == quote)
            break;
    }
    l->pos++;
    return emit(l, kind);
}

static bool accept(struct lexer *l, const char *set)
{
    int c = peek(l);

    if (c <= 0 || !strchr(set, c))
        return false;
    l->pos++;
    return true;
}

static bool lex_number(struct lexer *l)
{
    const char *digits = "0123456789_";
    bool decimal = true, hexadecimal = false;

    accept(l, "+-");
    if (accept(l, "0")) {
        hexadecimal = accept(l, "xX");
        bool octal = !hexadecimal && accept(l, "oO"),
             binary = !hexadecimal && !octal && accept(l, "bB");
        digits = hexadecimal ? "0123456789abcdefABCDEF_"
                 : octal     ? "01234567_"
                 : binary    ? "01_"
                             : digits;
        decimal = !hexadecimal && !octal && !binary;
    }
    while (accept(l, digits))
        ;
    if (accept(l, "."))
        while (accept(l, digits))
            ;
    if ((decimal && accept(l, "eE")) || (hexadecimal && accept(l, "pP"))) {
        accept(l, "+-");
        while (accept(l, "0123456789_"))
            ;
    }
    size_t more = word_length(l);
    if (more || peek(l) == '+' || peek(l) == '-') { /* imaginary numbers are no use to anybody */
        l->pos += more ? more : 1;
        int n = l->pos - l->start < 64 ? (int)(l->pos - l->start) : 64;
        return fail(l, "bad number syntax: \"%.*s\"", n, l->text.p + l->start);
    }
    return emit(l, NV_TOK_NUMBER);
}

/* .name or $name, or the dot or dollar alone. */
static bool lex_name(struct lexer *l, enum nv_template_token_kind kind)
{
    size_t n;

    l->pos++;
    if (at_terminator(l))
        return emit(l, kind == NV_TOK_FIELD ? NV_TOK_DOT : kind);
    while ((n = word_length(l)))
        l->pos += n;
    if (!at_terminator(l))
        return bad_character(l, "bad character");
    return emit(l, kind);
}

static bool lex_word(struct lexer *l)
{
    enum nv_template_token_kind kind = NV_TOK_IDENTIFIER;
    size_t n;

    while ((n = word_length(l)))
        l->pos += n;
    if (!at_terminator(l))
        return bad_character(l, "bad character");
    struct nv_str word = {l->text.p + l->start, l->pos - l->start};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (nv_str_is(word, words[i].word))
            kind = words[i].kind;
    }
    return emit(l, kind);
}

static bool lex_blanks(struct lexer *l)
{
    bool trims;

    while (is_space(peek(l)) && !(at_right(l, &trims) && trims))
        l->pos++;
    return emit(l, NV_TOK_SPACE);
}

static bool lex_paren(struct lexer *l, int c)
{
    l->parens += c == '(' ? 1 : -1;
    if (l->parens < 0) {
        l->pos++;
        return fail(l, "unexpected right paren");
    }
    l->pos++;
    return emit(l, c == '(' ? NV_TOK_LEFT_PAREN : NV_TOK_RIGHT_PAREN);
}

static bool lex_one(struct lexer *l, enum nv_template_token_kind kind)
{
    l->pos++;
    return emit(l, kind);
}

static bool lex_declare(struct lexer *l)
{
    l->pos++;
    if (peek(l) != '=')
        return fail(l, "expected :=");
    return lex_one(l, NV_TOK_DECLARE);
}

static bool lex_inside(struct lexer *l)
{
    int c = peek(l);

    switch (c) {
    case -1:
        return fail(l, "unclosed action");
    case '=':
        return lex_one(l, NV_TOK_ASSIGN);
    case ':':
        return lex_declare(l);
    case '|':
        return lex_one(l, NV_TOK_PIPE);
    case '"':
        return lex_quoted(l, '"', "unterminated quoted string", NV_TOK_STRING);
    case '`':
        return lex_quoted(l, '`', "unterminated raw quoted string", NV_TOK_RAW_STRING);
    case '\'':
        return lex_quoted(l, '\'', "unterminated character constant", NV_TOK_CHARACTER);
    case '$':
        return lex_name(l, NV_TOK_VARIABLE);
    case '(':
    case ')':
        return lex_paren(l, c);
    default:
        break;
    }
    if (is_space(c))
        return lex_blanks(l);
    bool digit_next = l->pos + 1 < l->text.n && nv_is_digit(l->text.p[l->pos + 1]);
    if (c == '.' && !digit_next && l->pos + 1 < l->text.n)
        return lex_name(l, NV_TOK_FIELD);
    if (c == '.' || c == '+' || c == '-' || nv_is_digit((char)c))
        return lex_number(l);
    if (word_length(l))
        return lex_word(l);
    if (c > ' ' && c < 0x7f)
        return lex_one(l, NV_TOK_CHAR);
    return bad_character(l, "unrecognized character in action:");
}

/* From behind {{ to behind }}. */
static bool lex_action(struct lexer *l)
{
    bool trims;

    l->parens = 0;
    while (!at_right(l, &trims)) {
        if (!lex_inside(l))
            return false;
    }
    if (l->parens)
        return fail(l, "unclosed left paren");
    if (trims) {
        l->pos += 2;
        skip(l);
    }
    l->pos += 2;
    if (!emit(l, NV_TOK_RIGHT))
        return false;
    if (trims)
        skip_blanks(l);
    return true;
}

/* ---- outside -------------------------------------------------------------------------------- */

/* Behind the delimiter, at the comment's beginning. */
static bool lex_comment(struct lexer *l)
{
    bool trims;

    l->pos += 2;
    while (l->pos < l->text.n && !starts(l, l->pos, "*/"))
        l->pos++;
    if (l->pos >= l->text.n)
        return fail(l, "unclosed comment");
    l->pos += 2;
    if (!at_right(l, &trims))
        return fail(l, "comment ends before closing delimiter");
    l->pos += trims ? 4 : 2;
    skip(l);
    if (trims)
        skip_blanks(l);
    return true;
}

static bool lex_left(struct lexer *l)
{
    bool trims =
        starts(l, l->pos + 2, "-") && l->pos + 3 < l->text.n && is_space(l->text.p[l->pos + 3]);

    if (starts(l, l->pos + (trims ? 4 : 2), "/*")) {
        l->pos += trims ? 4 : 2;
        skip(l);
        return lex_comment(l);
    }
    l->pos += 2;
    if (!emit(l, NV_TOK_LEFT))
        return false;
    if (trims) {
        l->pos += 2;
        skip(l);
    }
    return lex_action(l);
}

static bool lex_text(struct lexer *l)
{
    size_t end = l->pos;

    while (end < l->text.n && !starts(l, end, "{{"))
        end++;
    size_t kept = end;
    if (end < l->text.n && starts(l, end + 2, "-") && end + 3 < l->text.n &&
        is_space(l->text.p[end + 3])) {
        while (kept > l->pos && is_space(l->text.p[kept - 1]))
            kept--;
    }
    l->pos = kept;
    if (kept > l->start && !emit(l, NV_TOK_TEXT))
        return false;
    l->pos = end;
    skip(l);
    if (end < l->text.n)
        return lex_left(l);
    (void)emit(l, NV_TOK_EOF);
    return false;
}

ssize_t nv_template_lex(struct nv_str text, struct nv_arena *memory, struct nv_template_token **ret)
{
    struct lexer lexer = {.text = text, .line = 1, .memory = memory};

    while (lex_text(&lexer))
        ;
    if (lexer.no_memory)
        return -ENOMEM;
    *ret = lexer.tokens;
    return (ssize_t)lexer.n;
}
