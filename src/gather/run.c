#include "gather/run.h"

#include "base/clock.h"

enum { LANE_KEEPS = 64 << 10 }; /* what the default collectors need on a machine without pods */

void nv_lane_init(struct nv_lane *lane)
{
    *lane = (struct nv_lane){
        .arena = NV_ARENA(NV_LANE_ARENA_MAX),
        .scratch = NV_BUF(NV_TEXT_MAX + (1 << 20)),
    };
    for (size_t i = 0; i < NV_LANE_ANSWERS; i++)
        lane->answers[i].messages = NV_BUF(NV_NETLINK_ANSWER_MAX);
}

void nv_lane_done(struct nv_lane *lane)
{
    nv_arena_done(&lane->arena);
    nv_buf_done(&lane->scratch);
    nv_netlink_free(lane->netlink);
    for (size_t i = 0; i < NV_LANE_ANSWERS; i++)
        nv_buf_done(&lane->answers[i].messages);
}

void nv_run_read_source(struct nv_files *files, struct nv_source *source, uint64_t pass)
{
    if (source->read_in == pass)
        return;
    source->read_in = pass;
    source->error = nv_files_read(files, source->path, NV_TEXT_MAX, true, &source->text);
}

/* The error of the first source that had to be there, or 0. */
static int check_sources(struct nv_run *run)
{
    for (size_t i = 0; i < run->n_sources; i++) {
        int r = run->sources[i]->error;
        if (run->optional[i] || r == 0)
            continue;
        snprintf(run->error, sizeof(run->error), "%s", run->sources[i]->path);
        return r;
    }
    return 0;
}

static int outcome_of(const struct nv_run *run, int r)
{
    unsigned options = run->collector->options;

    if ((r == -ENOENT && (options & NV_ABSENT_IS_NO_DATA)) ||
        ((r == -EACCES || r == -EPERM) && (options & NV_DENIED_IS_NO_DATA)))
        return NV_NO_DATA;
    return r;
}

static void give_back(struct nv_run *run)
{
    const struct nv_gather_pods *from = &nv_gather_shared(run->gather)->pods;

    if (run->pods)
        from->give(from->user, run->pods);
    run->pods = NULL;
    nv_buf_done(&run->answer);
}

/* What a pass takes lies idle until the next, 15 s later: all lanes together have more of it than a small node of series. */
static void put_away(struct nv_lane *lane)
{
    nv_arena_shrink(&lane->arena, LANE_KEEPS);
    if (lane->scratch.size > LANE_KEEPS) {
        size_t max = lane->scratch.max;
        nv_buf_done(&lane->scratch);
        lane->scratch = NV_BUF(max);
    }
}

void nv_run_collect(struct nv_run *run, struct nv_lane *lane, uint64_t pass)
{
    int64_t begin = nv_monotonic_ns();

    run->lane = lane;
    run->error[0] = '\0';
    nv_arena_reset(&lane->arena);
    for (size_t i = 0; i < run->n_sources; i++)
        nv_run_read_source(nv_gather_shared(run->gather)->files, run->sources[i], pass);

    nv_section_begin(run->section);
    run->collecting = true;
    int r = check_sources(run);
    if (r < 0)
        r = outcome_of(run, r);
    else
        r = run->collector->collect(&run->pass);
    run->collecting = false;
    give_back(run);
    nv_section_end(run->section);
    put_away(lane);
    if (r < 0 && !run->error[0] &&
        run->n_sources == 1) /* it said nothing, but can mean only this */
        snprintf(run->error, sizeof(run->error), "%s", run->sources[0]->path);

    run->result = r;
    run->finished_ns = nv_monotonic_ns();
    run->duration_ns = run->finished_ns - begin;
}
