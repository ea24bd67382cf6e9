#include "name.h"

static const char *const no_rows[] = {".mount",  ".swap",  ".socket", ".device",
                                      ".target", ".timer", ".path",   ".automount"};

/* What stands before an id, and whose it is. */
static const struct {
    const char *prefix;
    enum nv_cg_runtime runtime;
} runtimes[] = {
    {"cri-containerd-", NV_CG_CONTAINERD},
    {"crio-",           NV_CG_CRIO      },
    {"docker-",         NV_CG_DOCKER    },
    {"libpod-",         NV_CG_PODMAN    },
    {"",                NV_CG_OTHER     },
};

static struct nv_str without(struct nv_str s, const char *ending)
{
    if (nv_str_ends(s, ending))
        s.n -= strlen(ending);
    return s;
}

bool nv_cg_is_hex(struct nv_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!nv_is_digit(s.p[i]) && (s.p[i] < 'a' || s.p[i] > 'f'))
            return false;
    return s.n > 0;
}

struct nv_str nv_cg_unescape(struct nv_str s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        uint64_t code;
        struct nv_str digits = nv_str_from(s, i + 2);
        digits.n = digits.n < 2 ? 0 : 2;
        if (s.p[i] == '\\' && i + 3 < s.n && s.p[i + 1] == 'x' && nv_str_to_hex(digits, &code)) {
            out[n++] = (char)code;
            i += 3;
        } else {
            out[n++] = s.p[i];
        }
    }
    return (struct nv_str){out, n};
}

struct nv_str nv_cg_uid(struct nv_str s, char *out)
{
    for (size_t i = 0; i < s.n; i++)
        out[i] = s.p[i] == '_' ? '-' : s.p[i];
    return (struct nv_str){out, s.n};
}

/* ---- containers ----------------------------------------------------------------------------- */

static bool is_id(struct nv_str name, struct nv_cg_name *ret)
{
    struct nv_str base = without(name, ".scope");

    if (base.n < NV_CG_ID)
        return false;
    struct nv_str id = nv_str_from(base, base.n - NV_CG_ID);
    char before = base.n > NV_CG_ID ? base.p[base.n - NV_CG_ID - 1] : '-';
    if (!nv_cg_is_hex(id) || (before != '-' && before != '_' && before != ':'))
        return false;

    struct nv_str prefix = {base.p, base.n - NV_CG_ID};
    size_t i = 0;
    while (!nv_str_starts(prefix, runtimes[i].prefix))
        i++;
    ret->kind = nv_str_contains(prefix, "conmon") ? NV_CG_IGNORED : NV_CG_CONTAINER;
    ret->runtime = !prefix.n ? NV_CG_BARE : runtimes[i].runtime;
    if (before == ':')
        ret->runtime = nv_str_contains(prefix, ":cri-containerd:") ? NV_CG_CONTAINERD : NV_CG_OTHER;
    ret->key = id;
    return true;
}

static bool is_machine(struct nv_str above_name, struct nv_str name, struct nv_cg_name *ret)
{
    static const struct {
        const char *prefix, *ending;
    } shapes[] = {
        {"systemd-nspawn@", ".service"},
        {"machine-",        ".scope"  },
        {"lxc.payload.",    ""        }
    };

    for (size_t i = 0; i < NV_LEN(shapes); i++) {
        struct nv_str rest = nv_str_from(name, strlen(shapes[i].prefix));
        if (!nv_str_starts(name, shapes[i].prefix) || !nv_str_ends(rest, shapes[i].ending))
            continue;
        *ret = (struct nv_cg_name){NV_CG_CONTAINER, NV_CG_MACHINE, false,
                                   without(rest, shapes[i].ending)};
        return ret->key.n > 0;
    }
    if (!nv_str_is(above_name, "lxc") && !nv_str_is(above_name, "lxc.payload"))
        return false;
    *ret = (struct nv_cg_name){NV_CG_CONTAINER, NV_CG_MACHINE, false, name};
    return true;
}

/* ---- the kubelet's ---------------------------------------------------------------------------- */

/* The last part of a slice's name: systemd spells the way to it with '-'. */
static struct nv_str last_part(struct nv_str slice)
{
    const char *dash = slice.n ? memrchr(slice.p, '-', slice.n) : NULL;

    return dash ? nv_str_from(slice, (size_t)(dash - slice.p) + 1) : slice;
}

static bool is_kubepods(struct nv_str name)
{
    return nv_str_is(last_part(without(name, ".slice")), "kubepods");
}

static bool is_pod(struct nv_str name, struct nv_cg_name *ret)
{
    struct nv_str uid = without(name, ".slice");

    if (uid.n == name.n) { /* of cgroupfs: the uid has its '-' */
        if (!nv_str_starts(uid, "pod"))
            return false;
    } else {
        uid = last_part(uid);
        if (!nv_str_starts(uid, "pod"))
            return false;
    }
    ret->key = nv_str_from(uid, strlen("pod"));
    ret->kind = NV_CG_POD;
    return ret->key.n > 0;
}

struct nv_str nv_cg_pod_in(struct nv_str name)
{
    size_t colon = nv_str_find(name, ':');
    struct nv_cg_name is = {0};

    if (colon < name.n)
        is_pod((struct nv_str){name.p, colon}, &is);
    return is.key;
}

static bool is_qos(struct nv_str name)
{
    struct nv_str part = last_part(without(name, ".slice"));

    return nv_str_is(part, "burstable") || nv_str_is(part, "besteffort");
}

static void kubelets(enum nv_cg_kind above, struct nv_str name, struct nv_cg_name *ret)
{
    if (above == NV_CG_KUBEPODS && is_qos(name))
        ret->kind = NV_CG_QOS;
    else if (!is_pod(name, ret) && !is_id(name, ret))
        ret->kind = NV_CG_IGNORED;
}

/* ---- all ------------------------------------------------------------------------------------ */

/* In a service or container nothing has a row but what a kubelet in it makes, and containers in a service. */
static void inside(enum nv_cg_kind above, struct nv_str name, struct nv_cg_name *ret)
{
    if (is_kubepods(name))
        ret->kind = NV_CG_KUBEPODS;
    else if (nv_str_is(without(name, ".slice"), "kubelet"))
        ret->kind = NV_CG_GROUP;
    else if (above == NV_CG_CONTAINER)
        ret->kind = NV_CG_IGNORED;
    else if (!is_id(name, ret))
        ret->kind = nv_str_ends(name, ".slice") || nv_str_starts(name, "libpod") ? NV_CG_INNER
                                                                                 : NV_CG_IGNORED;
}

static void outside(struct nv_str above_name, struct nv_str name, struct nv_cg_name *ret)
{
    if (is_kubepods(name))
        ret->kind = NV_CG_KUBEPODS;
    else if (is_id(name, ret) || is_machine(above_name, name, ret))
        return;
    else if (nv_str_starts(name, "lxc.monitor"))
        ret->kind = NV_CG_IGNORED;
    else if (nv_str_ends(name, ".slice"))
        ret->kind = NV_CG_SLICE;
    else if (nv_str_ends(name, ".service") || nv_str_ends(name, ".scope"))
        ret->kind = NV_CG_UNIT;
    else
        ret->kind = NV_CG_GROUP;
}

void nv_cg_name(enum nv_cg_kind above, struct nv_str above_name, struct nv_str name,
                struct nv_cg_name *ret)
{
    *ret = (struct nv_cg_name){.kind = NV_CG_IGNORED};
    for (size_t i = 0; i < NV_LEN(no_rows); i++)
        if (nv_str_ends(name, no_rows[i]))
            return;

    switch (above) {
    case NV_CG_KUBEPODS:
    case NV_CG_QOS:
        kubelets(above, name, ret);
        break;
    case NV_CG_POD:
        if (is_id(name,
                  ret)) /* CRI-O without a pause process keeps the sandbox in a plain folder */
            ret->is_infra = nv_str_starts(name, "crio-") && !nv_str_ends(name, ".scope") &&
                            nv_str_ends(above_name, ".slice");
        break;
    case NV_CG_UNIT:
    case NV_CG_INNER:
    case NV_CG_CONTAINER:
        inside(above, name, ret);
        break;
    default:
        outside(above_name, name, ret);
    }
}
