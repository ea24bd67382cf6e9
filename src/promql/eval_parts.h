/*
 * eval_parts.h - what the parts of the evaluator share.
 *
 * A vector flows as rows, one series over all steps of the grid at a time: nv_eval_rows() hands each to a
 * function, and takes the row's memory back when that returns. So a chain such as sum(rate(x[5m])) holds
 * one series and its answer. Whoever needs rows for longer copies them into a matrix of its own.
 *
 *   absent     a step without a sample holds the staleness marker, which is no value of a vector
 *   histogram  a step with one has a pointer in `histograms`, and any value but the marker
 *   rule       a row function evaluates nothing: scratch memory and the decoded samples are the emitter's
 */
#ifndef NV_PROMQL_EVAL_PARTS_H
#define NV_PROMQL_EVAL_PARTS_H

#include "base/index.h"
#include "promql/eval.h"
#include "promql/function.h"
#include "promql/sum.h"

struct nv_grid {
    int64_t start, step;
    size_t n;
};

static inline int64_t nv_grid_time(const struct nv_grid *grid, size_t i)
{
    return grid->start + (int64_t)i * grid->step;
}

struct nv_row {
    const struct nv_label *labels;
    size_t n_labels;
    bool drop_name; /* the name goes when the query ends */
    double *values;
    const struct nv_histogram **histograms; /* NULL where there are floats only */
};

static inline bool nv_row_has(const struct nv_row *row, size_t i)
{
    return !nv_is_stale(row->values[i]);
}

static inline const struct nv_histogram *nv_row_histogram(const struct nv_row *row, size_t i)
{
    return row->histograms && nv_row_has(row, i) ? row->histograms[i] : NULL;
}

static inline bool nv_row_is_float(const struct nv_row *row, size_t i)
{
    return nv_row_has(row, i) && !nv_row_histogram(row, i);
}

static inline void nv_row_clear(struct nv_row *row, size_t i)
{
    row->values[i] = nv_stale();
    if (row->histograms)
        row->histograms[i] = NULL;
}

/* Memory of a node of the tree, counted against the query's. */
struct nv_pool {
    struct nv_arena arena;
    size_t extra; /* bytes that lie elsewhere, told with nv_pool_count() */
    struct nv_pool *next;
};

struct nv_matrix {
    struct nv_pool pool;
    struct nv_row *rows;
    size_t n, room;
    struct nv_index index; /* by labels */
    size_t n_steps;
    uint64_t samples;
};

struct nv_eval {
    const struct nv_queryable *queryable;
    struct nv_promql_options options;
    struct nv_str text;
    struct nv_promql_result *result;
    struct nv_grid query; /* of the whole query */
    bool is_instant;
    struct nv_pool *pools;
    struct nv_pool kept, scratch; /* until the result ends; row by row */
    struct nv_pool work; /* of one window; nothing in it outlives the function called for it */
    struct nv_samples samples;
    struct nv_selection **selections;
    size_t n_selections, room_selections, room_annotations;
    struct nv_index annotations; /* by text */
    size_t memory, granted;      /* bytes in use; bytes taken from the pool of all queries */
    size_t samples_memory;
    int refused; /* why no more was granted */
    uint64_t n_samples;
    unsigned checks;
    bool in_subquery; /* whose steps are not the query's */
    struct nv_fix {   /* of monotonicity, merged as they come */
        uint32_t at;
        struct nv_str name;
        double low, high, difference;
        uint64_t n;
        int64_t first_ms, last_ms;
        struct nv_fix *next;
    } * fixes;
    struct nv_overlap { /* of start times, likewise */
        uint32_t at;
        struct nv_str name;
        uint64_t n;
        struct nv_overlap *next;
    } * overlaps;
    struct nv_shared *shared; /* eval_shared.c */
    size_t n_shared;
};

typedef int (*nv_row_fn)(struct nv_eval *ev, struct nv_row *row, void *user);

/* eval.c */
int nv_eval_rows(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                 nv_row_fn fn, void *user);
int nv_eval_scalar(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   double *ret);
struct nv_str nv_eval_string(const struct nv_expr *expr);
const struct nv_expr *nv_expr_inner(const struct nv_expr *expr); /* without parentheses around it */
bool nv_eval_delays_names(const struct nv_eval *ev);

/* eval_shared.c */
typedef int (*nv_rows_fn)(struct nv_eval *ev, const struct nv_expr *expr,
                          const struct nv_grid *grid, nv_row_fn fn, void *user);
int nv_eval_share(struct nv_eval *ev, struct nv_expr *root); /* marks what is the same */
void nv_eval_end_shared(struct nv_eval *ev);

/* Rows of a node that is marked: evaluated with `plain`, or those of the one before. */
int nv_eval_shared(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   nv_rows_fn plain, nv_row_fn fn, void *user);

/* eval_memory.c */
__attribute__((format(printf, 2, 3))) int nv_eval_fail(struct nv_eval *ev, const char *format, ...);
void nv_pool_open(struct nv_eval *ev, struct nv_pool *pool);
void nv_pool_close(struct nv_eval *ev, struct nv_pool *pool);
void nv_pool_empty(struct nv_eval *ev, struct nv_pool *pool); /* frees, and may be used again */

/* Counts so many bytes more that belong to it; false past the limit. */
bool nv_pool_count(struct nv_eval *ev, struct nv_pool *pool, size_t bytes);

/* Not zeroed; NULL past the limit, for which nv_eval_no_memory() has the error. */
void *nv_pool_alloc(struct nv_pool *pool, size_t n, size_t size);

/* A histogram with its arrays, copied; NULL past the limit. */
const struct nv_histogram *nv_pool_histogram(struct nv_pool *pool, const struct nv_histogram *h);
int nv_eval_no_memory(struct nv_eval *ev);
int nv_eval_check(struct nv_eval *ev);                      /* time, cancellation */
int nv_eval_hold(struct nv_eval *ev, uint64_t n);           /* counts samples; -EDQUOT */
uint64_t nv_histogram_weight(const struct nv_histogram *h); /* as how many samples it counts */

/* For the statistics: at a step so many samples are seen, of which so many are read for the first time. */
static inline void nv_eval_saw(struct nv_eval *ev, size_t step, uint64_t n, uint64_t n_new)
{
    struct nv_promql_stats *stats = &ev->result->stats;

    stats->read += n_new;
    if (ev->in_subquery)
        return;
    stats->queryable += n;
    if (!stats->queryable_by_step)
        return;
    stats->queryable_by_step[step] += n;
    stats->read_by_step[step] += n_new;
}
int nv_row_new(struct nv_eval *ev, struct nv_pool *pool, size_t n_steps, bool histograms,
               struct nv_row *ret); /* all absent */
int nv_row_histograms(struct nv_eval *ev, struct nv_pool *pool, size_t n_steps, struct nv_row *row);

/* Copies rows. `merge`: series with equal labels become one, or an error where they meet. */
void nv_matrix_open(struct nv_eval *ev, struct nv_matrix *matrix, size_t n_steps);
void nv_matrix_close(struct nv_eval *ev, struct nv_matrix *matrix);
int nv_matrix_add(struct nv_eval *ev, struct nv_row *row, void *matrix);
int nv_matrix_merge(struct nv_eval *ev, struct nv_row *row, void *matrix);
int nv_matrix_emit(struct nv_eval *ev, struct nv_matrix *matrix, nv_row_fn fn, void *user);

/* eval_labels.c */
uint64_t nv_labels_hash(const struct nv_label *labels, size_t n);
bool nv_labels_equal(const struct nv_label *a, size_t n_a, const struct nv_label *b, size_t n_b);
bool nv_names_have(const struct nv_label_names *names, struct nv_str name);

/* Into `out`, which has room for all; returns how many. Reserved: the name, and type and unit. */
size_t nv_labels_keep(const struct nv_label *labels, size_t n, const struct nv_label_names *names,
                      struct nv_label *out);
size_t nv_labels_drop(const struct nv_label *labels, size_t n, const struct nv_label_names *names,
                      bool reserved, struct nv_label *out);

/* Sets, or with an empty value removes, a label; `labels` has room for one more. Returns how many. */
size_t nv_labels_set(struct nv_label *labels, size_t n, struct nv_str name, struct nv_str value);

/* The row without its name: at once, or marked. */
int nv_row_drop_name(struct nv_eval *ev, struct nv_row *row);

/* eval_annotate.c */
__attribute__((format(printf, 4, 5))) void
nv_annotate(struct nv_eval *ev, bool is_warning, const struct nv_expr *at, const char *format, ...);
struct nv_str nv_row_name(const struct nv_row *row);
const char *nv_quoted(struct nv_eval *ev, struct nv_str text); /* lasts as long as the query */

const char *nv_shown(struct nv_eval *ev, double value); /* a number, as long */
void nv_annotate_gathered(struct nv_eval *ev); /* what ev->fixes and overlaps have gathered */
void nv_count_overlaps(struct nv_eval *ev, const struct nv_expr *at, struct nv_str name,
                       uint64_t n);

/* eval_result.c: evaluates, and sets the result; a range vector lies in the matrix. */
int nv_eval_result(struct nv_eval *ev, const struct nv_expr *root, struct nv_matrix *matrix);

/* eval_prepare.c */
int nv_eval_prepare(struct nv_eval *ev, struct nv_expr *root);

/* eval_select.c: what an instant selector yields of each sample */
enum nv_yield { NV_YIELD_SAMPLES, NV_YIELD_TIMES, NV_YIELD_STARTS };
int nv_eval_selector(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                     enum nv_yield yield, nv_row_fn fn, void *user);
int nv_eval_open(struct nv_eval *ev, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                 int64_t to_ms, struct nv_selection **ret);
int nv_eval_read(struct nv_eval *ev, struct nv_selection *selection, size_t i);

static inline int64_t nv_sat_add(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

/* Where a selector or subquery looks at a step. */
static inline int64_t nv_when_time(const struct nv_when *when, const struct nv_grid *grid, size_t i)
{
    int64_t at = when->at != NV_AT_NONE ? when->at_ms : nv_grid_time(grid, i);

    return nv_sat_add(at, -when->offset.ms);
}

/* eval_window.c: what a function of a range vector sees at one step */
struct nv_slider;
struct nv_window {
    const int64_t *times, *starts; /* of floats; starts may be NULL */
    const double *values;
    size_t n, first; /* first: of them, among all of the series */
    const struct nv_window *all;
    struct nv_slider *slider; /* slide.h */
    const int64_t *histogram_times, *histogram_starts;
    const struct nv_histogram *const *histograms;
    size_t n_histograms;
    int64_t from_ms, to_ms, at_ms; /* (from, to], and the step's own time */
    size_t step;
};

/* A call of such a function. */
struct nv_ranged {
    const struct nv_expr *expr, *source;
    enum nv_function_id id;
    double *parameters[2]; /* scalars over the grid */
    struct nv_str name;    /* of the series in front */
    const struct nv_label *labels;
    size_t n_labels;
    bool drop_name;
};

/* Returns 1 and a value or a histogram, 0 for none, or an error. */
typedef int (*nv_window_fn)(struct nv_eval *ev, const struct nv_ranged *call,
                            const struct nv_window *w, double *ret,
                            const struct nv_histogram **ret_histogram);
int nv_eval_ranged(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   nv_row_fn fn, void *user);

/* Every series of a range vector's source, as whole samples; `fn` gets a window of all there is. */
typedef int (*nv_series_fn)(struct nv_eval *ev, struct nv_ranged *call, const struct nv_window *all,
                            void *user);
int nv_eval_source(struct nv_eval *ev, struct nv_ranged *call, const struct nv_grid *grid,
                   nv_series_fn fn, void *user);
nv_window_fn nv_window_function(enum nv_function_id id); /* NULL where there is none */
void nv_range_of(const struct nv_expr *source, const struct nv_grid *grid, size_t i,
                 int64_t *ret_from_ms, int64_t *ret_to_ms);

/* The ends of an anchored or smoothed window: the samples that stand there, and the values. */
struct nv_edges {
    size_t first, last;
    double left, right;
};
bool nv_window_edges(const struct nv_window *w, bool smooth, bool counter, struct nv_edges *ret);

/* The places of those among n times. False where none of them is within. */
bool nv_edges_of(const int64_t *times, size_t n, const struct nv_window *w, bool smooth,
                 size_t *ret_first, size_t *ret_last);

/* Whether a counter began anew between two samples, as far as start times (may be NULL) tell. */
bool nv_restarted(const int64_t *times, const int64_t *starts, size_t i);
void nv_note_overlaps(struct nv_eval *ev, const struct nv_ranged *call, const int64_t *times,
                      const int64_t *starts, size_t n);

int nv_window_rate(struct nv_eval *, const struct nv_ranged *, const struct nv_window *, double *,
                   const struct nv_histogram **);
int nv_window_instant_rate(struct nv_eval *, const struct nv_ranged *, const struct nv_window *,
                           double *, const struct nv_histogram **);

int nv_window_steps(struct nv_eval *, const struct nv_ranged *, const struct nv_window *, double *,
                    const struct nv_histogram **);

/* eval_binary.c, eval_match.c, eval_aggregate.c, eval_call.c */
int nv_eval_binary(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   nv_row_fn fn, void *user);
int nv_eval_vectors(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                    nv_row_fn fn, void *user);
int nv_eval_sets(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                 nv_row_fn fn, void *user);
int nv_eval_aggregation(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                        nv_row_fn fn, void *user);
int nv_eval_call(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                 nv_row_fn fn, void *user);
int nv_eval_scalar_call(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                        double *ret);
double nv_op_scalar(enum nv_op op, double a, double b); /* comparisons give 0 or 1 */

/* Two samples of one step. Returns 1 and what they give; 0 where the pair is dropped; an error. A comparison
 * gives the left value and *ret_holds. */
struct nv_operand {
    double value;
    const struct nv_histogram *histogram;
};
int nv_op_samples(struct nv_eval *ev, const struct nv_expr *at, enum nv_op op, struct nv_operand a,
                  struct nv_operand b, struct nv_operand *ret, bool *ret_holds);

/* Sorted with NaN first. */
double nv_quantile(double q, const double *sorted, size_t n);
int nv_compare_values(const void *a, const void *b);

#endif
