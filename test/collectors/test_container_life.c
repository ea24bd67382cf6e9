/*
 * test_container_life.c - containers that come and go: what the container collector remembers from one pass to the next.
 */
#include <check.h>
#include <ftw.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/options.h"
#include "base/buf.h"
#include "expo/expo.h"
#include "gather/gather.h"
#include "support/fixture.h"
#include "support/pods.h"

extern const struct nv_collector nv_collector_container;

enum { TEXT_MAX = 16 << 20, PATH_SIZE = 1024 };

#define POD "sys/fs/cgroup/kubepods/pod0a0a0a0a-0000-1111-2222-333344445555"
#define A   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C   "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

struct machine {
    char dir[256], proc[300], sys[300];
    struct nv_options *options;
    struct nv_gather *gather;
    char *text;
    int result;
};

static void put(const struct machine *machine, const char *path, const char *text)
{
    nv_write_file(machine->dir, path, text);
}

static void begin(struct machine *machine)
{
    static int number;

    *machine = (struct machine){0};
    snprintf(machine->dir, sizeof(machine->dir), "%s/life-%d", nv_temp_dir(), number++);
    snprintf(machine->proc, sizeof(machine->proc), "%s/proc", machine->dir);
    snprintf(machine->sys, sizeof(machine->sys), "%s/sys", machine->dir);
    ck_assert_int_eq(mkdir(machine->dir, 0755), 0);
    put(machine, "proc/meminfo", "MemTotal: 1 kB\n");
    put(machine, "sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
}

static void start(struct machine *machine, const char *flag)
{
    const struct nv_collector *const list[] = {&nv_collector_container, NULL};
    const char *flags[] = {"--collector.container", flag};
    const struct nv_gather_options options = {.procfs = machine->proc,
                                              .sysfs = machine->sys,
                                              .rootfs = machine->dir,
                                              .udev = machine->dir,
                                              .pods = nv_test_pods(machine->dir)};
    char state[300], error[NV_GATHER_ERROR_MAX];

    machine->options = nv_options_new("nodevitals", "");
    ck_assert_int_eq(nv_options_parse(machine->options, list, flag ? 2 : 1, flags), 0);
    machine->gather = nv_gather_new(&options);
    snprintf(state, sizeof(state), "%s/state", machine->dir);
    ck_assert_int_eq(nv_gather_keep_states(machine->gather, state), 0);
    for (size_t i = 0; i < machine->options->n_collectors; i++)
        if (machine->options->collectors[i].collector == list[0])
            ck_assert_int_eq(nv_gather_add(machine->gather, list[0], NV_GATHER_NODE,
                                           machine->options->collectors[i].values),
                             0);
    ck_assert_int_eq(nv_gather_start(machine->gather, error), 0);
}

static void pass(struct machine *machine)
{
    const struct nv_gather_selection all = {0};
    NV_AUTO(nv_frame) *frame = NULL;
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);
    struct nv_gather_state state;

    ck_assert_int_eq(nv_gather_pass(machine->gather, &all, NV_GATHER_PASS_MS, &frame), 0);
    nv_expo_write(frame, (struct nv_expo_choice){NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES}, NULL,
                  0, &text);
    free(machine->text);
    machine->text = strdup(nv_buf_c_string(&text));
    nv_gather_state(machine->gather, 0, &state);
    machine->result = state.result;
}

static void end(struct machine *machine)
{
    free(machine->text);
    nv_gather_free(machine->gather);
    nv_options_free(machine->options);
}

static void restart(struct machine *machine)
{
    end(machine);
    machine->text = NULL;
    start(machine, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void take_away(const struct machine *machine, const char *path)
{
    char full[PATH_SIZE];

    snprintf(full, sizeof(full), "%s/%s", machine->dir, path);
    ck_assert_int_eq(nftw(full, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void put_container(const struct machine *machine, const char *id, int kills)
{
    char path[PATH_SIZE], text[64];

    snprintf(path, sizeof(path), POD "/%s/memory.current", id);
    put(machine, path, "4096\n");
    snprintf(path, sizeof(path), POD "/%s/memory.events", id);
    snprintf(text, sizeof(text), "oom_kill %d\n", kills);
    put(machine, path, text);
}

static void put_pod_kills(const struct machine *machine, int kills)
{
    char text[64];

    snprintf(text, sizeof(text), "oom_kill %d\n", kills);
    put(machine, POD "/memory.events", text);
}

/* The pod with one container; `last` is the part of its status that tells of the state before. */
static void put_pods(const struct machine *machine, const char *id, int restarts, const char *last)
{
    char text[4096];

    snprintf(
        text, sizeof(text),
        "{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\","
        "\"uid\":"
        "\"0a0a0a0a-0000-1111-2222-333344445555\",\"creationTimestamp\":\"2020-01-01T00:00:00Z\"},"
        "\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"nginx\",\"image\":"
        "\"i\","
        "\"restartCount\":%d,\"containerID\":\"containerd://"
        "%s\",\"state\":{\"running\":{\"startedAt\":"
        "\"2020-01-01T00:00:00Z\"}}%s}]}}]}",
        restarts, id, last);
    put(machine, "pods.json", text);
}

/* A last state, ended by the kernel now. */
static const char *killed_now(const char *id)
{
    static char text[1024];
    char when[32];
    time_t now = time(NULL) + 1;
    struct tm tm;

    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    snprintf(
        text, sizeof(text),
        ",\"lastState\":{\"terminated\":{\"reason\":\"OOMKilled\",\"exitCode\":137,\"containerID\":"
        "\"containerd://%s\",\"startedAt\":\"2020-01-01T00:00:00Z\",\"finishedAt\":\"%s\"}}",
        id, when);
    return text;
}

static double events_of(const struct machine *machine, const char *id)
{
    char series[PATH_SIZE];

    snprintf(
        series, sizeof(series),
        "container_oom_events_total{container=\"nginx\",id=\"/kubepods/pod0a0a0a0a-0000-1111-2222-"
        "333344445555/%s\",image=\"i\",name=\"%s\",namespace=\"shop\",pod=\"web\"}",
        id, id);
    return nv_sample_of(machine->text, series);
}

static double of_name(const struct machine *machine, const char *family)
{
    char series[256];

    snprintf(series, sizeof(series), "%s{container=\"nginx\",namespace=\"shop\",pod=\"web\"}",
             family);
    return nv_sample_of(machine->text, series);
}

/* ---- tests ---------------------------------------------------------------------------------- */

START_TEST(a_kill_that_was_seen_outlives_the_cgroup)
{
    struct machine machine;

    begin(&machine);
    put_pods(&machine, A, 0, "");
    put_container(&machine, A, 0);
    put_pod_kills(&machine, 0);
    start(&machine, NULL);
    pass(&machine);
    ck_assert_double_eq(events_of(&machine, A), 0);
    put_container(&machine, A, 2);
    put_pod_kills(&machine, 2);
    pass(&machine);
    ck_assert_double_eq(events_of(&machine, A), 2);
    take_away(&machine, POD "/" A);
    put_pods(&machine, B, 1, killed_now(A));
    put_container(&machine, B, 0);
    pass(&machine);
    ck_assert_double_eq(events_of(&machine, A), 2);
    ck_assert_double_eq(events_of(&machine, B), 0);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 2);
    end(&machine);
}
END_TEST

/* Nobody read the container's counter between the kill and its end. */
START_TEST(a_kill_that_nobody_saw_is_known_by_the_pods_counter)
{
    struct machine machine;

    begin(&machine);
    put_pods(&machine, A, 0, "");
    put_container(&machine, A, 0);
    put_pod_kills(&machine, 5); /* of before */
    start(&machine, NULL);
    pass(&machine);
    take_away(&machine, POD "/" A);
    put_pod_kills(&machine, 6);
    put_container(&machine, B, 0);
    pass(&machine);
    ck_assert_double_eq(events_of(&machine, A), 1);
    put_pods(&machine, B, 1, killed_now(A)); /* the same kill, told later */
    pass(&machine);
    ck_assert_double_eq(events_of(&machine, A), 1);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 1);
    put_container(&machine, B, 1);
    put_pod_kills(&machine, 7);
    pass(&machine);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 2);
    end(&machine);
}
END_TEST

START_TEST(a_kill_that_nobody_saw_is_known_by_the_kubelet)
{
    struct machine machine;

    begin(&machine);
    put_pods(&machine, A, 0, "");
    put_container(&machine, A, 0);
    start(&machine, NULL);
    pass(&machine);
    take_away(&machine, POD "/" A);
    put_container(&machine, B, 0);
    pass(&machine);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 0);
    put_pods(&machine, B, 1, killed_now(A));
    pass(&machine);
    pass(&machine);
    ck_assert_double_eq(events_of(&machine, A), 1);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 1);
    end(&machine);
}
END_TEST

START_TEST(a_kill_of_before_we_looked_does_not_count)
{
    struct machine machine;

    begin(&machine);
    put_pods(
        &machine, B, 4,
        ",\"lastState\":{\"terminated\":{\"reason\":\"OOMKilled\",\"containerID\":\"containerd://" A
        "\",\"finishedAt\":\"2020-01-02T00:00:00Z\"}}");
    put_container(&machine, B, 0);
    start(&machine, NULL);
    pass(&machine);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 0);
    ck_assert_double_eq(of_name(&machine, "container_short_lived_total"), 0);
    end(&machine);
}
END_TEST

START_TEST(instances_between_two_passes_are_counted)
{
    struct machine machine;

    begin(&machine);
    put_pods(&machine, A, 0, "");
    put_container(&machine, A, 0);
    start(&machine, NULL);
    pass(&machine);
    take_away(&machine, POD "/" A);
    put_container(&machine, C, 0);
    put_pods(&machine, C, 2, killed_now(B)); /* A ended, B came and went, C runs */
    pass(&machine);
    ck_assert_double_eq(of_name(&machine, "container_short_lived_total"), 1);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 1);
    pass(&machine);
    ck_assert_double_eq(of_name(&machine, "container_short_lived_total"), 1);
    end(&machine);
}
END_TEST

START_TEST(a_service_that_is_started_again_goes_on_counting)
{
    static const char series[] =
        "container_oom_events_total{container=\"\",id=\"/ssh.service\",image=\"\","
        "name=\"\",namespace=\"\",pod=\"\"}";
    struct machine machine;

    begin(&machine);
    put(&machine, "sys/fs/cgroup/ssh.service/memory.events", "oom_kill 3\n");
    start(&machine, NULL);
    pass(&machine);
    ck_assert_double_eq(nv_sample_of(machine.text, series), 3);
    take_away(&machine, "sys/fs/cgroup/ssh.service");
    pass(&machine);
    ck_assert_double_eq(nv_sample_of(machine.text, series), 3);
    put(&machine, "sys/fs/cgroup/ssh.service/memory.events", "oom_kill 1\n");
    pass(&machine);
    ck_assert_double_eq(nv_sample_of(machine.text, series), 4);
    end(&machine);
}
END_TEST

/* As when an agent starts: the kubelet answers after the first pass. */
START_TEST(what_is_named_late_is_counted_under_its_name)
{
    struct machine machine;

    begin(&machine);
    put_container(&machine, A, 2);
    start(&machine, NULL);
    pass(&machine);
    put_pods(&machine, A, 0, "");
    pass(&machine);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 2);
    ck_assert_ptr_null(strstr(machine.text, "container_oom_kills_total{container=\"" A));
    put_container(&machine, A, 3);
    pass(&machine);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 3);
    take_away(&machine, POD "/" A);
    put_container(&machine, B, 0);
    put_pods(&machine, B, 1, "");
    pass(&machine);
    ck_assert_double_eq(of_name(&machine, "container_short_lived_total"), 0);
    put(&machine, "pods.json",
        "{\"kind\":\"PodList\",\"items\":[]}"); /* the pod has gone, its cgroup not yet */
    put_container(&machine, B, 1);
    pass(&machine);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 4);
    end(&machine);
}
END_TEST

#define BOOT "proc/sys/kernel/random/boot_id"
#define SSH                                                                                        \
    "container_oom_events_total{container=\"\",id=\"/ssh.service\",image=\"\",name=\"\","          \
    "namespace=\"\",pod=\"\"}"

START_TEST(a_restart_of_the_agent_takes_no_kill_back)
{
    struct machine machine;

    begin(&machine);
    put(&machine, BOOT, "b1\n");
    put_pods(&machine, A, 0, "");
    put_container(&machine, A, 1);
    put(&machine, "sys/fs/cgroup/ssh.service/memory.events", "oom_kill 3\n");
    start(&machine, NULL);
    pass(&machine);
    take_away(&machine,
              POD "/" A); /* A has gone with a kill, the service is another with one more */
    take_away(&machine, "sys/fs/cgroup/ssh.service");
    put_pods(&machine, B, 1, killed_now(A));
    put_container(&machine, B, 4);
    pass(&machine);
    put(&machine, "sys/fs/cgroup/ssh.service/memory.events", "oom_kill 1\n");
    pass(&machine);
    for (int i = 0; i < 2; i++) {
        ck_assert_double_eq(nv_sample_of(machine.text, SSH), 4);
        ck_assert_double_eq(events_of(&machine, A), 1);
        ck_assert_double_eq(events_of(&machine, B), 4);
        ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 5);
        restart(&machine);
        pass(&machine);
    }
    put_container(&machine, B, 6); /* and they go on from there */
    put(&machine, "sys/fs/cgroup/ssh.service/memory.events", "oom_kill 2\n");
    pass(&machine);
    ck_assert_double_eq(nv_sample_of(machine.text, SSH), 5);
    ck_assert_double_eq(events_of(&machine, B), 6);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 7);
    end(&machine);
}
END_TEST

START_TEST(kills_while_the_agent_was_away_count)
{
    struct machine machine;

    begin(&machine);
    put(&machine, BOOT, "b1\n");
    put_pods(&machine, A, 0, "");
    put_container(&machine, A, 1);
    start(&machine, NULL);
    pass(&machine);
    end(&machine);
    take_away(&machine, POD "/" A);
    put_pods(&machine, C, 2, killed_now(B)); /* of B nobody saw anything, and it was short */
    put_container(&machine, C, 2);
    machine.text = NULL;
    start(&machine, NULL);
    pass(&machine);
    ck_assert_double_eq(events_of(&machine, A), 1);
    ck_assert(nv_has_sample(machine.text,
                            "container_oom_events_total{container=\"nginx\",id=\"\",image=\"i\","
                            "name=\"" B "\",namespace=\"shop\",pod=\"web\"}"));
    ck_assert_double_eq(events_of(&machine, C), 2);
    ck_assert_double_eq(of_name(&machine, "container_oom_kills_total"), 4);
    end(&machine);
}
END_TEST

/* An inode says nothing then, and counters begin anew. */
START_TEST(a_restart_of_the_machine_takes_no_kill_back)
{
    struct machine machine;

    begin(&machine);
    put(&machine, BOOT, "b1\n");
    put(&machine, "sys/fs/cgroup/ssh.service/memory.events", "oom_kill 3\n");
    start(&machine, NULL);
    pass(&machine);
    put(&machine, BOOT, "b2\n");
    put(&machine, "sys/fs/cgroup/ssh.service/memory.events", "oom_kill 4\n");
    restart(&machine);
    pass(&machine);
    ck_assert_double_eq(nv_sample_of(machine.text, SSH), 7);
    end(&machine);
}
END_TEST

/* More than the text has room for, a name that would break its lines, and a text that is damaged. */
START_TEST(what_is_kept_is_bounded_and_may_be_anything)
{
    static const char damaged[] =
        "ledger\tb1\t1\nthere\t1\t2\t1\nthere\t1\t5\t1\tx\nentry\t1\n\nx"
        "\nthere\t99999999999999999999\t0\t1\t\t\nentry\t2\t0\t0\tnginx\t";
    struct machine machine;
    char path[PATH_SIZE], state[300];
    struct stat st;

    begin(&machine);
    for (int i = 0; i < 400; i++) {
        snprintf(path, sizeof(path), "sys/fs/cgroup/%s-%s-%s-%d.service/memory.events", A, B, C, i);
        put(&machine, path, "oom_kill 3\n");
    }
    put(&machine, "sys/fs/cgroup/a\tb.service/memory.events", "oom_kill 3\n");
    start(&machine, NULL);
    pass(&machine);
    snprintf(state, sizeof(state), "%s/state/container", machine.dir);
    ck_assert_int_eq(stat(state, &st), 0);
    ck_assert_int_gt(st.st_size, NV_STATE_MAX - 1024);
    ck_assert_int_le(st.st_size, NV_STATE_MAX);
    restart(&machine);
    pass(&machine);
    snprintf(path, sizeof(path),
             "id=\"/%s-%s-%s-399.service\",image=\"\",name=\"\",namespace=\"\",pod=\"\"} 3\n", A, B,
             C);
    ck_assert_ptr_nonnull(strstr(machine.text, path));
    put(&machine, "state/container", damaged);
    restart(&machine);
    pass(&machine);
    ck_assert_int_eq(machine.result, 0);
    ck_assert(nv_has_sample(
        machine.text, "container_oom_kills_total{container=\"nginx\",namespace=\"\",pod=\"\"}"));
    end(&machine);
}
END_TEST

/* Of no pod: nobody but the kernel has seen them. */
START_TEST(containers_without_a_pod_are_counted_too_when_they_are_short)
{
    static const char series[] =
        "container_short_lived_total{container=\"\",namespace=\"\",pod=\"\"}";
    struct machine machine;

    begin(&machine);
    put(&machine, "sys/fs/cgroup/docker/memory.current", "1\n");
    start(&machine, NULL);
    pass(&machine);
    put(&machine, "sys/fs/cgroup/docker/" A "/memory.current", "1\n");
    put(&machine, "sys/fs/cgroup/docker/" B "/memory.current", "1\n");
    put(&machine, "sys/fs/cgroup/docker/no-container/memory.current", "1\n");
    take_away(&machine, "sys/fs/cgroup/docker/" A);
    take_away(&machine, "sys/fs/cgroup/docker/no-container");
    pass(&machine);
    ck_assert_double_eq(nv_sample_of(machine.text, series), 1);
    take_away(&machine, "sys/fs/cgroup/docker/" B); /* this one was seen */
    pass(&machine);
    ck_assert_double_eq(nv_sample_of(machine.text, series), 1);
    end(&machine);
}
END_TEST

/* Docker's container is the same after a restart, in a new folder of the same name. */
START_TEST(a_container_that_is_started_again_goes_on_counting)
{
    static const char series[] = "container_oom_events_total{container=\"\",id=\"/docker/" A
                                 "\",image=\"\",name=\"" A "\",namespace=\"\",pod=\"\"}";
    static const char by_name[] =
        "container_oom_kills_total{container=\"" A "\",namespace=\"\",pod=\"\"}";
    struct machine machine;

    begin(&machine);
    put(&machine, "sys/fs/cgroup/docker/" A "/memory.events", "oom_kill 3\n");
    start(&machine, NULL);
    pass(&machine);
    put(&machine, "sys/fs/cgroup/docker/other/memory.current",
        "1\n"); /* so that the inode is taken */
    take_away(&machine, "sys/fs/cgroup/docker/" A);
    put(&machine, "sys/fs/cgroup/docker/another/memory.current", "1\n");
    put(&machine, "sys/fs/cgroup/docker/" A "/memory.events", "oom_kill 1\n");
    pass(&machine);
    ck_assert_double_ge(nv_sample_of(machine.text, series), 3);
    take_away(&machine, "sys/fs/cgroup/docker/" A);
    pass(&machine);
    put(&machine, "sys/fs/cgroup/docker/" A "/memory.events", "oom_kill 2\n");
    double before = nv_sample_of(machine.text, series);
    pass(&machine);
    ck_assert_double_eq(nv_sample_of(machine.text, series), before + 2);
    ck_assert_double_eq(nv_sample_of(machine.text, by_name), before + 2);
    end(&machine);
}
END_TEST

/* What is not in /pods yet has its pod's names, and the kubelet is asked; then it has its own. */
START_TEST(a_container_that_is_not_listed_yet_is_named_later)
{
    static const char early[] = "container_memory_usage_bytes{container=\"\",id=\"/kubepods/"
                                "pod0a0a0a0a-0000-1111-2222-333344445555/" B
                                "\",image=\"\",name=\"" B "\",namespace=\"shop\",pod=\"web\"}";
    static const char late[] = "container_memory_usage_bytes{container=\"nginx\",id=\"/kubepods/"
                               "pod0a0a0a0a-0000-1111-2222-333344445555/" B
                               "\",image=\"i\",name=\"" B "\",namespace=\"shop\",pod=\"web\"}";
    struct machine machine;

    begin(&machine);
    put_pods(&machine, A, 0, "");
    put_container(&machine, A, 0);
    start(&machine, NULL);
    pass(&machine);
    put_container(&machine, B, 0);
    unsigned before = nv_test_pods_wanted();
    pass(&machine);
    ck_assert(nv_has_sample(machine.text, early));
    ck_assert_uint_gt(nv_test_pods_wanted(), before);
    put_pods(&machine, B, 1, "");
    pass(&machine);
    ck_assert(!nv_has_sample(machine.text, early));
    ck_assert_double_eq(nv_sample_of(machine.text, late), 4096);
    end(&machine);
}
END_TEST

START_TEST(what_went_leaves_no_series)
{
    struct machine machine;
    char path[PATH_SIZE];

    begin(&machine);
    start(&machine, NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "sys/fs/cgroup/docker/%064x/memory.current", i);
        put(&machine, path, "4096\n");
        pass(&machine);
        snprintf(path, sizeof(path), "sys/fs/cgroup/docker/%064x", i);
        take_away(&machine, path);
    }
    pass(&machine);
    ck_assert_ptr_null(strstr(machine.text, "id=\"/docker/0"));
    ck_assert_ptr_null(strstr(machine.text, "{container=\"0000")); /* nor by its name */
    ck_assert_ptr_nonnull(strstr(machine.text, "id=\"/docker\""));
    end(&machine);
}
END_TEST

START_TEST(beyond_the_bound_whole_cgroups_are_left_out_and_counted)
{
    struct machine machine;
    char path[PATH_SIZE];

    begin(&machine);
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof(path), "sys/fs/cgroup/docker/%064x/memory.current", i);
        put(&machine, path, "4096\n");
    }
    start(&machine, "--collector.container.max-series=40");
    pass(&machine);
    ck_assert_ptr_nonnull(strstr(machine.text, "id=\"/docker\""));
    double left_out = nv_sample_of(machine.text, "container_cgroups_left_out");
    double series = nv_sample_of(machine.text, "container_series_left_out");
    ck_assert_double_gt(left_out, 0);
    ck_assert_double_gt(series, left_out);
    for (int i = 0; i < 20;
         i++) { /* the first by name stay, of the others not one series is there */
        snprintf(path, sizeof(path), "id=\"/docker/%064x\"", i);
        ck_assert_int_eq(strstr(machine.text, path) != NULL, i < 20 - (int)left_out);
    }
    end(&machine);
}
END_TEST

START_TEST(with_the_kubelet_as_the_source_there_is_nothing_here)
{
    struct machine machine;

    begin(&machine);
    put_container(&machine, A, 0);
    start(&machine, "--collector.container.source=kubelet");
    pass(&machine);
    ck_assert_int_eq(machine.result, NV_NO_DATA);
    ck_assert_ptr_null(strstr(machine.text, "container_memory"));
    end(&machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("container_life");
    TCase *all = tcase_create("all");

    nv_quiet();
    tcase_set_timeout(all, 120);
    tcase_add_test(all, a_kill_that_was_seen_outlives_the_cgroup);
    tcase_add_test(all, a_kill_that_nobody_saw_is_known_by_the_pods_counter);
    tcase_add_test(all, a_kill_that_nobody_saw_is_known_by_the_kubelet);
    tcase_add_test(all, a_kill_of_before_we_looked_does_not_count);
    tcase_add_test(all, instances_between_two_passes_are_counted);
    tcase_add_test(all, containers_without_a_pod_are_counted_too_when_they_are_short);
    tcase_add_test(all, a_service_that_is_started_again_goes_on_counting);
    tcase_add_test(all, what_is_named_late_is_counted_under_its_name);
    tcase_add_test(all, a_restart_of_the_agent_takes_no_kill_back);
    tcase_add_test(all, kills_while_the_agent_was_away_count);
    tcase_add_test(all, a_restart_of_the_machine_takes_no_kill_back);
    tcase_add_test(all, what_is_kept_is_bounded_and_may_be_anything);
    tcase_add_test(all, a_container_that_is_started_again_goes_on_counting);
    tcase_add_test(all, a_container_that_is_not_listed_yet_is_named_later);
    tcase_add_test(all, what_went_leaves_no_series);
    tcase_add_test(all, beyond_the_bound_whole_cgroups_are_left_out_and_counted);
    tcase_add_test(all, with_the_kubelet_as_the_source_there_is_nothing_here);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
