/*
 * targets.c - the labels that series of each collector have in the store.
 */
#include <errno.h>

#include "base/assert.h"
#include "gather/inside.h"
#include "gather/run.h"
#include "metric/matcher.h"

enum { LABELS_MAX = 16 };

static char *copy_text(struct nv_str text)
{
    return nv_must(strndup(text.p, text.n));
}

static void drop_text(struct nv_str text)
{
    union {
        const char *from;
        char *to;
    } u = {text.p};

    free(u.to);
}

void nv_gather_drop_targets(struct nv_gather *gather)
{
    for (size_t i = 0; i < gather->n_targets; i++) {
        struct nv_label *labels = __extension__({
            union {
                const struct nv_label *from;
                struct nv_label *to;
            } u = {gather->targets[i].labels};
            u.to;
        });
        for (size_t k = 0; k < gather->targets[i].n_labels; k++) {
            drop_text(labels[k].name);
            drop_text(labels[k].value);
        }
        free(labels);
    }
    free(gather->targets);
    gather->targets = NULL;
    gather->n_targets = 0;
}

/* The number of a target: of one that is there, or a new one with copied texts. */
static size_t take_target(struct nv_gather *gather, const struct nv_label *labels, size_t n)
{
    for (size_t i = 0; i < gather->n_targets; i++)
        if (nv_labels_compare(gather->targets[i].labels, gather->targets[i].n_labels, labels, n) ==
            0)
            return i;
    struct nv_label *copy = nv_must(calloc(n + 1, sizeof(*copy)));
    for (size_t i = 0; i < n; i++)
        copy[i] = (struct nv_label){nv_str(copy_text(labels[i].name)),
                                    nv_str(copy_text(labels[i].value))};
    gather->targets =
        nv_must(realloc(gather->targets, (gather->n_targets + 1) * sizeof(*gather->targets)));
    gather->targets[gather->n_targets] = (struct nv_target){copy, n, 0};
    return gather->n_targets++;
}

/* Puts a label in its place by name, instead of the one that is there. */
static size_t put_label(struct nv_label *labels, size_t n, const char *name, struct nv_str value)
{
    struct nv_label label = {nv_str(name), value};
    size_t at = 0;

    while (at < n && nv_str_cmp(labels[at].name, label.name) < 0)
        at++;
    bool there = at < n && nv_str_eq(labels[at].name, label.name);
    if (!there) {
        memmove(labels + at + 1, labels + at, (n - at) * sizeof(*labels));
        n++;
    }
    labels[at] = label;
    return n;
}

static const struct nv_gather_job *job_of(const struct nv_collector *collector,
                                          const struct nv_gather_job *jobs, size_t n_jobs)
{
    for (size_t i = 0; i < n_jobs; i++)
        if (nv_str_is(jobs[i].collector, collector->name))
            return &jobs[i];
    return NULL;
}

static size_t target_of(struct nv_gather *gather, const struct nv_collector *collector,
                        const struct nv_gather_job *job, const struct nv_label *base, size_t n)
{
    struct nv_label labels[LABELS_MAX + 2];

    memcpy(labels, base, n * sizeof(*labels));
    if (job || collector->job)
        n = put_label(labels, n, "job", job ? job->job : nv_str(collector->job));
    if (collector->metrics_path)
        n = put_label(labels, n, "metrics_path", nv_str(collector->metrics_path));
    return take_target(gather, labels, n);
}

static int set_section(struct nv_gather *gather, const struct nv_section *section, size_t i)
{
    return nv_registry_set_target(gather->registry, nv_section_index(section),
                                  gather->targets[i].labels, gather->targets[i].n_labels);
}

int nv_gather_set_target(struct nv_gather *gather, const struct nv_label *labels, size_t n,
                         const struct nv_gather_job *jobs, size_t n_jobs)
{
    nv_assert(n <= LABELS_MAX);
    for (size_t i = 0; i < n_jobs; i++)
        if (nv_gather_find(gather, jobs[i].collector) < 0)
            return -ENOENT;
    nv_gather_drop_targets(gather);
    int r = set_section(gather, gather->report, take_target(gather, labels, n));
    for (size_t i = 0; r == 0 && i < gather->n_runs; i++) {
        struct nv_run *run = gather->runs[i];
        run->target =
            target_of(gather, run->collector, job_of(run->collector, jobs, n_jobs), labels, n);
        r = set_section(gather, run->section, run->target);
    }
    return r;
}

size_t nv_gather_n_targets(const struct nv_gather *gather)
{
    return gather->n_targets;
}

const struct nv_target *nv_gather_target(const struct nv_gather *gather, size_t i)
{
    return &gather->targets[i];
}

bool nv_gather_target_is_there(struct nv_gather *gather, size_t i)
{
    bool there = i == 0;

    if (there)
        return true;
    pthread_mutex_lock(&gather->pass_lock);
    for (size_t k = 0; k < gather->n_runs && !there; k++)
        there = gather->runs[k]->target == i && nv_section_n_present(gather->runs[k]->section);
    pthread_mutex_unlock(&gather->pass_lock);
    return there;
}
