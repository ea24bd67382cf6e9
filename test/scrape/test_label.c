/*
 * test_label.c - what becomes of discovered targets. A case is a configuration of one job and what each of its targets is in
 * the end: "{labels} URL every INTERVAL/TIMEOUT", "dropped", or why it cannot be.
 */
#include <check.h>
#include <stdio.h>

#include "scrape/ask.h"
#include "scrape/digest.h"
#include "scrape/label.h"

enum { MEMORY = 1 << 20, TEXT = 64 << 10 };

static struct nv_config *parse(const char *yaml)
{
    char error[NV_YAML_ERROR_MAX] = "";
    struct nv_config *config;

    ck_assert_msg(nv_config_parse(NULL, nv_str(yaml), &config, error) == 0, "%s", error);
    return config;
}

static void write_labels(struct nv_buf *out, const struct nv_label *labels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nv_buf_printf(out, "%s%.*s=%.*s", i ? " " : "", NV_ARGS(labels[i].name),
                      NV_ARGS(labels[i].value));
}

static void describe(const char *yaml, struct nv_buf *out)
{
    NV_AUTO(nv_config) *config = parse(yaml);
    const struct nv_config_scrape *scrape = &config->scrapes[0];
    struct nv_arena memory = NV_ARENA(MEMORY);

    for (size_t g = 0; g < scrape->targets.groups.n; g++) {
        const struct nv_target_group *group = &scrape->targets.groups.at[g];
        for (size_t i = 0; i < group->n_targets; i++) {
            char reason[NV_SCRAPE_REASON_MAX];
            struct nv_scrape_described is;
            int r = nv_scrape_describe(scrape, group, group->targets[i], &memory, &is, reason);
            if (r == 0) {
                nv_buf_char(out, '{');
                write_labels(out, is.labels, is.n_labels);
                nv_buf_printf(out, "} %s every %lld/%lld\n", is.url.p, (long long)is.interval_ms,
                              (long long)is.timeout_ms);
            } else {
                nv_buf_printf(out, "%s\n", r == NV_SCRAPE_DROPPED ? "dropped" : reason);
            }
        }
    }
    nv_arena_done(&memory);
}

/* `text` begins a job named "j"; its lines are indented by two. */
#define JOB "global: {scrape_interval: 15s}\nscrape_configs:\n- job_name: j\n"

static void is_described(const char *yaml, const char *expected)
{
    NV_AUTO_BUF got = NV_BUF(TEXT);

    describe(yaml, &got);
    ck_assert_str_eq(nv_buf_c_string(&got), expected);
}

START_TEST(a_target_has_the_labels_of_its_group_its_job_and_its_address)
{
    is_described(JOB "  static_configs:\n"
                     "  - {targets: ['a:1', 'b:2'], labels: {team: x}}\n"
                     "  - {targets: ['c:3']}\n",
                 "{instance=a:1 job=j team=x} http://a:1/metrics every 15000/10000\n"
                 "{instance=b:2 job=j team=x} http://b:2/metrics every 15000/10000\n"
                 "{instance=c:3 job=j} http://c:3/metrics every 15000/10000\n");
}
END_TEST

START_TEST(labels_of_the_group_win_over_those_of_the_job)
{
    is_described(JOB
                 "  static_configs:\n"
                 "  - targets: ['a:1']\n"
                 "    labels: {job: other, instance: me, __scheme__: https, __metrics_path__: /x,\n"
                 "             __scrape_interval__: 1m30s, __scrape_timeout__: 5s, __param_p: v}\n",
                 "{instance=me job=other} https://a:1/x?p=v every 90000/5000\n");
}
END_TEST

START_TEST(discovered_labels_are_those_before_relabelling)
{
    NV_AUTO(nv_config) *config =
        parse(JOB "  params: {b: [1, 2], a: []}\n"
                  "  static_configs: [{targets: ['a:1'], labels: {__meta_x: y, empty: ''}}]\n"
                  "  relabel_configs: [{action: labeldrop, regex: 'job'}]\n");
    const struct nv_config_scrape *scrape = &config->scrapes[0];
    struct nv_arena memory = NV_ARENA(MEMORY);
    NV_AUTO_BUF got = NV_BUF(TEXT);
    char reason[NV_SCRAPE_REASON_MAX];
    struct nv_scrape_described is;

    ck_assert_int_eq(nv_scrape_describe(scrape, &scrape->targets.groups.at[0], nv_str("a:1"),
                                        &memory, &is, reason),
                     0);
    write_labels(&got, is.discovered, is.n_discovered);
    ck_assert_str_eq(nv_buf_c_string(&got),
                     "__address__=a:1 __meta_x=y __metrics_path__=/metrics __param_b=1 "
                     "__scheme__=http __scrape_interval__=15s __scrape_timeout__=10s job=j");
    ck_assert_uint_eq(is.n_labels, 1); /* instance; no job any more, and nothing of __ */
    nv_arena_done(&memory);
}
END_TEST

START_TEST(relabelling_makes_the_address_the_url_and_the_labels)
{
    is_described(JOB "  metrics_path: /probe\n"
                     "  params: {module: [icmp, tcp], q: ['a b&c']}\n"
                     "  static_configs: [{targets: ['one', 'two']}]\n"
                     "  relabel_configs:\n"
                     "  - {source_labels: [__address__], target_label: __param_target}\n"
                     "  - {source_labels: [__param_target], target_label: instance}\n"
                     "  - {target_label: __address__, replacement: 'prober:9115'}\n"
                     "  - {target_label: __param_module, replacement: http}\n"
                     "  - {source_labels: [instance], regex: two, action: drop}\n",
                 "{instance=one job=j} "
                 "http://prober:9115/probe?module=http&module=tcp&q=a+b%26c&target=one every "
                 "15000/10000\n"
                 "dropped\n");
}
END_TEST

START_TEST(a_path_is_escaped_as_a_path)
{
    is_described(JOB "  metrics_path: 'a b/c?d=e&f'\n  static_configs: [{targets: ['[::1]:80']}]\n",
                 "{instance=[::1]:80 job=j} http://[::1]:80/a%20b/c%3Fd=e&f every 15000/10000\n");
}
END_TEST

/* One target's fault, and not want of memory, for which all would stay as they are. */
START_TEST(a_url_without_end_is_refused)
{
    NV_AUTO_BUF yaml = NV_BUF(2 * NV_SCRAPE_URL_MAX);

    nv_buf_text(&yaml, JOB "  metrics_path: '/");
    for (size_t i = 0; i < NV_SCRAPE_URL_MAX; i++)
        nv_buf_char(&yaml, 'x');
    nv_buf_text(&yaml, "'\n  static_configs: [{targets: ['a:1']}]\n");
    is_described(nv_buf_c_string(&yaml), "the URL has more than 32768 bytes\n");
}
END_TEST

/* A case for each complaint; the rule stands between. */
static const struct {
    const char *rule, *expected;
} mistakes[] = {
    {"{target_label: __address__, replacement: ''}",             "no address\n"                          },
    {"{target_label: __address__, replacement: 'a/b'}",          "\"a/b\" is not a valid hostname\n"     },
    {"{target_label: __address__, replacement: 'me@b'}",         "\"me@b\" is not a valid hostname\n"    },
    {"{target_label: __address__, replacement: 'b?x'}",          "\"b?x\" is not a valid hostname\n"     },
    {"{target_label: __scheme__, replacement: 'file'}",          "unsupported protocol scheme \"file\"\n"},
    {"{target_label: __scheme__, replacement: 'unix'}",          "unsupported protocol scheme \"unix\"\n"},
    {"{target_label: __scrape_interval__, replacement: 'soon'}",
     "error parsing scrape interval: not a valid duration string: \"soon\"\n"                            },
    {"{target_label: __scrape_interval__, replacement: ''}",
     "error parsing scrape interval: empty duration string\n"                                            },
    {"{target_label: __scrape_interval__, replacement: '0'}",    "scrape interval cannot be 0\n"         },
    {"{target_label: __scrape_timeout__, replacement: '1x'}",
     "error parsing scrape timeout: not a valid duration string: \"1x\"\n"                               },
    {"{target_label: __scrape_timeout__, replacement: '0s'}",    "scrape timeout cannot be 0\n"          },
    {"{target_label: __scrape_timeout__, replacement: '16s'}",
     "scrape timeout cannot be greater than scrape interval (\"16s\" > \"15s\")\n"                       },
};

START_TEST(what_relabelling_leaves_is_checked)
{
    NV_AUTO_BUF yaml = NV_BUF(TEXT);

    nv_buf_printf(&yaml, JOB "  static_configs: [{targets: ['a:1']}]\n  relabel_configs: [%s]\n",
                  mistakes[_i].rule);
    is_described(nv_buf_c_string(&yaml), mistakes[_i].expected);
}
END_TEST

static uint64_t identity_of(const char *yaml)
{
    NV_AUTO(nv_config) *config = parse(yaml);
    const struct nv_config_scrape *scrape = &config->scrapes[0];
    struct nv_arena memory = NV_ARENA(MEMORY);
    char reason[NV_SCRAPE_REASON_MAX];
    struct nv_scrape_described is;

    ck_assert_int_eq(nv_scrape_describe(scrape, &scrape->targets.groups.at[0],
                                        scrape->targets.groups.at[0].targets[0], &memory, &is,
                                        reason),
                     0);
    nv_arena_done(&memory);
    return is.identity;
}

START_TEST(a_target_is_the_same_as_long_as_its_job_labels_and_url_are)
{
    uint64_t one = identity_of(JOB "  static_configs: [{targets: ['a:1'], labels: {x: y}}]\n");

    ck_assert_uint_eq(one, identity_of(JOB "  scrape_interval: 5s\n  sample_limit: 3\n"
                                           "  static_configs: [{targets: ['a:1'], labels: {x: y, "
                                           "__meta_z: z}}]\n"));
    ck_assert_uint_ne(one, identity_of(JOB "  static_configs: [{targets: ['a:1']}]\n"));
    ck_assert_uint_ne(one,
                      identity_of(JOB "  metrics_path: /n\n"
                                      "  static_configs: [{targets: ['a:1'], labels: {x: y}}]\n"));
}
END_TEST

static uint64_t digest_of(const char *more)
{
    NV_AUTO_BUF yaml = NV_BUF(TEXT);

    nv_buf_printf(&yaml, JOB "%s", more);
    NV_AUTO(nv_config) *config = parse(nv_buf_c_string(&yaml));
    return nv_scrape_digest(&config->scrapes[0]);
}

START_TEST(jobs_that_ask_alike_are_told_from_those_that_do_not)
{
    static const char *const different[] = {
        "",
        "  honor_labels: true\n",
        "  honor_timestamps: false\n",
        "  enable_compression: false\n",
        "  expose: true\n",
        "  sample_limit: 7\n",
        "  label_limit: 7\n",
        "  body_size_limit: 7B\n",
        "  basic_auth: {username: a, password: b}\n",
        "  basic_auth: {username: a, password: c}\n",
        "  bearer_token: t\n",
        "  bearer_token_file: t\n",
        "  follow_redirects: false\n",
        "  tls_config: {insecure_skip_verify: true}\n",
        "  tls_config: {ca_file: x}\n",
        "  scrape_protocols: [PrometheusText0.0.4]\n",
        "  metric_relabel_configs: [{regex: a, action: labeldrop}]\n",
        "  metric_relabel_configs: [{regex: b, action: labeldrop}]\n",
        "  metric_relabel_configs: [{regex: a, action: labelkeep}]\n",
    };
    size_t n = sizeof(different) / sizeof(different[0]);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++)
            ck_assert_msg((digest_of(different[i]) == digest_of(different[k])) == (i == k),
                          "%s and %s", different[i], different[k]);
    }
    ck_assert_uint_eq(digest_of(""), digest_of("  scrape_interval: 3m\n  metrics_path: /x\n"));
}
END_TEST

START_TEST(a_scrape_asks_as_prometheus_does)
{
    NV_AUTO(nv_config) *usual = parse(JOB);
    NV_AUTO(nv_config) *own =
        parse(JOB "  scrape_native_histograms: true\n  metric_name_escaping_scheme: dots\n"
                  "  scrape_protocols: [PrometheusProto, PrometheusText1.0.0]\n");
    NV_AUTO_BUF accept = NV_BUF(TEXT), other = NV_BUF(TEXT);

    nv_scrape_write_accept(&usual->scrapes[0], &accept);
    ck_assert_str_eq(nv_buf_c_string(&accept),
                     "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                     "application/openmetrics-text;version=0.0.1;q=0.5,"
                     "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
    nv_scrape_write_accept(&own->scrapes[0], &other);
    ck_assert_str_eq(nv_buf_c_string(&other),
                     "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                     "encoding=delimited;q=0.6,text/plain;version=1.0.0;escaping=dots;q=0.5,"
                     "*/*;q=0.4");
}
END_TEST

START_TEST(a_timeout_is_told_in_seconds)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {10000, "10"   },
        {500,   "0.5"  },
        {1250,  "1.25" },
        {1,     "0.001"},
        {60000, "60"   }
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        NV_AUTO_BUF text = NV_BUF(TEXT);
        nv_scrape_write_timeout(cases[i].ms, &text);
        ck_assert_str_eq(nv_buf_c_string(&text), cases[i].text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("label");
    TCase *tests = tcase_create("label");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tests, a_target_has_the_labels_of_its_group_its_job_and_its_address);
    tcase_add_test(tests, labels_of_the_group_win_over_those_of_the_job);
    tcase_add_test(tests, discovered_labels_are_those_before_relabelling);
    tcase_add_test(tests, relabelling_makes_the_address_the_url_and_the_labels);
    tcase_add_test(tests, a_path_is_escaped_as_a_path);
    tcase_add_test(tests, a_url_without_end_is_refused);
    tcase_add_loop_test(tests, what_relabelling_leaves_is_checked, 0,
                        sizeof(mistakes) / sizeof(mistakes[0]));
    tcase_add_test(tests, a_target_is_the_same_as_long_as_its_job_labels_and_url_are);
    tcase_add_test(tests, jobs_that_ask_alike_are_told_from_those_that_do_not);
    tcase_add_test(tests, a_scrape_asks_as_prometheus_does);
    tcase_add_test(tests, a_timeout_is_told_in_seconds);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
