/*
 * test_access.c - passwords, the rate limit, a configuration that changes under the server; and what GnuTLS is told.
 */
#include <check.h>
#include <crypt.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "support/fixture.h"
#include "web/access.h"
#include "web/tls.h"

/* Of "secret", with the least cost there is. */
#define HASH "$2b$04$abcdefghijklmnopqrstuu"

static char path[512], error[NV_YAML_ERROR_MAX], hash[NV_BCRYPT_LENGTH + 1];
static struct nv_gate *gate;

static void write_config(const char *text)
{
    nv_write_file(nv_temp_dir(), "web.yml", text);
    snprintf(path, sizeof(path), "%s/web.yml", nv_temp_dir());
}

/* The same size at the same instant would be the same file: tests are faster than people. */
static void change_config(const char *text)
{
    static int64_t seconds = 1000000000;
    struct timeval times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};

    seconds++;
    write_config(text);
    ck_assert_int_eq(utimes(path, times), 0);
}

static void open_gate(const char *text)
{
    write_config(text);
    int r = nv_gate_new(path, &gate, error);
    ck_assert_msg(r == 0, "%s", error);
}

static void with_users(void)
{
    char text[256];

    snprintf(text, sizeof(text), "basic_auth_users: {alice: %s}\n", hash);
    open_gate(text);
}

static void begin(void)
{
    nv_log_setup(NV_ERROR + 1, NV_LOG_LOGFMT, 2); /* refusals are expected */
    gate = NULL;
}

static void end(void)
{
    nv_gate_free(gate);
}

/* ---- passwords ------------------------------------------------------------------------------ */

static const struct {
    const char *header, *user, *password; /* NULL: refused */
} headers[] = {
    {"Basic YWxpY2U6c2VjcmV0",  "alice", "secret"},
    {"basic YWxpY2U6c2VjcmV0",  "alice", "secret"},
    {"Basic YWxpY2U6",          "alice", ""      },
    {"Basic OnNlY3JldA==",      "",      "secret"},
    {"Basic YTpiOmM=",          "a",     "b:c"   },
    {"Basic YTpi",              "a",     "b"     },
    {"Basic YWxpY2U=",          NULL,    NULL    }, /* no colon */
    {"Basic YWxpY2U6c2VjcmV0=", NULL,    NULL    }, /* length */
    {"Basic YWxp*2U6c2VjcmV0",  NULL,    NULL    },
    {"Basic YW=pY2U6c2VjcmV0",  NULL,    NULL    },
    {"Basic YQBhOmI=",          NULL,    NULL    }, /* a NUL */
    {"Basic ",                  NULL,    NULL    },
    {"Basic",                   NULL,    NULL    },
    {"Bearer YWxpY2U6c2VjcmV0", NULL,    NULL    },
    {"",                        NULL,    NULL    },
    {"Basic ====",              NULL,    NULL    },
};

START_TEST(credentials_are_read)
{
    struct nv_credentials credentials;
    bool valid = nv_credentials_read(headers[_i].header, &credentials);

    ck_assert_int_eq(valid, headers[_i].user != NULL);
    if (valid) {
        ck_assert_str_eq(credentials.user, headers[_i].user);
        ck_assert_str_eq(credentials.password, headers[_i].password);
    }
}
END_TEST

START_TEST(long_credentials_are_cut_or_refused)
{
    struct nv_credentials credentials;
    static char text[9000] = "Basic YTpi"; /* "a:b", then "iii..." */

    memset(text + 10, 'a', 400);
    ck_assert_int_eq(nv_credentials_read(text, &credentials), (strlen(text) - 6) % 4 == 0);
    ck_assert_uint_eq(strlen(credentials.password), NV_PASSWORD_MAX);
    memset(text + 10, 'a', 8000);
    ck_assert(!nv_credentials_read(text, &credentials));
}
END_TEST

static int ask(const char *user, const char *password, bool *ret_ran)
{
    struct nv_credentials credentials = {0};
    struct nv_access *access = nv_gate_access(gate);

    snprintf(credentials.user, sizeof(credentials.user), "%s", user);
    snprintf(credentials.password, sizeof(credentials.password), "%s", password);
    ck_assert_ptr_nonnull(access);
    int verdict = nv_gate_recall(gate, access, &credentials);
    *ret_ran = verdict < 0;
    if (verdict < 0)
        verdict = nv_gate_verify(gate, access, &credentials);
    nv_access_unref(access);
    return verdict;
}

START_TEST(a_verdict_is_kept_and_belongs_to_all_three)
{
    bool ran;

    with_users();
    ck_assert_int_eq(ask("alice", "secret", &ran), 1);
    ck_assert(ran);
    ck_assert_int_eq(ask("alice", "secret", &ran), 1);
    ck_assert(!ran);
    ck_assert_int_eq(ask("alice", "wrong", &ran), 0);
    ck_assert(ran);
    ck_assert_int_eq(ask("alice", "wrong", &ran), 0);
    ck_assert(!ran);
    ck_assert_int_eq(ask("alice", "", &ran), 0);
    ck_assert(ran);
}
END_TEST

/* Else the time would tell which users there are; and knowing the password of one must not help. */
START_TEST(an_unknown_user_costs_one_run_and_is_refused)
{
    bool ran;

    with_users();
    ck_assert_int_eq(ask("mallory", "secret", &ran), 0);
    ck_assert(ran);
    ck_assert_int_eq(ask("mallory", "secret", &ran), 0);
    ck_assert(!ran);
    ck_assert_int_eq(ask("alice", "secret", &ran), 1);
}
END_TEST

START_TEST(guessing_does_not_push_out_who_knows)
{
    bool ran;
    char guess[16];

    with_users();
    ck_assert_int_eq(ask("alice", "secret", &ran), 1);
    for (int i = 0; i < 2 * NV_WEB_PASSWORD_CACHE; i++) {
        snprintf(guess, sizeof(guess), "guess%d", i);
        ck_assert_int_eq(ask("alice", guess, &ran), 0);
    }
    ck_assert_int_eq(ask("alice", "secret", &ran), 1);
    ck_assert(!ran);
    ck_assert_int_eq(ask("alice", "guess0", &ran), 0);
    ck_assert(ran);
}
END_TEST

START_TEST(a_new_password_ends_the_old_one)
{
    bool ran;

    with_users();
    ck_assert_int_eq(ask("alice", "secret", &ran), 1);
    change_config("basic_auth_users: {alice: "
                  "$2b$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234}\n");
    ck_assert_int_eq(ask("alice", "secret", &ran), 0);
    ck_assert(ran);
}
END_TEST

/* ---- rate ----------------------------------------------------------------------------------- */

START_TEST(a_burst_passes_then_one_per_interval)
{
    open_gate("rate_limit: {interval: 100ms, burst: 3}\n");
    for (int i = 0; i < 3; i++)
        ck_assert(nv_gate_take_token(gate));
    int64_t empty_ns = nv_monotonic_ns();
    bool allowed = nv_gate_take_token(gate);
    ck_assert(!allowed ||
              nv_monotonic_ns() - empty_ns > 90000000); /* a busy machine may stall us */
    while (!nv_gate_take_token(gate))
        usleep(1000);
    ck_assert_int_gt(nv_monotonic_ns() - empty_ns, 80000000);
}
END_TEST

START_TEST(without_an_interval_there_is_no_limit)
{
    open_gate("");
    for (int i = 0; i < 1000; i++)
        ck_assert(nv_gate_take_token(gate));
}
END_TEST

/* ---- changes -------------------------------------------------------------------------------- */

START_TEST(a_changed_file_is_read_and_a_broken_one_gives_nothing)
{
    open_gate("http_server_config: {headers: {X-Frame-Options: deny}}\n");
    struct nv_access *first = nv_gate_access(gate), *again = nv_gate_access(gate);
    ck_assert_ptr_eq(first, again);
    nv_access_unref(again);

    change_config("http_server_config: {headers: {X-Frame-Options: sameorigin}}\n");
    struct nv_access *second = nv_gate_access(gate);
    ck_assert_str_eq(second->config.headers[0].value, "sameorigin");
    ck_assert_str_eq(first->config.headers[0].value, "deny"); /* who has it keeps it */
    nv_access_unref(first);
    nv_access_unref(second);

    change_config("nonsense: 1\n");
    ck_assert_ptr_null(nv_gate_access(gate));
    ck_assert_ptr_null(nv_gate_access(gate));
    ck_assert_uint_eq(gate->errors, 1); /* read once, not with every request */
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_ptr_null(nv_gate_access(gate));
    change_config("");
    second = nv_gate_access(gate);
    ck_assert_ptr_nonnull(second);
    nv_access_unref(second);
}
END_TEST

/* ---- TLS ------------------------------------------------------------------------------------ */

static const struct {
    const char *text, *priority;
} priorities[] = {
    {"",                                                                           "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"},
    {"min_version: TLS10, max_version: TLS11, prefer_server_cipher_suites: false",
     "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0"                                                                                                 },
    {"cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA, TLS_AES_256_GCM_SHA384]",
     "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:-KX-ALL:-MAC-ALL:+RSA:+AES-128-CBC:"
     "+SHA1:+AES-256-GCM:+AEAD:%SERVER_PRECEDENCE"                                                                                                },
    {"min_version: TLS13, cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]",
     "NORMAL:-VERS-ALL:+VERS-TLS1.3:%SERVER_PRECEDENCE"                                                                                           },
    {"curve_preferences: [X25519, CurveP521]",
     "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP521R1:"
     "%SERVER_PRECEDENCE"                                                                                                                         },
};

START_TEST(names_of_go_become_a_priority_gnutls_knows)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_web_config config;
    char text[512], priority[NV_PRIORITY_MAX];
    gnutls_priority_t parsed;

    snprintf(text, sizeof(text), "tls_server_config: {%s}\n", priorities[_i].text);
    ck_assert_int_eq(nv_web_config_parse("f", nv_str(text), &memory, &config, error), 0);
    nv_tls_priority(&config.tls, priority);
    ck_assert_str_eq(priority, priorities[_i].priority);
    ck_assert_int_eq(gnutls_priority_init(&parsed, priority, NULL), 0);
    gnutls_priority_deinit(parsed);
    nv_arena_done(&memory);
}
END_TEST

START_TEST(a_certificate_that_cannot_be_read_is_told)
{
    write_config("tls_server_config: {cert_file: c.pem, key_file: k.pem}\n");
    ck_assert_int_eq(nv_gate_new(path, &gate, error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error, "/c.pem: No such file or directory"));
    write_config("tls_server_config: {cert: nonsense, key: nonsense}\n");
    ck_assert_int_eq(nv_gate_new(path, &gate, error), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(error, "certificate and key do not fit or cannot be read"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/access");
    TCase *all = tcase_create("all");
    struct crypt_data *data = calloc(1, sizeof(*data));
    const char *made = data ? crypt_rn("secret", HASH, data, sizeof(*data)) : NULL;

    if (!made || strlen(made) != NV_BCRYPT_LENGTH)
        return 1;
    snprintf(hash, sizeof(hash), "%s", made);
    free(data);
    tcase_add_checked_fixture(all, begin, end);
    tcase_add_loop_test(all, credentials_are_read, 0, NV_LEN(headers));
    tcase_add_test(all, long_credentials_are_cut_or_refused);
    tcase_add_test(all, a_verdict_is_kept_and_belongs_to_all_three);
    tcase_add_test(all, an_unknown_user_costs_one_run_and_is_refused);
    tcase_add_test(all, guessing_does_not_push_out_who_knows);
    tcase_add_test(all, a_new_password_ends_the_old_one);
    tcase_add_test(all, a_burst_passes_then_one_per_interval);
    tcase_add_test(all, without_an_interval_there_is_no_limit);
    tcase_add_test(all, a_changed_file_is_read_and_a_broken_one_gives_nothing);
    tcase_add_loop_test(all, names_of_go_become_a_priority_gnutls_knows, 0, NV_LEN(priorities));
    tcase_add_test(all, a_certificate_that_cannot_be_read_is_told);
    tcase_set_timeout(all, 120);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
