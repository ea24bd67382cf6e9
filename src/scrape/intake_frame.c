/*
 * What becomes of a scrape: its frame, the report in it, and what others may look at.
 */
#include "base/assert.h"
#include "scrape/intake_parts.h"

/* In the order of struct nv_intake's report. */
static const struct {
    const char *name;
    bool extra;
} reports[NV_INTAKE_REPORT_COLUMNS] = {
    {"up",                                    false},
    {"scrape_duration_seconds",               false},
    {"scrape_samples_scraped",                false},
    {"scrape_samples_post_metric_relabeling", false},
    {"scrape_series_added",                   false},
    {"scrape_timeout_seconds",                true },
    {"scrape_sample_limit",                   true },
    {"scrape_body_size_bytes",                true },
};

/* All of them, that a column stays what it is when the configuration asks for more. */
int nv_intake_add_report(struct nv_intake *intake)
{
    for (size_t i = 0; i < NV_LEN(reports); i++) {
        const struct nv_labelled_series def = {
            .family = nv_str(reports[i].name),
            .suffix = "",
            .type = NV_GAUGE,
            .section = NV_INTAKE_REPORT,
        };
        if (nv_registry_add_labelled(intake->registry, &def, &intake->report[i]))
            return -ENOMEM;
    }
    intake->n_report = NV_LEN(reports);
    return nv_intake_room_for(intake, nv_registry_n_series(intake->registry));
}

static void fill_report(const struct nv_intake *intake, const struct nv_intake_report *report,
                        struct nv_frame *frame)
{
    const struct nv_intake_told *told = &intake->told;
    const double values[NV_INTAKE_REPORT_COLUMNS] = {
        !intake->failed,
        report->duration_s,
        (double)told->samples,
        (double)told->kept,
        (double)told->added,
        report->timeout_s,
        (double)intake->scrape->limits.samples,
        told->body_too_large ? -1 : (double)told->body_bytes,
    };

    for (size_t i = 0; i < NV_LEN(reports); i++) {
        if (reports[i].extra && !intake->scrape->extra_scrape_metrics)
            continue;
        frame->values[intake->report[i]] = values[i];
        nv_bit_set(frame->present, intake->report[i]);
    }
}

/* A frame of the present layout in which everything is observed, and nothing there. */
static struct nv_frame *empty_frame(struct nv_intake *intake, int64_t time_ms)
{
    struct nv_layout *layout = nv_registry_layout(intake->registry);
    struct nv_frame *frame = layout ? nv_frame_new(intake->pool, layout, time_ms) : NULL;

    nv_layout_unref(layout);
    for (uint32_t i = NV_INTAKE_SAMPLES; frame && i <= NV_INTAKE_ODD; i++)
        nv_bit_set(frame->observed, i);
    return frame;
}

static int fill_samples(const struct nv_intake *intake, struct nv_frame *frame)
{
    size_t n = frame->n_series;

    nv_assert(n <= intake->room);
    memcpy(frame->values, intake->values, n * sizeof(double));
    memcpy(frame->present, intake->present, (n + 63) / 64 * sizeof(uint64_t));
    for (size_t i = 0; intake->any_histogram && i < n; i++) {
        if (!nv_bit(intake->present, i) || !intake->histograms[i])
            continue;
        int r = nv_frame_put_histogram(frame, i, intake->histograms[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int nv_intake_frame(struct nv_intake *intake, const struct nv_intake_report *report,
                    struct nv_frame **ret)
{
    nv_assert(!intake->going);
    NV_AUTO(nv_frame) *frame = empty_frame(intake, intake->time_ms);
    if (!frame)
        return -ENOMEM;
    int r = fill_samples(intake, frame);
    if (r < 0)
        return r;
    if (intake->exposed)
        nv_frame_unref(intake->exposed);
    intake->exposed = NULL;
    if (intake->scrape->expose && !intake->failed)
        intake->exposed = nv_frame_ref(frame);
    fill_report(intake, report, frame);
    intake->live = true;
    *ret = nv_take(frame);
    return 0;
}

int nv_intake_leave(struct nv_intake *intake, int64_t time_ms, struct nv_frame **ret)
{
    *ret = NULL;
    intake->time_ms = time_ms;
    intake->failed = -ECANCELED; /* so that none is taken as seen */
    nv_intake_own_stale(intake);
    if (!intake->live)
        return 0;
    intake->live = false;
    *ret = empty_frame(intake, time_ms);
    return *ret ? 0 : -ENOMEM;
}

/* Without the report; a copy, for the store has the other. */
static struct nv_frame *samples_alone(struct nv_intake *intake, const struct nv_frame *from)
{
    NV_AUTO(nv_frame) *frame = nv_frame_new(intake->pool, from->layout, from->time_ms);

    if (!frame)
        return NULL;
    memcpy(frame->values, from->values, from->n_series * sizeof(double));
    memcpy(frame->present, from->present, (from->n_series + 63) / 64 * sizeof(uint64_t));
    for (size_t i = 0; i < NV_LEN(reports); i++)
        if (intake->report[i] < frame->n_series) /* they come first in each generation */
            frame->present[intake->report[i] / 64] &= ~(UINT64_C(1) << (intake->report[i] % 64));
    for (size_t i = 0; from->histograms && i < from->n_series; i++)
        if (from->histograms[i] && nv_frame_has(from, i) &&
            nv_frame_put_histogram(frame, i, from->histograms[i]) < 0)
            return NULL;
    frame->own_ms = nv_take(intake->own_ms);
    nv_bit_set(frame->observed, NV_INTAKE_SAMPLES);
    nv_bit_set(frame->observed, NV_INTAKE_ODD);
    return nv_take(frame);
}

size_t nv_intake_exposed(struct nv_intake *intake, struct nv_frame *ret[NV_INTAKE_EXPOSED_MAX])
{
    struct nv_frame *frame;
    size_t n = 0;

    if (!intake->scrape->expose || !intake->exposed || intake->failed)
        return 0;
    frame = samples_alone(intake, intake->exposed);
    if (frame)
        ret[n++] = frame;
    frame = nv_intake_own_frame(intake);
    if (frame)
        ret[n++] = frame;
    return n;
}
