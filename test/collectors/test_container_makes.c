/*
 * test_container_makes.c - nodes of many makes: what each names its cgroups, and what labels their rows have.
 *
 * A make is a list of cgroups, the pods its kubelet tells, and, for v1, where the controllers are mounted. Every cgroup has
 * a number of its own as its memory in use, so that a row can be told by its value.
 */
#include <check.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "support/fixture.h"
#include "support/machine.h"

extern const struct nv_collector nv_collector_container;

enum { PASS_MS = 20000, CGROUPS_MAX = 24, PODS_MAX = 6, PATH_SIZE = 1024 };

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define U "0a0a0a0a-0000-1111-2222-333344445555"
#define V "0a0a0a0a_0000_1111_2222_333344445555"
#define H "0123456789abcdef0123456789abcdef"

/* Labels as container|image|name|namespace|pod; NULL for a cgroup that has no row. */
struct cgroup {
    const char *path, *comm, *labels;
};

#define NOTHING "||||"
#define OF_POD  "|||shop|web"

struct pod {
    const char *uid, *name, *ns, *container, *image, *id; /* id with its scheme */
    const char *more;                                     /* members of its metadata */
};

static const struct pod web = {U, "web", "shop", "nginx", "nginx:1.27", "containerd://" A, ""};
static const struct pod web_crio = {U, "web", "shop", "nginx", "nginx:1.27", "cri-o://" A, ""};
static const struct pod web_docker = {U, "web", "shop", "nginx", "nginx:1.27", "docker://" A, ""};
static const struct pod fixed = {H, "etcd-n1", "kube-system", "etcd", "etcd:3.5", "containerd://" B,
                                 ""};
/* The API server's copy of a static pod has a uid of its own. */
static const struct pod mirror = {"99999999-0000-1111-2222-333344445555",
                                  "etcd-n1",
                                  "kube-system",
                                  "etcd",
                                  "etcd:3.5",
                                  "containerd://" B,
                                  ",\"annotations\":{\"kubernetes.io/config.hash\":\"" H
                                  "\",\"kubernetes.io/config.mirror\":\"" H "\"}"};
static const struct pod odd = {
    "0.pod_1", "pod-burstable.kubepods-x.0", "n-0", "pod", "r/i@sha256:" D, "containerd://" D, ""};

/* Hierarchies of v1 by their controllers, "unified=" for one of v2 beside them; NULL for v2 alone. */
struct make {
    const char *name;
    const char *const *hierarchies;
    const struct pod *pods[PODS_MAX];
    struct cgroup cgroups[CGROUPS_MAX];
};

static const char *const v1[] = {"cpu,cpuacct", "memory", "pids", NULL};
static const char *const turned[] = {"cpuacct,cpu", "memory", NULL};
static const char *const hybrid[] = {"cpu,cpuacct", "memory", "unified=", NULL};
static const char *const moved[] = {"unified=memory pids", "cpu,cpuacct", NULL};

static const struct make makes[] = {
    {"v2, systemd driver, containerd",
     NULL,                                  {&web, &fixed},
     {
         {"kubepods.slice", NULL, NOTHING},
         {"kubepods.slice/kubepods-burstable.slice", NULL, NOTHING},
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" V ".slice", NULL,
          OF_POD},
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" V
          ".slice/cri-containerd-" A ".scope",
          "nginx", "nginx|nginx:1.27|" A "|shop|web"},
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" V
          ".slice/cri-containerd-" A ".scope/init.scope",
          "systemd", NULL},
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" V
          ".slice/cri-containerd-" C ".scope",
          "pause", "||" C "|shop|web"},
         {"kubepods.slice/kubepods-pod" H ".slice", NULL, "|||kube-system|etcd-n1"},
         {"kubepods.slice/kubepods-pod" H ".slice/cri-containerd-" B ".scope", "etcd",
          "etcd|etcd:3.5|" B "|kube-system|etcd-n1"},
         {"kubepods.slice/kubepods-besteffort.slice/"
          "kubepods-besteffort-podffffffff_0000_1111_2222_333344445555.slice",
          NULL, NOTHING}, /* not in /pods */
         {"system.slice/containerd.service", NULL, NOTHING},
         {"system.slice/boot-efi.mount", NULL, NULL},
         {"system.slice/dbus.socket", NULL, NULL},
         {"system.slice/system-getty.slice/getty@tty1.service", NULL, NOTHING},
         {"user.slice/user-1000.slice/session-3.scope", NULL, NOTHING},
         {"user.slice/user-1000.slice/user@1000.service/app.slice/x.service", NULL, NULL},
         {"system.slice/systemd-fsck@dev-disk-by\\x2duuid-1.service", NULL, NOTHING},
     }},
    {"v2, cgroupfs driver, k3s",
     NULL,                                  {&web, &fixed},
     {
         {"kubepods/burstable/pod" U, NULL, OF_POD},
         {"kubepods/burstable/pod" U "/" A, "nginx", "nginx|nginx:1.27|" A "|shop|web"},
         {"kubepods/burstable/pod" U "/" C, "pause", "||" C "|shop|web"},
         {"kubepods/pod" H "/" B, "etcd", "etcd|etcd:3.5|" B "|kube-system|etcd-n1"},
         {"kubepods/besteffort", NULL, NOTHING},
         {"system.slice/k3s.service", NULL, NOTHING},
         {"system.slice/snap.microk8s.daemon-kubelite.service", NULL, NOTHING},
         {"podruntime/kubelet", NULL, NOTHING},
     }},
    {"v2, systemd driver, CRI-O",
     NULL,                                  {&web_crio},
     {
         {"kubepods.slice/kubepods-pod" V ".slice/crio-" A ".scope", NULL,
          "nginx|nginx:1.27|k8s_nginx_web_shop_" U "_2|shop|web"},
         {"kubepods.slice/kubepods-pod" V ".slice/crio-" A ".scope/container", "nginx", NULL},
         {"kubepods.slice/kubepods-pod" V ".slice/crio-conmon-" A ".scope", "conmon", NULL},
         {"kubepods.slice/kubepods-pod" V ".slice/crio-" C, NULL,
          "POD||k8s_POD_web_shop_" U "_0|shop|web"},
         {"system.slice/crio-conmon-" C ".scope", "conmon", NULL},
         {"system.slice/crio.service", NULL, NOTHING},
     }},
    {"v1, cgroupfs driver, CRI-O",
     v1,                                    {&web_crio},
     {
         {"kubepods/pod" U "/crio-" A, "nginx",
          "nginx|nginx:1.27|k8s_nginx_web_shop_" U "_2|shop|web"},
         {"kubepods/pod" U "/crio-conmon-" A, "conmon", NULL},
         {"kubepods/pod" U "/crio-" C, "pod", "POD||k8s_POD_web_shop_" U "_0|shop|web"},
     }},
    {"v1, systemd driver, cri-dockerd",
     turned,                                {&web_docker},
     {
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" V ".slice/docker-" A
          ".scope",
          "nginx", "nginx|nginx:1.27|k8s_nginx_web_shop_" U "_2|shop|web"},
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" V ".slice/docker-" C
          ".scope",
          "pause", "POD|registry.k8s.io/pause:3.9|k8s_POD_web_shop_" U "_4|shop|web"},
         {"system.slice/docker-" D ".scope", "redis", "|redis:7|cache||"},
     }},
    {"v1, cgroupfs driver, dockershim, and Docker alone",
     v1,                                    {&web_docker},
     {
         {"kubepods/besteffort/pod" U "/" A, "nginx",
          "nginx|nginx:1.27|k8s_nginx_web_shop_" U "_2|shop|web"},
         {"docker/" D, "redis", "|redis:7|cache||"},
         {"docker/" D "/system.slice/cron.service", "cron", NULL},
         {"default/" B, "x", "||" B "||"},
     }},
    {"Podman, of root and of a user",
     NULL,                                  {NULL},
     {
         {"machine.slice/libpod-" A ".scope", NULL, "||" A "||"},
         {"machine.slice/libpod-" A ".scope/container", "sh", NULL},
         {"machine.slice/libpod-conmon-" A ".scope", "conmon", NULL},
         {"machine.slice/machine-libpod_pod_" C ".slice/libpod-" B ".scope", "sh", "||" B "||"},
         {"libpod_parent/libpod-" D, "sh", "||" D "||"},
         {"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" C ".scope", NULL,
          "||" C "||"},
         {"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" C ".scope/container",
          "sh", NULL},
         {"system.slice/web.service/libpod-payload-" B, "sh", "||" B "||"}, /* cgroups=split */
         {"system.slice/nerdctl-" A ".scope", "sh", "||" A "||"},
     }},
    {"machines: nspawn, libvirt, LXC",
     NULL,                                  {NULL},
     {
         {"machine.slice/systemd-nspawn@build\\x2dbox.service", NULL, "||build-box||"},
         {"machine.slice/systemd-nspawn@build\\x2dbox.service/payload/system.slice/cron.service",
          "cron", NULL},
         {"machine.slice/machine-qemu\\x2d3\\x2dvm.scope", "qemu", "||qemu-3-vm||"},
         {"lxc.payload.db", "init", "||db||"},
         {"lxc.monitor.db", "lxc-start", NULL},
         {"lxc/old", "init", "||old||"},
     }},
    {"kind: a kubelet in a container of Docker",
     NULL,                                  {&web},
     {
         {"system.slice/docker-" D ".scope", NULL, "|redis:7|cache||"},
         {"system.slice/docker-" D ".scope/init.scope", "systemd", NULL},
         {"system.slice/docker-" D ".scope/kubelet.slice", NULL, NOTHING},
         {"system.slice/docker-" D ".scope/kubelet.slice/kubelet-kubepods.slice", NULL, NOTHING},
         {"system.slice/docker-" D
          ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
          "kubelet-kubepods-besteffort-pod" V ".slice/cri-containerd-" A ".scope",
          "nginx", "nginx|nginx:1.27|" A "|shop|web"},
     }},
    {"kind with cgroupfs, on v1",
     v1,                                    {&web},
     {
         {"docker/" D "/kubelet/kubepods/burstable/pod" U, NULL, OF_POD},
         {"docker/" D "/kubelet/kubepods/burstable/pod" U "/" A, "nginx",
          "nginx|nginx:1.27|" A "|shop|web"},
         {"docker/" D "/kubelet/kubepods/burstable/pod" U "/" C, "pause", "||" C "|shop|web"},
     }},
    {"a cgroupRoot of the kubelet's own",
     NULL,                                  {&web},
     {
         {"my.slice/my-node.slice/my-node-kubepods.slice/my-node-kubepods-burstable.slice/"
          "my-node-kubepods-burstable-pod" V ".slice/cri-containerd-" A ".scope",
          "nginx", "nginx|nginx:1.27|" A "|shop|web"},
         {"kubelet/kubepods/pod" H, NULL, NOTHING},
     }},
    {"two drivers that disagree",                         /* what runc makes of systemd's names without systemd */
     NULL, {&web},
     {
         {"system.slice/containerd.service/kubepods-burstable-pod" V ".slice:cri-containerd:" A,
          "nginx", "nginx|nginx:1.27|" A "|shop|web"},
         {"system.slice/containerd.service/kubepods-burstable-pod" V ".slice:cri-containerd:" C,
          "pause", "||" C "|shop|web"},
     }},
    {"hybrid: controllers on v1, systemd's names on v2",
     hybrid,                                {&web, &fixed},
     {
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" V
          ".slice/cri-containerd-" A ".scope",
          "nginx", "nginx|nginx:1.27|" A "|shop|web"},
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" V
          ".slice/cri-containerd-" C ".scope",
          "pause", "||" C "|shop|web"},
         {"system.slice/containerd.service", "containerd", NOTHING},
         {"machine.slice/libpod-" D ".scope", "sh", "||" D "||"},
     }},
    {"some controllers moved to v2",
     moved,                                 {&web},
     {
         {"kubepods/burstable/pod" U, NULL, OF_POD},
         {"kubepods/burstable/pod" U "/" A, "nginx", "nginx|nginx:1.27|" A "|shop|web"},
         {"system.slice/k3s.service", "k3s", NOTHING},
     }},
    {"a static pod, known by the copy of the API server",
     NULL,                                  {&mirror},
     {
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" H ".slice", NULL,
          "|||kube-system|etcd-n1"},
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" H
          ".slice/cri-containerd-" B ".scope",
          "etcd", "etcd|etcd:3.5|" B "|kube-system|etcd-n1"},
         {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" H
          ".slice/cri-containerd-" C ".scope",
          "pause", "||" C "|kube-system|etcd-n1"},
     }},
    {"containers in containers",
     NULL,                                  {&web},
     {
         {"kubepods/pod" U "/" A, NULL, "nginx|nginx:1.27|" A "|shop|web"},
         {"kubepods/pod" U "/" A "/docker/" B, "sh", NULL},
         {"kubepods/pod" U "/" A "/system.slice/docker-" B ".scope", "sh", NULL},
         {"docker/" D, NULL, "|redis:7|cache||"},
         {"docker/" D "/docker/" B, "sh", NULL},
         {"system.slice/docker.service", "dockerd", NOTHING},
         {"ecs/0123456789abcdef0123456789abcdef/" B, "sh", "||" B "||"},
     }},
    {"a pod of an odd name and uid",
     NULL,                                  {&odd},
     {
         {"kubepods/besteffort/pod0.pod_1", NULL, "|||n-0|pod-burstable.kubepods-x.0"},
         {"kubepods/besteffort/pod0.pod_1/" D, "pod",
          "pod|r/i@sha256:" D "|" D "|n-0|pod-burstable.kubepods-x.0"},
         {"kubepods/besteffort/pod", NULL, NULL},
         {"kubepods/besteffort/scratch", NULL, NULL},
     }},
    {"a container that only holds room is no sandbox",
     NULL,                                  {&web},
     {
         {"kubepods/pod" U "/" A, "pause", "nginx|nginx:1.27|" A "|shop|web"},
     }},
    {"names with odd bytes",
     NULL,                                  {NULL},
     {
         {"system.slice/a \"b\".service", NULL, NOTHING},
         {"system.slice/caf\xc3\xa9.service", NULL, NOTHING},
         {"system.slice/pod-thing.service", NULL, NOTHING},
         {"kubepods-not/pod" U, NULL, NOTHING},
     }},
};

/* ---- the machine ---------------------------------------------------------------------------- */

static void put_pods(const char *dir, const struct pod *const *pods)
{
    NV_AUTO_BUF text = NV_BUF(65536);

    nv_buf_text(&text, "{\"kind\":\"PodList\",\"items\":[");
    for (size_t i = 0; i < PODS_MAX && pods[i]; i++)
        nv_buf_printf(&text,
                      "%s{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"%s\"%s},"
                      "\"spec\":{\"containers\":[{\"name\":\"%s\"}]},\"status\":{\"phase\":"
                      "\"Running\",\"containerStatuses\":[{\"name\":\"%s\",\"image\":\"%s\","
                      "\"restartCount\":2,\"containerID\":\"%s\",\"state\":{\"running\":{"
                      "\"startedAt\":\"2026-05-12T09:00:00Z\"}}}]}}",
                      i ? "," : "", pods[i]->name, pods[i]->ns, pods[i]->uid, pods[i]->more,
                      pods[i]->container, pods[i]->container, pods[i]->image, pods[i]->id);
    nv_buf_text(&text, "]}");
    nv_write_file(dir, "pods.json", nv_buf_c_string(&text));
}

static void put_docker(const char *dir, const char *id, const char *name, const char *image)
{
    char path[PATH_SIZE], text[PATH_SIZE];

    snprintf(path, sizeof(path), "root/var/lib/docker/containers/%s/config.v2.json", id);
    snprintf(text, sizeof(text), "{\"ID\":\"%s\",\"Config\":{\"Image\":\"%s\"},\"Name\":\"/%s\"}",
             id, image, name);
    nv_write_file(dir, path, text);
}

static void put_process(const char *dir, const char *folder, int pid, const char *comm)
{
    char path[PATH_SIZE + 64], text[64];

    snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
    snprintf(text, sizeof(text), "%d\n", pid);
    nv_write_file(dir, path, comm ? text : "");
    if (!comm)
        return;
    snprintf(path, sizeof(path), "proc/%d/comm", pid);
    snprintf(text, sizeof(text), "%s\n", comm);
    nv_write_file(dir, path, text);
}

/* In one hierarchy; "" for that of v2 alone. The memory in use stands where the controller is. */
static void put_folder(const char *dir, const char *hierarchy, const struct cgroup *cgroup, int i)
{
    bool is_v2 = !*hierarchy || strncmp(hierarchy, "unified=", 8) == 0;
    char folder[PATH_SIZE], path[PATH_SIZE + 64], text[64];

    snprintf(folder, sizeof(folder), "sys/fs/cgroup/%.*s/%s", (int)strcspn(hierarchy, "="),
             hierarchy, cgroup->path);
    snprintf(text, sizeof(text), "%d\n", 4096 * (i + 1));
    snprintf(path, sizeof(path), "%s/memory.%s", folder, is_v2 ? "current" : "usage_in_bytes");
    if (!*hierarchy || strstr(hierarchy, "memory"))
        nv_write_file(dir, path, text);
    put_process(dir, folder, 100 + i, cgroup->comm);
}

static void put_cgroup(const char *dir, const struct make *make, int i)
{
    static const char *const alone[] = {"", NULL};

    for (const char *const *at = make->hierarchies ? make->hierarchies : alone; *at; at++)
        put_folder(dir, *at, &make->cgroups[i], i);
}

static void put_hierarchy(const char *dir, const char *hierarchy, struct nv_buf *mounts, int i)
{
    const char *v2 = strchr(hierarchy, '=');

    nv_buf_printf(mounts, "3%d 1 0:3%d / /sys/fs/cgroup/%.*s rw - cgroup%s cgroup rw%s%s\n", i, i,
                  (int)strcspn(hierarchy, "="), hierarchy, v2 ? "2" : "", v2 ? "" : ",",
                  v2 ? "" : hierarchy);
    if (v2)
        nv_write_file(dir, "sys/fs/cgroup/unified/cgroup.controllers", v2 + 1);
}

static void put_hierarchies(const char *dir, const char *const *hierarchies)
{
    NV_AUTO_BUF mounts = NV_BUF(4096);

    for (int i = 0; hierarchies[i]; i++)
        put_hierarchy(dir, hierarchies[i], &mounts, i);
    nv_write_file(dir, "proc/1/mountinfo", nv_buf_c_string(&mounts));
}

static struct nv_machine *start(const struct make *make)
{
    static char dir[256];
    static int number;

    snprintf(dir, sizeof(dir), "%s/makes-%d", nv_temp_dir(), number++);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    nv_write_file(dir, "proc/meminfo", "MemTotal: 1 kB\n");
    if (make->hierarchies)
        put_hierarchies(dir, make->hierarchies);
    else
        nv_write_file(dir, "sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
    for (int i = 0; i < CGROUPS_MAX && make->cgroups[i].path; i++)
        put_cgroup(dir, make, i);
    put_pods(dir, make->pods);
    put_docker(dir, C, "k8s_POD_web_shop_" U "_4", "registry.k8s.io/pause:3.9");
    put_docker(dir, D, "cache", "redis:7");
    return nv_machine_new(&nv_collector_container, dir, NULL);
}

/* ---- what is expected ----------------------------------------------------------------------- */

static void escape(struct nv_buf *out, struct nv_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' || text.p[i] == '"')
            nv_buf_char(out, '\\');
        nv_buf_char(out, text.p[i]);
    }
}

/* The row of memory in use. */
static void series_of(struct nv_buf *out, const struct cgroup *cgroup)
{
    static const char *const names[] = {"image", "name", "namespace", "pod"};
    struct nv_str rest = nv_str(cgroup->labels), container = nv_str_cut(&rest, '|');

    nv_buf_printf(out, "container_memory_usage_bytes{container=\"%.*s\",id=\"/",
                  NV_ARGS(container));
    escape(out, nv_str(cgroup->path));
    for (size_t i = 0; i < NV_LEN(names); i++) {
        struct nv_str value = nv_str_cut(&rest, '|');
        nv_buf_printf(out, "\",%s=\"%.*s", names[i], NV_ARGS(value));
    }
    nv_buf_text(out, "\"}");
}

static void check(const struct make *make, const char *got, size_t i)
{
    const struct cgroup *cgroup = &make->cgroups[i];
    NV_AUTO_BUF text = NV_BUF(8192);

    if (cgroup->labels) {
        series_of(&text, cgroup);
        ck_assert_msg(nv_sample_of(got, nv_buf_c_string(&text)) == 4096. * (double)(i + 1),
                      "%s: no %s", make->name, nv_buf_c_string(&text));
        return;
    }
    nv_buf_text(&text, "id=\"/");
    escape(&text, nv_str(cgroup->path));
    nv_buf_char(&text, '"');
    ck_assert_msg(!strstr(got, nv_buf_c_string(&text)), "%s: a row of %s", make->name,
                  cgroup->path);
}

START_TEST(cgroups_of_every_make_have_the_labels_they_ought_to) /* looped: _i is a make */
{
    const struct make *make = &makes[_i];
    struct nv_machine *machine = start(make);
    const char *got = nv_machine_pass(machine, PASS_MS);

    for (size_t i = 0; i < CGROUPS_MAX && make->cgroups[i].path; i++)
        check(make, got, i);
    nv_machine_free(machine);
}
END_TEST

/* How many rows of memory have, or have not, this beginning. */
static size_t count_rows(const char *text, const char *beginning)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, beginning)); at += strlen(beginning))
        n += at == text || at[-1] == '\n';
    return n;
}

/* What dashboards add up is what has a container's name. */
START_TEST(no_container_of_any_make_is_counted_twice) /* looped: _i is a make */
{
    const struct make *make = &makes[_i];
    struct nv_machine *machine = start(make);
    size_t n = 0;

    nv_machine_pass(machine, PASS_MS); /* in the second pass the same holds as in the first */
    const char *got = nv_machine_pass(machine, PASS_MS);
    for (size_t i = 0; i < CGROUPS_MAX && make->cgroups[i].path; i++)
        n += make->cgroups[i].labels && make->cgroups[i].labels[0] != '|';
    ck_assert_uint_eq(count_rows(got, "container_memory_usage_bytes{container=\"") -
                          count_rows(got, "container_memory_usage_bytes{container=\"\""),
                      n);
    nv_machine_free(machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("container_makes");
    TCase *all = tcase_create("all");

    nv_quiet();
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, cgroups_of_every_make_have_the_labels_they_ought_to, 0, NV_LEN(makes));
    tcase_add_loop_test(all, no_container_of_any_make_is_counted_twice, 0, NV_LEN(makes));
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
