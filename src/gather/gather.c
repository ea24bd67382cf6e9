#include "gather/gather.h"

#include "base/assert.h"
#include "base/clock.h"
#include "gather/inside.h"

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
    pthread_mutex_init(&gather->scrape_lock, NULL);
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
        .pods = options->pods,
        .kept = nv_kept_new(),
    };
    if (gather->registry)
        gather->report = nv_section_new(gather->registry);
    if (!gather->pool || !gather->jobs || !gather->notices || !gather->shared.files ||
        !gather->shared.guards || !gather->shared.bus || !gather->shared.kept || !gather->report) {
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
    if (nv_run_may_block(run))
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
    nv_gather_drop_targets(gather);
    nv_lane_done(&gather->lane);
    nv_notices_free(gather->notices);
    nv_guards_free(gather->shared.guards);
    nv_bus_free(gather->shared.bus);
    nv_kept_free(gather->shared.kept);
    nv_files_free(gather->shared.files);
    nv_frame_pool_free(gather->pool);
    nv_registry_free(gather->registry);
    pthread_cond_destroy(&gather->shared_done);
    pthread_mutex_destroy(&gather->lock);
    pthread_mutex_destroy(&gather->pass_lock);
    pthread_mutex_destroy(&gather->scrape_lock);
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
        run->sources[i] = nv_run_may_block(run) ? source_new(path) : shared_source(gather, path);
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
    nv_registry_set_cadence(gather->registry, nv_section_index(section), nv_run_cadence_ms(run));
    add_sources(gather, run);
    gather->runs[gather->n_runs++] = run;
    return 0;
}

int nv_gather_keep_states(struct nv_gather *gather, const char *folder)
{
    return nv_kept_set_folder(gather->shared.kept, folder);
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
