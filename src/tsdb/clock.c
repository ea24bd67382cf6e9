/*
 * The wall clock, which may be wrong: before the machine has asked the network for the time, or for as long as nobody has.
 *
 * Times of a source rise. So after a step back its frames are dropped, and counted, until the clock has passed the newest
 * sample again. That is right for a small step. For a great one it would leave history blind for as long, and it is
 * what a clock that ran ahead leaves behind when it is set. Therefore:
 *
 *   ahead    samples NV_JUMP_MS or more after the clock, which has stayed so far behind for NV_STORE_PATIENCE_MS,
 *            were written under another clock. What is in memory becomes blocks; blocks that reach beyond the clock are
 *            set aside as <name>.ahead, which no reader sees, and sources go on from the clock's time. The patience is
 *            longer than time services need to make up their mind after a start, and as long as a query looks back.
 *            Below an hour waiting costs less than it mends
 *   back     which of the two clocks was wrong is not known: it may be the one that is behind, as of a machine without
 *            a battery. So nothing is lost: a block that was set aside comes back when the clock has passed its end,
 *            unless there are samples by now in the time it spans; then it stays aside, for it was the false one. It
 *            goes when it is too old, or first when the directory is too large
 *   jumps    a page and a block end where a jump of NV_JUMP_MS or more follows, and merging keeps that, so that
 *            what is set aside is not mixed with what is not
 *   age      that a sample is too old, or to be thinned, is judged from the newest one that is not after the clock, but
 *            not for NV_JUMP_MS after a jump: a clock that is a year ahead until the network is there must not cost all
 *            history at once
 *
 * A store in memory only has nowhere to set anything aside: there what is ahead goes.
 */
#include "base/assert.h"
#include "base/locked.h"
#include "tsdb/parts.h"

enum { CUTS_MAX = 64, LIST_BYTES = 64 << 20 };

/* ---- age ------------------------------------------------------------------------------------ */

void nv_store_begin_clock(struct nv_store *store)
{
    int64_t now = nv_store_now(store);

    store->seen_ms = nv_store_newest(store);
    store->aged_ms = store->seen_ms < now ? store->seen_ms : now;
    store->jumped_ms = INT64_MIN;
    store->behind_ms = INT64_MAX;
    store->looked_ms = INT64_MAX;
    store->n_ahead = 1; /* until it was looked for */
}

static void mind_age(struct nv_store *store, int64_t newest, int64_t now)
{
    if (store->seen_ms != INT64_MIN && nv_is_jump(store->seen_ms, newest))
        store->jumped_ms = newest;
    else if (newest < store->seen_ms || nv_is_jump(store->jumped_ms, newest))
        store->jumped_ms = INT64_MIN;
    if (store->jumped_ms == INT64_MIN || newest < store->aged_ms)
        store->aged_ms = newest < now ? newest : now;
    store->seen_ms = newest;
}

/* ---- setting aside -------------------------------------------------------------------------- */

/* Sources go on from now on. */
static void set_back(struct nv_head *head, int64_t now)
{
    NV_LOCKED(&head->writing);

    for (size_t i = 0; i < head->n_sections; i++)
        if (head->clocks[i].last_ms > now)
            head->clocks[i].last_ms = now;
    if (head->last_ms > now)
        head->last_ms = now;
    pthread_mutex_lock(&head->lock);
    if (head->newest_ms > now)
        head->newest_ms = now;
    pthread_mutex_unlock(&head->lock);
}

static struct nv_page *take_page_after(struct nv_head *head, int64_t ms)
{
    NV_LOCKED(&head->lock);

    if (!head->n_pages || head->pages[head->n_pages - 1]->to_ms <= ms)
        return NULL;
    return head->pages[--head->n_pages];
}

static void drop_ahead(struct nv_store *store, int64_t now)
{
    for (size_t i = 0; i < nv_store_n_heads(store); i++) {
        struct nv_page *page;
        (void)!nv_head_seal(store->heads[i], true);
        while ((page = take_page_after(store->heads[i], now)))
            nv_page_unref(page);
    }
}

/* Everything in memory becomes blocks. The log begins anew before that: what it had of the future is not replayed. */
static int empty_memory(struct nv_store *store)
{
    int r = 1;

    if (store->log)
        nv_log_rotate(store->log);
    for (int i = 0; r > 0 && i < CUTS_MAX; i++)
        r = nv_store_cut(store, true);
    return r < 0 ? r : 0;
}

static int set_block_aside(struct nv_store *store, struct nv_block *block)
{
    char name[NV_BLOCK_NAME_MAX], to[NV_BLOCK_NAME_MAX + sizeof(NV_AHEAD)];

    snprintf(name, sizeof(name), "%s", nv_block_info(block)->name);
    snprintf(to, sizeof(to), "%s" NV_AHEAD, name);
    int r = store->fs->ops->rename(store->fs, name, to);
    if (r == 0) {
        store->n_ahead++;
        r = nv_store_replace(store, &block, 1, NULL);
    }
    return r;
}

static int set_blocks_aside(struct nv_store *store, int64_t now)
{
    for (;;) {
        struct nv_block *block = NULL;
        for (size_t i = 0; !block && i < store->blocks->n; i++)
            if (nv_block_info(store->blocks->at[i])->to_ms > now)
                block = store->blocks->at[i];
        if (!block)
            return store->fs->ops->sync_dir(store->fs);
        int r = set_block_aside(store, block);
        if (r < 0)
            return r;
    }
}

static int set_aside(struct nv_store *store, int64_t now)
{
    int r = 0;

    if (store->fs) {
        r = empty_memory(store);
        if (r == 0)
            r = set_blocks_aside(store, now);
        if (r < 0)
            return r;
    } else {
        drop_ahead(store, now);
    }
    for (size_t i = 0; i < nv_store_n_heads(store); i++)
        set_back(store->heads[i], now);
    for (size_t i = 0; i < NV_LEN(store->settled_ms); i++)
        if (store->settled_ms[i] > now)
            store->settled_ms[i] = now;
    if (store->cut_ms > now)
        store->cut_ms = now;
    nv_count(&store->stats.set_backs, 1);
    return 0;
}

/* Whether the clock has been far behind for long enough. */
static bool is_set_back(struct nv_store *store, int64_t newest, int64_t now)
{
    if (newest == INT64_MIN || !nv_is_jump(now, newest)) {
        store->behind_ms = INT64_MAX;
        return false;
    }
    if (now < store->behind_ms ||
        nv_is_jump(store->behind_ms, now)) /* for the first time, or it was set again */
        store->behind_ms = now;
    return now - store->behind_ms >= NV_STORE_PATIENCE_MS;
}

/* ---- coming back ---------------------------------------------------------------------------- */

static bool get_span(struct nv_str name, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    char *end;

    if (!nv_str_starts(name, "block-") || !nv_str_ends(name, NV_BLOCK_SUFFIX NV_AHEAD))
        return false;
    *ret_from_ms = strtoll(name.p + strlen("block-"), &end, 10);
    if (*end != '-')
        return false;
    *ret_to_ms = strtoll(end + 1, &end, 10);
    return *end == '-';
}

static bool head_overlaps(struct nv_head *head, int64_t from_ms, int64_t to_ms)
{
    struct nv_head_view view;
    bool found = false;

    if (nv_head_view(head, &view) < 0)
        return true;
    for (size_t i = 0; i < view.n_pages; i++)
        found |= view.pages[i]->from_ms <= to_ms && view.pages[i]->to_ms >= from_ms;
    for (size_t i = 0; i < view.n_chunks; i++)
        found |= view.rows[i] && view.chunks[i]->times[0] <= to_ms &&
                 view.chunks[i]->times[view.rows[i] - 1] >= from_ms;
    nv_head_view_done(&view);
    return found;
}

/* Whether there are samples by now in the time of a block that was set aside. `before`: the blocks that were there before
 * any came back, for these may overlap each other. */
static bool is_superseded(struct nv_store *store, const struct nv_blocks *before, int64_t from_ms,
                          int64_t to_ms)
{
    for (size_t i = 0; i < before->n; i++)
        if (nv_block_info(before->at[i])->from_ms <= to_ms &&
            nv_block_info(before->at[i])->to_ms >= from_ms)
            return true;
    for (size_t i = 0; i < nv_store_n_heads(store); i++)
        if (head_overlaps(store->heads[i], from_ms, to_ms))
            return true;
    return false;
}

static void name_of(struct nv_str aside, char name[NV_BLOCK_NAME_MAX])
{
    snprintf(name, NV_BLOCK_NAME_MAX, "%.*s", (int)(aside.n - strlen(NV_AHEAD)), aside.p);
}

static void bring_back(struct nv_store *store, struct nv_str aside)
{
    char name[NV_BLOCK_NAME_MAX];
    struct nv_block *block;

    name_of(aside, name);
    if (store->fs->ops->rename(store->fs, aside.p, name) < 0)
        return;
    store->n_ahead--;
    if (nv_block_open(store->fs, store->cache, name, &block) == 0)
        (void)!nv_store_replace(store, NULL, 0, block);
    else
        nv_count(&store->stats.corruptions, 1);
}

static void drop_aside(struct nv_store *store, struct nv_str aside)
{
    char name[NV_BLOCK_NAME_MAX];

    name_of(aside, name);
    if (store->fs->ops->unlink(store->fs, aside.p) < 0)
        return;
    store->n_ahead--;
    nv_store_unlink_block(store, name); /* its marks */
}

/* All that was set aside and may come back, or is too old. */
static void look_aside(struct nv_store *store, int64_t now)
{
    __attribute__((cleanup(nv_arena_done))) struct nv_arena arena = NV_ARENA(LIST_BYTES);
    int64_t keep = store->options.retention_ms, from, to;
    struct nv_str *names;
    size_t n;

    if (store->fs->ops->list(store->fs, &arena, &names, &n) < 0)
        return;
    struct nv_blocks *before = nv_store_view(store);
    store->n_ahead = 0;
    for (size_t i = 0; i < n; i++) {
        if (!get_span(names[i], &from, &to))
            continue;
        store->n_ahead++;
        if (to > now)
            continue;
        if (!is_superseded(store, before, from, to))
            bring_back(store, names[i]);
        else if (keep && to < store->aged_ms - keep)
            drop_aside(store, names[i]);
    }
    nv_blocks_unref(before);
}

/* ---- all ------------------------------------------------------------------------------------ */

void nv_store_mind_clock(struct nv_store *store)
{
    int64_t newest = nv_store_newest(store), now = nv_store_now(store);

    if (is_set_back(store, newest, now) && set_aside(store, now) == 0)
        newest = nv_store_newest(store);
    else if (store->fs && store->n_ahead &&
             (now < store->looked_ms || now - NV_STORE_LOOK_MS >= store->looked_ms))
        look_aside(store, store->looked_ms = now);
    mind_age(store, newest, now);
}
