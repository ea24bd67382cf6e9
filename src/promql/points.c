#include "promql/points.h"

#include <errno.h>
#include <math.h>

#include "promql/histogram_math.h"
#include "promql/lexer.h"

static bool word(struct nv_str *s, struct nv_str *ret)
{
    *s = nv_str_trim(*s);
    size_t n = 0, depth = 0;
    while (n < s->n && (depth || !nv_is_space(s->p[n]))) {
        depth += s->p[n] == '{';
        depth -= depth && s->p[n] == '}';
        n++;
    }
    *ret = (struct nv_str){s->p, n};
    *s = nv_str_from(*s, n);
    return n;
}

/* Numbers of a list a:[1 2 3]; the text begins behind the bracket. */
static const double *list(struct nv_str *s, struct nv_arena *arena, uint32_t *ret_n)
{
    struct nv_str inside = nv_str_cut(s, ']'), item;
    double *values = nv_arena_alloc(arena, (inside.n + 1) * sizeof(double));

    *ret_n = 0;
    while (values && word(&inside, &item))
        if (!nv_str_to_real(item, &values[(*ret_n)++]))
            return NULL;
    return values;
}

/* A whole number of a key such as schema or offset. */
static bool whole(double number, int32_t *ret)
{
    if (!(number >= -1e9 && number <= 1e9))
        return false;
    *ret = (int32_t)number;
    return true;
}

static const struct nv_span *one_span(struct nv_arena *arena, int32_t offset, uint32_t n)
{
    struct nv_span *span = nv_arena_alloc(arena, sizeof(*span));

    if (span)
        *span = (struct nv_span){offset, n};
    return span;
}

/* The inside of {{...}}. */
static int histogram(struct nv_str s, struct nv_arena *arena, const struct nv_histogram **ret,
                     bool *ret_hint)
{
    struct nv_histogram *h = nv_arena_alloc(arena, sizeof(*h));
    int32_t offset = 0, n_offset = 0;

    if (!h)
        return -ENOMEM;
    *h = (struct nv_histogram){.is_float = true};
    while (s = nv_str_trim(s), s.n) {
        struct nv_str key = nv_str_cut(&s, ':'), value;
        double number = 0;
        if (s.n && s.p[0] == '[') {
            s = nv_str_from(s, 1);
            if (nv_str_is(key, "buckets"))
                h->positive = list(&s, arena, &h->n_positive);
            else if (nv_str_is(key, "n_buckets"))
                h->negative = list(&s, arena, &h->n_negative);
            else if (nv_str_is(key, "custom_values"))
                h->custom_values = list(&s, arena, &h->n_custom);
            else
                return -EINVAL;
            if ((h->n_positive && !h->positive) || (h->n_negative && !h->negative) ||
                (h->n_custom && !h->custom_values))
                return -EINVAL;
            continue;
        }
        word(&s, &value);
        if (nv_str_is(key, "counter_reset_hint")) {
            *ret_hint = true;
            h->reset_hint = nv_str_is(value, "reset")       ? NV_RESET_YES
                            : nv_str_is(value, "not_reset") ? NV_RESET_NO
                            : nv_str_is(value, "gauge")     ? NV_RESET_GAUGE
                                                            : NV_RESET_UNKNOWN;
            continue;
        }
        int32_t integer = 0;
        bool is_whole =
            nv_str_is(key, "schema") || nv_str_is(key, "offset") || nv_str_is(key, "n_offset");
        if (!nv_str_to_real(value, &number) || (is_whole && !whole(number, &integer)))
            return -EINVAL;
        if (nv_str_is(key, "schema"))
            h->schema = integer;
        else if (nv_str_is(key, "count"))
            h->count = number;
        else if (nv_str_is(key, "sum"))
            h->sum = number;
        else if (nv_str_is(key, "z_bucket"))
            h->zero_count = number;
        else if (nv_str_is(key, "z_bucket_w"))
            h->zero_threshold = number;
        else if (nv_str_is(key, "offset"))
            offset = integer;
        else if (nv_str_is(key, "n_offset"))
            n_offset = integer;
        else
            return -EINVAL;
    }
    h->n_positive_spans = h->n_positive > 0;
    h->n_negative_spans = h->n_negative > 0;
    h->positive_spans = one_span(arena, offset, h->n_positive);
    h->negative_spans = one_span(arena, n_offset, h->n_negative);
    *ret = h;
    return 0;
}

static int add_point(struct nv_arena *arena, struct nv_points *points, struct nv_point point)
{
    if (points->n == points->room) {
        size_t room = points->room ? points->room * 2 : 16;
        struct nv_point *larger = nv_arena_alloc(arena, room * sizeof(*larger));
        if (!larger)
            return -ENOMEM;
        if (points->n)
            memcpy(larger, points->at, points->n * sizeof(*larger));
        points->at = larger;
        points->room = room;
    }
    points->at[points->n++] = point;
    return 0;
}

static bool real(struct nv_str s, double *ret)
{
    int64_t ms;

    if (nv_str_to_real(s, ret))
        return true;
    bool minus = s.n && s.p[0] == '-';
    if (nv_duration_parse(minus ? nv_str_from(s, 1) : s, &ms) < 0)
        return false;
    *ret = (double)(minus ? -ms : ms) / 1000;
    return true;
}

/* One {{...}} in front of an item, which is cut off. */
static int braces(struct nv_str *item, struct nv_arena *arena, struct nv_point *ret)
{
    size_t end = 2;

    if (item->n < 4 || item->p[0] != '{' || item->p[1] != '{')
        return -EINVAL;
    while (end + 1 < item->n && !(item->p[end] == '}' && item->p[end + 1] == '}'))
        end++;
    if (end + 1 >= item->n)
        return -EINVAL;
    int r =
        histogram((struct nv_str){item->p + 2, end - 2}, arena, &ret->histogram, &ret->has_hint);
    *item = nv_str_from(*item, end + 2);
    return r;
}

/* The histogram of the next point: one step further. */
static int step_on(struct nv_arena *arena, struct nv_point *point, const struct nv_point *step,
                   bool down)
{
    uint8_t hint = point->histogram->reset_hint;
    struct nv_histogram *sum = NULL;

    int r = nv_histogram_combine(arena, point->histogram, step->histogram, down, &sum);
    if (r < 0 || !sum)
        return r < 0 ? r : -EINVAL;
    sum->reset_hint = hint;
    point->histogram = sum;
    return 0;
}

/* {{a}}, {{a}}xN, {{a}}+{{b}}xN */
static int histogram_points(struct nv_str item, struct nv_arena *arena, struct nv_points *ret)
{
    struct nv_point point = {0}, step = {0};
    uint64_t times = 0;
    char sign = 0;

    int r = braces(&item, arena, &point);
    if (r == 0 && item.n && (item.p[0] == '+' || item.p[0] == '-')) {
        sign = item.p[0];
        item = nv_str_from(item, 1);
        r = braces(&item, arena, &step);
    }
    if (r < 0)
        return r;
    if (item.n && (item.p[0] != 'x' || !nv_str_to_u64(nv_str_from(item, 1), &times)))
        return -EINVAL;
    for (uint64_t i = 0; r == 0 && i <= times; i++) {
        if (i && sign)
            r = step_on(arena, &point, &step, sign == '-');
        if (r == 0)
            r = add_point(arena, ret, point);
    }
    return r;
}

/* a, axN, a+bxN, a-bxN */
static int number_points(struct nv_str item, struct nv_arena *arena, struct nv_points *ret)
{
    struct nv_str count = item, value = nv_str_cut(&count, 'x');
    bool repeats = value.n < item.n;
    double first, step = 0;
    uint64_t times = 0;

    if (repeats && !nv_str_to_u64(count, &times))
        return -EINVAL;
    if (!real(value, &first)) {
        size_t at = value.n;
        while (at > 1) { /* the sign that parts the two: not one of an exponent */
            at--;
            if ((value.p[at] == '+' || value.p[at] == '-') &&
                real((struct nv_str){value.p, at}, &first))
                break;
        }
        if (at <= 1 && !real((struct nv_str){value.p, at}, &first))
            return -EINVAL;
        if (!real(nv_str_from(value, at + (value.p[at] == '+')), &step))
            return -EINVAL;
    }
    int r = 0;
    for (uint64_t i = 0; r == 0 && i <= times; i++) {
        r = add_point(arena, ret, (struct nv_point){.value = isnan(first) ? NAN : first});
        first += step;
    }
    return r;
}

static int items(struct nv_str item, struct nv_arena *arena, struct nv_points *ret)
{
    uint64_t times = 1;

    if (item.p[0] == '_') {
        if (item.n > 1 && (item.p[1] != 'x' || !nv_str_to_u64(nv_str_from(item, 2), &times)))
            return -EINVAL;
        for (uint64_t i = 0; i < times; i++)
            if (add_point(arena, ret, (struct nv_point){.is_missing = true}) < 0)
                return -ENOMEM;
        return 0;
    }
    if (nv_str_is(item, "stale"))
        return add_point(arena, ret, (struct nv_point){.value = nv_stale()});
    return item.p[0] == '{' ? histogram_points(item, arena, ret) : number_points(item, arena, ret);
}

/* Start times: _, _xN, -10s, -10sxN, -10s+1sxN */
static int start_items(struct nv_str item, struct nv_arena *arena, struct nv_points *ret)
{
    return item.p[0] == '_' ? items(item, arena, ret) : number_points(item, arena, ret);
}

/* Where the series ends and its points begin. */
static size_t series_length(struct nv_str s)
{
    char quote = 0;
    size_t i = 0;
    bool braces = false;

    for (; i < s.n; i++) {
        char c = s.p[i];
        if (quote) {
            i += c == '\\' && quote != '`';
            if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '\'' || c == '`') {
            quote = c;
        } else if (c == '{') {
            braces = true;
        } else if (c == '}') {
            return i + 1;
        } else if (c == '@' && !braces) { /* name@st */
            return i;
        } else if (nv_is_space(c) && !braces) {
            size_t next = i;
            while (next < s.n && nv_is_space(s.p[next]))
                next++;
            if (next + 1 >= s.n || s.p[next] != '{' || s.p[next + 1] == '{')
                return i;
        }
    }
    return s.n;
}

static int labels_of(struct nv_str text, struct nv_arena *arena, struct nv_points *ret)
{
    struct nv_promql promql;
    struct nv_promql_error error;
    struct nv_str trimmed = nv_str_trim(text);

    ret->labels = nv_arena_alloc(arena, (text.n + 1) * sizeof(struct nv_label));
    if (!ret->labels)
        return -ENOMEM;
    ret->n_labels = 0;
    if (nv_str_is(trimmed, "{}"))
        return 0;
    int r = nv_promql_parse_selector(text, arena, &promql, &error);
    if (r < 0)
        return r;
    const struct nv_selector *s = &promql.root->selector;
    for (size_t i = 0; i < s->n_matchers; i++) {
        if (s->matchers[i].op != NV_MATCH_EQUAL)
            r = -EINVAL;
        if (s->matchers[i].value.n)
            ret->labels[ret->n_labels++] =
                (struct nv_label){s->matchers[i].name, s->matchers[i].value};
    }
    if (ret->n_labels)
        nv_labels_sort(ret->labels, ret->n_labels);
    for (size_t i = 1; i < ret->n_labels; i++)
        if (nv_str_eq(ret->labels[i - 1].name, ret->labels[i].name))
            r = -EINVAL;
    nv_promql_done(&promql);
    return r;
}

int nv_points_parse(struct nv_str line, bool with_labels, struct nv_arena *arena,
                    struct nv_points *ret)
{
    struct nv_str item;
    int r = 0;

    *ret = (struct nv_points){0};
    if (with_labels) {
        size_t n = series_length(line);
        r = labels_of((struct nv_str){line.p, n}, arena, ret);
        line = nv_str_from(line, n);
    }
    bool starts = nv_str_starts(line, "@st ");
    if (starts)
        line = nv_str_from(line, 4);
    while (r == 0 && word(&line, &item))
        r = starts ? start_items(item, arena, ret) : items(item, arena, ret);
    if (!starts || r < 0)
        return r;
    ret->starts = nv_arena_alloc(arena, (ret->n + 1) * sizeof(int64_t));
    for (size_t i = 0; ret->starts && i < ret->n; i++)
        ret->starts[i] =
            ret->at[i].is_missing ? INT64_MIN : (int64_t)llround(ret->at[i].value * 1000);
    return ret->starts ? 0 : -ENOMEM;
}
