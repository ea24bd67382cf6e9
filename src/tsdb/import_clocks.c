/*
 * import_clocks.c - which series of a span share a clock.
 *
 * Series with the very same times have one clock. Clocks, those with most samples first, become sections of
 * groups: a clock joins the first group that has at least half of its times, and the group's rows grow by the
 * others; else it begins a group. A section is observed in the rows of its clock and no others, so that nothing
 * is stale that the input did not call stale. A group of one series is none: the series is sparse.
 */
#include "tsdb/import_parts.h"

#include <errno.h>

#include "base/assert.h"

enum {
    GROUPS_MAX = 64, /* with rows of their own in memory; later clocks are sparse */
    PROBES = 16,     /* times looked up before a clock is compared with a group */
    BITS_MAX = 32 << 20,
};

/* ---- clocks --------------------------------------------------------------------------------- */

struct hashes {
    const struct nv_import_part *parts;
    const struct nv_import_clocks *clocks;
};

static uint64_t clock_hash(uint32_t value, const void *user)
{
    const struct hashes *all = user;

    return all->parts[all->clocks->at[value].part].hash;
}

static int new_clock(struct nv_import_clocks *clocks, const struct nv_import_part *parts, size_t i)
{
    const struct hashes all = {parts, clocks};

    if (clocks->n == clocks->room) {
        size_t room = clocks->room ? clocks->room * 2 : 64;
        struct nv_import_clock *grown = realloc(clocks->at, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        clocks->at = grown;
        clocks->room = room;
    }
    clocks->at[clocks->n] = (struct nv_import_clock){.part = (uint32_t)i, .group = NV_BLOCK_SPARSE};
    int r = nv_index_add(&clocks->index, parts[i].hash, (uint32_t)clocks->n, clock_hash, &all);
    clocks->n += r == 0;
    return r;
}

static int find_clocks(struct nv_import_clocks *clocks, struct nv_import_part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t at = nv_index_first(&clocks->index, parts[i].hash), v = 0;
        bool found = false;
        while (!found && nv_index_next(&clocks->index, parts[i].hash, &at, &v))
            found = parts[clocks->at[v].part].hash == parts[i].hash &&
                    parts[clocks->at[v].part].n == parts[i].n;
        if (!found) {
            int r = new_clock(clocks, parts, i);
            if (r < 0)
                return r;
            v = (uint32_t)clocks->n - 1;
        }
        parts[i].clock = v;
        clocks->at[v].count++;
    }
    return 0;
}

/* ---- groups --------------------------------------------------------------------------------- */

static int read_times(struct nv_import *import, struct nv_import_clocks *clocks,
                      const struct nv_import_part *part)
{
    int r = nv_import_read(import, part->at, part->n, clocks->samples);

    for (size_t i = 0; r == 0 && i < part->n; i++)
        clocks->times[i] = clocks->samples[i].time_ms;
    return r;
}

static bool has_time(const struct nv_import_group *group, int64_t time_ms)
{
    size_t low = 0, high = group->n_rows;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (group->times[middle] < time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low < group->n_rows && group->times[low] == time_ms;
}

static bool looks_alike(const struct nv_import_group *group, const int64_t *times, size_t n)
{
    size_t probes = n < PROBES ? n : PROBES, hits = 0;

    for (size_t i = 0; i < probes; i++)
        hits += has_time(group, times[i * n / probes]);
    return 2 * hits >= probes;
}

static size_t n_common(const struct nv_import_group *group, const int64_t *times, size_t n)
{
    size_t common = 0;

    for (size_t i = 0, k = 0; i < n && k < group->n_rows;) {
        int64_t a = times[i], b = group->times[k];
        common += a == b;
        i += a <= b;
        k += b <= a;
    }
    return common;
}

/* Adds the times that the group lacks. */
static int widen(struct nv_import_group *group, const int64_t *times, size_t n, size_t n_union)
{
    if (n_union == group->n_rows)
        return 0;
    int64_t *both = calloc(n_union, sizeof(*both));
    if (!both)
        return -ENOMEM;
    for (size_t i = 0, k = 0, at = 0; at < n_union; at++) {
        bool mine = k == group->n_rows || (i < n && times[i] <= group->times[k]);
        both[at] = mine ? times[i] : group->times[k];
        k += k < group->n_rows && group->times[k] == both[at];
        i += i < n && times[i] == both[at];
    }
    free(group->times);
    group->times = both;
    group->n_rows = n_union;
    return 0;
}

/* Puts a clock, whose times are in clocks->times, into a group, or leaves it sparse. */
static int place(struct nv_import_clocks *clocks, struct nv_import_clock *clock, size_t n)
{
    for (size_t i = 0; i < clocks->n_groups; i++) {
        struct nv_import_group *group = &clocks->groups[i];
        if (group->n_sections == NV_BLOCK_SECTIONS_MAX || !looks_alike(group, clocks->times, n))
            continue;
        size_t common = n_common(group, clocks->times, n), n_union = group->n_rows + n - common;
        if (2 * common < n || n_union > NV_BLOCK_ROWS_MAX)
            continue;
        clock->group = (uint32_t)i;
        clock->section = (uint32_t)group->n_sections++;
        group->n_series += clock->count;
        return widen(group, clocks->times, n, n_union);
    }
    if (clocks->n_groups == GROUPS_MAX)
        return 0;
    struct nv_import_group *group = &clocks->groups[clocks->n_groups];
    *group = (struct nv_import_group){.times = calloc(n, sizeof(*group->times)),
                                      .n_rows = n,
                                      .n_sections = 1,
                                      .n_series = clock->count};
    if (!group->times)
        return -ENOMEM;
    memcpy(group->times, clocks->times, n * sizeof(*group->times));
    clock->group = (uint32_t)clocks->n_groups++;
    clock->section = 0;
    return 0;
}

struct weight {
    uint64_t samples;
    uint32_t clock;
};

/* Most samples first. */
static int by_weight(const void *a, const void *b)
{
    const struct weight *x = a, *y = b;

    if (x->samples != y->samples)
        return x->samples > y->samples ? -1 : 1;
    return (x->clock > y->clock) - (x->clock < y->clock);
}

static int make_groups(struct nv_import *import, struct nv_import_clocks *clocks,
                       const struct nv_import_part *parts)
{
    NV_AUTO_FREE struct weight *order = calloc(clocks->n + 1, sizeof(*order));
    int r = 0;

    if (!order)
        return -ENOMEM;
    for (size_t i = 0; i < clocks->n; i++)
        order[i] = (struct weight){(uint64_t)clocks->at[i].count * parts[clocks->at[i].part].n,
                                   (uint32_t)i};
    qsort(order, clocks->n, sizeof(*order), by_weight);
    for (size_t i = 0; i < clocks->n && r == 0; i++) {
        struct nv_import_clock *clock = &clocks->at[order[i].clock];
        r = read_times(import, clocks, &parts[clock->part]);
        if (r == 0)
            r = place(clocks, clock, parts[clock->part].n);
    }
    return r;
}

/* ---- sections ------------------------------------------------------------------------------- */

/* The rows of a clock; NULL where the bits of all groups would be too many. */
static uint64_t *rows_of(struct nv_import_clocks *clocks, const struct nv_import_group *group,
                         size_t n)
{
    size_t words = (group->n_rows + 63) / 64;
    uint64_t *bits = nv_arena_alloc(&clocks->bits, words * sizeof(*bits));

    if (!bits)
        return NULL;
    memset(bits, 0, words * sizeof(*bits));
    for (size_t i = 0, k = 0; i < n; i++, k++) {
        while (group->times[k] != clocks->times[i]) {
            k++;
            nv_assert(k < group->n_rows);
        }
        bits[k / 64] |= UINT64_C(1) << (k % 64);
    }
    return bits;
}

static int make_sections(struct nv_import *import, struct nv_import_clocks *clocks,
                         const struct nv_import_part *parts)
{
    for (size_t i = 0; i < clocks->n_groups; i++) {
        struct nv_import_group *group = &clocks->groups[i];
        group->observed = calloc(group->n_sections, sizeof(*group->observed));
        if (!group->observed)
            return -ENOMEM;
        group->n_sections = 0; /* counted anew: some may turn sparse */
    }
    for (size_t i = 0; i < clocks->n; i++) {
        struct nv_import_clock *clock = &clocks->at[i];
        if (clock->group == NV_BLOCK_SPARSE)
            continue;
        struct nv_import_group *group = &clocks->groups[clock->group];
        int r = read_times(import, clocks, &parts[clock->part]);
        if (r < 0)
            return r;
        uint64_t *bits = group->n_series > 1 ? rows_of(clocks, group, parts[clock->part].n) : NULL;
        clock->group = bits ? clock->group : NV_BLOCK_SPARSE;
        clock->section = (uint32_t)group->n_sections;
        if (bits)
            group->observed[group->n_sections++] = bits;
    }
    return 0;
}

int nv_import_clocks_find(struct nv_import *import, struct nv_import_part *parts, size_t n,
                          struct nv_import_clocks *ret)
{
    size_t longest = 1;

    for (size_t i = 0; i < n; i++)
        longest = parts[i].n > longest ? parts[i].n : longest;
    *ret = (struct nv_import_clocks){
        .groups = calloc(GROUPS_MAX, sizeof(*ret->groups)),
        .samples = calloc(longest, sizeof(*ret->samples)),
        .times = calloc(longest, sizeof(*ret->times)),
        .bits = NV_ARENA(BITS_MAX),
    };
    if (!ret->groups || !ret->samples || !ret->times)
        return -ENOMEM;
    int r = find_clocks(ret, parts, n);
    if (r == 0)
        r = make_groups(import, ret, parts);
    return r < 0 ? r : make_sections(import, ret, parts);
}

void nv_import_clocks_done(struct nv_import_clocks *clocks)
{
    for (size_t i = 0; i < clocks->n_groups; i++) {
        free(clocks->groups[i].times);
        free(clocks->groups[i].observed);
    }
    free(clocks->groups);
    free(clocks->at);
    free(clocks->samples);
    free(clocks->times);
    nv_index_done(&clocks->index);
    nv_arena_done(&clocks->bits);
}
