#include "scrape/lines.h"

enum { FIRST_ROOM = 64 };

/* Of length no line has, so that it never fits. */
static const struct nv_line_entry before_the_first = {.length = UINT32_MAX};

int nv_lines_init(struct nv_lines *lines)
{
    *lines = (struct nv_lines){.room = FIRST_ROOM};
    lines->at = malloc(FIRST_ROOM * sizeof(*lines->at));
    if (!lines->at)
        return -ENOMEM;
    lines->at[lines->n++] = before_the_first;
    return 0;
}

void nv_lines_done(struct nv_lines *lines)
{
    nv_index_done(&lines->index);
    free(lines->at);
    *lines = (struct nv_lines){0};
}

uint32_t nv_lines_find(const struct nv_lines *lines, uint64_t hash, uint32_t length)
{
    uint32_t v;

    for (uint32_t at = nv_index_first(&lines->index, hash);
         nv_index_next(&lines->index, hash, &at, &v);)
        if (lines->at[v].hash == hash && lines->at[v].length == length)
            return v;
    return 0;
}

static uint64_t hash_at(uint32_t value, const void *lines)
{
    return ((const struct nv_lines *)lines)->at[value].hash;
}

/* A fifth more at a time: of many lines the room that is never used counts. */
static int make_room(struct nv_lines *lines)
{
    if (lines->n < lines->room)
        return 0;
    if (lines->n >= NV_LINES_MAX)
        return -E2BIG;
    uint32_t room = lines->room + lines->room / 5 + FIRST_ROOM;
    struct nv_line_entry *grown = realloc(lines->at, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    lines->at = grown;
    lines->room = room;
    return 0;
}

int nv_lines_add(struct nv_lines *lines, struct nv_line_entry entry, uint32_t *ret)
{
    int r = make_room(lines);

    if (r < 0)
        return r;
    entry.next = lines->at[lines->last].next;
    lines->at[lines->n] = entry;
    r = nv_index_add(&lines->index, entry.hash, lines->n, hash_at, lines);
    if (r < 0)
        return r;
    *ret = lines->n++;
    nv_lines_follow(lines, *ret);
    return 0;
}

void nv_lines_clear(struct nv_lines *lines)
{
    nv_index_done(&lines->index);
    lines->n = 1;
    lines->at[0] = before_the_first;
    lines->last = 0;
}

static int index_anew(struct nv_lines *lines)
{
    nv_index_done(&lines->index);
    for (uint32_t i = 1; i < lines->n; i++) {
        if (nv_index_add(&lines->index, lines->at[i].hash, i, hash_at, lines) < 0) {
            nv_lines_clear(lines);
            return -ENOMEM;
        }
    }
    return 0;
}

int nv_lines_keep(struct nv_lines *lines, uint32_t since)
{
    NV_AUTO_FREE uint32_t *moved = calloc(lines->n, sizeof(*moved));
    uint32_t n = 1;

    if (!moved) {
        nv_lines_clear(lines);
        return -ENOMEM;
    }
    for (uint32_t i = 1; i < lines->n; i++)
        if (lines->at[i].seen >= since)
            moved[i] = n++;
    for (uint32_t i = 0; i < lines->n; i++) {
        if (i && !moved[i])
            continue;
        lines->at[moved[i]] = lines->at[i]; /* what followed it was there too, but for the last */
        lines->at[moved[i]].next = moved[lines->at[i].next];
    }
    lines->n = n;
    lines->last = 0;
    return index_anew(lines);
}

int nv_lines_cut(struct nv_lines *lines, uint32_t n)
{
    if (n >= lines->n)
        return 0;
    lines->n = n;
    lines->last = 0;
    for (uint32_t i = 0; i < n; i++)
        if (lines->at[i].next >= n)
            lines->at[i].next = 0;
    return index_anew(lines);
}

size_t nv_lines_memory(const struct nv_lines *lines)
{
    return lines->room * sizeof(*lines->at) + lines->index.size * sizeof(struct nv_index_slot);
}
