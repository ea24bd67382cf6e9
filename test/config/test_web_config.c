/*
 * test_web_config.c - the file of --web.config.file: what it may say, and how it is refused.
 */
#include <check.h>

#include "base/buf.h"
#include "config/web_config.h"
#include "support/fixture.h"

#define HASH "$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
#define TLS  "tls_server_config:\n  cert_file: c\n  key_file: k\n"

static struct nv_arena memory;
static struct nv_web_config config;
static char error[NV_YAML_ERROR_MAX];

static void begin(void)
{
    memory = NV_ARENA(16 << 20);
    error[0] = '\0';
}

static void end(void)
{
    nv_arena_done(&memory);
}

static int parse(const char *text)
{
    return nv_web_config_parse("/etc/nv/w.yml", nv_str(text), &memory, &config, error);
}

START_TEST(an_empty_file_is_plain_http_for_everybody)
{
    ck_assert_int_eq(parse(""), 0);
    ck_assert(!config.tls.present);
    ck_assert_uint_eq(config.n_users, 0);
    ck_assert_uint_eq(config.n_headers, 0);
    ck_assert_int_eq(config.rate_interval_ns, 0);
}
END_TEST

START_TEST(everything_can_be_said)
{
    ck_assert_int_eq(parse("tls_server_config:\n"
                           "  cert_file: tls/cert.pem\n"
                           "  key_file: /abs/key.pem\n"
                           "  client_ca_file: ca.pem\n"
                           "  client_auth_type: RequireAndVerifyClientCert\n"
                           "  client_allowed_sans: [a.example, 10.0.0.1]\n"
                           "  min_version: TLS11\n"
                           "  max_version: TLS12\n"
                           "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n"
                           "  curve_preferences: [X25519, CurveP256]\n"
                           "  prefer_server_cipher_suites: false\n"
                           "http_server_config:\n"
                           "  http2: false\n"
                           "  headers:\n"
                           "    X-Frame-Options: deny\n"
                           "    Strict-Transport-Security: max-age=31536000\n"
                           "    X-XSS-Protection:\n"
                           "rate_limit:\n"
                           "  interval: 1m30s\n"
                           "  burst: 20\n"
                           "basic_auth_users:\n"
                           "  zoe: " HASH "\n"
                           "  adam: '" HASH "'\n"),
                     0);
    const struct nv_web_tls *tls = &config.tls;
    ck_assert_str_eq(tls->cert_file, "/etc/nv/tls/cert.pem");
    ck_assert_str_eq(tls->key_file, "/abs/key.pem");
    ck_assert_str_eq(tls->client_ca_file, "/etc/nv/ca.pem");
    ck_assert_int_eq(tls->client_auth_type, NV_CLIENT_VERIFY);
    ck_assert_uint_eq(tls->client_allowed_sans.n, 2);
    ck_assert_str_eq(tls->client_allowed_sans.at[1], "10.0.0.1");
    ck_assert_int_eq(tls->min_version, NV_TLS11);
    ck_assert_int_eq(tls->max_version, NV_TLS12);
    ck_assert_uint_eq(tls->cipher_suites.n, 1);
    ck_assert_uint_eq(tls->curve_preferences.n, 2);
    ck_assert_str_eq(tls->curve_preferences.at[0]->priority, "+GROUP-X25519");
    ck_assert(!tls->prefer_server_cipher_suites);
    ck_assert(!config.http2 && config.http2_asked);
    ck_assert_uint_eq(config.n_headers, 2);
    ck_assert_str_eq(config.headers[0].value, "deny");
    ck_assert_int_eq(config.rate_interval_ns, INT64_C(90000000000));
    ck_assert_int_eq(config.rate_burst, 20);
    ck_assert_str_eq(nv_web_config_user(&config, NV_LIT("adam"))->hash, HASH);
    ck_assert_str_eq(nv_web_config_user(&config, NV_LIT("zoe"))->hash, HASH);
    ck_assert_ptr_null(nv_web_config_user(&config, NV_LIT("eve")));
    ck_assert_ptr_null(nv_web_config_user(&config, NV_LIT("")));
}
END_TEST

static const char *const accepted[] = {
    TLS,
    "tls_server_config:\n  cert: |\n    PEM\n  key: PEM\n",
    "tls_server_config:\n",
    "tls_server_config: {min_version: TLS13}\n", /* no certificate, no TLS: as upstream */
    TLS "  client_auth_type: VerifyClientCertIfGiven\n",
    TLS "  client_auth_type: RequireClientCert\n",
    TLS "  client_auth_type: RequestClientCert\n  client_ca: PEM\n",
    TLS "  cipher_suites: []\n",
    "rate_limit: {interval: 0}\n",
    "rate_limit: {interval: 250ms, burst: 1}\n",
    "basic_auth_users: {}\n",
    "basic_auth_users: {a: " HASH "}\n",
    "http_server_config: {headers: {X-Content-Type-Options: nosniff}}\n",
};

START_TEST(what_is_allowed_is_accepted)
{
    int r = parse(accepted[_i]);

    ck_assert_msg(r == 0, "%s", error);
}
END_TEST

static const struct {
    const char *text, *error;
} refused[] = {
    {"tls_config: {}\n",                                                                      "w.yml:1:1: unknown key 'tls_config'; allowed: tls_server_config, "},
    {"tls_server_config:\n  certfile: x\n",                                                   "w.yml:2:3: unknown key 'certfile'; allowed: cert, "               },
    {"tls_server_config: [a]\n",                                                              "w.yml:1:20: a map of keys and values is wanted, not a list"       },
    {"tls_server_config: {cert_file: c}\n",                                                   "w.yml:1:20: TLS wants both"                                       },
    {"tls_server_config: {key: k}\n",                                                         "the certificate is missing"                                       },
    {"tls_server_config: {client_auth_type: RequestClientCert}\n",                            "TLS wants both"                                                   },
    {TLS "  cert: x\n",                                                                       "stands both inline and as a file"                                 },
    {TLS "  client_ca_file: x\n",                                                             "client_ca without client_auth_type"                               },
    {TLS "  client_auth_type: Verify\n",
     "w.yml:4:21: unknown value 'Verify'; allowed: NoClientCert, "                                                                                               },
    {TLS "  min_version: TLS14\n",                                                            "w.yml:4:16: unknown value 'TLS14'; allowed: TLS10, TLS11, "       },
    {TLS "  min_version: TLS13\n  max_version: TLS12\n",                                      "min_version is above max_version"                                 },
    {TLS "  cipher_suites: [RC4]\n",                                                          "w.yml:4:19: unknown value 'RC4'; allowed: TLS_AES_128_"           },
    {TLS "  curve_preferences: CurveP256\n",                                                  "w.yml:4:22: a list is wanted"                                     },
    {TLS "  prefer_server_cipher_suites: maybe\n",                                            "'maybe' is neither true nor false"                                },
    {TLS "  cert_file: [x]\n",                                                                "key 'cert_file' stands twice"                                     },
    {"tls_server_config: {cert_file: [x]}\n",                                                 "w.yml:1:32: one value is wanted, not a list"                      },
    {"tls_server_config: {cert_file: \"a\\0b\"}\n",                                           "text with a NUL byte"                                             },
    {"http_server_config: {headers: {Server: x}}\n",                                          "w.yml:1:32: header 'Server' cannot be set; "                      },
    {"http_server_config: {headers: {X-Frame-Options: x}}\n",                                 "allowed: deny, sameorigin"                                        },
    {"http_server_config: {headers: {X-XSS-Protection: \"a\\r\\nb: c\"}}\n",                  "control character"                                                },
    {"http_server_config: {http2: 2}\n",                                                      "'2' is neither true nor false"                                    },
    {"basic_auth_users: {a: secret}\n",                                                       "w.yml:1:23: user 'a': no bcrypt hash; allowed: $2a$"              },
    {"basic_auth_users: {a: $2y$03$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234}\n",
     "no bcrypt hash"                                                                                                                                            },
    {"basic_auth_users: {a: $2y$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234}\n",
     "bcrypt cost 31 takes too long"                                                                                                                             },
    {"basic_auth_users: {\"a:b\": " HASH "}\n",                                               "has a colon"                                                      },
    {"basic_auth_users: [a]\n",                                                               "a map of user names"                                              },
    {"rate_limit: {interval: 5}\nrate: 1\n",                                                  "unknown key 'rate'"                                               },
    {"rate_limit: {interval: 5 seconds}\n",                                                   "w.yml:1:24: '5 seconds' is no duration"                           },
    {"rate_limit: {interval: -1s}\n",                                                         "is no duration"                                                   },
    {"rate_limit: {burst: 0}\n",                                                              "0 is not allowed; allowed: 1 to "                                 },
    {"rate_limit: {burst: many}\n",                                                           "'many' is no whole number"                                        },
};

START_TEST(what_is_wrong_is_told_with_place_and_remedy)
{
    ck_assert_int_eq(parse(refused[_i].text), -EBADMSG);
    ck_assert_msg(strstr(error, refused[_i].error) != NULL, "%s", error);
    ck_assert(strncmp(error, "/etc/nv/w.yml:", 14) == 0);
    ck_assert_ptr_null(strchr(error, '\n'));
}
END_TEST

/* It may be the password itself, put there by mistake. */
START_TEST(a_wrong_hash_is_not_shown)
{
    ck_assert_int_eq(parse("basic_auth_users: {a: opensesame}\n"), -EBADMSG);
    ck_assert_ptr_null(strstr(error, "opensesame"));
}
END_TEST

static const struct {
    const char *text;
    int64_t ns; /* -1: refused */
} durations[] = {
    {"0",          0                     },
    {"1s",         1000000000            },
    {"1.5h",       INT64_C(5400000000000)},
    {"100ms",      100000000             },
    {"2us",        2000                  },
    {"2\xc2\xb5s", 2000                  },
    {"3ns",        3                     },
    {"1m1s",       61000000000           },
    {".5s",        500000000             },
    {"+1s",        1000000000            },
    {"",           -1                    },
    {"1",          -1                    },
    {"s",          -1                    },
    {"1d",         -1                    },
    {"1 s",        -1                    },
    {"1s ",        -1                    },
    {"1..5s",      -1                    },
    {"999999999h", -1                    },
    {"1e3s",       -1                    },
    {"+",          -1                    },
};

START_TEST(durations_are_gos)
{
    int64_t ns;
    bool valid = nv_parse_go_duration(nv_str(durations[_i].text), &ns);

    ck_assert_msg(valid == (durations[_i].ns >= 0), "%s", durations[_i].text);
    if (valid)
        ck_assert_int_eq(ns, durations[_i].ns);
}
END_TEST

START_TEST(a_missing_file_is_told)
{
    ck_assert_int_eq(nv_web_config_load("/nowhere/w.yml", &memory, &config, error), -ENOENT);
    ck_assert_str_eq(error, "cannot read /nowhere/w.yml: No such file or directory");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config/web_config");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, begin, end);
    tcase_add_test(all, an_empty_file_is_plain_http_for_everybody);
    tcase_add_test(all, everything_can_be_said);
    tcase_add_loop_test(all, what_is_allowed_is_accepted, 0, NV_LEN(accepted));
    tcase_add_loop_test(all, what_is_wrong_is_told_with_place_and_remedy, 0, NV_LEN(refused));
    tcase_add_test(all, a_wrong_hash_is_not_shown);
    tcase_add_loop_test(all, durations_are_gos, 0, NV_LEN(durations));
    tcase_add_test(all, a_missing_file_is_told);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
