/*
 * meminfo_numa - where the memory of each NUMA node is.
 *
 * Sources: /sys/devices/system/node/node<N>:
 *   meminfo    lines "Node N Key: number kB", the unit missing where pages are counted; a family per
 *              key, in bytes but without a suffix that says so
 *   numastat   lines "key number", pages allocated; a counter per key
 */
#include <nodevitals/collector.h>
#include <nodevitals/sysfs.h>

enum { NAME_MAX_SIZE = 128 };

static int emit(struct nv_pass *pass, enum nv_type type, const char *name, struct nv_str node,
                double value)
{
    struct nv_family family = {name, type, NV_AS_IS,
                               type == NV_GAUGE
                                   ? "Memory of the NUMA node by the kernel's name for its use."
                                   : "Pages allocated on the NUMA node by how it came."};

    if (!name[0])
        return -EBADMSG;
    nv_emit_named(pass, &family, NV_LABELS("node"), &node, value);
    return 0;
}

/* Writes the family's name: "Active(anon)" becomes node_memory_numa_Active_anon. */
static void name_of(struct nv_str key, char name[NAME_MAX_SIZE])
{
    struct nv_str inner = key, outer = nv_str_cut(&inner, '(');

    if (inner.n && inner.p[inner.n - 1] == ')')
        inner.n--;
    int n = snprintf(name, NAME_MAX_SIZE, "node_memory_numa_%.*s%s%.*s", NV_ARGS(outer),
                     inner.n ? "_" : "", NV_ARGS(inner));
    if (n >= NAME_MAX_SIZE)
        name[0] = '\0';
}

static int collect_meminfo(struct nv_pass *pass, struct nv_scan file)
{
    struct nv_scan line;

    while (nv_scan_line(&file, &line)) {
        if (nv_scan_done(&line))
            continue;
        nv_scan_skip(&line, 1);
        struct nv_str node = nv_scan_word(&line), key = nv_scan_word(&line);
        double value = nv_scan_real(&line);
        if (!line.failed && !nv_scan_done(&line)) {
            value *= 1024;
            if (!nv_str_is(nv_scan_word(&line), "kB") || !nv_scan_done(&line))
                return -EBADMSG;
        }
        if (line.failed)
            return -EBADMSG;
        if (nv_str_ends(key, ":"))
            key.n--;
        char name[NAME_MAX_SIZE];
        name_of(key, name);
        if (emit(pass, NV_GAUGE, name, node, value) < 0)
            return -EBADMSG;
    }
    return 0;
}

static int collect_numastat(struct nv_pass *pass, struct nv_str node, struct nv_scan file)
{
    struct nv_scan line;

    while (nv_scan_line(&file, &line)) {
        if (nv_scan_done(&line))
            continue;
        struct nv_str key = nv_scan_word(&line);
        double value = nv_scan_real(&line);
        char name[NAME_MAX_SIZE];
        nv_path(name, "node_memory_numa_%.*s_total", NV_ARGS(key));
        if (line.failed || !nv_scan_done(&line) || emit(pass, NV_COUNTER, name, node, value) < 0)
            return -EBADMSG;
    }
    return 0;
}

static int collect_node(struct nv_pass *pass, struct nv_str node)
{
    char path[NV_PATH_MAX];
    struct nv_str text;

    nv_path(path, "sys/devices/system/node/node%.*s/meminfo", NV_ARGS(node));
    int r = nv_read(pass, path, &text);
    if (r == 0)
        r = collect_meminfo(pass, nv_scan(text));
    if (r < 0)
        return nv_error(pass, r, "cannot use %s", path);

    nv_path(path, "sys/devices/system/node/node%.*s/numastat", NV_ARGS(node));
    r = nv_read(pass, path, &text);
    if (r == 0)
        r = collect_numastat(pass, node, nv_scan(text));
    if (r < 0)
        return nv_error(pass, r, "cannot use %s", path);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    struct nv_str node;

    int r = nv_list(pass, "sys/devices/system/node", &names);
    if (r == -ENOENT)
        return 0;
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (nv_numbered(names.at[i], "node", &node))
            r = collect_node(pass, node);
    }
    return r;
}

NV_COLLECTOR(meminfo_numa) = {
    NV_ABI_STAMP,
    .name = "meminfo_numa",
    .summary = "Memory by use, per NUMA node.",
    .options = NV_OFF_BY_DEFAULT,
    .collect = collect,
};
