/*
 * test_alertmanagers.c - where Alertmanagers are found, and what a reload keeps. Nobody answers at these addresses.
 */
#include "notify/alertmanagers.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>

#include "notify/state.h"
#include "support/fixture.h"

static struct nv_alertmanagers *all;
static struct nv_alertmanagers_view view;

static void apply_at(const char *path, const char *yaml)
{
    char error[NV_YAML_ERROR_MAX];
    NV_AUTO(nv_config) *config = NULL;

    int r = nv_config_parse(path, nv_str(yaml), &config, error);
    ck_assert_msg(r == 0, "%s", error);
    ck_assert_int_eq(nv_alertmanagers_apply(all, config), 0);
}

static void apply(const char *yaml)
{
    apply_at("test.yml", yaml);
}

static void look(void)
{
    nv_alertmanagers_view_done(&view);
    ck_assert_int_eq(nv_alertmanagers_view(all, &view), 0);
}

static void begin(void)
{
    nv_quiet();
    all = nv_alertmanagers_new();
    ck_assert_ptr_nonnull(all);
}

static void end(void)
{
    nv_alertmanagers_view_done(&view);
    nv_alertmanagers_free(all);
}

static void tell(const char *name)
{
    struct nv_label labels[] = {
        {NV_LIT("alertname"), nv_str(name)}
    };
    struct nv_alert *alert = nv_alert_new(&(struct nv_alert){
        .labels = labels, .n_labels = 1, .starts_ms = 1, .ends_ms = INT64_C(9999999999999)});

    ck_assert_ptr_nonnull(alert);
    nv_alertmanagers_send(all, &alert, 1);
    nv_alert_unref(alert);
}

START_TEST(targets_become_urls)
{
    apply("alerting:\n  alertmanagers:\n"
          "  - static_configs: [{targets: ['127.0.0.1:1', '127.0.0.1:1', '[::1]:2'], labels: "
          "{__scheme__: https}}]\n"
          "  - {path_prefix: /am/, static_configs: [{targets: ['127.0.0.1:3', '127.0.0.1:4']}],\n"
          "     relabel_configs: [{source_labels: [__address__], regex: '.*:4', action: drop},\n"
          "       {source_labels: [__address__], regex: '(.*):3', target_label: __address__, "
          "replacement: '$1:33'}]}\n");
    look();
    ck_assert_uint_eq(view.n_active, 3);
    ck_assert_str_eq(view.active[0].url, "https://127.0.0.1:1/api/v2/alerts");
    ck_assert_str_eq(view.active[1].url, "https://[::1]:2/api/v2/alerts");
    ck_assert_str_eq(view.active[2].url, "http://127.0.0.1:33/am/api/v2/alerts");
    ck_assert_uint_eq(view.n_dropped, 1);
    ck_assert_str_eq(view.dropped[0], "http://127.0.0.1:4/am/api/v2/alerts");
}
END_TEST

static size_t queued(const char *url)
{
    look();
    for (size_t i = 0; i < view.n_active; i++) {
        if (strcmp(view.active[i].url, url) == 0)
            return view.active[i].stats.queued;
    }
    return SIZE_MAX;
}

/* A batch on its way is not in the queue for a moment. */
static bool comes_to(const char *url, size_t n)
{
    for (int i = 0; i < 3000; i++) {
        if (queued(url) == n)
            return true;
        usleep(10000);
    }
    return false;
}

START_TEST(a_reload_keeps_what_waits_for_those_that_stay)
{
    static const char one[] = "http://127.0.0.1:1/api/v2/alerts",
                      two[] = "http://127.0.0.1:2/api/v2/alerts";

    apply("alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:1']}]}]}\n");
    tell("A");
    tell("B");
    ck_assert(comes_to(one, 2));
    apply("alerting: {alertmanagers: [{timeout: 3s, static_configs: [{targets: ['127.0.0.1:2', "
          "'127.0.0.1:1']}]}]}\n");
    ck_assert(comes_to(one, 2));
    ck_assert_uint_eq(queued(two), 0);
    tell("B");
    ck_assert(comes_to(two, 1));
    ck_assert(comes_to(one, 2));
    apply("{}\n");
    look();
    ck_assert_uint_eq(view.n_active, 0);
}
END_TEST

/* The node was off for days: it does not begin with old news. */
START_TEST(what_waited_past_its_end_is_not_sent_after_a_restart)
{
    static const char state[] =
        "{\"version\":1,\"waiting\":[{\"url\":\"http://127.0.0.1:1/api/v2/alerts\",\"alert\":"
        "{\"labels\":{\"alertname\":\"Old\"},\"annotations\":{},\"generatorURL\":\"\","
        "\"startsAt\":\"2020-01-01T00:00:00.000Z\",\"endsAt\":\"2020-01-01T00:04:00.000Z\","
        "\"resolved\":false}}]}";

    apply("alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:1']}]}]}\n");
    ck_assert_int_eq(nv_notify_state_read(nv_str(state), NULL, all, INT64_C(9999999999999)), 0);
    for (int i = 0; i < 3000; i++) {
        look();
        if (view.active[0].stats.dropped || view.active[0].stats.errors)
            break;
        usleep(10000);
    }
    ck_assert_uint_eq(view.active[0].stats.errors, 0);
    ck_assert_uint_eq(view.active[0].stats.dropped, 1);
}
END_TEST

START_TEST(alerts_are_relabelled_for_each)
{
    apply("alerting:\n  alertmanagers:\n"
          "  - static_configs: [{targets: ['127.0.0.1:1']}]\n"
          "    alert_relabel_configs: [{source_labels: [alertname], regex: A, action: drop}]\n"
          "  - static_configs: [{targets: ['127.0.0.1:2']}]\n");
    tell("A");
    ck_assert(comes_to("http://127.0.0.1:2/api/v2/alerts", 1));
    ck_assert_uint_eq(queued("http://127.0.0.1:1/api/v2/alerts"), 0);
}
END_TEST

static void write_targets(const char *path, const char *text)
{
    char beside[512];

    snprintf(beside, sizeof(beside), "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    ck_assert_int_eq(rename(beside, path), 0);
}

START_TEST(a_file_of_targets_is_read_again)
{
    char path[400], yaml[800], config_path[400];

    snprintf(path, sizeof(path), "%s/am.json", nv_temp_dir());
    snprintf(config_path, sizeof(config_path), "%s/config.yml", nv_temp_dir());
    write_targets(path, "[{\"targets\":[\"127.0.0.1:1\"]}]");
    snprintf(
        yaml, sizeof(yaml),
        "alerting: {alertmanagers: [{file_sd_configs: [{files: ['%s'], refresh_interval: 1s}]}]}\n",
        path);
    apply_at(config_path, yaml);
    tell("A");
    ck_assert(comes_to("http://127.0.0.1:1/api/v2/alerts", 1));
    write_targets(path, "[{\"targets\":[\"127.0.0.1:1\",\"127.0.0.1:2\"]}]");
    ck_assert(comes_to("http://127.0.0.1:2/api/v2/alerts", 0));
    ck_assert(comes_to("http://127.0.0.1:1/api/v2/alerts", 1));
    write_targets(path, "[{\"targets\":");
    usleep(1500000); /* garbage is passed over */
    look();
    ck_assert_uint_eq(view.n_active, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify/alertmanagers");
    TCase *cases = tcase_create("all");

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, begin, end);
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, targets_become_urls);
    tcase_add_test(cases, a_reload_keeps_what_waits_for_those_that_stay);
    tcase_add_test(cases, what_waited_past_its_end_is_not_sent_after_a_restart);
    tcase_add_test(cases, alerts_are_relabelled_for_each);
    tcase_add_test(cases, a_file_of_targets_is_read_again);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
