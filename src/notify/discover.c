#include "notify/discover.h"

#include <errno.h>
#include <string.h>

#include "notify/alert.h"

static const struct nv_str address_label = NV_LIT("__address__"),
                           scheme_label = NV_LIT("__scheme__"),
                           path_label = NV_LIT("__alerts_path__");

/* What a target is known by before it is relabelled; its group's labels have the say, as in Prometheus. */
static struct nv_label *labels_of(const struct nv_config_alertmanager *config,
                                  const struct nv_target_group *group, struct nv_str address,
                                  struct nv_str path, struct nv_arena *memory, size_t *ret_n)
{
    const struct nv_label own[] = {
        {address_label, address               },
        {scheme_label,  nv_str(config->scheme)},
        {path_label,    path                  }
    };
    size_t n_own = sizeof(own) / sizeof(*own), n = group->n_labels;
    struct nv_label *labels = nv_arena_alloc(memory, (n + n_own) * sizeof(*labels));

    if (!labels)
        return NULL;
    if (n)
        memcpy(labels, group->labels, n * sizeof(*labels));
    for (size_t i = 0; i < n_own; i++) {
        if (!nv_label_value(group->labels, group->n_labels, own[i].name).n)
            labels[n++] = own[i];
    }
    nv_labels_sort(labels, n);
    *ret_n = n;
    return labels;
}

static struct nv_str join(struct nv_arena *memory, struct nv_str a, const char *between,
                          struct nv_str b, struct nv_str c)
{
    size_t middle = strlen(between), n = a.n + middle + b.n + c.n;
    char *text = nv_arena_alloc(memory, n + 1), *at = text;

    if (!text)
        return (struct nv_str){NULL, 0};
    const struct nv_str parts[] = {
        a, {between, middle},
         b, c
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); at += parts[i++].n) {
        if (parts[i].n)
            memcpy(at, parts[i].p, parts[i].n);
    }
    *at = '\0';
    return (struct nv_str){text, n};
}

/* The path prefix and the API's own path, with one slash between and none doubled. */
static struct nv_str path_of(const struct nv_config_alertmanager *config, struct nv_arena *memory)
{
    struct nv_str prefix = nv_str(config->path_prefix ? config->path_prefix : "/");

    while (prefix.n && prefix.p[prefix.n - 1] == '/')
        prefix.n--;
    while (prefix.n && prefix.p[0] == '/')
        prefix = nv_str_from(prefix, 1);
    return prefix.n ? join(memory, NV_LIT("/"), "", prefix, NV_LIT("/api/v2/alerts"))
                    : NV_LIT("/api/v2/alerts");
}

static void keep(struct nv_discovered *into, const struct nv_config_alertmanager *config,
                 struct nv_str url)
{
    for (size_t i = 0; i < into->n; i++) {
        if (nv_str_eq(into->url[i], url))
            return;
    }
    if (into->n == NV_DISCOVERED_MAX) {
        into->n_left_out++;
        return;
    }
    into->url[into->n] = url;
    into->group[into->n++] = config;
}

static int add_target(const struct nv_config_alertmanager *config,
                      const struct nv_target_group *group, struct nv_str address,
                      struct nv_str path, struct nv_arena *memory, struct nv_discovered *into)
{
    size_t n;
    const struct nv_label *before = labels_of(config, group, address, path, memory, &n),
                          *after = before;

    if (!before)
        return -ENOMEM;
    int r = nv_relabel(config->relabel.at, config->relabel.n, memory, before, n, &after, &n);
    if (r < 0)
        return r;
    bool dropped = r == NV_RELABEL_DROPPED;
    struct nv_str host = nv_label_value(after, n, address_label);
    struct nv_str url = join(memory, nv_label_value(after, n, scheme_label), "://", host,
                             nv_label_value(after, n, path_label));
    if (!url.p)
        return -ENOMEM;
    if (!dropped && host.n)
        keep(into, config, url);
    else if (into->n_dropped < NV_DISCOVERED_DROPPED_MAX)
        into->dropped[into->n_dropped++] = url;
    return 0;
}

int nv_discover(const struct nv_config_alertmanager *config, const struct nv_target_groups *groups,
                struct nv_arena *memory, struct nv_discovered *into)
{
    struct nv_str path = path_of(config, memory);
    int r = path.p ? 0 : -ENOMEM;

    for (size_t i = 0; i < groups->n && r == 0; i++) {
        const struct nv_target_group *group = &groups->at[i];
        for (size_t k = 0; k < group->n_targets && r == 0; k++)
            r = add_target(config, group, group->targets[k], path, memory, into);
    }
    return r;
}
