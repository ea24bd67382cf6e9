/*
 * top_tree.c - containers, pods and units as a tree: the path of a cgroup tells its parents.
 */
#include <math.h>

#include "cli/top.h"

enum { NONE = NV_TOP_ROWS_MAX };

static bool is_below(struct nv_str id, struct nv_str parent)
{
    return id.n > parent.n && nv_str_starts(id, "/") && memcmp(id.p, parent.p, parent.n) == 0 &&
           (id.p[parent.n] == '/' || parent.n == 1);
}

/* A container is called by its own name, a unit by the last part of its path. */
static struct nv_str name_of(const struct nv_answer_series *series, struct nv_str id)
{
    struct nv_str name = nv_top_label(series, "container");

    if (!name.n)
        name = nv_top_label(series, "name");
    if (name.n)
        return name;
    while (id.n > 1 && nv_str_contains(nv_str_from(id, 1), "/"))
        id = nv_str_from(id, nv_str_find(nv_str_from(id, 1), '/') + 1);
    return id.n > 1 ? nv_str_from(id, 1) : id;
}

static size_t add_rows(const struct nv_top_data *data, enum nv_top_part part,
                       struct nv_top_group *groups, size_t n)
{
    const struct nv_top_rows *rows = &data->parts[part];

    for (size_t i = 0; i < rows->n; i++) {
        struct nv_str id = nv_top_label(rows->at[i], "id");
        size_t at = 0;
        while (at < n && !nv_str_eq(groups[at].id, id))
            at++;
        if (at == NV_TOP_ROWS_MAX)
            break;
        if (at == n)
            groups[n++] = (struct nv_top_group){
                .series = rows->at[i],
                .id = id,
                .name = name_of(rows->at[i], id),
                .cpu = NAN,
                .memory = NAN,
            };
        *(part == NV_TOP_GROUP_CPU ? &groups[at].cpu : &groups[at].memory) =
            nv_top_last(rows->at[i]);
    }
    return n;
}

/* ---- order ---------------------------------------------------------------------------------- */

static int compare_numbers(double a, double b) /* greatest first, what is not known last */
{
    a = isnan(a) ? -1 : a;
    b = isnan(b) ? -1 : b;
    return a < b ? 1 : a > b ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct nv_top_group *x = a, *y = b;
    int order = nv_str_cmp(x->name, y->name);

    return order ? order : nv_str_cmp(x->id, y->id);
}

static int by_cpu(const void *a, const void *b)
{
    const struct nv_top_group *x = a, *y = b;
    int order = compare_numbers(x->cpu, y->cpu);

    return order ? order : by_name(a, b);
}

static int by_memory(const void *a, const void *b)
{
    const struct nv_top_group *x = a, *y = b;
    int order = compare_numbers(x->memory, y->memory);

    return order ? order : by_name(a, b);
}

static void find_parents(struct nv_top_group *groups, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        groups[i].parent = NONE;
        for (size_t k = 0; k < n; k++) {
            if (is_below(groups[i].id, groups[k].id) &&
                (groups[i].parent == NONE || groups[k].id.n > groups[groups[i].parent].id.n))
                groups[i].parent = k;
        }
    }
}

/* What follows a member is its first child, else its next sibling, else that of its parent ... */
static void place_children(const struct nv_top_group *from, size_t n, struct nv_top_group *to)
{
    size_t parent = NONE, next = 0, placed = 0, depth = 0;

    while (placed < n) {
        while (next < n && from[next].parent != parent)
            next++;
        if (next < n) {
            to[placed] = from[next];
            to[placed++].depth = depth++;
            parent = next;
            next = 0;
        } else if (parent == NONE) {
            break;
        } else {
            next = parent + 1;
            parent = from[parent].parent;
            depth--;
        }
    }
}

static bool fits(const struct nv_top_group *group, const char *filter)
{
    return !filter[0] || nv_str_contains(group->name, filter) ||
           nv_str_contains(group->id, filter) ||
           nv_str_contains(nv_top_label(group->series, "pod"), filter) ||
           nv_str_contains(nv_top_label(group->series, "namespace"), filter);
}

size_t nv_top_tree(const struct nv_top_data *data, const struct nv_top_view *view,
                   struct nv_top_group groups[NV_TOP_ROWS_MAX])
{
    static int (*const compare[])(const void *, const void *) = {
        [NV_TOP_BY_CPU] = by_cpu, [NV_TOP_BY_MEMORY] = by_memory, [NV_TOP_BY_NAME] = by_name};
    NV_AUTO_FREE struct nv_top_group *sorted = calloc(NV_TOP_ROWS_MAX, sizeof(*sorted));
    size_t n = 0, kept = 0;

    if (!sorted)
        return 0;
    n = add_rows(data, NV_TOP_GROUP_CPU, sorted, n);
    n = add_rows(data, NV_TOP_GROUP_MEMORY, sorted, n);
    if (n)
        qsort(sorted, n, sizeof(*sorted), compare[view->order]);
    if (!view->flat && !view->filter[0]) {
        find_parents(sorted, n);
        place_children(sorted, n, groups);
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        if (fits(&sorted[i], view->filter))
            groups[kept++] = sorted[i];
    }
    return kept;
}
