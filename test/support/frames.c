/*
 * A series is its number. Its value is made from a state of its own and a random number, by the number's kind.
 */
#include "support/frames.h"

#include <stdio.h>

#include "base/assert.h"

enum { KINDS = 20, RENEW_SPARE = 256, RENEW_MEMORY = 8 << 20 };

struct one {
    size_t number;
    uint64_t state;
    uint32_t column;
    uint64_t generation; /* in which that is its column */
};

struct nv_frames {
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    struct nv_layout *layout;
    struct one *series; /* a ring: the oldest is at `oldest` */
    size_t n, room, oldest, made;
    uint64_t seed;
    uint32_t section;
    bool changed, renew;
};

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

static void enter(struct nv_frames *frames, struct one *one)
{
    char device[24], kind[8];
    struct nv_str values[] = {
        {device, 0},
        {kind,   0}
    };
    struct nv_series_def def = {.name = "bench_value",
                                .suffix = "",
                                .help = "A value.",
                                .type = NV_GAUGE,
                                .label_names = NV_LABELS("device", "kind"),
                                .label_values = values,
                                .section = frames->section};

    values[0].n = (size_t)snprintf(device, sizeof(device), "%zu", one->number / KINDS);
    values[1].n = (size_t)snprintf(kind, sizeof(kind), "k%zu", one->number % KINDS);
    nv_assert(nv_registry_add(frames->registry, &def, &one->column) == 0);
    one->generation = nv_registry_generation(frames->registry);
}

size_t nv_frames_memory(const struct nv_frames *frames)
{
    return nv_registry_memory(frames->registry);
}

struct nv_frames *nv_frames_new(size_t n_series, uint64_t seed)
{
    struct nv_frames *frames = nv_must(calloc(1, sizeof(*frames)));
    struct nv_label target[] = {
        {NV_LIT("instance"), NV_LIT("bench:9100")},
        {NV_LIT("job"),      NV_LIT("bench")     }
    };

    frames->seed = seed * UINT64_C(88172645463325252) + 1;
    frames->registry = nv_must(nv_registry_new());
    frames->pool = nv_must(nv_frame_pool_new());
    frames->section = nv_registry_add_section(frames->registry);
    nv_assert(nv_registry_set_target(frames->registry, frames->section, target, 2) == 0);
    nv_frames_add(frames, n_series);
    return frames;
}

void nv_frames_free(struct nv_frames *frames)
{
    if (!frames)
        return;
    nv_layout_unref(frames->layout);
    nv_frame_pool_free(frames->pool);
    nv_registry_free(frames->registry);
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
        frames->series[i] = (struct one){.number = frames->made++, .generation = UINT64_MAX};
    frames->n += n;
    frames->changed = true;
}

void nv_frames_replace(struct nv_frames *frames, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        frames->series[frames->oldest] =
            (struct one){.number = frames->made++, .generation = UINT64_MAX};
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
    size_t known = nv_registry_n_series(frames->registry);

    if ((frames->renew && known > frames->n) || known > 2 * frames->n + RENEW_SPARE ||
        nv_frames_memory(frames) > RENEW_MEMORY + 4096 * frames->n) {
        nv_registry_renew(frames->registry);
        frames->changed = true;
    }
    frames->renew = false;
    if (!frames->changed)
        return;
    for (size_t i = 0; i < frames->n; i++)
        if (frames->series[i].generation != nv_registry_generation(frames->registry))
            enter(frames, &frames->series[i]);
    nv_layout_unref(frames->layout);
    frames->layout = nv_must(nv_registry_layout(frames->registry));
    frames->changed = false;
}

struct nv_frame *nv_frames_make(struct nv_frames *frames, int64_t time_ms)
{
    follow(frames);
    struct nv_frame *frame = nv_must(nv_frame_new(frames->pool, frames->layout, time_ms));

    nv_bit_set(frame->observed, frames->section);
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
