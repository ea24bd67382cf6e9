/*
 * test_bus.c - calls on a bus whose peers answer, refuse, keep silent or go away.
 */
#include <check.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/bus.h"
#include "base/clock.h"
#include "support/fake_bus.h"

#define OWNER "org.example.Machine"
#define DEAF  "org.example.Deaf"

enum { LATE_MS = 100, PATIENCE_MS = 3000 };

static struct nv_fake_bus *daemon_;
static struct nv_bus *bus;

static enum nv_fake_answer answer(sd_bus_message *call, void *user)
{
    const char *member = sd_bus_message_get_member(call), *a, *b;
    const char *destination = sd_bus_message_get_destination(call);

    (void)user;
    if (strcmp(member, "Join") == 0) {
        ck_assert_int_gt(sd_bus_message_read(call, "ss", &a, &b), 0);
        sd_bus_reply_method_return(call, "ss", b, a);
        return NV_FAKE_ANSWERED;
    }
    if (strcmp(member, "List") == 0) {
        sd_bus_reply_method_return(call, "a(su)v", 2, "one", 1u, "two", 2u, "t", UINT64_MAX);
        return NV_FAKE_ANSWERED;
    }
    if (strcmp(member, "Hangup") == 0)
        return NV_FAKE_HANGUP;
    return strcmp(destination, DEAF) == 0 ? NV_FAKE_SILENCE : NV_FAKE_UNKNOWN;
}

static void setup(void)
{
    daemon_ = nv_fake_bus_start(answer, NULL);
    bus = nv_bus_new();
    ck_assert_ptr_nonnull(bus);
}

static void teardown(void)
{
    nv_bus_free(bus);
    nv_fake_bus_stop(daemon_);
}

static int ask(const char *destination, const char *member, int64_t timeout_ms,
               struct nv_bus_reply **ret, char error[NV_BUS_ERROR_MAX])
{
    const struct nv_bus_call call = {
        .destination = destination,
        .path = "/",
        .interface = "org.example.Interface",
        .member = member,
    };

    return nv_bus_ask(bus, &call, timeout_ms, ret, error);
}

static int read_reply(struct nv_bus_reply *reply, const char *types, ...)
{
    va_list results;

    va_start(results, types);
    int r = nv_bus_reply_read(reply, types, results);
    va_end(results);
    return r;
}

START_TEST(a_call_takes_its_arguments_there_and_its_answer_back)
{
    const struct nv_bus_call call = {
        .destination = OWNER,
        .path = "/",
        .interface = "org.example.Interface",
        .member = "Join",
        .signature = "ss",
        .arguments = (const char *const[]){"first", "second"},
    };
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;
    const char *a, *b;

    ck_assert_int_eq(nv_bus_ask(bus, &call, PATIENCE_MS, &reply, error), 0);
    ck_assert_int_eq(read_reply(reply, "ss", &a, &b), 1);
    ck_assert_str_eq(a, "second");
    ck_assert_str_eq(b, "first");
    nv_bus_reply_unref(reply);
}
END_TEST

START_TEST(arrays_and_variants_are_walked_to_their_end)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;
    const char *name;
    uint32_t number;
    uint64_t wide;

    ck_assert_int_eq(ask(OWNER, "List", PATIENCE_MS, &reply, error), 0);
    ck_assert_int_eq(nv_bus_reply_enter(reply, 'a', "(su)"), 1);
    ck_assert_int_eq(read_reply(reply, "(su)", &name, &number), 1);
    ck_assert_int_eq(nv_bus_reply_enter(reply, 'r', "su"), 1);
    ck_assert_int_eq(nv_bus_reply_skip(reply, "s"), 1);
    ck_assert_int_eq(read_reply(reply, "u", &number), 1);
    ck_assert_uint_eq(number, 2);
    ck_assert_int_ge(nv_bus_reply_exit(reply), 0);
    ck_assert_int_eq(read_reply(reply, "(su)", &name, &number), 0);
    ck_assert_int_ge(nv_bus_reply_exit(reply), 0);
    ck_assert_int_lt(nv_bus_reply_enter(reply, 'v', "s"), 0); /* it holds a number */
    ck_assert_int_eq(nv_bus_reply_enter(reply, 'v', "t"), 1);
    ck_assert_int_eq(read_reply(reply, "t", &wide), 1);
    ck_assert(wide == UINT64_MAX);
    nv_bus_reply_unref(reply);
}
END_TEST

START_TEST(a_refusal_comes_with_its_name_and_words)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;

    ck_assert_int_lt(ask(OWNER, "Nonsense", PATIENCE_MS, &reply, error), 0);
    ck_assert_str_eq(error, "org.freedesktop.DBus.Error.UnknownMethod: no Nonsense here");
}
END_TEST

START_TEST(calls_share_a_connection)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;

    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(ask(OWNER, "List", PATIENCE_MS, &reply, error), 0);
        nv_bus_reply_unref(reply);
        ck_assert_int_lt(ask(OWNER, "Nonsense", PATIENCE_MS, &reply, error), 0);
    }
    ck_assert_uint_eq(nv_fake_bus_connections(daemon_), 1);
}
END_TEST

START_TEST(a_peer_that_keeps_silent_is_left_at_the_deadline)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;
    int64_t start = nv_monotonic_ns();

    ck_assert_int_eq(ask(DEAF, "Wait", LATE_MS, &reply, error), -ETIMEDOUT);
    ck_assert_int_lt(nv_monotonic_ns() - start, PATIENCE_MS * 1000000ll);
    ck_assert_int_eq(ask(DEAF, "List", PATIENCE_MS, &reply, error), 0);
    nv_bus_reply_unref(reply);
}
END_TEST

START_TEST(a_daemon_that_never_shakes_hands_is_left_at_the_deadline)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;
    int64_t start = nv_monotonic_ns();

    nv_fake_bus_freeze(daemon_);
    ck_assert_int_eq(ask(OWNER, "List", LATE_MS, &reply, error), -ETIMEDOUT);
    ck_assert_int_lt(nv_monotonic_ns() - start, PATIENCE_MS * 1000000ll);
}
END_TEST

START_TEST(no_time_left_means_no_call)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;

    ck_assert_int_eq(ask(OWNER, "List", 0, &reply, error), -ETIMEDOUT);
    ck_assert_int_eq(ask(OWNER, "List", -5, &reply, error), -ETIMEDOUT);
    ck_assert_uint_eq(nv_fake_bus_connections(daemon_), 0);
}
END_TEST

START_TEST(a_connection_that_broke_while_idle_is_opened_anew)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;

    ck_assert_int_eq(ask(OWNER, "List", PATIENCE_MS, &reply, error), 0);
    nv_bus_reply_unref(reply);
    nv_fake_bus_restart(daemon_);
    ck_assert_int_eq(ask(OWNER, "List", PATIENCE_MS, &reply, error), 0);
    nv_bus_reply_unref(reply);
    ck_assert_uint_eq(nv_fake_bus_connections(daemon_), 2);
}
END_TEST

START_TEST(a_hangup_in_mid_call_is_a_failure_after_one_more_try)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;

    ck_assert_int_eq(ask(OWNER, "List", PATIENCE_MS, &reply, error), 0);
    nv_bus_reply_unref(reply);
    ck_assert_int_lt(ask(OWNER, "Hangup", PATIENCE_MS, &reply, error), 0);
    ck_assert_uint_eq(nv_fake_bus_connections(daemon_), 2);
    ck_assert_int_eq(ask(OWNER, "List", PATIENCE_MS, &reply, error), 0);
    nv_bus_reply_unref(reply);
}
END_TEST

START_TEST(a_reply_outlives_its_connection)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply, *none;

    ck_assert_int_eq(ask(OWNER, "List", PATIENCE_MS, &reply, error), 0);
    ck_assert_int_lt(ask(OWNER, "Hangup", PATIENCE_MS, &none, error), 0);
    ck_assert_int_eq(nv_bus_reply_enter(reply, 'a', "(su)"), 1);
    nv_bus_reply_unref(reply);
}
END_TEST

static void *ask_deaf(void *user)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;

    (void)user;
    ck_assert_int_eq(ask(DEAF, "Wait", 2000, &reply, error), -ETIMEDOUT);
    return NULL;
}

START_TEST(a_silent_peer_holds_up_nobody_who_asks_another)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;
    int64_t start = nv_monotonic_ns();
    pthread_t thread;

    pthread_create(&thread, NULL, ask_deaf, NULL);
    while (nv_fake_bus_connections(daemon_) == 0)
        usleep(1000);
    ck_assert_int_eq(ask(OWNER, "List", 1000, &reply, error), 0);
    nv_bus_reply_unref(reply);
    ck_assert_int_lt(nv_monotonic_ns() - start, 1000 * 1000000ll);
    ck_assert_int_eq(ask(DEAF, "List", LATE_MS, &reply, error),
                     -ETIMEDOUT); /* its turn is not yet */
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(where_there_is_no_bus_the_call_says_so)
{
    char error[NV_BUS_ERROR_MAX];
    struct nv_bus_reply *reply;

    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
    ck_assert_int_eq(ask(OWNER, "List", PATIENCE_MS, &reply, error), -ENOENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus");
    TCase *calls = tcase_create("calls");

    tcase_add_checked_fixture(calls, setup, teardown);
    tcase_add_test(calls, a_call_takes_its_arguments_there_and_its_answer_back);
    tcase_add_test(calls, arrays_and_variants_are_walked_to_their_end);
    tcase_add_test(calls, a_refusal_comes_with_its_name_and_words);
    tcase_add_test(calls, calls_share_a_connection);
    tcase_add_test(calls, a_peer_that_keeps_silent_is_left_at_the_deadline);
    tcase_add_test(calls, a_daemon_that_never_shakes_hands_is_left_at_the_deadline);
    tcase_add_test(calls, no_time_left_means_no_call);
    tcase_add_test(calls, a_connection_that_broke_while_idle_is_opened_anew);
    tcase_add_test(calls, a_hangup_in_mid_call_is_a_failure_after_one_more_try);
    tcase_add_test(calls, a_reply_outlives_its_connection);
    tcase_add_test(calls, a_silent_peer_holds_up_nobody_who_asks_another);
    tcase_add_test(calls, where_there_is_no_bus_the_call_says_so);
    suite_add_tcase(suite, calls);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
