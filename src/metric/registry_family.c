/*
 * The families of a registry: found by their names, and refused where one is in the way of another.
 */
#include "base/utf8.h"
#include "metric/frame.h"
#include "metric/registry_parts.h"

static uint64_t hash_of(struct nv_str s)
{
    return nv_hash(s.p, s.n, 0);
}

static uint64_t family_hash(uint32_t value, const void *registry)
{
    return hash_of(((const struct nv_registry *)registry)->families[value].name);
}

bool nv_registry_find_family(const struct nv_registry *registry, struct nv_str name, uint32_t *ret)
{
    uint64_t hash = hash_of(name);
    uint32_t v;

    for (uint32_t at = nv_index_first(&registry->family_index, hash);
         nv_index_next(&registry->family_index, hash, &at, &v);) {
        if (nv_str_eq(registry->families[v].name, name)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* Whether a family has one of the series in `present`, a bit for each column; NULL stands for all. */
static bool is_in_way(const struct nv_registry *registry, uint32_t number, const uint64_t *present)
{
    const struct nv_registry_family *family = &registry->families[number];

    for (uint32_t i = 0; present && family->picture && i < family->picture->n_series; i++)
        if (nv_bit(present, family->picture->series[i]))
            return true;
    return !present;
}

/* x_count beside a histogram x: the two would write the same sample names. */
static bool collides(const struct nv_registry *registry, struct nv_str name, enum nv_type type,
                     const uint64_t *present)
{
    static const char *const suffixes[] = {"_count", "_sum", "_bucket"};
    char longer[NV_REGISTRY_NAME_MAX + 8];
    uint32_t other;

    for (size_t i = 0; i < NV_LEN(suffixes); i++) {
        if (nv_str_ends(name, suffixes[i])) {
            struct nv_str stem = {name.p, name.n - strlen(suffixes[i])};
            if (nv_registry_find_family(registry, stem, &other) &&
                is_in_way(registry, other, present) &&
                (registry->families[other].type == NV_HISTOGRAM ||
                 (registry->families[other].type == NV_SUMMARY && i < 2)))
                return true;
        }
        if (type == NV_HISTOGRAM || (type == NV_SUMMARY && i < 2)) {
            int n = snprintf(longer, sizeof(longer), "%.*s%s", NV_ARGS(name), suffixes[i]);
            if (nv_registry_find_family(registry, (struct nv_str){longer, (size_t)n}, &other) &&
                is_in_way(registry, other, present))
                return true;
        }
    }
    return false;
}

static int render_head(struct nv_registry *registry, struct nv_registry_family *family)
{
    static const char *const types[] = {"counter", "gauge", "untyped", "summary", "histogram"};
    NV_AUTO_BUF head = NV_BUF(NV_REGISTRY_TEXT_MAX);
    bool quoted = !nv_name_is_legacy_metric(family->name);

    for (int type = 0; type < 2; type++) {
        nv_buf_text(&head, type ? "# TYPE " : "# HELP ");
        if (quoted)
            nv_buf_char(&head, '"');
        nv_name_escape_value(&head, family->name);
        if (quoted)
            nv_buf_char(&head, '"');
        nv_buf_char(&head, ' ');
        if (type)
            nv_buf_text(&head, types[family->type]);
        else
            nv_name_escape_help(&head, family->help);
        nv_buf_char(&head, '\n');
    }
    if (head.failed)
        return -ENOMEM;
    family->head = nv_arena_str(&registry->memory->arena, nv_buf_view(&head));
    return family->head.p ? 0 : -ENOMEM;
}

int nv_registry_new_family(struct nv_registry *registry, struct nv_str name, struct nv_str help,
                           enum nv_type type, uint32_t *ret)
{
    if (registry->n_families == NV_LAYOUT_FAMILIES_MAX)
        return NV_REGISTRY_FULL;
    if (registry->n_families == registry->room_families) {
        size_t room = registry->room_families ? registry->room_families * 2 : 64;
        struct nv_registry_family *p = realloc(registry->families, room * sizeof(*p));
        if (!p)
            return -ENOMEM;
        registry->families = p;
        registry->room_families = room;
    }

    struct nv_registry_family *family = &registry->families[registry->n_families];
    *family = (struct nv_registry_family){
        .name = nv_arena_str(&registry->memory->arena, name),
        .help = nv_arena_str(&registry->memory->arena, help),
        .type = type,
    };
    if (!family->name.p || !family->help.p)
        return -ENOMEM;
    int r = render_head(registry, family);
    if (r < 0)
        return r;
    *ret = (uint32_t)registry->n_families;
    r = nv_index_add(&registry->family_index, hash_of(family->name), *ret, family_hash, registry);
    if (r < 0)
        return r;
    registry->n_families++;
    registry->changed = true;
    return 0;
}

static int add_family(struct nv_registry *registry, const struct nv_series_def *def, uint32_t *ret)
{
    struct nv_str name = nv_str(def->name);

    if (!name.n || name.n > NV_REGISTRY_NAME_MAX || !nv_utf8_valid(name))
        return NV_REGISTRY_INVALID;
    if (collides(registry, name, def->type, NULL))
        return NV_REGISTRY_CONFLICT;
    return nv_registry_new_family(registry, name, nv_str(def->help), def->type, ret);
}

int nv_registry_family_of(struct nv_registry *registry, const struct nv_series_def *def,
                          uint32_t *ret)
{
    if (!nv_registry_find_family(registry, nv_str(def->name), ret))
        return add_family(registry, def, ret);

    const struct nv_registry_family *family = &registry->families[*ret];
    return family->type == def->type && nv_str_is(family->help, def->help) ? 0
                                                                           : NV_REGISTRY_CONFLICT;
}

bool nv_registry_refuses(const struct nv_registry *registry, const struct nv_series_def *def,
                         const uint64_t *present)
{
    uint32_t family;

    return (nv_registry_find_family(registry, nv_str(def->name), &family) &&
            is_in_way(registry, family, present)) ||
           collides(registry, nv_str(def->name), def->type, present);
}
