#include "agent/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "agent/sampler.h"
#include "agent/second.h"
#include "base/assert.h"
#include "base/log.h"

enum { WATCH_MS = 5000, BEHIND_MS = 2000 };

struct nv_history {
    uint32_t magic;
    const struct nv_storage *storage;
    struct nv_flag_value handle; /* carries our address to the collector */
    struct nv_second *second;
    struct nv_store *store;
    struct nv_sampler *sampler;
    uint32_t sources[2]; /* by enum nv_sampler_source */
    bool in_memory;

    /* The sampler's thread: what the log was told. */
    int64_t watched_ms;
    uint64_t read_faults, set_backs;
    struct nv_complaint unwritten, unreadable, behind;
};

struct nv_history *nv_history_new(const struct nv_storage *storage)
{
    NV_AUTO(nv_history) *history = calloc(1, sizeof(*history));

    if (!history)
        return NULL;
    history->magic = NV_HISTORY_MAGIC;
    history->storage = storage;
    history->handle.text = (struct nv_str){(const char *)history, sizeof(*history)};
    history->second = nv_second_new();
    return history->second ? nv_take(history) : NULL;
}

void nv_history_free(struct nv_history *history)
{
    if (!history)
        return;
    nv_history_end(history);
    nv_second_free(history->second);
    free(history);
}

int nv_history_add(struct nv_history *history, struct nv_gather *gather)
{
    int r = nv_gather_add(gather, &nv_history_collector, NV_GATHER_SELF, &history->handle);

    return r < 0 ? r : nv_second_add(history->second, gather);
}

/* ---- the store ------------------------------------------------------------------------------ */

/* fs NULL: in memory. */
static int open_store(struct nv_history *history, struct nv_fs *fs, char *error)
{
    const struct nv_storage *storage = history->storage;
    struct nv_store_options options = {
        .fs = fs,
        .retention_ms = storage->retention_ms,
        .retention_bytes = storage->retention_bytes,
        .wal_sync_ms = storage->wal_sync_ms,
        .threads = true,
    };

    for (size_t i = 0; i < storage->n_thin; i++) {
        options.thin[i].age_ms = storage->thin[i].age_ms;
        options.thin[i].interval_ms = storage->thin[i].interval_ms;
    }
    if (!fs && (!options.retention_bytes || options.retention_bytes > NV_HISTORY_MEMORY))
        options.retention_bytes = NV_HISTORY_MEMORY;
    return nv_store_open(&options, &history->store, error);
}

static int open_path(struct nv_history *history, char *error)
{
    struct nv_fs *fs;

    int r = nv_fs_open(history->storage->path, &fs);
    if (r < 0) {
        snprintf(error, NV_STORE_ERROR_MAX, "%s", strerror(-r));
        return r;
    }
    return open_store(history, fs, error);
}

static int open_sources(struct nv_history *history)
{
    static const char *const names[] = {[NV_SAMPLER_NODE] = "node", [NV_SAMPLER_AGENT] = "agent"};

    for (size_t i = 0; i < NV_LEN(names); i++) {
        int r = nv_store_source(history->store, names[i], &history->sources[i]);
        if (r)
            return r < 0 ? r : -E2BIG;
    }
    return 0;
}

static void tell_damage(struct nv_history *history)
{
    struct nv_store_stats stats;

    nv_store_stats(history->store, &stats);
    if (stats.corruptions)
        nv_log_error("history: %" PRIu64
                     " files of %.200s were found damaged; what is left of them "
                     "is used, and they are set aside",
                     stats.corruptions, history->storage->path);
}

int nv_history_open(struct nv_history *history, char error[NV_FLAGS_ERROR_MAX])
{
    const struct nv_storage *storage = history->storage;
    char reason[NV_STORE_ERROR_MAX] = "";

    int r = open_path(history, reason);
    if (r < 0 && !storage->path_given) {
        nv_log_warn("history: cannot be kept in %.200s: %s; it is kept in memory and lost with the "
                    "agent",
                    storage->path, reason);
        history->in_memory = true;
        r = open_store(history, NULL, reason);
    }
    if (r == 0) {
        tell_damage(history);
        r = open_sources(history);
        snprintf(reason, sizeof(reason), "%s", strerror(-r));
    }
    if (r < 0)
        snprintf(error, NV_FLAGS_ERROR_MAX, "cannot keep the history in %.200s: %s", storage->path,
                 reason);
    return r;
}

/* ---- sampling ------------------------------------------------------------------------------- */

static void watch_writing(struct nv_history *history, int error)
{
    if (error == -ETIMEDOUT && nv_complaint_speaks(&history->unwritten))
        nv_log_error("history: the disk of %.200s hangs; what is to be written waits in memory, "
                     "within bounds",
                     history->storage->path);
    else if (error && error != -ETIMEDOUT && nv_complaint_speaks(&history->unwritten))
        nv_log_err(error, "history: cannot be written to %.200s; it waits in memory, within bounds",
                   history->storage->path);
    else if (!error && nv_complaint_over(&history->unwritten))
        nv_log_info("history: is written to %.200s again", history->storage->path);
}

static void watch_reading(struct nv_history *history, uint64_t faults)
{
    if (faults != history->read_faults && nv_complaint_speaks(&history->unreadable))
        nv_log_error("history: a part of %.200s is damaged or cannot be read; queries go without "
                     "it, `nodevitals tsdb verify` tells which",
                     history->storage->path);
    history->read_faults = faults;
}

/* A tick that comes a moment early is no clock that is behind. */
static void watch_clock(struct nv_history *history, const struct nv_store_stats *stats)
{
    if (stats->set_backs != history->set_backs)
        nv_log_warn(
            "history: the clock stays behind; what is later than it is %s, and history goes on",
            history->in_memory ? "dropped" : "set aside as *.ahead");
    history->set_backs = stats->set_backs;
    if (stats->behind_ms < BEHIND_MS)
        nv_complaint_over(&history->behind);
    else if (nv_complaint_speaks(&history->behind))
        nv_log_warn("history: the clock is %" PRId64 " s behind the newest sample; samples are "
                    "dropped until it has caught up, or for some minutes if it was set back by an "
                    "hour or more",
                    stats->behind_ms / 1000);
}

/* What only the store notices, and only we can tell. */
static void watch(struct nv_history *history, int64_t now_ms)
{
    struct nv_store_stats stats;

    if (now_ms - history->watched_ms < WATCH_MS && now_ms >= history->watched_ms)
        return;
    history->watched_ms = now_ms;
    nv_store_stats(history->store, &stats);
    watch_writing(history, stats.disk_error);
    watch_reading(history, stats.read_faults);
    watch_clock(history, &stats);
}

static int append(void *user, enum nv_sampler_source source, struct nv_frame *frame)
{
    struct nv_history *history = user;

    if (source == NV_SAMPLER_NODE)
        watch(history, frame->time_ms);
    return nv_store_append(history->store, history->sources[source], frame);
}

static bool begins_page(void *user)
{
    const struct nv_history *history = user;

    return nv_store_begins_page(history->store, history->sources[NV_SAMPLER_NODE]);
}

int nv_history_begin(struct nv_history *history, struct nv_gather *gather,
                     const struct nv_label *labels, size_t n_labels)
{
    const struct nv_sampler_options options = {
        .gather = gather,
        .interval_ms = history->storage->interval_ms,
        .append = append,
        .begins_page = begins_page,
        .user = history,
        .observe = nv_second_observe,
        .observer = history->second,
    };

    int r = nv_gather_set_target(gather, labels, n_labels, history->storage->jobs,
                                 history->storage->n_jobs);
    if (r == 0)
        r = nv_sampler_new(&options, &history->sampler);
    return r < 0 ? r : nv_sampler_start(history->sampler);
}

/* A store whose disk hangs is left as it is: its threads wait in it, and end with the process. */
static void close_store(struct nv_store *store)
{
    int r = nv_store_stop(store, NV_HISTORY_STOP_MS);

    if (r == -ETIMEDOUT)
        nv_log_error("history: the disk hangs, or is very slow; the last samples may be lost");
    else if (r < 0)
        nv_log_err(r, "history: the last samples could not be written");
    if (r != -ETIMEDOUT)
        nv_store_close(store);
}

void nv_history_end(struct nv_history *history)
{
    if (history->sampler)
        nv_sampler_stop(history->sampler);
    if (history->store)
        close_store(nv_take(history->store));
    nv_sampler_free(nv_take(history->sampler));
}

void nv_history_tell(const struct nv_history *history, struct nv_history_told *ret)
{
    nv_assert(history && history->magic == NV_HISTORY_MAGIC);
    *ret = (struct nv_history_told){history->store, history->sampler, history->in_memory};
}
