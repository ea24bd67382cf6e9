#include "agent/answers.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "agent/sampler.h"
#include "config/units.h"

enum {
    TARGETS_MAX = 64, /* different sets of target labels */
    PASS_MS = 1000,
    TIMEOUT_MS = 500, /* of a pass for the store */
    ADDRESS_MAX = 256,
    URL_MAX = ADDRESS_MAX + 512,
};

/* ---- targets -------------------------------------------------------------------------------- */

struct targets {
    struct nv_target at[TARGETS_MAX];
    size_t n;
};

/* The number of a target among those seen so far; labels of nobody stand for those of the agent. */
static size_t find_target(struct targets *targets, const struct nv_answers *answers,
                          struct nv_target target)
{
    if (!target.n_labels)
        target = (struct nv_target){answers->identity->labels, 2, 0};
    for (size_t i = 0; i < targets->n; i++)
        if (nv_labels_compare(targets->at[i].labels, targets->at[i].n_labels, target.labels,
                              target.n_labels) == 0)
            return i;
    if (targets->n == TARGETS_MAX)
        return TARGETS_MAX - 1;
    targets->at[targets->n] = target;
    return targets->n++;
}

/* What is known of the collectors' series. Counted; NULL when memory is out. */
static struct nv_layout *layout_of(const struct nv_answers *answers)
{
    struct nv_layout *layout = nv_gather_layout(answers->gather);
    const struct nv_gather_selection all = {0};
    NV_AUTO(nv_frame) *frame = NULL;

    if (!layout || layout->n_families)
        return layout;
    if (nv_gather_pass(answers->gather, &all, PASS_MS, &frame) < 0)
        return layout;
    nv_layout_unref(layout);
    return nv_layout_ref(frame->layout);
}

/* "http://localhost:9100/metrics": by the first address that has a port. */
static void make_urls(const struct nv_answers *answers, char local[URL_MAX], char global[URL_MAX],
                      char address[ADDRESS_MAX])
{
    const char *scheme = nv_web_has_tls(answers->web) ? "https" : "http";
    const char *path = answers->options->web[NV_OPTION_TELEMETRY_PATH].text.p;
    char host[256] = "localhost";
    const char *port = "";

    for (size_t i = 0; i < nv_web_n_addresses(answers->web) && !*port; i++) {
        const char *listen = nv_web_address(answers->web, i), *colon = strrchr(listen, ':');
        if (colon && strncmp(listen, "unix:", 5) != 0 && strncmp(listen, "vsock:", 6) != 0)
            port = colon;
    }
    snprintf(address, ADDRESS_MAX, "localhost%s", port);
    snprintf(local, URL_MAX, "%s://%s%s", scheme, address, path);
    (void)gethostname(host, sizeof(host) - 1);
    snprintf(global, URL_MAX, "%s://%s%s%s", scheme, host, port, path);
}

/* What relabelling would have begun with. */
static size_t make_discovered(struct nv_label ret[8], const char *address, const char *path,
                              const char *scheme, struct nv_str interval, struct nv_str job)
{
    const struct nv_label labels[] = {
        {NV_LIT("__address__"),         nv_str(address)},
        {NV_LIT("__metrics_path__"),    nv_str(path)   },
        {NV_LIT("__scheme__"),          nv_str(scheme) },
        {NV_LIT("__scrape_interval__"), interval       },
        {NV_LIT("__scrape_timeout__"),  NV_LIT("500ms")},
        {NV_LIT("job"),                 job            },
    };

    memcpy(ret, labels, sizeof(labels));
    return sizeof(labels) / sizeof(labels[0]);
}

static void describe(const struct nv_answers *answers, struct nv_api_target *target)
{
    struct nv_history_told told = {0};
    struct nv_sampler_stats stats = {0};

    if (answers->history)
        nv_history_tell(answers->history, &told);
    if (told.sampler)
        nv_sampler_stats(told.sampler, &stats);
    target->health = !told.sampler || stats.last_ms ? NV_API_UP : NV_API_UNKNOWN;
    target->last_scrape_ns = stats.last_ms * 1000000;
    target->last_duration_ns = stats.last_ns;
    target->interval_ms = answers->options->history.interval_ms;
    target->timeout_ms = TIMEOUT_MS;
}

static int each_target(void *user, int (*each)(void *to, const struct nv_api_target *target),
                       void *to)
{
    const struct nv_answers *answers = user;
    struct targets targets = {0};
    char local[URL_MAX], global[URL_MAX], address[ADDRESS_MAX];
    NV_AUTO_BUF interval = NV_BUF(64);
    struct nv_layout *layout = layout_of(answers);
    int r = 0;

    if (!layout)
        return -ENOMEM;
    for (size_t i = 0; i < layout->n_sections; i++)
        (void)find_target(&targets, answers, layout->targets[i]);
    make_urls(answers, local, global, address);
    nv_write_duration(&interval, answers->options->history.interval_ms);
    for (size_t i = 0; i < targets.n && r == 0; i++) {
        struct nv_target labels = targets.at[i];
        struct nv_str job = nv_label_value(labels.labels, labels.n_labels, NV_LIT("job"));
        struct nv_label discovered[8];
        struct nv_api_target target = {
            .pool = job,
            .url = nv_str(local),
            .global_url = nv_str(global),
            .last_error = {"", 0},
            .labels = labels.labels,
            .discovered = discovered,
            .n_labels = labels.n_labels
        };
        target.n_discovered = make_discovered(
            discovered, address, answers->options->web[NV_OPTION_TELEMETRY_PATH].text.p,
            nv_web_has_tls(answers->web) ? "https" : "http", nv_buf_view(&interval), job);
        describe(answers, &target);
        r = each(to, &target);
    }
    nv_layout_unref(layout);
    return r ? r : nv_answer_scraped_targets(answers, each, to);
}

/* ---- metadata ------------------------------------------------------------------------------- */

/* A family, under each target whose collectors have it. */
static int tell_family(const struct nv_answers *answers, const struct nv_layout *layout,
                       const struct nv_layout_family *family,
                       int (*each)(void *to, const struct nv_api_family *family), void *to)
{
    static const char *const types[] = {"counter", "gauge", "unknown", "summary", "histogram"};
    struct targets targets = {0};
    int r = 0;

    for (uint32_t i = 0; i < family->n_series && r == 0; i++) {
        const struct nv_series *series = nv_layout_series(layout, family->series[i]);
        size_t before = targets.n,
               at = find_target(&targets, answers, layout->targets[series->section]);
        if (targets.n == before)
            continue;
        const struct nv_api_family told = {
            .name = family->name,
            .type = nv_str(types[family->type]),
            .help = family->help,
            .unit = {"", 0},
            .target = targets.at[at].labels,
            .n_target = targets.at[at].n_labels
        };
        r = each(to, &told);
    }
    return r;
}

static int each_family(void *user, int (*each)(void *to, const struct nv_api_family *family),
                       void *to)
{
    const struct nv_answers *answers = user;
    struct nv_layout *layout = layout_of(answers);
    int r = 0;

    if (!layout)
        return -ENOMEM;
    for (size_t i = 0; i < layout->n_families && r == 0; i++)
        r = tell_family(answers, layout, layout->families[i], each, to);
    nv_layout_unref(layout);
    return r ? r : nv_answer_scraped_families(answers, each, to);
}

/* ---- what runs ------------------------------------------------------------------------------ */

static int each_flag(void *user, int (*each)(void *to, const char *name, struct nv_str value),
                     void *to)
{
    const struct nv_answers *answers = user;

    return nv_flags_each(answers->options->flags, each, to);
}

static uint64_t count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    uint64_t n = 0;

    while (tasks && (entry = readdir(tasks)))
        n += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return n;
}

/* "15d", "512MB", "15d or 512MB". */
static void write_retention(const struct nv_storage *storage, char *to, size_t size)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t bytes = storage->retention_bytes;
    NV_AUTO_BUF text = NV_BUF(256);
    size_t unit = 0;

    if (storage->retention_ms)
        nv_write_duration(&text, storage->retention_ms);
    if (storage->retention_ms && bytes)
        nv_buf_text(&text, " or ");
    for (; bytes && bytes % 1024 == 0 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        bytes /= 1024;
    if (bytes)
        nv_buf_printf(&text, "%llu%s", (unsigned long long)bytes, units[unit]);
    snprintf(to, size, "%s", nv_buf_c_string(&text));
}

static int tell_runtime(void *user, struct nv_api_runtime *ret)
{
    const struct nv_answers *answers = user;
    struct nv_history_told told = {0};
    struct nv_store_stats stats = {0};
    struct nv_configured_told configured;

    nv_configured_tell(answers->configured, &configured);
    if (answers->history)
        nv_history_tell(answers->history, &told);
    if (told.store)
        nv_store_stats(told.store, &stats);
    *ret = (struct nv_api_runtime){
        .started_ms = answers->started_ms,
        .last_config_ms = configured.loaded_ms,
        .reload_ok = configured.reload_ok,
        .corruptions = stats.corruptions,
        .threads = count_threads(),
    };
    if (!getcwd(ret->cwd, sizeof(ret->cwd)))
        ret->cwd[0] = '\0';
    if (answers->history)
        write_retention(&answers->options->history, ret->retention, sizeof(ret->retention));
    return 0;
}

static int reload(void *user, struct nv_buf *error)
{
    const struct nv_answers *answers = user;

    return nv_life_reload(answers->life, error);
}

static void quit(void *user)
{
    const struct nv_answers *answers = user;

    nv_life_quit(answers->life);
}

/* ---- the configuration ---------------------------------------------------------------------- */

static int tell_rules(void *user, enum nv_rules_detail detail, struct nv_rules_view *ret)
{
    const struct nv_answers *answers = user;

    return nv_configured_view(answers->configured, detail, ret);
}

static int tell_external_labels(void *user, struct nv_arena *memory, const struct nv_label **ret,
                                size_t *ret_n)
{
    const struct nv_answers *answers = user;
    NV_AUTO(nv_config) *config = nv_configured_config(answers->configured);
    size_t n = config ? config->global.n_external_labels : 0;
    struct nv_label *labels = nv_arena_alloc(memory, (n + 1) * sizeof(*labels));

    for (size_t i = 0; labels && i < n; i++) {
        labels[i].name = nv_arena_str(memory, config->global.external_labels[i].name);
        labels[i].value = nv_arena_str(memory, config->global.external_labels[i].value);
        if (!labels[i].name.p || !labels[i].value.p)
            return -ENOMEM;
    }
    *ret = labels;
    *ret_n = n;
    return labels ? 0 : -ENOMEM;
}

static int tell_config(void *user, struct nv_buf *yaml)
{
    const struct nv_answers *answers = user;
    NV_AUTO(nv_config) *config = nv_configured_config(answers->configured);

    if (config)
        nv_buf_str(yaml, config->yaml);
    return yaml->failed;
}

static int tell_addresses(const struct nv_alertmanagers_view *view,
                          int (*each)(void *to, const struct nv_api_alertmanager *one), void *to)
{
    int r = 0;

    for (size_t i = 0; i < view->n_active && r == 0; i++)
        r = each(to, &(struct nv_api_alertmanager){.url = nv_str(view->active[i].url)});
    for (size_t i = 0; i < view->n_dropped && r == 0; i++)
        r = each(to,
                 &(struct nv_api_alertmanager){.url = nv_str(view->dropped[i]), .dropped = true});
    return r;
}

static int tell_alertmanagers(void *user,
                              int (*each)(void *to, const struct nv_api_alertmanager *one),
                              void *to)
{
    const struct nv_answers *answers = user;
    struct nv_notify *notify = nv_outgoing_notify(answers->outgoing);
    struct nv_alertmanagers_view view;

    int r = notify ? nv_alertmanagers_view(nv_notify_alertmanagers(notify), &view) : 0;
    if (r < 0 || !notify)
        return r;
    r = tell_addresses(&view, each, to);
    nv_alertmanagers_view_done(&view);
    return r;
}

static int each_collector(void *user, int (*each)(void *to, const struct nv_gather_report *report),
                          void *to)
{
    const struct nv_answers *answers = user;
    struct nv_gather_report report;
    int r = 0;

    for (size_t i = 0; i < nv_gather_count(answers->gather) && r == 0; i++) {
        nv_gather_report(answers->gather, i, &report);
        if (report.kind == NV_GATHER_NODE)
            r = each(to, &report);
    }
    return r;
}

const struct nv_api_sources nv_answers_sources = {
    .collectors = each_collector,
    .families = each_family,
    .targets = each_target,
    .pools = nv_answer_pools,
    .alertmanagers = tell_alertmanagers,
    .rules = tell_rules,
    .external_labels = tell_external_labels,
    .config = tell_config,
    .flags = each_flag,
    .runtime = tell_runtime,
    .head = nv_answer_head,
    .blocks = nv_answer_blocks,
    .delete_series = nv_answer_delete,
    .clean = nv_answer_clean,
    .snapshot = nv_answer_snapshot,
    .reload = reload,
    .quit = quit,
};
