/*
 * The layout of a registry: a picture of its series as they are now, which never changes and shares what has not.
 */
#include "metric/order.h"
#include "metric/registry_parts.h"

/* Merges what is new in a family into its order, in memory of the generation. */
static int picture_family(struct nv_registry *registry, struct nv_registry_family *family)
{
    if (family->picture && !family->n_fresh)
        return 0;

    struct nv_arena *arena = &registry->memory->arena;
    uint32_t n_old = family->picture ? family->picture->n_series : 0;
    struct nv_layout_family *picture = nv_arena_alloc(arena, sizeof(*picture));
    uint32_t *merged = nv_arena_alloc(arena, (n_old + family->n_fresh + 1) * sizeof(*merged));
    if (!picture || !merged)
        return -ENOMEM;
    nv_order_merge(merged, n_old ? family->picture->series : NULL, n_old, family->fresh,
                   family->n_fresh, (const struct nv_series *const *)registry->chunks);
    *picture = (struct nv_layout_family){
        .name = family->name,
        .help = family->help,
        .type = family->type,
        .head = family->head,
        .series = merged,
        .n_series = n_old + family->n_fresh,
    };
    family->picture = picture;
    family->n_fresh = 0;
    if (registry->lean) { /* mostly all of them, at once */
        free(family->fresh);
        family->fresh = NULL;
        family->room = 0;
    }
    return 0;
}

static const struct nv_label *keep_labels(struct nv_registry *registry,
                                          const struct nv_label *labels, size_t n)
{
    struct nv_label *kept = nv_arena_alloc(&registry->memory->arena, (n + 1) * sizeof(*kept));

    for (size_t i = 0; kept && i < n; i++) {
        kept[i].name = nv_arena_str(&registry->memory->arena, labels[i].name);
        kept[i].value = nv_registry_keep_value(registry, labels[i].value);
        if (!kept[i].name.p || !kept[i].value.p)
            return NULL;
    }
    return kept;
}

/* The targets as they are, in the generation: their labels too, which may outlive the registry. */
static const struct nv_target *picture_targets(struct nv_registry *registry)
{
    struct nv_arena *arena = &registry->memory->arena;
    size_t n = registry->n_sections;
    struct nv_target *targets = nv_arena_alloc(arena, (n + 1) * sizeof(*targets));

    for (size_t i = 0; targets && i < n; i++) {
        const struct nv_target *from = &registry->targets[i];
        targets[i] = *from;
        targets[i].labels = keep_labels(registry, from->labels, from->n_labels);
        if (!targets[i].labels)
            return NULL;
    }
    return targets;
}

static struct nv_layout *picture(struct nv_registry *registry)
{
    struct nv_arena *arena = &registry->memory->arena;
    size_t n = registry->n_families;
    size_t n_chunks = (registry->n_series + NV_LAYOUT_CHUNK - 1) / NV_LAYOUT_CHUNK;

    for (size_t i = 0; i < n; i++)
        if (picture_family(registry, &registry->families[i]) < 0)
            return NULL;
    struct nv_layout *layout = malloc(sizeof(*layout));
    const struct nv_layout_family **families = nv_arena_alloc(arena, (2 * n + 1) * sizeof(void *));
    const struct nv_series **chunks = nv_arena_alloc(arena, (n_chunks + 1) * sizeof(void *));
    const struct nv_target *targets =
        registry->layout && registry->layout->memory == registry->memory &&
                registry->layout->n_sections == registry->n_sections && !registry->targets_changed
            ? registry->layout->targets
            : picture_targets(registry);
    if (!layout || !families || !chunks || !targets) {
        free(layout);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        families[i] = families[n + i] = registry->families[i].picture;
    nv_order_families(families, n);
    if (n_chunks)
        memcpy(chunks, registry->chunks, n_chunks * sizeof(void *));
    *layout = (struct nv_layout){
        .refs = 1,
        .generation = registry->memory->number,
        .memory = nv_generation_ref(registry->memory),
        .chunks = chunks,
        .n_series = registry->n_series,
        .families = families,
        .n_families = n,
        .by_number = families + n,
        .n_sections = registry->n_sections,
        .targets = targets,
    };
    registry->targets_changed = false;
    return layout;
}

struct nv_layout *nv_registry_layout(struct nv_registry *registry)
{
    if (registry->changed || !registry->layout) {
        struct nv_layout *layout = picture(registry);
        if (!layout)
            return NULL;
        nv_layout_unref(registry->layout);
        registry->layout = layout;
        registry->changed = false;
    }
    return nv_layout_ref(registry->layout);
}
