/*
 * What an operator asks for: deleting series, dropping for good what was deleted, a snapshot, a check of all files.
 */
#include <inttypes.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "tsdb/parts.h"
#include "tsdb/under.h"

enum { SELECT_BYTES = 256 << 20, PAUSE_MS = 10 };
#define ARENA __attribute__((cleanup(nv_arena_done))) struct nv_arena

static void unlock(pthread_mutex_t **lock)
{
    if (*lock)
        pthread_mutex_unlock(*lock);
}
#define MAINTENANCE __attribute__((cleanup(unlock))) pthread_mutex_t *

/* Maintenance waits for the disk as long as that takes; who asks for something does not. */
static int take_maintenance(struct nv_store *store, pthread_mutex_t **ret)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000};
    int64_t deadline = nv_monotonic_ns() + NV_STORE_ADMIN_MS * INT64_C(1000000);

    while (pthread_mutex_trylock(&store->maintain_lock) != 0) {
        if (nv_monotonic_ns() > deadline)
            return -ETIMEDOUT;
        nanosleep(&pause, NULL);
    }
    *ret = &store->maintain_lock;
    return 0;
}

/* ---- deleting ------------------------------------------------------------------------------- */

static int delete_in_block(struct nv_block *block, const struct nv_matcher *matchers, size_t n,
                           int64_t from_ms, int64_t to_ms)
{
    ARENA arena = NV_ARENA(SELECT_BYTES);
    uint32_t *numbers;
    size_t n_numbers;

    if (nv_block_info(block)->from_ms > to_ms || nv_block_info(block)->to_ms < from_ms)
        return 0;
    int r = nv_block_select(block, matchers, n, &arena, &numbers, &n_numbers);
    if (r < 0 || !n_numbers)
        return r < 0 ? r : 0;
    return nv_block_delete(block, numbers, n_numbers, from_ms, to_ms);
}

static void log_delete(struct nv_store *store, const struct nv_label *labels, size_t n,
                       int64_t from_ms, int64_t to_ms)
{
    NV_AUTO_BUF record = NV_BUF(NV_RECORD_MAX);
    size_t at = nv_record_begin(&record, NV_RECORD_DELETE);

    nv_record_put_labels(&record, labels, n);
    nv_put_varint(&record, from_ms);
    nv_put_varint(&record, to_ms);
    nv_record_end(&record, at);
    nv_log_begin(store->log);
    nv_log_end(store->log, record.failed ? (struct nv_str){NULL, 0} : nv_buf_view(&record), 0);
}

/* What comes later is not meant, whatever the range says. */
static int delete_in_memory(struct nv_store *store, const struct nv_matcher *matchers, size_t n,
                            int64_t from_ms, int64_t to_ms)
{
    ARENA arena = NV_ARENA(SELECT_BYTES);
    struct nv_head_series **found;
    size_t n_found;

    int r = nv_series_select(store->table, matchers, n, &arena, &found, &n_found);
    for (size_t i = 0; r == 0 && i < n_found; i++) {
        int64_t first, newest;
        const struct nv_label *labels = nv_series_labels(found[i], &arena);
        if (!nv_head_span(store->heads[found[i]->source], &first, &newest) || newest < from_ms)
            continue;
        int64_t until = to_ms < newest ? to_ms : newest;
        r = labels ? nv_store_add_mark(store, found[i], from_ms, until) : -ENOMEM;
        if (r == 0 && store->log)
            log_delete(store, labels, nv_series_n_labels(found[i]), from_ms, until);
    }
    if (n_found)
        nv_series_unref(store->table, found, n_found);
    return r;
}

int nv_store_delete(struct nv_store *store, const struct nv_matcher *matchers, size_t n,
                    int64_t from_ms, int64_t to_ms)
{
    MAINTENANCE held = NULL;

    if (n == 0 || from_ms > to_ms)
        return -EINVAL;
    if (store->options.read_only)
        return -EROFS;
    int r = take_maintenance(store, &held);
    for (size_t i = 0; r == 0 && i < store->blocks->n; i++)
        r = delete_in_block(store->blocks->at[i], matchers, n, from_ms, to_ms);
    if (r == 0)
        r = delete_in_memory(store, matchers, n, from_ms, to_ms);
    return r == 0 ? nv_store_flush(store) : r;
}

int nv_store_clean(struct nv_store *store)
{
    MAINTENANCE held = NULL;

    if (store->options.read_only)
        return -EROFS;
    int r = take_maintenance(store, &held);
    while (r == 0) {
        struct nv_block *marked = NULL;
        for (size_t i = 0; !marked && i < store->blocks->n; i++)
            if (nv_block_has_marks(store->blocks->at[i]))
                marked = store->blocks->at[i];
        if (!marked)
            return 0;
        r = nv_store_rewrite(store, &marked, 1, nv_block_info(marked)->level, 0);
    }
    return r;
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static int link_file(struct nv_fs *fs, const char *directory, const char *name, bool must)
{
    char to[2 * NV_BLOCK_NAME_MAX + 32];

    snprintf(to, sizeof(to), "%s/%s", directory, name);
    int r = fs->ops->link(fs, name, to);
    return must || r != -ENOENT ? r : 0;
}

static int link_block(struct nv_fs *fs, const char *directory, const char *name)
{
    char marks[NV_BLOCK_NAME_MAX + sizeof(NV_BLOCK_MARKS)];

    snprintf(marks, sizeof(marks), "%s" NV_BLOCK_MARKS, name);
    int r = link_file(fs, directory, name, true);
    return r < 0 ? r : link_file(fs, directory, marks, false);
}

static int make_directory(struct nv_fs *fs, const char *name, bool may_exist)
{
    int r = fs->ops->mkdir(fs, name);

    return r == -EEXIST && may_exist ? 0 : r;
}

/* What is in memory, as a block of the snapshot alone. */
static int snapshot_memory(struct nv_store *store, const char *directory)
{
    char name[NV_BLOCK_NAME_MAX];
    NV_AUTO(nv_fs) *under = nv_fs_under(store->fs, directory);

    if (!under)
        return -ENOMEM;
    for (size_t i = 0; i < nv_store_n_heads(store); i++) {
        int r = nv_head_seal(store->heads[i], true);
        if (r < 0)
            return r;
    }
    int r = nv_store_write_memory(store, under, name);
    return r == -ENODATA ? 0 : r;
}

/* As Prometheus names its own. */
static int name_snapshot(struct nv_store *store, char name[NV_BLOCK_NAME_MAX])
{
    time_t now = (time_t)(nv_store_now(store) / 1000);
    uint64_t random;
    struct tm tm;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random) || !gmtime_r(&now, &tm))
        return -EIO;
    size_t n = strftime(name, NV_BLOCK_NAME_MAX, "%Y%m%dT%H%M%SZ-", &tm);
    snprintf(name + n, NV_BLOCK_NAME_MAX - n, "%016" PRIx64, random);
    return 0;
}

int nv_store_snapshot(struct nv_store *store, bool skip_head, char name[NV_BLOCK_NAME_MAX])
{
    MAINTENANCE held = NULL;
    char directory[NV_BLOCK_NAME_MAX + 16];

    if (!store->fs)
        return -EOPNOTSUPP;
    if (store->options.read_only)
        return -EROFS;
    int r = take_maintenance(store, &held);
    if (r == 0)
        r = make_directory(store->fs, "snapshots", true);
    if (r == 0)
        r = name_snapshot(store, name);
    snprintf(directory, sizeof(directory), "snapshots/%s", r == 0 ? name : "");
    if (r == 0)
        r = make_directory(store->fs, directory, false);
    for (size_t i = 0; r == 0 && i < store->blocks->n; i++)
        r = link_block(store->fs, directory, nv_block_info(store->blocks->at[i])->name);
    if (r == 0 && !skip_head)
        r = snapshot_memory(store, directory);
    return r == 0 ? store->fs->ops->sync_dir(store->fs) : r;
}

/* ---- verifying ------------------------------------------------------------------------------ */

int nv_store_verify(struct nv_fs *fs, struct nv_buf *out)
{
    ARENA arena = NV_ARENA(SELECT_BYTES);
    struct nv_str *names;
    uint64_t segment;
    size_t n;
    int faults = 0;

    int r = fs->ops->list(fs, &arena, &names, &n);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        r = 0;
        if (memchr(names[i].p, '/', names[i].n))
            continue;
        if (nv_str_ends(names[i], NV_DAMAGED)) {
            nv_buf_printf(out, "%s: was found damaged, and set aside\n", names[i].p);
            r = 1;
        } else if (nv_log_is_name(names[i], &segment)) {
            r = nv_replay_verify(fs, names[i].p, segment, out);
        } else if (nv_str_starts(names[i], "block-") && nv_str_ends(names[i], NV_BLOCK_SUFFIX)) {
            r = nv_block_verify(fs, names[i].p, out);
        }
        faults += r > 0 ? r : 0;
    }
    return r < 0 ? r : faults;
}
