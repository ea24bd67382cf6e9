/*
 * test_dispatch.c - who is told what and when, on a clock that is ours.
 */
#include "notify/dispatch.h"

#include <check.h>
#include <errno.h>

#include "notify/state.h"

#define START INT64_C(1767323045000)
#define S     INT64_C(1000)
#define MIN   (60 * S)

static int64_t now_ms;
static struct nv_dispatch *dispatch;
static struct nv_silences *silences;
static struct nv_config *config;
static char error[NV_YAML_ERROR_MAX];

/* What was told: "12s ops/webhook FIRING a b RESOLVED c" a line. */
static char told[1 << 16];
static int answer;

static int send(void *user, const struct nv_notification *said, char why[NV_DISPATCH_ERROR_MAX])
{
    static const char *const ways[] = {"webhook", "email", "command", "journal"};
    size_t at = strlen(told);

    (void)user;
    at += (size_t)snprintf(told + at, sizeof(told) - at, "%llds %s/%s%zu",
                           (long long)((now_ms - START) / 1000), said->receiver->name,
                           ways[said->way], said->index);
    for (size_t i = 0; i < said->n; i++) {
        struct nv_str name = nv_alert_label(said->alerts[i], NV_LIT("alertname")),
                      device = nv_alert_label(said->alerts[i], NV_LIT("device"));
        at += (size_t)snprintf(told + at, sizeof(told) - at, " %s%.*s%s%.*s",
                               i < said->n_firing ? "" : "-", (int)name.n, name.p,
                               device.n ? "." : "", (int)device.n, device.p);
    }
    snprintf(told + at, sizeof(told) - at, "%s\n", answer ? " FAILED" : "");
    if (answer)
        snprintf(why, NV_DISPATCH_ERROR_MAX, "%s", strerror(-answer));
    return answer;
}

static int64_t wall_ms(void *user)
{
    (void)user;
    return now_ms;
}

static void apply(const char *yaml)
{
    nv_config_unref(config);
    config = NULL;
    int r = nv_config_parse("test.yml", nv_str(yaml), &config, error);
    ck_assert_msg(r == 0, "%s", error);
    ck_assert_int_eq(nv_dispatch_apply(dispatch, config), 0);
}

static struct nv_dispatch *make(void)
{
    return nv_dispatch_new(
        &(struct nv_dispatch_options){.send = send, .wall_ms = wall_ms, .silences = silences});
}

static void begin(void)
{
    now_ms = START;
    told[0] = '\0';
    answer = 0;
    silences = nv_silences_new(NULL);
    dispatch = make();
    ck_assert_ptr_nonnull(dispatch);
}

static void end(void)
{
    nv_dispatch_free(dispatch);
    nv_silences_free(silences);
    nv_config_unref(config);
    config = NULL;
}

/* "name device severity", the last two may be missing. */
static struct nv_alert *alert_of(const char *name, const char *device, const char *severity,
                                 bool resolved)
{
    struct nv_label labels[] = {
        {NV_LIT("alertname"), nv_str(name)    },
        {NV_LIT("device"),    nv_str(device)  },
        {NV_LIT("severity"),  nv_str(severity)}
    };
    struct nv_label annotations[] = {
        {NV_LIT("summary"), NV_LIT("it \"is\" so")}
    };

    return nv_alert_new(&(struct nv_alert){.labels = labels,
                                           .n_labels = 3,
                                           .annotations = annotations,
                                           .n_annotations = 1,
                                           .starts_ms = now_ms,
                                           .ends_ms = resolved ? now_ms : now_ms + 1000 * MIN,
                                           .resolved = resolved,
                                           .updated_ms = now_ms,
                                           .generator_url = NV_LIT("http://n/graph")});
}

static void put(const char *name, const char *device, const char *severity, bool resolved)
{
    NV_AUTO(nv_alert) *alert = alert_of(name, device, severity, resolved);

    ck_assert_ptr_nonnull(alert);
    nv_dispatch_put(dispatch, alert);
}

static void run(int64_t for_ms)
{
    int64_t until_ms = now_ms + for_ms;

    while (now_ms <= until_ms) {
        int64_t wait_ms = nv_dispatch_turn(dispatch);
        if (now_ms + wait_ms > until_ms)
            break;
        now_ms += wait_ms;
    }
    now_ms = until_ms;
}

static size_t stats_alerts(void)
{
    struct nv_dispatch_stats stats;

    nv_dispatch_stats(dispatch, &stats);
    return stats.alerts;
}

#define ONE(more)                                                                                  \
    "notify:\n"                                                                                    \
    "  route: {receiver: ops, group_by: [alertname], group_wait: 10s, group_interval: 1m, "        \
    "repeat_interval: 1h" more "}\n"                                                               \
    "  receivers:\n"                                                                               \
    "  - name: ops\n"                                                                              \
    "    webhook_configs: [{url: 'http://localhost/'}]\n"

START_TEST(a_group_waits_for_its_first_alerts_and_then_tells_what_is_new)
{
    apply(ONE(""));
    put("Disk", "sda", "page", false);
    run(5 * S);
    put("Disk", "sdb", "page", false);
    put("Net", "eth0", "page", false);
    run(30 * S);
    put("Disk", "sdc", "page", false);
    put("Disk", "sda", "page", false); /* the same again is nothing new */
    run(90 * S);
    ck_assert_str_eq(told, "10s ops/webhook0 Disk.sda Disk.sdb\n"
                           "15s ops/webhook0 Net.eth0\n"
                           "70s ops/webhook0 Disk.sda Disk.sdb Disk.sdc\n");
}
END_TEST

START_TEST(what_is_over_is_told_once_and_forgotten)
{
    apply(ONE(""));
    put("Disk", "sda", "page", false);
    put("Disk", "sdb", "page", false);
    run(20 * S);
    put("Disk", "sda", "page", true);
    run(60 * S);
    put("Disk", "sdb", "page", true);
    run(10 * MIN);
    ck_assert_str_eq(told, "10s ops/webhook0 Disk.sda Disk.sdb\n"
                           "70s ops/webhook0 Disk.sdb -Disk.sda\n"
                           "130s ops/webhook0 -Disk.sdb\n");
    ck_assert_uint_eq(stats_alerts(), 0);
}
END_TEST

/* Nobody says any more that it fires. */
START_TEST(an_alert_whose_time_has_passed_is_over)
{
    struct nv_label labels[] = {
        {NV_LIT("alertname"), NV_LIT("Disk")}
    };
    NV_AUTO(nv_alert) *alert = nv_alert_new(&(struct nv_alert){
        .labels = labels, .n_labels = 1, .starts_ms = now_ms, .ends_ms = now_ms + 4 * MIN});

    apply(ONE(""));
    nv_dispatch_put(dispatch, alert);
    run(10 * MIN);
    ck_assert_str_eq(told, "10s ops/webhook0 Disk\n250s ops/webhook0 -Disk\n");
}
END_TEST

START_TEST(what_goes_on_is_repeated)
{
    apply(ONE(""));
    put("Disk", "sda", "page", false);
    run(130 * MIN);
    ck_assert_str_eq(
        told,
        "10s ops/webhook0 Disk.sda\n3610s ops/webhook0 Disk.sda\n7210s ops/webhook0 Disk.sda\n");
}
END_TEST

START_TEST(one_that_fires_for_long_already_does_not_wait)
{
    apply(ONE(""));
    NV_AUTO(nv_alert) *alert = alert_of("Disk", "sda", "page", false);
    now_ms += 11 * S;
    nv_dispatch_put(dispatch, alert);
    run(S);
    ck_assert_str_eq(told, "11s ops/webhook0 Disk.sda\n");
}
END_TEST

START_TEST(what_failed_is_tried_again_with_what_is_true_then)
{
    apply(ONE(""));
    answer = -ECONNREFUSED;
    put("Disk", "sda", "page", false);
    run(12 * S); /* 10, 11; next 13 */
    put("Disk", "sdb", "page", false);
    put("Disk", "sda", "page", true);
    run(2 * S); /* 13; next 17 */
    answer = 0;
    run(30 * S);
    ck_assert_str_eq(told, "10s ops/webhook0 Disk.sda FAILED\n11s ops/webhook0 Disk.sda FAILED\n"
                           "13s ops/webhook0 Disk.sdb -Disk.sda FAILED\n"
                           "17s ops/webhook0 Disk.sdb -Disk.sda\n");
}
END_TEST

/* An hour without a way out: one notification afterwards, with all that is still true. */
START_TEST(an_outage_of_an_hour_doubles_nothing)
{
    apply(ONE(""));
    answer = -ECONNREFUSED;
    put("Disk", "sda", "page", false);
    run(60 * MIN);
    size_t tries = 0;
    for (const char *at = told; (at = strstr(at, "FAILED")); at++)
        tries++;
    ck_assert_uint_lt(tries, 75);
    told[0] = '\0';
    answer = 0;
    run(10 * MIN);
    ck_assert_str_eq(strchr(told, ' '), " ops/webhook0 Disk.sda\n");
}
END_TEST

/* A webhook may answer 404 while it is set up anew. */
START_TEST(what_was_refused_is_said_again_with_the_next_flush_while_it_is_true)
{
    apply(ONE(""));
    answer = -EINVAL;
    put("Disk", "sda", "page", false);
    run(80 * S);
    ck_assert_str_eq(told, "10s ops/webhook0 Disk.sda FAILED\n70s ops/webhook0 Disk.sda FAILED\n");
    told[0] = '\0';
    answer = 0;
    run(10 * MIN);
    ck_assert_str_eq(told, "130s ops/webhook0 Disk.sda\n");
    told[0] = '\0';
    answer = -EINVAL;
    put("Disk", "sda", "page", true);
    run(10 * MIN);
    ck_assert_str_eq(told, "730s ops/webhook0 -Disk.sda FAILED\n");
    ck_assert_uint_eq(stats_alerts(), 0);
}
END_TEST

#define TREE                                                                                       \
    "notify:\n"                                                                                    \
    "  route:\n"                                                                                   \
    "    receiver: ops\n"                                                                          \
    "    group_wait: 10s\n    group_interval: 1m\n"                                                \
    "    routes:\n"                                                                                \
    "    - {receiver: disks, matchers: ['alertname=\"Disk\"'], group_by: [device], continue: "     \
    "true}\n"                                                                                      \
    "    - receiver: pager\n"                                                                      \
    "      matchers: [severity=page]\n"                                                            \
    "      routes: [{receiver: night, matchers: ['device=~\"eth.*\"']}]\n"                         \
    "    - {receiver: never, matchers: ['severity=\"page\"']}\n"                                   \
    "  receivers:\n"                                                                               \
    "  - {name: ops, webhook_configs: [{url: 'http://localhost/'}]}\n"                             \
    "  - {name: disks, journal_configs: [{}], webhook_configs: [{url: 'http://a/', "               \
    "send_resolved: false}]}\n"                                                                    \
    "  - {name: pager, command_configs: [{command: [/bin/true]}]}\n"                               \
    "  - {name: night, journal_configs: [{}]}\n"                                                   \
    "  - {name: never, journal_configs: [{}]}\n"

static const struct {
    const char *name, *device, *severity, *told;
} routed[] = {
    {"Other", "x",    "info", "10s ops/webhook0 Other.x\n"                                    },
    {"Disk",  "sda",  "info", "10s disks/webhook0 Disk.sda\n10s disks/journal0 Disk.sda\n"    },
    {"Disk",  "sda",  "page",
     "10s disks/webhook0 Disk.sda\n10s disks/journal0 Disk.sda\n10s pager/command0 Disk.sda\n"},
    {"Net",   "eth1", "page", "10s night/journal0 Net.eth1\n"                                 },
};

START_TEST(an_alert_takes_the_route_that_fits)
{
    apply(TREE);
    put(routed[_i].name, routed[_i].device, routed[_i].severity, false);
    run(30 * S);
    ck_assert_str_eq(told, routed[_i].told);
}
END_TEST

START_TEST(who_does_not_want_to_hear_of_the_end_does_not)
{
    apply(TREE);
    put("Disk", "sda", "info", false);
    run(20 * S);
    told[0] = '\0';
    put("Disk", "sda", "info", true);
    run(10 * MIN);
    ck_assert_str_eq(told, "70s disks/journal0 -Disk.sda\n");
    ck_assert_uint_eq(stats_alerts(), 0);
}
END_TEST

START_TEST(a_silence_keeps_quiet_until_it_ends)
{
    static const struct nv_silence_matcher matcher = {NV_LIT("device"), NV_LIT("sda"), false, true};
    char id[NV_SILENCE_ID_MAX], why[NV_SILENCE_ERROR_MAX];

    apply(ONE(""));
    ck_assert_int_eq(nv_silences_set(silences,
                                     &(struct nv_silence_spec){.matchers = &matcher,
                                                               .n_matchers = 1,
                                                               .starts_ms = now_ms,
                                                               .ends_ms = now_ms + 5 * MIN},
                                     now_ms, id, why),
                     0);
    put("Disk", "sda", "page", false);
    put("Disk", "sdb", "page", false);
    run(6 * MIN);
    ck_assert_str_eq(told, "10s ops/webhook0 Disk.sdb\n310s ops/webhook0 Disk.sda Disk.sdb\n");
}
END_TEST

START_TEST(an_alert_that_says_it_all_quiets_the_others)
{
    apply(ONE("") "  inhibit_rules:\n"
                  "  - {source_matchers: ['alertname=\"NodeDown\"'], target_matchers: "
                  "['severity=\"warn\"'], equal: [device]}\n");
    put("NodeDown", "sda", "page", false);
    put("Slow", "sda", "warn", false);
    put("Slow", "sdb", "warn", false);
    run(20 * S);
    ck_assert_str_eq(told, "10s ops/webhook0 NodeDown.sda\n10s ops/webhook0 Slow.sdb\n");
    put("NodeDown", "sda", "page", true);
    told[0] = '\0';
    run(2 * MIN);
    ck_assert_str_eq(told, "70s ops/webhook0 -NodeDown.sda\n70s ops/webhook0 Slow.sda Slow.sdb\n");
}
END_TEST

/* Over a restart: what was told is not told again, what was over meanwhile is. */
static void restart(void)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20);
    NV_AUTO(nv_alertmanagers) *none = nv_alertmanagers_new();

    ck_assert_int_eq(nv_notify_state_write(&text, dispatch, none), 0);
    nv_dispatch_free(dispatch);
    dispatch = make();
    ck_assert_int_eq(nv_dispatch_apply(dispatch, config), 0);
    ck_assert_int_eq(nv_notify_state_read(nv_buf_view(&text), dispatch, none, now_ms + 5 * MIN), 0);
}

START_TEST(a_restart_says_nothing_twice_and_forgets_no_end)
{
    apply(ONE(""));
    put("Disk", "sda", "page", false);
    put("Disk", "sdb", "page", false);
    run(20 * S);
    restart();
    put("Disk", "sda", "page", false);
    put("Disk", "sdb", "page", false);
    run(5 * MIN);
    ck_assert_str_eq(told, "10s ops/webhook0 Disk.sda Disk.sdb\n");
    put("Disk", "sda", "page", true);
    restart(); /* between the evaluation and the notification */
    run(5 * MIN);
    ck_assert_ptr_nonnull(strstr(told, "s ops/webhook0 Disk.sdb -Disk.sda\n"));
}
END_TEST

START_TEST(a_reload_keeps_what_was_told)
{
    apply(ONE(""));
    put("Disk", "sda", "page", false);
    run(20 * S);
    apply("# another file, the same route\n" ONE(""));
    run(5 * MIN);
    ck_assert_str_eq(told, "10s ops/webhook0 Disk.sda\n");
    apply("global: {}\n"); /* nobody is to be told */
    ck_assert_uint_eq(stats_alerts(), 1);
    put("Disk", "sda", "page", true);
    run(5 * MIN);
    ck_assert_uint_eq(stats_alerts(), 0);
}
END_TEST

START_TEST(there_is_a_bound)
{
    char device[32];
    struct nv_dispatch_stats stats;

    apply(ONE(""));
    for (size_t i = 0; i < NV_DISPATCH_ALERTS_MAX + 10; i++) {
        snprintf(device, sizeof(device), "d%zu", i);
        put("Disk", device, "page", false);
    }
    nv_dispatch_stats(dispatch, &stats);
    ck_assert_uint_eq(stats.alerts, NV_DISPATCH_ALERTS_MAX);
    ck_assert_uint_eq(stats.refused, 10);
}
END_TEST

/* As on a node that has Alertmanagers alone: nobody takes turns. */
START_TEST(without_receivers_what_is_over_takes_no_room)
{
    char device[32];
    struct nv_dispatch_stats stats;

    apply("global: {}\n");
    for (size_t i = 0; i < NV_DISPATCH_ALERTS_MAX + 10; i++) {
        snprintf(device, sizeof(device), "d%zu", i);
        put("Disk", device, "page", false);
        put("Disk", device, "page", true);
    }
    nv_dispatch_stats(dispatch, &stats);
    ck_assert_uint_eq(stats.alerts, 0);
    for (size_t i = 0; i < NV_DISPATCH_ALERTS_MAX; i++) {
        snprintf(device, sizeof(device), "d%zu", i);
        put("Disk", device, "page", false);
    }
    now_ms += 2000 * MIN; /* nobody has said any more of them */
    put("Net", "eth0", "page", false);
    nv_dispatch_stats(dispatch, &stats);
    ck_assert_uint_eq(stats.alerts, 1);
    ck_assert_uint_eq(stats.refused, 0);
}
END_TEST

START_TEST(routes_that_say_the_same_tell_an_alert_once)
{
    apply("notify:\n"
          "  route:\n"
          "    receiver: ops\n    group_wait: 10s\n"
          "    routes:\n"
          "    - {receiver: ops, matchers: [severity=page], continue: true}\n"
          "    - {receiver: ops, matchers: [severity=page]}\n"
          "  receivers:\n"
          "  - {name: ops, webhook_configs: [{url: 'http://localhost/'}]}\n");
    put("Disk", "sda", "page", false);
    run(30 * S);
    ck_assert_str_eq(told, "10s ops/webhook0 Disk.sda\n");
    put("Disk", "sda", "page", true);
    run(10 * MIN);
    ck_assert_uint_eq(stats_alerts(), 0);
}
END_TEST

START_TEST(a_clock_set_back_does_not_silence_a_group)
{
    apply(ONE(""));
    put("Disk", "sda", "page", false);
    run(20 * S);
    now_ms -= 100000 * MIN;
    put("Disk", "sdb", "page", false);
    run(10 * MIN);
    ck_assert_ptr_nonnull(strstr(told, "Disk.sda Disk.sdb\n"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify/dispatch");
    TCase *all = tcase_create("all");

    suite_add_tcase(suite, all);
    tcase_add_checked_fixture(all, begin, end);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, a_group_waits_for_its_first_alerts_and_then_tells_what_is_new);
    tcase_add_test(all, what_is_over_is_told_once_and_forgotten);
    tcase_add_test(all, an_alert_whose_time_has_passed_is_over);
    tcase_add_test(all, what_goes_on_is_repeated);
    tcase_add_test(all, one_that_fires_for_long_already_does_not_wait);
    tcase_add_test(all, what_failed_is_tried_again_with_what_is_true_then);
    tcase_add_test(all, an_outage_of_an_hour_doubles_nothing);
    tcase_add_test(all, what_was_refused_is_said_again_with_the_next_flush_while_it_is_true);
    tcase_add_loop_test(all, an_alert_takes_the_route_that_fits, 0, NV_LEN(routed));
    tcase_add_test(all, who_does_not_want_to_hear_of_the_end_does_not);
    tcase_add_test(all, a_silence_keeps_quiet_until_it_ends);
    tcase_add_test(all, an_alert_that_says_it_all_quiets_the_others);
    tcase_add_test(all, a_restart_says_nothing_twice_and_forgets_no_end);
    tcase_add_test(all, a_reload_keeps_what_was_told);
    tcase_add_test(all, there_is_a_bound);
    tcase_add_test(all, without_receivers_what_is_over_takes_no_room);
    tcase_add_test(all, routes_that_say_the_same_tell_an_alert_once);
    tcase_add_test(all, a_clock_set_back_does_not_silence_a_group);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
