/*
 * A new generation: the series that are there get new columns, the others are forgotten, and their memory with them.
 */
#include "base/assert.h"
#include "scrape/intake_parts.h"

enum { SPARE_SERIES = 256, CROWD = 1 << 15, NONE = UINT32_MAX };

/* Of the series with the target's time, or of those with their own. */
static bool is_outweighed(const struct nv_intake *intake, size_t spare)
{
    size_t n = nv_registry_n_series(intake->registry) - intake->n_report;
    size_t own = intake->own_registry ? nv_registry_n_series(intake->own_registry) : 0;

    return nv_layout_is_outweighed(n, intake->n_there, spare) ||
           nv_layout_is_outweighed(own, intake->n_own_there, spare);
}

bool nv_intake_wants_renewal(const struct nv_intake *intake)
{
    if (intake->failed) /* what was there will most likely be there again */
        return false;
    return is_outweighed(intake, SPARE_SERIES);
}

/* A target may have other series in each scrape, and a page lasts for many. */
bool nv_intake_is_crowded(const struct nv_intake *intake)
{
    return is_outweighed(intake, CROWD);
}

/* ---- moving --------------------------------------------------------------------------------- */

/* The definition of a series in another registry of the same sections. */
static struct nv_labelled_series redefine(const struct nv_layout *layout,
                                          const struct nv_series *series, bool bare)
{
    struct nv_labelled_series def = {
        .family = series->name,
        .suffix = "",
        .type = NV_UNTYPED,
        .labels = series->labels,
        .n_labels = series->n_labels,
        .section = series->section,
    };
    static const char *const suffixes[] = {
        [NV_ROLE_BUCKET] = "_bucket", [NV_ROLE_SUM] = "_sum", [NV_ROLE_COUNT] = "_count"};

    if (bare)
        return def;
    const struct nv_layout_family *family = nv_layout_family_of(layout, series);
    def.family = family->name;
    def.help = family->help;
    def.type = series->role == NV_ROLE_VALUE && family->type == NV_SUMMARY
                   ? NV_UNTYPED /* a bare value in somebody else's family */
                   : family->type;
    if (series->role < NV_LEN(suffixes) && suffixes[series->role])
        def.suffix = suffixes[series->role];
    return def;
}

/* Moves what `wanted` has a bit for, and tells where to. */
static int move(const struct nv_layout *from, struct nv_registry *to, bool bare,
                const uint64_t *wanted, uint32_t *moved)
{
    for (size_t i = 0; i < from->n_series; i++) {
        moved[i] = NONE;
        if (!nv_bit(wanted, i))
            continue;
        const struct nv_series *series = nv_layout_series(from, i);
        struct nv_labelled_series def = redefine(from, series, bare);
        int r = nv_registry_add_labelled(to, &def, &moved[i]);
        if (r < 0)
            return r;
        if (r && r != NV_REGISTRY_DUPLICATE)
            moved[i] = NONE; /* its line finds it anew */
    }
    return 0;
}

/* ---- the two kinds of series ---------------------------------------------------------------- */

/* Series whose lines are remembered as of this kind. */
static void mark_wanted(const struct nv_intake *intake, enum nv_entry_kind kind, uint64_t *wanted,
                        size_t n)
{
    for (uint32_t i = 1; i < intake->lines.n; i++) {
        const struct nv_line_entry *entry = &intake->lines.at[i];
        if (entry->kind == kind && entry->slot < n)
            nv_bit_set(wanted, entry->slot);
    }
}

/* Lines whose series did not move are looked at anew: a hash of 0 bytes that no line has. */
static void redirect(struct nv_intake *intake, enum nv_entry_kind kind, const uint32_t *moved,
                     size_t n)
{
    for (uint32_t i = 1; i < intake->lines.n; i++) {
        struct nv_line_entry *entry = &intake->lines.at[i];
        if (entry->kind != kind || entry->slot >= n)
            continue;
        if (moved[entry->slot] == NONE)
            *entry = (struct nv_line_entry){.next = entry->next,
                                            .kind = NV_ENTRY_DROPPED,
                                            .hash = entry->hash,
                                            .length = UINT32_MAX};
        else
            entry->slot = moved[entry->slot] & ((UINT32_C(1) << 30) - 1);
    }
}

/* What was read in the last scrape, of which a frame may still be made, moves along. */
static void move_values(struct nv_intake *intake, const uint32_t *moved, size_t n)
{
    for (size_t i = 0; i < n; i++) { /* columns only move towards the front */
        bool was = nv_bit(intake->present, i);
        intake->present[i / 64] &= ~(UINT64_C(1) << (i % 64));
        if (!was || moved[i] == NONE)
            continue;
        nv_assert(moved[i] <= i);
        intake->values[moved[i]] = intake->values[i];
        if (intake->histograms)
            intake->histograms[moved[i]] = intake->histograms[i];
        if (intake->own_ms)
            intake->own_ms[moved[i]] = intake->own_ms[i];
        nv_bit_set(intake->present, moved[i]);
    }
}

static int renew_frames(struct nv_intake *intake)
{
    bool bare = !intake->scrape->expose;
    struct nv_layout *old = nv_registry_layout(intake->registry);
    size_t n = old ? old->n_series : 0;
    NV_AUTO_FREE uint64_t *wanted = calloc(n / 64 + 1, sizeof(*wanted));
    NV_AUTO_FREE uint32_t *moved = malloc((n + 1) * sizeof(*moved));
    int r = old && wanted && moved ? 0 : -ENOMEM;

    if (r == 0) {
        memcpy(wanted, intake->present, (n + 63) / 64 * sizeof(*wanted));
        mark_wanted(intake, NV_ENTRY_FRAME, wanted, n);
        nv_registry_renew(intake->registry);
        r = nv_intake_add_report(intake);
    }
    if (r == 0)
        r = move(old, intake->registry, bare, wanted, moved);
    if (r == 0) {
        redirect(intake, NV_ENTRY_FRAME, moved, n);
        move_values(intake, moved, n);
        r = nv_intake_room_for(intake, nv_registry_n_series(intake->registry));
    }
    nv_layout_unref(old);
    return r;
}

static int renew_own(struct nv_intake *intake)
{
    bool bare = !intake->scrape->expose;
    if (!intake->own_registry)
        return 0;
    struct nv_layout *old = nv_registry_layout(intake->own_registry);
    size_t n = old ? old->n_series : 0;
    NV_AUTO_FREE uint64_t *wanted = calloc(n / 64 + 1, sizeof(*wanted));
    NV_AUTO_FREE uint32_t *moved = malloc((n + 1) * sizeof(*moved));
    struct nv_intake_own *own = calloc(n + 1, sizeof(*own));
    int r = old && wanted && moved && own ? 0 : -ENOMEM;

    if (r == 0) {
        mark_wanted(intake, NV_ENTRY_OWN, wanted, n);
        nv_registry_renew(intake->own_registry);
        r = move(old, intake->own_registry, bare, wanted, moved);
    }
    if (r == 0) {
        for (size_t i = 0; i < n; i++)
            if (moved[i] != NONE)
                own[moved[i]] = intake->own[i];
        redirect(intake, NV_ENTRY_OWN, moved, n);
        free(intake->own);
        intake->own = nv_take(own);
        intake->room_own = n + 1;
    }
    free(own);
    nv_layout_unref(old);
    return r;
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* Everything is new next time; memory that is out even then is met there. */
void nv_intake_begin_anew(struct nv_intake *intake)
{
    NV_AUTO(nv_registry) *registry = nv_registry_new_lean(!intake->scrape->expose);

    nv_lines_clear(&intake->lines);
    nv_intake_own_done(intake);
    if (intake->room)
        memset(intake->present, 0, intake->room / 8);
    intake->n_there = intake->n_own_there = 0;
    if (registry && nv_intake_set_targets(intake, registry) == 0) {
        nv_registry_free(intake->registry);
        intake->registry = nv_take(registry);
    } else {
        nv_registry_renew(intake->registry);
    }
    nv_must(nv_intake_add_report(intake) == 0 ? intake : NULL);
}

static void move_all(struct nv_intake *intake)
{
    if (renew_frames(intake) < 0 || renew_own(intake) < 0)
        nv_intake_begin_anew(intake);
    nv_intake_told_renew(intake);
}

void nv_intake_forget_lines(struct nv_intake *intake, uint32_t from)
{
    if (nv_lines_cut(&intake->lines, from) == 0)
        move_all(intake);
    else
        nv_intake_begin_anew(intake);
}

void nv_intake_renew(struct nv_intake *intake)
{
    nv_assert(!intake->going);
    if (nv_lines_keep(&intake->lines, intake->last_good) == 0)
        move_all(intake);
    else
        nv_intake_begin_anew(intake);
}
