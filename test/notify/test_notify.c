/*
 * test_notify.c - the notifiers as a whole: what they keep over a restart.
 */
#include "notify/notify.h"

#include <check.h>

#include "base/clock.h"
#include "support/fixture.h"

enum { ALERTS = NV_DISPATCH_ALERTS_MAX, ANNOTATION = 1200 };

static const char yaml[] = "notify:\n"
                           "  route: {receiver: ops, group_wait: 1h}\n"
                           "  receivers:\n"
                           "  - {name: ops, command_configs: [{command: [/bin/true]}]}\n";

static struct nv_notify *make(const char *folder)
{
    NV_AUTO(nv_config) *config = NULL;
    char error[NV_YAML_ERROR_MAX];
    struct nv_notify *notify = nv_notify_new(&(struct nv_notify_options){.folder = folder});

    ck_assert_ptr_nonnull(notify);
    int r = nv_config_parse("test.yml", nv_str(yaml), &config, error);
    ck_assert_msg(r == 0, "%s", error);
    ck_assert_int_eq(nv_notify_apply(notify, config), 0);
    return notify;
}

static size_t alerts_of(struct nv_notify *notify)
{
    struct nv_dispatch_stats stats;

    nv_dispatch_stats(nv_notify_dispatch(notify), &stats);
    return stats.alerts;
}

static void send_one(struct nv_notify *notify, int number, int64_t now_ms)
{
    static char text[ANNOTATION];
    char name[32];

    memset(text, 'a', sizeof(text));
    snprintf(name, sizeof(name), "alert%d", number);
    const struct nv_label label =
                              {
                                  NV_LIT("alertname"), nv_str(name)
    },
                          summary = {NV_LIT("summary"), {text, sizeof(text)}};
    nv_notify_send(notify,
                   &(struct nv_alert){.labels = &label,
                                      .n_labels = 1,
                                      .annotations = &summary,
                                      .n_annotations = 1,
                                      .starts_ms = now_ms,
                                      .ends_ms = now_ms + 3600000},
                   1);
}

/* More than any other file of ours may have. */
START_TEST(as_many_alerts_as_there_may_be_survive_a_restart)
{
    int64_t now_ms = nv_wall_ms();
    struct nv_notify *notify = make(nv_temp_dir());

    for (int i = 0; i < ALERTS; i++)
        send_one(notify, i, now_ms);
    ck_assert_uint_eq(alerts_of(notify), ALERTS);
    nv_notify_free(notify);
    notify = make(nv_temp_dir());
    ck_assert_uint_eq(alerts_of(notify), ALERTS);
    nv_notify_free(notify);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify/notify");
    TCase *all = tcase_create("all");

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 300);
    tcase_add_test(all, as_many_alerts_as_there_may_be_survive_a_restart);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
