/*
 * template.h - the templates of rule files: Go's text/template as rule files use it, with Prometheus' functions.
 *
 *   language   {{ }} with trim markers and comments; literals; dot, fields, variables, pipelines, parentheses;
 *              if, range, with, else, break, continue, end, define, template, block; the built-in functions
 *   functions  those of Prometheus' alerts (see template_functions.c); `query` asks a callback
 *   values     nil, booleans, whole and real numbers, text, lists, maps, times, durations, histograms
 *   bounds     NV_TEMPLATE_TEXT_MAX bytes of text; an execution writes at most NV_TEMPLATE_OUTPUT_MAX bytes (and
 *              what the buffer takes), takes at most NV_TEMPLATE_STEPS_MAX steps, NV_TEMPLATE_NESTING_MAX levels and
 *              NV_TEMPLATE_MEMORY_MAX bytes
 *   ownership  a template owns all it is made of; values are the caller's, or live as long as one execution
 *   errors     one line in Go's words
 *   threads    a parsed template may be executed by many at once
 */
#ifndef NV_CONFIG_TEMPLATE_H
#define NV_CONFIG_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "metric/histogram.h"
#include "metric/layout.h"

enum {
    NV_TEMPLATE_TEXT_MAX = 1 << 20,
    NV_TEMPLATE_OUTPUT_MAX = 1 << 20,
    NV_TEMPLATE_STEPS_MAX = 1 << 20,
    NV_TEMPLATE_DEPTH_MAX = 100,   /* of parentheses and blocks in a text */
    NV_TEMPLATE_NESTING_MAX = 400, /* of blocks and templates that call templates, when executed */
    NV_TEMPLATE_MEMORY_MAX = 16 << 20,
    NV_TEMPLATE_ERROR_MAX = 1024,
};

/* ---- values --------------------------------------------------------------------------------- */

enum nv_template_kind {
    NV_TEMPLATE_NIL, /* also a key that is not in a map of anything; shown as <no value> */
    NV_TEMPLATE_BOOL,
    NV_TEMPLATE_INT,
    NV_TEMPLATE_REAL,
    NV_TEMPLATE_TEXT,
    NV_TEMPLATE_LIST,
    NV_TEMPLATE_MAP,       /* of anything, as `args` makes */
    NV_TEMPLATE_TEXTS,     /* a map of text, whose missing keys are "" */
    NV_TEMPLATE_STRUCT,    /* a map whose missing keys are an error: the dot, a sample */
    NV_TEMPLATE_TIME,      /* milliseconds since the epoch */
    NV_TEMPLATE_DURATION,  /* nanoseconds */
    NV_TEMPLATE_HISTOGRAM, /* the text of a native histogram */
};

struct nv_template_pair;
struct nv_template_value {
    enum nv_template_kind kind;
    union {
        bool yes;
        int64_t whole; /* of INT, TIME (ms), DURATION (ns) */
        double real;
        struct nv_str text; /* of TEXT and HISTOGRAM */
        struct {
            const struct nv_template_value *items;
            size_t n;
        } list;
        struct {
            const struct nv_template_pair
                *pairs; /* of MAP and TEXTS sorted by key; of STRUCT in its order */
            size_t n;
            const char *type; /* of STRUCT, for error messages */
        } map;
    };
};

struct nv_template_pair {
    struct nv_str key;
    struct nv_template_value value;
};

/* For those who build their own dot. */
static inline struct nv_template_value nv_template_text(struct nv_str text)
{
    return (struct nv_template_value){.kind = NV_TEMPLATE_TEXT, .text = text};
}

static inline struct nv_template_value nv_template_real(double real)
{
    return (struct nv_template_value){.kind = NV_TEMPLATE_REAL, .real = real};
}

/* A label set (sorted by name) as a map of text in the arena. Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_template_labels(struct nv_arena *memory, const struct nv_label *labels,
                                   size_t n_labels, struct nv_template_value *ret);

/* A native histogram as Prometheus prints it. Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_template_histogram(struct nv_arena *memory, const struct nv_histogram *histogram,
                                      struct nv_template_value *ret);

/* As Go's url.QueryEscape: a blank is a plus. */
void nv_query_escape(struct nv_buf *out, struct nv_str text);

/* ---- templates ------------------------------------------------------------------------------ */

struct nv_template;

/* Parses. `name` is what error messages call it. Returns 0; -EINVAL and a reason in `error`; -ENOMEM. */
NV_MUST_USE int nv_template_new(struct nv_str name, struct nv_str text, struct nv_template **ret,
                                char error[NV_TEMPLATE_ERROR_MAX]);

/*
 * The same for a label or annotation of an alert: the name is "__alert_" and the alert's, and $labels,
 * $externalLabels, $externalURL and $value are defined. Errors begin "template: __alert_NAME:".
 */
NV_MUST_USE int nv_template_new_alert(struct nv_str alert, struct nv_str text,
                                      struct nv_template **ret, char error[NV_TEMPLATE_ERROR_MAX]);
void nv_template_free(struct nv_template *template_);
NV_DEFINE_AUTO(nv_template)

/* Whether it is text without any action, and so the same for all. */
bool nv_template_is_plain(const struct nv_template *template_);

/* One element of a query's answer. */
struct nv_template_sample {
    const struct nv_label *labels; /* sorted, __name__ included */
    size_t n_labels;
    double value;
    const struct nv_histogram *histogram; /* instead of the value, or NULL */
};

/* What the functions need beside their arguments. */
struct nv_template_context {
    int64_t time_ms;            /* what `now` is, and when queries are evaluated */
    struct nv_str external_url; /* of externalURL and pathPrefix */
    /*
     * An instant query at time_ms; a scalar is one sample without labels. The answer lives in the arena. Returns 0; a
     * negative errno and a reason in `error`. NULL: there is no `query`.
     */
    int (*query)(void *user, struct nv_str expression, int64_t time_ms, struct nv_arena *memory,
                 const struct nv_template_sample **ret, size_t *ret_n,
                 char error[NV_TEMPLATE_ERROR_MAX]);
    void *user;
};

/*
 * Appends what the template makes of `dot`. Returns 0; -EINVAL and "error executing template NAME: ..." in
 * `error`, the buffer as it was; -ENOMEM.
 */
NV_MUST_USE int nv_template_execute(const struct nv_template *template_,
                                    const struct nv_template_context *context,
                                    const struct nv_template_value *dot, struct nv_buf *out,
                                    char error[NV_TEMPLATE_ERROR_MAX]);

/* What an alert's templates see as dot: {Labels, ExternalLabels, ExternalURL, Value}. */
struct nv_template_alert {
    const struct nv_label *labels, *external_labels; /* sorted by name */
    size_t n_labels, n_external_labels;
    double value;
    const struct nv_histogram *histogram; /* instead of the value, or NULL */
};

/* As nv_template_execute(). */
NV_MUST_USE int nv_template_execute_alert(const struct nv_template *template_,
                                          const struct nv_template_context *context,
                                          const struct nv_template_alert *alert, struct nv_buf *out,
                                          char error[NV_TEMPLATE_ERROR_MAX]);

#endif
