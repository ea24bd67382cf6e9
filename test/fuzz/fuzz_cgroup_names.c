/*
 * fuzz_cgroup_names.c - the container collector over cgroups of any names and contents.
 *
 * Input: lines of a path, of which the last part may be a file, and what stands in it: "kubepods/pod1/memory.current=7".
 * They lie below sys/fs/cgroup of a machine in memory (support/memory_host.h), as v2, and once more as v1; a line that
 * begins with '/' is below proc instead, with "!/" below sys/devices/system, "pods=" begins what the kubelet tells, "state=" what an agent before kept. In a
 * text \n is a new line, \t a tab. All groups of metrics are on.
 */
#include "support/memory_host.h"

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char v1_mounts[] =
    "30 1 0:30 / /sys/fs/cgroup/a rw - cgroup cgroup rw,cpuacct,cpu\n"
    "31 1 0:31 / /sys/fs/cgroup/m rw - cgroup cgroup rw,memory,pids,blkio,hugetlb\n";

static void put(struct nv_buf *out, const char *top, struct nv_str path, struct nv_str text)
{
    NV_AUTO_BUF plain = NV_BUF(1 << 20);

    for (size_t i = 0; i < text.n; i++) {
        char next = text.p[i] == '\\' && i + 1 < text.n ? text.p[i + 1] : '\0';
        nv_buf_char(&plain, next == 'n' ? '\n' : next == 't' ? '\t' : text.p[i]);
        i += next == 'n' || next == 't';
    }
    nv_buf_printf(out, "== %s%.*s %zu\n", top, NV_ARGS(path), plain.n);
    nv_buf_str(out, nv_buf_view(&plain));
    nv_buf_char(out, '\n');
}

static void put_lines(struct nv_buf *out, struct nv_str input, const char *top)
{
    while (input.n) {
        struct nv_str text = nv_str_cut(&input, '\n'), path = nv_str_cut(&text, '=');
        if (nv_str_is(path, "pods"))
            put(out, "pods.json", NV_LIT(""), text);
        else if (nv_str_is(path, "state"))
            put(out, "state/container", NV_LIT(""), text);
        else if (nv_str_starts(path, "!"))
            put(out, "sys/devices/system", nv_str_from(path, 1), text);
        else if (nv_str_starts(path, "/"))
            put(out, "proc", path, text);
        else
            put(out, top, path, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const flags[] = {"--collector.container.enable-metrics=tcp,udp,advtcp,sched,"
                                        "cpuset,memory_numa,percpu,cpu_topology"};
    struct nv_str input = {(const char *)data, size};

    nv_memory_flags(flags, 1);
    for (int version = 1; version <= 2; version++) {
        NV_AUTO_BUF archive = NV_BUF(1 << 24);
        nv_buf_text(&archive, "collector container\n");
        if (version == 2) {
            put(&archive, "sys/fs/cgroup/cgroup.controllers", NV_LIT(""),
                NV_LIT("cpu memory io pids hugetlb"));
            put_lines(&archive, input, "sys/fs/cgroup/");
        } else {
            put(&archive, "proc/self/mountinfo", NV_LIT(""), nv_str(v1_mounts));
            put_lines(&archive, input, "sys/fs/cgroup/a/");
            put_lines(&archive, input, "sys/fs/cgroup/m/");
        }
        nv_memory_run(nv_buf_view(&archive));
    }
    return 0;
}
