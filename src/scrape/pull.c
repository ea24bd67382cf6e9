/*
 * pull.c - one scrape of one target: the request, its answer into the intake, the frame to the store.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/http.h"
#include "config/http_client.h"
#include "scrape/ask.h"
#include "scrape/inside.h"

enum {
    EXCERPT_MAX = 200, /* bytes of an answer that is none, for whoever reads the error */
    REFUSED_MAX =
        64
        << 10, /* such an answer is read to its end, so that the connection stays; but no further */
    BODY_MAX = 512 << 20,     /* where no body_size_limit is set */
    REQUEST_MEMORY = 4 << 20, /* headers, with those that stand in files */
    NAME_SIZE = 32,
    NS_PER_MS = 1000000,
};

/* An answer as it comes. */
struct answer {
    struct nv_scrape_pull *pull;
    int64_t time_ms;
    uint64_t bytes;
    int status; /* 0: there is none yet */
    char excerpt[EXCERPT_MAX];
    size_t n_excerpt;
    bool refused;   /* by the intake, which knows why */
    bool too_large; /* as no body of metrics is */
};

/* ---- the client ----------------------------------------------------------------------------- */

static void publish(struct nv_scrape *scrape, struct nv_scrape_pull *pull, struct nv_http *http)
{
    pthread_mutex_lock(&scrape->lock);
    struct nv_http *before = pull->http;
    pull->http = http;
    if (scrape->stopping && http)
        nv_http_cancel(http);
    pthread_mutex_unlock(&scrape->lock);
    nv_http_free(before);
}

static struct nv_http *make_client(const struct nv_scrape *scrape,
                                   const struct nv_scrape_info *info)
{
    struct nv_http_options options =
        nv_http_config_options(&info->config->http, info->is.timeout_ms);

    options.user_agent = scrape->options.user_agent;
    options.connect_timeout_ms = info->is.timeout_ms;
    return nv_http_new(&options);
}

static int take_sparse(void *user, const struct nv_label *labels, size_t n, int64_t time_ms,
                       double value, const struct nv_histogram *histogram)
{
    struct nv_scrape_pull *pull = user;
    const struct nv_scrape_storage *storage = pull->storage;

    if (!pull->has_source)
        return 0;
    return histogram
               ? storage->append_sparse_histogram(storage->user, pull->source, labels, n, time_ms,
                                                  histogram)
               : storage->append_sparse(storage->user, pull->source, labels, n, time_ms, value);
}

static int make_intake(struct nv_scrape_pull *pull, const struct nv_scrape_info *info)
{
    const struct nv_intake_options options = {
        .scrape = info->config,
        .labels = info->is.labels,
        .n_labels = info->is.n_labels,
        .sparse = take_sparse,
        .user = pull,
    };

    pull->intake = nv_intake_new(&options);
    return pull->intake ? 0 : -ENOMEM;
}

/* What a target was made of may have changed: what asks it follows, and its series go on. */
static int follow(struct nv_scrape *scrape, struct nv_scrape_pull *pull,
                  struct nv_scrape_info *info)
{
    if (pull->info == info)
        return 0;
    bool alike = pull->info && pull->info->digest == info->digest &&
                 pull->info->is.timeout_ms == info->is.timeout_ms;
    if (!alike || !pull->http) {
        struct nv_http *http = make_client(scrape, info);
        if (!http)
            return -ENOMEM;
        publish(scrape, pull, http);
    }
    if (!pull->intake) {
        int r = make_intake(pull, info);
        if (r < 0)
            return r;
    } else if (pull->info->config != info->config) {
        nv_intake_apply(pull->intake, info->config);
    }
    nv_scrape_info_unref(pull->info);
    pull->info = nv_scrape_info_ref(info);
    return 0;
}

/* Sources are few and stay, so those who leave hand theirs on: a place by the identity, else the next that is free. There is
 * none while too many that leave have theirs still. */
static bool take_place(struct nv_scrape *scrape, uint64_t identity, uint32_t *ret)
{
    uint32_t place = (uint32_t)(identity % NV_SCRAPE_TARGETS_MAX);

    pthread_mutex_lock(&scrape->lock);
    for (uint32_t i = 0; i < NV_SCRAPE_TARGETS_MAX && scrape->places[place]; i++)
        place = (place + 1) % NV_SCRAPE_TARGETS_MAX;
    bool is_free = !scrape->places[place];
    scrape->places[place] = true;
    pthread_mutex_unlock(&scrape->lock);
    *ret = place;
    return is_free;
}

static void give_place(struct nv_scrape *scrape, uint32_t place)
{
    pthread_mutex_lock(&scrape->lock);
    scrape->places[place] = false;
    pthread_mutex_unlock(&scrape->lock);
}

static void open_source(struct nv_scrape *scrape, struct nv_scrape_pull *pull)
{
    const struct nv_scrape_storage *storage = &scrape->options.storage;
    char name[NAME_SIZE];

    if (pull->has_source || !storage->source ||
        !take_place(scrape, pull->info->is.identity, &pull->place))
        return;
    pull->storage = storage;
    snprintf(name, sizeof(name), "scrape/%03u", (unsigned)pull->place);
    int r = storage->source(storage->user, name, &pull->source);
    pull->has_source = r == 0;
    if (r == 0)
        return;
    give_place(scrape, pull->place);
    if (nv_complaint_speaks(&pull->refused))
        nv_log_error("scrape: %s: the history has no place for it: %s", pull->info->is.url.p,
                     r < 0 ? strerror(-r) : "too many sources");
}

/* ---- the request ---------------------------------------------------------------------------- */

static int take(void *user, struct nv_str bytes)
{
    struct answer *answer = user;
    struct nv_scrape_pull *pull = answer->pull;
    int64_t limit = pull->info->config->limits.body_size;

    if (!answer->status) {
        answer->status = nv_http_status(pull->http);
        if (answer->status == 200)
            nv_intake_begin(pull->intake, nv_http_header(pull->http, "Content-Type"),
                            answer->time_ms);
    }
    answer->bytes += bytes.n;
    if (answer->status != 200) {
        size_t room = sizeof(answer->excerpt) - answer->n_excerpt;
        size_t n = bytes.n < room ? bytes.n : room;
        memcpy(answer->excerpt + answer->n_excerpt, bytes.p, n);
        answer->n_excerpt += n;
        return answer->bytes > REFUSED_MAX ? -EMSGSIZE : 0;
    }
    answer->too_large = !limit && answer->bytes > BODY_MAX;
    int r = answer->too_large ? -EMSGSIZE : nv_intake_feed(pull->intake, bytes.p, bytes.n);
    answer->refused = r < 0 && !answer->too_large;
    return r;
}

/* What a file with a secret is now, to tell whether it was changed while the old one was on its way. */
static struct timespec changed_at(const struct nv_http_config *http)
{
    const char *path = http->credentials_file ? http->credentials_file : http->password_file;
    struct stat st;

    return path && stat(path, &st) == 0 ? st.st_ctim : (struct timespec){0, 0};
}

static int ask_once(struct nv_scrape_pull *pull, const struct nv_http_request *request,
                    struct answer *answer, int64_t deadline_ns)
{
    struct nv_http_request one = *request;
    int status = 0;

    *answer = (struct answer){.pull = pull, .time_ms = answer->time_ms};
    one.timeout_ms = (deadline_ns - nv_monotonic_ns() + NS_PER_MS - 1) / NS_PER_MS;
    if (one.timeout_ms <= 0)
        one.timeout_ms = 1;
    one.take = take;
    one.user = answer;
    int r = nv_http_ask(pull->http, &one, &status);
    if (r == 0 && !answer->status && status == 200)
        nv_intake_begin(pull->intake, nv_http_header(pull->http, "Content-Type"), answer->time_ms);
    if (r == 0 || r == -EMSGSIZE)
        answer->status = answer->status ? answer->status : status;
    return r;
}

/* A token may have been replaced while we asked with the one before: then once more. */
static int ask(struct nv_scrape_pull *pull, const struct nv_http_request *request,
               struct answer *answer, int64_t deadline_ns)
{
    const struct nv_http_config *http = &pull->info->config->http;
    struct timespec before = changed_at(http);

    int r = ask_once(pull, request, answer, deadline_ns);
    if (r < 0 || answer->status != 401)
        return r;
    struct timespec now = changed_at(http);
    if (before.tv_sec == now.tv_sec && before.tv_nsec == now.tv_nsec)
        return r;
    return ask_once(pull, request, answer, deadline_ns);
}

/* The headers of the configuration, and ours. -ENOMEM; or that of a file, with *ret_file. */
static int make_headers(const struct nv_scrape_info *info, struct nv_arena *memory,
                        struct nv_http_request *request, const char **ret_file)
{
    struct nv_http_header *headers;
    NV_AUTO_BUF accept = NV_BUF(2048), timeout = NV_BUF(64);

    int r = nv_http_client_headers(&info->config->http, 3, memory, &headers, &request->n_headers,
                                   ret_file);
    if (r < 0)
        return r;
    nv_scrape_write_accept(info->config, &accept);
    nv_scrape_write_timeout(info->is.timeout_ms, &timeout);
    const struct nv_http_header own[] = {
        {"Accept",                  nv_arena_str(memory, nv_buf_view(&accept)).p},
        {"X-Prometheus-Scrape-Timeout-Seconds",                         nv_arena_str(memory,        nv_buf_view(&timeout)).p},
        {"Accept-Encoding", "identity"            },
    };
    size_t n = info->config->enable_compression ? 2 : 3;

    request->n_private = request->n_headers;
    if (!own[0].value || !own[1].value)
        return -ENOMEM;
    memcpy(headers + request->n_headers, own, n * sizeof(*own));
    request->headers = headers;
    request->n_headers += n;
    return 0;
}

/* ---- what came of it ------------------------------------------------------------------------ */

/* The reason why there is nothing to take in; "" where the intake has taken it, or knows better. */
static void find_reason(const struct nv_scrape_pull *pull, int r, const struct answer *answer,
                        char ret[NV_SCRAPE_ERROR_MAX])
{
    ret[0] = '\0';
    if (answer->refused)
        return;
    if (answer->too_large)
        snprintf(ret, NV_SCRAPE_ERROR_MAX, "the answer has more than %d MiB", BODY_MAX >> 20);
    else if ((r == 0 || r == -EMSGSIZE) && answer->status != 200)
        nv_scrape_refusal(pull->info->config, answer->status,
                          (struct nv_str){answer->excerpt, answer->n_excerpt}, ret);
    else if (r < 0)
        snprintf(ret, NV_SCRAPE_ERROR_MAX, "%s", nv_http_error(pull->http));
}

static void fetch(struct nv_scrape_pull *pull, struct nv_scrape_result *result)
{
    struct nv_arena memory = NV_ARENA(REQUEST_MEMORY);
    const struct nv_scrape_info *info = pull->info;
    struct nv_http_request request = {
        .url = info->is.url.p,
        .decode = info->config->enable_compression,
    };
    struct answer answer = {.pull = pull, .time_ms = result->time_ms};
    const char *file = NULL;
    int64_t deadline_ns = nv_monotonic_ns() + info->is.timeout_ms * NS_PER_MS;

    int r = make_headers(info, &memory, &request, &file);
    if (r < 0) {
        snprintf(result->error, sizeof(result->error), "cannot read %s: %s",
                 file ? file : "the headers", strerror(-r));
    } else {
        r = ask(pull, &request, &answer, deadline_ns);
        find_reason(pull, r, &answer, result->error);
        result->timed_out = r == -ETIMEDOUT;
        result->cancelled = r == -ECANCELED;
    }
    nv_arena_done(&memory);
    if (result->cancelled)
        nv_intake_abandon(pull->intake);
    else if (result->error[0])
        nv_intake_fail(pull->intake, result->time_ms, result->error);
    else if (nv_intake_end(pull->intake) < 0)
        return; /* what is wrong is told */
}

static void append(struct nv_scrape *scrape, struct nv_scrape_pull *pull,
                   struct nv_scrape_result *result)
{
    const struct nv_scrape_storage *storage = &scrape->options.storage;
    const struct nv_intake_report report = {
        .duration_s = (double)result->duration_ns / 1e9,
        .timeout_s = (double)pull->info->is.timeout_ms / 1e3,
    };
    NV_AUTO(nv_frame) *frame = NULL;

    if (nv_intake_wants_renewal(pull->intake) &&
        (!pull->has_source || nv_intake_is_crowded(pull->intake) ||
         storage->begins_page(storage->user, pull->source)))
        nv_intake_renew(pull->intake);
    int r = nv_intake_frame(pull->intake, &report, &frame);
    if (r == 0)
        pull->last_ms = result->time_ms;
    if (r == 0 && pull->has_source)
        r = storage->append(storage->user, pull->source, frame);
    result->dropped = r != 0;
    if (r == 0)
        nv_complaint_over(&pull->refused);
    else if (nv_complaint_speaks(&pull->refused))
        nv_log_warn("scrape: %s: a sample was dropped: %s", pull->info->is.url.p,
                    r < 0 ? strerror(-r) : "it is not newer than the last, or the store is full");
}

/* Once when it begins, with doubling silence, and once when it is over. */
static void complain(struct nv_scrape_pull *pull, const char *error)
{
    const struct nv_scrape_info *info = pull->info;

    if (error[0]) {
        if (nv_complaint_speaks(&pull->complaint))
            nv_log_write(NV_WARN, __FILE__, __LINE__, "target", info->is.url.p, "scrape: %s: %s",
                         info->config->job_name, error);
    } else if (nv_complaint_over(&pull->complaint)) {
        nv_log_write(NV_INFO, __FILE__, __LINE__, "target", info->is.url.p,
                     "scrape: %s: the target answers again", info->config->job_name);
    }
}

/* A good scrape, but for some of its samples. */
static void complain_of_samples(struct nv_scrape_pull *pull, uint64_t n)
{
    const struct nv_scrape_info *info = pull->info;

    if (!n)
        nv_complaint_over(&pull->left_out);
    else if (nv_complaint_speaks(&pull->left_out))
        nv_log_write(NV_WARN, __FILE__, __LINE__, "target", info->is.url.p,
                     "scrape: %s: %llu samples are left out: their labels are too many or too "
                     "long, or the history does not take their times",
                     info->config->job_name, (unsigned long long)n);
}

void nv_scrape_pull(struct nv_scrape *scrape, struct nv_scrape_target *target,
                    struct nv_scrape_info *info, int64_t time_ms, struct nv_scrape_result *ret)
{
    struct nv_scrape_pull *pull = &target->pull;
    int64_t begin_ns = nv_monotonic_ns();

    *ret = (struct nv_scrape_result){.time_ms = time_ms};
    int r = follow(scrape, pull, info);
    if (r < 0) {
        if (nv_complaint_speaks(&pull->refused))
            nv_log_error("scrape: %s: %s", info->is.url.p, strerror(-r));
        return;
    }
    open_source(scrape, pull);
    if (info->n_found) {
        snprintf(ret->error, sizeof(ret->error),
                 "target_limit exceeded (number of targets: %zu, limit: %lld)", info->n_found,
                 (long long)info->config->limits.targets);
        nv_intake_fail(pull->intake, time_ms, ret->error);
    } else {
        fetch(pull, ret);
    }
    ret->duration_ns = nv_monotonic_ns() - begin_ns;
    if (ret->cancelled)
        return;
    append(scrape, pull, ret);
    ret->told = nv_intake_told(pull->intake);
    snprintf(ret->error, sizeof(ret->error), "%s", ret->told->error);
    complain(pull, ret->error);
    complain_of_samples(pull, ret->told->refused);
}

/* ---- the end of a target -------------------------------------------------------------------- */

void nv_scrape_leave(struct nv_scrape *scrape, struct nv_scrape_target *target)
{
    struct nv_scrape_pull *pull = &target->pull;
    const struct nv_scrape_storage *storage = &scrape->options.storage;
    int64_t now_ms = nv_wall_ms();
    NV_AUTO(nv_frame) *frame = NULL;

    if (pull->intake &&
        nv_intake_leave(pull->intake, now_ms > pull->last_ms ? now_ms : pull->last_ms + 1,
                        &frame) == 0 &&
        frame && pull->has_source)
        (void)storage->append(storage->user, pull->source, frame);
    if (pull->has_source) {
        storage->source_end(storage->user, pull->source);
        give_place(scrape, pull->place);
    }
    pull->has_source = false;
    publish(scrape, pull, NULL);
    nv_intake_free(nv_take(pull->intake));
    nv_scrape_info_unref(nv_take(pull->info));
}
