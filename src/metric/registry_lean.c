/*
 * Registries of what others tell: series are named by the one place where their labels are kept.
 */
#include "base/assert.h"
#include "base/utf8.h"
#include "metric/matcher.h"
#include "metric/registry_parts.h"

struct nv_registry *nv_registry_new_lean(bool bare)
{
    struct nv_registry *registry = nv_registry_new();

    if (registry) {
        registry->lean = true;
        registry->bare = bare;
    }
    return registry;
}

/* ---- adding --------------------------------------------------------------------------------- */

/* The labels by name, but `last` behind them all. False where one comes twice or is none, or `last` is missing. */
static bool arrange(const struct nv_labelled_series *def, const char *last, struct nv_label *ret)
{
    size_t n = def->n_labels;

    if (n > NV_REGISTRY_LABELS_MAX)
        return false;
    if (n)
        memcpy(ret, def->labels, n * sizeof(*ret));
    nv_labels_sort(ret, n);
    for (size_t i = 0; i < n; i++) {
        if (!ret[i].name.n || !nv_utf8_valid(ret[i].name) || !nv_utf8_valid(ret[i].value) ||
            (i && nv_str_eq(ret[i].name, ret[i - 1].name)))
            return false;
    }
    if (!last)
        return true;
    size_t at = 0;
    while (at < n && !nv_str_is(ret[at].name, last))
        at++;
    if (at == n)
        return false;
    struct nv_label bound = ret[at];
    memmove(&ret[at], &ret[at + 1], (n - at - 1) * sizeof(*ret));
    ret[n - 1] = bound;
    return true;
}

static bool is_legacy(struct nv_str name, const struct nv_label *labels, size_t n)
{
    bool legacy = nv_name_is_legacy_metric(name);

    for (size_t i = 0; i < n && legacy; i++)
        legacy = nv_name_is_legacy_label(labels[i].name);
    return legacy;
}

/* What is untyped may join any family; else the types have to be the same. */
static int family_of(struct nv_registry *registry, const struct nv_labelled_series *def,
                     uint32_t *ret)
{
    *ret = 0;
    if (registry->bare)
        return 0;
    if (!nv_registry_find_family(registry, def->family, ret))
        return nv_registry_new_family(registry, def->family, def->help, def->type, ret);
    return def->type == NV_UNTYPED || registry->families[*ret].type == def->type
               ? 0
               : NV_REGISTRY_CONFLICT;
}

static int put(struct nv_registry *registry, struct nv_series series)
{
    struct nv_registry_family *family = registry->bare ? NULL : &registry->families[series.family];
    uint32_t column = (uint32_t)registry->n_series;

    int r = nv_registry_make_room(registry, family);
    if (r < 0)
        return r;
    *nv_registry_series_at(registry, column) = series;
    r = nv_index_add(&registry->series_index, nv_registry_identity(&series), column,
                     nv_registry_series_hash, registry);
    if (r < 0)
        return r;
    if (family)
        family->fresh[family->n_fresh++] = column;
    registry->n_series++;
    registry->changed = true;
    return 0;
}

/* The name of a series, interned. */
static struct nv_str name_of(struct nv_registry *registry, const struct nv_labelled_series *def)
{
    char name[NV_REGISTRY_NAME_MAX + 8];
    size_t n = def->family.n, n_suffix = strlen(def->suffix);

    memcpy(name, def->family.p, n);
    memcpy(name + n, def->suffix, n_suffix);
    return nv_intern_text(&registry->intern, &registry->memory->arena,
                          (struct nv_str){name, n + n_suffix});
}

int nv_registry_add_labelled(struct nv_registry *registry, const struct nv_labelled_series *def,
                             uint32_t *ret_column)
{
    struct nv_label labels[NV_REGISTRY_LABELS_MAX];
    struct nv_series series = {.section = def->section, .n_labels = (uint16_t)def->n_labels};
    const char *last;
    enum nv_role role;

    nv_assert(registry->lean && strlen(def->suffix) < 8);
    if (!def->family.n || def->family.n > NV_REGISTRY_NAME_MAX || !nv_utf8_valid(def->family) ||
        !nv_registry_role(def->suffix, def->type, &role, &last) || !arrange(def, last, labels) ||
        (last && !nv_str_to_real(labels[def->n_labels - 1].value, &series.bound)))
        return NV_REGISTRY_INVALID;
    series.role = (uint8_t)role;
    series.name = name_of(registry, def);
    series.labels =
        nv_intern_labels(&registry->intern, &registry->memory->arena, labels, def->n_labels);
    if (!series.name.p || !series.labels)
        return -ENOMEM;
    if (nv_registry_find(registry, &series, ret_column))
        return NV_REGISTRY_DUPLICATE;
    if (registry->n_series == NV_LAYOUT_SERIES_MAX)
        return NV_REGISTRY_FULL;
    int r = family_of(registry, def, &series.family);
    if (r)
        return r;
    series.legacy = registry->bare || is_legacy(series.name, labels, def->n_labels);
    r = put(registry, series);
    if (r == 0)
        *ret_column = (uint32_t)registry->n_series - 1;
    return r;
}
