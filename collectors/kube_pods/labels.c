/*
 * labels.c - labels, annotations and node selectors of a pod as labels of a sample, where they are asked for.
 */
#include "pod.h"

#include <nodevitals/sort.h>

enum { MORE = 24 }; /* beside a key: the prefix, a number behind names that collide */

static bool is_allowed(const struct nv_flag_value *allowed, struct nv_str key)
{
    for (size_t i = 0; i < allowed->n_list; i++)
        if (nv_str_is(allowed->list[i], "*") || nv_str_eq(allowed->list[i], key))
            return true;
    return false;
}

static bool is_lower(char c)
{
    return nv_is_digit(c) || (c >= 'a' && c <= 'z');
}

/* "app.kubernetes.io/partOf" as prefix_app_kubernetes_io_part_of. */
static char *make_name(struct nv_pass *pass, const char *prefix, struct nv_str key)
{
    size_t n = strlen(prefix);
    char *name = nv_alloc(pass, n + 2 * key.n + MORE);

    memcpy(name, prefix, n);
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        bool upper = c >= 'A' && c <= 'Z';
        if (upper && i && is_lower(key.p[i - 1]))
            name[n++] = '_';
        name[n++] = is_lower(c) ? c : upper ? (char)(c - 'A' + 'a') : '_';
    }
    name[n] = '\0';
    return name;
}

static int by_key(const void *a, const void *b)
{
    return nv_str_cmp(((const struct nv_kube_pair *)a)->key, ((const struct nv_kube_pair *)b)->key);
}

/* Keys that make one name are told apart by a number, in their order. */
static void tell_apart(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned count = 0;
        for (size_t k = i + 1; k < n; k++)
            if (strcmp(names[k], names[i]) == 0)
                snprintf(names[k] + strlen(names[k]), MORE / 2, "_conflict%u", ++count + 1);
        if (count)
            snprintf(names[i] + strlen(names[i]), MORE / 2, "_conflict1");
    }
}

void nv_kube_emit_labels(struct nv_pass *pass, const struct nv_family *family, const char *prefix,
                         const struct nv_kube_pod *pod, const struct nv_kube_list *map,
                         const struct nv_flag_value *allowed)
{
    struct nv_kube_pair pairs[NV_LABELS_MAX];
    char *names[NV_LABELS_MAX];
    const char *all[NV_LABELS_MAX + 1] = {"namespace", "pod", "uid"};
    struct nv_str values[NV_LABELS_MAX] = {pod->ns, pod->name, pod->uid};
    size_t n = 0;

    if (!allowed->n_list)
        return;
    for (size_t i = 0; i < map->n && n + 3 < NV_LABELS_MAX; i++)
        if (is_allowed(allowed, ((const struct nv_kube_pair *)map->at)[i].key))
            pairs[n++] = ((const struct nv_kube_pair *)map->at)[i];
    nv_sort(pairs, n, sizeof(*pairs), by_key);
    for (size_t i = 0; i < n; i++)
        names[i] = make_name(pass, prefix, pairs[i].key);
    tell_apart(names, n);
    for (size_t i = 0; i < n; i++) {
        all[3 + i] = names[i];
        values[3 + i] = nv_kube_plain(pass, pairs[i].value);
    }
    nv_emit_named(pass, family, all, values, 1);
}
