/*
 * passes.c - what happens in a pass.
 *
 *   scrape   asks all it selects, workers included, and waits for them with the sections unlocked, so that the
 *            store's clock goes on meanwhile
 *   sample   runs inline collectors (one that names a cadence when it is due), takes what workers have ended,
 *            and posts those that are due without waiting for them
 */
#include "base/assert.h"
#include "base/clock.h"
#include "gather/inside.h"

enum {
    RENEW_SPARE = 1024, /* absent series a generation may carry, beside as many as are present */
    RENEW_MEMORY = 8 << 20, /* bytes below which memory is no reason to renew */
    MARGIN_PERCENT = 10,    /* of a pass that is kept for everything after the workers */
    SLACK_MS = 100,         /* by which a cadence may come early, for ticks are not quite regular */
};

/* The collectors that take part in a pass. */
struct part {
    uint64_t bits[NV_GATHER_COLLECTORS_MAX / 64];
};

/* ---- the families about collectors ---------------------------------------------------------- */

static const struct nv_family report_families[] = {
    {"node_scrape_collector_duration_seconds", NV_GAUGE, NV_OVER(1e9),
     "How long the collector's last run took."    },
    {"node_scrape_collector_success",          NV_GAUGE, NV_AS_IS,
     "Whether the collector's last run succeeded."},
};
static const struct nv_table report_table = {NV_LABELS("collector"), report_families,
                                             NV_LEN(report_families)};

static void report(struct nv_gather *gather, const struct part *part)
{
    char what[NV_SECTION_WHAT_MAX];

    nv_section_begin(gather->report);
    for (size_t i = 0; i < gather->n_runs; i++) {
        const struct nv_run *run = gather->runs[i];
        if (run->kind != NV_GATHER_NODE || !nv_bit(part->bits, i))
            continue;
        struct nv_str name = nv_str(run->collector->name);
        uint64_t values[] = {(uint64_t)run->shown_duration_ns, run->shown == 0};
        nv_section_emit(gather->report, &report_table, &name, NV_U64, values, 0, 2, UINT64_MAX);
    }
    nv_section_end(gather->report);
    nv_section_publish(gather->report, what);
}

/* ---- a pass --------------------------------------------------------------------------------- */

/* All, or those of a selection and the agent's own. */
static void choose(const struct nv_gather *gather, const struct nv_gather_selection *selection,
                   struct part *ret)
{
    *ret = (struct part){{0}};
    for (size_t i = 0; i < gather->n_runs; i++)
        if (!selection->some || gather->runs[i]->kind == NV_GATHER_SELF ||
            nv_bit(selection->bits, i))
            nv_bit_set(ret->bits, i);
}

/* All files first, so that the samples of a pass belong to one moment. */
static void sweep(struct nv_gather *gather, const struct part *part)
{
    for (size_t i = 0; i < gather->n_runs; i++) {
        const struct nv_run *run = gather->runs[i];
        if (nv_run_may_block(run) || !nv_bit(part->bits, i))
            continue;
        for (size_t k = 0; k < run->n_sources; k++)
            nv_run_read_source(gather->shared.files, run->sources[k], gather->pass);
    }
}

/* The system's words for these two speak of messages and connections, of which there are none here. */
static const char *reason(int error)
{
    return error == -EBADMSG     ? "malformed content"
           : error == -ETIMEDOUT ? "no end in time"
                                 : strerror(-error);
}

static void speak_of_result(struct nv_run *run)
{
    const char *name = run->collector->name;

    if (run->shown >= 0) {
        uint64_t times = nv_complaint_over(&run->complaint);
        if (times)
            nv_log_write(NV_INFO, __FILE__, __LINE__, "collector", name,
                         "collector works again after %llu failures", (unsigned long long)times);
        if (run->shown == NV_NO_DATA && nv_log_wants(NV_DEBUG))
            nv_log_write(NV_DEBUG, __FILE__, __LINE__, "collector", name, "collector has no data");
        return;
    }
    if (nv_complaint_speaks(&run->complaint))
        nv_log_write(NV_ERROR, __FILE__, __LINE__, "collector", name, "collector failed: %s%s%s",
                     run->shown_error, run->shown_error[0] ? ": " : "", reason(run->shown));
}

/* Registers what a run emitted. */
static void publish(struct nv_run *run)
{
    run->n_dropped = nv_section_publish(run->section, run->what);
    run->n_refused = nv_section_n_refused(run->section);
    run->fresh = true;
    run->posted = false;
    run->late = false;
    run->served = true;
    run->unstored = true;
    run->published_ns = run->finished_ns;
    run->shown = run->result;
    run->shown_duration_ns = run->duration_ns;
    memcpy(run->shown_error, run->error, sizeof(run->shown_error));
    speak_of_result(run);
}

/* Speaks of what was dropped since the last pass, but for what a new generation took after all. Returns how many
 * cells. */
static size_t count_dropped(struct nv_gather *gather)
{
    size_t all = 0;

    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        if (!run->fresh)
            continue;
        run->fresh = false;
        size_t n = run->n_dropped + nv_section_n_refused(run->section) - run->n_refused;
        all += n;
        if (!n)
            nv_complaint_over(&run->dropped);
        else if (nv_complaint_speaks(&run->dropped))
            nv_log_write(NV_WARN, __FILE__, __LINE__, "collector", run->collector->name,
                         "%zu samples dropped, first: %s", n, run->what);
    }
    return all;
}

static void run_inline(struct nv_gather *gather, const struct part *part, enum nv_gather_kind kind,
                       int64_t deadline_ns)
{
    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        if (nv_run_may_block(run) || run->kind != kind || !nv_bit(part->bits, i))
            continue;
        run->deadline_ns = deadline_ns;
        nv_run_collect(run, &gather->lane, gather->pass);
        run->asked_ns = run->finished_ns;
        publish(run);
    }
}

/* ---- workers -------------------------------------------------------------------------------- */

/* Publishes what a worker has ended since. */
static void take_rows(struct nv_gather *gather, struct nv_run *run)
{
    if (run->posted && !nv_jobs_busy(gather->jobs, run))
        publish(run);
}

/* Posts the part's jobs. Rows that came too late for their own pass are served until there are newer ones. */
static void post_jobs(struct nv_gather *gather, const struct part *part, int64_t now,
                      int64_t deadline_ns)
{
    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        if (!nv_run_may_block(run) || !nv_bit(part->bits, i))
            continue;
        take_rows(gather, run);
        if (run->posted)
            continue;
        run->deadline_ns = deadline_ns;
        run->asked_ns = now;
        run->posted = nv_jobs_post(gather->jobs, run, gather->pass);
    }
    nv_jobs_go(gather->jobs);
}

static int64_t cadence_ns(const struct nv_run *run)
{
    unsigned ms = nv_run_cadence_ms(run);

    return INT64_C(1000000) * (ms ? ms : NV_GATHER_CADENCE_MS);
}

/* Serves a late run with its last rows for a while, then reports it. */
static void be_late(struct nv_run *run, int64_t now)
{
    run->late = true;
    if (run->served && now - run->published_ns <= NV_GATHER_STALE_CADENCES * cadence_ns(run))
        return;
    nv_section_clear(run->section);
    run->shown = -ETIMEDOUT;
    run->shown_duration_ns = run->served ? now - run->published_ns : 0;
    run->shown_error[0] = '\0';
    speak_of_result(run);
}

/* Until when a pass waits for a run. One that was asked before and had as long is not waited for again: a call that
 * hangs would make every pass as long as it may be. */
static int64_t patience(const struct nv_run *run, int64_t begin_ns, int64_t deadline_ns)
{
    if (run->asked_ns <= begin_ns - (deadline_ns - begin_ns))
        return begin_ns;
    int64_t own_ns = begin_ns + INT64_C(1000000) * run->collector->deadline_ms;

    return run->collector->deadline_ms && own_ns < deadline_ns ? own_ns : deadline_ns;
}

/* Waits for all, the last posted first, since one wait then mostly does. The store may sample meanwhile. */
static void await_jobs(struct nv_gather *gather, const struct part *part, int64_t begin_ns,
                       int64_t deadline_ns)
{
    int64_t until_ns[NV_GATHER_COLLECTORS_MAX]; /* found under the lock */

    for (size_t i = 0; i < gather->n_runs; i++)
        until_ns[i] = patience(gather->runs[i], begin_ns, deadline_ns);
    pthread_mutex_unlock(&gather->pass_lock);
    for (size_t i = gather->n_runs; i-- > 0;) {
        struct nv_run *run = gather->runs[i];
        if (nv_run_may_block(run) && nv_bit(part->bits, i))
            nv_jobs_wait(gather->jobs, run, until_ns[i]);
    }
    pthread_mutex_lock(&gather->pass_lock);
}

static void take_jobs(struct nv_gather *gather, const struct part *part)
{
    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        if (!nv_run_may_block(run) || !nv_bit(part->bits, i))
            continue;
        take_rows(gather, run);
        if (run->posted)
            be_late(run, nv_monotonic_ns());
    }
}

/* ---- the frame ------------------------------------------------------------------------------ */

static int make_frame(struct nv_gather *gather, const struct part *part, int64_t time_ms,
                      size_t *dropped, struct nv_frame **ret)
{
    struct nv_layout *layout = nv_registry_layout(gather->registry);
    if (!layout)
        return -ENOMEM;
    struct nv_frame *frame = nv_frame_new(gather->pool, layout, time_ms);
    nv_layout_unref(layout);
    if (!frame)
        return -ENOMEM;
    nv_section_fill(gather->report, frame);
    for (size_t i = 0; i < gather->n_runs; i++)
        if (nv_bit(part->bits, i))
            *dropped += nv_section_fill(gather->runs[i]->section, frame);
    *ret = frame;
    return 0;
}

static bool asks_to_renew(struct nv_gather *gather, size_t known, size_t present)
{
    pthread_mutex_lock(&gather->lock);
    bool asked = gather->renew_asked;
    pthread_mutex_unlock(&gather->lock);
    return asked && known > present;
}

/* Whether series are refused for a family whose own series are gone, as when a textfile got another TYPE. */
static bool conflict_is_over(struct nv_gather *gather)
{
    static const struct nv_gather_selection everyone;
    NV_AUTO(nv_frame) *frame = NULL;
    bool settled = true, over = false;
    size_t refused = 0, dropped = 0;
    struct part all;

    for (size_t i = 0; i < gather->n_runs; i++) {
        settled &= nv_section_settled(gather->runs[i]->section);
        refused += nv_section_n_refused(gather->runs[i]->section);
    }
    choose(gather, &everyone, &all);
    if (settled || !refused || make_frame(gather, &all, 0, &dropped, &frame) < 0)
        return false;
    for (size_t i = 0; i < gather->n_runs && !over; i++)
        over = nv_section_outlived(gather->runs[i]->section, frame);
    return over;
}

static void renew_sections(struct nv_gather *gather, enum nv_gather_kind kind)
{
    for (size_t i = 0; i < gather->n_runs; i++)
        if (gather->runs[i]->kind == kind)
            nv_section_renew(gather->runs[i]->section);
}

/* Begins a new generation when absent series or replaced pictures weigh more than what is there, or stand in
 * the way of others, or somebody asks and anything is absent. */
static void renew_if_due(struct nv_gather *gather)
{
    size_t present = nv_section_n_present(gather->report),
           known = nv_registry_n_series(gather->registry);

    for (size_t i = 0; i < gather->n_runs; i++)
        present += nv_section_n_present(gather->runs[i]->section);
    bool series = nv_layout_is_outweighed(known, present, RENEW_SPARE);
    bool memory = nv_registry_memory(gather->registry) > RENEW_MEMORY + 4096 * present;
    for (size_t i = 0; i < gather->n_runs; i++)
        if (gather->runs[i]->posted)
            return; /* a worker writes rows, or they wait to be taken: with a later pass */
    if (!series && !memory && !asks_to_renew(gather, known, present) && !conflict_is_over(gather))
        return;
    nv_registry_renew(gather->registry);
    nv_section_renew(gather->report);
    renew_sections(gather, NV_GATHER_SELF);
    renew_sections(gather, NV_GATHER_NODE);
    pthread_mutex_lock(&gather->lock);
    gather->renew_asked = false;
    pthread_mutex_unlock(&gather->lock);
}

/* What the agent tells of itself and of collectors comes first in a generation: a textfile that has a family of that
 * name loses its own. */
static void claim_families(struct nv_gather *gather, int64_t deadline_ns)
{
    static const struct nv_gather_selection everyone;
    struct part all;

    choose(gather, &everyone, &all);
    report(gather, &all);
    run_inline(gather, &all, NV_GATHER_SELF, deadline_ns);
}

static void begin_pass(struct nv_gather *gather, int64_t deadline_ns)
{
    gather->pass++;
    gather->lane.n_answers = 0;
    nv_files_next_pass(gather->shared.files);
    if (gather->pass == 1)
        claim_families(gather, deadline_ns);
}

/* What every pass ends with: `told` are reported on, `filled` are in the frame. */
static int end_pass(struct nv_gather *gather, const struct part *told, const struct part *filled,
                    int64_t time_ms, struct nv_frame **ret)
{
    report(gather, told);
    renew_if_due(gather);
    size_t dropped = count_dropped(gather);
    int r = make_frame(gather, filled, time_ms, &dropped, ret);

    pthread_mutex_lock(&gather->lock);
    gather->stats.passes++;
    gather->stats.dropped_cells += dropped;
    gather->stats.gather_errors += dropped > 0;
    gather->stats.series = nv_registry_n_series(gather->registry);
    gather->stats.layout_generation = nv_registry_generation(gather->registry);
    pthread_mutex_unlock(&gather->lock);
    return r;
}

/* ---- scrapes -------------------------------------------------------------------------------- */

static int run_pass(struct nv_gather *gather, const struct nv_gather_selection *selection,
                    int64_t timeout_ms, struct nv_frame **ret)
{
    int64_t begin = nv_monotonic_ns(), time_ms = nv_wall_ms();
    int64_t length_ns = timeout_ms * 1000000;
    int64_t deadline = begin + length_ns - length_ns * MARGIN_PERCENT / 100;
    struct part part;

    choose(gather, selection, &part);
    pthread_mutex_lock(&gather->pass_lock);
    begin_pass(gather, deadline);
    post_jobs(gather, &part, begin, deadline);
    sweep(gather, &part);
    run_inline(gather, &part, NV_GATHER_NODE, deadline);
    await_jobs(gather, &part, begin, deadline);
    take_jobs(gather, &part);
    run_inline(gather, &part, NV_GATHER_SELF, deadline);
    int r = end_pass(gather, &part, &part, time_ms, ret);
    pthread_mutex_unlock(&gather->pass_lock);
    return r;
}

/* Joins the whole pass that is under way. False where there is none. Under the lock. */
static bool join(struct nv_gather *gather, struct nv_frame **ret, int *ret_result)
{
    if (!gather->shared_running)
        return false;
    uint64_t number = gather->shared_number;
    while (gather->shared_running && gather->shared_number == number)
        pthread_cond_wait(&gather->shared_done, &gather->lock);
    *ret_result = gather->shared_result;
    if (gather->shared_result == 0)
        *ret = nv_frame_ref(gather->shared_frame);
    return true;
}

static int whole_pass(struct nv_gather *gather, const struct nv_gather_selection *selection,
                      int64_t timeout_ms, struct nv_frame **ret)
{
    struct nv_frame *frame = NULL, *old;
    int r;

    pthread_mutex_lock(&gather->lock);
    if (join(gather, ret, &r)) {
        pthread_mutex_unlock(&gather->lock);
        return r;
    }
    gather->shared_running = true;
    gather->shared_number++;
    gather->shared_begin_ns = nv_monotonic_ns();
    pthread_mutex_unlock(&gather->lock);

    pthread_mutex_lock(&gather->scrape_lock);
    r = run_pass(gather, selection, timeout_ms, &frame);
    pthread_mutex_unlock(&gather->scrape_lock);

    pthread_mutex_lock(&gather->lock);
    old = gather->shared_frame;
    gather->shared_frame = frame;
    gather->shared_result = r;
    gather->shared_running = false;
    if (r == 0)
        *ret = nv_frame_ref(frame);
    pthread_cond_broadcast(&gather->shared_done);
    pthread_mutex_unlock(&gather->lock);
    nv_frame_free(old);
    return r;
}

int nv_gather_pass(struct nv_gather *gather, const struct nv_gather_selection *selection,
                   int64_t timeout_ms, struct nv_frame **ret)
{
    if (timeout_ms < 1)
        timeout_ms = 1;
    if (timeout_ms > NV_GATHER_PASS_MS)
        timeout_ms = NV_GATHER_PASS_MS;
    if (!selection->some)
        return whole_pass(gather, selection, timeout_ms, ret);
    pthread_mutex_lock(&gather->scrape_lock);
    int r = run_pass(gather, selection, timeout_ms, ret);
    pthread_mutex_unlock(&gather->scrape_lock);
    return r;
}

/* ---- samples -------------------------------------------------------------------------------- */

/* Joins a whole pass that has just begun. False where there is none, or it takes too long. */
static bool join_lately(struct nv_gather *gather, struct nv_frame **ret)
{
    int64_t now = nv_monotonic_ns(), until = now + INT64_C(1000000) * NV_GATHER_JOIN_MS;
    struct timespec at = {until / 1000000000, until % 1000000000};

    pthread_mutex_lock(&gather->lock);
    uint64_t number = gather->shared_number;
    bool joins = gather->shared_running &&
                 now - gather->shared_begin_ns <= INT64_C(1000000) * NV_GATHER_JOIN_MS;
    for (int r = 0; joins && gather->shared_running && gather->shared_number == number;) {
        if (r == ETIMEDOUT)
            joins = false;
        else
            r = pthread_cond_clockwait(&gather->shared_done, &gather->lock, CLOCK_MONOTONIC, &at);
    }
    joins = joins && gather->shared_result == 0;
    if (joins)
        *ret = nv_frame_ref(gather->shared_frame);
    pthread_mutex_unlock(&gather->lock);
    return joins;
}

static bool is_due(const struct nv_run *run, int64_t now)
{
    if (!run->asked_ns || !nv_run_cadence_ms(run))
        return true;
    return now - run->asked_ns >= cadence_ns(run) - INT64_C(1000000) * SLACK_MS;
}

/* Who is due, and who has been heard of at all. */
static void choose_due(const struct nv_gather *gather, int64_t now, struct part *ret_due)
{
    *ret_due = (struct part){{0}};
    for (size_t i = 0; i < gather->n_runs; i++)
        if (is_due(gather->runs[i], now))
            nv_bit_set(ret_due->bits, i);
}

/* Takes what workers have ended. One that has not for too long is given up: its section is observed, and
 * empty. */
static void take_ended(struct nv_gather *gather, int64_t now)
{
    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        take_rows(gather, run);
        int64_t since = run->served ? run->published_ns : run->asked_ns;
        if (!run->posted || now - since <= NV_GATHER_STALE_CADENCES * cadence_ns(run))
            continue;
        be_late(run, now);
        run->unstored = true;
    }
}

/* What a frame for the store holds: who has rows it has not seen. And who is known, for the report. */
static void choose_unstored(struct nv_gather *gather, struct part *ret_unstored,
                            struct part *ret_known)
{
    *ret_unstored = *ret_known = (struct part){{0}};
    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        if (run->served || run->shown < 0)
            nv_bit_set(ret_known->bits, i);
        if (run->unstored)
            nv_bit_set(ret_unstored->bits, i);
        run->unstored = false;
    }
}

static int sample(struct nv_gather *gather, int64_t time_ms, struct nv_frame **ret)
{
    int64_t now = nv_monotonic_ns(), deadline = now + INT64_C(1000000) * NV_GATHER_PASS_MS;
    struct part due, unstored, known;

    begin_pass(gather, deadline);
    take_ended(gather, now);
    choose_due(gather, now, &due);
    post_jobs(gather, &due, now, deadline);
    sweep(gather, &due);
    run_inline(gather, &due, NV_GATHER_NODE, deadline);
    run_inline(gather, &due, NV_GATHER_SELF, deadline);
    choose_unstored(gather, &unstored, &known);
    return end_pass(gather, &known, &unstored, time_ms, ret);
}

int nv_gather_sample(struct nv_gather *gather, int64_t time_ms, struct nv_frame **ret)
{
    struct part unstored, known;
    int r = 0;

    bool joined = join_lately(gather, ret);
    pthread_mutex_lock(&gather->pass_lock);
    if (joined)
        choose_unstored(gather, &unstored, &known); /* the frame that was joined has them all */
    else
        r = sample(gather, time_ms, ret);
    pthread_mutex_unlock(&gather->pass_lock);
    return r;
}

struct nv_layout *nv_gather_layout(struct nv_gather *gather)
{
    pthread_mutex_lock(&gather->pass_lock);
    struct nv_layout *layout = nv_registry_layout(gather->registry);
    pthread_mutex_unlock(&gather->pass_lock);
    return layout;
}

void nv_gather_renew(struct nv_gather *gather, bool wanted)
{
    pthread_mutex_lock(&gather->lock);
    gather->renew_asked = wanted;
    pthread_mutex_unlock(&gather->lock);
}

void nv_gather_report(struct nv_gather *gather, size_t i, struct nv_gather_report *ret)
{
    const struct nv_run *run = gather->runs[i];
    struct nv_gather_state state;

    pthread_mutex_lock(&gather->pass_lock);
    nv_gather_state(gather, i, &state);
    *ret = (struct nv_gather_report){
        .name = run->collector->name,
        .kind = run->kind,
        .result = state.result,
        .duration_ns = state.duration_ns,
        .age_ms = state.age_ms,
        .series = state.series,
    };
    if (state.result < 0)
        snprintf(ret->error, sizeof(ret->error), "%s%s%s", state.error, state.error[0] ? ": " : "",
                 reason(state.result));
    pthread_mutex_unlock(&gather->pass_lock);
}
