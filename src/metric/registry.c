/*
 * Families and series as they come: named, interned, rendered for exposition, and found again.
 */
#include "metric/layout.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/utf8.h"
#include "metric/frame.h"
#include "metric/registry_parts.h"

enum { TARGETS_MAX = 64 << 20, FIRST_ROOM = 16 };

/* Names and label sets are interned, so the pointers are the texts. */
uint64_t nv_registry_identity(const struct nv_series *series)
{
    const void *const id[] = {series->name.p, series->labels};

    return nv_hash_keyed(id, sizeof(id));
}

uint64_t nv_registry_series_hash(uint32_t value, const void *registry)
{
    return nv_registry_identity(nv_registry_series_at(registry, value));
}

bool nv_registry_find(const struct nv_registry *registry, const struct nv_series *series,
                      uint32_t *ret)
{
    uint64_t hash = nv_registry_identity(series);
    uint32_t v;

    for (uint32_t at = nv_index_first(&registry->series_index, hash);
         nv_index_next(&registry->series_index, hash, &at, &v);) {
        const struct nv_series *other = nv_registry_series_at(registry, v);
        if (other->name.p == series->name.p && other->labels == series->labels) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* ---- series --------------------------------------------------------------------------------- */

/* The labels sorted by name, le or quantile last. Returns their number, or an outcome below 0. */
static int sort_labels(const struct nv_series_def *def, const char *last, struct nv_label *labels)
{
    int n = 0;

    for (; def->label_names[n]; n++) {
        if (n == NV_LABELS_MAX)
            return -NV_REGISTRY_INVALID;
        struct nv_label label = {nv_str(def->label_names[n]), def->label_values[n]};
        if (!label.name.n || nv_str_starts(label.name, "__") || !nv_utf8_valid(label.name))
            return -NV_REGISTRY_INVALID;
        int at = n;
        for (; at > 0; at--) {
            int order = nv_str_cmp(labels[at - 1].name, label.name);
            if (order == 0)
                return -NV_REGISTRY_INVALID;
            bool behind = last && nv_str_is(labels[at - 1].name, last);
            if ((order < 0 || (last && nv_str_is(label.name, last))) && !behind)
                break;
            labels[at] = labels[at - 1];
        }
        labels[at] = label;
    }
    return n;
}

/* Writes `{a="b"} ` or, where the name is not legacy, `{"na.me",a="b"} `. */
static void render_rest(struct nv_buf *text, struct nv_str name, const struct nv_label *labels,
                        size_t n, bool *ret_legacy)
{
    bool legacy = nv_name_is_legacy_metric(name);

    *ret_legacy = legacy;
    nv_buf_reset(text);
    if (!legacy) {
        nv_buf_text(text, "{\"");
        nv_name_escape_value(text, name);
        nv_buf_char(text, '"');
    }
    for (size_t i = 0; i < n; i++) {
        bool plain = nv_name_is_legacy_label(labels[i].name);
        *ret_legacy = *ret_legacy && plain;
        nv_buf_char(text, i == 0 && legacy ? '{' : ',');
        if (!plain)
            nv_buf_char(text, '"');
        nv_name_escape_value(text, labels[i].name);
        nv_buf_text(text, plain ? "=\"" : "\"=\"");
        nv_name_escape_value(text, labels[i].value);
        nv_buf_char(text, '"');
    }
    nv_buf_text(text, n || !legacy ? "} " : " ");
}

struct nv_str nv_registry_keep_value(struct nv_registry *registry, struct nv_str value)
{
    NV_AUTO_BUF clean = NV_BUF(NV_REGISTRY_TEXT_MAX);

    if (nv_utf8_valid(value))
        return nv_arena_str(&registry->memory->arena, value);
    while (value.n) {
        size_t n = nv_utf8_length(value);
        if (n) {
            nv_buf_add(&clean, value.p, n);
            value = nv_str_from(value, n);
            continue;
        }
        while (value.n && !nv_utf8_length(value))
            value = nv_str_from(value, 1);
        nv_buf_text(&clean, "\xef\xbf\xbd");
    }
    return clean.failed ? (struct nv_str){NULL, 0}
                        : nv_arena_str(&registry->memory->arena, nv_buf_view(&clean));
}

bool nv_registry_role(const char *suffix, enum nv_type type, enum nv_role *ret,
                      const char **ret_last)
{
    *ret_last = NULL;
    *ret = NV_ROLE_VALUE;
    if (!suffix[0]) {
        if (type != NV_SUMMARY)
            return true;
        *ret = NV_ROLE_QUANTILE;
        *ret_last = "quantile";
        return true;
    }
    if (strcmp(suffix, "_bucket") == 0) {
        *ret = NV_ROLE_BUCKET;
        *ret_last = "le";
        return type == NV_HISTOGRAM;
    }
    *ret = strcmp(suffix, "_sum") == 0 ? NV_ROLE_SUM : NV_ROLE_COUNT;
    return (type == NV_HISTOGRAM || type == NV_SUMMARY) &&
           (*ret == NV_ROLE_SUM || strcmp(suffix, "_count") == 0);
}

/* The first chunk grows by a copy; earlier layouts keep theirs. A registry of few series, as most targets have, is small. */
static int grow_first_chunk(struct nv_registry *registry)
{
    size_t n = registry->n_series, room = 4 * n;

    if (n < registry->room_first || n >= NV_LAYOUT_CHUNK)
        return 0;
    struct nv_series *chunk =
        nv_arena_alloc(&registry->memory->arena, room * sizeof(struct nv_series));
    if (!chunk)
        return -ENOMEM;
    memcpy(chunk, registry->chunks[0], n * sizeof(*chunk));
    registry->chunks[0] = chunk;
    registry->room_first = room;
    return 0;
}

static int room_for_series(struct nv_registry *registry)
{
    size_t chunk = registry->n_series / NV_LAYOUT_CHUNK;

    if (registry->n_series % NV_LAYOUT_CHUNK)
        return grow_first_chunk(registry);
    if (chunk == registry->room_chunks) {
        size_t room = registry->room_chunks ? registry->room_chunks * 2 : 16;
        struct nv_series **p = realloc(registry->chunks, room * sizeof(struct nv_series *));
        if (!p)
            return -ENOMEM;
        registry->chunks = p;
        registry->room_chunks = room;
    }
    size_t room = chunk ? NV_LAYOUT_CHUNK : FIRST_ROOM;
    registry->chunks[chunk] =
        nv_arena_alloc(&registry->memory->arena, room * sizeof(struct nv_series));
    if (!chunk)
        registry->room_first = room;
    return registry->chunks[chunk] ? 0 : -ENOMEM;
}

static int room_in_family(struct nv_registry_family *family)
{
    if (family->n_fresh < family->room)
        return 0;
    uint32_t room = family->room ? family->room * 2 : 4;
    uint32_t *p = realloc(family->fresh, room * sizeof(*p));
    if (!p)
        return -ENOMEM;
    family->fresh = p;
    family->room = room;
    return 0;
}

int nv_registry_make_room(struct nv_registry *registry, struct nv_registry_family *family)
{
    int r = room_for_series(registry);

    return r < 0 || !family ? r : room_in_family(family);
}

static int add_series(struct nv_registry *registry, uint32_t number, struct nv_series series)
{
    struct nv_registry_family *family = &registry->families[number];
    uint32_t column = (uint32_t)registry->n_series;

    int r = nv_registry_make_room(registry, family);
    if (r < 0)
        return r;
    series.family = number;
    render_rest(&registry->text, series.name, series.labels, series.n_labels, &series.legacy);
    if (registry->text.failed)
        return NV_REGISTRY_INVALID;
    series.quoted = !nv_name_is_legacy_metric(series.name);
    series.rest =
        nv_intern_text(&registry->intern, &registry->memory->arena, nv_buf_view(&registry->text));
    if (!series.rest.p)
        return -ENOMEM;
    *nv_registry_series_at(registry, column) = series;
    r = nv_index_add(&registry->series_index, nv_registry_identity(&series), column,
                     nv_registry_series_hash, registry);
    if (r < 0)
        return r;
    family->fresh[family->n_fresh++] = column;
    registry->n_series++;
    registry->changed = true;
    return 0;
}

/* Label values as they are kept, the set once for all series that have it. -ENOMEM. */
static int intern(struct nv_registry *registry, struct nv_label *labels, size_t n,
                  struct nv_str name, struct nv_series *series)
{
    for (size_t i = 0; i < n; i++) {
        if (!nv_utf8_valid(labels[i].value))
            labels[i].value = nv_registry_keep_value(registry, labels[i].value);
        if (!labels[i].value.p)
            return -ENOMEM;
    }
    series->name = nv_intern_text(&registry->intern, &registry->memory->arena, name);
    series->labels = nv_intern_labels(&registry->intern, &registry->memory->arena, labels, n);
    return series->name.p && series->labels ? 0 : -ENOMEM;
}

int nv_registry_add(struct nv_registry *registry, const struct nv_series_def *def,
                    uint32_t *ret_column)
{
    struct nv_label labels[NV_LABELS_MAX];
    struct nv_series series = {.section = def->section};
    char name[NV_REGISTRY_NAME_MAX + 8];
    const char *last;
    enum nv_role role;
    uint32_t family;

    if (!nv_registry_role(def->suffix, def->type, &role, &last))
        return NV_REGISTRY_INVALID;
    int n = sort_labels(def, last, labels);
    if (n < 0)
        return -n;
    if (last && (n == 0 || !nv_str_is(labels[n - 1].name, last) ||
                 !nv_str_to_real(labels[n - 1].value, &series.bound)))
        return NV_REGISTRY_INVALID;
    int length = snprintf(name, sizeof(name), "%s%s", def->name, def->suffix);
    if (length < 0 || (size_t)length >= sizeof(name))
        return NV_REGISTRY_INVALID;
    int r = nv_registry_family_of(registry, def, &family);
    if (r)
        return r;

    struct nv_str full = {name, (size_t)length};
    series.role = (uint8_t)role;
    series.n_labels = (uint16_t)n;
    r = intern(registry, labels, (size_t)n, full, &series);
    if (r < 0)
        return r;
    if (nv_registry_find(registry, &series, ret_column))
        return NV_REGISTRY_DUPLICATE;
    if (registry->n_series == NV_LAYOUT_SERIES_MAX)
        return NV_REGISTRY_FULL;
    r = add_series(registry, family, series);
    if (r == 0)
        *ret_column = (uint32_t)registry->n_series - 1;
    return r;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_registry *nv_registry_new(void)
{
    struct nv_registry *registry = calloc(1, sizeof(*registry));

    if (!registry)
        return NULL;
    registry->text = NV_BUF(NV_REGISTRY_TEXT_MAX);
    registry->target_memory = NV_ARENA(TARGETS_MAX);
    registry->memory = nv_generation_new(1);
    if (!registry->memory) {
        free(registry);
        return NULL;
    }
    return registry;
}

static void drop_all(struct nv_registry *registry)
{
    for (size_t i = 0; i < registry->n_families; i++)
        free(registry->families[i].fresh);
    registry->n_families = registry->n_series = 0;
    nv_index_done(&registry->family_index);
    nv_index_done(&registry->series_index);
    nv_intern_done(&registry->intern);
}

void nv_registry_free(struct nv_registry *registry)
{
    if (!registry)
        return;
    drop_all(registry);
    nv_layout_unref(registry->layout);
    nv_generation_unref(registry->memory);
    nv_buf_done(&registry->text);
    nv_arena_done(&registry->target_memory);
    free(registry->targets);
    free(registry->families);
    free(registry->chunks);
    free(registry);
}

void nv_registry_renew(struct nv_registry *registry)
{
    struct nv_generation *next = nv_must(nv_generation_new(registry->memory->number + 1));

    drop_all(registry);
    nv_generation_unref(registry->memory);
    registry->memory = next;
    registry->changed = true;
}

uint32_t nv_registry_add_section(struct nv_registry *registry)
{
    if (registry->n_sections == registry->room_targets) {
        registry->room_targets = registry->room_targets ? registry->room_targets * 2 : 128;
        registry->targets =
            nv_must(realloc(registry->targets, registry->room_targets * sizeof(struct nv_target)));
    }
    registry->targets[registry->n_sections] = (struct nv_target){NULL, 0, 0};
    registry->changed = true;
    return (uint32_t)registry->n_sections++;
}

void nv_registry_set_cadence(struct nv_registry *registry, uint32_t section, unsigned cadence_ms)
{
    nv_assert(section < registry->n_sections);
    registry->targets[section].cadence_ms = cadence_ms;
    registry->changed = registry->targets_changed = true;
}

int nv_registry_set_target(struct nv_registry *registry, uint32_t section,
                           const struct nv_label *labels, size_t n)
{
    struct nv_arena *arena = &registry->target_memory;
    struct nv_label *kept = nv_arena_alloc(arena, (n + 1) * sizeof(*kept));

    nv_assert(section < registry->n_sections);
    if (!kept)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        kept[i].name = nv_arena_str(arena, labels[i].name);
        kept[i].value = nv_arena_str(arena, labels[i].value);
        if (!kept[i].name.p || !kept[i].value.p)
            return -ENOMEM;
    }
    registry->targets[section].labels = kept;
    registry->targets[section].n_labels = n;
    registry->changed = registry->targets_changed = true;
    return 0;
}

uint64_t nv_registry_generation(const struct nv_registry *registry)
{
    return registry->memory->number;
}

size_t nv_registry_n_series(const struct nv_registry *registry)
{
    return registry->n_series;
}

const struct nv_series *nv_registry_series(const struct nv_registry *registry, size_t column)
{
    nv_assert(column < registry->n_series);
    return nv_registry_series_at(registry, column);
}

size_t nv_registry_memory(const struct nv_registry *registry)
{
    return registry->memory->arena.total + nv_intern_memory(&registry->intern) +
           (registry->lean ? registry->series_index.size * sizeof(struct nv_index_slot) : 0);
}
