#include "metric/frame.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>

#include "base/assert.h"

/* Frames that were given back wait here; the pool goes with its last frame. */
struct nv_frame_pool {
    pthread_mutex_t lock;
    struct nv_frame *free;
    size_t n_free, n_out;
    bool closed;
};

enum { FREE_MAX = 4, HISTOGRAMS_MAX = 256 << 20 /* bytes in a frame */ };

struct nv_frame_pool *nv_frame_pool_new(void)
{
    struct nv_frame_pool *pool = calloc(1, sizeof(*pool));

    if (pool)
        pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

static void frame_destroy(struct nv_frame *frame)
{
    free(frame->observed);
    free(frame->present);
    free(frame->values);
    free(frame->histogram_columns);
    nv_arena_done(&frame->histogram_memory);
    free(frame);
}

static void pool_destroy(struct nv_frame_pool *pool)
{
    while (pool->free) {
        struct nv_frame *next = pool->free->next_free;
        frame_destroy(pool->free);
        pool->free = next;
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void nv_frame_pool_free(struct nv_frame_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    bool last = pool->n_out == 0;
    pthread_mutex_unlock(&pool->lock);
    if (last)
        pool_destroy(pool);
}

static struct nv_frame *take_free(struct nv_frame_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct nv_frame *frame = pool->free;
    if (frame) {
        pool->free = frame->next_free;
        pool->n_free--;
    }
    pool->n_out++;
    pthread_mutex_unlock(&pool->lock);
    return frame;
}

static void give_back(struct nv_frame_pool *pool, struct nv_frame *frame)
{
    pthread_mutex_lock(&pool->lock);
    pool->n_out--;
    bool keep = !pool->closed && pool->n_free < FREE_MAX && frame;
    if (keep) {
        frame->next_free = pool->free;
        pool->free = frame;
        pool->n_free++;
    }
    bool last = pool->closed && pool->n_out == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!keep && frame)
        frame_destroy(frame);
    if (last)
        pool_destroy(pool);
}

/* Bits in whole words. */
static size_t words(size_t bits)
{
    return (bits + 63) / 64;
}

static bool make_room(struct nv_frame *frame, size_t n_series, size_t n_sections)
{
    if (n_series > frame->room_series) {
        size_t room = n_series + n_series / 8 + 64;
        free(frame->present);
        free(frame->values);
        frame->present = calloc(words(room), sizeof(uint64_t));
        frame->values = malloc(room * sizeof(double));
        frame->room_series = frame->present && frame->values ? room : 0;
        if (!frame->room_series)
            return false;
    }
    if (n_sections > frame->room_sections) {
        free(frame->observed);
        frame->observed = calloc(words(n_sections), sizeof(uint64_t));
        frame->room_sections = frame->observed ? n_sections : 0;
        if (!frame->observed)
            return false;
    }
    return true;
}

struct nv_frame *nv_frame_new(struct nv_frame_pool *pool, struct nv_layout *layout, int64_t time_ms)
{
    struct nv_frame *frame = take_free(pool);

    if (!frame)
        frame = calloc(1, sizeof(*frame));
    if (!frame || !make_room(frame, layout->n_series + 1, layout->n_sections + 1)) {
        give_back(pool, frame);
        return NULL;
    }
    frame->refs = 1;
    frame->pool = pool;
    frame->layout = nv_layout_ref(layout);
    frame->time_ms = time_ms;
    frame->n_series = layout->n_series;
    frame->histograms = NULL;
    frame->histogram_memory.max = HISTOGRAMS_MAX;
    nv_arena_reset(&frame->histogram_memory);
    memset(frame->present, 0, words(frame->n_series + 1) * sizeof(uint64_t));
    memset(frame->observed, 0, words(layout->n_sections + 1) * sizeof(uint64_t));
    return frame;
}

/* All columns without a histogram, at the first one. */
static int begin_histograms(struct nv_frame *frame)
{
    if (frame->room_histograms < frame->n_series) {
        free(frame->histogram_columns);
        frame->histogram_columns = calloc(frame->room_series, sizeof(*frame->histogram_columns));
        frame->room_histograms = frame->histogram_columns ? frame->room_series : 0;
        if (!frame->histogram_columns)
            return -ENOMEM;
    }
    memset(frame->histogram_columns, 0, frame->n_series * sizeof(*frame->histogram_columns));
    frame->histograms = frame->histogram_columns;
    return 0;
}

int nv_frame_put_histogram(struct nv_frame *frame, size_t column,
                           const struct nv_histogram *histogram)
{
    nv_assert(column < frame->n_series);
    int r = frame->histograms ? 0 : begin_histograms(frame);
    const struct nv_histogram *copy =
        r == 0 ? nv_histogram_keep(&frame->histogram_memory, histogram) : NULL;
    if (!copy)
        return -ENOMEM;
    frame->histogram_columns[column] = copy;
    frame->values[column] = NAN;
    nv_bit_set(frame->present, column);
    return 0;
}

struct nv_frame *nv_frame_ref(struct nv_frame *frame)
{
    __atomic_add_fetch(&frame->refs, 1, __ATOMIC_RELAXED);
    return frame;
}

void nv_frame_unref(struct nv_frame *frame)
{
    if (__atomic_sub_fetch(&frame->refs, 1, __ATOMIC_ACQ_REL))
        return;
    nv_layout_unref(frame->layout);
    frame->layout = NULL;
    free(frame->own_ms);
    frame->own_ms = NULL;
    give_back(frame->pool, frame);
}
