/*
 * One sample of a body: counted as Prometheus counts it, and put where its series belongs.
 */
#include <string.h>

#include "metric/relabel.h"
#include "scrape/intake_parts.h"

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* A time that is not honoured is still shown to those who look at the target. */
static int keep_time(struct nv_intake *intake, uint32_t column, int64_t time_ms)
{
    if (!intake->own_ms)
        intake->own_ms = calloc(intake->room, sizeof(*intake->own_ms));
    if (!intake->own_ms)
        return nv_intake_no_memory(intake);
    intake->own_ms[column] = time_ms;
    return 0;
}

/* The second value for a column in one scrape is dropped; where it says the same, nobody minds. */
static int put(struct nv_intake *intake, uint32_t column, const struct nv_line_value *line,
               const struct nv_histogram *histogram)
{
    double value = line->value;

    if (nv_bit(intake->present, column)) {
        intake->told.duplicates += histogram || !same_bits(intake->values[column], value);
        return 0;
    }
    if (histogram ? nv_is_stale(histogram->sum) : nv_is_stale(value))
        return 0; /* it says itself that it is gone */
    intake->values[column] = value;
    if (histogram) {
        const struct nv_histogram *kept = nv_histogram_keep(&intake->native, histogram);
        if (!intake->histograms)
            intake->histograms = calloc(intake->room, sizeof(*intake->histograms));
        if (!kept || !intake->histograms)
            return nv_intake_no_memory(intake);
        intake->histograms[column] = kept;
        intake->any_histogram = true;
    } else if (intake->histograms) {
        intake->histograms[column] = NULL;
    }
    nv_bit_set(intake->present, column);
    return line->has_time && intake->scrape->expose ? keep_time(intake, column, line->time_ms) : 0;
}

static int place(struct nv_intake *intake, uint32_t kind, uint32_t slot,
                 const struct nv_line_value *value, const struct nv_histogram *histogram)
{
    switch (kind) {
    case NV_ENTRY_FRAME:
        return put(intake, slot, value, histogram);
    case NV_ENTRY_OWN:
        return nv_intake_add_pending(intake, slot, value, histogram);
    default:
        intake->told.refused += slot == NV_ENTRY_REFUSED;
        intake->told.duplicates += slot == NV_ENTRY_REPORT;
        return 0;
    }
}

/* Whether there are more than sample_limit allows: they are counted, and fail the scrape at its end. Markers are free. */
static bool is_over_limit(struct nv_intake *intake, const struct nv_line_value *value,
                          const struct nv_histogram *histogram)
{
    int64_t limit = intake->scrape->limits.samples;

    if (limit <= 0 || (!histogram && nv_is_stale(value->value)))
        return false;
    return ++intake->attempts > (uint64_t)limit;
}

/* A new series beyond the limit is of no use to anybody but the counts. */
static bool will_be_over(const struct nv_intake *intake, const struct nv_line_value *value,
                         const struct nv_histogram *histogram)
{
    int64_t limit = intake->scrape->limits.samples;

    return limit > 0 && intake->attempts >= (uint64_t)limit &&
           (histogram || !nv_is_stale(value->value));
}

static bool is_too_far_ahead(struct nv_intake *intake, bool own, const struct nv_line_value *value)
{
    bool is = own && value->time_ms > intake->latest_ms;

    intake->told.out_of_bounds += is;
    return is;
}

static int too_many(struct nv_intake *intake)
{
    return nv_intake_refuse(intake, "more than %d samples", NV_INTAKE_SERIES_MAX);
}

int nv_intake_known(struct nv_intake *intake, uint32_t entry, const struct nv_line_value *value,
                    const struct nv_histogram *histogram, const struct nv_intake_source *source)
{
    struct nv_line_entry *e = &intake->lines.at[entry];
    bool own = value->has_time && intake->honors, again = e->seen == intake->scrape_number;
    bool is_new = e->seen < intake->last_good;

    intake->told.samples++;
    e->seen = intake->scrape_number;
    if (e->kind == NV_ENTRY_DROPPED && e->slot == NV_ENTRY_RELABELLED)
        return 0;
    if (++intake->told.kept > NV_INTAKE_SERIES_MAX)
        return too_many(intake);
    if (again && !own) {
        intake->told.duplicates++;
        return 0;
    }
    if (is_over_limit(intake, value, histogram) || is_too_far_ahead(intake, own, value))
        return 0;
    if (e->kind != NV_ENTRY_DROPPED && own != (e->kind == NV_ENTRY_OWN)) {
        struct nv_intake_place to;
        if (!own)
            nv_intake_own_pauses(intake, e->slot);
        int r = nv_intake_find_place(intake, source, own, &to);
        if (r < 0)
            return r;
        if (to.kind == NV_ENTRY_OWN)
            nv_intake_own_begins(intake, to.slot);
        e = &intake->lines.at[entry];
        e->kind = to.kind;
        e->slot = to.slot & ((UINT32_C(1) << 30) - 1);
    }
    intake->told.added += is_new && !again && e->kind != NV_ENTRY_DROPPED;
    return place(intake, e->kind, e->slot, value, histogram);
}

/* Remembers the line; one too many is looked at anew each time. */
static int remember(struct nv_intake *intake, uint64_t hash, uint32_t length,
                    const struct nv_intake_place *to)
{
    const struct nv_line_entry entry = {
        .hash = hash,
        .length = length,
        .kind = to->kind,
        .slot = to->slot & ((UINT32_C(1) << 30) - 1),
        .seen = intake->scrape_number,
    };
    uint32_t i;

    int r = nv_lines_add(&intake->lines, entry, &i);
    return r == -E2BIG ? 0 : r < 0 ? nv_intake_no_memory(intake) : 0;
}

int nv_intake_new_sample(struct nv_intake *intake, uint64_t hash, uint32_t length,
                         const struct nv_line_value *value, const struct nv_histogram *histogram,
                         const struct nv_intake_source *source)
{
    bool own = value->has_time && intake->honors;
    struct nv_intake_place to;

    intake->told.samples++;
    if (intake->told.kept >= NV_INTAKE_SERIES_MAX)
        return too_many(intake);
    bool only_counts = will_be_over(intake, value, histogram);
    int r = nv_intake_find_place(intake, source, own, only_counts ? NULL : &to);
    if (r < 0)
        return r;
    if (r == NV_RELABEL_DROPPED && only_counts)
        return 0;
    if (!only_counts && to.kind == NV_ENTRY_DROPPED && to.slot == NV_ENTRY_RELABELLED)
        return remember(intake, hash, length, &to);
    intake->told.kept++;
    if (is_over_limit(intake, value, histogram) || is_too_far_ahead(intake, own, value))
        return 0;
    r = remember(intake, hash, length, &to);
    if (r < 0)
        return r;
    intake->told.added += to.kind != NV_ENTRY_DROPPED;
    return place(intake, to.kind, to.slot, value, histogram);
}
