/*
 * top_tree.c - containers, pods and units as a tree: the path of a cgroup tells its parents.
 */
#include <ctype.h>
#include <math.h>

#include "cli/top.h"

enum { NONE = NV_TOP_ROWS_MAX, ID_LEAST = 32, ID_SHOWN = 12 };

static bool is_below(struct nv_str id, struct nv_str parent)
{
    return id.n > parent.n && nv_str_starts(id, "/") && memcmp(id.p, parent.p, parent.n) == 0 &&
           (id.p[parent.n] == '/' || parent.n == 1);
}

/* The number of a container that has no name, as its runtime shortens it. */
static struct nv_str shorten(struct nv_str name)
{
    size_t digits = 0;

    while (digits < name.n && isxdigit((unsigned char)name.p[digits]))
        digits++;
    return (struct nv_str){name.p, digits == name.n && name.n >= ID_LEAST ? ID_SHOWN : name.n};
}

/* A container and a pod are called by their own names, a unit by the last part of its path. */
static struct nv_str name_of(const struct nv_answer_series *series, struct nv_str id)
{
    static const char *const labels[] = {"container", "name", "pod"};

    for (size_t i = 0; i < NV_LEN(labels); i++) {
        struct nv_str name = nv_top_label(series, labels[i]);
        if (name.n)
            return shorten(name);
    }
    while (id.n > 1 && nv_str_contains(nv_str_from(id, 1), "/"))
        id = nv_str_from(id, nv_str_find(nv_str_from(id, 1), '/') + 1);
    return id.n > 1 ? nv_str_from(id, 1) : id;
}

/* What it is in: the pod of a container, the namespace of a pod. */
static struct nv_str around(const struct nv_answer_series *series)
{
    bool is_container = nv_top_label(series, "container").n || nv_top_label(series, "name").n;

    return nv_top_label(series, is_container ? "pod" : "namespace");
}

static void add(const struct nv_top_data *data, enum nv_top_part part, size_t column,
                struct nv_top_row *rows, size_t *n)
{
    const struct nv_top_rows *from = &data->parts[part];

    for (size_t i = 0; i < from->n; i++) {
        uint64_t key = nv_top_key(nv_top_label(from->at[i], "id"));
        size_t at = 0;
        while (at < *n && rows[at].key != key)
            at++;
        if (at == NV_TOP_ROWS_MAX)
            return;
        if (at == *n)
            rows[(*n)++] = (struct nv_top_row){
                .series = from->at[i],
                .name = name_of(from->at[i], nv_top_label(from->at[i], "id")),
                .beside = around(from->at[i]),
                .values = {NAN, NAN, NAN, NAN},
                .key = key,
                .mark = ' ',
            };
        rows[at].values[column - 1] = nv_top_last(from->at[i]);
    }
}

/* ---- order ---------------------------------------------------------------------------------- */

static struct nv_str id_of(const struct nv_top_row *row)
{
    return nv_top_label(row->series, "id");
}

static void find_parents(struct nv_top_row *rows, size_t n)
{
    struct nv_str ids[NV_TOP_ROWS_MAX];

    for (size_t i = 0; i < n; i++)
        ids[i] = id_of(&rows[i]);
    for (size_t i = 0; i < n; i++) {
        size_t longest = 0;
        rows[i].parent = NONE;
        for (size_t k = 0; k < n; k++) {
            if (ids[k].n > longest && is_below(ids[i], ids[k])) {
                rows[i].parent = k;
                longest = ids[k].n;
            }
        }
    }
}

static bool is_folded(const struct nv_top_view *view, uint64_t key)
{
    for (size_t i = 0; i < view->n_folded; i++) {
        if (view->folded[i] == key)
            return true;
    }
    return false;
}

void nv_top_fold(struct nv_top_view *view, uint64_t key)
{
    for (size_t i = 0; i < view->n_folded; i++) {
        if (view->folded[i] == key) {
            view->folded[i] = view->folded[--view->n_folded];
            return;
        }
    }
    if (view->n_folded < NV_TOP_FOLDED_MAX)
        view->folded[view->n_folded++] = key;
}

static bool fits(const struct nv_top_row *row, const char *filter)
{
    return !filter[0] || nv_str_contains(row->name, filter) ||
           nv_str_contains(id_of(row), filter) ||
           nv_str_contains(nv_top_label(row->series, "pod"), filter) ||
           nv_str_contains(nv_top_label(row->series, "namespace"), filter);
}

/* Those that fit, and all above them. */
static void mark_wanted(struct nv_top_row *rows, size_t n, const struct nv_top_view *view,
                        bool wanted[NV_TOP_ROWS_MAX])
{
    for (size_t i = 0; i < n; i++) {
        if (!fits(&rows[i], view->filter))
            continue;
        wanted[i] = true;
        for (size_t k = rows[i].parent; k != NONE && !wanted[k]; k = rows[k].parent)
            wanted[k] = true;
    }
    for (size_t i = 0; i < n; i++) {
        if (wanted[i] && rows[i].parent != NONE)
            rows[rows[i].parent].mark = is_folded(view, rows[rows[i].parent].key) ? '+' : '-';
    }
}

/* What follows a row is its first child, else its next sibling, else that of its parent ... */
static size_t place_children(const struct nv_top_row *from, size_t n, const bool *wanted,
                             struct nv_top_row *to)
{
    size_t parent = NONE, next = 0, placed = 0, depth = 0;

    for (;;) {
        while (next < n && (from[next].parent != parent || !wanted[next]))
            next++;
        if (next < n) {
            to[placed] = from[next];
            to[placed++].depth = depth;
            if (from[next].mark != '-') {
                next++;
                continue;
            }
            depth++;
            parent = next;
            next = 0;
        } else if (parent == NONE) {
            return placed;
        } else {
            next = parent + 1;
            parent = from[parent].parent;
            depth--;
        }
    }
}

size_t nv_top_tree(const struct nv_top_data *data, const struct nv_top_view *view,
                   struct nv_top_row rows[NV_TOP_ROWS_MAX])
{
    NV_AUTO_FREE struct nv_top_row *sorted = calloc(NV_TOP_ROWS_MAX, sizeof(*sorted));
    bool wanted[NV_TOP_ROWS_MAX] = {false};
    size_t n = 0, kept = 0;

    if (!sorted)
        return 0;
    add(data, NV_TOP_GROUP_CPU, NV_TOP_GROUPS_CPU, sorted, &n);
    add(data, NV_TOP_GROUP_MEMORY, NV_TOP_GROUPS_MEMORY, sorted, &n);
    nv_top_rows_sort(sorted, n, view->sorts[NV_TOP_PANEL_GROUPS]);
    if (!view->flat) {
        find_parents(sorted, n);
        mark_wanted(sorted, n, view, wanted);
        return place_children(sorted, n, wanted, rows);
    }
    for (size_t i = 0; i < n; i++) {
        if (!fits(&sorted[i], view->filter))
            continue;
        sorted[i].mark = '\0';
        rows[kept++] = sorted[i];
    }
    return kept;
}
