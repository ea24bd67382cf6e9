/*
 * rate.c - how much a counter or gauge moved within a window.
 */
#include "promql/eval_parts.h"
#include "promql/histograms.h"
#include "promql/slide.h"

static bool is_counter(enum nv_function_id id)
{
    return id != NV_FN_DELTA && id != NV_FN_IDELTA;
}

/* Whether the counter began anew between two samples, as far as start times tell. */
bool nv_restarted(const int64_t *times, const int64_t *starts, size_t i)
{
    if (!starts)
        return false;
    int64_t before = times[i - 1], start = starts[i], last = starts[i - 1];
    if (!start || start >= times[i] || start < before)
        return false;
    return start > before || (last && last < before);
}

static bool restarted(const struct nv_window *w, size_t i)
{
    return w->starts && nv_restarted(w->times, w->starts, i);
}

/* A counter cannot have begun before its last sample, unless it is the same counter still. */
void nv_note_overlaps(struct nv_eval *ev, const struct nv_ranged *call, const int64_t *times,
                      const int64_t *starts, size_t n)
{
    uint64_t many = 0;

    for (size_t i = 1; starts && i < n; i++)
        many +=
            starts[i] && starts[i - 1] && starts[i] != starts[i - 1] && starts[i] < times[i - 1];
    if (many)
        nv_count_overlaps(ev, call->source, call->name, many);
}

bool nv_is_reset(const struct nv_window *w, size_t i)
{
    return w->values[i] < w->values[i - 1] || restarted(w, i);
}

static int increase(struct nv_eval *ev, const struct nv_window *w, bool counter, double *ret)
{
    const uint32_t *resets;
    size_t n = 0;
    int r = counter ? nv_slide_events(ev, w, nv_is_reset, &resets, &n) : 0;

    *ret = w->values[w->n - 1] - w->values[0];
    for (size_t i = 0; r == 0 && i < n; i++)
        *ret += w->all->values[resets[i] - 1];
    return r;
}

double nv_extrapolation(const struct nv_stretch *s, double d, double first, bool counter)
{
    double span = (double)(s->last_ms - s->first_ms) / 1000;
    double average = span / (double)s->n_gaps, limit = average * 1.1;
    double to_start = (double)(s->first_ms - s->from_ms) / 1000;
    double to_end = (double)(s->to_ms - s->last_ms) / 1000;

    if (s->starts_here)
        to_start = 0;
    if (to_start >= limit)
        to_start = average / 2;
    if (counter && d > 0 && first >= 0 && !s->starts_here) {
        double to_zero = span * (first / d);
        if (to_zero < to_start)
            to_start = to_zero;
    }
    if (to_end >= limit)
        to_end = average / 2;
    return span == 0 ? 1 : (span + to_start + to_end) / span;
}

/* Where series carry their type it tells, else the ending of the name. */
static void check_counter_type(struct nv_eval *ev, const struct nv_ranged *call)
{
    struct nv_str type = nv_label_value(call->labels, call->n_labels, NV_LIT("__type__"));

    if (nv_str_is(type, "counter") || nv_str_is(type, "histogram"))
        return;
    nv_annotate(ev, false, call->source,
                "metric might not be a counter, __type__ label is not set to \"counter\" or "
                "\"histogram\", got %s: %s",
                nv_quoted(ev, type), nv_quoted(ev, call->name));
}

static bool looks_like_counter(struct nv_str name)
{
    return nv_str_ends(name, "_total") || nv_str_ends(name, "_sum") ||
           nv_str_ends(name, "_count") || nv_str_ends(name, "_bucket");
}

static void note_counter(struct nv_eval *ev, const struct nv_ranged *call,
                         const struct nv_window *w)
{
    if (w->slider->noted)
        return;
    w->slider->noted = true;
    if (ev->options.features & NV_PROMQL_TYPE_AND_UNIT)
        check_counter_type(ev, call);
    else if (call->name.n && !looks_like_counter(call->name))
        nv_annotate(ev, false, call->source,
                    "metric might not be a counter, name does not end in "
                    "_total/_sum/_count/_bucket: %s",
                    nv_quoted(ev, call->name));
}

static double between(const struct nv_window *w, size_t left, int64_t at, bool counter,
                      bool left_edge)
{
    double a = w->values[left], b = w->values[left + 1];

    if (counter && b < a) { /* a reset between them: it began at zero */
        if (left_edge)
            a = 0;
        else
            b += a;
    }
    return a +
           (b - a) * (double)(at - w->times[left]) / (double)(w->times[left + 1] - w->times[left]);
}

/* The last sample at or before the left end of the window, or else the first one. */
static size_t left_edge(const int64_t *times, size_t n, const struct nv_window *w)
{
    size_t i = 0;

    while (i + 1 < n && times[i + 1] <= w->from_ms)
        i++;
    return i;
}

bool nv_edges_of(const int64_t *times, size_t n, const struct nv_window *w, bool smooth,
                 size_t *ret_first, size_t *ret_last)
{
    size_t last = n ? n - 1 : 0;

    while (smooth && last && times[last - 1] >= w->to_ms)
        last--;
    *ret_first = n ? left_edge(times, n, w) : 0;
    *ret_last = last;
    return n && times[last] > w->from_ms;
}

/* Which samples stand at both ends, and the values there. False where no sample is within. */
bool nv_window_edges(const struct nv_window *w, bool smooth, bool counter, struct nv_edges *ret)
{
    size_t first, last;

    if (!nv_edges_of(w->times, w->n, w, smooth, &first, &last))
        return false;
    *ret = (struct nv_edges){first, last, w->values[first], w->values[last]};
    if (smooth && w->times[first] < w->from_ms)
        ret->left = between(w, first, w->from_ms, counter, true);
    if (smooth && last && w->times[last] > w->to_ms)
        ret->right = between(w, last - 1, w->to_ms, counter, false);
    return true;
}

/* Between the values at both ends, without extrapolation. */
static int edged_rate(const struct nv_ranged *call, const struct nv_window *w, double *ret)
{
    bool smooth = call->source->selector.edge == NV_EDGE_SMOOTHED, counter = is_counter(call->id);
    struct nv_edges e;

    if (!nv_window_edges(w, smooth, counter, &e))
        return 0;
    double left = e.left, right = e.right, correction = 0, before = left;
    for (size_t i = e.first + 1; i < e.last; i++) {
        if (w->values[i] < before)
            correction += before;
        before = w->values[i];
    }
    if (right < before)
        correction += before;
    *ret = right - left + (counter ? correction : 0);
    if (call->id == NV_FN_RATE)
        *ret /= (double)(w->to_ms - w->from_ms) / 1000;
    return 1;
}

static int floats_rate(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                       double *ret)
{
    bool counter = is_counter(call->id);
    int64_t start = w->starts ? w->starts[0] : 0;
    bool starts_here = counter && start && start > w->from_ms && start < w->times[0];

    if (w->n < 2 && !starts_here)
        return 0;
    double d;
    if (counter)
        nv_note_overlaps(ev, call, w->times, w->starts, w->n);
    int r = increase(ev, w, counter, &d);
    if (r < 0)
        return r;
    if (starts_here)
        d += w->values[0];
    struct nv_stretch s = {starts_here ? start : w->times[0],
                           w->times[w->n - 1],
                           w->from_ms,
                           w->to_ms,
                           w->n - 1 + starts_here,
                           starts_here};
    *ret = d * nv_extrapolation(&s, d, w->values[0], counter);
    if (call->id == NV_FN_RATE)
        *ret /= (double)(w->to_ms - w->from_ms) / 1000;
    return 1;
}

int nv_window_rate(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                   double *ret, const struct nv_histogram **ret_histogram)
{
    bool edged =
        call->source->kind == NV_EXPR_SELECTOR && call->source->selector.edge != NV_EDGE_NONE;

    if (w->n && w->n_histograms) {
        nv_annotate(ev, true, call->source,
                    "encountered a mix of histograms and floats for metric name %s",
                    nv_quoted(ev, call->name));
        return 0;
    }
    if (w->n_histograms)
        return nv_histograms_rate(ev, call, w, ret_histogram);
    int r = edged ? edged_rate(call, w, ret) : floats_rate(ev, call, w, ret);
    if (r == 1 && is_counter(call->id))
        note_counter(ev, call, w);
    return r;
}

int nv_window_instant_rate(struct nv_eval *ev, const struct nv_ranged *call,
                           const struct nv_window *w, double *ret,
                           const struct nv_histogram **ret_histogram)
{
    bool counter = is_counter(call->id);

    if (w->n_histograms)
        return nv_histograms_instant_rate(ev, call, w, ret, ret_histogram);
    if (w->n < 2)
        return 0;
    double last = w->values[w->n - 1], before = w->values[w->n - 2];
    int64_t ms = w->times[w->n - 1] - w->times[w->n - 2];
    if (ms == 0)
        return 0;
    if (counter)
        note_counter(ev, call, w);
    bool reset = counter && (last < before || restarted(w, w->n - 1));
    *ret = reset ? last : last - before;
    if (counter)
        *ret /= (double)ms / 1000;
    return 1;
}

static bool is_change(const struct nv_window *w, size_t i)
{
    double a = w->values[i - 1], b = w->values[i];

    return a != b && !(isnan(a) && isnan(b));
}

/* resets() and changes(): how often something happened from one sample to the next. */
int nv_window_steps(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                    double *ret, const struct nv_histogram **ret_histogram)
{
    bool edged =
        call->source->kind == NV_EXPR_SELECTOR && call->source->selector.edge != NV_EDGE_NONE;
    nv_event_fn happens = call->id == NV_FN_RESETS ? nv_is_reset : is_change;
    const uint32_t *events;
    size_t n = 0;

    (void)ret_histogram;
    if (w->n_histograms)
        return nv_histograms_steps(ev, call, w, ret);
    if (edged && w->times[w->n - 1] <= w->from_ms)
        return 0;
    int r = edged ? 0 : nv_slide_events(ev, w, happens, &events, &n);
    for (size_t i = edged ? left_edge(w->times, w->n, w) + 1 : 0; edged && i < w->n; i++)
        n += happens(w, i);
    if (r < 0)
        return r;
    *ret = (double)n;
    return 1;
}
