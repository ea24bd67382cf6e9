/*
 * turns.c - whose turn it is: two heaps by time, one of targets that answer and one of those that hung last time.
 *
 * A slot of a target is a moment at a fixed distance, made from its identity, from the multiples of its interval since the
 * epoch: so targets are spread, and each is asked at the same moments after a restart.
 */
#include <errno.h>

#include "base/assert.h"
#include "scrape/inside.h"

int64_t nv_scrape_slot(uint64_t identity, int64_t interval_ms, int64_t now_ms)
{
    int64_t offset = (int64_t)(identity % (uint64_t)interval_ms);
    int64_t since = (now_ms - offset) % interval_ms;

    return now_ms - (since < 0 ? since + interval_ms : since) + interval_ms;
}

/* ---- a heap --------------------------------------------------------------------------------- */

static void put(struct nv_scrape_heap *heap, size_t place, struct nv_scrape_target *target)
{
    heap->at[place] = target;
    target->place = place;
}

static void rise(struct nv_scrape_heap *heap, size_t place)
{
    struct nv_scrape_target *target = heap->at[place];

    while (place && heap->at[(place - 1) / 2]->due_ms > target->due_ms) {
        put(heap, place, heap->at[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(heap, place, target);
}

static void sink(struct nv_scrape_heap *heap, size_t place)
{
    struct nv_scrape_target *target = heap->at[place];

    for (size_t child; (child = 2 * place + 1) < heap->n; place = child) {
        if (child + 1 < heap->n && heap->at[child + 1]->due_ms < heap->at[child]->due_ms)
            child++;
        if (heap->at[child]->due_ms >= target->due_ms)
            break;
        put(heap, place, heap->at[child]);
    }
    put(heap, place, target);
}

static void add(struct nv_scrape_heap *heap, struct nv_scrape_target *target)
{
    nv_assert(heap->n < heap->room);
    heap->at[heap->n] = target;
    rise(heap, heap->n++);
}

static void drop(struct nv_scrape_heap *heap, struct nv_scrape_target *target)
{
    size_t place = target->place;

    nv_assert(place < heap->n && heap->at[place] == target);
    struct nv_scrape_target *last = heap->at[--heap->n];
    if (last == target)
        return;
    put(heap, place, last);
    rise(heap, place);
    sink(heap, last->place);
}

static int make_room(struct nv_scrape_heap *heap, size_t n)
{
    if (n <= heap->room)
        return 0;
    struct nv_scrape_target **at = realloc(heap->at, n * sizeof(struct nv_scrape_target *));
    if (!at)
        return -ENOMEM;
    heap->at = at;
    heap->room = n;
    return 0;
}

int nv_scrape_heaps_room(struct nv_scrape *scrape, size_t n)
{
    int r = make_room(&scrape->prompt, n);

    return r < 0 ? r : make_room(&scrape->hanging, n);
}

/* ---- turns ---------------------------------------------------------------------------------- */

static struct nv_scrape_heap *heap_of(struct nv_scrape *scrape,
                                      const struct nv_scrape_target *target)
{
    return target->hangs && !target->leaving ? &scrape->hanging : &scrape->prompt;
}

void nv_scrape_wait(struct nv_scrape *scrape, struct nv_scrape_target *target, int64_t due_ms)
{
    target->state = NV_SCRAPE_WAITING;
    target->due_ms = due_ms;
    add(heap_of(scrape, target), target);
}

void nv_scrape_stop_waiting(struct nv_scrape *scrape, struct nv_scrape_target *target)
{
    drop(heap_of(scrape, target), target);
}

/* A slot that is further away than any can be was made before the clock was set back. */
static void mend_slot(struct nv_scrape *scrape, struct nv_scrape_heap *heap, int64_t now_ms)
{
    while (heap->n) {
        struct nv_scrape_target *first = heap->at[0];
        int64_t interval_ms = first->info->is.interval_ms;
        if (first->due_ms - now_ms <= 2 * interval_ms)
            return;
        nv_scrape_stop_waiting(scrape, first);
        nv_scrape_wait(scrape, first, nv_scrape_slot(first->identity, interval_ms, now_ms));
    }
}

struct nv_scrape_target *nv_scrape_take_turn(struct nv_scrape *scrape, int64_t now_ms,
                                             int64_t *ret_wait_ms)
{
    struct nv_scrape_heap *heaps[] = {&scrape->prompt, &scrape->hanging};
    struct nv_scrape_target *next = NULL;

    if (scrape->n_hanging >= NV_SCRAPE_HANGING_MAX)
        heaps[1] = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (!heaps[i])
            continue;
        mend_slot(scrape, heaps[i], now_ms);
        if (heaps[i]->n && (!next || heaps[i]->at[0]->due_ms < next->due_ms))
            next = heaps[i]->at[0];
    }
    *ret_wait_ms = next ? next->due_ms - now_ms : -1;
    if (!next || next->due_ms > now_ms)
        return NULL;
    nv_scrape_stop_waiting(scrape, next);
    next->state = NV_SCRAPE_RUNNING;
    return next;
}
