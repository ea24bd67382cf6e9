/*
 * eval_select.c - instant selectors: of each series the newest sample within the lookback, at every step.
 */
#include <errno.h>

#include "promql/eval_parts.h"

int nv_eval_open(struct nv_eval *ev, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                 int64_t to_ms, struct nv_selection **ret)
{
    if (ev->n_selections == ev->room_selections) {
        size_t room = ev->room_selections ? ev->room_selections * 2 : 4;
        struct nv_selection **larger = realloc(ev->selections, room * sizeof(*larger));
        if (!larger)
            return nv_eval_no_memory(ev);
        ev->selections = larger;
        ev->room_selections = room;
    }
    struct nv_selection *selection = calloc(1, sizeof(*selection));
    if (!selection)
        return nv_eval_no_memory(ev);
    int r = ev->queryable->select(ev->queryable->store, matchers, n, from_ms, to_ms, 0, selection);
    if (r < 0) {
        free(selection);
        nv_eval_fail(ev, "expanding series: %s", strerror(-r));
        return r == -EINVAL ? -EIO : r;
    }
    ev->selections[ev->n_selections++] = selection;
    *ret = selection;
    return nv_pool_count(ev, &ev->kept, selection->bytes) ? 0 : nv_eval_no_memory(ev);
}

int nv_eval_read(struct nv_eval *ev, struct nv_selection *selection, size_t i)
{
    nv_samples_reset(&ev->samples);
    int r = selection->from->read(selection, i, &ev->samples);
    if (r == 0) {
        const struct nv_samples *s = &ev->samples;
        size_t columns = 2 + (s->starts != NULL) + (s->histograms != NULL);
        size_t bytes = s->room * columns * 8 + s->histogram_memory.total;
        size_t more = bytes > ev->samples_memory ? bytes - ev->samples_memory : 0;
        if (more && !nv_pool_count(ev, &ev->scratch, more))
            return nv_eval_no_memory(ev);
        ev->samples_memory += more;
        return nv_eval_check(ev);
    }
    nv_eval_fail(ev, "expanding series: %s", strerror(-r));
    return r == -EINVAL ? -EIO : r;
}

static const struct nv_histogram *histogram_at(const struct nv_samples *samples, size_t i)
{
    return samples->histograms ? samples->histograms[i] : NULL;
}

static bool is_stale_at(const struct nv_samples *samples, size_t i)
{
    const struct nv_histogram *h = histogram_at(samples, i);

    return nv_is_stale(h ? h->sum : samples->values[i]);
}

/* What `smoothed` makes of the samples around a time. Returns whether there is a value. */
static bool smoothed(const struct nv_samples *s, size_t before, int64_t at, int64_t lookback,
                     double *ret)
{
    size_t after = before + 1;

    if (s->times[before] == at) {
        *ret = s->values[before];
        return true;
    }
    while (after < s->n && is_stale_at(s, after))
        after++;
    *ret = s->values[before];
    if (after < s->n && s->times[after] <= nv_sat_add(at, lookback) && !histogram_at(s, after)) {
        double part =
            (double)(at - s->times[before]) / (double)(s->times[after] - s->times[before]);
        *ret += (s->values[after] - s->values[before]) * part;
    }
    return true;
}

struct selecting {
    const struct nv_expr *expr;
    const struct nv_grid *grid;
    enum nv_yield yield;
};

/* In seconds; absent where a start is not known. */
static double time_of(const struct nv_samples *samples, size_t i, enum nv_yield yield)
{
    if (yield == NV_YIELD_TIMES)
        return (double)samples->times[i] / 1000;
    int64_t start = samples->starts ? samples->starts[i] : 0;
    return start ? (double)start / 1000 : nv_stale();
}

/* Fills a row from the samples decoded last. */
static int fill(struct nv_eval *ev, const struct selecting *s, struct nv_row *row)
{
    const struct nv_samples *samples = &ev->samples;
    const struct nv_selector *selector = &s->expr->selector;
    size_t next = 0, seen = 0;

    for (size_t i = 0; i < s->grid->n; i++) {
        int64_t at = nv_when_time(&selector->when, s->grid, i);
        while (next < samples->n && samples->times[next] <= at)
            next++;
        if (!next || samples->times[next - 1] <= nv_sat_add(at, -ev->options.lookback_ms) ||
            is_stale_at(samples, next - 1))
            continue;
        const struct nv_histogram *h = histogram_at(samples, next - 1);
        nv_eval_saw(ev, i, h ? 1 + nv_histogram_weight(h) : 1, next != seen);
        seen = next;
        if (s->yield != NV_YIELD_SAMPLES) {
            row->values[i] = time_of(samples, next - 1, s->yield);
        } else if (h) {
            row->values[i] = 0;
            row->histograms[i] = h;
        } else if (selector->edge == NV_EDGE_SMOOTHED) {
            smoothed(samples, next - 1, at, ev->options.lookback_ms, &row->values[i]);
        } else {
            row->values[i] = samples->values[next - 1];
        }
    }
    return 0;
}

static bool is_empty(const struct nv_row *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nv_row_has(row, i))
            return false;
    return true;
}

static int one(struct nv_eval *ev, const struct selecting *s, struct nv_selection *selection,
               size_t i, nv_row_fn fn, void *user)
{
    struct nv_row row;
    int r = nv_eval_read(ev, selection, i);

    if (r == 0)
        r = nv_row_new(ev, &ev->scratch, s->grid->n,
                       ev->samples.histograms && s->yield == NV_YIELD_SAMPLES, &row);
    if (r < 0)
        return r;
    row.labels = selection->series[i].labels;
    row.n_labels = selection->series[i].n_labels;
    fill(ev, s, &row);
    return is_empty(&row, s->grid->n) ? 0 : fn(ev, &row, user);
}

int nv_eval_selector(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                     enum nv_yield yield, nv_row_fn fn, void *user)
{
    struct selecting s = {expr, grid, yield};
    const struct nv_selector *selector = &expr->selector;
    struct nv_selection *selection;
    int64_t from = nv_when_time(&selector->when, grid, 0);
    int64_t to = nv_when_time(&selector->when, grid, grid->n - 1);
    int64_t ahead = selector->edge == NV_EDGE_SMOOTHED ? ev->options.lookback_ms : 0;

    int r = nv_eval_open(ev, selector->matchers, selector->n_matchers,
                         nv_sat_add(from, 1 - ev->options.lookback_ms), nv_sat_add(to, ahead),
                         &selection);
    for (size_t i = 0; r == 0 && i < selection->n; i++) {
        struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
        r = one(ev, &s, selection, i, fn, user);
        nv_arena_rewind(&ev->scratch.arena, mark);
    }
    return r;
}
