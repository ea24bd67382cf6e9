/*
 * matchers.c - matchers as Alertmanager writes them: a="b", {a=~"b|c", "d e"!=f}.
 *
 * A name or value without quotes goes up to a blank, a comma, a bracket or an operator. In quotes \" \\ and \n are what
 * they are in Prometheus.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "config/notify_config.h"

struct reader {
    struct nv_str rest;
    struct nv_arena *memory;
    struct nv_matcher *matchers;
    int n;
    char *error;
};

__attribute__((format(printf, 2, 3))) static int fail(struct reader *r, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(r->error, NV_MATCHERS_ERROR_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static void skip_blanks(struct reader *r)
{
    while (r->rest.n && nv_is_space(r->rest.p[0]))
        r->rest = nv_str_from(r->rest, 1);
}

/* Whether the next character is c; if so it is taken. */
static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (!r->rest.n || r->rest.p[0] != c)
        return false;
    r->rest = nv_str_from(r->rest, 1);
    return true;
}

static int take_quoted(struct reader *r, struct nv_str *ret)
{
    NV_AUTO_BUF text = NV_BUF(64 << 10);

    for (size_t i = 1; i < r->rest.n; i++) {
        char c = r->rest.p[i];
        if (c == '"') {
            r->rest = nv_str_from(r->rest, i + 1);
            *ret = nv_arena_str(r->memory, nv_buf_view(&text));
            return !ret->p ? -ENOMEM : text.failed ? fail(r, "text is too long") : 0;
        }
        if (c == '\\' && i + 1 < r->rest.n) {
            c = r->rest.p[++i];
            if (c == 'n')
                c = '\n';
            else if (c != '"' && c != '\\')
                nv_buf_char(&text, '\\');
        }
        nv_buf_char(&text, c);
    }
    return fail(r, "missing end \"");
}

static int take_text(struct reader *r, const char *what, struct nv_str *ret)
{
    size_t n = 0;

    skip_blanks(r);
    if (r->rest.n && r->rest.p[0] == '"')
        return take_quoted(r, ret);
    while (n < r->rest.n && !nv_is_space(r->rest.p[n]) &&
           !(r->rest.p[n] && strchr("{}!=~,\\\"'`", r->rest.p[n])))
        n++;
    if (!n)
        return fail(r, "%s expected at \"%.*s\"", what, r->rest.n < 32 ? (int)r->rest.n : 32,
                    r->rest.n ? r->rest.p : "");
    *ret = nv_arena_str(r->memory, (struct nv_str){r->rest.p, n});
    r->rest = nv_str_from(r->rest, n);
    return ret->p ? 0 : -ENOMEM;
}

static int take_operator(struct reader *r, enum nv_match_op *ret)
{
    static const struct {
        const char *text;
        enum nv_match_op op;
    } operators[] = {
        {"=~", NV_MATCH_REGEX    },
        {"!~", NV_MATCH_NOT_REGEX},
        {"!=", NV_MATCH_NOT_EQUAL},
        {"=",  NV_MATCH_EQUAL    },
    };

    skip_blanks(r);
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (nv_str_starts(r->rest, operators[i].text)) {
            r->rest = nv_str_from(r->rest, strlen(operators[i].text));
            *ret = operators[i].op;
            return 0;
        }
    }
    return fail(r, "one of = != =~ !~ expected at \"%.*s\"", r->rest.n < 32 ? (int)r->rest.n : 32,
                r->rest.n ? r->rest.p : "");
}

static int take_matcher(struct reader *r)
{
    char error[NV_REGEX_ERROR_MAX] = "";
    struct nv_str name = {NULL, 0}, value = {"", 0};
    enum nv_match_op op = NV_MATCH_EQUAL;

    if (r->n == NV_MATCHERS_MAX)
        return fail(r, "more than %d matchers", NV_MATCHERS_MAX);
    int result = take_text(r, "a label name", &name);
    if (result == 0)
        result = take_operator(r, &op);
    skip_blanks(r);
    bool empty = !r->rest.n || r->rest.p[0] == ',' || r->rest.p[0] == '}';
    if (result == 0 && !empty)
        result = take_text(r, "a value", &value);
    if (result < 0)
        return result;
    if (!name.n || !nv_utf8_valid(name) || !nv_utf8_valid(value))
        return fail(r, "a label name is empty, or not UTF-8");
    result = nv_matcher_init(&r->matchers[r->n], op, name, value, error);
    if (result == -EINVAL)
        return fail(r, "%s", error);
    if (result == 0)
        r->n++;
    return result;
}

/* All of them; a comma behind the last is fine. */
static int take_matchers(struct reader *r)
{
    bool brace = take(r, '{');
    int result = 0;

    skip_blanks(r);
    while (result == 0 && r->rest.n && r->rest.p[0] != '}') {
        result = take_matcher(r);
        if (result < 0 || !take(r, ','))
            break;
        skip_blanks(r);
    }
    if (result < 0)
        return result;
    if (brace && !take(r, '}'))
        return fail(r, "missing end }");
    skip_blanks(r);
    if (r->rest.n)
        return fail(r, "unexpected \"%.*s\"", r->rest.n < 32 ? (int)r->rest.n : 32, r->rest.p);
    return 0;
}

int nv_matchers_parse(struct nv_str text, struct nv_arena *memory,
                      struct nv_matcher ret[NV_MATCHERS_MAX], char error[NV_MATCHERS_ERROR_MAX])
{
    struct reader reader = {.rest = text, .memory = memory, .matchers = ret, .error = error};
    int r = take_matchers(&reader);

    if (r == 0)
        return reader.n;
    for (int i = 0; i < reader.n; i++)
        nv_matcher_done(&ret[i]);
    return r;
}
