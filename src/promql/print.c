/*
 * print.c - a tree as text, in the canonical form that parses back to the same tree.
 */
#include "promql/print.h"

#include <errno.h>

#include "base/number.h"
#include "base/utf8.h"
#include "metric/name.h"
#include "promql/function.h"

static void print(struct nv_buf *out, const struct nv_expr *expr);

void nv_promql_print_string(struct nv_buf *out, struct nv_str text)
{
    static const char letters[] = "abfnrtv", meaning[] = "\a\b\f\n\r\t\v";

    nv_buf_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        const char *found = c ? memchr(meaning, c, sizeof(meaning) - 1) : NULL;
        size_t n = nv_utf8_length(nv_str_from(text, i));
        if (found)
            nv_buf_printf(out, "\\%c", letters[found - meaning]);
        else if (c == '"' || c == '\\')
            nv_buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || !n)
            nv_buf_printf(out, "\\x%02x", c);
        else
            nv_buf_add(out, text.p + i, n);
        i += n > 1 ? n - 1 : 0;
    }
    nv_buf_char(out, '"');
}

/* Years and weeks only where nothing is left over: 90d reads better than 12w6d. */
void nv_promql_print_duration(struct nv_buf *out, int64_t ms)
{
    static const struct {
        const char *text;
        uint64_t ms;
        bool exact;
    } units[] = {
        {"y",  UINT64_C(31536000000), true },
        {"w",  604800000,             true },
        {"d",  86400000,              false},
        {"h",  3600000,               false},
        {"m",  60000,                 false},
        {"s",  1000,                  false},
        {"ms", 1,                     false}
    };
    uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;

    if (!rest)
        nv_buf_text(out, "0s");
    if (ms < 0)
        nv_buf_char(out, '-');
    for (size_t i = 0; rest; i++) {
        if (rest < units[i].ms || (units[i].exact && rest % units[i].ms))
            continue;
        nv_buf_printf(out, "%llu%s", (unsigned long long)(rest / units[i].ms), units[i].text);
        rest %= units[i].ms;
    }
}

static void print_number(struct nv_buf *out, double value)
{
    char text[NV_NUMBER_PLAIN_MAX];

    nv_buf_add(out, text, nv_number_plain(text, value));
}

static void print_literal(struct nv_buf *out, const struct nv_expr *expr)
{
    if (expr->number.is_duration)
        nv_promql_print_duration(out, (int64_t)llround(expr->number.value * 1000));
    else
        print_number(out, expr->number.value);
}

static void print_span(struct nv_buf *out, const struct nv_span_ms *span)
{
    if (span->expr)
        print(out, span->expr);
    else
        nv_promql_print_duration(out, span->ms);
}

static void print_label_name(struct nv_buf *out, struct nv_str name)
{
    if (nv_name_is_legacy_label(name))
        nv_buf_str(out, name);
    else
        nv_promql_print_string(out, name);
}

static void print_names(struct nv_buf *out, const struct nv_label_names *names)
{
    nv_buf_char(out, '(');
    for (size_t i = 0; i < names->n; i++) {
        if (i)
            nv_buf_text(out, ", ");
        print_label_name(out, names->at[i]);
    }
    nv_buf_char(out, ')');
}

static void print_when(struct nv_buf *out, const struct nv_when *when)
{
    if (when->at == NV_AT_TIME) {
        uint64_t ms = when->at_ms < 0 ? 0 - (uint64_t)when->at_ms : (uint64_t)when->at_ms;
        nv_buf_printf(out, " @ %s%llu.%03u", when->at_ms < 0 ? "-" : "",
                      (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
    } else if (when->at != NV_AT_NONE) {
        nv_buf_text(out, when->at == NV_AT_START ? " @ start()" : " @ end()");
    }
    if (!when->has_offset)
        return;
    nv_buf_text(out, " offset ");
    print_span(out, &when->offset);
}

static int by_text(const struct nv_matcher *a, const struct nv_matcher *b)
{
    int order = nv_str_cmp(a->name, b->name);

    if (!order)
        order = (int)a->op - (int)b->op;
    return order ? order : nv_str_cmp(a->value, b->value);
}

static int by_place(const void *x, const void *y)
{
    const struct nv_matcher *a = *(const struct nv_matcher *const *)x;
    const struct nv_matcher *b = *(const struct nv_matcher *const *)y;
    int order = by_text(a, b);

    return order ? order : (a > b) - (a < b);
}

/* Matchers in order of text; equal ones by their place. NULL when memory is out. */
static const struct nv_matcher **sorted(const struct nv_selector *s, size_t first)
{
    const struct nv_matcher **out = malloc((s->n_matchers + 1) * sizeof(*out));

    for (size_t i = first; out && i < s->n_matchers; i++)
        out[i - first] = &s->matchers[i];
    if (out && s->n_matchers > first + 1)
        qsort(out, s->n_matchers - first, sizeof(*out), by_place);
    return out;
}

static void print_matcher(struct nv_buf *out, const struct nv_matcher *m)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};

    print_label_name(out, m->name);
    nv_buf_text(out, ops[m->op]);
    nv_promql_print_string(out, m->value);
}

static void print_selector(struct nv_buf *out, const struct nv_selector *s)
{
    bool plain = s->name.n && nv_name_is_legacy_metric(s->name), any = s->name.n && !plain;
    size_t first = s->name.n > 0;

    if (plain)
        nv_buf_str(out, s->name);
    if (!plain || s->n_matchers > first) {
        NV_AUTO_FREE const struct nv_matcher **matchers = sorted(s, first);
        if (!matchers)
            out->failed = -ENOMEM;
        nv_buf_char(out, '{');
        if (any)
            nv_promql_print_string(out, s->name);
        for (size_t i = 0; matchers && !out->failed && i < s->n_matchers - first; i++) {
            if (any)
                nv_buf_char(out, ',');
            any = true;
            print_matcher(out, matchers[i]);
        }
        nv_buf_char(out, '}');
    }
    if (s->has_range) {
        nv_buf_char(out, '[');
        print_span(out, &s->range);
        nv_buf_char(out, ']');
    }
    if (s->edge != NV_EDGE_NONE)
        nv_buf_text(out, s->edge == NV_EDGE_ANCHORED ? " anchored" : " smoothed");
    print_when(out, &s->when);
}

void nv_print_subquery_range(struct nv_buf *out, const struct nv_subquery *s)
{
    nv_buf_char(out, '[');
    print_span(out, &s->range);
    nv_buf_char(out, ':');
    if (s->has_step)
        print_span(out, &s->step);
    nv_buf_char(out, ']');
    print_when(out, &s->when);
}

static void print_call(struct nv_buf *out, const struct nv_call *call)
{
    nv_buf_text(out, call->function->name);
    nv_buf_char(out, '(');
    for (size_t i = 0; i < call->n; i++) {
        if (i)
            nv_buf_text(out, ", ");
        print(out, call->args[i]);
    }
    nv_buf_char(out, ')');
}

void nv_print_grouping(struct nv_buf *out, const struct nv_aggregation *a)
{
    nv_buf_text(out, nv_aggregator_text(a->aggregator));
    if (a->without || a->labels.n) {
        nv_buf_text(out, a->without ? " without " : " by ");
        print_names(out, &a->labels);
        nv_buf_char(out, ' ');
    }
}

static void print_aggregation(struct nv_buf *out, const struct nv_aggregation *a)
{
    nv_print_grouping(out, a);
    nv_buf_char(out, '(');
    if (a->parameter) {
        print(out, a->parameter);
        nv_buf_text(out, ", ");
    }
    print(out, a->expr);
    nv_buf_char(out, ')');
}

static void print_fill(struct nv_buf *out, const char *word, double value)
{
    nv_buf_printf(out, " %s (", word);
    print_number(out, value);
    nv_buf_char(out, ')');
}

void nv_print_operator(struct nv_buf *out, const struct nv_binary *b)
{
    nv_buf_text(out, nv_op_text(b->op));
    if (b->return_bool)
        nv_buf_text(out, " bool");
    bool grouped = b->card == NV_CARD_MANY_TO_ONE || b->card == NV_CARD_ONE_TO_MANY;
    if (b->on || b->labels.n || grouped) {
        nv_buf_text(out, b->on ? " on " : " ignoring ");
        print_names(out, &b->labels);
    }
    if (grouped) {
        nv_buf_text(out, b->card == NV_CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        print_names(out, &b->include);
    }
    bool same = memcmp(&b->fill_left, &b->fill_right, sizeof(double)) == 0;
    if (b->has_fill_left && b->has_fill_right && same) {
        print_fill(out, "fill", b->fill_left);
    } else {
        if (b->has_fill_left)
            print_fill(out, "fill_left", b->fill_left);
        if (b->has_fill_right)
            print_fill(out, "fill_right", b->fill_right);
    }
}

void nv_print_left(struct nv_buf *out, const struct nv_binary *b)
{
    if (b->op == NV_OP_POW && b->left->kind == NV_EXPR_NUMBER && isinf(b->left->number.value))
        nv_buf_text(out, "Inf"); /* a sign would take the whole power for its operand */
    else
        print(out, b->left);
}

static void print_binary(struct nv_buf *out, const struct nv_binary *b)
{
    nv_print_left(out, b);
    nv_buf_char(out, ' ');
    nv_print_operator(out, b);
    nv_buf_char(out, ' ');
    print(out, b->right);
}

static void print(struct nv_buf *out, const struct nv_expr *expr)
{
    if (out->failed) /* no use to go on */
        return;
    switch (expr->kind) {
    case NV_EXPR_NUMBER:
        print_literal(out, expr);
        return;
    case NV_EXPR_STRING:
        nv_promql_print_string(out, expr->string);
        return;
    case NV_EXPR_SELECTOR:
        print_selector(out, &expr->selector);
        return;
    case NV_EXPR_SUBQUERY:
        print(out, expr->subquery.expr);
        nv_print_subquery_range(out, &expr->subquery);
        return;
    case NV_EXPR_CALL:
        print_call(out, &expr->call);
        return;
    case NV_EXPR_AGGREGATION:
        print_aggregation(out, &expr->aggregation);
        return;
    case NV_EXPR_BINARY:
        print_binary(out, &expr->binary);
        return;
    case NV_EXPR_UNARY:
        nv_buf_text(out, nv_op_text(expr->unary.op));
        print(out, expr->unary.expr);
        return;
    default:
        nv_buf_char(out, '(');
        print(out, expr->paren);
        nv_buf_char(out, ')');
    }
}

void nv_promql_print(struct nv_buf *out, const struct nv_expr *expr)
{
    print(out, expr);
}

void nv_promql_print_labels(struct nv_buf *out, const struct nv_label *labels, size_t n)
{
    struct nv_str name = nv_label_value(labels, n, NV_LIT("__name__"));
    bool plain = name.n && nv_name_is_legacy_metric(name), any = name.n && !plain;

    if (plain)
        nv_buf_str(out, name);
    if (plain && n == 1)
        return;
    nv_buf_char(out, '{');
    if (any)
        nv_promql_print_string(out, name);
    for (size_t i = 0; i < n; i++) {
        if (nv_str_is(labels[i].name, "__name__"))
            continue;
        if (any)
            nv_buf_text(out, ", ");
        any = true;
        print_label_name(out, labels[i].name);
        nv_buf_char(out, '=');
        nv_promql_print_string(out, labels[i].value);
    }
    nv_buf_char(out, '}');
}
