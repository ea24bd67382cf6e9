/*
 * test_scrape.c - the life of targets: found, asked, changed, gone. A server of our own answers at several paths.
 *
 * A job's targets are on one port; what tells them apart is their path, which is their `instance` too.
 */
#include "scrape/scrape.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "support/fixture.h"
#include "support/http_server.h"
#include "support/scrape_store.h"

enum { TEXT = 64 << 10, WAIT_MS = 60000, STEP_MS = 5 };

static struct nv_http_server *server;
static struct nv_scrape_store *store;
static struct nv_scrape *scrape;

/* ---- what the tests share ------------------------------------------------------------------- */

static enum nv_http_server_then answer(const char *request, struct nv_buf *out, void *user)
{
    (void)user;
    if (nv_str_starts(nv_str(request), "GET /stall"))
        return NV_HTTP_SERVER_STALL;
    if (nv_str_starts(nv_str(request), "GET /broken"))
        nv_http_server_answer(out, 500, "text/plain", "out of order\n");
    else
        nv_http_server_answer(out, 200, "text/plain; version=0.0.4", "a 1\nb 2\n");
    return NV_HTTP_SERVER_KEEP;
}

static void begin(void)
{
    nv_quiet();
    server = nv_http_server_start(answer, NULL);
    store = nv_scrape_store_new();
    scrape = nv_scrape_new(
        &(struct nv_scrape_options){.storage = nv_scrape_store_storage(store), .user_agent = "us"});
    ck_assert_ptr_nonnull(scrape);
}

static void end(void)
{
    nv_scrape_free(scrape);
    nv_scrape_store_free(store);
    nv_http_server_stop(server);
}

static void apply(const char *yaml)
{
    char error[NV_YAML_ERROR_MAX] = "", path[512];
    NV_AUTO(nv_config) *config = NULL;

    snprintf(path, sizeof(path), "%s/config.yml", nv_temp_dir());
    int r = nv_config_parse(path, nv_str(yaml), &config, error);
    ck_assert_msg(r == 0, "%s", error);
    r = nv_scrape_apply(scrape, config, error);
    ck_assert_msg(r == 0, "%s", error);
}

/* A job "j" with a target for each of the paths ("a b"), and further settings of the job. */
static void write_job(struct nv_buf *yaml, const char *interval, const char *paths,
                      const char *settings)
{
    struct nv_str rest = nv_str(paths);

    nv_buf_printf(yaml,
                  "scrape_configs:\n- job_name: j\n  scrape_interval: %s\n%s"
                  "  relabel_configs:\n"
                  "  - {source_labels: [__metrics_path__], target_label: instance}\n"
                  "  static_configs:\n",
                  interval, settings);
    while (rest.n) {
        struct nv_str path = nv_str_cut(&rest, ' ');
        nv_buf_printf(yaml, "  - {targets: ['127.0.0.1:%u'], labels: {__metrics_path__: %.*s}}\n",
                      nv_http_server_port(server), NV_ARGS(path));
    }
}

static void apply_job(const char *interval, const char *paths, const char *settings)
{
    NV_AUTO_BUF yaml = NV_BUF(TEXT);

    write_job(&yaml, interval, paths, settings);
    apply(nv_buf_c_string(&yaml));
}

static void start(void)
{
    ck_assert_int_eq(nv_scrape_start(scrape), 0);
}

static struct nv_scrape_stats stats(void)
{
    struct nv_scrape_stats now;

    nv_scrape_stats(scrape, &now);
    return now;
}

#define WAIT_UNTIL(condition)                                                                      \
    for (int waited_ = 0; !(condition); waited_ += STEP_MS) {                                      \
        ck_assert_msg(waited_ < WAIT_MS, "still not so: %s", #condition);                          \
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);                        \
    }

/* The targets as they are listed: "/a up\n", "dropped /b\n"; an error behind. */
static int list_one(void *to, const struct nv_scrape_view *view)
{
    static const char *const healths[] = {"unknown", "up", "down"};
    const struct nv_label *labels = view->dropped ? view->discovered : view->labels;
    size_t n = view->dropped ? view->n_discovered : view->n_labels;
    const struct nv_str name = view->dropped ? NV_LIT("__metrics_path__") : NV_LIT("instance");
    struct nv_buf *out = to;

    if (view->dropped)
        nv_buf_text(out, "dropped ");
    nv_buf_str(out, nv_label_value(labels, n, name));
    if (!view->dropped)
        nv_buf_printf(out, " %s", healths[view->health]);
    nv_buf_printf(out, "%s%.*s\n", view->error.n ? ": " : "", NV_ARGS(view->error));
    return 0;
}

static bool lists(const char *expected)
{
    NV_AUTO_BUF got = NV_BUF(TEXT);

    ck_assert_int_eq(nv_scrape_targets(scrape, list_one, &got), 0);
    return strcmp(nv_buf_c_string(&got), expected) == 0;
}

static void write_file(const char *name, const char *text)
{
    char path[512], other[512];

    snprintf(path, sizeof(path), "%s/%s", nv_temp_dir(), name);
    snprintf(other, sizeof(other), "%s/%s.new", nv_temp_dir(), name);
    FILE *file = fopen(other, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(rename(other, path), 0);
}

/* ---- tests ---------------------------------------------------------------------------------- */

START_TEST(without_targets_there_is_no_thread)
{
    apply("");
    start();
    ck_assert_uint_eq(stats().threads, 0);
    apply_job("100ms", "/a", "");
    ck_assert_uint_ge(stats().threads, 1);
    nv_scrape_store_wait(store, "/a", 1);
    apply("");
    WAIT_UNTIL(nv_scrape_store_open(store) == 0);
    WAIT_UNTIL(stats().threads == 0);
}
END_TEST

START_TEST(a_target_is_asked_at_its_slots_over_one_connection)
{
    apply_job("200ms", "/a", "");
    start();
    nv_scrape_store_wait(store, "/a", 4);
    ck_assert_double_eq(nv_scrape_store_value(store, "/a", 0, "up"), 1);
    ck_assert_double_eq(nv_scrape_store_value(store, "/a", 0, "a"), 1);
    ck_assert_double_eq(nv_scrape_store_value(store, "/a", 0, "scrape_samples_scraped"), 2);
    ck_assert_uint_eq(nv_http_server_connections(server), 1);
    for (int i = 1; i < 4; i++) { /* a slot that was met late has its own time: none comes twice */
        ck_assert_int_gt(nv_scrape_store_time(store, "/a", i),
                         nv_scrape_store_time(store, "/a", i - 1));
        ck_assert_uint_eq(nv_scrape_store_source(store, "/a", i),
                          nv_scrape_store_source(store, "/a", 0));
    }
    ck_assert(lists("/a up\n"));
}
END_TEST

START_TEST(a_target_that_fails_is_down_and_its_series_are_stale)
{
    apply_job("100ms", "/broken /a", "");
    start();
    nv_scrape_store_wait(store, "/broken", 2);
    nv_scrape_store_wait(store, "/a", 2);
    ck_assert_double_eq(nv_scrape_store_value(store, "/broken", -1, "up"), 0);
    ck_assert(isnan(nv_scrape_store_value(store, "/broken", -1, "a")));
    ck_assert(lists("/broken down: server returned HTTP status 500 Internal Server Error; it says: "
                    "out of order\n/a up\n"));
}
END_TEST

START_TEST(a_target_that_leaves_is_stale_and_gives_its_source_back)
{
    apply_job("100ms", "/a /b", "");
    start();
    nv_scrape_store_wait(store, "/a", 2);
    nv_scrape_store_wait(store, "/b", 2);
    apply_job("100ms", "/b", "");
    WAIT_UNTIL(nv_scrape_store_open(store) == 1);
    ck_assert_uint_eq(nv_scrape_store_present(store, "/a", -1), 0);
    ck_assert(lists("/b up\n"));

    size_t n = nv_scrape_store_count(store, "/b");
    nv_scrape_store_wait(store, "/b", n + 2);
    for (int i = 0; i < (int)n + 2; i++)
        ck_assert_double_eq(nv_scrape_store_value(store, "/b", i, "up"), 1);
}
END_TEST

START_TEST(a_target_whose_job_changes_goes_on)
{
    apply_job("100ms", "/a", "");
    start();
    nv_scrape_store_wait(store, "/a", 2);
    apply_job("150ms", "/a", "  honor_labels: true\n  sample_limit: 1\n");
    WAIT_UNTIL(lists("/a down: sample limit exceeded\n") || stats().exceeded_samples);
    size_t n = nv_scrape_store_count(store, "/a");
    apply_job("100ms", "/a", "  metrics_path: /unused\n");
    nv_scrape_store_wait(store, "/a", n + 2);
    ck_assert_double_eq(nv_scrape_store_value(store, "/a", -1, "up"), 1);
    ck_assert_uint_eq(nv_scrape_store_source(store, "/a", -1),
                      nv_scrape_store_source(store, "/a", 0));
    for (int i = 0; i < (int)n; i++)
        ck_assert_uint_gt(nv_scrape_store_present(store, "/a", i), 0);
}
END_TEST

START_TEST(a_target_that_comes_back_at_once_is_asked_again)
{
    start();
    for (int i = 0; i < 20; i++) {
        apply_job("100ms", "/a /b", "");
        if (i % 4 == 0)
            nv_scrape_store_wait(store, "/a", nv_scrape_store_count(store, "/a") + 1);
        apply_job("100ms", "/b", "");
    }
    apply_job("100ms", "/a /b", "");
    nv_scrape_store_wait(store, "/a", nv_scrape_store_count(store, "/a") + 3);
    ck_assert_double_eq(nv_scrape_store_value(store, "/a", -1, "up"), 1);
    ck_assert_uint_eq(nv_scrape_store_open(store), 2);
}
END_TEST

START_TEST(dropped_and_doubled_targets_are_no_targets)
{
    NV_AUTO_BUF yaml = NV_BUF(TEXT);

    write_job(&yaml, "100ms", "/a /a /b /c /d", "");
    struct nv_str text = nv_buf_view(&yaml);
    NV_AUTO_BUF other = NV_BUF(TEXT);
    size_t at = (size_t)(strstr(nv_buf_c_string(&yaml), "  static_configs") - text.p);
    nv_buf_add(&other, text.p, at);
    nv_buf_text(&other, "  - {source_labels: [instance], regex: /a|/d, action: keep}\n"
                        "  keep_dropped_targets: 1\n");
    nv_buf_str(&other, nv_str_from(text, at));
    apply(nv_buf_c_string(&other));
    ck_assert(lists("/a unknown\n/d unknown\ndropped /b\n"));
}
END_TEST

START_TEST(more_targets_than_the_limit_are_all_down)
{
    apply_job("100ms", "/a /b /c", "  target_limit: 2\n");
    start();
    nv_scrape_store_wait(store, "/a", 1);
    nv_scrape_store_wait(store, "/b", 1);
    nv_scrape_store_wait(store, "/c", 1);
    ck_assert_double_eq(nv_scrape_store_value(store, "/b", 0, "up"), 0);
    WAIT_UNTIL(lists("/a down: target_limit exceeded (number of targets: 3, limit: 2)\n"
                     "/b down: target_limit exceeded (number of targets: 3, limit: 2)\n"
                     "/c down: target_limit exceeded (number of targets: 3, limit: 2)\n"));
    ck_assert_uint_eq(nv_http_server_connections(server), 0);
    ck_assert_uint_eq(stats().exceeded_targets, 1);
}
END_TEST

/* A port that takes connections and never says a word. */
static int listen_silently(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, 4096), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* More than there are threads. */
START_TEST(however_many_hang_the_others_are_asked)
{
    enum { HANGING = 150, ROUNDS = 15 };
    NV_AUTO_BUF yaml = NV_BUF(TEXT);
    unsigned port;
    int fd = listen_silently(&port);

    write_job(&yaml, "200ms", "/a", "");
    nv_buf_text(&yaml, "- job_name: hanging\n  scrape_interval: 1s\n  static_configs:\n");
    for (int i = 0; i < HANGING; i++)
        nv_buf_printf(&yaml, "  - {targets: ['127.0.0.1:%u'], labels: {instance: h%d}}\n", port, i);
    apply(nv_buf_c_string(&yaml));
    start();
    WAIT_UNTIL(stats().failed >= HANGING);
    size_t n = nv_scrape_store_count(store, "/a");
    uint64_t failed = stats().failed;
    nv_scrape_store_wait(store, "/a", n + ROUNDS);
    /* With the few threads they may have, hardly more hanging ones can have ended in that time. */
    ck_assert_uint_gt(stats().failed, failed);
    ck_assert_uint_le(stats().threads, NV_SCRAPE_THREADS_MAX);
    ck_assert_double_eq(nv_scrape_store_value(store, "/a", -1, "up"), 1);
    ck_assert_double_eq(nv_scrape_store_value(store, "h7", -1, "up"), 0);
    close(fd);
}
END_TEST

START_TEST(stopping_waits_for_nobody_and_makes_nothing_stale)
{
    apply_job("100ms", "/a", "");
    start();
    nv_scrape_store_wait(store, "/a", 1);
    apply_job("50s", "/stall", "  scrape_timeout: 50s\n");
    apply_job("100ms", "/a /stall", "  scrape_timeout: 100ms\n");
    nv_scrape_store_wait(store, "/a", nv_scrape_store_count(store, "/a") + 1);
    int64_t begun_ns = nv_monotonic_ns();
    nv_scrape_stop(scrape);
    ck_assert_int_lt((nv_monotonic_ns() - begun_ns) / 1000000, 30000);
    ck_assert_uint_gt(nv_scrape_store_present(store, "/a", -1), 0);
    ck_assert_uint_gt(nv_scrape_store_open(store), 0);
    ck_assert_uint_eq(stats().threads, 0);
}
END_TEST

/* As many as there may be, at a port where nobody is. */
static void apply_many(const char *name, int n)
{
    NV_AUTO_BUF yaml = NV_BUF(1 << 20);

    nv_buf_text(&yaml,
                "scrape_configs:\n- job_name: j\n  scrape_interval: 1s\n  static_configs:\n");
    for (int i = 0; i < n; i++)
        nv_buf_printf(&yaml, "  - {targets: ['127.0.0.1:1'], labels: {instance: %s%d}}\n", name, i);
    apply(nv_buf_c_string(&yaml));
}

static int add_left_out(void *to, const struct nv_scrape_pool_stats *pool)
{
    *(uint64_t *)to += pool->left_out;
    return 0;
}

START_TEST(all_targets_there_may_be_are_replaced_by_as_many)
{
    uint64_t left_out = 0;

    apply_many("old", NV_SCRAPE_TARGETS_MAX);
    start();
    WAIT_UNTIL(nv_scrape_store_open(store) == NV_SCRAPE_TARGETS_MAX);
    apply_many("new", NV_SCRAPE_TARGETS_MAX + 3);
    nv_scrape_store_wait(store, "new0", 2);
    WAIT_UNTIL(nv_scrape_store_open(store) == NV_SCRAPE_TARGETS_MAX);
    ck_assert_uint_eq(nv_scrape_store_present(store, "old0", -1), 0);
    ck_assert_int_eq(nv_scrape_pools(scrape, add_left_out, &left_out), 0);
    ck_assert_uint_eq(left_out, 3);
}
END_TEST

/* ---- found in files, and elsewhere ---------------------------------------------------------- */

static void write_groups(const char *name, const char *paths)
{
    NV_AUTO_BUF text = NV_BUF(TEXT);
    struct nv_str rest = nv_str(paths);

    nv_buf_text(&text, "[");
    for (bool first = true; rest.n; first = false) {
        struct nv_str path = nv_str_cut(&rest, ' ');
        nv_buf_printf(&text,
                      "%s{\"targets\": [\"127.0.0.1:%u\"], \"labels\": {\"__metrics_path__\": "
                      "\"%.*s\", \"instance\": \"%.*s\"}}",
                      first ? "" : ",", nv_http_server_port(server), NV_ARGS(path), NV_ARGS(path));
    }
    nv_buf_text(&text, "]");
    write_file(name, nv_buf_c_string(&text));
}

START_TEST(files_are_read_again_when_they_change)
{
    static const char yaml[] = "scrape_configs:\n- job_name: f\n  scrape_interval: 100ms\n"
                               "  file_sd_configs: [{files: ['t*.json'], refresh_interval: 1s}]\n";

    write_groups("t1.json", "/a /b");
    apply(yaml);
    start();
    WAIT_UNTIL(lists("/a up\n/b up\n"));
    write_groups("t1.json", "/b");
    write_groups("t2.json", "/c");
    WAIT_UNTIL(lists("/b up\n/c up\n"));
    ck_assert_uint_eq(nv_scrape_store_present(store, "/a", -1), 0);
    write_file("t2.json", "[{");
    WAIT_UNTIL(stats().file_sd_errors > 0);
    ck_assert(lists("/b up\n/c up\n")); /* what was good stays */

    size_t n = nv_scrape_store_count(store, "/b");
    apply(yaml); /* a reload with a bad file there: likewise */
    nv_scrape_store_wait(store, "/b", n + 2);
    ck_assert(lists("/b up\n/c up\n"));
    ck_assert_uint_gt(nv_scrape_store_present(store, "/b", -1), 0);
}
END_TEST

/* What is found elsewhere: the paths as of now. */
struct elsewhere {
    pthread_mutex_t lock;
    struct nv_config *config;
    const char *paths;
    uint64_t version, asked;
    int error;
};

static int discover(void *user, struct nv_arena *memory, uint64_t *version,
                    const struct nv_scrape_job **ret, size_t *ret_n)
{
    struct elsewhere *elsewhere = user;
    struct nv_scrape_job *job = nv_arena_alloc(memory, sizeof(*job));
    struct nv_target_group *groups = nv_arena_alloc(memory, 8 * sizeof(*groups));
    struct nv_str *address = nv_arena_alloc(memory, sizeof(*address));
    char text[32];

    pthread_mutex_lock(&elsewhere->lock);
    struct nv_str rest = nv_str(elsewhere->paths);
    *version = elsewhere->version;
    elsewhere->asked++;
    int r = elsewhere->error;
    pthread_mutex_unlock(&elsewhere->lock);
    snprintf(text, sizeof(text), "127.0.0.1:%u", nv_http_server_port(server));
    *address = nv_arena_str(memory, nv_str(text));
    *job = (struct nv_scrape_job){
        &elsewhere->config->scrapes[0], {groups, 0}
    };
    while (rest.n) {
        struct nv_label *labels = nv_arena_alloc(memory, 2 * sizeof(*labels));
        struct nv_str path = nv_str_cut(&rest, ' ');
        labels[0] = (struct nv_label){NV_LIT("__meta_pod"), path};
        labels[1] = (struct nv_label){NV_LIT("__metrics_path__"), path};
        groups[job->groups.n++] = (struct nv_target_group){address, 1, labels, 2};
    }
    *ret = job;
    *ret_n = 1;
    return r;
}

static uint64_t times_asked(struct elsewhere *elsewhere)
{
    pthread_mutex_lock(&elsewhere->lock);
    uint64_t n = elsewhere->asked;
    pthread_mutex_unlock(&elsewhere->lock);
    return n;
}

START_TEST(what_is_found_elsewhere_is_asked_beside_the_configuration)
{
    static const char yaml[] = "scrape_configs:\n- job_name: pods\n  scrape_interval: 100ms\n"
                               "  relabel_configs: [{source_labels: [__meta_pod], target_label: "
                               "instance}]\n";
    struct elsewhere elsewhere = {.lock = PTHREAD_MUTEX_INITIALIZER, .paths = "/x /y"};
    char error[NV_YAML_ERROR_MAX];

    ck_assert_int_eq(nv_config_parse(NULL, nv_str(yaml), &elsewhere.config, error), 0);
    nv_scrape_free(scrape);
    scrape = nv_scrape_new(&(struct nv_scrape_options){.storage = nv_scrape_store_storage(store),
                                                       .discover = discover,
                                                       .discover_user = &elsewhere});
    start();
    WAIT_UNTIL(lists("/x up\n/y up\n"));
    apply_job("100ms", "/a", "");
    WAIT_UNTIL(lists("/x up\n/y up\n/a up\n"));

    pthread_mutex_lock(&elsewhere.lock);
    elsewhere.paths = "/y";
    elsewhere.version++;
    uint64_t asked = elsewhere.asked;
    pthread_mutex_unlock(&elsewhere.lock);
    nv_scrape_look(scrape);
    WAIT_UNTIL(lists("/a up\n/y up\n"));
    ck_assert_uint_gt(times_asked(&elsewhere), asked);
    WAIT_UNTIL(nv_scrape_store_present(store, "/x", -1) == 0); /* what ends it comes behind */

    pthread_mutex_lock(&elsewhere.lock);
    elsewhere.paths = "/z";
    elsewhere.version++;
    elsewhere.error = -EIO;
    asked = elsewhere.asked;
    pthread_mutex_unlock(&elsewhere.lock);
    nv_scrape_look(scrape);
    WAIT_UNTIL(times_asked(&elsewhere) > asked);
    ck_assert(lists("/a up\n/y up\n"));
    nv_scrape_stop(scrape);
    nv_scrape_free(nv_take(scrape));
    nv_config_unref(elsewhere.config);
}
END_TEST

static int count_frames(void *to, struct nv_str job, struct nv_frame *frame)
{
    ck_assert(nv_str_is(job, "j"));
    ck_assert_uint_gt(frame->n_series, 0);
    ++*(size_t *)to;
    return 0;
}

START_TEST(exposed_targets_show_their_last_frames)
{
    size_t n = 0;

    apply_job("100ms", "/a /broken", "  expose: true\n");
    start();
    nv_scrape_store_wait(store, "/a", 2);
    nv_scrape_store_wait(store, "/broken", 2);
    ck_assert_int_eq(nv_scrape_exposed(scrape, nv_str(""), count_frames, &n), 0);
    ck_assert_uint_ge(n, 1);
    n = 0;
    ck_assert_int_eq(nv_scrape_exposed(scrape, nv_str("other"), count_frames, &n), 0);
    ck_assert_uint_eq(n, 0);
    apply_job("100ms", "/a", "");
    nv_scrape_store_wait(store, "/a", nv_scrape_store_count(store, "/a") + 2);
    ck_assert_int_eq(nv_scrape_exposed(scrape, nv_str("j"), count_frames, &n), 0);
    ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scrape");
    TCase *tests = tcase_create("scrape");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tests, begin, end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, without_targets_there_is_no_thread);
    tcase_add_test(tests, a_target_is_asked_at_its_slots_over_one_connection);
    tcase_add_test(tests, a_target_that_fails_is_down_and_its_series_are_stale);
    tcase_add_test(tests, a_target_that_leaves_is_stale_and_gives_its_source_back);
    tcase_add_test(tests, a_target_whose_job_changes_goes_on);
    tcase_add_test(tests, a_target_that_comes_back_at_once_is_asked_again);
    tcase_add_test(tests, dropped_and_doubled_targets_are_no_targets);
    tcase_add_test(tests, more_targets_than_the_limit_are_all_down);
    tcase_add_test(tests, however_many_hang_the_others_are_asked);
    tcase_add_test(tests, all_targets_there_may_be_are_replaced_by_as_many);
    tcase_add_test(tests, stopping_waits_for_nobody_and_makes_nothing_stale);
    tcase_add_test(tests, files_are_read_again_when_they_change);
    tcase_add_test(tests, what_is_found_elsewhere_is_asked_beside_the_configuration);
    tcase_add_test(tests, exposed_targets_show_their_last_frames);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
