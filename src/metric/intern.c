#include "metric/intern.h"

enum { LABELS_MAX = 512, FIRST_ROOM = 64 };

static uint64_t text_hash(uint32_t value, const void *intern)
{
    struct nv_str text = ((const struct nv_intern *)intern)->text_at[value];

    return nv_hash_keyed(text.p, text.n);
}

static uint64_t set_hash(uint32_t value, const void *intern)
{
    const struct nv_interned_set *set = &((const struct nv_intern *)intern)->set_at[value];

    return nv_hash_keyed(set->labels, set->n * sizeof(*set->labels));
}

static bool make_room(void **p, uint32_t n, uint32_t *room, size_t size)
{
    if (n < *room)
        return true;
    uint32_t larger = *room ? *room + *room / 2 : FIRST_ROOM;
    void *grown = realloc(*p, larger * size);
    if (!grown)
        return false;
    *p = grown;
    *room = larger;
    return true;
}

struct nv_str nv_intern_text(struct nv_intern *intern, struct nv_arena *arena, struct nv_str text)
{
    static const struct nv_str none = {NULL, 0};
    uint64_t hash = nv_hash_keyed(text.p, text.n);
    uint32_t v;

    for (uint32_t at = nv_index_first(&intern->texts, hash);
         nv_index_next(&intern->texts, hash, &at, &v);)
        if (nv_str_eq(intern->text_at[v], text))
            return intern->text_at[v];
    if (!make_room((void **)&intern->text_at, intern->n_texts, &intern->room_texts,
                   sizeof(*intern->text_at)))
        return none;
    struct nv_str kept = nv_arena_str(arena, text);
    if (!kept.p)
        return none;
    intern->text_at[intern->n_texts] = kept;
    if (nv_index_add(&intern->texts, hash, intern->n_texts, text_hash, intern) < 0)
        return none;
    intern->n_texts++;
    return kept;
}

static const struct nv_label *find_set(const struct nv_intern *intern, uint64_t hash,
                                       const struct nv_label *labels, size_t n)
{
    uint32_t v;

    for (uint32_t at = nv_index_first(&intern->sets, hash);
         nv_index_next(&intern->sets, hash, &at, &v);) {
        const struct nv_interned_set *set = &intern->set_at[v];
        if (set->n == n && (n == 0 || memcmp(set->labels, labels, n * sizeof(*labels)) == 0))
            return set->labels;
    }
    return NULL;
}

const struct nv_label *nv_intern_labels(struct nv_intern *intern, struct nv_arena *arena,
                                        const struct nv_label *labels, size_t n)
{
    struct nv_label own[LABELS_MAX];

    if (n > LABELS_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        own[i].name = nv_intern_text(intern, arena, labels[i].name);
        own[i].value = nv_intern_text(intern, arena, labels[i].value);
        if (!own[i].name.p || !own[i].value.p)
            return NULL;
    }
    uint64_t hash = nv_hash_keyed(own, n * sizeof(*own));
    const struct nv_label *found = find_set(intern, hash, own, n);
    if (found)
        return found;
    if (!make_room((void **)&intern->set_at, intern->n_sets, &intern->room_sets,
                   sizeof(*intern->set_at)))
        return NULL;
    struct nv_label *kept = nv_arena_alloc(arena, n ? n * sizeof(*kept) : 1);
    if (!kept)
        return NULL;
    if (n)
        memcpy(kept, own, n * sizeof(*kept));
    intern->set_at[intern->n_sets] = (struct nv_interned_set){kept, n};
    if (nv_index_add(&intern->sets, hash, intern->n_sets, set_hash, intern) < 0)
        return NULL;
    intern->n_sets++;
    return kept;
}

void nv_intern_done(struct nv_intern *intern)
{
    nv_index_done(&intern->texts);
    nv_index_done(&intern->sets);
    free(intern->text_at);
    free(intern->set_at);
    *intern = (struct nv_intern){0};
}

size_t nv_intern_memory(const struct nv_intern *intern)
{
    return (intern->texts.size + intern->sets.size) * sizeof(struct nv_index_slot) +
           intern->room_texts * sizeof(*intern->text_at) +
           intern->room_sets * sizeof(*intern->set_at);
}
