/*
 * store_model.h - a store under test beside a model of what it must answer.
 *
 * A source is a list of series in sections. Each step says which sections are observed and which series are there; the
 * model keeps, per series, the samples a reader must get: values, and a marker where the section was first observed
 * without it. Times and numbers come from a generator with a seed, so that a failure can be repeated.
 */
#ifndef NV_TEST_STORE_MODEL_H
#define NV_TEST_STORE_MODEL_H

#include <check.h>
#include <inttypes.h>
#include <stdio.h>

#include "metric/frame.h"
#include "support/memory_fs.h"
#include "tsdb/store.h"

enum { MODEL_SERIES = 64, MODEL_SECTIONS = 4, MODEL_SAMPLES = 20000 };

static const struct nv_family model_family = {
    "m_value", NV_GAUGE, {NV_OP_NONE, 0, 0},
      "A value."
};

struct model_sample {
    int64_t time_ms;
    double value;
};

struct model_series {
    char id[24];
    unsigned section;
    bool live; /* had a value when its section was last observed */
    uint32_t column, generation;
    double value;
    struct model_sample *samples;
    size_t n;
};

struct model {
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    uint32_t generation; /* of the registry; 0: none yet */
    uint32_t sections[MODEL_SECTIONS];
    struct model_series series[MODEL_SERIES];
    size_t n;
    int64_t now_ms;
    uint64_t seed, step;
    bool missed[MODEL_SECTIONS];
    const char *job;
};

static inline uint64_t model_random(struct model *m)
{
    m->seed ^= m->seed << 13;
    m->seed ^= m->seed >> 7;
    m->seed ^= m->seed << 17;
    return m->seed * UINT64_C(0x2545f4914f6cdd1d) >> 11;
}

static inline void model_registry(struct model *m)
{
    struct nv_label labels[] = {
        {NV_LIT("instance"), NV_LIT("host:1")},
        {NV_LIT("job"),      nv_str(m->job)  }
    };

    m->registry = nv_registry_new();
    m->pool = nv_frame_pool_new();
    for (size_t i = 0; i < MODEL_SECTIONS; i++) {
        m->sections[i] = nv_registry_add_section(m->registry);
        ck_assert_int_eq(nv_registry_set_target(m->registry, m->sections[i], labels, 2), 0);
    }
    m->generation++;
}

static inline void model_registry_done(struct model *m)
{
    nv_registry_free(m->registry);
    nv_frame_pool_free(m->pool);
    m->registry = NULL;
}

static inline void model_begin(struct model *m, const char *job, uint64_t seed, size_t n)
{
    memset(m, 0, sizeof(*m));
    m->job = job;
    m->seed = seed * 77777 + 1;
    m->now_ms = 1700000000000;
    m->n = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(m->series[i].id, sizeof(m->series[i].id), "%03zu", i);
        m->series[i].section = (unsigned)(i % MODEL_SECTIONS);
        m->series[i].samples = calloc(MODEL_SAMPLES, sizeof(struct model_sample));
    }
    model_registry(m);
}

static inline void model_end(struct model *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->series[i].samples);
    if (m->registry)
        model_registry_done(m);
}

/* As after a restart of the agent: another registry, whose layout numbers everything anew. */
static inline void model_restart(struct model *m)
{
    model_registry_done(m);
    model_registry(m);
}

static inline void model_renew(struct model *m)
{
    nv_registry_renew(m->registry);
    m->generation++;
}

static inline uint32_t model_column(struct model *m, struct model_series *s)
{
    if (s->generation == m->generation)
        return s->column;
    struct nv_str values[] = {nv_str(s->id)};
    struct nv_series_def def = {.name = model_family.name,
                                .suffix = "",
                                .help = model_family.help,
                                .type = NV_GAUGE,
                                .label_names = NV_LABELS("id"),
                                .label_values = values,
                                .section = m->sections[s->section]};
    ck_assert_int_eq(nv_registry_add(m->registry, &def, &s->column), 0);
    s->generation = m->generation;
    return s->column;
}

static inline void model_note(struct model_series *s, int64_t time_ms, double value)
{
    ck_assert_uint_lt(s->n, MODEL_SAMPLES);
    s->samples[s->n++] = (struct model_sample){time_ms, value};
}

static inline double model_next(struct model *m, double value)
{
    switch (model_random(m) % 8) {
    case 0:
        return value;
    case 1:
        return value + 0.25;
    case 2:
        return (double)(model_random(m) % 1000) / 1000;
    case 3:
        return (double)model_random(m) * 1e-3;
    case 4:
        return value * 1.0000001;
    default:
        return value + (double)(model_random(m) % 5);
    }
}

/* One frame: `there` and `observed` have a bit per series and section. Noted in the model unless `lost`. */
static inline struct nv_frame *model_frame(struct model *m, uint64_t there, unsigned observed,
                                           bool note)
{
    for (size_t i = 0; i < m->n; i++)
        if ((there >> i & 1) && (observed >> m->series[i].section & 1))
            model_column(m, &m->series[i]);
    struct nv_layout *layout = nv_registry_layout(m->registry);
    struct nv_frame *frame = nv_frame_new(m->pool, layout, m->now_ms);

    for (size_t i = 0; i < MODEL_SECTIONS; i++)
        if (observed >> i & 1)
            nv_bit_set(frame->observed, m->sections[i]);
    for (size_t i = 0; i < m->n; i++) {
        struct model_series *s = &m->series[i];
        if (!(observed >> s->section & 1))
            continue;
        if (there >> i & 1) {
            s->value = model_next(m, s->value);
            nv_bit_set(frame->present, s->column);
            frame->values[s->column] = s->value;
            if (note)
                model_note(s, m->now_ms, s->value);
        } else if (s->live && note) {
            model_note(s, m->now_ms, nv_stale());
        }
        if (note)
            s->live = there >> i & 1;
    }
    nv_layout_unref(layout);
    return frame;
}

static inline void model_append(struct model *m, struct nv_store *store, uint32_t source,
                                uint64_t there, unsigned observed)
{
    struct nv_frame *frame = model_frame(m, there, observed, true);

    ck_assert_int_eq(nv_store_append(store, source, frame), 0);
    nv_frame_unref(frame);
}

static inline uint64_t model_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* What the store has of a series in [from, to]. Returns whether it has it at all. */
static inline bool model_read(struct nv_store *store, const char *job, const char *id, int64_t from,
                              int64_t to, struct nv_samples *ret)
{
    const struct nv_queryable *q = nv_store_queryable(store);
    struct nv_matcher matchers[] = {
        {NV_MATCH_EQUAL, NV_LIT("__name__"), NV_LIT("m_value"), NULL},
        {NV_MATCH_EQUAL, NV_LIT("job"),      nv_str(job),       NULL},
        {NV_MATCH_EQUAL, NV_LIT("id"),       nv_str(id),        NULL},
    };
    struct nv_selection selection;

    nv_samples_reset(ret);
    ck_assert_int_eq(q->select(q->store, matchers, 3, from, to, 0, &selection), 0);
    ck_assert_uint_le(selection.n, 1);
    bool found = selection.n == 1;
    if (found) {
        int r = q->read(&selection, 0, ret);
        ck_assert_msg(r == 0, "reading %s: %s", id, strerror(-r));
    }
    q->release(&selection);
    return found;
}

/* Compares [from, to]: a marker that nothing precedes in the range is not told. */
static inline void model_compare(const struct model *m, struct nv_store *store, int64_t from,
                                 int64_t to)
{
    struct nv_samples got = {0};

    for (size_t i = 0; i < m->n; i++) {
        const struct model_series *s = &m->series[i];
        size_t at = 0;
        model_read(store, m->job, s->id, from, to, &got);
        for (size_t k = 0; k < s->n; k++) {
            if (s->samples[k].time_ms < from || s->samples[k].time_ms > to ||
                (at == 0 && nv_is_stale(s->samples[k].value)))
                continue;
            ck_assert_msg(at < got.n, "series %s: sample %zu at %" PRId64 " is missing", s->id, k,
                          s->samples[k].time_ms);
            ck_assert_msg(got.times[at] == s->samples[k].time_ms &&
                              model_bits(got.values[at]) == model_bits(s->samples[k].value),
                          "series %s: at %" PRId64 " is %.17g, is %" PRId64 " %.17g there", s->id,
                          s->samples[k].time_ms, s->samples[k].value, got.times[at],
                          got.values[at]);
            at++;
        }
        ck_assert_msg(at == got.n, "series %s: %zu samples too many, first at %" PRId64 " %.17g",
                      s->id, got.n - at, got.times[at], got.values[at]);
    }
    nv_samples_done(&got);
}

static inline int64_t model_now(void *user)
{
    return ((struct model *)user)->now_ms;
}

static inline struct nv_store *model_open_with(struct model *m, struct nv_fs *fs,
                                               const struct nv_store_options *how)
{
    struct nv_store_options options = *how;
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    options.fs = fs;
    options.now_ms = model_now;
    options.now_user = m;
    int r = nv_store_open(&options, &store, error);
    ck_assert_msg(r == 0, "cannot open: %s", error);
    return store;
}

static inline struct nv_store *model_open(struct model *m, struct nv_fs *fs)
{
    return model_open_with(m, fs,
                           &(struct nv_store_options){.block_ms = 600000, .wal_sync_ms = 10000});
}

static inline uint32_t model_source(struct nv_store *store, const char *name)
{
    uint32_t source;

    ck_assert_int_eq(nv_store_source(store, name, &source), 0);
    return source;
}

/* ---- disks that outlive their store --------------------------------------------------------- */

static inline void model_keep(struct nv_fs *fs)
{
    (void)fs;
}

static inline int model_lock(struct nv_fs *fs, const char *name)
{
    (void)fs, (void)name;
    return 0;
}

/* A file layer in memory that nv_store_close() leaves alone. */
static inline struct nv_fs *model_disk(const struct nv_fs_ops **ret_ops)
{
    static struct nv_fs_ops lent;
    struct nv_fs *fs = nv_memory_fs_new();

    *ret_ops = fs->ops;
    lent = *fs->ops;
    lent.free = model_keep;
    lent.lock = model_lock;
    fs->ops = &lent;
    return fs;
}

static inline void model_disk_done(struct nv_fs *fs, const struct nv_fs_ops *ops)
{
    fs->ops = ops;
    nv_fs_free(fs);
}

/* The model as it was when the frame of `to_ms` was the last: what came later did not reach the disk. */
static inline void model_forget(struct model *m, int64_t to_ms)
{
    for (size_t i = 0; i < m->n; i++) {
        struct model_series *s = &m->series[i];
        while (s->n && s->samples[s->n - 1].time_ms > to_ms)
            s->n--;
        s->live = s->n && !nv_is_stale(s->samples[s->n - 1].value);
    }
}

static inline void model_verify(struct nv_fs *fs)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);
    int r = nv_store_verify(fs, &out);

    ck_assert_msg(r == 0, "verify: %d: %s", r, nv_buf_c_string(&out));
}

/* A random step: most series stay, some go and come; sections have intervals, and miss one now and then. */
static inline void model_step(struct model *m, struct nv_store *store, uint32_t source,
                              uint64_t *there)
{
    unsigned observed = 1;

    for (unsigned i = 1; i < MODEL_SECTIONS; i++) { /* every so many steps; one miss is nothing */
        bool due = m->step % (i + 1) == 0;
        bool miss = due && !m->missed[i] && model_random(m) % 8 == 0;
        observed |= due && !miss ? 1U << i : 0;
        m->missed[i] = due ? miss : m->missed[i];
    }
    m->step++;
    m->now_ms += 1000 + (int64_t)(model_random(m) % 7);
    if (model_random(m) % 4 == 0)
        *there ^= UINT64_C(1) << model_random(m) % MODEL_SERIES;
    model_append(m, store, source, *there, observed);
}

#endif
