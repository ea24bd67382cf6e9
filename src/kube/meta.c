#include "kube/meta.h"

#include <errno.h>
#include <stdio.h>

#include "config/units.h"

#define META  "__meta_kubernetes_"
#define POD   META "pod_"
#define PARAM "__param_"

enum { NAME_BYTES_MAX = 512 };

/* ---- one label ------------------------------------------------------------------------------ */

static int put(struct nv_kube_labels *labels, struct nv_str name, struct nv_str value)
{
    struct nv_label label = {nv_arena_str(labels->memory, name),
                             nv_arena_str(labels->memory, value)};

    if (!label.name.p || !label.value.p)
        return -ENOMEM;
    labels->at[labels->n] = (struct nv_kube_label){label, labels->n};
    labels->n++;
    labels->bytes += name.n + value.n;
    return 0;
}

/* A prefix and a name; empty where that is too long. */
static struct nv_str join(char bytes[NAME_BYTES_MAX], const char *prefix, struct nv_str name)
{
    size_t n = strlen(prefix);

    if (n + name.n > NAME_BYTES_MAX)
        return (struct nv_str){"", 0};
    memcpy(bytes, prefix, n);
    if (name.n)
        memcpy(bytes + n, name.p, name.n);
    return (struct nv_str){bytes, n + name.n};
}

int nv_kube_label_add(struct nv_kube_labels *labels, const char *prefix, struct nv_str name,
                      struct nv_str value)
{
    char bytes[NAME_BYTES_MAX];
    struct nv_str joined = join(bytes, prefix, name);

    for (size_t i = 0; i < joined.n; i++) {
        char c = bytes[i];
        if (!nv_is_digit(c) && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z'))
            bytes[i] = '_';
    }
    if (!joined.n || !value.n || labels->n == NV_KUBE_LABELS_MAX)
        return 0;
    return put(labels, joined, value);
}

struct named {
    const char *name;
    struct nv_str value;
};

static int add_all(struct nv_kube_labels *labels, const struct named *list, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        r = nv_kube_label_add(labels, list[i].name, NV_LIT(""), list[i].value);
    return r;
}

/* ---- of the pod ----------------------------------------------------------------------------- */

/* Whether there is room for what whoever makes pods writes as much of as he likes. */
static bool has_room(const struct nv_kube_labels *labels, struct nv_str name, struct nv_str value)
{
    return labels->bytes + 2 * name.n + value.n <= NV_KUBE_BYTES_MAX;
}

static int add_label(void *user, struct nv_str name, struct nv_str value)
{
    if (!has_room(user, name, value))
        return 0;
    int r = nv_kube_label_add(user, POD "label_", name, value);
    return r ? r : nv_kube_label_add(user, POD "labelpresent_", name, NV_LIT("true"));
}

static int add_annotation(void *user, struct nv_str name, struct nv_str value)
{
    if (value.n > NV_KUBE_ANNOTATION_MAX || !has_room(user, name, value))
        return 0;
    int r = nv_kube_label_add(user, POD "annotation_", name, value);
    return r ? r : nv_kube_label_add(user, POD "annotationpresent_", name, NV_LIT("true"));
}

static int add_of_pod(struct nv_kube_labels *labels, const struct nv_kube_target *target)
{
    const struct nv_kube_declared *declared = target->declared;
    const struct nv_pod *pod = declared->pod;
    const struct named list[] = {
        {"namespace",           pod->ns                                      },
        {"pod",                 pod->name                                    },
        {"node",                target->node                                 },
        {META "namespace",      pod->ns                                      },
        {POD "name",            pod->name                                    },
        {POD "uid",             pod->uid                                     },
        {POD "ip",              pod->ip                                      },
        {POD "host_ip",         pod->host_ip                                 },
        {POD "node_name",       target->node                                 },
        {POD "phase",           pod->phase                                   },
        {POD "ready",           pod->ready ? NV_LIT("true") : NV_LIT("false")},
        {POD "controller_kind", declared->controller_kind                    },
        {POD "controller_name", declared->controller_name                    },
    };
    int r = add_all(labels, list, NV_LEN(list));

    if (r == 0)
        r = nv_kube_pairs(pod->labels, labels->scratch, add_label, labels);
    if (r == 0)
        r = nv_kube_pairs(pod->annotations, labels->scratch, add_annotation, labels);
    return r;
}

static int add_of_port(struct nv_kube_labels *labels, const struct nv_kube_port *port)
{
    char number[16];

    if (!port)
        return 0;
    snprintf(number, sizeof(number), "%u", (unsigned)port->number);
    const struct named list[] = {
        {"container",                   port->container                              },
        {POD "container_name",          port->container                              },
        {POD "container_image",         port->image                                  },
        {POD "container_id",            port->id                                     },
        {POD "container_init",          port->init ? NV_LIT("true") : NV_LIT("false")},
        {POD "container_port_name",     port->name                                   },
        {POD "container_port_number",   nv_str(number)                               },
        {POD "container_port_protocol", NV_LIT("TCP")                                },
    };
    return add_all(labels, list, NV_LEN(list));
}

/* ---- how it is to be scraped ---------------------------------------------------------------- */

static int add_duration(struct nv_kube_labels *labels, const char *name, int64_t ms)
{
    NV_AUTO_BUF text = NV_BUF(64);

    nv_write_duration(&text, ms);
    return text.failed ? -ENOMEM : nv_kube_label_add(labels, name, NV_LIT(""), nv_buf_view(&text));
}

/* The name as it is: brackets and such belong to it. */
static int add_param(struct nv_kube_labels *labels, const struct nv_label *param)
{
    char bytes[NAME_BYTES_MAX];
    struct nv_str name = join(bytes, PARAM, param->name);

    return name.n && param->value.n && labels->n < NV_KUBE_LABELS_MAX
               ? put(labels, name, param->value)
               : 0;
}

static int add_of_wish(struct nv_kube_labels *labels, const struct nv_kube_target *target)
{
    const struct nv_kube_wish *wish = target->wish;
    int64_t interval_ms = wish->interval_ms ? wish->interval_ms : target->interval_ms;
    int64_t timeout_ms = wish->timeout_ms ? wish->timeout_ms : target->timeout_ms;
    const struct named list[] = {
        {"__scheme__",       target->https ? NV_LIT("https") : NV_LIT("http")},
        {"__metrics_path__", wish->path                                      },
    };
    int r = add_all(labels, list, NV_LEN(list));

    if (timeout_ms > interval_ms)
        timeout_ms = interval_ms;
    if (r == 0)
        r = add_duration(labels, "__scrape_interval__", interval_ms);
    if (r == 0)
        r = add_duration(labels, "__scrape_timeout__", timeout_ms);
    for (size_t i = 0; i < wish->n_params && r == 0; i++)
        r = add_param(labels, &wish->params[i]);
    return r;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static int order(const void *a, const void *b)
{
    const struct nv_kube_label *x = a, *y = b;
    int by_name = nv_str_cmp(x->is.name, y->is.name);

    return by_name ? by_name : (x->turn > y->turn) - (x->turn < y->turn);
}

int nv_kube_labels_finish(struct nv_kube_labels *labels, struct nv_target_group *ret)
{
    struct nv_label *made =
        nv_arena_alloc(labels->memory, (labels->n + 1) * sizeof(struct nv_label));
    size_t n = 0;

    if (!made)
        return -ENOMEM;
    qsort(labels->at, labels->n, sizeof(*labels->at), order);
    for (size_t i = 0; i < labels->n; i++) {
        n -= n && nv_str_eq(made[n - 1].name, labels->at[i].is.name);
        made[n++] = labels->at[i].is;
    }
    ret->labels = made;
    ret->n_labels = n;
    return 0;
}

int nv_kube_target_labels(struct nv_kube_labels *labels, const struct nv_kube_target *target,
                          struct nv_target_group *ret)
{
    labels->n = labels->bytes = 0;
    int r = add_of_pod(labels, target);
    if (r == 0)
        r = add_of_port(labels, target->port);
    if (r == 0)
        r = add_of_wish(labels, target);
    return r < 0 ? r : nv_kube_labels_finish(labels, ret);
}
