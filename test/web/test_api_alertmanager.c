/*
 * test_api_alertmanager.c - /api/v2 with a client that is slow to read. What it answers, test/e2e/test_alerts.py asks.
 */
#include "web/run_endpoint.h"

#include <pthread.h>

#include "config/config.h"
#include "notify/silence.h"
#include "web/endpoints.h"

enum { SILENCES = 30, COMMENT = 4000, HOUR = 3600000 };

static struct nv_notify *notify;

static void begin(void)
{
    const struct nv_silence_matcher matcher = {NV_LIT("alertname"), NV_LIT("A"), false, true};
    static char comment[COMMENT];
    int64_t now_ms = nv_wall_ms();
    struct nv_silence_spec spec = {
        .matchers = &matcher,
        .n_matchers = 1,
        .starts_ms = now_ms,
        .ends_ms = now_ms + HOUR,
        .created_by = NV_LIT("me"),
        .comment = {comment, sizeof(comment)}
    };
    char id[NV_SILENCE_ID_MAX], error[NV_SILENCE_ERROR_MAX], wrong[NV_YAML_ERROR_MAX];
    NV_AUTO(nv_config) *config = NULL;

    memset(comment, 'c', sizeof(comment));
    notify = nv_notify_new(&(struct nv_notify_options){.external_url = "http://h"});
    ck_assert_ptr_nonnull(notify);
    ck_assert_int_eq(nv_config_load(NULL, &config, wrong), 0);
    ck_assert_int_eq(nv_notify_apply(notify, config), 0);
    for (int i = 0; i < SILENCES; i++)
        ck_assert_int_eq(nv_silences_set(nv_notify_silences(notify), &spec, now_ms, id, error), 0);
}

static void end(void)
{
    nv_notify_free(notify);
}

static void count(void *user, const struct nv_silence_spec *spec, enum nv_silence_state state)
{
    (void)spec, (void)state;
    ++*(int *)user;
}

/* As whatever is about to tell of an alert does. */
static void *look(void *user)
{
    nv_silences_each(nv_notify_silences(notify), NULL, nv_wall_ms(), count, user);
    return NULL;
}

/* A client takes a block: it could take its time, and meanwhile others look at the silences. */
static int take_slowly(void *user, const char *p, size_t n)
{
    struct timespec until;
    pthread_t thread;
    int seen = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    ck_assert_int_eq(pthread_create(&thread, NULL, look, &seen), 0);
    ck_assert_int_eq(pthread_timedjoin_np(thread, NULL, &until), 0);
    ck_assert_int_eq(seen, SILENCES);
    return reply_take(user, p, n);
}

START_TEST(who_reads_silences_slowly_holds_nobody_up)
{
    static char block[NV_WRITER_BLOCK];
    static const volatile bool never = false;
    const struct nv_api api = {.notify = notify};
    struct reply reply = {.body = NV_BUF(1 << 20)};
    struct nv_exchange_inside inside;
    struct nv_exchange x = {.api = &api,
                            .method = NV_GET,
                            .memory = NV_ARENA(1 << 20),
                            .now_ms = nv_wall_ms(),
                            .cancel = &never};
    struct nv_str part;
    int n = 0;

    x.endpoint = find_endpoint(nv_api_alertmanager_endpoints, "/api/v2/silences", &part);
    nv_exchange_begin(&x, &inside, block, take_slowly, &reply);
    nv_exchange_run(&x);
    nv_writer_flush(&inside.out);
    ck_assert_int_eq(inside.out.failed, 0);
    const char *at = nv_buf_c_string(&reply.body);
    ck_assert(at[0] == '[' && at[reply.body.n - 1] == ']');
    for (; (at = strstr(at, "\"createdBy\"")); at++)
        n++;
    ck_assert_int_eq(n, SILENCES);
    nv_exchange_end(&x);
    nv_buf_done(&reply.body);
}
END_TEST

static const struct {
    const char *query;
    int n;
} filters[] = {
    {"",                                                  SILENCES},
    {"filter=alertname%3D%22A%22",                        SILENCES},
    {"filter=alertname%21%3D%22A%22",                     0       },
    {"filter=severity%21%3D%22page%22",                   SILENCES}, /* they say nothing of it */
    {"filter=severity%3D%22page%22",                      0       },
    {"filter=alertname%3D~%22A%7CB%22&filter=a%3D%22%22", SILENCES},
};

START_TEST(silences_are_filtered_like_labels)
{
    const struct nv_api api = {.notify = notify};
    char request[256];
    int n = 0;

    snprintf(request, sizeof(request), "/api/v2/silences?%s", filters[_i].query);
    struct reply reply = run_endpoint(&api, nv_api_alertmanager_endpoints, request, NULL);
    for (const char *at = nv_buf_c_string(&reply.body); (at = strstr(at, "\"createdBy\"")); at++)
        n++;
    nv_buf_done(&reply.body);
    ck_assert_uint_eq(reply.status, 200);
    ck_assert_int_eq(n, filters[_i].n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/api_alertmanager");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, begin, end);
    tcase_add_test(all, who_reads_silences_slowly_holds_nobody_up);
    tcase_add_loop_test(all, silences_are_filtered_like_labels, 0, NV_LEN(filters));
    tcase_set_timeout(all, 120);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
