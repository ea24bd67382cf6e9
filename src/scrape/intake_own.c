/*
 * Samples that bring their own times: kept until the body is known to be good, then handed on, each series in rising time.
 */
#include <string.h>

#include "scrape/intake_parts.h"

enum { LABELS_ROOM = NV_REGISTRY_LABELS_MAX + 256 };

static bool make_room(void **p, size_t *room, size_t n, size_t size)
{
    if (n < *room)
        return true;
    size_t larger = n + n / 4 + 64;
    void *grown = realloc(*p, larger * size);
    if (!grown)
        return false;
    *p = grown;
    *room = larger;
    return true;
}

static int begin(struct nv_intake *intake)
{
    if (intake->own_registry)
        return 0;
    NV_AUTO(nv_registry) *registry = nv_registry_new_lean(!intake->scrape->expose);
    if (!registry || nv_intake_set_targets(intake, registry) < 0)
        return -ENOMEM;
    intake->own_registry = nv_take(registry);
    return 0;
}

int nv_intake_own_series(struct nv_intake *intake, const struct nv_labelled_series *def,
                         uint32_t *ret_slot)
{
    int r = begin(intake);

    if (r == 0)
        r = nv_registry_add_labelled(intake->own_registry, def, ret_slot);
    if (r)
        return r;
    if (!make_room((void **)&intake->own, &intake->room_own, *ret_slot, sizeof(*intake->own)))
        return -ENOMEM;
    intake->own[*ret_slot] = (struct nv_intake_own){.last_ms = INT64_MIN};
    return 0;
}

void nv_intake_own_begins(struct nv_intake *intake, uint32_t slot)
{
    struct nv_intake_own *own = &intake->own[slot];

    if (own->last_ms < intake->told_ms) /* what is older than the last frame is out of order */
        own->last_ms = intake->told_ms;
}

void nv_intake_own_pauses(struct nv_intake *intake, uint32_t slot)
{
    intake->own[slot].seen = 0; /* not there, but not gone */
}

int nv_intake_add_pending(struct nv_intake *intake, uint32_t slot,
                          const struct nv_line_value *value, const struct nv_histogram *histogram)
{
    const struct nv_histogram *kept =
        histogram ? nv_histogram_keep(&intake->native, histogram) : NULL;

    if ((histogram && !kept) || !make_room((void **)&intake->pending, &intake->room_pending,
                                           intake->n_pending, sizeof(*intake->pending)))
        return nv_intake_no_memory(intake);
    intake->pending[intake->n_pending++] =
        (struct nv_intake_pending){slot, value->time_ms, value->value, kept};
    return 0;
}

/* All labels of a series: its name, its own and the target's, which are three runs in order of names. */
static size_t labels_of(const struct nv_intake *intake, uint32_t slot, struct nv_label *ret)
{
    const struct nv_series *series = nv_registry_series(intake->own_registry, slot);
    const struct nv_label name = {NV_LIT("__name__"), series->name};
    size_t n_target = series->section == NV_INTAKE_SAMPLES ? intake->n_labels : 0;
    size_t n = 0, own = 0, target = 0;
    bool named = false;

    while (own < series->n_labels || target < n_target) {
        bool from_own = target == n_target ||
                        (own < series->n_labels &&
                         nv_str_cmp(series->labels[own].name, intake->labels[target].name) < 0);
        struct nv_label next = from_own ? series->labels[own] : intake->labels[target];
        if (!named && nv_str_cmp(name.name, next.name) < 0) {
            ret[n++] = name;
            named = true;
        }
        ret[n++] = next;
        own += from_own;
        target += !from_own;
    }
    if (!named)
        ret[n++] = name;
    if (series->role != NV_ROLE_VALUE) /* le or quantile stands last there */
        nv_labels_sort(ret, n);
    return n;
}

static int hand_on(struct nv_intake *intake, uint32_t slot, int64_t time_ms, double value,
                   const struct nv_histogram *histogram)
{
    struct nv_label labels[LABELS_ROOM];

    if (!intake->sparse || intake->n_labels >= LABELS_ROOM - NV_REGISTRY_LABELS_MAX)
        return -EINVAL;
    size_t n = labels_of(intake, slot, labels);
    return intake->sparse(intake->user, labels, n, time_ms, value, histogram);
}

/* A repeat of what was told last is no news; another value for the same time is a duplicate. */
static void give_out(struct nv_intake *intake, const struct nv_intake_pending *sample)
{
    struct nv_intake_own *own = &intake->own[sample->slot];

    if (own->seen != intake->scrape_number)
        own->histogram = NULL; /* of a body that is gone */
    own->seen = intake->scrape_number;
    if (sample->time_ms < own->last_ms) {
        intake->told.out_of_order++;
    } else if (sample->time_ms == own->last_ms) {
        intake->told.duplicates +=
            !sample->histogram && memcmp(&own->last, &sample->value, sizeof(double)) != 0;
        own->histogram = own->is_native ? sample->histogram : NULL;
    } else if (hand_on(intake, sample->slot, sample->time_ms, sample->value, sample->histogram)) {
        intake->told.refused++;
    } else {
        own->last_ms = sample->time_ms;
        own->last = sample->value;
        own->histogram = sample->histogram;
        own->is_native = sample->histogram;
    }
}

void nv_intake_give_out(struct nv_intake *intake)
{
    for (size_t i = 0; i < intake->n_pending; i++)
        give_out(intake, &intake->pending[i]);
    intake->n_pending = 0;
}

void nv_intake_own_stale(struct nv_intake *intake)
{
    size_t n = intake->own_registry ? nv_registry_n_series(intake->own_registry) : 0;
    bool tracks = intake->scrape->track_timestamps_staleness;

    for (uint32_t i = 0; i < n; i++) {
        struct nv_intake_own *own = &intake->own[i];
        if (own->seen == 0 || (own->seen == intake->scrape_number && !intake->failed))
            continue;
        own->seen = 0;
        own->histogram = NULL;
        if (tracks && intake->time_ms > own->last_ms &&
            hand_on(intake, i, intake->time_ms, nv_stale(), NULL) == 0) {
            own->last_ms = intake->time_ms;
            own->last = nv_stale();
            own->is_native = false;
        }
    }
}

/* The last value of a series, where the last scrape had it. -ENOMEM. */
static int show(const struct nv_intake *intake, size_t i, struct nv_frame *frame)
{
    const struct nv_intake_own *own = &intake->own[i];

    if (own->seen != intake->scrape_number || nv_is_stale(own->last) ||
        own->is_native != (own->histogram != NULL))
        return 0;
    frame->values[i] = own->last;
    nv_bit_set(frame->present, i);
    return own->histogram ? nv_frame_put_histogram(frame, i, own->histogram) : 0;
}

/* What was told last, in a frame of the time of the scrape: for those who look, not for the store. */
struct nv_frame *nv_intake_own_frame(struct nv_intake *intake)
{
    if (!intake->own_registry || nv_registry_n_series(intake->own_registry) == 0)
        return NULL;
    if (!intake->own_pool)
        intake->own_pool = nv_frame_pool_new();
    struct nv_layout *layout = intake->own_pool ? nv_registry_layout(intake->own_registry) : NULL;
    struct nv_frame *frame =
        layout ? nv_frame_new(intake->own_pool, layout, intake->time_ms) : NULL;
    nv_layout_unref(layout);
    for (size_t i = 0; frame && i < frame->n_series; i++) {
        if (show(intake, i, frame) < 0) {
            nv_frame_unref(frame);
            return NULL;
        }
    }
    if (frame) {
        nv_bit_set(frame->observed, NV_INTAKE_SAMPLES);
        nv_bit_set(frame->observed, NV_INTAKE_ODD);
    }
    return frame;
}

void nv_intake_own_done(struct nv_intake *intake)
{
    nv_registry_free(intake->own_registry);
    nv_frame_pool_free(intake->own_pool);
    free(intake->own);
    free(intake->pending);
    intake->own_registry = NULL;
    intake->own_pool = NULL;
    intake->own = NULL;
    intake->pending = NULL;
    intake->room_own = intake->room_pending = intake->n_pending = 0;
}
