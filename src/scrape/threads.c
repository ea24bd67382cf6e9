/*
 * threads.c - who takes the turns.
 *
 * One thread waits for the next turn. When it comes, another takes its place, made where there is none, and it does the
 * work; so that there are as many threads as turns taken at once, and a few. Those that nobody needed for a while end.
 */
#include "scrape/inside.h"

enum { LATE_PERCENT = 1, NS_PER_MS = 1000000 };

/* ---- one turn ------------------------------------------------------------------------------- */

/* Frames are as far apart as their slots as long as these are met nearly: regular times are small in the store. */
static int64_t time_of(int64_t due_ms, int64_t now_ms, int64_t interval_ms)
{
    return (now_ms - due_ms) * 100 <= interval_ms * LATE_PERCENT ? due_ms : now_ms;
}

static void show(struct nv_scrape_target *target, const struct nv_scrape_result *result)
{
    free(target->error);
    target->error = result->error[0] ? strdup(result->error) : NULL;
    target->health = result->told->error[0] ? NV_SCRAPE_DOWN : NV_SCRAPE_UP;
    target->last_ms = result->time_ms;
    target->last_duration_ns = result->duration_ns;
    for (size_t i = 0; i < target->n_exposed; i++)
        nv_frame_unref(target->exposed[i]);
    target->n_exposed = nv_intake_exposed(target->pull.intake, target->exposed);
    nv_metadata_unref(target->metadata);
    target->metadata = nv_intake_metadata(target->pull.intake);
}

static void count(struct nv_scrape_stats *stats, const struct nv_scrape_result *result)
{
    const struct nv_intake_told *told = result->told;

    stats->scrapes++;
    stats->failed += told->error[0] != '\0';
    stats->exceeded_body_size += told->body_too_large;
    stats->exceeded_samples += told->sample_limit;
    stats->duplicates += told->duplicates;
    stats->out_of_order += told->out_of_order;
    stats->out_of_bounds += told->out_of_bounds;
    stats->dropped_frames += result->dropped;
    stats->refused_samples += told->refused;
}

/* Back among those that wait: what was missed meanwhile is counted, and not made up for. */
static void wait_again(struct nv_scrape *scrape, struct nv_scrape_target *target, int64_t now_ms)
{
    int64_t interval_ms = target->info->is.interval_ms;
    int64_t next_ms = nv_scrape_slot(target->identity, interval_ms, now_ms);
    int64_t skipped = (next_ms - target->due_ms) / interval_ms - 1;

    if (skipped > 0)
        scrape->stats.missed += (uint64_t)skipped;
    nv_scrape_wait(scrape, target, target->leaving ? now_ms : next_ms);
    if (target->place == 0)
        pthread_cond_signal(&scrape->turn); /* who waits does so for a later one */
}

/* Called and left with the lock, as the next two. */
static void ask(struct nv_scrape *scrape, struct nv_scrape_target *target, int64_t now_ms)
{
    struct nv_scrape_info *info = nv_scrape_info_ref(target->info);
    int64_t time_ms = time_of(target->due_ms, now_ms, info->is.interval_ms);
    bool hung = target->hangs;
    struct nv_scrape_result result;

    scrape->n_hanging += hung;
    pthread_mutex_unlock(&scrape->lock);
    nv_scrape_pull(scrape, target, info, time_ms, &result);
    pthread_mutex_lock(&scrape->lock);
    scrape->n_hanging -= hung;
    if (!result.cancelled && result.told) {
        target->hangs = result.timed_out;
        show(target, &result);
        count(&scrape->stats, &result);
    }
    nv_scrape_info_unref(info);
    wait_again(scrape, target, nv_wall_ms());
    if (hung)
        pthread_cond_signal(&scrape->turn); /* there is a place for another of those */
}

static void forget(struct nv_scrape *scrape, const struct nv_scrape_target *target)
{
    size_t i = 0;

    while (scrape->targets[i] != target)
        i++;
    scrape->targets[i] = scrape->targets[--scrape->n_targets];
}

static void show_nothing(struct nv_scrape_target *target)
{
    nv_scrape_target_forget(target);
    target->health = NV_SCRAPE_UNKNOWN;
    target->last_ms = target->last_duration_ns = 0;
}

/* One that is named again while its last frame is written begins anew. */
static void let_go(struct nv_scrape *scrape, struct nv_scrape_target *target)
{
    pthread_mutex_unlock(&scrape->lock);
    nv_scrape_leave(scrape, target);
    pthread_mutex_lock(&scrape->lock);
    if (target->leaving) {
        forget(scrape, target);
        nv_scrape_target_free(target);
    } else {
        show_nothing(target);
        wait_again(scrape, target, nv_wall_ms());
    }
}

/* ---- waiting -------------------------------------------------------------------------------- */

static bool start_thread(struct nv_scrape *scrape);

/* Somebody takes our place while we work. */
static void hand_over(struct nv_scrape *scrape)
{
    scrape->has_waiter = false;
    if (scrape->n_idle)
        pthread_cond_signal(&scrape->idle);
    else if (scrape->prompt.n || scrape->hanging.n || scrape->looks)
        (void)start_thread(scrape); /* else a turn may come late */
}

/* Whether somebody should look for targets now; else *wait_ms becomes less where that is due earlier. */
static bool should_look(const struct nv_scrape *scrape, int64_t *wait_ms)
{
    int64_t left_ns = scrape->look_ns - nv_monotonic_ns();

    if (!scrape->looks || scrape->looking)
        return false;
    if (left_ns <= 0)
        return true;
    if (*wait_ms < 0 || *wait_ms > left_ns / NS_PER_MS)
        *wait_ms = left_ns / NS_PER_MS + 1;
    return false;
}

static void look(struct nv_scrape *scrape)
{
    scrape->looking = true;
    pthread_mutex_unlock(&scrape->lock);
    nv_scrape_look_now(scrape);
    pthread_mutex_lock(&scrape->lock);
    scrape->looking = false;
}

enum turn { NO_TURN /* and none to wait for */, WAITED, TAKEN };

/* Takes a turn, or waits for the next. */
static enum turn next_turn(struct nv_scrape *scrape)
{
    int64_t now_ms = nv_wall_ms(), wait_ms;
    struct nv_scrape_target *target = nv_scrape_take_turn(scrape, now_ms, &wait_ms);

    if (target || should_look(scrape, &wait_ms)) {
        hand_over(scrape);
        if (!target)
            look(scrape);
        else if (target->leaving)
            let_go(scrape, target);
        else
            ask(scrape, target, now_ms);
        return TAKEN;
    }
    if (wait_ms < 0 && !scrape->looks && !scrape->n_hanging)
        return NO_TURN;
    if (wait_ms < 0 || wait_ms > NV_SCRAPE_SLEEP_MS)
        wait_ms = NV_SCRAPE_SLEEP_MS;
    nv_cond_wait_until(&scrape->turn, &scrape->lock, nv_monotonic_ns() + wait_ms * NS_PER_MS);
    return WAITED;
}

/* Waits to be the one that waits for the next turn. Returns whether there is that place. */
static bool wait_for_place(struct nv_scrape *scrape)
{
    int64_t until_ns = nv_monotonic_ns() + INT64_C(1) * NV_SCRAPE_IDLE_MS * NS_PER_MS;
    int r = 0;

    scrape->n_idle++;
    while (scrape->has_waiter && !scrape->stopping && r == 0)
        r = nv_cond_wait_until(&scrape->idle, &scrape->lock, until_ns);
    scrape->n_idle--;
    return !scrape->has_waiter;
}

static void end_thread(struct nv_scrape *scrape, pthread_t self)
{
    scrape->n_threads--;
    for (size_t i = 0; i < NV_SCRAPE_THREADS_MAX; i++) {
        if (scrape->threads[i].state == NV_SCRAPE_THREAD &&
            pthread_equal(scrape->threads[i].id, self))
            scrape->threads[i].state = NV_SCRAPE_ENDED_THREAD;
    }
    pthread_cond_broadcast(&scrape->gone);
}

static void *work(void *arg)
{
    struct nv_scrape *scrape = arg;
    enum turn turn = TAKEN;

    pthread_mutex_lock(&scrape->lock);
    while (!scrape->stopping) {
        if (turn != WAITED && scrape->has_waiter) {
            if (scrape->n_idle >= NV_SCRAPE_IDLE_MAX || !wait_for_place(scrape))
                break;
            continue;
        }
        scrape->has_waiter = true;
        turn = next_turn(scrape);
        if (turn == NO_TURN)
            scrape->has_waiter = false;
        if (turn == NO_TURN)
            break;
    }
    if (turn == WAITED)
        scrape->has_waiter = false; /* we stop */
    end_thread(scrape, pthread_self());
    pthread_mutex_unlock(&scrape->lock);
    return NULL;
}

static struct nv_scrape_thread *find_place(struct nv_scrape *scrape)
{
    for (size_t i = 0; i < NV_SCRAPE_THREADS_MAX; i++) {
        struct nv_scrape_thread *thread = &scrape->threads[i];
        if (thread->state == NV_SCRAPE_THREAD)
            continue;
        if (thread->state == NV_SCRAPE_ENDED_THREAD)
            pthread_join(thread->id, NULL); /* which has nothing left to do */
        thread->state = NV_SCRAPE_NO_THREAD;
        return thread;
    }
    return NULL;
}

static bool start_thread(struct nv_scrape *scrape)
{
    struct nv_scrape_thread *thread = find_place(scrape);
    pthread_attr_t attributes;

    if (!thread || scrape->n_threads > scrape->n_targets || scrape->stopping)
        return false;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, NV_SCRAPE_STACK);
    int r = pthread_create(&thread->id, &attributes, work, scrape);
    pthread_attr_destroy(&attributes);
    if (r != 0) {
        if (nv_complaint_speaks(&scrape->thread_complaint))
            nv_log_error("scrape: no thread to ask targets: %s", strerror(r));
        return false;
    }
    nv_complaint_over(&scrape->thread_complaint);
    pthread_setname_np(thread->id, "nv-scrape");
    thread->state = NV_SCRAPE_THREAD;
    scrape->n_threads++;
    return true;
}

void nv_scrape_wake(struct nv_scrape *scrape)
{
    if (!scrape->started || scrape->stopping)
        return;
    if (scrape->has_waiter)
        pthread_cond_signal(&scrape->turn);
    else if (!scrape->n_threads && (scrape->prompt.n || scrape->hanging.n || scrape->looks))
        (void)start_thread(scrape);
}

void nv_scrape_end_threads(struct nv_scrape *scrape)
{
    scrape->stopping = true;
    for (size_t i = 0; i < scrape->n_targets; i++) {
        if (scrape->targets[i]->pull.http)
            nv_http_cancel(scrape->targets[i]->pull.http);
    }
    pthread_cond_broadcast(&scrape->turn);
    pthread_cond_broadcast(&scrape->idle);
    while (scrape->n_threads)
        pthread_cond_wait(&scrape->gone, &scrape->lock);
    for (size_t i = 0; i < NV_SCRAPE_THREADS_MAX; i++) {
        if (scrape->threads[i].state == NV_SCRAPE_ENDED_THREAD)
            pthread_join(scrape->threads[i].id, NULL);
        scrape->threads[i].state = NV_SCRAPE_NO_THREAD;
    }
}
