#include "kube/declared.h"

#include <errno.h>

#include "kube/fields.h"

struct reader {
    struct nv_fields fields; /* first */
    struct nv_kube_declared *is;
    bool init; /* within the list of init containers */
};

/* ---- ports ---------------------------------------------------------------------------------- */

struct port_fields {
    struct nv_str name, protocol;
    uint64_t number;
};
static const struct nv_field port_table[] = {
    {"name",                       NV_FIELD_TEXT, offsetof(struct port_fields, name)},
    {"protocol", NV_FIELD_TEXT, offsetof(struct port_fields, protocol)},
    {"containerPort",                            NV_FIELD_COUNT, offsetof(struct port_fields, number)},
    {0              },
};

struct container_fields {
    struct reader *reader;
    struct nv_str name, restart_policy;
};

static void read_ports(struct nv_fields *fields, void *whole)
{
    const struct container_fields *container = whole;
    struct nv_kube_declared *is = container->reader->is;

    if (!nv_fields_array(fields))
        return;
    while (nv_json_item(&fields->json)) {
        struct port_fields port = {
            .name = {"", 0}
        };
        nv_fields_read(fields, port_table, &port);
        bool tcp = !port.protocol.n || nv_str_is(port.protocol, "TCP");
        if (tcp && port.number > 0 && port.number <= UINT16_MAX && is->n_ports < NV_KUBE_PORTS_MAX)
            is->ports[is->n_ports++] = (struct nv_kube_port){
                .name = port.name, .number = port.number, .init = container->reader->init};
    }
}

static const struct nv_field container_table[] = {
    {"name",                            NV_FIELD_TEXT, offsetof(struct container_fields, name)},
    {"restartPolicy", NV_FIELD_TEXT, offsetof(struct container_fields, restart_policy)},
    {"ports",                                 NV_FIELD_PART, 0, read_ports},
    {0                   },
};

/* The image and id of a port's container, from the picture. */
static void complete(const struct nv_pod *pod, struct nv_kube_port *port)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        const struct nv_pod_container *at = nv_pod_container_at(pod, i);
        bool init = at->kind == NV_CONTAINER_SIDECAR || at->kind == NV_CONTAINER_INIT;
        if (init == port->init && at->kind != NV_CONTAINER_EPHEMERAL &&
            nv_str_eq(at->name, port->container)) {
            port->image = at->image;
            port->id = at->id;
            return;
        }
    }
}

static void read_containers(struct nv_fields *fields, void *whole)
{
    struct reader *reader = whole;
    struct nv_kube_declared *is = reader->is;

    if (!nv_fields_array(fields))
        return;
    while (nv_json_item(&fields->json)) {
        struct container_fields container = {.reader = reader};
        size_t first = is->n_ports;
        nv_fields_read(fields, container_table, &container);
        if (reader->init && !nv_str_is(container.restart_policy, "Always"))
            is->n_ports = first; /* it has ended, or soon will */
        for (size_t i = first; i < is->n_ports; i++) {
            is->ports[i].container = container.name;
            complete(is->pod, &is->ports[i]);
        }
    }
}

static void read_init_containers(struct nv_fields *fields, void *whole)
{
    struct reader *reader = whole;

    reader->init = true;
    read_containers(fields, reader);
    reader->init = false;
}

/* ---- who made it ---------------------------------------------------------------------------- */

struct owner_fields {
    struct nv_str kind, name;
    bool controller;
};

static void read_owners(struct nv_fields *fields, void *whole)
{
    static const struct nv_field table[] = {
        {"kind",                        NV_FIELD_TEXT, offsetof(struct owner_fields, kind)},
        {"name", NV_FIELD_TEXT, offsetof(struct owner_fields, name)},
        {"controller",                             NV_FIELD_BOOL, offsetof(struct owner_fields, controller)},
        {0               },
    };
    const struct reader *reader = whole;

    if (!nv_fields_array(fields))
        return;
    while (nv_json_item(&fields->json)) {
        struct owner_fields owner = {
            .kind = {"", 0}
        };
        nv_fields_read(fields, table, &owner);
        if (owner.controller) {
            reader->is->controller_kind = owner.kind;
            reader->is->controller_name = owner.name;
        }
    }
}

/* ---- the pod -------------------------------------------------------------------------------- */

static const struct nv_field metadata_table[] = {
    {"ownerReferences", NV_FIELD_PART, 0, read_owners},
    {0               },
};
static const struct nv_field spec_table[] = {
    {"containers", NV_FIELD_PART, 0, read_containers},
    {"initContainers",           NV_FIELD_PART, 0, read_init_containers},
    {0           },
};

static void read_metadata(struct nv_fields *fields, void *reader)
{
    nv_fields_read(fields, metadata_table, reader);
}

static void read_spec(struct nv_fields *fields, void *reader)
{
    nv_fields_read(fields, spec_table, reader);
}

static const struct nv_field pod_table[] = {
    {"metadata", NV_FIELD_PART, 0, read_metadata},
    {"spec",         NV_FIELD_PART, 0, read_spec},
    {0         },
};

int nv_kube_declared_read(const struct nv_pod *pod, struct nv_arena *memory,
                          struct nv_kube_declared *ret)
{
    struct reader reader = {
        .fields = {.json = nv_json(pod->json), .arena = memory},
        .is = ret,
    };

    ret->pod = pod;
    ret->n_ports = 0;
    ret->controller_kind = ret->controller_name = (struct nv_str){"", 0};
    nv_fields_read(&reader.fields, pod_table, &reader);
    return reader.fields.no_memory ? -ENOMEM : 0;
}
