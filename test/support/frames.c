/*
 * A series is its number. Its value is made from a state of its own and a random number, by the number's kind. Layouts are
 * made here too, as far as a store looks at them: a registry's would take more memory, in peaks, than what is measured.
 */
#include "support/frames.h"

#include <stdio.h>

#include "base/assert.h"

enum { KINDS = 20, RENEW_SPARE = 256, CHUNKS_MAX = 8192, DEVICE_MAX = 12 };

struct one {
    size_t number;
    uint64_t state;
    uint32_t column;
    uint64_t era; /* in which that is its column */
};

struct chunk {
    struct nv_series series[NV_LAYOUT_CHUNK];
    struct nv_label labels[NV_LAYOUT_CHUNK][2];
    char device[NV_LAYOUT_CHUNK][DEVICE_MAX];
};

struct picture {
    struct nv_layout layout;
    struct picture *before;
};

/* A generation: columns only come. */
struct era {
    struct era *before;
    uint64_t number;
    struct nv_series *chunks[CHUNKS_MAX]; /* each the beginning of a struct chunk */
    size_t n;
    struct picture *picture;
};

struct nv_frames {
    struct nv_frame_pool *pool;
    struct era *era;
    struct one *series; /* a ring: the oldest is at `oldest` */
    size_t n, room, oldest, made;
    uint64_t seed;
    bool changed, renew;
};

static const struct nv_label target_labels[] = {
    {NV_LIT("instance"), NV_LIT("bench:9100")},
    {NV_LIT("job"),      NV_LIT("bench")     }
};
static const struct nv_target target = {target_labels, 2};

uint64_t nv_frames_random(struct nv_frames *frames)
{
    frames->seed ^= frames->seed << 13;
    frames->seed ^= frames->seed >> 7;
    return frames->seed ^= frames->seed << 17;
}

static double advance(struct nv_frames *frames, struct one *one)
{
    uint64_t r = nv_frames_random(frames);

    switch (one->number % KINDS) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: /* a counter that mostly moves */
        one->state += r % 4 ? r % 900 : 0;
        return (double)one->state;
    case 5:
    case 6: /* a counter of bytes */
        one->state += r % 3 ? 0 : r % 100000;
        return (double)one->state;
    case 7: /* a gauge that wanders */
        one->state += r % 9;
        return (double)(4096 * (1000000 + one->state % 5000));
    case 8: /* kernel milliseconds */
        one->state += r % 2 ? r % 50 : 0;
        return (double)one->state * 0.001;
    case 9: /* a true float */
        return (double)(r >> 12) / 1e15;
    default:
        return (double)one->number;
    }
}

/* ---- layouts -------------------------------------------------------------------------------- */

static struct nv_str kind_of(size_t number)
{
    static const char names[KINDS][4] = {"k0",  "k1",  "k2",  "k3",  "k4",  "k5",  "k6",
                                         "k7",  "k8",  "k9",  "k10", "k11", "k12", "k13",
                                         "k14", "k15", "k16", "k17", "k18", "k19"};

    return nv_str(names[number % KINDS]);
}

static void enter(struct nv_frames *frames, struct one *one)
{
    struct era *era = frames->era;
    size_t c = era->n / NV_LAYOUT_CHUNK, i = era->n % NV_LAYOUT_CHUNK;

    nv_assert(c < CHUNKS_MAX);
    if (!era->chunks[c])
        era->chunks[c] = nv_must(calloc(1, sizeof(struct chunk)));
    struct chunk *chunk = (struct chunk *)era->chunks[c];
    size_t n = (size_t)snprintf(chunk->device[i], DEVICE_MAX, "%zu", one->number / KINDS);
    chunk->labels[i][0] = (struct nv_label){
        NV_LIT("device"), {chunk->device[i], n}
    };
    chunk->labels[i][1] = (struct nv_label){NV_LIT("kind"), kind_of(one->number)};
    chunk->series[i] = (struct nv_series){
        .legacy = true, .n_labels = 2, .labels = chunk->labels[i], .name = NV_LIT("bench_value")};
    one->column = (uint32_t)era->n++;
    one->era = era->number;
}

static void paint(struct era *era)
{
    struct picture *picture = nv_must(calloc(1, sizeof(*picture)));

    picture->layout = (struct nv_layout){
        .refs = 1, /* ours: it is never freed by whoever lets go of it last */
        .generation = era->number,
        .memory = (struct nv_generation *)era,
        .chunks = (const struct nv_series *const *)era->chunks,
        .n_series = era->n,
        .n_sections = 1,
        .targets = &target,
    };
    picture->before = era->picture;
    era->picture = picture;
}

static bool is_held(const struct era *era)
{
    for (const struct picture *p = era->picture; p; p = p->before)
        if (__atomic_load_n(&p->layout.refs, __ATOMIC_ACQUIRE) > 1)
            return true;
    return false;
}

static void era_free(struct era *era)
{
    while (era->picture) {
        struct picture *before = era->picture->before;
        free(era->picture);
        era->picture = before;
    }
    for (size_t c = 0; c < CHUNKS_MAX; c++)
        free(era->chunks[c]);
    free(era);
}

/* A new one; of those before, what nobody holds goes. */
static void begin_era(struct nv_frames *frames)
{
    struct era *era = nv_must(calloc(1, sizeof(*era)));

    era->number = frames->era ? frames->era->number + 1 : 0;
    era->before = frames->era;
    frames->era = era;
    for (struct era **at = &era->before; *at;) {
        struct era *old = *at;
        if (is_held(old)) {
            at = &old->before;
            continue;
        }
        *at = old->before;
        era_free(old);
    }
}

size_t nv_frames_memory(const struct nv_frames *frames)
{
    size_t bytes = frames->room * sizeof(struct one);

    for (const struct era *era = frames->era; era; era = era->before)
        bytes += sizeof(*era) + era->n / NV_LAYOUT_CHUNK * sizeof(struct chunk);
    return bytes;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_frames *nv_frames_new(size_t n_series, uint64_t seed)
{
    struct nv_frames *frames = nv_must(calloc(1, sizeof(*frames)));

    frames->seed = seed * UINT64_C(88172645463325252) + 1;
    frames->pool = nv_must(nv_frame_pool_new());
    begin_era(frames);
    nv_frames_add(frames, n_series);
    return frames;
}

void nv_frames_free(struct nv_frames *frames)
{
    if (!frames)
        return;
    nv_frame_pool_free(frames->pool);
    while (frames->era) {
        struct era *before = frames->era->before;
        era_free(frames->era);
        frames->era = before;
    }
    free(frames->series);
    free(frames);
}

void nv_frames_add(struct nv_frames *frames, size_t n)
{
    size_t before = frames->n;

    nv_assert(frames->oldest == 0); /* adding and replacing do not mix */
    if (before + n > frames->room) {
        frames->room = 2 * (before + n);
        frames->series = nv_must(realloc(frames->series, frames->room * sizeof(struct one)));
    }
    for (size_t i = before; i < before + n; i++)
        frames->series[i] = (struct one){.number = frames->made++, .era = UINT64_MAX};
    frames->n += n;
    frames->changed = true;
}

void nv_frames_replace(struct nv_frames *frames, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        frames->series[frames->oldest] = (struct one){.number = frames->made++, .era = UINT64_MAX};
        frames->oldest = (frames->oldest + 1) % frames->n;
    }
    frames->changed |= n > 0;
}

void nv_frames_renew(struct nv_frames *frames)
{
    frames->renew = true;
}

static void follow(struct nv_frames *frames)
{
    size_t known = frames->era->n;

    if ((frames->renew && known > frames->n) || known > 2 * frames->n + RENEW_SPARE) {
        begin_era(frames);
        frames->changed = true;
    }
    frames->renew = false;
    if (!frames->changed)
        return;
    for (size_t i = 0; i < frames->n; i++)
        if (frames->series[i].era != frames->era->number)
            enter(frames, &frames->series[i]);
    paint(frames->era);
    frames->changed = false;
}

struct nv_frame *nv_frames_make(struct nv_frames *frames, int64_t time_ms)
{
    follow(frames);
    struct nv_frame *frame =
        nv_must(nv_frame_new(frames->pool, &frames->era->picture->layout, time_ms));

    nv_bit_set(frame->observed, 0);
    for (size_t i = 0; i < frames->n; i++) {
        struct one *one = &frames->series[i];
        nv_bit_set(frame->present, one->column);
        frame->values[one->column] = advance(frames, one);
    }
    return frame;
}

size_t nv_frames_n(const struct nv_frames *frames)
{
    return frames->n;
}

size_t nv_frames_made(const struct nv_frames *frames)
{
    return frames->made;
}
