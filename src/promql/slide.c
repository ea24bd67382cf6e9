#include "promql/slide.h"

enum {
    X_BITS = 50,  /* of times in ms: their squares and a sum of these then fit 128 bits */
    TURNOVER = 8, /* where more than one in so many is new, sorting anew is faster */
};

/* Beyond it the parts of a product may leave the range of doubles. */
#define HUGE_SUM 1e250

static struct nv_twin x_times_y(const struct nv_window *all, size_t i)
{
    return nv_twin_product((double)(all->times[i] - all->times[0]), all->values[i]);
}

/* Where one value is too large or none at all, its sums are better made the plain way. */
static bool is_fit(const struct nv_window *all)
{
    bool fit = true;

    for (size_t i = 0; i < all->n; i++)
        fit &= fabs(all->values[i]) < HUGE_SUM;
    return fit;
}

/* An array that has room for n, its content gone. NULL past the limit. */
static void *larger(struct nv_eval *ev, void *p, size_t *room, size_t n, size_t size, size_t most)
{
    if (n <= *room)
        return p;
    *room = n * 2 < most ? n * 2 : most;
    return nv_pool_alloc(&ev->scratch, *room, size);
}

/* All of [low, high) becomes the front part, with a sum from each sample to its end. */
static int turn(struct nv_eval *ev, const struct nv_window *w, bool with_x, struct nv_slide_sums *s)
{
    const struct nv_window *all = w->all;
    struct nv_twin y = {0}, xy = {0};
    size_t n = w->n, room = s->room;

    s->y = larger(ev, s->y, &s->room, n, sizeof(*s->y), all->n);
    if (with_x)
        s->xy = larger(ev, s->xy, &room, n, sizeof(*s->xy), all->n);
    if (!s->y || (with_x && !s->xy))
        return nv_eval_no_memory(ev);
    for (size_t i = n; i-- > 0;) {
        s->y[i] = y = nv_twin_add(y, (struct nv_twin){w->values[i], 0});
        if (with_x)
            s->xy[i] = xy = nv_twin_add(xy, x_times_y(all, w->first + i));
    }
    s->n_front = n;
    s->turn = s->high = w->first + n;
    s->back_y = s->back_xy = (struct nv_twin){0};
    return 0;
}

static int slide(struct nv_eval *ev, const struct nv_window *w, bool with_x, struct nv_twin *ret_y,
                 struct nv_twin *ret_xy)
{
    struct nv_slider *slider = w->slider;
    struct nv_slide_sums *s = &slider->sums;
    size_t end = w->first + w->n;

    if (!slider->begun) {
        slider->direct = !is_fit(w->all);
        slider->begun = true;
    }
    if (slider->direct)
        return 1;
    if (w->first >= s->turn) {
        int r = turn(ev, w, with_x, s);
        if (r < 0)
            return r;
    }
    for (; s->high < end; s->high++) {
        s->back_y = nv_twin_add(s->back_y, (struct nv_twin){w->all->values[s->high], 0});
        if (with_x)
            s->back_xy = nv_twin_add(s->back_xy, x_times_y(w->all, s->high));
    }
    size_t at = w->first - (s->turn - s->n_front);
    *ret_y = nv_twin_add(s->y[at], s->back_y);
    if (with_x)
        *ret_xy = nv_twin_add(s->xy[at], s->back_xy);
    return 0;
}

int nv_slide_sum(struct nv_eval *ev, const struct nv_window *w, struct nv_twin *ret)
{
    int r = slide(ev, w, false, ret, NULL);

    return r == 0 && !(fabs(ret->high) < HUGE_SUM) ? 1 : r;
}

static void slide_x(const struct nv_window *w, struct nv_slide_sums *s)
{
    const struct nv_window *all = w->all;

    for (; s->x_high < w->first + w->n; s->x_high++) {
        __int128 x = all->times[s->x_high] - all->times[0];
        s->x += x;
        s->xx += x * x;
    }
    for (; s->x_low < w->first; s->x_low++) {
        __int128 x = all->times[s->x_low] - all->times[0];
        s->x -= x;
        s->xx -= x * x;
    }
}

int nv_slide_sums(struct nv_eval *ev, const struct nv_window *w, int64_t origin_ms,
                  struct nv_sums *ret)
{
    struct nv_slide_sums *s = &w->slider->sums;
    struct nv_twin xy;
    int64_t a, span;

    if (__builtin_sub_overflow(origin_ms, w->all->times[0], &a) ||
        __builtin_sub_overflow(w->all->times[w->all->n - 1], w->all->times[0], &span) ||
        a >> X_BITS > 0 || -a >> X_BITS > 0 || span >> X_BITS > 0)
        return 1;
    int r = slide(ev, w, true, &ret->y, &xy);
    if (r != 0)
        return r;
    slide_x(w, s);
    __int128 n = (__int128)w->n;
    ret->x = (double)(s->x - n * a) / 1e3;
    ret->xx = (double)(s->xx - 2 * a * s->x + n * a * a) / 1e6;
    xy = nv_twin_add(xy, nv_twin_times(ret->y, -(double)a));
    ret->xy = nv_twin_value(xy) / 1e3;
    return fabs(ret->y.high) < HUGE_SUM && fabs(xy.high) < HUGE_SUM ? 0 : 1;
}

/* The first place in sorted values that is not before x. */
static size_t place_of(const double *sorted, size_t n, double x)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = (low + n) / 2;
        if (nv_compare_values(&sorted[middle], &x) < 0)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

int nv_slide_order(struct nv_eval *ev, const struct nv_window *w, const double **ret)
{
    struct nv_slide_order *o = &w->slider->order;
    size_t end = w->first + w->n, n = o->high - o->low;
    size_t leaving = w->first < o->high ? w->first - o->low : n, entering = end - o->high;
    const double *before = o->sorted;

    o->sorted = larger(ev, o->sorted, &o->room, n + entering, sizeof(double), w->all->n);
    if (!o->sorted)
        return nv_eval_no_memory(ev);
    bool fresh = o->sorted != before || leaving + entering > w->n / TURNOVER;
    *ret = o->sorted;
    if (fresh) {
        memcpy(o->sorted, w->values, w->n * sizeof(double));
        qsort(o->sorted, w->n, sizeof(double), nv_compare_values);
    }
    for (size_t i = o->low; !fresh && i < w->first; i++, n--) {
        size_t at = place_of(o->sorted, n, w->all->values[i]);
        memmove(o->sorted + at, o->sorted + at + 1, (n - at - 1) * sizeof(double));
    }
    for (size_t i = o->high; !fresh && i < end; i++, n++) {
        size_t at = place_of(o->sorted, n, w->all->values[i]);
        memmove(o->sorted + at + 1, o->sorted + at, (n - at) * sizeof(double));
        o->sorted[at] = w->all->values[i];
    }
    o->low = w->first;
    o->high = end;
    return 0;
}

/* Whether a sample that came later makes one before it of no use. */
static bool beats(double later, double before, bool is_max, bool last)
{
    return (is_max ? later > before : later < before) || (last && later == before);
}

int nv_slide_extreme(struct nv_eval *ev, const struct nv_window *w, bool is_max, bool last,
                     size_t *ret)
{
    struct nv_slide_queue *q = &w->slider->queue;
    const double *values = w->all->values;

    if (!w->slider->begun) {
        q->at = nv_pool_alloc(&ev->scratch, w->all->n, sizeof(*q->at));
        if (!q->at)
            return nv_eval_no_memory(ev);
        w->slider->begun = true;
    }
    if (q->high < w->first) {
        q->high = w->first;
        q->n = q->first;
    }
    for (; q->high < w->first + w->n; q->high++) {
        if (isnan(values[q->high]))
            continue;
        while (q->n > q->first && beats(values[q->high], values[q->at[q->n - 1]], is_max, last))
            q->n--;
        q->at[q->n++] = (uint32_t)q->high;
    }
    while (q->first < q->n && q->at[q->first] < w->first)
        q->first++;
    *ret = q->first < q->n ? q->at[q->first] - w->first : w->n - 1;
    return 0;
}

/* How often a column of values falls: mostly never, and a loop without calls is quick to say so. */
static size_t count_falls(const double *values, size_t n)
{
    size_t falls = 0;

    for (size_t i = 1; i < n; i++)
        falls += values[i] < values[i - 1];
    return falls;
}

static int gather(struct nv_eval *ev, const struct nv_window *all, nv_event_fn happens,
                  struct nv_slide_events *ret)
{
    size_t n = 0;
    uint32_t *at;

    if (happens == nv_is_reset && !all->starts)
        n = count_falls(all->values, all->n);
    else
        for (size_t i = 1; i < all->n; i++)
            n += happens(all, i);
    at = nv_pool_alloc(&ev->scratch, n, sizeof(*at));
    if (!at)
        return nv_eval_no_memory(ev);
    *ret = (struct nv_slide_events){.at = at};
    for (size_t i = 1; n && i < all->n; i++)
        if (happens(all, i))
            at[ret->n++] = (uint32_t)i;
    return 0;
}

int nv_slide_events(struct nv_eval *ev, const struct nv_window *w, nv_event_fn happens,
                    const uint32_t **ret, size_t *ret_n)
{
    struct nv_slide_events *e = &w->slider->events;

    if (!w->slider->begun) {
        int r = gather(ev, w->all, happens, e);
        if (r < 0)
            return r;
        w->slider->begun = true;
    }
    while (e->end < e->n && e->at[e->end] < w->first + w->n)
        e->end++;
    while (e->first < e->end && e->at[e->first] <= w->first)
        e->first++;
    *ret = e->at + e->first;
    *ret_n = e->end - e->first;
    return 0;
}

bool nv_slide_is_constant(const struct nv_window *w)
{
    struct nv_slider *s = w->slider;
    const double *values = w->all->values;

    for (; s->constant_high < w->first + w->n; s->constant_high++)
        if (s->constant_high && values[s->constant_high] != values[s->constant_high - 1])
            s->constant_from = s->constant_high;
    return s->constant_from <= w->first;
}
