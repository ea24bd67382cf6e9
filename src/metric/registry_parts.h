/*
 * registry_parts.h - what the files of the registry share. Only registry*.c include this.
 */
#ifndef NV_METRIC_REGISTRY_PARTS_H
#define NV_METRIC_REGISTRY_PARTS_H

#include "metric/generation.h"
#include "metric/intern.h"

enum { NV_REGISTRY_TEXT_MAX = 1 << 20, NV_REGISTRY_NAME_MAX = 4096 };

/*
 * A family as it grows: `fresh` holds the columns that are not in `picture` yet.
 */
struct nv_registry_family {
    struct nv_str name, help, head;
    enum nv_type type;
    const struct nv_layout_family *picture; /* NULL before the first layout */
    uint32_t *fresh;
    uint32_t n_fresh, room;
};

struct nv_registry {
    struct nv_generation *memory;
    struct nv_registry_family *families;
    size_t n_families, room_families;
    struct nv_series **chunks;
    size_t n_series, room_chunks;
    size_t
        room_first; /* series that the first chunk has room for: FIRST_ROOM, four times that ... NV_LAYOUT_CHUNK */
    struct nv_index family_index, series_index;
    struct nv_intern intern; /* names, label sets, what is rendered of them */
    struct nv_buf text;      /* scratch */
    struct nv_layout *layout;
    struct nv_target *targets; /* by section; their memory is the registry's, not a generation's */
    struct nv_arena target_memory;
    size_t n_sections, room_targets;
    bool changed, targets_changed;
    bool lean, bare; /* see nv_registry_new_lean() */
};

static inline struct nv_series *nv_registry_series_at(const struct nv_registry *registry,
                                                      size_t column)
{
    return &registry->chunks[column / NV_LAYOUT_CHUNK][column % NV_LAYOUT_CHUNK];
}

/* A series is its name and its label set. */
uint64_t nv_registry_identity(const struct nv_series *series);
uint64_t nv_registry_series_hash(uint32_t value, const void *registry);
bool nv_registry_find(const struct nv_registry *registry, const struct nv_series *series,
                      uint32_t *ret);

bool nv_registry_find_family(const struct nv_registry *registry, struct nv_str name, uint32_t *ret);

/* The family a definition names, or a new one. 0, an outcome, -ENOMEM. */
NV_MUST_USE int nv_registry_family_of(struct nv_registry *registry, const struct nv_series_def *def,
                                      uint32_t *ret);

/* A value as it is kept: with U+FFFD for what is not UTF-8. */
struct nv_str nv_registry_keep_value(struct nv_registry *registry, struct nv_str value);

/* A new one, whatever others say of its name. 0, an outcome, -ENOMEM. */
NV_MUST_USE int nv_registry_new_family(struct nv_registry *registry, struct nv_str name,
                                       struct nv_str help, enum nv_type type, uint32_t *ret);

/* Which part of a family a suffix means, and the label that comes last; false where it means none. */
bool nv_registry_role(const char *suffix, enum nv_type type, enum nv_role *ret,
                      const char **ret_last);

/* Room for one more column, in its family too unless that is NULL. -ENOMEM. */
NV_MUST_USE int nv_registry_make_room(struct nv_registry *registry,
                                      struct nv_registry_family *family);

#endif
