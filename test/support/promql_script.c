#include "support/promql_script.h"

#include <errno.h>
#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "promql/eval.h"
#include "promql/histogram_math.h"
#include "promql/function.h"
#include "promql/lexer.h"
#include "support/promql_series.h"

enum { EXPECT_MAX = 32 };

struct expectation {
    char severity; /* 'w', 'i', 'f' */
    bool has_text, is_regex;
    struct nv_str text;
};

struct script {
    const char *path;
    struct nv_str rest; /* lines to come */
    unsigned line;
    struct nv_memory_series *memory;
    struct nv_arena arena; /* of one command */
    nv_script_fn fn;
    void *user;
    struct nv_script_totals *totals;
};

/* One eval. */
struct eval_case {
    struct script *script;
    struct nv_str expression, string;
    bool is_range, is_ordered, fails, no_warn, no_info, has_string, has_matrix, has_scalar;
    bool old_warn, old_info;
    int64_t start, end, step;  /* of the query; start is the time of an instant one */
    int64_t first, count_step; /* of the expected points of a matrix */
    double scalar;
    struct expectation expect[EXPECT_MAX];
    size_t n_expect;
    struct nv_points *series;
    size_t n, room;
    char problem[1024];
};

static bool next_line(struct script *s, struct nv_str *ret)
{
    if (!s->rest.n)
        return false;
    *ret = nv_str_trim(nv_str_cut(&s->rest, '\n'));
    s->line++;
    if (ret->n && ret->p[0] == '#')
        ret->n = 0;
    return true;
}

static struct nv_str first_word(struct nv_str *s)
{
    *s = nv_str_trim(*s);
    size_t n = 0;
    while (n < s->n && !nv_is_space(s->p[n]))
        n++;
    struct nv_str word = {s->p, n};
    *s = nv_str_trim(nv_str_from(*s, n));
    return word;
}

static bool duration(struct nv_str text, int64_t *ret)
{
    bool minus = text.n && text.p[0] == '-';
    double seconds;

    if (minus)
        text = nv_str_from(text, 1);
    if (nv_duration_parse(text, ret) < 0) {
        if (!nv_str_to_real(text, &seconds))
            return false;
        *ret = (int64_t)(seconds * 1000);
    }
    if (minus)
        *ret = -*ret;
    return true;
}

__attribute__((format(printf, 2, 3))) static bool differs(struct eval_case *c, const char *format,
                                                          ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(c->problem, sizeof(c->problem), format, args);
    va_end(args);
    return false;
}

static bool alike(double a, double b)
{
    if (nv_is_stale(a) || nv_is_stale(b))
        return nv_is_stale(a) && nv_is_stale(b);
    if ((isnan(a) && isnan(b)) || a == b)
        return true;
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN)
        return difference < 1e-6 * DBL_MIN;
    return difference / fmin(sum, DBL_MAX) < 1e-6;
}

static bool histograms_alike(const struct nv_point *want, const struct nv_histogram *got)
{
    struct nv_arena arena = NV_ARENA(16 << 20);
    const struct nv_histogram *h = want->histogram;
    size_t n = 0, m = 0;
    const struct nv_bucket *a = nv_histogram_buckets(&arena, h, &n),
                           *b = nv_histogram_buckets(&arena, got, &m);
    bool same = h->schema == got->schema && alike(h->count, got->count) &&
                alike(h->sum, got->sum) && h->zero_threshold == got->zero_threshold &&
                alike(h->zero_count, got->zero_count) && h->n_custom == got->n_custom &&
                (!h->n_custom ||
                 memcmp(h->custom_values, got->custom_values, h->n_custom * sizeof(double)) == 0) &&
                (!want->has_hint || h->reset_hint == got->reset_hint) && n == m;

    for (size_t i = 0; same && i < n; i++)
        same = a[i].side == b[i].side && a[i].index == b[i].index && alike(a[i].count, b[i].count);
    nv_arena_done(&arena);
    return same;
}

static bool point_alike(struct eval_case *c, const struct nv_point *want, double value,
                        const struct nv_histogram *h)
{
    NV_AUTO_BUF a = NV_BUF(400), b = NV_BUF(400);

    if (want->histogram ? h && histograms_alike(want, h) : !h && alike(want->value, value))
        return true;
    if (want->histogram)
        nv_histogram_print(&a, want->histogram);
    else
        nv_buf_printf(&a, "%.17g", want->value);
    if (h)
        nv_histogram_print(&b, h);
    else
        nv_buf_printf(&b, "%.17g", value);
    return differs(c, "expected %s, got %s", nv_buf_c_string(&a), nv_buf_c_string(&b));
}

static const struct nv_promql_series *find(const struct nv_promql_result *result,
                                           const struct nv_points *want)
{
    for (size_t i = 0; i < result->n; i++)
        if (result->series[i].n_labels == want->n_labels &&
            nv_labels_compare(result->series[i].labels, want->n_labels, want->labels,
                              want->n_labels) == 0)
            return &result->series[i];
    return NULL;
}

/* All points of one expected series, at first + i * step. */
static bool series_alike(struct eval_case *c, const struct nv_points *want,
                         const struct nv_promql_series *got, int64_t first, int64_t step)
{
    size_t at = 0;

    for (size_t i = 0; i < want->n; i++) {
        int64_t time = first + (int64_t)i * step;
        if (want->at[i].is_missing)
            continue;
        if (at == got->n || got->times[at] != time)
            return differs(c, "expected a point at %lld, got none", (long long)time);
        if (!point_alike(c, &want->at[i], got->values[at],
                         got->histograms ? got->histograms[at] : NULL))
            return false;
        at++;
    }
    return at == got->n || differs(c, "expected %zu points, got %zu", at, got->n);
}

static void labels_text(struct nv_buf *out, const struct nv_label *labels, size_t n)
{
    nv_promql_print_labels(out, labels, n);
}

static bool matrix_alike(struct eval_case *c, const struct nv_promql_result *result, int64_t first,
                         int64_t step)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct nv_promql_series *got = find(result, &c->series[i]);
        NV_AUTO_BUF text = NV_BUF(400);
        size_t points = 0;
        for (size_t k = 0; k < c->series[i].n; k++)
            points += !c->series[i].at[k].is_missing;
        if (!points)
            continue;
        labels_text(&text, c->series[i].labels, c->series[i].n_labels);
        if (!got)
            return differs(c, "expected series %s, got none", nv_buf_c_string(&text));
        if (c->is_ordered && got != &result->series[i])
            return differs(c, "expected series %s at place %zu, got another",
                           nv_buf_c_string(&text), i + 1);
        if (!series_alike(c, &c->series[i], got, first, step)) {
            size_t n = strlen(c->problem);
            snprintf(c->problem + n, sizeof(c->problem) - n, " in %s", nv_buf_c_string(&text));
            return false;
        }
    }
    for (size_t i = 0; i < result->n; i++) {
        bool known = false;
        NV_AUTO_BUF text = NV_BUF(400);
        for (size_t k = 0; k < c->n; k++)
            known |= find(result, &c->series[k]) == &result->series[i];
        labels_text(&text, result->series[i].labels, result->series[i].n_labels);
        if (!known)
            return differs(c, "expected no series %s, got one", nv_buf_c_string(&text));
    }
    return true;
}

static bool text_fits(const struct expectation *e, struct nv_str text)
{
    char error[NV_REGEX_ERROR_MAX];
    struct nv_regex *regex = NULL;

    if (!e->has_text)
        return true;
    if (!e->is_regex)
        return nv_str_eq(e->text, text);
    if (nv_regex_new(e->text, NV_REGEX_SEARCH, &regex, error) < 0)
        return false;
    bool fits = nv_regex_match(regex, text);
    nv_regex_free(regex);
    return fits;
}

static bool annotations_alike(struct eval_case *c, const struct nv_promql_result *result)
{
    for (int warn = 0; warn < 2; warn++) {
        char severity = warn ? 'w' : 'i';
        bool wanted = false, any = false;
        for (size_t k = 0; k < c->n_expect; k++)
            wanted |= c->expect[k].severity == severity;
        for (size_t i = 0; i < result->n_annotations; i++) {
            const struct nv_annotation *a = &result->annotations[i];
            bool met = false;
            if (a->is_warning != warn)
                continue;
            any = true;
            if (warn ? c->no_warn : c->no_info)
                return differs(c, "expected no remark, got %.*s", NV_ARGS(a->text));
            for (size_t k = 0; k < c->n_expect; k++)
                met |= c->expect[k].severity == severity && text_fits(&c->expect[k], a->text);
            if (wanted && !met)
                return differs(c, "expected another remark, got %.*s", NV_ARGS(a->text));
        }
        if ((warn ? c->old_warn : c->old_info) && !any)
            return differs(c, "expected a remark, got none");
        for (size_t k = 0; k < c->n_expect; k++) {
            bool met = false;
            for (size_t i = 0; i < result->n_annotations; i++)
                met |= result->annotations[i].is_warning == warn &&
                       text_fits(&c->expect[k], result->annotations[i].text);
            if (c->expect[k].severity == severity && !met)
                return differs(c, "expected the remark %.*s, got none", NV_ARGS(c->expect[k].text));
        }
    }
    return true;
}

static bool failure_alike(struct eval_case *c, const struct nv_promql_result *result)
{
    if (!c->fails)
        return differs(c, "expected no error, got %s", result->error);
    for (size_t k = 0; k < c->n_expect; k++)
        if (c->expect[k].severity == 'f' && !text_fits(&c->expect[k], nv_str(result->error)))
            return differs(c, "expected the error %.*s, got %s", NV_ARGS(c->expect[k].text),
                           result->error);
    return true;
}

static int run(struct eval_case *c, struct nv_str text, bool is_range, int64_t start, int64_t end,
               int64_t step, struct nv_arena *arena, struct nv_promql_result *ret)
{
    struct nv_promql promql;
    struct nv_promql_error error;
    struct nv_queryable queryable = nv_memory_series_queryable(c->script->memory);
    struct nv_promql_options options = {
        .features = NV_PROMQL_ALL, .max_samples = 10000, .max_memory = (size_t)256 << 20};

    *ret = (struct nv_promql_result){0};
    int r = nv_promql_parse(text, NV_PROMQL_ALL, arena, &promql, &error);
    if (r < 0) {
        snprintf(ret->error, sizeof(ret->error), "%s", error.text);
        return r;
    }
    if (is_range)
        r = nv_promql_eval(&promql, &queryable, start, end, step, &options, ret);
    else
        r = nv_promql_eval_at(&promql, &queryable, start, &options, ret);
    nv_promql_done(&promql);
    return r;
}

static bool result_alike(struct eval_case *c, const struct nv_promql_result *result, int64_t time)
{
    if (c->has_string)
        return (result->type == NV_VALUE_STRING && nv_str_eq(result->string, c->string)) ||
               differs(c, "expected \"%.*s\", got \"%.*s\"", NV_ARGS(c->string),
                       NV_ARGS(result->string));
    if (c->has_scalar) {
        if (result->type != NV_VALUE_SCALAR)
            return differs(c, "expected a scalar, got another type");
        return point_alike(c, &(struct nv_point){.value = c->scalar}, result->series[0].values[0],
                           NULL);
    }
    if (c->is_range)
        return matrix_alike(c, result, c->start, c->step);
    if (c->has_matrix)
        return matrix_alike(c, result, c->first, c->count_step);
    return matrix_alike(c, result, time, 1);
}

static bool check(struct eval_case *c, struct nv_str text, int64_t time)
{
    struct nv_arena arena = NV_ARENA(64 << 20);
    struct nv_promql_result result;
    int r =
        run(c, text, c->is_range, c->is_range ? c->start : time, c->end, c->step, &arena, &result);
    bool good = r < 0      ? failure_alike(c, &result)
                : c->fails ? differs(c, "expected an error, got none")
                           : annotations_alike(c, &result) && result_alike(c, &result, time);

    nv_promql_result_done(&result);
    nv_arena_done(&arena);
    return good;
}

/* As a range of three steps around the time; the middle one must be the same. */
static bool check_range(struct eval_case *c, struct nv_str text, int64_t time)
{
    struct nv_arena arena = NV_ARENA(64 << 20);
    struct nv_promql_result result;
    int r = run(c, text, true, time - 60000, time + 60000, 60000, &arena, &result);
    bool good = r < 0 ? failure_alike(c, &result) : true;

    if (r == 0 && !c->fails && !c->is_ordered) {
        size_t n = 0;
        for (size_t i = 0; i < result.n; i++) { /* the middle alone */
            struct nv_promql_series *s = &result.series[i];
            size_t k = 0;
            while (k < s->n && s->times[k] != time)
                k++;
            if (k == s->n)
                continue;
            s->times += k;
            s->values += k;
            s->histograms = s->histograms ? s->histograms + k : NULL;
            s->n = 1;
            result.series[n++] = *s;
        }
        result.n = n;
        if (c->has_scalar)
            good = n == 1 && point_alike(c, &(struct nv_point){.value = c->scalar},
                                         result.series[0].values[0], NULL);
        else
            good = matrix_alike(c, &result, time, 1);
    }
    nv_promql_result_done(&result);
    nv_arena_done(&arena);
    return good;
}

/* Gives every selector and subquery an `@` that has none. Returns false where a function forbids it. */
static bool fix_time(struct nv_expr *e, int64_t time)
{
    struct nv_when *when = e->kind == NV_EXPR_SELECTOR   ? &e->selector.when
                           : e->kind == NV_EXPR_SUBQUERY ? &e->subquery.when
                                                         : NULL;
    bool good = true;

    if (when && when->at == NV_AT_NONE) {
        when->at = NV_AT_TIME;
        when->at_ms = time;
    }
    switch (e->kind) {
    case NV_EXPR_CALL:
        if (e->call.function->flags & NV_FUNCTION_UNSAFE)
            return false;
        for (size_t i = 0; i < e->call.n; i++)
            good &=
                (e->call.function->id == NV_FN_INFO && i == 1) || fix_time(e->call.args[i], time);
        return good;
    case NV_EXPR_AGGREGATION:
        return fix_time(e->aggregation.expr, time) &&
               (!e->aggregation.parameter || fix_time(e->aggregation.parameter, time));
    case NV_EXPR_BINARY:
        return fix_time(e->binary.left, time) && fix_time(e->binary.right, time);
    case NV_EXPR_UNARY:
        return fix_time(e->unary.expr, time);
    case NV_EXPR_PAREN:
        return fix_time(e->paren, time);
    default:
        return true;
    }
}

/* Unsafe functions within a subquery count, too. */
static bool has_unsafe(const struct nv_expr *e)
{
    if (e->kind == NV_EXPR_SUBQUERY)
        return !fix_time(e->subquery.expr, 0);
    if (e->kind == NV_EXPR_CALL) {
        for (size_t i = 0; i < e->call.n; i++)
            if (has_unsafe(e->call.args[i]))
                return true;
    }
    return false;
}

static bool depends_on_range(struct nv_str text)
{
    return nv_str_contains(text, "start()") || nv_str_contains(text, "end()") ||
           nv_str_contains(text, "range()") || nv_str_contains(text, "step()");
}

static bool check_fixed(struct eval_case *c)
{
    struct nv_arena arena = NV_ARENA(64 << 20);
    NV_AUTO_BUF text = NV_BUF(1 << 16);
    struct nv_promql promql;
    struct nv_promql_error error;
    int64_t t = c->start, times[] = {-10 * t, 0, t / 5, t, 10 * t};
    bool good = true;

    if (t == 0) {
        times[0] = -1000;
        times[4] = 1000;
    }
    int r = nv_promql_parse(c->expression, NV_PROMQL_ALL, &arena, &promql, &error);
    if (r < 0)
        return differs(c, "%s", error.text);
    if (fix_time(promql.root, t)) {
        nv_promql_print(&text, promql.root);
        for (size_t i = 0; good && i < 5; i++) {
            good = check(c, nv_buf_view(&text), times[i]);
            if (good && !c->has_string && !c->has_matrix && !depends_on_range(nv_buf_view(&text)))
                good = check_range(c, nv_buf_view(&text), times[i]);
            if (!good) {
                size_t n = strlen(c->problem);
                snprintf(c->problem + n, sizeof(c->problem) - n, " (%s at %lld ms)",
                         nv_buf_c_string(&text), (long long)times[i]);
            }
        }
    }
    nv_promql_done(&promql);
    nv_arena_done(&arena);
    return good;
}

static bool check_case(struct eval_case *c)
{
    struct nv_arena arena = NV_ARENA(64 << 20);
    struct nv_promql promql;
    struct nv_promql_error error;
    bool unsafe = true;

    if (!check(c, c->expression, c->start) || c->is_range)
        return !c->problem[0];
    if (nv_promql_parse(c->expression, NV_PROMQL_ALL, &arena, &promql, &error) == 0) {
        unsafe = has_unsafe(promql.root);
        nv_promql_done(&promql);
    }
    nv_arena_done(&arena);
    if (!unsafe && !check_fixed(c))
        return false;
    if (c->has_string || c->has_matrix || depends_on_range(c->expression))
        return true;
    bool good = check_range(c, c->expression, c->start);
    size_t n = strlen(c->problem);
    if (!good)
        snprintf(c->problem + n, sizeof(c->problem) - n, " (as a range)");
    return good;
}

static int broken(struct script *s, const char *what)
{
    s->fn(s->path, s->line, what, s->user);
    return -EBADMSG;
}

static int load(struct script *s, struct nv_str line)
{
    bool convert = nv_str_starts(line, "load_with_nhcb");
    size_t first = nv_memory_series_count(s->memory);
    struct nv_points points, starts = {0};
    int64_t step;

    first_word(&line);
    if (!duration(first_word(&line), &step))
        return broken(s, "bad step");
    while (next_line(s, &line) && line.n) {
        if (nv_points_parse(line, true, &s->arena, &points) < 0)
            return broken(s, "bad series");
        if (points.starts) {
            starts = points;
            continue;
        }
        nv_memory_series_load(s->memory, &points, step, starts.starts);
        starts = (struct nv_points){0};
    }
    return convert ? nv_memory_series_convert(s->memory, first) : 0;
}

static bool expect_line(struct eval_case *c, struct nv_str line)
{
    struct nv_str what;
    char error[160];

    first_word(&line);
    what = first_word(&line);
    if (nv_str_is(what, "ordered"))
        return c->is_ordered = true;
    if (nv_str_is(what, "no_warn"))
        return c->no_warn = true;
    if (nv_str_is(what, "no_info"))
        return c->no_info = true;
    if (nv_str_is(what, "string")) {
        c->has_string = true;
        return nv_unquote(line, &c->script->arena, &c->string, error) == 0;
    }
    if (nv_str_is(what, "range")) {
        int64_t end;
        c->has_matrix = true;
        first_word(&line);
        first_word(&line);
        bool good = duration(first_word(&line), &c->first);
        first_word(&line);
        good &= duration(first_word(&line), &end);
        first_word(&line);
        return good & duration(first_word(&line), &c->count_step);
    }
    if (c->n_expect == EXPECT_MAX)
        return false;
    struct expectation *e = &c->expect[c->n_expect++];
    e->severity = what.p[0];
    c->fails |= e->severity == 'f';
    if (nv_str_starts(line, "msg:") || nv_str_starts(line, "regex:")) {
        e->is_regex = line.p[0] == 'r';
        e->has_text = true;
        e->text = nv_str_trim(nv_str_from(line, e->is_regex ? 6 : 4));
    }
    return nv_str_is(what, "fail") || nv_str_is(what, "warn") || nv_str_is(what, "info");
}

static bool result_line(struct eval_case *c, struct nv_str line)
{
    bool old = nv_str_starts(line, "expected_fail_message ");

    if (nv_str_starts(line, "expect "))
        return expect_line(c, line);
    if (old || nv_str_starts(line, "expected_fail_regexp ")) {
        first_word(&line);
        c->expect[c->n_expect++] = (struct expectation){'f', true, !old, line};
        return true;
    }
    if (nv_str_to_real(line, &c->scalar))
        return c->has_scalar = true;
    if (c->n == c->room) {
        c->room = c->room ? c->room * 2 : 16;
        c->series = nv_must(realloc(c->series, c->room * sizeof(*c->series)));
    }
    return nv_points_parse(line, true, &c->script->arena, &c->series[c->n++]) == 0;
}

static bool eval_line(struct eval_case *c, struct nv_str line)
{
    struct nv_str word = first_word(&line);

    c->fails = nv_str_is(word, "eval_fail");
    c->old_warn = nv_str_is(word, "eval_warn");
    c->old_info = nv_str_is(word, "eval_info");
    c->is_ordered = nv_str_is(word, "eval_ordered");
    c->is_range = nv_str_is(first_word(&line), "range");
    first_word(&line); /* at, from */
    bool good = duration(first_word(&line), &c->start);
    if (c->is_range) {
        first_word(&line);
        good &= duration(first_word(&line), &c->end);
        first_word(&line);
        good &= duration(first_word(&line), &c->step);
    }
    c->expression = line;
    return good;
}

static int eval(struct script *s, struct nv_str line)
{
    struct eval_case c = {.script = s};
    unsigned at = s->line;
    bool good = eval_line(&c, line);

    while (good && next_line(s, &line) && line.n)
        good = result_line(&c, line);
    if (!good) {
        free(c.series);
        return broken(s, "bad line");
    }
    good = check_case(&c);
    if (!good) {
        char text[2048];
        snprintf(text, sizeof(text), "%.*s: %s", (int)(c.expression.n > 300 ? 300 : c.expression.n),
                 c.expression.p, c.problem);
        s->fn(s->path, at, text, s->user);
    }
    s->totals->passed += good;
    s->totals->failed += !good;
    free(c.series);
    return 0;
}

static int commands(struct script *s)
{
    struct nv_str line;
    int r = 0;

    while (r == 0 && next_line(s, &line)) {
        if (!line.n)
            continue;
        nv_arena_reset(&s->arena);
        if (nv_str_is(line, "clear")) {
            nv_memory_series_free(s->memory);
            s->memory = nv_memory_series_new();
        } else if (nv_str_starts(line, "load")) {
            r = load(s, line);
        } else if (nv_str_starts(line, "eval")) {
            r = eval(s, line);
        } else {
            r = broken(s, "unknown command");
        }
    }
    return r;
}

int nv_promql_script(const char *path, nv_script_fn fn, void *user, struct nv_script_totals *ret)
{
    NV_AUTO_BUF text = NV_BUF(16 << 20);
    FILE *file = fopen(path, "re");
    char block[4096];
    size_t n;

    *ret = (struct nv_script_totals){0};
    if (!file)
        return -ENOENT;
    while ((n = fread(block, 1, sizeof(block), file)))
        nv_buf_add(&text, block, n);
    fclose(file);
    struct script s = {.path = path,
                       .rest = nv_buf_view(&text),
                       .memory = nv_memory_series_new(),
                       .arena = NV_ARENA((size_t)256 << 20),
                       .fn = fn,
                       .user = user,
                       .totals = ret};
    int r = commands(&s);
    nv_memory_series_free(s.memory);
    nv_arena_done(&s.arena);
    return r;
}
