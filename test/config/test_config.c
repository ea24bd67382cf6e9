/*
 * test_config.c - the file of --config.file: what it may say, what it means, and how it is refused.
 */
#include <check.h>

#include "base/buf.h"
#include "config/config.h"
#include "support/fixture.h"

static struct nv_config *config;
static char error[NV_YAML_ERROR_MAX];

static void begin(void)
{
    config = NULL;
    error[0] = '\0';
    setenv("NV_TEST_ZONE", "eu-1", 1);
    unsetenv("NV_TEST_NONE");
}

static void end(void)
{
    nv_config_unref(config);
}

static int parse(const char *text)
{
    nv_config_unref(config);
    config = NULL;
    return nv_config_parse("/etc/nv/c.yml", nv_str(text), &config, error);
}

static void must_parse(const char *text)
{
    int r = parse(text);

    ck_assert_msg(r == 0, "%s", error);
}

START_TEST(an_empty_file_means_the_defaults_of_prometheus)
{
    must_parse("");
    ck_assert_int_eq(config->global.scrape_interval_ms, 60000);
    ck_assert_int_eq(config->global.scrape_timeout_ms, 10000);
    ck_assert_int_eq(config->global.evaluation_interval_ms, 60000);
    ck_assert_int_eq(config->global.rule_query_offset_ms, 0);
    ck_assert_uint_eq(config->rule_files.n + config->n_scrapes + config->alerting.n_alertmanagers +
                          config->n_notes,
                      0);
    ck_assert(!config->notify.present);
}
END_TEST

START_TEST(no_file_means_the_same)
{
    ck_assert_int_eq(nv_config_load(NULL, &config, error), 0);
    ck_assert_ptr_null(config->path);
    ck_assert_int_eq(config->global.evaluation_interval_ms, 60000);
}
END_TEST

START_TEST(global_is_read)
{
    must_parse("global:\n"
               "  scrape_interval: 15s\n"
               "  evaluation_interval: 1m30s\n"
               "  rule_query_offset: 5s\n"
               "  external_labels: {zone: \"${NV_TEST_ZONE}x$NV_TEST_ZONE\", cost: '5$$', b: "
               "'a${NV_TEST_NONE}c'}\n"
               "  sample_limit: 100\n"
               "  body_size_limit: 1MB\n"
               "  scrape_protocols: [PrometheusText0.0.4]\n"
               "  query_log_file: x\n"
               "runtime: {gogc: 50}\n");
    const struct nv_config_global *global = &config->global;
    ck_assert_int_eq(global->scrape_interval_ms, 15000);
    ck_assert_int_eq(global->scrape_timeout_ms, 10000);
    ck_assert_int_eq(global->evaluation_interval_ms, 90000);
    ck_assert_int_eq(global->rule_query_offset_ms, 5000);
    ck_assert_uint_eq(global->n_external_labels, 3);
    ck_assert(nv_str_is(global->external_labels[0].value, "ac"));
    ck_assert(nv_str_is(global->external_labels[1].value, "5$"));
    ck_assert(nv_str_is(global->external_labels[2].value, "eu-1xeu-1"));
    ck_assert_int_eq(global->limits.samples, 100);
    ck_assert_int_eq(global->limits.body_size, 1 << 20);
    ck_assert_uint_eq(config->n_notes, 3);
    ck_assert_str_eq(config->notes[0], "/etc/nv/c.yml:5:20: an external label uses the variable "
                                       "'NV_TEST_NONE', which is empty");
    ck_assert_str_eq(config->notes[2], "/etc/nv/c.yml:10:10: 'runtime' has no effect here");
}
END_TEST

/* Otherwise a short interval would need a second setting. */
START_TEST(a_timeout_that_is_not_said_fits_the_interval)
{
    must_parse("global: {scrape_interval: 5s}\n"
               "scrape_configs: [{job_name: a}, {job_name: b, scrape_interval: 1s}, {job_name: c, "
               "scrape_interval: 1m}]\n");
    ck_assert_int_eq(config->global.scrape_timeout_ms, 5000);
    ck_assert_int_eq(config->scrapes[0].timeout_ms, 5000);
    ck_assert_int_eq(config->scrapes[1].timeout_ms, 1000);
    ck_assert_int_eq(config->scrapes[2].timeout_ms, 5000);
}
END_TEST

START_TEST(rule_files_are_relative_to_the_file)
{
    must_parse("rule_files: [a.yml, 'rules/*.yml', /abs/b.yml]\n");
    ck_assert_uint_eq(config->rule_files.n, 3);
    ck_assert_str_eq(config->rule_files.at[0], "/etc/nv/a.yml");
    ck_assert_str_eq(config->rule_files.at[1], "/etc/nv/rules/*.yml");
    ck_assert_str_eq(config->rule_files.at[2], "/abs/b.yml");
}
END_TEST

START_TEST(alertmanagers_are_read)
{
    must_parse(
        "alerting:\n"
        "  alert_relabel_configs:\n"
        "  - {action: labeldrop, regex: replica}\n"
        "  alertmanagers:\n"
        "  - scheme: https\n"
        "    path_prefix: /am\n"
        "    timeout: 5s\n"
        "    api_version: v2\n"
        "    static_configs:\n"
        "    - targets: ['a:9093', b:9093]\n"
        "      labels: {zone: x, aa: y}\n"
        "    file_sd_configs:\n"
        "    - {files: ['sd/*.json'], refresh_interval: 1m}\n"
        "    basic_auth: {username: u, password_file: pw}\n"
        "    tls_config: {ca_file: ca.pem, server_name: am, min_version: TLS12}\n"
        "    follow_redirects: false\n"
        "    proxy_url: http://proxy:3128\n"
        "    relabel_configs: [{source_labels: [__address__], regex: 'a:.*', action: keep}]\n"
        "    alert_relabel_configs: [{target_label: x, replacement: z}]\n"
        "  - static_configs: [{targets: [c]}]\n"
        "    bearer_token: t\n");
    ck_assert_uint_eq(config->alerting.alert_relabel.n, 1);
    ck_assert_uint_eq(config->alerting.n_alertmanagers, 2);
    const struct nv_config_alertmanager *am = config->alerting.alertmanagers;
    ck_assert_str_eq(am->scheme, "https");
    ck_assert_str_eq(am->path_prefix, "/am");
    ck_assert_int_eq(am->timeout_ms, 5000);
    ck_assert_uint_eq(am->targets.groups.n, 1);
    ck_assert_uint_eq(am->targets.groups.at[0].n_targets, 2);
    ck_assert(nv_str_is(am->targets.groups.at[0].labels[0].name, "aa"));
    ck_assert_str_eq(am->targets.file_sds[0].files.at[0], "/etc/nv/sd/*.json");
    ck_assert_int_eq(am->targets.file_sds[0].refresh_interval_ms, 60000);
    ck_assert_str_eq(am->http.username, "u");
    ck_assert_str_eq(am->http.password_file, "/etc/nv/pw");
    ck_assert_str_eq(am->http.tls.ca_file, "/etc/nv/ca.pem");
    ck_assert(!am->http.follow_redirects);
    ck_assert_uint_eq(am->relabel.n, 1);
    ck_assert_uint_eq(am->alert_relabel.n, 1);
    const struct nv_http_options options = nv_http_config_options(&am->http, am->timeout_ms);
    ck_assert_str_eq(options.user, "u");
    ck_assert_int_eq(options.tls.min_version, NV_TLS_1_2);
    ck_assert_int_eq(options.timeout_ms, 5000);
    ck_assert_str_eq(am[1].scheme, "http");
    ck_assert_str_eq(am[1].path_prefix, "/");
    ck_assert_int_eq(am[1].timeout_ms, 10000);
    ck_assert_str_eq(am[1].http.credentials, "t");
    ck_assert_str_eq(am[1].http.auth_type, "Bearer");
    ck_assert(am[1].http.follow_redirects);
}
END_TEST

START_TEST(scrapes_are_read)
{
    must_parse(
        "scrape_configs:\n"
        "- job_name: node\n"
        "  scrape_interval: 5s\n"
        "  scrape_timeout: 2s\n"
        "  metrics_path: /m\n"
        "  scheme: https\n"
        "  params: {collect: [cpu, mem], x: [y]}\n"
        "  honor_labels: true\n"
        "  honor_timestamps: false\n"
        "  track_timestamps_staleness: true\n"
        "  enable_compression: false\n"
        "  expose: true\n"
        "  body_size_limit: 10MB\n"
        "  sample_limit: 1\n"
        "  label_limit: 2\n"
        "  label_name_length_limit: 3\n"
        "  label_value_length_limit: 4\n"
        "  target_limit: 5\n"
        "  scrape_protocols: [OpenMetricsText1.0.0, PrometheusProto]\n"
        "  fallback_scrape_protocol: PrometheusText0.0.4\n"
        "  authorization: {type: Token, credentials_file: tok}\n"
        "  static_configs: [{targets: ['h:1']}]\n"
        "  relabel_configs: [{source_labels: [a, b], separator: '', target_label: c, regex: "
        "'x(.)', replacement: '${1}'}]\n"
        "  metric_relabel_configs: [{action: DROP, source_labels: [__name__], regex: go_.*}]\n"
        "- job_name: plain\n");
    const struct nv_config_scrape *scrape = config->scrapes;
    ck_assert_uint_eq(config->n_scrapes, 2);
    ck_assert_str_eq(scrape->job_name, "node");
    ck_assert_int_eq(scrape->interval_ms, 5000);
    ck_assert_int_eq(scrape->timeout_ms, 2000);
    ck_assert_uint_eq(scrape->n_params, 2);
    ck_assert_str_eq(scrape->params[0].values.at[1], "mem");
    ck_assert(scrape->honor_labels && !scrape->honor_timestamps && scrape->expose &&
              scrape->track_timestamps_staleness && !scrape->enable_compression);
    ck_assert_int_eq(scrape->limits.body_size, 10 << 20);
    ck_assert_int_eq(scrape->limits.targets, 5);
    ck_assert_uint_eq(scrape->n_protocols, 2);
    ck_assert_int_eq(scrape->protocols[1], NV_SCRAPE_PROTO);
    ck_assert_int_eq(scrape->fallback_protocol, NV_SCRAPE_TEXT0);
    ck_assert_str_eq(scrape->http.auth_type, "Token");
    ck_assert_str_eq(scrape->http.credentials_file, "/etc/nv/tok");
    ck_assert_uint_eq(scrape->relabel.at[0].n_source_labels, 2);
    ck_assert_uint_eq(scrape->relabel.at[0].separator.n, 0);
    ck_assert_int_eq(scrape->metric_relabel.at[0].action, NV_RELABEL_DROP);
    scrape++;
    ck_assert_str_eq(scrape->metrics_path, "/metrics");
    ck_assert_str_eq(scrape->scheme, "http");
    ck_assert_int_eq(scrape->interval_ms, 60000);
    ck_assert_int_eq(scrape->timeout_ms, 10000);
    ck_assert_uint_eq(scrape->n_protocols, 4);
    ck_assert_int_eq(scrape->protocols[0], NV_SCRAPE_OPENMETRICS1);
    ck_assert(scrape->honor_timestamps && scrape->enable_compression && !scrape->expose);
    ck_assert_int_eq(scrape->fallback_protocol, -1);
}
END_TEST

START_TEST(nothing_behind_a_key_of_a_rule_is_an_empty_text)
{
    must_parse("scrape_configs:\n"
               "- job_name: j\n"
               "  relabel_configs:\n"
               "  - target_label: gone\n"
               "    replacement:\n"
               "    separator: null\n"
               "  - {target_label: x, regex: ~}\n");
    const struct nv_relabel *rules = config->scrapes->relabel.at;
    ck_assert_uint_eq(rules[0].replacement.n, 0);
    ck_assert_uint_eq(rules[0].separator.n, 0);
    ck_assert_ptr_null(rules[0].regex);
    ck_assert_ptr_nonnull(rules[1].regex);
    ck_assert(!nv_regex_match(rules[1].regex, NV_LIT("a")));
    ck_assert(nv_str_is(rules[1].replacement, "$1"));
}
END_TEST

START_TEST(notify_is_read)
{
    must_parse("notify:\n"
               "  route:\n"
               "    receiver: ops\n"
               "    group_by: [alertname]\n"
               "    routes:\n"
               "    - matchers: ['severity=\"page\"', 'team=~a|b, x!=y']\n"
               "      receiver: pager\n"
               "      continue: true\n"
               "      group_wait: 0s\n"
               "      routes: [{group_by: ['...'], repeat_interval: 1h}]\n"
               "    - {matchers: ['a=b']}\n"
               "  receivers:\n"
               "  - name: ops\n"
               "    email_configs: [{to: root@h, headers: {Subject: '{{ .x }}'}}]\n"
               "    journal_configs: [{}]\n"
               "  - name: pager\n"
               "    webhook_configs: [{url: 'http://h/x', max_alerts: 5, send_resolved: false, "
               "timeout: 3s, http_config: {bearer_token: t}}]\n"
               "    command_configs: [{command: [/bin/x, -a], timeout: 2s, environment: {A: b}}]\n"
               "  inhibit_rules: [{source_matchers: ['a=b'], target_matchers: ['c=d'], equal: "
               "[instance]}]\n"
               "  silences_file: silences.json\n"
               "  global: {smtp_smarthost: 'mx:25', smtp_from: me@h, smtp_require_tls: false}\n");
    const struct nv_notify_config *notify = &config->notify;
    const struct nv_notify_route *root = notify->route;
    ck_assert(notify->present);
    ck_assert_ptr_eq(root->receiver, &notify->receivers[0]);
    ck_assert_int_eq(root->group_wait_ms, 30000);
    ck_assert_uint_eq(root->n_routes, 2);
    const struct nv_notify_route *page = &root->routes[0];
    ck_assert_ptr_eq(page->receiver, &notify->receivers[1]);
    ck_assert_uint_eq(page->matchers.n, 3);
    ck_assert_int_eq(page->matchers.at[1].op, NV_MATCH_REGEX);
    ck_assert(nv_matcher_fits(&page->matchers.at[1], NV_LIT("b")));
    ck_assert(page->continue_);
    ck_assert_int_eq(page->group_wait_ms, 0);
    ck_assert_str_eq(page->group_by.at[0], "alertname");
    ck_assert(page->routes[0].group_by_all && !page->routes[0].continue_);
    ck_assert_ptr_eq(page->routes[0].receiver, page->receiver);
    ck_assert_uint_eq(page->routes[0].matchers.n, 0);
    ck_assert_int_eq(page->routes[0].repeat_interval_ms, 3600000);
    ck_assert_int_eq(page->routes[0].group_wait_ms, 0);
    ck_assert_uint_eq(root->number, 0);
    ck_assert_uint_eq(page->routes[0].number, 2);
    ck_assert_uint_eq(root->routes[1].number, 3);
    const struct nv_notify_email *email = notify->receivers[0].emails;
    ck_assert_str_eq(email->smarthost, "mx:25");
    ck_assert_str_eq(email->from, "me@h");
    ck_assert(!email->require_tls && !email->send_resolved);
    ck_assert_str_eq(notify->receivers[0].journals[0].identifier, "nodevitals-alert");
    const struct nv_notify_webhook *webhook = notify->receivers[1].webhooks;
    ck_assert_str_eq(webhook->http.credentials, "t");
    ck_assert_int_eq(webhook->timeout_ms, 3000);
    ck_assert(!webhook->send_resolved);
    const struct nv_notify_command *command = notify->receivers[1].commands;
    ck_assert_str_eq(command->command.at[1], "-a");
    ck_assert_str_eq(command->environment.at[0].value, "b");
    ck_assert_str_eq(notify->inhibits[0].equal.at[0], "instance");
    ck_assert_str_eq(notify->silences_file, "/etc/nv/silences.json");
}
END_TEST

#define SCRAPE "scrape_configs: [{job_name: a, "
#define AM     "alerting: {alertmanagers: [{"
#define NOTIFY "notify: {receivers: [{name: r, "
#define ROUTE  "], route: {receiver: r}}"

/* What is wrong, and where. */
static const struct {
    const char *text, *error;
} refused[] = {
    {"globl: {}\n",                                                                       "c.yml:1:1: unknown key 'globl'; allowed: global, rule_files, " },
    {"global: []\n",                                                                      "c.yml:1:9: a map of keys and values is wanted"                 },
    {"global:\n  scrape_interval: 5\n",                                                   "c.yml:2:20: not a valid duration string: '5'"                  },
    {"global:\n  scrape_interval: 1.5h\n",                                                "c.yml:2:20: not a valid duration string: '1.5h'"               },
    {"global: {scrape_interval: 5s, scrape_timeout: 6s}\n",
     "global scrape timeout greater than scrape interval"                                                                                                 },
    {"global: {external_labels: {\"\": x}}\n",                                            "'' is not a valid label name"                                  },
    {"global: {external_labels: [a]}\n",                                                  "a map of labels is wanted, not a list"                         },
    {"global: {metric_name_validation_scheme: legacy}\n",                                 "not provided here"                                             },
    {"global: {sample_limit: -1}\n",                                                      "-1 is not allowed"                                             },
    {"global: {sample_limit: 1.5}\n",                                                     "'1.5' is no whole number"                                      },
    {"global: {body_size_limit: 10}\n",                                                   "'10' is no size; allowed: a number with B, KB"                 },
    {"rule_files: a.yml\n",                                                               "c.yml:1:13: a list is wanted, not a scalar"                    },
    {"rule_files: ['*/a.yml']\n",                                                         "invalid rule file path \"*/a.yml\""                            },
    {"remote_write: []\n",                                                                "c.yml:1:1: 'remote_write' is not provided here; "              },
    {"tracing: {}\n",                                                                     "'tracing' is not provided here"                                },
    {"storage: {tsdb: {}}\n",                                                             "'storage' is not provided here; the flags --storage.tsdb.* "   },
    {AM "kubernetes_sd_configs: []}]}\n",                                                 "'kubernetes_sd_configs' is not provided here"                  },
    {AM "api_version: v1}]}\n",                                                           "expected Alertmanager api version to be one of [v2] but got v1"},
    {AM "scheme: ftp}]}\n",                                                               "unknown value 'ftp'; allowed: http, https"                     },
    {AM "static_configs: [{targets: ['http://a']}]}]}\n",                                 "\"http://a\" is not a valid hostname"                          },
    {AM "static_configs: [{target: [a]}]}]}\n",                                           "unknown key 'target'; allowed: targets, labels"                },
    {AM "file_sd_configs: [{files: [a.txt]}]}]}\n",
     "path name \"a.txt\" is not valid for file discovery"                                                                                                },
    {AM "file_sd_configs: [{}]}]}\n",                                                     "must contain at least one path name"                           },
    {AM "bearer_token: a, bearer_token_file: b}]}\n",
     "at most one of bearer_token & bearer_token_file"                                                                                                    },
    {AM "basic_auth: {username: a}, bearer_token: b}]}\n",
     "at most one of basic_auth, oauth2, bearer_token"                                                                                                    },
    {AM "basic_auth: {password: a, password_file: b}}]}\n",
     "at most one of basic_auth password & password_file"                                                                                                 },
    {AM "authorization: {type: Basic}}]}\n",                                              "authorization type cannot be set to \"basic\""                 },
    {AM "oauth2: {}}]}\n",                                                                "'oauth2' is not provided here"                                 },
    {AM "tls_config: {cert_file: a}}]}\n",                                                "exactly one of key or key_file must be configured"             },
    {AM "tls_config: {min_version: TLS13, max_version: TLS12}}]}\n",
     "min_version is above max_version"                                                                                                                   },
    {AM "proxy_url: proxy}]}\n",                                                          "this is no proxy URL"                                          },
    {AM "http_headers: {Authorization: {values: [x]}}}]}\n",
     "setting header 'Authorization' is not allowed"                                                                                                      },
    {AM "http_headers: {X: {values: [\"a\\nb\"]}}}]}\n",                                  "a control character in header 'X'"                             },
    {AM "relabel_configs: [{action: nope}]}]}\n",                                         "unknown relabel action \"nope\""                               },
    {AM "relabel_configs: [{action: hashmod, target_label: a}]}]}\n",
     "relabel configuration for hashmod requires non-zero modulus"                                                                                        },
    {AM "relabel_configs: [{}]}]}\n",
     "relabel configuration for replace action requires 'target_label' value"                                                                             },
    {AM "relabel_configs: [null]}]}\n",                                                   "empty or null Alertmanager target relabeling rule"             },
    {AM "relabel_configs: [{target_label: a, regex: '('}]}]}\n",                          "missing closing )"                                             },
    {"scrape_configs: [{}]\n",                                                            "c.yml:1:18: job_name is empty"                                 },
    {"scrape_configs: [{job_name: a}, {job_name: b}, {job_name: a}]\n",
     "c.yml:1:48: found multiple scrape configs with job name \"a\""                                                                                      },
    {SCRAPE "scrape_interval: 1s, scrape_timeout: 2s}]\n",
     "scrape timeout greater than scrape interval for scrape config with job name "
     "\"a\""                                                                                                                                              },
    {SCRAPE "scrape_protocols: []}]\n",                                                   "scrape_protocols cannot be empty"                              },
    {SCRAPE "scrape_protocols: [Nope]}]\n",                                               "unknown value 'Nope'; allowed: PrometheusProto, "              },
    {SCRAPE "scrape_protocols: [PrometheusProto, PrometheusProto]}]\n",
     "duplicated protocol in scrape_protocols"                                                                                                            },
    {SCRAPE "params: [a]}]\n",                                                            "a map of parameters"                                           },
    {SCRAPE "params: {a: b}}]\n",                                                         "a list is wanted, not a scalar"                                },
    {SCRAPE "consul_sd_configs: []}]\n",                                                  "'consul_sd_configs' is not provided here"                      },
    {SCRAPE "honor_labels: maybe}]\n",                                                    "'maybe' is neither true nor false"                             },
    {"notify: {receivers: [{name: r}]}\n",                                                "no routes provided"                                            },
    {"notify: {route: {receiver: r}}\n",                                                  "undefined receiver \"r\" used in route"                        },
    {"notify: {route: {}}\n",                                                             "root route must specify a default receiver"                    },
    {"notify: {receivers: [{name: r}], route: {receiver: r, matchers: [a=b]}}\n",
     "root route must not have any matchers"                                                                                                              },
    {"notify: {receivers: [{name: r}], route: {receiver: r, continue: true}}\n",
     "cannot have continue in root route"                                                                                                                 },
    {"notify: {receivers: [{name: r}], route: {receiver: r, routes: [{receiver: s}]}}\n",
     "c.yml:1:64: undefined receiver \"s\""                                                                                                               },
    {"notify: {receivers: [{name: r}], route: {receiver: r, group_by: [a, a]}}\n",
     "duplicated label \"a\" in group_by"                                                                                                                 },
    {"notify: {receivers: [{name: r}], route: {receiver: r, group_by: ['...', a]}}\n",
     "cannot have wildcard group_by"                                                                                                                      },
    {"notify: {receivers: [{name: r}], route: {receiver: r, repeat_interval: 0s}}\n",
     "must not be 0"                                                                                                                                      },
    {"notify: {receivers: [{name: r}, {name: r}], route: {receiver: r}}\n",
     "notification config name \"r\" is not unique"                                                                                                       },
    {"notify: {receivers: [{}], route: {receiver: r}}\n",                                 "missing name in receiver"                                      },
    {NOTIFY "slack_configs: []}" ROUTE,                                                   "'slack_configs' is not provided here"                          },
    {NOTIFY "webhook_configs: [{}]}" ROUTE,                                               "one of url or url_file must be configured"                     },
    {NOTIFY "webhook_configs: [{url: secret-token}]}" ROUTE,                              "this is no URL"                                                },
    {NOTIFY "email_configs: [{to: a}]}" ROUTE,                                            "no smarthost; say it here"                                     },
    {NOTIFY "email_configs: [{to: a, smarthost: mx}]}" ROUTE,                             "'mx' is no HOST:PORT"                                          },
    {NOTIFY "email_configs: [{to: a, smarthost: 'mx:25'}]}" ROUTE,                        "no from address"                                               },
    {NOTIFY "command_configs: [{command: [x]}]}" ROUTE,                                   "begins with an absolute path"                                  },
    {NOTIFY "command_configs: [{command: [/x], environment: {'a=b': c}}]}" ROUTE,
     "'a=b' is no name of a variable"                                                                                                                     },
    {"notify: {inhibit_rules: [{equal: [a]}]}\n",                                         "an inhibit rule needs source_matchers"                         },
    {"notify: {inhibit_rules: [{source_matchers: ['a~b']}]}\n",
     "bad matcher: one of = != =~ !~ expected at \"~b\""                                                                                                  },
    {"notify: {inhibit_rules: [{source_matchers: ['a=~\"(\"']}]}\n",                      "bad matcher: "                                                 },
};

START_TEST(what_is_wrong_is_told_with_its_place)
{
    int r = parse(refused[_i].text);

    ck_assert_msg(r == -EBADMSG, "%s is accepted", refused[_i].text);
    ck_assert_ptr_null(config);
    ck_assert_msg(strstr(error, refused[_i].error) != NULL, "%s", error);
    ck_assert_msg(strncmp(error, "/etc/nv/c.yml:", 14) == 0, "%s", error);
    ck_assert_ptr_null(strstr(error, "secret-token"));
}
END_TEST

/* ---- printed -------------------------------------------------------------------------------- */

static const char everything[] =
    "# a comment\n"
    "global: {scrape_interval: 15s, external_labels: {a: 'b', \"on\": \"yes\"}}\n"
    "rule_files: [a.yml, '*.yml']\n"
    "scrape_configs:\n"
    "- &x\n"
    "  job_name: \"x y\"\n"
    "  basic_auth: {username: u, password: pass-1}\n"
    "  http_headers: {X-Key: {secrets: [pass-2], values: [\"a\\tb: c\"]}}\n"
    "  tls_config: {key: pass-3, cert: c}\n"
    "  static_configs: [{targets: []}]\n"
    "  relabel_configs:\n"
    "  - {source_labels: [], regex: \"\", target_label: t, replacement: \"l1\\nl2 # \\\"q\\\" "
    "\\u2028\"}\n"
    "- {<<: *x, job_name: b, proxy_url: 'http://u:pass-4@h'}\n"
    "alerting: {alertmanagers: [{authorization: {credentials: pass-5}}, {bearer_token: pass-6}]}\n"
    "notify:\n"
    "  global: {smtp_auth_password: pass-7}\n"
    "  receivers: [{name: r, webhook_configs: [{url: 'http://h/pass-8'}], command_configs: "
    "[{command: [/x], environment: {K: pass-9}}]}]\n"
    "  route: {receiver: r}\n";

/* A hidden URL is none when it is read back. */
static void show_urls(char *text)
{
    for (char *at; (at = strstr(text, "url: <secret>"));)
        memcpy(at, "url: http://h", 13);
}

START_TEST(what_is_shown_has_no_secret_and_reads_back_to_itself)
{
    must_parse(everything);
    NV_AUTO_FREE char *shown = strndup(config->yaml.p, config->yaml.n);
    ck_assert_msg(strstr(shown, "pass-") == NULL, "%s", shown);
    ck_assert_ptr_nonnull(strstr(shown, "password: <secret>\n"));
    ck_assert_ptr_nonnull(strstr(shown, "  scrape_timeout: 10s\n"));
    ck_assert_ptr_null(strstr(shown, "comment"));
    show_urls(shown);
    must_parse(shown);
    ck_assert_str_eq(config->scrapes[0].job_name, "x y");
    ck_assert_str_eq(config->scrapes[0].http.headers[0].value, "a\tb: c");
    ck_assert(
        nv_str_is(config->scrapes[0].relabel.at[0].replacement, "l1\nl2 # \"q\" \xe2\x80\xa8"));
    ck_assert(nv_str_is(config->global.external_labels[1].value, "yes"));
    NV_AUTO_FREE char *again = strndup(config->yaml.p, config->yaml.n);
    show_urls(again);
    ck_assert_str_eq(again, shown);
}
END_TEST

START_TEST(an_empty_configuration_shows_the_times_that_hold)
{
    must_parse("");
    ck_assert(nv_str_is(config->yaml, "global:\n"
                                      "  scrape_interval: 1m\n"
                                      "  scrape_timeout: 10s\n"
                                      "  evaluation_interval: 1m\n"));
}
END_TEST

START_TEST(a_text_cut_anywhere_is_read_or_refused)
{
    for (size_t n = 0; n < sizeof(everything) - 1; n++) {
        NV_AUTO_FREE char *copy = malloc(n + 1); /* so that a sanitizer sees its end */
        memcpy(copy, everything, n);
        nv_config_unref(config);
        config = NULL;
        int r = nv_config_parse("c.yml", (struct nv_str){copy, n}, &config, error);
        ck_assert(r == 0 || (r == -EBADMSG && error[0]));
    }
}
END_TEST

START_TEST(a_file_that_is_not_there_is_told)
{
    ck_assert_int_eq(nv_config_load("/nowhere/c.yml", &config, error), -ENOENT);
    ck_assert_str_eq(error, "cannot read /nowhere/c.yml: No such file or directory");
}
END_TEST

/* ---- matchers ------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int n;                    /* -EINVAL: refused */
    const char *name, *value; /* of the first */
    enum nv_match_op op;
} matchers[] = {
    {"a=b",                1,       "a",   "b",       NV_MATCH_EQUAL    },
    {" a = \"b c\" ",      1,       "a",   "b c",     NV_MATCH_EQUAL    },
    {"{a!=\"b\",c=~d|e,}", 2,       "a",   "b",       NV_MATCH_NOT_EQUAL},
    {"\"a b\"!~\"x.*\"",   1,       "a b", "x.*",     NV_MATCH_NOT_REGEX},
    {"a=\"q\\\"\\\\\\n\"", 1,       "a",   "q\"\\\n", NV_MATCH_EQUAL    },
    {"a=",                 1,       "a",   "",        NV_MATCH_EQUAL    },
    {"{}",                 0,       NULL,  NULL,      NV_MATCH_EQUAL    },
    {"",                   0,       NULL,  NULL,      NV_MATCH_EQUAL    },
    {"a",                  -EINVAL, NULL,  NULL,      NV_MATCH_EQUAL    },
    {"=b",                 -EINVAL, NULL,  NULL,      NV_MATCH_EQUAL    },
    {"a=\"b",              -EINVAL, NULL,  NULL,      NV_MATCH_EQUAL    },
    {"{a=b",               -EINVAL, NULL,  NULL,      NV_MATCH_EQUAL    },
    {"a=b}",               -EINVAL, NULL,  NULL,      NV_MATCH_EQUAL    },
    {"a=b c=d",            -EINVAL, NULL,  NULL,      NV_MATCH_EQUAL    },
    {"a=~\"(\"",           -EINVAL, NULL,  NULL,      NV_MATCH_EQUAL    },
    {"a=\xff",             -EINVAL, NULL,  NULL,      NV_MATCH_EQUAL    },
};

START_TEST(matchers_are_read_as_alertmanager_does)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_matcher found[NV_MATCHERS_MAX];
    char why[NV_MATCHERS_ERROR_MAX] = "";
    int n = nv_matchers_parse(nv_str(matchers[_i].text), &memory, found, why);

    ck_assert_int_eq(n, matchers[_i].n);
    if (n > 0) {
        ck_assert(nv_str_is(found[0].name, matchers[_i].name));
        ck_assert(nv_str_is(found[0].value, matchers[_i].value));
        ck_assert_int_eq(found[0].op, matchers[_i].op);
    }
    ck_assert(n >= 0 || why[0]);
    for (int i = 0; i < n; i++)
        nv_matcher_done(&found[i]);
    nv_arena_done(&memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config/config");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, begin, end);
    tcase_add_test(all, an_empty_file_means_the_defaults_of_prometheus);
    tcase_add_test(all, no_file_means_the_same);
    tcase_add_test(all, global_is_read);
    tcase_add_test(all, a_timeout_that_is_not_said_fits_the_interval);
    tcase_add_test(all, rule_files_are_relative_to_the_file);
    tcase_add_test(all, alertmanagers_are_read);
    tcase_add_test(all, scrapes_are_read);
    tcase_add_test(all, nothing_behind_a_key_of_a_rule_is_an_empty_text);
    tcase_add_test(all, notify_is_read);
    tcase_add_loop_test(all, what_is_wrong_is_told_with_its_place, 0, NV_LEN(refused));
    tcase_add_test(all, what_is_shown_has_no_secret_and_reads_back_to_itself);
    tcase_add_test(all, an_empty_configuration_shows_the_times_that_hold);
    tcase_add_test(all, a_text_cut_anywhere_is_read_or_refused);
    tcase_add_test(all, a_file_that_is_not_there_is_told);
    tcase_add_loop_test(all, matchers_are_read_as_alertmanager_does, 0, NV_LEN(matchers));
    tcase_set_timeout(all, 120);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
