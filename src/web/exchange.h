/*
 * exchange.h - one request to the API and its answer, on a query thread. What endpoints are written against.
 *
 *   static int get_names(struct nv_exchange *x)
 *   {
 *       uint64_t limit;
 *       if (nv_ask_limit(x, "limit", &limit))
 *           return NV_ANSWERED;
 *       struct nv_writer *out = nv_data(x);
 *       nv_write_array(out); ... nv_write_array_end(out);
 *       return 0;
 *   }
 *   const struct nv_endpoint nv_api_names[] = {{"/api/v1/names", NV_GET | NV_POST, 0, get_names}, {0}};
 *
 *   tables     each file of endpoints gives one, ended by {0}; api.c lists the tables
 *   answers    nv_data(): a success envelope around the value that is written then; nv_raw(): any other; neither:
 *              204. nv_fail() and nv_refuse() say what is wrong, before anything was written of which much is out
 *   order      ask and evaluate first, write last: when a block has left, an error can only cut the connection
 *   long work  looks at nv_is_over(); evaluations get x->cancel and x->deadline_ms
 *   memory     x->memory ends with the exchange; what must be freed otherwise is freed by the function
 *   threads    one; many exchanges at once
 */
#ifndef NV_WEB_EXCHANGE_H
#define NV_WEB_EXCHANGE_H

#include "base/buf.h"
#include "web/api.h"
#include "web/writer.h"

struct nv_exchange;

enum nv_method { NV_GET = 1 << 0, NV_POST = 1 << 1, NV_PUT = 1 << 2, NV_DELETE = 1 << 3 };

enum nv_endpoint_option {
    NV_ENDPOINT_QUERY = 1 << 0,     /* one of max_concurrency; others have threads of their own */
    NV_ENDPOINT_ADMIN = 1 << 1,     /* refused unless the admin switch is on; changes state */
    NV_ENDPOINT_LIFECYCLE = 1 << 2, /* refused unless the life cycle switch is on; changes state */
    NV_ENDPOINT_BODY = 1 << 3,      /* the body is x->body as it came, not parameters */
    NV_ENDPOINT_EARLY = 1 << 4,     /* answers before the agent is ready */
};

struct nv_endpoint {
    const char
        *path; /* whole; one part may be {name}: x->part. Lines for several methods may share one */
    unsigned methods, options;
    int (*run)(struct nv_exchange *x); /* 0; NV_ANSWERED; or a negative errno, told as internal */
};

enum { NV_ANSWERED = 1 }; /* what is wrong has been said */

/* What status/buildinfo shows. */
struct nv_web_build {
    const char *version, *revision, *branch;
};

struct nv_parameter {
    struct nv_str name, value;
};

struct nv_exchange {
    const struct nv_api *api;
    const struct nv_web_build *build;
    const struct nv_endpoint *endpoint;
    enum nv_method method;
    struct nv_str part;                    /* {name}, decoded (percent and U__); else empty */
    const struct nv_parameter *parameters; /* those of the body before those of the URL */
    size_t n_parameters;
    const char *bad_form; /* a pair that could not be decoded and was left out; NULL for none */
    struct nv_str body;   /* with NV_ENDPOINT_BODY */
    struct nv_str accept, accept_encoding, content_type, content_encoding; /* empty: not sent */

    struct nv_arena memory;
    size_t pool_held; /* bytes of the memory of all queries: a pool knows who holds some already */
    int64_t now_ms;   /* wall time when it came */
    int64_t came_ns, began_ns;   /* monotonic: when it came, when its turn had come */
    int64_t deadline_ms;         /* of CLOCK_MONOTONIC */
    const volatile bool *cancel; /* atomic: the client is gone or the server stops */

    struct nv_exchange_inside *inside; /* exchange.c's */
};

/* ---- what is asked -------------------------------------------------------------------------- */

/* The first value of a parameter; empty where there is none. */
struct nv_str nv_param(const struct nv_exchange *x, const char *name);
bool nv_asked(const struct nv_exchange *x, const char *name, struct nv_str *ret);

/* The next value of a repeatable one, from *at (0 at first) on. */
bool nv_ask_next(const struct nv_exchange *x, const char *name, size_t *at, struct nv_str *ret);

/* Times stay within these, so that adding to them does not overflow. */
#define NV_API_TIME_MIN (INT64_MIN / 8)
#define NV_API_TIME_MAX (INT64_MAX / 8)

/*
 * A time, a duration, a number of results: 0, or NV_ANSWERED where it is none (bad_data; `invalid parameter "name": ...`).
 * An absent one is the fallback; nv_need_ has none.
 */
NV_MUST_USE int nv_ask_time(struct nv_exchange *x, const char *name, int64_t fallback,
                            int64_t *ret);
NV_MUST_USE int nv_need_time(struct nv_exchange *x, const char *name, int64_t *ret);
NV_MUST_USE int nv_ask_duration(struct nv_exchange *x, const char *name, int64_t fallback,
                                int64_t *ret);
NV_MUST_USE int nv_need_duration(struct nv_exchange *x, const char *name, int64_t *ret);
NV_MUST_USE int nv_ask_limit(struct nv_exchange *x, const char *name, uint64_t *ret); /* 0: none */

/*
 * The selectors of match[], each with a matcher that does not fit the empty text. Freed with the exchange. Some endpoints
 * of Prometheus tell which parameter is wrong (`named`), and some do not.
 */
struct nv_selector_list {
    struct nv_matchers_of {
        const struct nv_matcher *at;
        size_t n;
    } * at;
    size_t n;
};
NV_MUST_USE int nv_ask_selectors(struct nv_exchange *x, bool named, struct nv_selector_list *ret);

/* Whether to stop: cancelled, or past the deadline. */
bool nv_is_over(const struct nv_exchange *x);

/* ---- what is answered ----------------------------------------------------------------------- */

enum nv_api_error {
    NV_BAD_DATA,       /* 400 */
    NV_EXECUTION,      /* 422 */
    NV_CANCELED,       /* 499 */
    NV_TIMEOUT,        /* 503 */
    NV_INTERNAL,       /* 500 */
    NV_NOT_FOUND,      /* 404 */
    NV_NOT_ACCEPTABLE, /* 406 */
    NV_UNAVAILABLE,    /* 500 */
    NV_TOO_BUSY,       /* 503, as timeout */
    NV_TOO_LARGE,      /* 413, as bad_data */
};

/* All give NV_ANSWERED. */
__attribute__((format(printf, 3, 4))) int nv_fail(struct nv_exchange *x, enum nv_api_error kind,
                                                  const char *format, ...);
/* `invalid parameter "name": ...` */
__attribute__((format(printf, 3, 4))) int nv_fail_parameter(struct nv_exchange *x, const char *name,
                                                            const char *format, ...);
/* What a negative errno of a queryable or an evaluation means. */
int nv_fail_errno(struct nv_exchange *x, int error, const char *what);

/* Plain text, as outside of /api/v1. */
__attribute__((format(printf, 3, 4))) int nv_refuse(struct nv_exchange *x, unsigned status,
                                                    const char *format, ...);

/* Begins {"status":"success","data": - one value is to be written. */
struct nv_writer *nv_data(struct nv_exchange *x);

/* Begins an answer that is written as it is; the type is copied. Compressed as asked for unless `packed`. */
struct nv_writer *nv_raw(struct nv_exchange *x, unsigned status, const char *content_type,
                         bool packed);

/* A header of the answer; texts outlive the exchange. Before nv_data() or nv_raw(); four at most. */
void nv_answer_header(struct nv_exchange *x, const char *name, const char *value);

/* Remarks behind the data; the text is copied. Equal ones are told once, ten of a kind at most. */
void nv_warn(struct nv_exchange *x, struct nv_str text);
void nv_inform(struct nv_exchange *x, struct nv_str text);

/* "results truncated due to limit" */
void nv_warn_truncated(struct nv_exchange *x);

#endif
