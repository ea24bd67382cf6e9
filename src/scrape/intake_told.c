/*
 * What a target tells of its families: kept while it tells it, pictured for those who ask.
 */
#include "scrape/intake_parts.h"

enum { FAMILIES_MAX = 50000, TEXTS_MAX = 8 << 20 };

static uint64_t family_hash(uint32_t value, const void *intake)
{
    struct nv_str name = ((const struct nv_intake *)intake)->families[value].name;

    return nv_hash_keyed(name.p, name.n);
}

static uint32_t find(const struct nv_intake *intake, struct nv_str name, uint64_t hash)
{
    uint32_t v;

    for (uint32_t at = nv_index_first(&intake->family_index, hash);
         nv_index_next(&intake->family_index, hash, &at, &v);)
        if (nv_str_eq(intake->families[v].name, name))
            return v;
    return NV_INTAKE_NO_FAMILY;
}

/* A new family; NV_INTAKE_NO_FAMILY where there are too many. */
static int add(struct nv_intake *intake, struct nv_str name, uint64_t hash, uint32_t *ret)
{
    *ret = NV_INTAKE_NO_FAMILY;
    if (intake->n_families == FAMILIES_MAX)
        return 0;
    if (intake->n_families == intake->room_families) {
        uint32_t room = intake->room_families + intake->room_families / 2 + 16;
        struct nv_intake_family *grown = realloc(intake->families, room * sizeof(*grown));
        if (!grown)
            return nv_intake_no_memory(intake);
        intake->families = grown;
        intake->room_families = room;
    }
    struct nv_str kept = nv_arena_str(&intake->told_memory, name);
    if (!kept.p)
        return 0;
    intake->families[intake->n_families] = (struct nv_intake_family){.name = kept};
    if (nv_index_add(&intake->family_index, hash, intake->n_families, family_hash, intake) < 0)
        return nv_intake_no_memory(intake);
    *ret = intake->n_families++;
    return 0;
}

/* Past the bound of texts the old one stays. */
static void put_text(struct nv_intake *intake, struct nv_str *at, struct nv_str text)
{
    if (nv_str_eq(*at, text))
        return;
    struct nv_str kept = nv_arena_str(&intake->told_memory, text);
    if (kept.p) {
        *at = kept;
        intake->told_changed = true;
    }
}

int nv_intake_tell(struct nv_intake *intake, enum nv_line_kind kind, struct nv_str family,
                   struct nv_str text, const char *type, uint32_t *ret_family)
{
    uint64_t hash = nv_hash_keyed(family.p, family.n);

    *ret_family = find(intake, family, hash);
    if (*ret_family == NV_INTAKE_NO_FAMILY) {
        int r = add(intake, family, hash, ret_family);
        if (r < 0 || *ret_family == NV_INTAKE_NO_FAMILY)
            return r;
        intake->told_changed = true;
    }
    struct nv_intake_family *at = &intake->families[*ret_family];
    at->seen = intake->scrape_number;
    if (kind == NV_LINE_HELP) {
        put_text(intake, &at->help, text);
    } else if (kind == NV_LINE_UNIT) {
        put_text(intake, &at->unit, text);
    } else if (at->type != type) {
        at->type = type;
        intake->told_changed = true;
    }
    return 0;
}

/* ---- forgetting ----------------------------------------------------------------------------- */

static uint32_t family_of(const struct nv_line_entry *entry)
{
    uint32_t slot = entry->slot;

    return entry->kind == NV_ENTRY_TOLD ? slot >> 1 : NV_INTAKE_NO_FAMILY;
}

/* Those of lines that are there no more go, and what their texts took. */
void nv_intake_told_renew(struct nv_intake *intake)
{
    struct nv_intake_family *old = intake->families;
    struct nv_arena memory = intake->told_memory;
    uint32_t n = intake->n_families;
    NV_AUTO_FREE uint32_t *moved = malloc((n + 1) * sizeof(*moved));
    NV_AUTO_FREE bool *used = calloc(n + 1, sizeof(*used));

    if (!moved || !used)
        return; /* another time */
    for (uint32_t i = 1; i < intake->lines.n; i++)
        if (family_of(&intake->lines.at[i]) < n)
            used[family_of(&intake->lines.at[i])] = true;
    intake->families = NULL;
    intake->n_families = intake->room_families = 0;
    intake->told_memory = NV_ARENA(TEXTS_MAX);
    nv_index_done(&intake->family_index);
    for (uint32_t i = 0; i < n; i++) {
        moved[i] = NV_INTAKE_NO_FAMILY;
        if (!used[i] && old[i].seen != intake->last_good)
            continue;
        if (add(intake, old[i].name, nv_hash_keyed(old[i].name.p, old[i].name.n), &moved[i]) < 0 ||
            moved[i] == NV_INTAKE_NO_FAMILY)
            continue;
        struct nv_intake_family *at = &intake->families[moved[i]];
        put_text(intake, &at->help, old[i].help);
        put_text(intake, &at->unit, old[i].unit);
        at->type = old[i].type;
        at->seen = old[i].seen;
    }
    for (uint32_t i = 1; i < intake->lines.n; i++) {
        struct nv_line_entry *entry = &intake->lines.at[i];
        uint32_t family = family_of(entry);
        if (family < n)
            entry->slot = (moved[family] << 1 | (entry->slot & 1)) & ((UINT32_C(1) << 30) - 1);
    }
    intake->family = NV_INTAKE_NO_FAMILY;
    intake->told_changed = true;
    nv_arena_done(&memory);
    free(old);
}

void nv_intake_told_done(struct nv_intake *intake)
{
    nv_metadata_unref(intake->metadata);
    nv_index_done(&intake->family_index);
    nv_arena_done(&intake->told_memory);
    free(intake->families);
}

/* ---- the picture ---------------------------------------------------------------------------- */

static int by_family(const void *a, const void *b)
{
    const struct nv_metadata_entry *x = a, *y = b;

    return nv_str_cmp(x->family, y->family);
}

static bool keep(struct nv_arena *memory, struct nv_str from, struct nv_str *ret)
{
    *ret = nv_arena_str(memory, from.p ? from : (struct nv_str){"", 0});
    return ret->p;
}

static struct nv_metadata *picture(const struct nv_intake *intake)
{
    struct nv_metadata *metadata = calloc(1, sizeof(*metadata));

    if (!metadata)
        return NULL;
    metadata->refs = 1;
    metadata->memory = NV_ARENA(2 * TEXTS_MAX);
    struct nv_metadata_entry *at = nv_arena_alloc(
        &metadata->memory, (intake->n_families + 1) * sizeof(struct nv_metadata_entry));
    for (uint32_t i = 0; at && i < intake->n_families; i++) {
        const struct nv_intake_family *family = &intake->families[i];
        at[i].type = family->type ? family->type : "unknown";
        if (!keep(&metadata->memory, family->name, &at[i].family) ||
            !keep(&metadata->memory, family->help, &at[i].help) ||
            !keep(&metadata->memory, family->unit, &at[i].unit))
            at = NULL;
    }
    if (!at) {
        nv_metadata_unref(metadata);
        return NULL;
    }
    qsort(at, intake->n_families, sizeof(*at), by_family);
    metadata->at = at;
    metadata->n = intake->n_families;
    metadata->bytes = metadata->memory.total;
    return metadata;
}

struct nv_metadata *nv_intake_metadata(struct nv_intake *intake)
{
    if (intake->told_changed || !intake->metadata) {
        struct nv_metadata *metadata = picture(intake);
        if (!metadata)
            return NULL;
        nv_metadata_unref(intake->metadata);
        intake->metadata = metadata;
        intake->told_changed = false;
    }
    __atomic_add_fetch(&intake->metadata->refs, 1, __ATOMIC_RELAXED);
    return intake->metadata;
}

void nv_metadata_unref(struct nv_metadata *metadata)
{
    if (!metadata || __atomic_sub_fetch(&metadata->refs, 1, __ATOMIC_ACQ_REL))
        return;
    nv_arena_done(&metadata->memory);
    free(metadata);
}
