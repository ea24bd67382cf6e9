#include "agent/agent.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "agent/answers.h"
#include "agent/exposed.h"
#include "agent/notify.h"
#include "agent/settle.h"
#include "agent/version.h"
#include "base/clock.h"
#include "base/log.h"
#include "expo/expo.h"

enum {
    ADDRESSES_MAX = 8, /* enough to find one with a port */
    SETTLE_FIRST_MS = 20000,
    SETTLE_EVERY_MS = 120000,
};

/* When memory is given back that was needed once: most of it at the beginning. */
struct settling {
    int64_t next_ns, pause_ms;
};

struct agent {
    const struct nv_options *options;
    struct nv_self self;
    struct nv_history *history; /* NULL where none is kept */
    struct nv_identity identity;
    struct nv_gather *gather;
    struct nv_promql_pool *queries; /* memory of all of them */
    struct nv_configured *configured;
    struct nv_outgoing outgoing;
    struct nv_kubernetes *kubernetes; /* NULL where there is none */
    struct nv_scraping scraping;
    char url[NV_EXTERNAL_URL_MAX];
    struct nv_web *web;
    struct nv_life life; /* what HTTP requests want of the loop */
    struct nv_answers answers;
    const char *collectors[NV_GATHER_COLLECTORS_MAX]; /* all there are; the web borrows them */
    int signals, watchdog, loop;                      /* file descriptors */
};

/* Whether standard error leads to the journal: systemd names its device and inode. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct nv_str inode = stream ? nv_str(stream) : (struct nv_str){NULL, 0};
    struct nv_str device = nv_str_cut(&inode, ':');
    uint64_t dev, ino;
    struct stat st;

    return stream && nv_str_to_u64(device, &dev) && nv_str_to_u64(inode, &ino) &&
           fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void nv_agent_log(const struct nv_options *options)
{
    const struct nv_flag_value *format = &options->general[NV_OPTION_LOG_FORMAT];
    enum nv_log_form form = NV_LOG_LOGFMT;

    if (nv_str_is(format->text, "json"))
        form = NV_LOG_JSON;
    else if (!format->given && is_journal(STDERR_FILENO))
        form = NV_LOG_JOURNAL;
    nv_log_setup(nv_options_log_level(options), form, STDERR_FILENO);
}

static int parse_text(struct nv_str text, const struct nv_text_sink *sink, void *user, char *error,
                      size_t error_max)
{
    return nv_expo_parse_text(text, sink, user, error, error_max);
}

static int add_collectors(const struct nv_options *options, const struct nv_agent_parts *parts,
                          struct nv_gather *gather, char error[NV_FLAGS_ERROR_MAX])
{
    for (size_t i = 0; i < options->n_collectors; i++) {
        const struct nv_option_collector *entry = &options->collectors[i];
        if (nv_options_is_missed(options, i))
            nv_log_warn("collector %s is not provided: its flags are accepted and do nothing",
                        entry->name);
        if (!nv_options_is_on(options, i) ||
            nv_kubernetes_replaces(parts->kubernetes, entry->collector))
            continue;
        int r = nv_gather_add(gather, entry->collector, NV_GATHER_NODE, entry->values);
        if (r < 0) {
            snprintf(error, NV_FLAGS_ERROR_MAX, "collector %s cannot be added: %s", entry->name,
                     r == -EPROTO ? "it was built for another version of the plugin interface"
                                  : strerror(-r));
            return r;
        }
        if (entry->collector->options & NV_MAY_BLOCK) {
            parts->self->slow[parts->self->n_slow].name = entry->name;
            parts->self->slow[parts->self->n_slow++].number =
                nv_gather_find(gather, nv_str(entry->name));
        }
    }
    return 0;
}

int nv_agent_gather(const struct nv_options *options, const struct nv_agent_parts *parts,
                    bool exporter_metrics, struct nv_gather **ret, char error[NV_FLAGS_ERROR_MAX])
{
    const struct nv_flag_value *general = options->general;
    const struct nv_gather_options paths = {
        .procfs = general[NV_OPTION_PROCFS].text.p,
        .sysfs = general[NV_OPTION_SYSFS].text.p,
        .rootfs = general[NV_OPTION_ROOTFS].text.p,
        .udev = general[NV_OPTION_UDEV].text.p,
        .parse_text = parse_text,
        .pods = nv_kubernetes_pods(parts->kubernetes),
    };
    NV_AUTO(nv_gather) *gather = nv_gather_new(&paths);

    snprintf(error, NV_FLAGS_ERROR_MAX, "out of memory");
    if (!gather)
        return -ENOMEM;
    int r = add_collectors(options, parts, gather, error);
    if (r == 0)
        r = nv_self_add(parts->self, gather, exporter_metrics);
    if (r == 0 && parts->history && exporter_metrics)
        r = nv_history_add(parts->history, gather);
    if (r == 0 && parts->configured && exporter_metrics)
        r = nv_configured_add(parts->configured, gather);
    if (r == 0 && parts->outgoing && exporter_metrics)
        r = nv_outgoing_add(parts->outgoing, gather);
    if (r == 0 && parts->kubernetes && exporter_metrics)
        r = nv_kubernetes_add(parts->kubernetes, gather);
    if (r == 0 && parts->scraping && exporter_metrics)
        r = nv_scraping_add(parts->scraping, gather);
    if (r == 0)
        r = nv_gather_start(gather, error);
    if (r == 0)
        *ret = nv_take(gather);
    return r;
}

/* ---- the start ------------------------------------------------------------------------------ */

static void say_hello(void)
{
    nv_log_info("nodevitals starts, version %s, revision %s", nv_version.version,
                nv_version.revision);
    if (geteuid() == 0)
        nv_log_warn("running as root, which no collector that is on by default needs: an ordinary "
                    "user sees nearly all of it");
}

/* Blocks the signals for this thread and all it makes, so that only the loop takes them. */
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* A timer of half the watchdog's time, or -1 where nobody watches. */
static int open_watchdog(void)
{
    uint64_t usec = 0;

    if (!nv_notify_watchdog(&usec) || usec < 2)
        return -1;
    usec /= 2;
    const struct timespec half = {(time_t)(usec / 1000000), (long)(usec % 1000000) * 1000};
    const struct itimerspec timer = {half, half};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd >= 0 && timerfd_settime(fd, 0, &timer, NULL) < 0)
        return nv_log_err(-errno, "watchdog"), close(fd), -1;
    return fd;
}

static int watch(int loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_loop(struct agent *agent)
{
    agent->signals = open_signals();
    if (agent->signals < 0)
        return agent->signals;
    agent->watchdog = open_watchdog();
    agent->loop = epoll_create1(EPOLL_CLOEXEC);
    if (agent->loop < 0)
        return -errno;
    int r = watch(agent->loop, agent->signals);
    if (r == 0)
        r = nv_life_init(&agent->life);
    if (r == 0)
        r = watch(agent->loop, agent->life.fd);
    return r < 0 || agent->watchdog < 0 ? r : watch(agent->loop, agent->watchdog);
}

/* What the flags say of who judges requests. */
static struct nv_review_options review_options(const struct nv_flag_value *web)
{
    const struct nv_flag_value *audiences = &web[NV_OPTION_KUBERNETES_AUDIENCE];
    bool any = audiences->n_list && audiences->list[0].n;

    return (struct nv_review_options){
        .url = web[NV_OPTION_KUBERNETES_URL].text.p,
        .token_file = web[NV_OPTION_KUBERNETES_TOKEN_FILE].text.p,
        .ca_file = web[NV_OPTION_KUBERNETES_CA_FILE].text.p,
        .audiences = audiences->list,
        .n_audiences = any ? audiences->n_list : 0,
    };
}

static int make_web(struct agent *agent, char error[NV_FLAGS_ERROR_MAX])
{
    const struct nv_flag_value *web = agent->options->web;
    const struct nv_flag_value *listen = &web[NV_OPTION_LISTEN];
    size_t n = 0;

    for (size_t i = 0; i < agent->options->n_collectors; i++)
        agent->collectors[n++] = agent->options->collectors[i].name;
    const char **addresses = calloc(listen->n_list, sizeof(*addresses));
    if (!addresses)
        return -ENOMEM;
    for (size_t i = 0; i < listen->n_list; i++)
        addresses[i] = listen->list[i].p;

    const struct nv_review_options reviews = review_options(web);
    const struct nv_web_options options = {
        .listen = addresses,
        .n_listen = listen->n_list,
        .systemd_socket = web[NV_OPTION_SYSTEMD_SOCKET].on,
        .telemetry_path = web[NV_OPTION_TELEMETRY_PATH].text.p,
        .max_requests = (unsigned)web[NV_OPTION_MAX_REQUESTS].number,
        .config_file = web[NV_OPTION_WEB_CONFIG].text.p,
        .version = nv_version.version,
        .branch = nv_version.branch,
        .revision = nv_version.revision,
        .gather = agent->gather,
        .collectors = agent->collectors,
        .n_collectors = n,
        .exposed = nv_exposed(&agent->scraping),
        .kubernetes = web[NV_OPTION_KUBERNETES_AUTH].on ? &reviews : NULL,
        .self_signed =
            web[NV_OPTION_KUBERNETES_AUTH].on && web[NV_OPTION_KUBERNETES_SELF_SIGNED].on,
    };
    int r = nv_web_new(&options, &agent->web, error);
    free(addresses);
    return r;
}

/* What a Prometheus would call this agent, and where it would find it. */
static void name_agent(struct agent *agent)
{
    const char *addresses[ADDRESSES_MAX];
    char host[256] = "";
    size_t n = 0;

    for (; n < nv_web_n_addresses(agent->web) && n < NV_LEN(addresses); n++)
        addresses[n] = nv_web_address(agent->web, n);
    gethostname(host, sizeof(host) - 1);
    nv_identity_init(&agent->identity, &agent->options->history, getenv("NODE_NAME"), host,
                     addresses, n);
    nv_external_url(agent->url, &agent->options->rules[NV_OPTION_EXTERNAL_URL],
                    host[0] ? host : "localhost", n ? addresses[0] : NULL,
                    nv_web_has_tls(agent->web));
}

/* What collectors keep between runs lies beside the history. */
static int keep_states(struct agent *agent)
{
    char folder[NV_STORAGE_PATH_MAX + sizeof("/state")];
    struct nv_history_told told;

    nv_history_tell(agent->history, &told);
    if (told.in_memory)
        return 0;
    snprintf(folder, sizeof(folder), "%s/state", agent->options->history.path);
    return nv_gather_keep_states(agent->gather, folder);
}

/* Opens the history and begins to sample into it. */
static int begin_history(struct agent *agent, char error[NV_FLAGS_ERROR_MAX])
{
    int r = nv_history_open(agent->history, error);
    if (r < 0)
        return r;
    r = keep_states(agent);
    if (r == 0)
        r = nv_history_begin(agent->history, agent->gather, agent->identity.labels,
                             NV_LEN(agent->identity.labels));
    if (r < 0)
        snprintf(error, NV_FLAGS_ERROR_MAX, "cannot begin to keep a history: %s",
                 r == -ENOENT ? "--storage.tsdb.collector-job names a collector that is not on"
                              : strerror(-r));
    return r;
}

/* What notifiers keep lies beside the history. */
static int open_outgoing(struct agent *agent, char error[NV_FLAGS_ERROR_MAX])
{
    char folder[NV_STORAGE_PATH_MAX + sizeof("/notify")];
    struct nv_history_told told = {.in_memory = true};

    if (!agent->options->rules[NV_OPTION_CONFIG_FILE].text.n)
        return 0;
    if (agent->history)
        nv_history_tell(agent->history, &told);
    snprintf(folder, sizeof(folder), "%s/notify", agent->options->history.path);
    int r = nv_outgoing_open(&agent->outgoing, told.in_memory ? NULL : folder, agent->url);
    if (r < 0)
        snprintf(error, NV_FLAGS_ERROR_MAX, "%s", strerror(-r));
    return r;
}

/* What the API answers from: the history, and what is known here. */
static int open_api(struct agent *agent, char error[NV_FLAGS_ERROR_MAX])
{
    const struct nv_asking *asking = &agent->options->asking;
    struct nv_history_told told = {0};
    struct nv_api api = {.user = &agent->answers, .sources = nv_answers_sources};

    nv_asking_warn(agent->options->query);
    agent->queries = nv_promql_pool_new(asking->max_memory);
    if (!agent->queries)
        return snprintf(error, NV_FLAGS_ERROR_MAX, "out of memory"), -ENOMEM;
    nv_asking_fill(asking, agent->queries, &api);
    if (agent->history)
        nv_history_tell(agent->history, &told);
    agent->answers = (struct nv_answers){
        .options = agent->options,
        .history = agent->history,
        .gather = agent->gather,
        .web = agent->web,
        .identity = &agent->identity,
        .life = &agent->life,
        .configured = agent->configured,
        .outgoing = &agent->outgoing,
        .scraping = &agent->scraping,
        .started_ms = nv_wall_ms(),
    };
    api.external_url = agent->url;
    api.notify = nv_outgoing_notify(&agent->outgoing);
    api.queryable = told.store ? nv_store_queryable(told.store) : NULL;
    return nv_web_set_api(agent->web, &api, error);
}

/* Who is told of alerts, and what is scraped: both, or neither. */
static int apply(void *user, struct nv_config *config, char error[NV_YAML_ERROR_MAX])
{
    struct agent *agent = user;
    char other[NV_YAML_ERROR_MAX];

    int r = nv_outgoing_apply(&agent->outgoing, config, error);
    if (r < 0)
        return r;
    r = nv_scraping_apply(&agent->scraping, config, error);
    if (r == 0)
        return 0;
    NV_AUTO(nv_config) *before = nv_configured_config(agent->configured);
    if (before && nv_outgoing_apply(&agent->outgoing, before, other) < 0)
        nv_log_error("reload: %s", other);
    return r;
}

static void send_alerts(void *user, const struct nv_rule_alert *alerts, size_t n)
{
    struct agent *agent = user;

    nv_outgoing_send(&agent->outgoing, alerts, n);
}

/* There are other pods than before. */
static void look_again(void *scraping)
{
    nv_scrape_look(nv_scraping_get(scraping));
}

/* Begins what the file of --config.file asks for, and what is found on the node. */
static int open_configured(struct agent *agent, char error[NV_FLAGS_ERROR_MAX])
{
    struct nv_history_told told = {0};
    char reason[NV_YAML_ERROR_MAX];

    if (agent->history)
        nv_history_tell(agent->history, &told);
    struct nv_kubernetes *node = agent->kubernetes;
    int r =
        nv_scraping_open(&agent->scraping, told.store, node ? nv_kubernetes_discover : NULL, node);
    if (r < 0) {
        snprintf(error, NV_FLAGS_ERROR_MAX, "cannot scrape targets: %s", strerror(-r));
        return r;
    }
    if (node)
        nv_kubernetes_on_change(node, look_again, &agent->scraping);
    const struct nv_configured_options options = {
        .store = told.store,
        .pool = agent->queries,
        .external_url = agent->url,
        .apply = apply,
        .send = send_alerts,
        .user = agent,
    };
    r = nv_configured_open(agent->configured, &options, reason);
    if (r < 0)
        snprintf(error, NV_FLAGS_ERROR_MAX, "cannot load the configuration: %.900s", reason);
    return r;
}

/* Everything up to the moment of readiness. On failure `error` tells the user why. */
static int start(struct agent *agent, char error[NV_FLAGS_ERROR_MAX])
{
    bool exporter_metrics = !agent->options->web[NV_OPTION_DISABLE_EXPORTER_METRICS].on;

    int r = open_loop(agent);
    if (r < 0) {
        snprintf(error, NV_FLAGS_ERROR_MAX, "cannot set up signals: %s", strerror(-r));
        return r;
    }
    if (agent->options->history.on) {
        agent->history = nv_history_new(&agent->options->history);
        if (!agent->history)
            return snprintf(error, NV_FLAGS_ERROR_MAX, "out of memory"), -ENOMEM;
    }
    agent->configured = nv_configured_new(agent->options->rules, &agent->options->asking);
    if (!agent->configured)
        return snprintf(error, NV_FLAGS_ERROR_MAX, "out of memory"), -ENOMEM;
    r = nv_agent_kubernetes(agent->options, &agent->kubernetes, error);
    if (r < 0)
        return r;
    const struct nv_agent_parts parts = {&agent->self,     agent->history,    agent->configured,
                                         &agent->outgoing, agent->kubernetes, &agent->scraping};
    r = nv_agent_gather(agent->options, &parts, exporter_metrics, &agent->gather, error);
    if (r == 0)
        r = make_web(agent, error);
    if (r < 0)
        return r;
    agent->self.web = agent->web;
    if (nv_web_warning(agent->web)[0])
        nv_log_warn("web: %s", nv_web_warning(agent->web));
    name_agent(agent);
    if (agent->history)
        r = begin_history(agent, error);
    if (r == 0)
        r = open_outgoing(agent, error);
    if (r == 0)
        r = open_api(agent, error);
    if (r == 0)
        r = open_configured(agent, error);
    if (r == 0)
        r = nv_web_start(agent->web, error);
    if (r < 0)
        return r;
    nv_scraping_start(&agent->scraping);
    return 0;
}

static void tell_addresses(const struct agent *agent)
{
    for (size_t i = 0; i < nv_web_n_addresses(agent->web); i++)
        nv_log_write(NV_INFO, __FILE__, __LINE__, "address", nv_web_address(agent->web, i),
                     "listening with TLS %s", nv_web_has_tls(agent->web) ? "on" : "off");
}

static void tell_ready(const struct agent *agent)
{
    size_t n = 0;

    for (size_t i = 0; i < agent->options->n_collectors; i++)
        n += nv_options_is_on(agent->options, i);
    nv_web_set_ready(agent->web, true);
    nv_notify("READY=1\nSTATUS=%zu collectors on %s.", n,
              nv_web_n_addresses(agent->web) ? nv_web_address(agent->web, 0) : "no address");
}

/* ---- the loop ------------------------------------------------------------------------------- */

/*
 * The web's configuration and certificates are looked after by the web itself, at each connection. Returns 0, or a
 * negative errno and why in `error`.
 */
static int reload(struct agent *agent, char error[NV_LIFE_ERROR_MAX])
{
    char reason[NV_YAML_ERROR_MAX];

    error[0] = '\0';
    nv_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(nv_monotonic_ns() / 1000));
    nv_log_info("reload: flags stay as they are; the web configuration is read again whenever it "
                "changes");
    int r = nv_configured_reload(agent->configured, reason);
    if (r < 0)
        snprintf(error, NV_LIFE_ERROR_MAX, "%s", reason);
    tell_ready(agent);
    return r;
}

/* Returns the signal that ends the agent, or 0. */
static int take_signals(struct agent *agent)
{
    struct signalfd_siginfo info;
    char error[NV_LIFE_ERROR_MAX];

    while (read(agent->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGHUP)
            return (int)info.ssi_signo;
        (void)reload(agent, error); /* which logs what is wrong */
    }
    return 0;
}

/* What HTTP requests want. Returns whether to end. */
static bool take_wishes(struct agent *agent)
{
    struct nv_life_wishes wishes = nv_life_take(&agent->life);
    char error[NV_LIFE_ERROR_MAX];

    if (wishes.reload) {
        int r = reload(agent, error);
        nv_life_serve(&agent->life, wishes.reload, r, error);
    }
    return wishes.quit;
}

static void feed_watchdog(const struct agent *agent)
{
    uint64_t times;

    if (read(agent->watchdog, &times, sizeof(times)) == (ssize_t)sizeof(times))
        nv_notify("WATCHDOG=1");
}

/* What clients of others take is loaded when they first ask, and then mostly idle. Returns milliseconds to the next time. */
static int settle_again(struct settling *settling)
{
    int64_t now = nv_monotonic_ns();

    if (now >= settling->next_ns) {
        nv_agent_settle();
        settling->next_ns = now + INT64_C(1000000) * settling->pause_ms;
        settling->pause_ms *= 2;
        if (settling->pause_ms > SETTLE_EVERY_MS)
            settling->pause_ms = SETTLE_EVERY_MS;
    }
    return (int)((settling->next_ns - now) / 1000000) + 1;
}

/* Returns the signal that ended it, 0 for a wish, or a negative errno. */
static int loop(struct agent *agent)
{
    struct settling settling = {nv_monotonic_ns() + INT64_C(1000000) * SETTLE_FIRST_MS,
                                SETTLE_FIRST_MS};

    for (;;) {
        struct epoll_event events[3];
        int n = epoll_wait(agent->loop, events, NV_LEN(events), settle_again(&settling));
        if (n < 0 && errno != EINTR)
            return nv_log_err(-errno, "cannot wait for events");
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == agent->watchdog) {
                feed_watchdog(agent);
                continue;
            }
            if (events[i].data.fd == agent->life.fd) {
                if (take_wishes(agent))
                    return 0;
                continue;
            }
            int ending = take_signals(agent);
            if (ending)
                return ending;
        }
    }
}

static void stop(struct agent *agent)
{
    nv_life_close(&agent->life); /* who waits for the loop waits for us */
    if (agent->web)
        nv_web_stop(agent->web);
    nv_scraping_stop(&agent->scraping);
    if (agent->configured)
        nv_configured_stop(agent->configured);
    if (agent->kubernetes)
        nv_kubernetes_stop(agent->kubernetes);
    nv_outgoing_stop(&agent->outgoing); /* with the last word of the rules */
    if (agent->history)
        nv_history_end(agent->history); /* whose passes ask the web for its counts */
    agent->self.web = NULL;
    nv_web_free(agent->web);
    nv_promql_pool_free(agent->queries);
    nv_gather_free(agent->gather);
    nv_scraping_done(&agent->scraping);
    nv_kubernetes_free(agent->kubernetes); /* whose jobs were scraped */
    nv_history_free(agent->history);
    nv_configured_free(agent->configured);
    nv_outgoing_done(&agent->outgoing);
    nv_life_done(&agent->life);
    nv_close_auto(&agent->signals);
    nv_close_auto(&agent->watchdog);
    nv_close_auto(&agent->loop);
}

/* Connections and kept files together pass the usual soft limit of 1,024; select(2), for whose sake it is low,
 * nobody here uses. */
static void raise_file_limit(void)
{
    enum { ENOUGH = 16384 };
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= ENOUGH)
        return;
    limit.rlim_cur = limit.rlim_max < ENOUGH ? limit.rlim_max : ENOUGH;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        nv_log_warn("cannot raise the limit of open files: %s", strerror(errno));
}

/* The C library would give each thread a heap of its own; what one thread took and another gave back, as targets that come
 * and go are, lies about in all of them. Hardly any work here is malloc(3), so that one heap suffices. */
static void limit_heaps(void)
{
    enum { HEAPS = 1, LARGE_BYTES = 64 << 10 };

    (void)mallopt(M_ARENA_MAX, HEAPS);
    /* What is large has pages of its own, which go back when it does. Fixed, lest the first large answer that is freed
     * makes the heap keep all later ones. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

int nv_agent_run(const struct nv_options *options)
{
    struct agent agent = {
        .options = options, .signals = -1, .watchdog = -1, .loop = -1, .life.fd = -1};
    char error[NV_FLAGS_ERROR_MAX] = "";

    nv_agent_log(options);
    say_hello();
    raise_file_limit();
    limit_heaps();
    int r = start(&agent, error);
    if (r < 0) {
        nv_log_error("%s", error);
    } else {
        nv_agent_settle();
        tell_ready(&agent);
        tell_addresses(&agent); /* who reads this may ask at once */
        r = loop(&agent);
        nv_notify("STOPPING=1");
        if (r >= 0)
            nv_log_info("stopping on %s", r == 0            ? "an HTTP request"
                                          : sigabbrev_np(r) ? sigabbrev_np(r)
                                                            : "a signal");
    }
    stop(&agent);
    return r < 0 ? 1 : 0;
}
