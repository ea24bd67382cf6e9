/*
 * check_config.c - `nodevitals check config FILE ...`: reads configurations as the agent would, looks for the files they
 * name, and checks their rule files. Output and status are promtool's.
 *
 * Status 0: all is well; 1: mistakes; 3: only what the lint found, with --lint-fatal.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/rules.h"
#include "config/config.h"

enum { FATAL_LINT = 3, PATHS_MEMORY = 64 << 20 };

enum { SYNTAX_ONLY, LINT, LINT_FATAL, IGNORE_UNKNOWN, FEATURES };
// clang-format off
static const struct nv_flag flags_list[] = {
    [SYNTAX_ONLY]    = {"syntax-only",           NV_FLAG_BOOL, "false",           "Check what the configuration says alone, not the files it names.", false},
    [LINT]           = {"lint",                  NV_FLAG_TEXT, "duplicate-rules", "What to look for in rule files beside mistakes, commas between: duplicate-rules, all, none.", false},
    [LINT_FATAL]     = {"lint-fatal",            NV_FLAG_BOOL, "false",           "Status 3 where the lint finds something.", false},
    [IGNORE_UNKNOWN] = {"ignore-unknown-fields", NV_FLAG_BOOL, "false",           "Accept keys of rule files that are not known.", false},
    [FEATURES]       = {"enable-feature",        NV_FLAG_LIST, "",                "Features of PromQL to switch on, commas between.", false},
    {0},
};
// clang-format on

/* What is found about one configuration. */
struct check {
    struct nv_arena memory;
    const struct nv_config *config;
    struct nv_text_list rule_files;
};

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fputs("  FAILED: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return -EBADMSG;
}

/* ---- files that are named ------------------------------------------------------------------- */

/* A file that is named by itself must be there. */
static int check_file(const char *what, const char *path)
{
    struct stat st;

    if (!path || stat(path, &st) == 0)
        return 0;
    return fail("error checking %s \"%s\": %s", what, path, strerror(errno));
}

static int check_tls(const struct nv_tls_config *tls)
{
    int r = check_file("ca file", tls->ca_file);

    if (r == 0)
        r = check_file("client cert file", tls->cert_file);
    return r < 0 ? r : check_file("client key file", tls->key_file);
}

static int check_http(const struct nv_http_config *http)
{
    int r = check_file("authorization credentials or bearer token file", http->credentials_file);

    if (r == 0)
        r = check_file("basic_auth password file", http->password_file);
    if (r == 0)
        r = check_file("basic_auth username file", http->username_file);
    return r < 0 ? r : check_tls(&http->tls);
}

/* The files of a pattern hold targets; one that fits nothing is told of. `whose` ends that sentence. */
static int check_target_files(struct check *check, const char *pattern, const char *whose)
{
    const char *const patterns[] = {pattern, NULL};
    NV_AUTO(nv_file_sd) *sd = nv_file_sd_new(patterns);
    struct nv_text_list found = {NULL, 0};
    char error[NV_YAML_ERROR_MAX];
    bool changed;
    struct stat st;

    if (!sd)
        return -ENOMEM;
    int r = nv_config_glob(&(struct nv_text_list){patterns, 1}, &check->memory, &found);
    if (r < 0)
        return r;
    if (found.n == 0 || (found.n == 1 && stat(found.at[0], &st) < 0)) {
        printf("  WARNING: file \"%s\" for file_sd in %s does not exist\n", pattern, whose);
        return 0;
    }
    r = nv_file_sd_refresh(sd, &changed, error);
    return r < 0 ? fail("checking SD file \"%s\": %s", pattern, error) : 0;
}

static int check_targets(struct check *check, const struct nv_config_targets *targets,
                         const char *whose)
{
    int r = 0;

    for (size_t i = 0; i < targets->n_file_sds && r == 0; i++) {
        for (size_t k = 0; k < targets->file_sds[i].files.n && r == 0; k++)
            r = check_target_files(check, targets->file_sds[i].files.at[k], whose);
    }
    return r;
}

static int check_scrapes(struct check *check)
{
    int r = 0;

    for (size_t i = 0; i < check->config->n_scrapes && r == 0; i++) {
        const struct nv_config_scrape *scrape = &check->config->scrapes[i];
        char whose[512];
        snprintf(whose, sizeof(whose), "scrape job \"%s\"", scrape->job_name);
        r = check_http(&scrape->http);
        if (r == 0)
            r = check_targets(check, &scrape->targets, whose);
    }
    return r;
}

static int check_alertmanagers(struct check *check)
{
    int r = 0;

    for (size_t i = 0; i < check->config->alerting.n_alertmanagers && r == 0; i++) {
        const struct nv_config_alertmanager *am = &check->config->alerting.alertmanagers[i];
        r = check_http(&am->http);
        if (r == 0)
            r = check_targets(check, &am->targets, "alertmanager config");
    }
    return r;
}

static int check_receiver(const struct nv_notify_receiver *receiver)
{
    int r = 0;

    for (size_t i = 0; i < receiver->n_webhooks && r == 0; i++) {
        r = check_file("webhook url_file", receiver->webhooks[i].url_file);
        if (r == 0)
            r = check_http(&receiver->webhooks[i].http);
    }
    for (size_t i = 0; i < receiver->n_emails && r == 0; i++) {
        r = check_file("mail password file", receiver->emails[i].auth_password_file);
        if (r == 0)
            r = check_tls(&receiver->emails[i].tls);
    }
    for (size_t i = 0; i < receiver->n_commands && r == 0; i++)
        r = check_file("command", receiver->commands[i].command.at[0]);
    return r;
}

static int check_receivers(const struct nv_notify_config *notify)
{
    int r = 0;

    for (size_t i = 0; i < notify->n_receivers && r == 0; i++)
        r = check_receiver(&notify->receivers[i]);
    return r;
}

static int find_rule_files(struct check *check)
{
    const struct nv_text_list *patterns = &check->config->rule_files;
    struct stat st;

    for (size_t i = 0; i < patterns->n; i++) {
        if (!strpbrk(patterns->at[i], "*?[") && stat(patterns->at[i], &st) < 0)
            return fail("\"%s\" does not point to an existing file", patterns->at[i]);
    }
    return nv_config_glob(patterns, &check->memory, &check->rule_files);
}

/* ---- the command ---------------------------------------------------------------------------- */

static int check_all_files(struct check *check)
{
    int r = find_rule_files(check);

    if (r == 0)
        r = check_scrapes(check);
    if (r == 0)
        r = check_alertmanagers(check);
    return r < 0 ? r : check_receivers(&check->config->notify);
}

static void tell_success(const struct check *check, const char *path)
{
    for (size_t i = 0; i < check->config->n_notes; i++)
        printf("  WARNING: %s\n", check->config->notes[i]);
    if (check->rule_files.n)
        printf("  SUCCESS: %zu rule files found\n", check->rule_files.n);
    printf(" SUCCESS: %s is valid prometheus config file syntax\n", path);
}

/* Returns 0; -EBADMSG where it has mistakes, which were told; -ENOMEM. */
static int check_config(const char *path, bool syntax_only, struct nv_cli_rule_check *rules)
{
    NV_AUTO(nv_config) *config = NULL;
    struct check check = {.memory = NV_ARENA(PATHS_MEMORY)};
    char error[NV_YAML_ERROR_MAX];

    printf("Checking %s\n", path);
    int r = nv_config_load(path, &config, error);
    if (r < 0 && r != -ENOMEM)
        r = fail("%s", error);
    check.config = config;
    if (r == 0 && !syntax_only)
        r = check_all_files(&check);
    if (r == 0)
        tell_success(&check, path);
    puts("");
    fflush(stdout);
    for (size_t i = 0; i < check.rule_files.n && r == 0; i++)
        r = nv_cli_check_rule_file(rules, check.rule_files.at[i]);
    nv_arena_done(&check.memory);
    return r;
}

int nv_cli_check_config(int argc, const char *const *argv)
{
    NV_AUTO(nv_flags) *flags = nv_flags_new(
        "nodevitals check config FILE ...",
        "Checks configurations and the files they name. Status 0: all is well; 1: mistakes; 3: the "
        "lint of rule files found something, with --lint-fatal.");
    const struct nv_flag_value *values;
    struct nv_cli_rule_check rules = {0};
    bool failed = false;
    int status;

    if (!flags)
        return nv_cli_fail("out of memory");
    if (nv_cli_read_flags(flags, flags_list, argc, argv, &values, &status) < 0)
        return status;
    if (!nv_cli_read_lint(values[LINT].text, &rules))
        return nv_cli_fail("flag '--lint' cannot be '%.*s': duplicate-rules, all or none are "
                           "expected",
                           NV_ARGS(values[LINT].text));
    rules.options = (struct nv_rule_file_options){.features = nv_cli_features(&values[FEATURES]),
                                                  .ignore_unknown = values[IGNORE_UNKNOWN].on};
    if (!nv_flags_operand(flags, 0))
        return nv_cli_fail("required argument 'config-files' not provided");
    for (size_t i = 0; nv_flags_operand(flags, i); i++) {
        int r = check_config(nv_flags_operand(flags, i), values[SYNTAX_ONLY].on, &rules);
        if (r == -ENOMEM)
            return nv_cli_fail("out of memory");
        failed |= r < 0;
    }
    if (failed || rules.has_mistakes)
        return 1;
    return rules.failed && values[LINT_FATAL].on ? FATAL_LINT : 0;
}
