/*
 * test_alertmanager.c - a queue and its client against an Alertmanager that does as it is told, on a clock that is ours.
 */
#include "notify/alertmanager.h"

#include <check.h>
#include <errno.h>
#include <nodevitals/json.h>

/* ---- the other side ------------------------------------------------------------------------- */

static struct {
    int64_t now_ns;
    int answer, error;    /* a status, or a negative errno */
    size_t posts, alerts; /* received with success */
    char last[1 << 16];
    void (*during)(void);
} far;

static struct nv_alertmanager *am;
static char error[NV_ALERTMANAGER_ERROR_MAX];

static size_t count_alerts(struct nv_str body)
{
    struct nv_json json = nv_json(body);
    size_t n = 0;

    nv_json_array(&json);
    while (nv_json_item(&json)) {
        nv_json_skip(&json);
        n++;
    }
    ck_assert_msg(nv_json_done(&json), "%.*s", (int)body.n, body.p);
    return n;
}

static int post(void *user, struct nv_str body, int *status, char why[NV_ALERTMANAGER_ERROR_MAX])
{
    (void)user;
    far.posts++;
    far.now_ns += 5000000;
    if (far.during)
        far.during();
    if (far.error) {
        snprintf(why, NV_ALERTMANAGER_ERROR_MAX, "%s", strerror(-far.error));
        return far.error;
    }
    *status = far.answer;
    if (far.answer / 100 == 2)
        far.alerts += count_alerts(body);
    snprintf(far.last, sizeof(far.last), "%.*s", (int)body.n, body.p);
    return 0;
}

static int64_t now_ns(void *user)
{
    (void)user;
    return far.now_ns;
}

static int64_t wall_ms(void *user)
{
    (void)user;
    return far.now_ns / 1000000;
}

static void begin(void)
{
    memset(&far, 0, sizeof(far));
    far.now_ns = INT64_C(1767323045000000000);
    far.answer = 200;
    am = nv_alertmanager_new(&(struct nv_alertmanager_io){post, now_ns, wall_ms, NULL});
    ck_assert_ptr_nonnull(am);
}

static void end(void)
{
    nv_alertmanager_free(am);
}

static void tell(const char *name, bool resolved, const char *summary)
{
    struct nv_label labels[] = {
        {NV_LIT("severity"),  NV_LIT("page")},
        {NV_LIT("alertname"), nv_str(name)  }
    };
    struct nv_label annotations[] = {
        {NV_LIT("summary"), nv_str(summary)},
        {NV_LIT("none"),    NV_LIT("")     }
    };
    int64_t now_ms = far.now_ns / 1000000;
    NV_AUTO(nv_alert) *alert = nv_alert_new(
        &(struct nv_alert){.labels = labels,
                           .n_labels = 2,
                           .annotations = annotations,
                           .n_annotations = 2,
                           .starts_ms = now_ms,
                           .ends_ms = resolved ? now_ms : now_ms + 240000,
                           .resolved = resolved,
                           .generator_url = NV_LIT("http://n/graph?g0.expr=a&g0.tab=1")});

    ck_assert_ptr_nonnull(alert);
    (void)nv_alertmanager_add(am, alert);
}

static void tell_many(size_t n)
{
    char name[32];

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "A%zu", i);
        tell(name, false, "");
    }
}

static struct nv_alertmanager_stats stats(void)
{
    struct nv_alertmanager_stats all;

    nv_alertmanager_stats(am, &all);
    return all;
}

/* Turns until nothing is due, letting time pass up to a limit. Returns the turns. */
static size_t run(int64_t for_ns)
{
    int64_t until_ns = far.now_ns + for_ns;

    for (size_t turns = 1;; turns++) {
        int64_t wait_ns = nv_alertmanager_turn(am, error);
        if (wait_ns == INT64_MAX || far.now_ns + wait_ns > until_ns) {
            far.now_ns = wait_ns == INT64_MAX ? far.now_ns : until_ns;
            return turns;
        }
        far.now_ns += wait_ns;
    }
}

/* ---- tests ---------------------------------------------------------------------------------- */

START_TEST(an_alert_arrives_in_alertmanagers_shape)
{
    begin();
    tell("Disk\"Full", false, "it is full");
    ck_assert_int_eq(nv_alertmanager_turn(am, error), INT64_MAX);
    ck_assert_str_eq(error, "");
    ck_assert_str_eq(
        far.last,
        "[{\"labels\":{\"alertname\":\"Disk\\\"Full\",\"severity\":\"page\"},"
        "\"annotations\":{\"summary\":\"it is full\"},"
        "\"startsAt\":\"2026-01-02T03:04:05.000Z\",\"endsAt\":\"2026-01-02T03:08:05.000Z\","
        "\"generatorURL\":\"http://n/graph?g0.expr=a&g0.tab=1\"}]");
    ck_assert_uint_eq(stats().sent, 1);
    ck_assert_uint_eq(stats().queued, 0);
    ck_assert_int_eq(stats().latency_ns, 5000000);
    end();
}
END_TEST

START_TEST(alerts_go_in_batches)
{
    begin();
    tell_many(600);
    run(1000000000);
    ck_assert_uint_eq(far.posts, 3);
    ck_assert_uint_eq(far.alerts, 600);
    end();
}
END_TEST

/* The rule engine says once a minute what is still true; an hour of that is one alert each, not sixty. */
START_TEST(an_hour_of_outage_doubles_nothing_and_loses_nothing)
{
    begin();
    far.error = -ECONNREFUSED;
    for (int minute = 0; minute < 60; minute++) {
        tell_many(100);
        run(60 * INT64_C(1000000000));
        ck_assert_str_eq(error, "Connection refused");
        ck_assert_uint_eq(stats().queued, 100);
    }
    ck_assert_uint_lt(far.posts, 80); /* it backs off to one try a minute */
    tell("A7", true, "");
    far.error = 0;
    run(61 * INT64_C(1000000000));
    ck_assert_uint_eq(far.alerts, 100);
    ck_assert_uint_eq(stats().sent, 100);
    ck_assert_uint_eq(stats().dropped, 0);
    end();
}
END_TEST

/* Nobody says any more that it fires; Alertmanager would take its end for a resolution. */
START_TEST(what_is_no_longer_true_is_not_sent)
{
    begin();
    far.error = -ETIMEDOUT;
    tell("Old", false, "");
    tell("Done", true, "");
    run(600 * INT64_C(1000000000));
    far.error = 0;
    run(61 * INT64_C(1000000000));
    ck_assert_uint_eq(far.alerts, 1);
    ck_assert_ptr_nonnull(strstr(far.last, "Done"));
    ck_assert_uint_eq(stats().dropped, 1);
    end();
}
END_TEST

START_TEST(a_refused_batch_is_not_tried_again)
{
    begin();
    far.answer = 400;
    tell("Bad", false, "");
    ck_assert_int_eq(nv_alertmanager_turn(am, error), INT64_MAX);
    ck_assert_str_eq(error, "it answers with status 400");
    ck_assert_uint_eq(stats().dropped, 1);
    ck_assert_uint_eq(stats().errors, 1);
    ck_assert_uint_eq(stats().queued, 0);
    end();
}
END_TEST

static const int passing[] = {408, 429, 500, 502, 503};

START_TEST(what_may_pass_is_tried_again)
{
    begin();
    far.answer = passing[_i];
    tell("Later", false, "");
    ck_assert_int_eq(nv_alertmanager_turn(am, error), 1000000000);
    ck_assert_uint_eq(stats().queued, 1);
    far.answer = 200;
    run(2000000000);
    ck_assert_uint_eq(far.alerts, 1);
    ck_assert_uint_eq(far.posts, 2);
    end();
}
END_TEST

static void resolve_it(void)
{
    far.during = NULL;
    tell("Flap", true, "over");
}

/* The word that came while the older one was on its way counts, and goes alone. */
START_TEST(a_newer_word_replaces_what_failed)
{
    begin();
    far.error = -ECONNRESET;
    far.during = resolve_it;
    tell("Flap", false, "on");
    (void)nv_alertmanager_turn(am, error);
    ck_assert_uint_eq(stats().queued, 1);
    far.error = 0;
    run(2000000000);
    ck_assert_uint_eq(far.alerts, 1);
    ck_assert_ptr_nonnull(strstr(far.last, "over"));
    end();
}
END_TEST

static size_t n_waiting;
static void count_waiting(void)
{
    struct nv_alert *waiting[8];

    n_waiting = nv_alertmanager_waiting(am, waiting, 8);
    for (size_t i = 0; i < n_waiting; i++)
        nv_alert_unref(waiting[i]);
}

/* A kill while it answers slowly: what is kept meanwhile has it. */
START_TEST(what_is_on_its_way_is_not_taken_yet)
{
    begin();
    far.during = count_waiting;
    tell_many(2);
    ck_assert_int_eq(nv_alertmanager_turn(am, error), INT64_MAX);
    ck_assert_uint_eq(n_waiting, 2);
    count_waiting();
    ck_assert_uint_eq(n_waiting, 0);
    end();
}
END_TEST

START_TEST(a_full_queue_drops_the_oldest)
{
    begin();
    far.error = -ECONNREFUSED;
    tell_many(NV_ALERTMANAGER_QUEUE + 5);
    ck_assert_uint_eq(stats().queued, NV_ALERTMANAGER_QUEUE);
    ck_assert_uint_eq(stats().dropped, 5);
    struct nv_alert *first[1];
    ck_assert_uint_eq(nv_alertmanager_waiting(am, first, 1), 1);
    ck_assert(nv_str_is(nv_alert_label(first[0], nv_str("alertname")), "A5"));
    nv_alert_unref(first[0]);
    (void)nv_alertmanager_turn(am, error); /* what comes back after a failure keeps its place */
    ck_assert_uint_eq(nv_alertmanager_waiting(am, first, 1), 1);
    ck_assert(nv_str_is(nv_alert_label(first[0], nv_str("alertname")), "A5"));
    nv_alert_unref(first[0]);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify/alertmanager");
    TCase *all = tcase_create("all");

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, an_alert_arrives_in_alertmanagers_shape);
    tcase_add_test(all, alerts_go_in_batches);
    tcase_add_test(all, an_hour_of_outage_doubles_nothing_and_loses_nothing);
    tcase_add_test(all, what_is_no_longer_true_is_not_sent);
    tcase_add_test(all, a_refused_batch_is_not_tried_again);
    tcase_add_loop_test(all, what_may_pass_is_tried_again, 0, NV_LEN(passing));
    tcase_add_test(all, a_newer_word_replaces_what_failed);
    tcase_add_test(all, what_is_on_its_way_is_not_taken_yet);
    tcase_add_test(all, a_full_queue_drops_the_oldest);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
