#include "support/promql_series.h"

#include <errno.h>

#include "base/assert.h"
#include "promql/histograms.h"
#include "promql/lexer.h"

struct sample {
    int64_t time, start;
    double value;
    const struct nv_histogram *histogram;
};

struct series {
    struct nv_label *labels;
    size_t n_labels, n, room;
    struct sample *at;
};

struct nv_memory_series {
    struct nv_arena arena;
    struct series **at;
    size_t n, room;
};

/* --- the notation --- */

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
        if (!nv_str_to_real(value, &number))
            return -EINVAL;
        if (nv_str_is(key, "schema"))
            h->schema = (int32_t)number;
        else if (nv_str_is(key, "count"))
            h->count = number;
        else if (nv_str_is(key, "sum"))
            h->sum = number;
        else if (nv_str_is(key, "z_bucket"))
            h->zero_count = number;
        else if (nv_str_is(key, "z_bucket_w"))
            h->zero_threshold = number;
        else if (nv_str_is(key, "offset"))
            offset = (int32_t)number;
        else if (nv_str_is(key, "n_offset"))
            n_offset = (int32_t)number;
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

/* {{a}}, {{a}}xN, {{a}}+{{b}}xN */
static int histogram_points(struct nv_str item, struct nv_arena *arena, struct nv_points *ret)
{
    struct nv_point point = {0}, step = {0};
    uint64_t times = 0;
    size_t end = 0;
    char sign = 0;

    while (end + 1 < item.n && !(item.p[end] == '}' && item.p[end + 1] == '}'))
        end++;
    int r =
        histogram((struct nv_str){item.p + 2, end - 2}, arena, &point.histogram, &point.has_hint);
    if (r < 0)
        return r;
    item = nv_str_from(item, end + 2);
    if (item.n > 4 && (item.p[0] == '+' || item.p[0] == '-')) {
        sign = item.p[0];
        item = nv_str_from(item, 1);
        for (end = 0; end + 1 < item.n && !(item.p[end] == '}' && item.p[end + 1] == '}'); end++)
            ;
        r = histogram((struct nv_str){item.p + 2, end - 2}, arena, &step.histogram, &step.has_hint);
        if (r < 0)
            return r;
        item = nv_str_from(item, end + 2);
    }
    if (item.n && (item.p[0] != 'x' || !nv_str_to_u64(nv_str_from(item, 1), &times)))
        return -EINVAL;
    for (uint64_t i = 0; r == 0 && i <= times; i++) {
        if (i && sign) {
            uint8_t hint = point.histogram->reset_hint;
            struct nv_histogram *sum = NULL;
            r = nv_histogram_combine(arena, point.histogram, step.histogram, sign == '-', &sum);
            if (r < 0)
                return r;
            sum->reset_hint = hint;
            point.histogram = sum;
        }
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

static int by_name(const void *a, const void *b)
{
    return nv_str_cmp(((const struct nv_label *)a)->name, ((const struct nv_label *)b)->name);
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
    for (size_t i = 0; i < s->n_matchers; i++)
        if (s->matchers[i].value.n)
            ret->labels[ret->n_labels++] =
                (struct nv_label){s->matchers[i].name, s->matchers[i].value};
    qsort(ret->labels, ret->n_labels, sizeof(struct nv_label), by_name);
    nv_promql_done(&promql);
    return 0;
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

/* --- the store --- */

struct nv_memory_series *nv_memory_series_new(void)
{
    struct nv_memory_series *memory = nv_must(calloc(1, sizeof(*memory)));

    memory->arena = NV_ARENA((size_t)1 << 30);
    return memory;
}

void nv_memory_series_free(struct nv_memory_series *memory)
{
    for (size_t i = 0; memory && i < memory->n; i++) {
        free(memory->at[i]->at);
        free(memory->at[i]);
    }
    if (memory) {
        free(memory->at);
        nv_arena_done(&memory->arena);
    }
    free(memory);
}

size_t nv_memory_series_count(const struct nv_memory_series *memory)
{
    return memory->n;
}

static struct series *series_of(struct nv_memory_series *memory, const struct nv_label *labels,
                                size_t n)
{
    for (size_t i = 0; i < memory->n; i++)
        if (memory->at[i]->n_labels == n &&
            nv_labels_compare(memory->at[i]->labels, n, labels, n) == 0)
            return memory->at[i];
    if (memory->n == memory->room) {
        memory->room = memory->room ? memory->room * 2 : 16;
        memory->at = nv_must(realloc(memory->at, memory->room * sizeof(*memory->at)));
    }
    struct series *s = memory->at[memory->n++] = nv_must(malloc(sizeof(*s)));
    *s = (struct series){nv_must(nv_arena_alloc(&memory->arena, (n + 1) * sizeof(*labels))), n};
    for (size_t i = 0; i < n; i++)
        s->labels[i] = (struct nv_label){nv_arena_str(&memory->arena, labels[i].name),
                                         nv_arena_str(&memory->arena, labels[i].value)};
    return s;
}

static void put(struct series *s, struct sample sample)
{
    if (s->n == s->room) {
        s->room = s->room ? s->room * 2 : 16;
        s->at = nv_must(realloc(s->at, s->room * sizeof(*s->at)));
    }
    size_t at = s->n++;
    for (; at && s->at[at - 1].time > sample.time; at--)
        s->at[at] = s->at[at - 1];
    s->at[at] = sample;
}

static const struct nv_histogram *copied(struct nv_memory_series *memory,
                                         const struct nv_histogram *h)
{
    struct nv_histogram *copy = NULL;

    nv_assert(nv_histogram_compact(&memory->arena, h, &copy) == 0);
    return copy;
}

void nv_memory_series_load(struct nv_memory_series *memory, const struct nv_points *points,
                           int64_t step_ms, const int64_t *starts)
{
    struct series *s = series_of(memory, points->labels, points->n_labels);

    for (size_t i = 0; i < points->n; i++) {
        const struct nv_point *p = &points->at[i];
        int64_t time = (int64_t)i * step_ms;
        if (p->is_missing)
            continue;
        put(s, (struct sample){time, starts && starts[i] != INT64_MIN ? time + starts[i] : 0,
                               p->value, p->histogram ? copied(memory, p->histogram) : NULL});
    }
}

struct found {
    size_t *at;
    int64_t from, to;
};

static int by_labels(const void *a, const void *b)
{
    const struct nv_selected *x = a, *y = b;

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

static const struct nv_queryable memory_queryable;

static int select_series(void *store, const struct nv_matcher *matchers, size_t n, int64_t from,
                         int64_t to, size_t limit, struct nv_selection *ret)
{
    struct nv_memory_series *memory = store;
    int64_t *range = nv_must(malloc(2 * sizeof(int64_t)));

    (void)limit;
    range[0] = from;
    range[1] = to;
    *ret = (struct nv_selection){.from = &memory_queryable, .handle = range};
    ret->series = nv_must(calloc(memory->n + 1, sizeof(*ret->series)));
    for (size_t i = 0; i < memory->n; i++) {
        struct series *s = memory->at[i];
        if (nv_matchers_fit(matchers, n, s->labels, s->n_labels))
            ret->series[ret->n++] = (struct nv_selected){s->labels, s->n_labels, s};
    }
    if (ret->n)
        qsort(ret->series, ret->n, sizeof(*ret->series), by_labels);
    return 0;
}

/* Hints as chunks of a store give them. */
static struct nv_histogram *hinted(struct nv_arena *arena, const struct nv_histogram *h,
                                   const struct nv_histogram *before)
{
    struct nv_histogram *copy = nv_must(nv_arena_alloc(arena, sizeof(*copy)));

    *copy = *h;
    if (h->reset_hint == NV_RESET_GAUGE)
        return copy;
    bool begins = !before || before->reset_hint == NV_RESET_GAUGE || nv_is_stale(before->sum) ||
                  h->reset_hint == NV_RESET_YES || before->schema != h->schema ||
                  before->zero_threshold != h->zero_threshold ||
                  nv_histogram_is_reset(arena, h, before) != 0;
    copy->reset_hint = begins ? NV_RESET_UNKNOWN : NV_RESET_NO;
    return copy;
}

static int read_series(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    const struct series *s = selection->series[i].handle;
    const int64_t *range = selection->handle;
    bool histograms = false, starts = false;
    const struct nv_histogram *before = NULL;

    samples->histogram_memory.max = (size_t)1 << 30;
    for (size_t k = 0; k < s->n; k++) {
        histograms |= s->at[k].histogram != NULL;
        starts |= s->at[k].start != 0;
    }
    if (nv_samples_room(samples, s->n) < 0)
        return -ENOMEM;
    if (histograms)
        samples->histograms = nv_must(calloc(samples->room + 1, sizeof(*samples->histograms)));
    if (starts)
        samples->starts = nv_must(calloc(samples->room + 1, sizeof(*samples->starts)));
    for (size_t k = 0; k < s->n; k++) {
        const struct sample *from = &s->at[k];
        const struct nv_histogram *h = NULL;
        if (from->histogram)
            h = hinted(&samples->histogram_memory, from->histogram, before);
        before = from->histogram;
        if (from->time < range[0] || from->time > range[1])
            continue;
        samples->times[samples->n] = from->time;
        samples->values[samples->n] = h ? NAN : from->value;
        if (histograms)
            samples->histograms[samples->n] = h;
        if (starts)
            samples->starts[samples->n] = from->start;
        samples->n++;
    }
    return 0;
}

static void release(struct nv_selection *selection)
{
    free(selection->series);
    free(selection->handle);
}

static const struct nv_queryable memory_queryable = {NULL, select_series, read_series, release};

struct nv_queryable nv_memory_series_queryable(struct nv_memory_series *memory)
{
    struct nv_queryable queryable = memory_queryable;

    queryable.store = memory;
    return queryable;
}

/* --- classic histograms as native ones --- */

static bool without_suffix(const struct series *s, const char *suffix, struct nv_label *out,
                           size_t *ret_n, struct nv_str *ret_le)
{
    size_t n = 0;
    bool fits = false;

    *ret_le = (struct nv_str){"", 0};
    for (size_t i = 0; i < s->n_labels; i++) {
        struct nv_label label = s->labels[i];
        if (nv_str_is(label.name, "le")) {
            *ret_le = label.value;
            continue;
        }
        if (nv_str_is(label.name, "__name__")) {
            fits = nv_str_ends(label.value, suffix);
            label.value.n -= fits ? strlen(suffix) : 0;
        }
        out[n++] = label;
    }
    *ret_n = n;
    return fits;
}

static const struct sample *sample_at(const struct series *s, int64_t time)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (s->at[i].time == time && !s->at[i].histogram)
            return &s->at[i];
    return NULL;
}

struct parts {
    struct nv_label *labels;
    size_t n_labels, n;
    struct {
        double bound;
        const struct series *series;
    } buckets[64];
    const struct series *count, *sum;
};

static struct parts *parts_of(struct parts *all, size_t *n, struct nv_memory_series *memory,
                              const struct nv_label *labels, size_t n_labels)
{
    for (size_t i = 0; i < *n; i++)
        if (all[i].n_labels == n_labels &&
            nv_labels_compare(all[i].labels, n_labels, labels, n_labels) == 0)
            return &all[i];
    struct parts *p = &all[(*n)++];
    *p = (struct parts){.n_labels = n_labels};
    p->labels = nv_must(nv_arena_alloc(&memory->arena, (n_labels + 1) * sizeof(*labels)));
    memcpy(p->labels, labels, n_labels * sizeof(*labels));
    return p;
}

static void convert_at(struct nv_memory_series *memory, const struct parts *p, int64_t time)
{
    struct nv_histogram *h = nv_must(nv_arena_alloc(&memory->arena, sizeof(*h)));
    double *counts = nv_must(nv_arena_alloc(&memory->arena, 65 * sizeof(double)));
    double *bounds = nv_must(nv_arena_alloc(&memory->arena, 65 * sizeof(double)));
    const struct sample *count = sample_at(p->count, time), *sum = sample_at(p->sum, time);
    double before = 0;
    uint32_t n = 0, n_bounds = 0;

    for (size_t i = 0; i < p->n; i++) {
        const struct sample *s = sample_at(p->buckets[i].series, time);
        if (!s || nv_is_stale(s->value))
            continue;
        counts[n++] = s->value - before;
        before = s->value;
        if (!isinf(p->buckets[i].bound))
            bounds[n_bounds++] = p->buckets[i].bound;
    }
    if (!n && !count)
        return;
    double total = count ? count->value : before;
    if (n == n_bounds)
        counts[n++] = total - before;
    *h = (struct nv_histogram){.schema = NV_HISTOGRAM_CUSTOM,
                               .is_float = true,
                               .count = total,
                               .sum = sum ? sum->value : 0,
                               .positive = counts,
                               .n_positive = n,
                               .custom_values = bounds,
                               .n_custom = n_bounds,
                               .positive_spans = one_span(&memory->arena, 0, n),
                               .n_positive_spans = 1};
    put(series_of(memory, p->labels, p->n_labels), (struct sample){time, 0, NAN, h});
}

int nv_memory_series_convert(struct nv_memory_series *memory, size_t first)
{
    size_t n_series = memory->n, n = 0;
    struct parts *all = nv_must(calloc(n_series + 1, sizeof(*all)));

    for (size_t i = first; i < n_series; i++) {
        const struct series *s = memory->at[i];
        struct nv_label labels[64];
        size_t n_labels;
        struct nv_str le;
        double bound;
        if (s->n_labels > 64)
            continue;
        if (without_suffix(s, "_bucket", labels, &n_labels, &le)) {
            if (!nv_str_to_real(le, &bound))
                continue;
            struct parts *p = parts_of(all, &n, memory, labels, n_labels);
            size_t at = p->n++;
            for (; at && p->buckets[at - 1].bound > bound; at--)
                p->buckets[at] = p->buckets[at - 1];
            p->buckets[at].bound = bound;
            p->buckets[at].series = s;
        } else if (without_suffix(s, "_count", labels, &n_labels, &le)) {
            parts_of(all, &n, memory, labels, n_labels)->count = s;
        } else if (without_suffix(s, "_sum", labels, &n_labels, &le)) {
            parts_of(all, &n, memory, labels, n_labels)->sum = s;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (int64_t step = 0; all[i].n && step < 100000; step++) {
            /* Every time at which the first of the buckets has a sample; the others share it. */
            const struct series *s = all[i].buckets[0].series;
            if ((size_t)step >= s->n)
                break;
            convert_at(memory, &all[i], s->at[step].time);
        }
    }
    free(all);
    return 0;
}
