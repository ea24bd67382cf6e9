/*
 * template_builtins.c - the functions that Go's templates have by themselves, and the methods of times.
 */
#include "config/template_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

typedef struct nv_template_value value_t;
typedef struct nv_template_call call_t;

enum { TEXT_MAX = NV_TEMPLATE_OUTPUT_MAX };

int nv_template_call_fail(struct nv_template_call *call, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(call->run->reason, sizeof(call->run->reason), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

int nv_template_call_text(struct nv_template_call *call, struct nv_buf *text)
{
    if (text->failed == -ENOMEM)
        return -ENOMEM;
    if (text->failed)
        return nv_template_call_fail(call, "more than %d bytes of output", TEXT_MAX);
    struct nv_str kept = nv_arena_str(&call->run->memory, nv_buf_view(text));
    if (!kept.p)
        return -ENOMEM;
    call->result = nv_template_text(kept);
    return 0;
}

static int give_bool(call_t *call, bool yes)
{
    call->result = (value_t){.kind = NV_TEMPLATE_BOOL, .yes = yes};
    return 0;
}

static int give_whole(call_t *call, int64_t whole)
{
    call->result = (value_t){.kind = NV_TEMPLATE_INT, .whole = whole};
    return 0;
}

/* ---- comparison ----------------------------------------------------------------------------- */

enum basic { NOT_BASIC, BASIC_BOOL, BASIC_WHOLE, BASIC_REAL, BASIC_TEXT };

static enum basic basic_kind(const value_t *value)
{
    switch (value->kind) {
    case NV_TEMPLATE_BOOL:
        return BASIC_BOOL;
    case NV_TEMPLATE_INT:
    case NV_TEMPLATE_DURATION:
        return BASIC_WHOLE;
    case NV_TEMPLATE_REAL:
        return BASIC_REAL;
    case NV_TEMPLATE_TEXT:
        return BASIC_TEXT;
    default:
        return NOT_BASIC;
    }
}

static int refuse_types(call_t *call, const value_t *a, const value_t *b)
{
    return nv_template_call_fail(call, "incompatible types for comparison: %s and %s",
                                 nv_template_type(a), nv_template_type(b));
}

/* *ret_equal; two values that are no basic ones are equal where both are nil, or the same time. */
static int compare_equal(call_t *call, const value_t *a, const value_t *b, bool *ret_equal)
{
    enum basic kind = basic_kind(a);

    *ret_equal = false;
    if (kind != basic_kind(b)) {
        bool nil = a->kind == NV_TEMPLATE_NIL || b->kind == NV_TEMPLATE_NIL;
        return nil ? 0 : refuse_types(call, a, b);
    }
    switch (kind) {
    case BASIC_BOOL:
        *ret_equal = a->yes == b->yes;
        return 0;
    case BASIC_WHOLE:
        *ret_equal = a->whole == b->whole;
        return 0;
    case BASIC_REAL:
        *ret_equal = a->real == b->real;
        return 0;
    case BASIC_TEXT:
        *ret_equal = nv_str_eq(a->text, b->text);
        return 0;
    default:
        break;
    }
    if (a->kind == NV_TEMPLATE_NIL || b->kind == NV_TEMPLATE_NIL) {
        *ret_equal = a->kind == b->kind;
        return 0;
    }
    if (a->kind != NV_TEMPLATE_TIME || b->kind != NV_TEMPLATE_TIME) {
        NV_AUTO_BUF shown = NV_BUF(TEXT_MAX);
        const value_t *which = a->kind == NV_TEMPLATE_TIME ? b : a;
        nv_template_print(&shown, which);
        return nv_template_call_fail(call, "non-comparable type %.*s: %s",
                                     shown.n < 256 ? (int)shown.n : 256, shown.p,
                                     nv_template_type(which));
    }
    *ret_equal = a->whole == b->whole;
    return 0;
}

static int call_eq(call_t *call)
{
    bool equal = false;
    int r = 0;

    if (call->n < 2)
        return nv_template_call_fail(call, "missing argument for comparison");
    for (size_t i = 1; i < call->n && !equal && r == 0; i++)
        r = compare_equal(call, &call->args[0], &call->args[i], &equal);
    return r < 0 ? r : give_bool(call, equal);
}

static int call_ne(call_t *call)
{
    bool equal = false;
    int r = compare_equal(call, &call->args[0], &call->args[1], &equal);

    return r < 0 ? r : give_bool(call, !equal);
}

static int compare_less(call_t *call, const value_t *a, const value_t *b, bool *ret_less)
{
    enum basic kind = basic_kind(a);

    if (kind == NOT_BASIC || basic_kind(b) == NOT_BASIC)
        return nv_template_call_fail(call, "invalid type for comparison");
    if (kind != basic_kind(b))
        return refuse_types(call, a, b);
    if (kind == BASIC_BOOL)
        return nv_template_call_fail(call, "invalid type for comparison");
    *ret_less = kind == BASIC_WHOLE  ? a->whole < b->whole
                : kind == BASIC_REAL ? a->real < b->real
                                     : nv_str_cmp(a->text, b->text) < 0;
    return 0;
}

static int call_lt(call_t *call)
{
    bool less = false;
    int r = compare_less(call, &call->args[0], &call->args[1], &less);

    return r < 0 ? r : give_bool(call, less);
}

static int less_or_equal(call_t *call, bool *ret)
{
    bool less = false, equal = false;
    int r = compare_less(call, &call->args[0], &call->args[1], &less);

    if (r == 0)
        r = compare_equal(call, &call->args[0], &call->args[1], &equal);
    *ret = less || equal;
    return r;
}

static int call_le(call_t *call)
{
    bool yes = false;
    int r = less_or_equal(call, &yes);

    return r < 0 ? r : give_bool(call, yes);
}

/* Not the reverse of le's arguments but its opposite, as in Go: with NaN both hold. */
static int call_gt(call_t *call)
{
    bool yes = false;
    int r = less_or_equal(call, &yes);

    return r < 0 ? r : give_bool(call, !yes);
}

static int call_ge(call_t *call)
{
    bool less = false;
    int r = compare_less(call, &call->args[0], &call->args[1], &less);

    return r < 0 ? r : give_bool(call, !less);
}

static int call_not(call_t *call)
{
    return give_bool(call, !nv_template_truth(&call->args[0]));
}

/* ---- parts of values ------------------------------------------------------------------------ */

static int call_len(call_t *call)
{
    const value_t *value = &call->args[0];

    switch (value->kind) {
    case NV_TEMPLATE_TEXT:
        return give_whole(call, (int64_t)value->text.n);
    case NV_TEMPLATE_LIST:
        return give_whole(call, (int64_t)value->list.n);
    case NV_TEMPLATE_MAP:
    case NV_TEMPLATE_TEXTS:
        return give_whole(call, (int64_t)value->map.n);
    case NV_TEMPLATE_NIL:
        return nv_template_call_fail(call, "len of nil pointer");
    default:
        return nv_template_call_fail(call, "len of type %s", nv_template_type(value));
    }
}

/* An index from 0 to most. */
static int check_index(call_t *call, const value_t *index, size_t most, size_t *ret)
{
    if (index->kind == NV_TEMPLATE_NIL)
        return nv_template_call_fail(call, "cannot index slice/array with nil");
    if (basic_kind(index) != BASIC_WHOLE)
        return nv_template_call_fail(call, "cannot index slice/array with type %s",
                                     nv_template_type(index));
    if (index->whole < 0 || (uint64_t)index->whole > most)
        return nv_template_call_fail(call, "index out of range: %lld", (long long)index->whole);
    *ret = (size_t)index->whole;
    return 0;
}

static int index_map(call_t *call, const value_t *map, const value_t *key, value_t *ret)
{
    if (key->kind == NV_TEMPLATE_NIL)
        return nv_template_call_fail(call, "value is nil; should be of type string");
    if (key->kind != NV_TEMPLATE_TEXT)
        return nv_template_call_fail(call, "value has type %s; should be string",
                                     nv_template_type(key));
    const value_t *found = nv_template_get(map, key->text);
    *ret = found                            ? *found
           : map->kind == NV_TEMPLATE_TEXTS ? nv_template_text(NV_LIT(""))
                                            : (value_t){.kind = NV_TEMPLATE_NIL};
    return 0;
}

static int index_one(call_t *call, const value_t *item, const value_t *index, value_t *ret)
{
    bool is_text = item->kind == NV_TEMPLATE_TEXT;
    size_t at = 0;

    if (item->kind == NV_TEMPLATE_MAP || item->kind == NV_TEMPLATE_TEXTS)
        return index_map(call, item, index, ret);
    if (item->kind == NV_TEMPLATE_NIL)
        return nv_template_call_fail(call, "index of nil pointer");
    if (!is_text && item->kind != NV_TEMPLATE_LIST)
        return nv_template_call_fail(call, "can't index item of type %s", nv_template_type(item));
    size_t n = is_text ? item->text.n : item->list.n;
    int r = check_index(call, index, n, &at);
    if (r < 0)
        return r;
    if (at == n) /* Go lets it through, and reflection panics */
        return nv_template_call_fail(call, "reflect: %s index out of range",
                                     is_text ? "string" : "slice");
    *ret = is_text ? (value_t){.kind = NV_TEMPLATE_INT, .whole = (unsigned char)item->text.p[at]}
                   : item->list.items[at];
    return 0;
}

static int call_index(call_t *call)
{
    value_t item = call->args[0];
    int r = 0;

    if (item.kind == NV_TEMPLATE_NIL)
        return nv_template_call_fail(call, "index of untyped nil");
    for (size_t i = 1; i < call->n && r == 0; i++) {
        value_t from = item;
        r = index_one(call, &from, &call->args[i], &item);
    }
    call->result = item;
    return r;
}

static int call_slice(call_t *call)
{
    const value_t *item = &call->args[0];
    bool is_text = item->kind == NV_TEMPLATE_TEXT;
    size_t bounds[3];

    if (item->kind == NV_TEMPLATE_NIL)
        return nv_template_call_fail(call, "slice of untyped nil");
    if (call->n > 4)
        return nv_template_call_fail(call, "too many slice indexes: %zu", call->n - 1);
    if (!is_text && item->kind != NV_TEMPLATE_LIST)
        return nv_template_call_fail(call, "can't slice item of type %s", nv_template_type(item));
    if (is_text && call->n == 4)
        return nv_template_call_fail(call, "cannot 3-index slice a string");
    size_t n = is_text ? item->text.n : item->list.n;
    bounds[0] = 0;
    bounds[1] = bounds[2] = n;
    for (size_t i = 1; i < call->n; i++) {
        int r = check_index(call, &call->args[i], n, &bounds[i - 1]);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < 2; i++) {
        if (bounds[i] > bounds[i + 1])
            return nv_template_call_fail(call, "invalid slice index: %zu > %zu", bounds[i],
                                         bounds[i + 1]);
    }
    call->result = *item;
    if (is_text) {
        call->result.text =
            (struct nv_str){item->text.n ? item->text.p + bounds[0] : "", bounds[1] - bounds[0]};
    } else {
        call->result.list.items = item->list.n ? item->list.items + bounds[0] : item->list.items;
        call->result.list.n = bounds[1] - bounds[0];
    }
    return 0;
}

/* No value here is a function. */
static int call_call(call_t *call)
{
    NV_AUTO_BUF shown = NV_BUF(TEXT_MAX);

    if (call->args[0].kind == NV_TEMPLATE_NIL)
        return nv_template_call_fail(call, "call of nil");
    nv_template_print(&shown, &call->args[0]);
    return nv_template_call_fail(call, "non-function %.*s of type %s",
                                 shown.n < 256 ? (int)shown.n : 256, shown.p,
                                 nv_template_type(&call->args[0]));
}

/* ---- printing ------------------------------------------------------------------------------- */

/* Blanks stand between operands of which neither is text. */
static void print_all(const call_t *call, struct nv_buf *out)
{
    for (size_t i = 0; i < call->n; i++) {
        if (i && call->args[i].kind != NV_TEMPLATE_TEXT &&
            call->args[i - 1].kind != NV_TEMPLATE_TEXT)
            nv_buf_char(out, ' ');
        nv_template_print(out, &call->args[i]);
    }
}

static int call_print(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    print_all(call, &text);
    return nv_template_call_text(call, &text);
}

static int call_println(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    for (size_t i = 0; i < call->n; i++) {
        nv_buf_text(&text, i ? " " : "");
        nv_template_print(&text, &call->args[i]);
    }
    nv_buf_char(&text, '\n');
    return nv_template_call_text(call, &text);
}

static int call_printf(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    nv_template_printf(&text, call->args[0].text, call->args + 1, call->n - 1);
    return nv_template_call_text(call, &text);
}

static const char *html_escape(char c)
{
    switch (c) {
    case '"':
        return "&#34;";
    case '\'':
        return "&#39;";
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\0':
        return "\xef\xbf\xbd";
    default:
        return NULL;
    }
}

static int call_html(call_t *call)
{
    NV_AUTO_BUF plain = NV_BUF(TEXT_MAX), text = NV_BUF(TEXT_MAX);

    print_all(call, &plain);
    for (size_t i = 0; i < plain.n; i++) {
        const char *escape = html_escape(plain.p[i]);
        if (escape)
            nv_buf_text(&text, escape);
        else
            nv_buf_char(&text, plain.p[i]);
    }
    return nv_template_call_text(call, &text);
}

static int call_js(call_t *call)
{
    NV_AUTO_BUF plain = NV_BUF(TEXT_MAX), text = NV_BUF(TEXT_MAX);

    print_all(call, &plain);
    for (size_t i = 0; i < plain.n; i++) {
        char c = plain.p[i];
        if (c == '\\' || c == '\'' || c == '"')
            nv_buf_printf(&text, "\\%c", c);
        else if ((unsigned char)c < ' ' || strchr("<>&=", c))
            nv_buf_printf(&text, "\\u%04X", (unsigned)c);
        else
            nv_buf_char(&text, c);
    }
    return nv_template_call_text(call, &text);
}

static int call_urlquery(call_t *call)
{
    NV_AUTO_BUF plain = NV_BUF(TEXT_MAX), text = NV_BUF(TEXT_MAX);

    print_all(call, &plain);
    nv_query_escape(&text, nv_buf_view(&plain));
    return nv_template_call_text(call, &text);
}

static const struct nv_template_function builtins[] = {
    {"and",      "vv.", NULL         },
    {"or",       "vv.", NULL         },
    {"not",      "v",   call_not     },
    {"len",      "v",   call_len     },
    {"index",    "vv.", call_index   },
    {"slice",    "vv.", call_slice   },
    {"call",     "vv.", call_call    },
    {"print",    "v.",  call_print   },
    {"println",  "v.",  call_println },
    {"printf",   "tv.", call_printf  },
    {"html",     "v.",  call_html    },
    {"js",       "v.",  call_js      },
    {"urlquery", "v.",  call_urlquery},
    {"eq",       "vv.", call_eq      },
    {"ne",       "vv",  call_ne      },
    {"lt",       "vv",  call_lt      },
    {"le",       "vv",  call_le      },
    {"gt",       "vv",  call_gt      },
    {"ge",       "vv",  call_ge      },
};

const struct nv_template_function *nv_template_builtin(struct nv_str name)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (nv_str_is(name, builtins[i].name))
            return &builtins[i];
    }
    return NULL;
}
