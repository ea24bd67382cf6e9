/*
 * test_identity.c - the flags of the store, and the labels its series have.
 */
#include "agent/identity.h"

#include <check.h>
#include <stdio.h>

#include "agent/options.h"

static const struct nv_collector *const builtins[] = {NULL};
static struct nv_options *options;

static void setup(void)
{
    unsetenv("STATE_DIRECTORY");
    options = nv_options_new("nodevitals", "Test.");
}

static void teardown(void)
{
    nv_options_free(options);
}

static int parse_one(const char *flag)
{
    return nv_options_parse(options, builtins, flag ? 1 : 0, &flag);
}

#define ck_assert_refused(flag, message)                                                           \
    do {                                                                                           \
        teardown();                                                                                \
        setup();                                                                                   \
        ck_assert_int_eq(parse_one(flag), -EINVAL);                                                \
        ck_assert_str_eq(options->error, message);                                                 \
    } while (0)

START_TEST(defaults_keep_fifteen_days_in_half_a_gigabyte)
{
    ck_assert_int_eq(parse_one(NULL), 0);
    const struct nv_storage *storage = &options->history;
    ck_assert(storage->on);
    ck_assert(!storage->path_given);
    ck_assert_str_eq(storage->path, "./data");
    ck_assert_int_eq(storage->interval_ms, 1000);
    ck_assert_int_eq(storage->retention_ms, INT64_C(15) * 86400 * 1000);
    ck_assert_uint_eq(storage->retention_bytes, 512 << 20);
    ck_assert_int_eq(storage->wal_sync_ms, 10000);
    ck_assert_uint_eq(storage->n_thin, 1);
    ck_assert_int_eq(storage->thin[0].age_ms, 12 * 3600 * 1000);
    ck_assert_int_eq(storage->thin[0].interval_ms, 15000);
    ck_assert_str_eq(storage->job, "node-exporter");
}
END_TEST

START_TEST(systemd_names_the_folder)
{
    setenv("STATE_DIRECTORY", "/var/lib/nodevitals:/var/lib/other", 1);
    ck_assert_int_eq(parse_one(NULL), 0);
    ck_assert_str_eq(options->history.path, "/var/lib/nodevitals");
    ck_assert(!options->history.path_given);
}
END_TEST

START_TEST(a_folder_that_is_named_wins)
{
    setenv("STATE_DIRECTORY", "/var/lib/nodevitals", 1);
    ck_assert_int_eq(parse_one("--storage.tsdb.path=/srv/history"), 0);
    ck_assert_str_eq(options->history.path, "/srv/history");
    ck_assert(options->history.path_given);
}
END_TEST

START_TEST(thinning_is_sorted_by_age_and_can_be_none)
{
    const char *const two[] = {"--storage.tsdb.thin=7d:1m", "--storage.tsdb.thin=1h:5s"};

    ck_assert_int_eq(nv_options_parse(options, builtins, 2, two), 0);
    ck_assert_uint_eq(options->history.n_thin, 2);
    ck_assert_int_eq(options->history.thin[0].age_ms, 3600 * 1000);
    ck_assert_int_eq(options->history.thin[1].interval_ms, 60000);

    teardown();
    setup();
    ck_assert_int_eq(parse_one("--no-storage.tsdb.thin"), 0);
    ck_assert_uint_eq(options->history.n_thin, 0);
}
END_TEST

START_TEST(wrong_values_are_refused_in_one_line)
{
    ck_assert_refused("--storage.tsdb.interval=5m",
                      "flag '--storage.tsdb.interval' cannot be 300s: it is 100ms to 1m, in whole "
                      "milliseconds");
    ck_assert_refused("--storage.tsdb.interval=0",
                      "flag '--storage.tsdb.interval' cannot be 0s: it is 100ms to 1m, in whole "
                      "milliseconds");
    ck_assert_refused(
        "--storage.tsdb.retention.time=-1h",
        "flag '--storage.tsdb.retention.time' cannot be -3600s: it is 0 to 100 years");
    ck_assert_refused("--storage.tsdb.retention.size=12XB",
                      "flag '--storage.tsdb.retention.size' cannot be '12XB': it takes a size such "
                      "as 512MB");
    ck_assert_refused("--storage.tsdb.retention.size=1KB",
                      "flag '--storage.tsdb.retention.size' cannot be '1KB': it is 0 or at least "
                      "1MB");
    ck_assert_refused("--storage.tsdb.thin=12h",
                      "flag '--storage.tsdb.thin' cannot be '12h': it takes an age and an interval "
                      "such as 12h:15s");
    ck_assert_refused("--storage.tsdb.thin=12h:2m",
                      "flag '--storage.tsdb.thin' cannot be '12h:2m': the interval is at most 1m, "
                      "and both are above 0");
    ck_assert_refused("--storage.tsdb.path=", "flag '--storage.tsdb.path' cannot be empty");
    ck_assert_refused("--storage.tsdb.job=", "flag '--storage.tsdb.job' cannot be empty");
}
END_TEST

START_TEST(a_collector_may_be_given_another_job)
{
    ck_assert_int_eq(parse_one("--storage.tsdb.collector-job=container=cadvisor=x"), 0);
    ck_assert_uint_eq(options->history.n_jobs, 1);
    ck_assert(nv_str_is(options->history.jobs[0].collector, "container"));
    ck_assert(nv_str_is(options->history.jobs[0].job, "cadvisor=x"));
    ck_assert_refused("--storage.tsdb.collector-job=container",
                      "flag '--storage.tsdb.collector-job' cannot be 'container': it takes a "
                      "collector and a job such as container=cadvisor");
}
END_TEST

START_TEST(sizes_are_powers_of_1024)
{
    uint64_t bytes;

    ck_assert(nv_storage_bytes(NV_LIT("3B"), &bytes) && bytes == 3);
    ck_assert(nv_storage_bytes(NV_LIT("7KB"), &bytes) && bytes == 7 << 10);
    ck_assert(nv_storage_bytes(NV_LIT("5TB"), &bytes) && bytes == UINT64_C(5) << 40);
    ck_assert(nv_storage_bytes(NV_LIT("0"), &bytes) && bytes == 0);
    ck_assert(!nv_storage_bytes(NV_LIT("17"), &bytes));
    ck_assert(!nv_storage_bytes(NV_LIT(""), &bytes));
    ck_assert(!nv_storage_bytes(NV_LIT("MB"), &bytes));
    ck_assert(!nv_storage_bytes(NV_LIT("17EB"), &bytes));
    ck_assert(!nv_storage_bytes(NV_LIT("-1MB"), &bytes));
    ck_assert(!nv_storage_bytes(NV_LIT(" 1MB"), &bytes));
}
END_TEST

static const char *instance(const char *flag, const char *node_name, const char *host,
                            const char *first, const char *second)
{
    static struct nv_identity identity;
    const struct nv_storage storage = {.instance = flag, .job = "j"};
    const char *addresses[] = {first, second};

    nv_identity_init(&identity, &storage, node_name, host, addresses, second ? 2 : 1);
    ck_assert(nv_str_is(identity.labels[0].name, "instance"));
    ck_assert(nv_str_is(identity.labels[0].value, identity.instance));
    ck_assert(nv_str_is(identity.labels[1].name, "job"));
    ck_assert(nv_str_is(identity.labels[1].value, "j"));
    return identity.instance;
}

START_TEST(the_instance_is_what_a_prometheus_would_call_it)
{
    ck_assert_str_eq(instance("mine", "node7", "host", "[::]:9100", NULL), "mine");
    ck_assert_str_eq(instance("", "node7", "host", "[::]:9100", NULL), "node7");
    ck_assert_str_eq(instance("", NULL, "host", "[::]:9100", NULL), "host:9100");
    ck_assert_str_eq(instance("", "", "host", "127.0.0.1:80", NULL), "host:80");
    ck_assert_str_eq(instance("", NULL, "host", "unix:/run/a:b", "[::1]:9"), "host:9");
    ck_assert_str_eq(instance("", NULL, "host", "unix:/run/x", NULL), "host");
    ck_assert_str_eq(instance("", NULL, NULL, "vsock://:9100", NULL), "localhost");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("identity");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, defaults_keep_fifteen_days_in_half_a_gigabyte);
    tcase_add_test(tests, systemd_names_the_folder);
    tcase_add_test(tests, a_folder_that_is_named_wins);
    tcase_add_test(tests, thinning_is_sorted_by_age_and_can_be_none);
    tcase_add_test(tests, wrong_values_are_refused_in_one_line);
    tcase_add_test(tests, a_collector_may_be_given_another_job);
    tcase_add_test(tests, sizes_are_powers_of_1024);
    tcase_add_test(tests, the_instance_is_what_a_prometheus_would_call_it);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
