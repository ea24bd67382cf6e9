/*
 * test_systemd.c - systemd and logind as a table says, over a bus of our own: what the collectors make of
 * them, what they ask and how often. That real ones speak like this is for the end-to-end test.
 */
#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/options.h"
#include "base/buf.h"
#include "expo/expo.h"
#include "gather/gather.h"
#include "support/fake_bus.h"
#include "support/fixture.h"

extern const struct nv_collector nv_collector_systemd, nv_collector_logind;

enum { TEXT_MAX = 1 << 20, FLAGS_MAX = 16 };

static const struct {
    const char *name, *load, *active, *type; /* type: NULL for an error */
} default_units[] = {
    {"cron.service",        "loaded",    "active",     "simple" },
    {"dbus.socket",         "loaded",    "active",     NULL     },
    {"backup.timer",        "loaded",    "active",     NULL     },
    {"broken.service",      "loaded",    "failed",     NULL     },
    {"gone.service",        "not-found", "inactive",   "simple" },
    {"srv-data.mount",      "loaded",    "active",     "ext4"   },
    {"mount.service.wants", "loaded",    "odd",        NULL     },
    {"reload@1.service",    "loaded",    "activating", "oneshot"},
};

static struct {
    const char *version, *state, *virtualization;
    uint64_t loaded_us;
    const char *cron_active;
    bool silent;
    atomic_uint calls, type_calls;
} manager;

static struct nv_fake_bus *daemon_;

static int list_units(sd_bus_message *call)
{
    sd_bus_message *reply;
    char path[64];

    sd_bus_message_new_method_return(call, &reply);
    sd_bus_message_open_container(reply, 'a', "(ssssssouso)");
    for (size_t i = 0; i < NV_LEN(default_units); i++) {
        snprintf(path, sizeof(path), "/unit/_%zu", i);
        const char *active = i == 0 ? manager.cron_active : default_units[i].active;
        sd_bus_message_append(reply, "(ssssssouso)", default_units[i].name, "A unit",
                              default_units[i].load, active, "sub", "", path, 0u, "", "/");
    }
    sd_bus_message_close_container(reply);
    int r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static enum nv_fake_answer answer_text(sd_bus_message *call, const char *text)
{
    if (!text)
        return NV_FAKE_UNKNOWN;
    sd_bus_reply_method_return(call, "v", "s", text);
    return NV_FAKE_ANSWERED;
}

static enum nv_fake_answer answer_number(sd_bus_message *call, const char *type, uint64_t number)
{
    if (type[0] == 'u')
        sd_bus_reply_method_return(call, "v", type, (uint32_t)number);
    else
        sd_bus_reply_method_return(call, "v", type, number);
    return NV_FAKE_ANSWERED;
}

static enum nv_fake_answer get_property(sd_bus_message *call)
{
    static const struct {
        const char *name, *type;
        uint64_t value;
    } numbers[] = {
        {"NAccepted",            "u", 17              },
        {"NConnections",         "u", 3               },
        {"NRefused",             "u", 1               },
        {"NRestarts",            "u", 5               },
        {"TasksCurrent",         "t", 12              },
        {"TasksMax",             "t", UINT64_MAX      },
        {"LastTriggerUSec",      "t", 1730000000123456},
        {"ActiveEnterTimestamp", "t", 1720000000500000},
    };
    const char *interface, *property;

    sd_bus_message_read(call, "ss", &interface, &property);
    if (strcmp(property, "Type") == 0) {
        manager.type_calls++;
        size_t unit = strtoul(sd_bus_message_get_path(call) + strlen("/unit/_"), NULL, 10);
        return answer_text(call, default_units[unit].type);
    }
    if (strcmp(property, "Version") == 0)
        return answer_text(call, manager.version);
    if (strcmp(property, "SystemState") == 0)
        return answer_text(call, manager.state);
    if (strcmp(property, "Virtualization") == 0)
        return answer_text(call, manager.virtualization);
    if (strcmp(property, "UnitsLoadTimestampMonotonic") == 0 && manager.loaded_us)
        return answer_number(call, "t", manager.loaded_us);
    for (size_t i = 0; i < NV_LEN(numbers); i++) {
        if (strcmp(property, numbers[i].name) == 0)
            return answer_number(call, numbers[i].type, numbers[i].value);
    }
    return NV_FAKE_UNKNOWN;
}

static enum nv_fake_answer get_session(sd_bus_message *call)
{
    const char *path = sd_bus_message_get_path(call);
    bool local = strcmp(path, "/session/_1") == 0;

    if (strcmp(path, "/session/_3") == 0)
        return NV_FAKE_UNKNOWN; /* it has just ended */
    sd_bus_reply_method_return(call, "a{sv}", 5, "Remote", "b", !local, "Id", "s", "c1", "Type",
                               "s", local ? "wayland" : "tty", "User", "(uo)", 1000u, "/user/_1000",
                               "Class", "s", local ? "user" : "manager-early");
    return NV_FAKE_ANSWERED;
}

static enum nv_fake_answer answer(sd_bus_message *call, void *user)
{
    const char *member = sd_bus_message_get_member(call);

    (void)user;
    manager.calls++;
    if (manager.silent)
        return NV_FAKE_SILENCE;
    if (strcmp(member, "ListUnits") == 0)
        return list_units(call) < 0 ? NV_FAKE_HANGUP : NV_FAKE_ANSWERED;
    if (strcmp(member, "Get") == 0)
        return get_property(call);
    if (strcmp(member, "GetAll") == 0)
        return get_session(call);
    if (strcmp(member, "ListSeats") == 0)
        sd_bus_reply_method_return(call, "a(so)", 1, "seat0", "/seat/seat0");
    else if (strcmp(member, "ListSessions") == 0)
        sd_bus_reply_method_return(call, "a(susso)", 4, "c1", 1000u, "eve", "seat0", "/session/_1",
                                   "7", 1001u, "bob", "", "/session/_2", "8", 1002u, "sue", "",
                                   "/session/_3", "9", 1003u, "joe", "seat9", "/session/_4");
    else
        return NV_FAKE_UNKNOWN;
    return NV_FAKE_ANSWERED;
}

/* ---- passes --------------------------------------------------------------------------------- */

struct bench {
    struct nv_options *options;
    struct nv_gather *gather;
    char error[NV_GATHER_ERROR_MAX];
    int started, result;
};

static void bench_open(struct bench *bench, const struct nv_collector *collector,
                       const char *const *flags)
{
    const struct nv_collector *const list[] = {collector, NULL};
    const struct nv_gather_options options = {
        .procfs = ".", .sysfs = ".", .rootfs = ".", .udev = "."};
    const char *argv[FLAGS_MAX];
    int argc = 0;

    argv[argc++] =
        collector == &nv_collector_systemd ? "--collector.systemd" : "--collector.logind";
    while (flags && *flags)
        argv[argc++] = *flags++;
    *bench = (struct bench){.options = nv_options_new("nodevitals", "")};
    ck_assert_int_eq(nv_options_parse(bench->options, list, argc, argv), 0);
    bench->gather = nv_gather_new(&options);
    for (size_t i = 0; i < bench->options->n_collectors; i++) {
        if (bench->options->collectors[i].collector == collector)
            ck_assert_int_eq(nv_gather_add(bench->gather, collector, NV_GATHER_NODE,
                                           bench->options->collectors[i].values),
                             0);
    }
    bench->started = nv_gather_start(bench->gather, bench->error);
}

static void bench_close(struct bench *bench)
{
    nv_gather_free(bench->gather);
    nv_options_free(bench->options);
}

/* One pass as classic text, which the caller frees. */
static char *bench_pass(struct bench *bench)
{
    const struct nv_gather_selection all = {0};
    struct nv_gather_state state;
    NV_AUTO(nv_frame) *frame = NULL;
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    manager.calls = manager.type_calls = 0;
    ck_assert_int_eq(nv_gather_pass(bench->gather, &all, 1000, &frame), 0);
    nv_gather_state(bench->gather, 0, &state);
    bench->result = state.result;
    nv_expo_write(frame, (struct nv_expo_choice){NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES}, NULL,
                  0, &text);
    return strdup(nv_buf_c_string(&text));
}

static char *collect(const struct nv_collector *collector, const char *const *flags,
                     int *ret_result)
{
    struct bench bench;

    bench_open(&bench, collector, flags);
    ck_assert_int_eq(bench.started, 0);
    char *text = bench_pass(&bench);
    *ret_result = bench.result;
    bench_close(&bench);
    return text;
}

static void setup(void)
{
    manager.version = "252.39-1~deb12u2";
    manager.state = "running";
    manager.virtualization = "kvm";
    manager.loaded_us = 5000000;
    manager.cron_active = "active";
    manager.silent = false;
    daemon_ = nv_fake_bus_start(answer, NULL);
}

static void teardown(void)
{
    nv_fake_bus_stop(daemon_);
}

#define ck_assert_sample(text, series, value) ck_assert_double_eq(nv_sample_of(text, series), value)

/* ---- systemd -------------------------------------------------------------------------------- */

START_TEST(a_unit_has_five_states_and_its_type)
{
    int result;
    NV_AUTO_FREE char *text = collect(&nv_collector_systemd, NULL, &result);

    ck_assert_int_eq(result, 0);
#define UNIT(name, state, type)                                                                    \
    "node_systemd_unit_state{name=\"" name "\",state=\"" state "\",type=\"" type "\"}"
    ck_assert_sample(text, UNIT("cron.service", "active", "simple"), 1);
    ck_assert_sample(text, UNIT("cron.service", "activating", "simple"), 0);
    ck_assert_sample(text, UNIT("cron.service", "deactivating", "simple"), 0);
    ck_assert_sample(text, UNIT("cron.service", "inactive", "simple"), 0);
    ck_assert_sample(text, UNIT("cron.service", "failed", "simple"), 0);
    ck_assert_sample(text, UNIT("reload@1.service", "activating", "oneshot"), 1);
    ck_assert_sample(text, UNIT("broken.service", "failed", ""), 1); /* its type cannot be had */
    ck_assert_sample(text, UNIT("dbus.socket", "active", ""), 1);
    ck_assert_sample(text, UNIT("mount.service.wants", "active", ""), 0);
    ck_assert_sample(text, UNIT("mount.service.wants", "failed", ""), 0);
    ck_assert(!strstr(text, "odd\"}"
                            " 0"));
    ck_assert(!strstr(text, "gone.service")); /* not loaded */
    ck_assert(!strstr(text, "srv-data"));     /* excluded by default */
}
END_TEST

START_TEST(all_units_are_counted_even_those_not_wanted)
{
    int result;
    NV_AUTO_FREE char *text =
        collect(&nv_collector_systemd,
                (const char *[]){"--collector.systemd.unit-include=cron", NULL}, &result);

    ck_assert_sample(text, "node_systemd_units{state=\"active\"}", 4);
    ck_assert_sample(text, "node_systemd_units{state=\"failed\"}", 1);
    ck_assert_sample(text, "node_systemd_units{state=\"deactivating\"}", 0);
    ck_assert_sample(text, "node_systemd_units{state=\"odd\"}", 1);
    ck_assert(!strstr(text, "cron.service")); /* the expression is one of whole names */
}
END_TEST

START_TEST(sockets_and_timers_tell_what_they_did)
{
    int result;
    NV_AUTO_FREE char *text = collect(&nv_collector_systemd, NULL, &result);

    ck_assert_sample(text, "node_systemd_socket_accepted_connections_total{name=\"dbus.socket\"}",
                     17);
    ck_assert_sample(text, "node_systemd_socket_current_connections{name=\"dbus.socket\"}", 3);
    ck_assert_sample(text, "node_systemd_socket_refused_connections_total{name=\"dbus.socket\"}",
                     1);
    ck_assert_sample(text, "node_systemd_timer_last_trigger_seconds{name=\"backup.timer\"}",
                     1730000000.123456);
    ck_assert(!strstr(text, "node_systemd_service_restart_total"));
    ck_assert(!strstr(text, "node_systemd_unit_tasks"));
    ck_assert(!strstr(text, "node_systemd_unit_start_time"));
}
END_TEST

START_TEST(restarts_tasks_and_start_times_are_asked_for_by_flags)
{
    int result;
    NV_AUTO_FREE char *text =
        collect(&nv_collector_systemd,
                (const char *[]){"--collector.systemd.enable-restarts-metrics",
                                 "--collector.systemd.enable-task-metrics",
                                 "--collector.systemd.enable-start-time-metrics", NULL},
                &result);

    ck_assert_sample(text, "node_systemd_service_restart_total{name=\"cron.service\"}", 5);
    ck_assert_sample(text, "node_systemd_unit_tasks_current{name=\"cron.service\"}", 12);
    ck_assert(!strstr(text, "node_systemd_unit_tasks_max{")); /* no limit */
    ck_assert_sample(text, "node_systemd_unit_start_time_seconds{name=\"cron.service\"}",
                     1720000000.5);
    ck_assert_sample(text, "node_systemd_unit_start_time_seconds{name=\"dbus.socket\"}",
                     1720000000.5);
    ck_assert_sample(text, "node_systemd_unit_start_time_seconds{name=\"broken.service\"}", 0);
}
END_TEST

START_TEST(mounts_have_their_file_system_as_type)
{
    int result;
    NV_AUTO_FREE char *text =
        collect(&nv_collector_systemd, (const char *[]){"--collector.systemd.unit-exclude=", NULL},
                &result);

    ck_assert_sample(text, UNIT("srv-data.mount", "active", "ext4"), 1);
}
END_TEST

START_TEST(the_manager_tells_version_state_and_virtualization)
{
    int result;
    NV_AUTO_FREE char *text = collect(&nv_collector_systemd, NULL, &result);

    ck_assert_sample(text, "node_systemd_version{version=\"252.39-1~deb12u2\"}", 252.39);
    ck_assert_sample(text, "node_systemd_system_running", 1);
    ck_assert_sample(text, "node_systemd_virtualization_info{virtualization_type=\"kvm\"}", 1);
}
END_TEST

START_TEST(a_degraded_system_on_bare_metal)
{
    int result;

    manager.state = "degraded";
    manager.virtualization = "";
    manager.version = "v257~rc1-2";
    NV_AUTO_FREE char *text = collect(&nv_collector_systemd, NULL, &result);
    ck_assert_sample(text, "node_systemd_system_running", 0);
    ck_assert_sample(text, "node_systemd_virtualization_info{virtualization_type=\"none\"}", 1);
    ck_assert_sample(text, "node_systemd_version{version=\"v257~rc1-2\"}", 257);
}
END_TEST

START_TEST(an_old_systemd_has_no_state_and_no_triggers)
{
    int result;

    manager.version = "systemd 204";
    manager.virtualization = NULL;
    NV_AUTO_FREE char *text = collect(&nv_collector_systemd, NULL, &result);
    ck_assert_int_eq(result, 0);
    ck_assert_sample(text, "node_systemd_version{version=\"systemd 204\"}", 204);
    ck_assert_sample(text, "node_systemd_virtualization_info{virtualization_type=\"unknown\"}", 1);
    ck_assert(!strstr(text, "node_systemd_system_running"));
    ck_assert(!strstr(text, "node_systemd_timer_last_trigger"));
    ck_assert_sample(text, UNIT("cron.service", "active", "simple"), 1);
}
END_TEST

START_TEST(a_manager_without_state_fails_after_all_the_rest)
{
    int result;

    manager.state = NULL;
    NV_AUTO_FREE char *text = collect(&nv_collector_systemd, NULL, &result);
    ck_assert_int_lt(result, 0);
    ck_assert_sample(text, UNIT("cron.service", "active", "simple"), 1);
}
END_TEST

START_TEST(types_are_asked_once_while_nothing_changes)
{
    struct bench bench;

    bench_open(&bench, &nv_collector_systemd, NULL);
    free(bench_pass(&bench));
    ck_assert_uint_eq(manager.type_calls, 3); /* the services that are loaded */
    free(bench_pass(&bench));
    ck_assert_uint_eq(manager.type_calls, 1); /* the one that gave none */

    manager.cron_active = "deactivating";
    NV_AUTO_FREE char *text = bench_pass(&bench);
    ck_assert_uint_eq(manager.type_calls, 2);
    ck_assert_sample(text, UNIT("cron.service", "deactivating", "simple"), 1);
    ck_assert_sample(text, UNIT("reload@1.service", "activating", "oneshot"), 1);

    manager.loaded_us += 1000; /* daemon-reload */
    free(bench_pass(&bench));
    ck_assert_uint_eq(manager.type_calls, 3);
    bench_close(&bench);
}
END_TEST

START_TEST(a_silent_systemd_is_left_at_the_deadline)
{
    int result;

    manager.silent = true;
    free(collect(&nv_collector_systemd, NULL, &result));
    ck_assert_int_lt(result, 0);
    ck_assert_uint_eq(manager.calls, 1);
}
END_TEST

START_TEST(old_flag_names_mean_the_new_ones)
{
    int result;
    NV_AUTO_FREE char *text =
        collect(&nv_collector_systemd,
                (const char *[]){"--collector.systemd.unit-whitelist=cron.*|dbus.*",
                                 "--collector.systemd.unit-blacklist=.*socket", NULL},
                &result);

    ck_assert_sample(text, UNIT("cron.service", "active", "simple"), 1);
    ck_assert(!strstr(text, "dbus.socket\",state"));
    ck_assert(!strstr(text, "broken.service\",state"));
}
END_TEST

START_TEST(old_and_new_name_together_are_refused)
{
    struct bench bench;

    bench_open(&bench, &nv_collector_systemd,
               (const char *[]){"--collector.systemd.unit-whitelist=a",
                                "--collector.systemd.unit-include=b", NULL});
    ck_assert_int_eq(bench.started, -EINVAL);
    ck_assert_ptr_nonnull(strstr(bench.error, "--collector.systemd.unit-whitelist"));
    bench_close(&bench);
}
END_TEST

/* ---- logind --------------------------------------------------------------------------------- */

#define SESSIONS(class, remote, seat, type)                                                        \
    "node_logind_sessions{class=\"" class "\",remote=\"" remote "\",seat=\"" seat                  \
                                          "\",type=\"" type "\"}"

START_TEST(sessions_are_counted_by_seat_type_and_class)
{
    int result;
    NV_AUTO_FREE char *text = collect(&nv_collector_logind, NULL, &result);

    ck_assert_int_eq(result, 0);
    ck_assert_sample(text, SESSIONS("user", "false", "seat0", "wayland"), 1);
    ck_assert_sample(text, SESSIONS("other", "true", "", "tty"), 1); /* a class we do not know */
    ck_assert_sample(text, SESSIONS("greeter", "false", "seat0", "x11"), 0);
    ck_assert(!strstr(text, "seat9")); /* a seat nobody listed */
}
END_TEST

START_TEST(every_combination_is_shown)
{
    size_t n = 0;
    int result;
    NV_AUTO_FREE char *text = collect(&nv_collector_logind, NULL, &result);

    for (const char *at = text; (at = strstr(at, "\nnode_logind_sessions{")); at++)
        n++;
    ck_assert_uint_eq(n, (size_t)2 * 2 * 7 * 5);
}
END_TEST

START_TEST(no_bus_is_a_failure)
{
    int result;

    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
    free(collect(&nv_collector_logind, NULL, &result));
    ck_assert_int_lt(result, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("systemd");
    TCase *systemd = tcase_create("systemd"), *logind = tcase_create("logind");

    nv_quiet();
    tcase_add_checked_fixture(systemd, setup, teardown);
    tcase_add_test(systemd, a_unit_has_five_states_and_its_type);
    tcase_add_test(systemd, all_units_are_counted_even_those_not_wanted);
    tcase_add_test(systemd, sockets_and_timers_tell_what_they_did);
    tcase_add_test(systemd, restarts_tasks_and_start_times_are_asked_for_by_flags);
    tcase_add_test(systemd, mounts_have_their_file_system_as_type);
    tcase_add_test(systemd, the_manager_tells_version_state_and_virtualization);
    tcase_add_test(systemd, a_degraded_system_on_bare_metal);
    tcase_add_test(systemd, an_old_systemd_has_no_state_and_no_triggers);
    tcase_add_test(systemd, a_manager_without_state_fails_after_all_the_rest);
    tcase_add_test(systemd, types_are_asked_once_while_nothing_changes);
    tcase_add_test(systemd, a_silent_systemd_is_left_at_the_deadline);
    tcase_add_test(systemd, old_flag_names_mean_the_new_ones);
    tcase_add_test(systemd, old_and_new_name_together_are_refused);
    tcase_add_checked_fixture(logind, setup, teardown);
    tcase_add_test(logind, sessions_are_counted_by_seat_type_and_class);
    tcase_add_test(logind, every_combination_is_shown);
    tcase_add_test(logind, no_bus_is_a_failure);
    suite_add_tcase(suite, systemd);
    suite_add_tcase(suite, logind);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
