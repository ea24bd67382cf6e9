/*
 * Opening and closing, sources, appending. The rest: recover.c (the log, after a
 * start), head*.c and log*.c (the way in), maintain.c, cut.c and merge.c (the way to disk), retain.c, query.c (the way out), stats.c.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/locked.h"
#include "tsdb/parts.h"
#include "tsdb/sparse.h"

#define LOCK_NAME "lock"

enum { MAINTAIN_EVERY_MS = 1000 };

/* A directory that was changed while it was read is read again, some seconds long: merging is seldom that busy. */
enum { CHANGED_RETRIES = 50, CHANGED_PAUSE_MS = 50 };

int64_t nv_store_now(const struct nv_store *store)
{
    return store->options.now_ms ? store->options.now_ms(store->options.now_user) : nv_wall_ms();
}

/* ---- sources -------------------------------------------------------------------------------- */

/* A chunk is full: the thread need not sleep on. */
static void wake(void *user)
{
    struct nv_store *store = user;
    NV_LOCKED(&store->wake_lock);

    store->woken = true;
    pthread_cond_signal(&store->wake);
}

int nv_store_source(struct nv_store *store, const char *name, uint32_t *ret)
{
    NV_LOCKED(&store->sources_lock);

    if (strlen(name) > NV_HEAD_NAME_MAX)
        return -EINVAL;
    for (size_t i = 0; i < store->n_heads; i++) {
        if (strcmp(store->heads[i]->name, name) == 0) {
            *ret = (uint32_t)i;
            return 0;
        }
    }
    if (store->n_heads == NV_STORE_SOURCES_MAX)
        return NV_STORE_FULL;
    struct nv_head *head;
    int r = nv_head_new(store->table, (uint32_t)store->n_heads, nv_str(name), &head);
    if (r < 0)
        return r;
    head->defers = store->options.threads;
    head->wake = store->options.threads ? wake : NULL;
    head->wake_user = store;
    store->heads[store->n_heads] = head;
    *ret = (uint32_t)store->n_heads;
    __atomic_store_n(&store->n_heads, store->n_heads + 1, __ATOMIC_RELEASE);
    return 0;
}

int nv_store_source_end(struct nv_store *store, uint32_t source)
{
    nv_assert(source < nv_store_n_heads(store));
    return nv_head_end(store->heads[source]);
}

int nv_store_append(struct nv_store *store, uint32_t source, struct nv_frame *frame)
{
    nv_assert(source < nv_store_n_heads(store));
    if (store->options.read_only)
        return -EROFS;
    return nv_head_append(store->heads[source], store->log, frame);
}

bool nv_store_begins_page(struct nv_store *store, uint32_t source)
{
    nv_assert(source < nv_store_n_heads(store));
    struct nv_head *head = store->heads[source];
    if (nv_head_is_deferring(head))
        return false;
    NV_LOCKED(&head->writing);

    return !head->open || nv_chunk_is_full(head->open) || head->open->n_rows == 0;
}

void nv_store_settle(struct nv_store *store)
{
    for (size_t i = 0; i < nv_store_n_heads(store); i++)
        nv_head_settle(store->heads[i]);
}

int nv_store_flush(struct nv_store *store)
{
    int64_t deadline = nv_monotonic_ns() + NV_STORE_FLUSH_MS * INT64_C(1000000);

    nv_store_settle(store);
    return store->log ? nv_log_flush(store->log, deadline) : 0;
}

/* ---- maintenance ---------------------------------------------------------------------------- */

static void *run(void *p)
{
    struct nv_store *store = p;
    int64_t until = nv_monotonic_ns() + MAINTAIN_EVERY_MS * INT64_C(1000000);

    pthread_setname_np(pthread_self(), "store");
    pthread_mutex_lock(&store->wake_lock);
    while (!store->stop) {
        struct timespec t = {until / 1000000000, until % 1000000000};
        if (!store->woken)
            pthread_cond_clockwait(&store->wake, &store->wake_lock, CLOCK_MONOTONIC, &t);
        if (store->stop)
            break;
        store->woken = false;
        pthread_mutex_unlock(&store->wake_lock);
        nv_store_seal_pending(store);
        if (nv_monotonic_ns() >= until) {
            nv_store_maintain(store);
            until = nv_monotonic_ns() + MAINTAIN_EVERY_MS * INT64_C(1000000);
        }
        pthread_mutex_lock(&store->wake_lock);
    }
    store->ended = true;
    pthread_cond_broadcast(&store->wake);
    pthread_mutex_unlock(&store->wake_lock);
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Lets the thread of maintenance end. -ETIMEDOUT: it has not by then; the disk holds it, or long work. */
static int stop_thread(struct nv_store *store, int64_t deadline_ns)
{
    struct timespec t = {deadline_ns / 1000000000, deadline_ns % 1000000000};

    if (!store->running)
        return 0;
    {
        NV_LOCKED(&store->wake_lock);
        __atomic_store_n(&store->stop, true, __ATOMIC_RELAXED);
        pthread_cond_broadcast(&store->wake);
        while (!store->ended)
            if (pthread_cond_clockwait(&store->wake, &store->wake_lock, CLOCK_MONOTONIC, &t) ==
                    ETIMEDOUT &&
                !store->ended)
                return -ETIMEDOUT;
    }
    pthread_join(store->thread, NULL);
    store->running = false;
    return 0;
}

int nv_store_stop(struct nv_store *store, int64_t within_ms)
{
    int64_t deadline = nv_monotonic_ns() + within_ms * 1000000;

    nv_store_settle(store);
    int r = store->log ? nv_log_flush(store->log, deadline) : 0;
    int stopped = r == -ETIMEDOUT ? r : stop_thread(store, deadline);
    if (stopped == 0 && store->log)
        stopped = nv_log_stop(store->log, deadline);
    return stopped < 0 ? stopped : r;
}

void nv_store_close(struct nv_store *store)
{
    if (!store)
        return;
    nv_store_settle(store);
    (void)!stop_thread(store, INT64_MAX);
    nv_log_free(store->log);
    nv_store_drop_marks(store, NULL, 0);
    for (size_t i = 0; i < store->n_heads; i++) {
        nv_sparse_done(store->heads[i]);
        nv_head_free(store->heads[i]);
    }
    nv_series_table_free(store->table);
    nv_blocks_unref(store->blocks);
    nv_block_cache_free(store->cache);
    nv_fs_free(store->fs);
    nv_arena_done(&store->damaged_names);
    free(store->damaged);
    free(store->marks);
    pthread_mutex_destroy(&store->sources_lock);
    pthread_mutex_destroy(&store->view_lock);
    pthread_mutex_destroy(&store->marks_lock);
    pthread_mutex_destroy(&store->maintain_lock);
    pthread_mutex_destroy(&store->wake_lock);
    pthread_cond_destroy(&store->wake);
    free(store);
}

static struct nv_store *store_new(const struct nv_store_options *options)
{
    struct nv_store *store = calloc(1, sizeof(*store));

    if (!store)
        return NULL;
    store->options = *options;
    store->fs = options->fs;
    store->options.fs = NULL;
    if (store->options.block_ms <= 0)
        store->options.block_ms = NV_STORE_BLOCK_MS;
    store->cut_ms = store->rotated_ms = INT64_MIN;
    for (size_t i = 0; i < NV_LEN(store->settled_ms); i++)
        store->settled_ms[i] = INT64_MIN;
    store->damaged_names = NV_ARENA(1 << 20);
    pthread_mutex_init(&store->sources_lock, NULL);
    pthread_mutex_init(&store->view_lock, NULL);
    pthread_mutex_init(&store->marks_lock, NULL);
    pthread_mutex_init(&store->maintain_lock, NULL);
    pthread_mutex_init(&store->wake_lock, NULL);
    pthread_cond_init(&store->wake, NULL);
    store->table = nv_series_table_new();
    store->blocks = nv_blocks_new(0);
    store->cache = nv_block_cache_new(NV_BLOCK_CACHE_BYTES);
    nv_store_init_queryable(store);
    return store;
}

static int take_lock(struct nv_store *store, char error[NV_STORE_ERROR_MAX])
{
    if (!store->fs || store->options.read_only)
        return 0;
    int r = store->fs->ops->lock(store->fs, LOCK_NAME);
    if (r == -EWOULDBLOCK)
        snprintf(error, NV_STORE_ERROR_MAX,
                 "another process writes this directory: it holds the file \"" LOCK_NAME "\"");
    else if (r < 0)
        snprintf(error, NV_STORE_ERROR_MAX, "cannot lock the directory: %s", strerror(-r));
    return r;
}

/* On failure the file layer stays the caller's. */
static int open_once(const struct nv_store_options *options, struct nv_store **ret,
                     char error[NV_STORE_ERROR_MAX])
{
    struct nv_store *store = store_new(options);

    error[0] = '\0';
    if (!store)
        return -ENOMEM;
    int r = store->table && store->blocks && store->cache ? take_lock(store, error) : -ENOMEM;
    if (r == 0 && store->fs)
        r = nv_store_recover(store, error);
    if (r == 0)
        nv_store_begin_clock(store);
    if (r == 0 && store->options.threads && !store->options.read_only) {
        r = -pthread_create(&store->thread, NULL, run, store);
        store->running = r == 0;
    }
    if (r < 0) {
        nv_log_free(nv_take(store->log)); /* which writes to it */
        store->fs = NULL;
        nv_store_close(store);
        return r;
    }
    *ret = store;
    return 0;
}

int nv_store_open(const struct nv_store_options *options, struct nv_store **ret,
                  char error[NV_STORE_ERROR_MAX])
{
    const struct timespec pause = {0, CHANGED_PAUSE_MS * 1000000};
    int r = open_once(options, ret, error);

    for (int i = 0; r == -ESTALE && i < CHANGED_RETRIES; i++) {
        nanosleep(&pause, NULL);
        r = open_once(options, ret, error);
    }
    if (r == -ESTALE) {
        r = -EAGAIN;
        snprintf(error, NV_STORE_ERROR_MAX,
                 "it changes faster than it can be read; try again in a while");
    }
    if (r < 0 && !error[0])
        snprintf(error, NV_STORE_ERROR_MAX, "%s", strerror(-r));
    if (r < 0)
        nv_fs_free(options->fs);
    return r;
}

int nv_store_open_to_read(const char *path, struct nv_store **ret, char error[NV_STORE_ERROR_MAX])
{
    struct nv_store_options options = {.read_only = true};

    int r = nv_fs_open_to_read(path, &options.fs);
    if (r < 0) {
        snprintf(error, NV_STORE_ERROR_MAX, "%s", strerror(-r));
        return r;
    }
    return nv_store_open(&options, ret, error);
}
