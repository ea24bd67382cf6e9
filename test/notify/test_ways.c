/*
 * test_ways.c - webhook, command, mail and journal against receivers of our own.
 */
#include "notify/ways.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <nodevitals/json.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "support/fixture.h"

#define NOW INT64_C(1767323045000)

static struct nv_ways *ways;
static char error[NV_DISPATCH_ERROR_MAX], path[300];

static const struct nv_label labels[] = {
    {NV_LIT("alertname"), NV_LIT("Disk \"sda\"")},
    {NV_LIT("severity"),  NV_LIT("page")        }
};
static const struct nv_label annotations[] = {
    {NV_LIT("summary"), NV_LIT("f\xc3\xbcll\nsoon")}
};
static struct nv_alert *alerts[2];
static struct nv_notify_receiver receiver = {.name = "ops"};
static struct nv_notification said;

static void begin(void)
{
    for (size_t i = 0; i < 2; i++) {
        alerts[i] = nv_alert_new(&(struct nv_alert){.labels = labels,
                                                    .n_labels = 2 - i,
                                                    .annotations = annotations,
                                                    .n_annotations = 1,
                                                    .starts_ms = NOW - 60000,
                                                    .ends_ms = NOW,
                                                    .resolved = i == 1,
                                                    .generator_url = NV_LIT("http://n/graph?a&b")});
        ck_assert_ptr_nonnull(alerts[i]);
    }
    said = (struct nv_notification){.receiver = &receiver,
                                    .group_key = "{}:{}",
                                    .alerts = alerts,
                                    .n = 2,
                                    .n_firing = 1,
                                    .group_labels = labels,
                                    .n_group_labels = 1,
                                    .common_labels = labels,
                                    .n_common_labels = 1,
                                    .common_annotations = annotations,
                                    .n_common_annotations = 1,
                                    .now_ms = NOW};
    ways = nv_ways_new("http://node:9100");
    snprintf(path, sizeof(path), "%s/out", nv_temp_dir());
}

static void end(void)
{
    nv_ways_free(ways);
    nv_alert_unref(alerts[0]);
    nv_alert_unref(alerts[1]);
}

/* ---- texts ---------------------------------------------------------------------------------- */

START_TEST(the_json_is_alertmanagers)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);
    char expected[4096];

    nv_notification_write(&out, &said, "http://node:9100", 0);
    snprintf(expected, sizeof(expected),
             "{\"receiver\":\"ops\",\"status\":\"firing\",\"alerts\":["
             "{\"status\":\"firing\",\"labels\":{\"alertname\":\"Disk "
             "\\\"sda\\\"\",\"severity\":\"page\"},"
             "\"annotations\":{\"summary\":\"f\xc3\xbcll\\nsoon\"},\"startsAt\":\"2026-01-02T03:03:"
             "05.000Z\","
             "\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":\"http://n/"
             "graph?a&b\",\"fingerprint\":\"%016llx\"},"
             "{\"status\":\"resolved\",\"labels\":{\"alertname\":\"Disk \\\"sda\\\"\"},"
             "\"annotations\":{\"summary\":\"f\xc3\xbcll\\nsoon\"},\"startsAt\":\"2026-01-02T03:03:"
             "05.000Z\","
             "\"endsAt\":\"2026-01-02T03:04:05.000Z\",\"generatorURL\":\"http://n/"
             "graph?a&b\",\"fingerprint\":\"%016llx\"}],"
             "\"groupLabels\":{\"alertname\":\"Disk "
             "\\\"sda\\\"\"},\"commonLabels\":{\"alertname\":\"Disk \\\"sda\\\"\"},"
             "\"commonAnnotations\":{\"summary\":\"f\xc3\xbcll\\nsoon\"},\"externalURL\":\"http://"
             "node:9100\","
             "\"version\":\"4\",\"groupKey\":\"{}:{}\",\"truncatedAlerts\":0}",
             (unsigned long long)alerts[0]->fingerprint,
             (unsigned long long)alerts[1]->fingerprint);
    ck_assert_str_eq(nv_buf_c_string(&out), expected);
}
END_TEST

START_TEST(alerts_past_the_maximum_are_counted)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    nv_notification_write(&out, &said, "", 1);
    ck_assert_ptr_nonnull(strstr(nv_buf_c_string(&out), "\"truncatedAlerts\":1}"));
    ck_assert_ptr_null(strstr(nv_buf_c_string(&out), "\"status\":\"resolved\""));
}
END_TEST

START_TEST(the_usual_subject_and_text_tell_what_matters)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    ck_assert_int_eq(nv_notification_subject(&said, "http://node:9100", NULL, &out, error), 0);
    ck_assert_str_eq(nv_buf_c_string(&out), "[FIRING:1] Disk \"sda\"");
    nv_buf_reset(&out);
    ck_assert_int_eq(nv_notification_text(&said, "http://node:9100", NULL, &out, error), 0);
    ck_assert_str_eq(
        nv_buf_c_string(&out),
        "FIRING Disk \"sda\" since 2026-01-02T03:03:05.000Z\n"
        "  summary: f\xc3\xbcll\nsoon\n"
        "  alertname = Disk \"sda\"\n  severity = page\n  http://n/graph?a&b\n\n"
        "RESOLVED Disk \"sda\" since 2026-01-02T03:03:05.000Z until 2026-01-02T03:04:05.000Z\n"
        "  summary: f\xc3\xbcll\nsoon\n"
        "  alertname = Disk \"sda\"\n  http://n/graph?a&b\n\n"
        "Sent by http://node:9100\n");
}
END_TEST

START_TEST(a_bad_template_says_where)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    ck_assert_int_lt(nv_notification_text(&said, "", "{{ .Nope }}", &out, error), 0);
    ck_assert_msg(strstr(error, "Nope") != NULL, "%s", error);
    ck_assert_int_lt(nv_notification_text(&said, "", "{{ if }}", &out, error), 0);
}
END_TEST

/* ---- command -------------------------------------------------------------------------------- */

static int run_command(const char *script, int64_t timeout_ms)
{
    const char *const words[] = {"/bin/sh", "-c", script};
    const struct nv_config_pair environment[] = {
        {"OUT", path}
    };
    const struct nv_notify_command command = {
        .command = {words,       3},
          .timeout_ms = timeout_ms, .environment = {environment, 1}
    };

    return nv_way_command(ways, &command, NV_LIT("{\"some\":\"json\"}"), error);
}

static const char *output(void)
{
    static char text[4096];
    NV_AUTO_FD fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    text[n < 0 ? 0 : n] = '\0';
    return text;
}

START_TEST(a_command_gets_the_json_and_a_bare_environment)
{
    ck_assert_int_eq(setenv("NV_SECRET", "x", 1), 0);
    ck_assert_msg(
        run_command("cat > $OUT; /usr/bin/env | /bin/grep -c SECRET >> $OUT; true", 20000) == 0,
        "%s", error);
    ck_assert_str_eq(output(), "{\"some\":\"json\"}0\n");
}
END_TEST

START_TEST(a_command_that_fails_says_how)
{
    ck_assert_int_lt(run_command("exit 7", 20000), 0);
    ck_assert_str_eq(error, "/bin/sh ended with status 7");
    ck_assert_int_lt(run_command("kill -TERM $$", 20000), 0);
    ck_assert_str_eq(error, "/bin/sh was ended by signal 15");
    const char *const words[] = {"/nowhere/command"};
    const struct nv_notify_command command = {
        .command = {words, 1},
          .timeout_ms = 1000
    };
    ck_assert_int_eq(nv_way_command(ways, &command, NV_LIT("{}"), error), -ENOENT);
    ck_assert_str_eq(error, "cannot run /nowhere/command: No such file or directory");
}
END_TEST

/* It reads nothing, ignores what asks it to go, and has a child that would outlive it. */
START_TEST(a_command_that_hangs_is_ended_with_its_children)
{
    int64_t before_ns = nv_monotonic_ns();

    ck_assert_int_eq(
        run_command("trap '' TERM; sleep 1000 & echo $! > $OUT; wait; sleep 1000", 300),
        -ETIMEDOUT);
    ck_assert_int_lt((nv_monotonic_ns() - before_ns) / 1000000, 30000);
    ck_assert_ptr_nonnull(strstr(error, "killed, it took too long"));
    pid_t child = (pid_t)strtol(output(), NULL, 10);
    ck_assert_int_gt(child, 1);
    bool gone = false;
    for (int i = 0; i < 3000 && !gone; i++) {
        gone = kill(child, 0) < 0 && errno == ESRCH;
        usleep(10000);
        char text[64], state = 'Z';
        snprintf(text, sizeof(text), "/proc/%d/stat", child);
        FILE *f = fopen(text, "re"); /* a zombie nobody waits for is gone too */
        if (f) {
            char line[256] = "";
            const char *close_ = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
            state = close_ ? close_[2] : 'Z';
            fclose(f);
        }
        gone |= state == 'Z';
    }
    ck_assert(gone);
}
END_TEST

static void *stop_soon(void *arg)
{
    (void)arg;
    usleep(200000);
    nv_ways_stop(ways);
    return NULL;
}

START_TEST(a_stop_ends_what_is_under_way)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, NULL), 0);
    ck_assert_int_eq(run_command("sleep 1000", 600000), -ECANCELED);
    pthread_join(thread, NULL);
    ck_assert_int_eq(run_command("true", 1000), -ECANCELED);
}
END_TEST

/* ---- journal -------------------------------------------------------------------------------- */

START_TEST(the_journal_gets_an_entry_for_each_alert)
{
    const struct nv_notify_journal journal = {.identifier = "nodevitals-alert"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[4096];

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/journal", nv_temp_dir());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_msg(nv_way_journal(&journal, &said, address.sun_path, error) == 0, "%s", error);
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    /* The message has a newline: its name, a newline, its length, its text. */
    static const char first[] =
        "MESSAGE\n\x1d\0\0\0\0\0\0\0FIRING Disk \"sda\": f\xc3\xbcll\nsoon\n"
        "PRIORITY=3\nSYSLOG_IDENTIFIER=nodevitals-alert\nALERT_STATUS=firing\n"
        "ALERT_NAME=Disk \"sda\"\n";
    ck_assert_int_eq(memcmp(text, first, sizeof(first) - 1), 0);
    n = recv(fd, text, sizeof(text) - 1, 0);
    ck_assert_int_gt(n, 0);
    ck_assert_ptr_nonnull(memmem(text, (size_t)n, "ALERT_STATUS=resolved\n", 22));
    ck_assert_ptr_nonnull(memmem(text, (size_t)n, "PRIORITY=5\n", 11));
    ck_assert_ptr_nonnull(memmem(text, (size_t)n, "\nALERT_LABEL_ALERTNAME=Disk \"sda\"\n", 34));
    close(fd);
    ck_assert_int_lt(nv_way_journal(&journal, &said, "/nowhere/socket", error), 0);
    ck_assert_ptr_nonnull(strstr(error, "the journal does not take it"));
}
END_TEST

/* Else the ones before it would be entered again with every try. */
START_TEST(an_entry_too_large_for_the_journal_keeps_what_matters)
{
    enum { SIZE = 300000 };
    const struct nv_notify_journal journal = {.identifier = "x"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    NV_AUTO_FREE char *large = malloc(SIZE);
    NV_AUTO_FREE char *text = malloc(SIZE);

    ck_assert(large && text);
    memset(large, 'a', SIZE);
    const struct nv_label name =
                              {
                                  NV_LIT("alertname"), NV_LIT("Big")
    },
                          summary = {NV_LIT("summary"), {large, SIZE}};
    NV_AUTO(nv_alert) *alert = nv_alert_new(&(struct nv_alert){
        .labels = &name, .n_labels = 1, .annotations = &summary, .n_annotations = 1});
    const struct nv_notification big = {.alerts = &alert, .n = 1, .n_firing = 1};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/journal2", nv_temp_dir());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_msg(nv_way_journal(&journal, &big, address.sun_path, error) == 0, "%s", error);
    ssize_t n = recv(fd, text, SIZE, 0);
    close(fd);
    ck_assert_int_gt(n, 100);
    ck_assert_int_eq(memcmp(text, "MESSAGE=FIRING Big: aaa", 23), 0);
    ck_assert_ptr_nonnull(memmem(text, (size_t)n, "\nALERT_NAME=Big\n", 16));
    ck_assert_ptr_nonnull(memmem(text, (size_t)n, "\nALERT_LABEL_ALERTNAME=Big\n", 27));
}
END_TEST

/* ---- what talks over the network ------------------------------------------------------------ */

static int listener, port;
static char received[1 << 16];
static const char *reply;

static void listen_here(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(address);

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &n), 0);
    port = ntohs(address.sin_port);
    received[0] = '\0';
}

/* Reads until the JSON's end, then answers. */
static void *serve_http(void *arg)
{
    int fd = accept(listener, NULL, NULL);
    size_t n = 0;

    (void)arg;
    while (n < sizeof(received) - 1 && !strstr(received, "truncatedAlerts\":0}")) {
        ssize_t got = recv(fd, received + n, sizeof(received) - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        received[n] = '\0';
    }
    (void)!send(fd, reply, strlen(reply), MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static int call_webhook(const char *with)
{
    char url[64];
    pthread_t thread;

    listen_here();
    reply = with;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/hook", port);
    const struct nv_notify_webhook webhook = {
        .url = url, .timeout_ms = 20000, .http = NV_HTTP_CONFIG_DEFAULT};
    receiver.webhooks = &webhook;
    receiver.n_webhooks = 1;
    said.way = NV_WAY_WEBHOOK;
    said.index = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_http, NULL), 0);
    int r = nv_ways_send(ways, &said, error);
    pthread_join(thread, NULL);
    close(listener);
    return r;
}

START_TEST(a_webhook_is_posted_to)
{
    ck_assert_msg(call_webhook("HTTP/1.1 204 No Content\r\n\r\n") == 0, "%s", error);
    ck_assert_ptr_nonnull(strstr(received, "POST /hook HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strstr(received, "Content-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(received, "{\"receiver\":\"ops\""));
}
END_TEST

START_TEST(what_a_webhook_answers_decides)
{
    ck_assert_int_eq(call_webhook("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
                     -EINVAL);
    ck_assert_int_eq(call_webhook("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), -EREMOTEIO);
    ck_assert_str_eq(error, "the webhook answers with status 503");
    ck_assert_int_eq(call_webhook("HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"), -EREMOTEIO);
    ck_assert_int_lt(call_webhook(""), 0); /* closed in mid-request */
}
END_TEST

/* An SMTP server that takes everything. */
static void *serve_smtp(void *arg)
{
    int fd = accept(listener, NULL, NULL);
    size_t n = 0, line = 0;
    bool data = false;

    (void)arg;
    (void)!send(fd, "220 here\r\n", 10, MSG_NOSIGNAL);
    while (n < sizeof(received) - 1) {
        ssize_t got = recv(fd, received + n, sizeof(received) - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        received[n] = '\0';
        for (char *end_; (end_ = strstr(received + line, "\r\n"));
             line = (size_t)(end_ + 2 - received)) {
            const char *at = received + line, *say = "250 ok\r\n";
            if (data && strncmp(at, ".\r\n", 3) != 0)
                continue;
            data = false;
            if (strncmp(at, "DATA", 4) == 0) {
                data = true;
                say = "354 go on\r\n";
            } else if (strncmp(at, "QUIT", 4) == 0) {
                say = "221 bye\r\n";
            }
            (void)!send(fd, say, strlen(say), MSG_NOSIGNAL);
        }
    }
    close(fd);
    return NULL;
}

START_TEST(a_mail_is_one_that_can_be_read)
{
    static const struct nv_config_pair headers[] = {
        {"Subject", "\xc3\x9c {{ .Status }}\r\nBcc: x@y"},
        {"X-Group", "{{ .GroupLabels.alertname }}"      }
    };
    char host[64];
    pthread_t thread;

    listen_here();
    snprintf(host, sizeof(host), "127.0.0.1:%d", port);
    const struct nv_notify_email email = {
        .to = "Ops <ops@example.org>, second@example.org",
        .from = "Node <node@example.org>",
        .smarthost = host,
        .text = "{{ range .Firing }}{{ .Labels.alertname }}{{ end }}",
        .headers = {headers, 2}
    };
    receiver.emails = &email;
    receiver.n_emails = 1;
    said.way = NV_WAY_EMAIL;
    said.index = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_smtp, NULL), 0);
    ck_assert_msg(nv_ways_send(ways, &said, error) == 0, "%s", error);
    pthread_join(thread, NULL);
    close(listener);
    ck_assert_ptr_nonnull(strstr(received, "MAIL FROM:<node@example.org>"));
    ck_assert_ptr_nonnull(strstr(received, "RCPT TO:<ops@example.org>"));
    ck_assert_ptr_nonnull(strstr(received, "RCPT TO:<second@example.org>"));
    ck_assert_ptr_nonnull(strstr(received, "\r\nSubject: =?UTF-8?B?"));
    ck_assert_ptr_null(strstr(received, "\r\nBcc"));
    ck_assert_ptr_nonnull(strstr(received, "\r\nX-Group: Disk \"sda\"\r\n"));
    ck_assert_ptr_nonnull(strstr(received, "\r\nFrom: Node <node@example.org>\r\n"));
    ck_assert_ptr_nonnull(strstr(received, "@example.org>\r\nMIME-Version"));
    ck_assert_ptr_nonnull(strstr(received, "\r\n\r\nRGlzayAic2RhIg==\r\n"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify/ways");
    TCase *all = tcase_create("all");

    suite_add_tcase(suite, all);
    tcase_add_checked_fixture(all, begin, end);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, the_json_is_alertmanagers);
    tcase_add_test(all, alerts_past_the_maximum_are_counted);
    tcase_add_test(all, the_usual_subject_and_text_tell_what_matters);
    tcase_add_test(all, a_bad_template_says_where);
    tcase_add_test(all, a_command_gets_the_json_and_a_bare_environment);
    tcase_add_test(all, a_command_that_fails_says_how);
    tcase_add_test(all, a_command_that_hangs_is_ended_with_its_children);
    tcase_add_test(all, a_stop_ends_what_is_under_way);
    tcase_add_test(all, the_journal_gets_an_entry_for_each_alert);
    tcase_add_test(all, an_entry_too_large_for_the_journal_keeps_what_matters);
    tcase_add_test(all, a_webhook_is_posted_to);
    tcase_add_test(all, what_a_webhook_answers_decides);
    tcase_add_test(all, a_mail_is_one_that_can_be_read);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
