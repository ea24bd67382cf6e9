#include "metric/queryable.h"

enum { FIRST_ROOM = 256 };

void nv_samples_reset(struct nv_samples *samples)
{
    samples->n = 0;
    free(samples->starts);
    free(samples->histograms);
    samples->starts = NULL;
    samples->histograms = NULL;
    nv_arena_reset(&samples->histogram_memory);
}

void nv_samples_done(struct nv_samples *samples)
{
    nv_samples_reset(samples);
    free(samples->times);
    free(samples->values);
    nv_arena_done(&samples->histogram_memory);
    *samples = (struct nv_samples){0};
}

/* One column made larger; *p stays as it was where memory is out. */
static bool grow(void **p, size_t size)
{
    void *larger = realloc(*p, size);

    if (larger)
        *p = larger;
    return larger;
}

int nv_samples_room(struct nv_samples *samples, size_t n)
{
    if (n > SIZE_MAX / 64 - samples->n)
        return -ENOMEM;
    if (samples->room - samples->n >= n)
        return 0;
    size_t room = samples->room ? samples->room : FIRST_ROOM;
    while (room < samples->n + n)
        room *= 2;
    if (!grow((void **)&samples->times, room * sizeof(int64_t)) ||
        !grow((void **)&samples->values, room * sizeof(double)) ||
        (samples->starts && !grow((void **)&samples->starts, room * sizeof(int64_t))) ||
        (samples->histograms && !grow((void **)&samples->histograms, room * sizeof(void *))))
        return -ENOMEM;
    samples->room = room;
    return 0;
}

void nv_texts_done(struct nv_texts *texts)
{
    nv_arena_done(&texts->arena);
    texts->at = NULL;
    texts->n = 0;
}
