#include "gather/gather.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/clock.h"
#include "gather/jobs.h"
#include "gather/notices.h"
#include "gather/run.h"

enum {
    RENEW_SPARE = 4096, /* absent series a generation may carry, beside as many as are present */
    RENEW_MEMORY = 8 << 20, /* bytes below which memory is no reason to renew */
    MARGIN_PERCENT = 10,    /* of a pass that is kept for everything after the workers */
};

struct nv_gather {
    struct nv_shared shared;
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    struct nv_jobs *jobs;
    struct nv_notices *notices;
    struct nv_source **sources; /* of inline collectors */
    size_t n_sources;
    struct nv_run *runs[NV_GATHER_COLLECTORS_MAX];
    size_t n_runs;
    struct nv_lane lane;
    struct nv_section *report; /* node_scrape_collector_* */

    pthread_mutex_t pass_lock; /* one pass at a time */
    uint64_t pass;
    bool started;

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t shared_done;
    bool shared_running;
    uint64_t shared_number;
    struct nv_frame *shared_frame; /* of the last whole pass */
    int shared_result;
    struct nv_gather_stats stats;
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

static void report(struct nv_gather *gather, const struct nv_gather_selection *selection)
{
    char what[NV_SECTION_WHAT_MAX];

    nv_section_begin(gather->report);
    for (size_t i = 0; i < gather->n_runs; i++) {
        const struct nv_run *run = gather->runs[i];
        if (run->kind != NV_GATHER_NODE || (selection->some && !nv_bit(selection->bits, i)))
            continue;
        struct nv_str name = nv_str(run->collector->name);
        uint64_t values[] = {(uint64_t)run->shown_duration_ns, run->shown == 0};
        nv_section_emit(gather->report, &report_table, &name, NV_U64, values, 0, 2, UINT64_MAX);
    }
    nv_section_end(gather->report);
    nv_section_publish(gather->report, what);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_shared *nv_gather_shared(struct nv_gather *gather)
{
    return &gather->shared;
}

void nv_gather_link_notices(struct nv_gather *gather, uint64_t *cursor,
                            void (*each)(int ifindex, void *user), void *user)
{
    nv_notices_read(gather->notices, cursor, each, user);
}

struct nv_gather *nv_gather_new(const struct nv_gather_options *options)
{
    struct nv_gather *gather = calloc(1, sizeof(*gather));

    if (!gather)
        return NULL;
    pthread_mutex_init(&gather->pass_lock, NULL);
    pthread_mutex_init(&gather->lock, NULL);
    pthread_cond_init(&gather->shared_done, NULL);
    nv_lane_init(&gather->lane);
    gather->registry = nv_registry_new();
    gather->pool = nv_frame_pool_new();
    gather->jobs = nv_jobs_new();
    gather->notices = nv_notices_new();
    gather->shared = (struct nv_shared){
        .files = nv_files_new(options),
        .guards = nv_guards_new(),
        .bus = nv_bus_new(),
        .parse_text = options->parse_text,
    };
    if (gather->registry)
        gather->report = nv_section_new(gather->registry);
    if (!gather->pool || !gather->jobs || !gather->notices || !gather->shared.files ||
        !gather->shared.guards || !gather->shared.bus || !gather->report) {
        nv_gather_free(gather);
        return NULL;
    }
    return gather;
}

static void source_free(struct nv_source *source)
{
    nv_buf_done(&source->text);
    free(source->path);
    free(source);
}

static void run_free(struct nv_run *run)
{
    if (run->collector->stop && run->pass.state)
        run->collector->stop(run->pass.state);
    if (run->collector->options & NV_MAY_BLOCK)
        for (size_t i = 0; i < run->n_sources; i++)
            source_free(run->sources[i]);
    nv_section_free(run->section);
    free(run->pass.state);
    free(run->sources);
    free(run->optional);
    free(run);
}

void nv_gather_free(struct nv_gather *gather)
{
    if (!gather)
        return;
    if (!nv_jobs_free(gather->jobs))
        return; /* a run hangs in the kernel: all it may touch stays */
    nv_frame_free(gather->shared_frame);
    for (size_t i = 0; i < gather->n_runs; i++)
        run_free(gather->runs[i]);
    for (size_t i = 0; i < gather->n_sources; i++)
        source_free(gather->sources[i]);
    free(gather->sources);
    nv_section_free(gather->report);
    nv_lane_done(&gather->lane);
    nv_notices_free(gather->notices);
    nv_guards_free(gather->shared.guards);
    nv_bus_free(gather->shared.bus);
    nv_files_free(gather->shared.files);
    nv_frame_pool_free(gather->pool);
    nv_registry_free(gather->registry);
    pthread_cond_destroy(&gather->shared_done);
    pthread_mutex_destroy(&gather->lock);
    pthread_mutex_destroy(&gather->pass_lock);
    free(gather);
}

static struct nv_source *source_new(const char *path)
{
    struct nv_source *source = nv_must(calloc(1, sizeof(*source)));

    source->path = nv_must(strdup(path));
    source->text = NV_BUF(NV_TEXT_MAX + (1 << 20));
    return source;
}

/* Inline collectors share their sources: one read serves all. */
static struct nv_source *shared_source(struct nv_gather *gather, const char *path)
{
    for (size_t i = 0; i < gather->n_sources; i++)
        if (strcmp(gather->sources[i]->path, path) == 0)
            return gather->sources[i];
    gather->sources =
        nv_must(realloc(gather->sources, (gather->n_sources + 1) * sizeof(struct nv_source *)));
    return gather->sources[gather->n_sources++] = source_new(path);
}

static void add_sources(struct nv_gather *gather, struct nv_run *run)
{
    const char *const *paths = run->collector->sources;

    while (paths && paths[run->n_sources])
        run->n_sources++;
    run->sources = nv_must(calloc(run->n_sources + 1, sizeof(struct nv_source *)));
    run->optional = nv_must(calloc(run->n_sources + 1, sizeof(bool)));
    for (size_t i = 0; i < run->n_sources; i++) {
        run->optional[i] = paths[i][0] == '?';
        const char *path = paths[i] + run->optional[i];
        run->sources[i] =
            run->collector->options & NV_MAY_BLOCK ? source_new(path) : shared_source(gather, path);
    }
}

int nv_gather_add(struct nv_gather *gather, const struct nv_collector *collector,
                  enum nv_gather_kind kind, const struct nv_flag_value *flags)
{
    nv_assert(!gather->started);
    if (collector->abi.magic != NV_ABI_MAGIC || collector->abi.version != NV_ABI_VERSION ||
        collector->abi.size != sizeof(*collector))
        return -EPROTO;
    if (nv_gather_find(gather, nv_str(collector->name)) >= 0)
        return -EEXIST;
    if (gather->n_runs == NV_GATHER_COLLECTORS_MAX)
        return -E2BIG;

    struct nv_run *run = calloc(1, sizeof(*run));
    void *state = calloc(1, collector->state_size + 1);
    struct nv_section *section = nv_section_new(gather->registry);
    if (!run || !state || !section) {
        free(run);
        free(state);
        nv_section_free(section);
        return -ENOMEM;
    }
    run->pass = (struct nv_pass){&nv_host, state, flags};
    run->magic = NV_RUN_MAGIC;
    run->gather = gather;
    run->collector = collector;
    run->kind = kind;
    run->section = section;
    add_sources(gather, run);
    gather->runs[gather->n_runs++] = run;
    return 0;
}

int nv_gather_start(struct nv_gather *gather, char error[NV_GATHER_ERROR_MAX])
{
    gather->started = true;
    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        if (!run->collector->start)
            continue;
        run->lane = &gather->lane;
        run->deadline_ns = nv_monotonic_ns() + INT64_C(1000000) * NV_GATHER_PASS_MS;
        nv_arena_reset(&gather->lane.arena);
        int r = run->collector->start(&run->pass);
        if (r < 0) {
            snprintf(error, NV_GATHER_ERROR_MAX, "collector %s cannot start: %.400s",
                     run->collector->name, run->error[0] ? run->error : strerror(-r));
            return r;
        }
    }
    return 0;
}

int nv_gather_find(const struct nv_gather *gather, struct nv_str name)
{
    for (size_t i = 0; i < gather->n_runs; i++)
        if (gather->runs[i]->kind == NV_GATHER_NODE &&
            nv_str_is(name, gather->runs[i]->collector->name))
            return (int)i;
    return -ENOENT;
}

size_t nv_gather_count(const struct nv_gather *gather)
{
    return gather->n_runs;
}

const char *nv_gather_name(const struct nv_gather *gather, size_t i)
{
    return gather->runs[i]->collector->name;
}

/* ---- a pass --------------------------------------------------------------------------------- */

static bool selected(const struct nv_gather *gather, const struct nv_gather_selection *selection,
                     size_t i)
{
    return !selection->some || gather->runs[i]->kind == NV_GATHER_SELF ||
           nv_bit(selection->bits, i);
}

static bool may_block(const struct nv_run *run)
{
    return run->collector->options & NV_MAY_BLOCK;
}

static void post_jobs(struct nv_gather *gather, const struct nv_gather_selection *selection,
                      int64_t deadline_ns)
{
    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        if (!may_block(run) || !selected(gather, selection, i))
            continue;
        run->fresh = false;
        if (nv_jobs_busy(gather->jobs, run))
            continue;
        run->deadline_ns = deadline_ns;
        nv_jobs_post(gather->jobs, run, gather->pass);
    }
    nv_jobs_go(gather->jobs);
}

/* All files first, so that the samples of a pass belong to one moment. */
static void sweep(struct nv_gather *gather, const struct nv_gather_selection *selection)
{
    for (size_t i = 0; i < gather->n_runs; i++) {
        const struct nv_run *run = gather->runs[i];
        if (may_block(run) || !selected(gather, selection, i))
            continue;
        for (size_t k = 0; k < run->n_sources; k++)
            nv_run_read_source(gather->shared.files, run->sources[k], gather->pass);
    }
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
                     run->shown_error, run->shown_error[0] ? ": " : "", strerror(-run->shown));
}

/* Registers what a run emitted. Returns how many cells were dropped. */
static size_t publish(struct nv_run *run)
{
    char what[NV_SECTION_WHAT_MAX];
    size_t dropped = nv_section_publish(run->section, what);

    run->fresh = true;
    run->late = false;
    run->served = true;
    run->published_ns = run->finished_ns;
    run->shown = run->result;
    run->shown_duration_ns = run->duration_ns;
    memcpy(run->shown_error, run->error, sizeof(run->shown_error));
    speak_of_result(run);
    if (!dropped)
        nv_complaint_over(&run->dropped);
    else if (nv_complaint_speaks(&run->dropped))
        nv_log_write(NV_WARN, __FILE__, __LINE__, "collector", run->collector->name,
                     "%zu samples dropped, first: %s", dropped, what);
    return dropped;
}

static size_t run_inline(struct nv_gather *gather, const struct nv_gather_selection *selection,
                         enum nv_gather_kind kind, int64_t deadline_ns)
{
    size_t dropped = 0;

    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        if (may_block(run) || run->kind != kind || !selected(gather, selection, i))
            continue;
        run->deadline_ns = deadline_ns;
        nv_run_collect(run, &gather->lane, gather->pass);
        dropped += publish(run);
    }
    return dropped;
}

static int64_t cadence_ns(const struct nv_run *run)
{
    unsigned ms = run->collector->cadence_ms;

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

/* Until when a pass waits for a run. */
static int64_t patience(const struct nv_run *run, int64_t begin_ns, int64_t deadline_ns)
{
    int64_t own_ns = begin_ns + INT64_C(1000000) * run->collector->deadline_ms;

    return run->collector->deadline_ms && own_ns < deadline_ns ? own_ns : deadline_ns;
}

/* Waits for all, the last posted first, since one wait then mostly does; then takes what they have. */
static size_t await_jobs(struct nv_gather *gather, const struct nv_gather_selection *selection,
                         int64_t begin_ns, int64_t deadline_ns)
{
    size_t dropped = 0;

    for (size_t i = gather->n_runs; i-- > 0;) {
        struct nv_run *run = gather->runs[i];
        if (may_block(run) && selected(gather, selection, i))
            run->fresh = nv_jobs_wait(gather->jobs, run, patience(run, begin_ns, deadline_ns));
    }
    for (size_t i = 0; i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        if (!may_block(run) || !selected(gather, selection, i))
            continue;
        if (run->fresh)
            dropped += publish(run);
        else
            be_late(run, nv_monotonic_ns());
    }
    return dropped;
}

/* Begins a new generation when absent series or replaced pictures weigh more than what is there. */
static void renew_if_due(struct nv_gather *gather)
{
    size_t present = nv_section_n_present(gather->report),
           known = nv_registry_n_series(gather->registry);

    for (size_t i = 0; i < gather->n_runs; i++)
        present += nv_section_n_present(gather->runs[i]->section);
    bool series = known > 2 * present + RENEW_SPARE;
    bool memory = nv_registry_memory(gather->registry) > RENEW_MEMORY + 4096 * present;
    if (!series && !memory)
        return;
    for (size_t i = 0; i < gather->n_runs; i++)
        if (nv_jobs_busy(gather->jobs, gather->runs[i]))
            return; /* a worker is writing rows: with the next pass */
    nv_registry_renew(gather->registry);
    nv_section_renew(gather->report);
    for (size_t i = 0; i < gather->n_runs; i++)
        nv_section_renew(gather->runs[i]->section);
}

static int make_frame(struct nv_gather *gather, const struct nv_gather_selection *selection,
                      int64_t time_ms, size_t *dropped, struct nv_frame **ret)
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
        if (selected(gather, selection, i))
            *dropped += nv_section_fill(gather->runs[i]->section, frame);
    *ret = frame;
    return 0;
}

static int run_pass(struct nv_gather *gather, const struct nv_gather_selection *selection,
                    int64_t timeout_ms, struct nv_frame **ret)
{
    int64_t begin = nv_monotonic_ns(), time_ms = nv_wall_ms();
    int64_t length_ns = timeout_ms * 1000000;
    int64_t deadline = begin + length_ns - length_ns * MARGIN_PERCENT / 100;

    gather->pass++;
    gather->lane.n_answers = 0;
    nv_files_next_pass(gather->shared.files);
    post_jobs(gather, selection, deadline);
    sweep(gather, selection);
    size_t dropped = run_inline(gather, selection, NV_GATHER_NODE, deadline);
    dropped += await_jobs(gather, selection, begin, deadline);
    dropped += run_inline(gather, selection, NV_GATHER_SELF, deadline);
    report(gather, selection);
    renew_if_due(gather);
    int r = make_frame(gather, selection, time_ms, &dropped, ret);

    pthread_mutex_lock(&gather->lock);
    gather->stats.passes++;
    gather->stats.dropped_cells += dropped;
    gather->stats.gather_errors += dropped > 0;
    gather->stats.series = nv_registry_n_series(gather->registry);
    gather->stats.layout_generation = nv_registry_generation(gather->registry);
    pthread_mutex_unlock(&gather->lock);
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
    pthread_mutex_unlock(&gather->lock);

    pthread_mutex_lock(&gather->pass_lock);
    r = run_pass(gather, selection, timeout_ms, &frame);
    pthread_mutex_unlock(&gather->pass_lock);

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
    pthread_mutex_lock(&gather->pass_lock);
    int r = run_pass(gather, selection, timeout_ms, ret);
    pthread_mutex_unlock(&gather->pass_lock);
    return r;
}

/* ---- what is told --------------------------------------------------------------------------- */

void nv_gather_stats(struct nv_gather *gather, struct nv_gather_stats *ret)
{
    size_t workers, held, threads, stuck;

    nv_jobs_count(gather->jobs, &workers, &held);
    nv_guards_count(gather->shared.guards, &threads, &stuck);
    pthread_mutex_lock(&gather->lock);
    *ret = gather->stats;
    pthread_mutex_unlock(&gather->lock);
    ret->kept_files = nv_files_kept(gather->shared.files);
    ret->workers = workers + threads;
    ret->workers_held = held + stuck;
}

void nv_gather_state(struct nv_gather *gather, size_t i, struct nv_gather_state *ret)
{
    const struct nv_run *run = gather->runs[i];

    *ret = (struct nv_gather_state){
        .result = run->shown,
        .duration_ns = run->shown_duration_ns,
        .age_ms = run->late && run->served ? (nv_monotonic_ns() - run->published_ns) / 1000000 : 0,
        .series = nv_section_n_present(run->section),
        .error = run->shown_error,
    };
}
