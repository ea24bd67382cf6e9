/*
 * exchange_parts.h - the inside of an exchange: what the server, and tests without one, run endpoints with.
 *
 *   nv_exchange_begin()     with a block to write into and what to do with a full one
 *   nv_exchange_parse()     parameters
 *   nv_exchange_run()       the endpoint; what is behind the last full block is in the block, up to out.at
 *   nv_exchange_end()
 */
#ifndef NV_WEB_EXCHANGE_PARTS_H
#define NV_WEB_EXCHANGE_PARTS_H

#include "promql/ast.h"
#include "web/exchange.h"

enum {
    NV_EXCHANGE_HEADERS_MAX = 4,
    NV_EXCHANGE_REMARKS_MAX = 10,
    NV_EXCHANGE_PARAMETERS_MAX = 10000,
    NV_EXCHANGE_SELECTORS_MAX = 1000, /* match[] of one request */
    NV_EXCHANGE_ERROR_MAX = 1024,
    NV_EXCHANGE_TYPE_MAX = 192,
};

enum nv_answer_kind { NV_ANSWER_EMPTY, NV_ANSWER_DATA, NV_ANSWER_RAW };

struct nv_answer {
    enum nv_answer_kind kind;
    unsigned status;
    char type[NV_EXCHANGE_TYPE_MAX]; /* "": no body */
    bool packed, refused;            /* refused: as an error page of Go, nosniff */
    struct {
        const char *name, *value;
    } headers[NV_EXCHANGE_HEADERS_MAX];
    size_t n_headers;
};

struct nv_remarks {
    struct nv_str at[NV_EXCHANGE_REMARKS_MAX];
    size_t n, omitted;
};

struct nv_exchange_inside {
    struct nv_answer answer;
    enum nv_api_outcome outcome;
    bool left; /* a block has */
    struct nv_writer out;
    struct nv_remarks warnings, infos;
    struct nv_parsed_selector {
        struct nv_promql promql;
        struct nv_parsed_selector *next;
    } * selectors;
    int (*pass_on)(void *user, const char *p, size_t n);
    void *user;
};

void nv_exchange_begin(struct nv_exchange *x, struct nv_exchange_inside *inside, char *block,
                       int (*pass_on)(void *user, const char *p, size_t n), void *user);

/* Reads parameters from the query of the URL and from a form (NULL bytes: none). Returns 0, -ENOMEM, -E2BIG. */
NV_MUST_USE int nv_exchange_parse(struct nv_exchange *x, struct nv_str form, struct nv_str query);

void nv_exchange_run(struct nv_exchange *x);
void nv_exchange_end(struct nv_exchange *x);

/* Whether a path is that of an endpoint; the part that stands for {name} in *ret, as it came. */
bool nv_endpoint_fits(const struct nv_endpoint *endpoint, const char *path, struct nv_str *ret);

/* Resolves the U__ scheme of label names in paths; others stay as they are. p is NULL past the arena's end. */
struct nv_str nv_unescape_name(struct nv_str name, struct nv_arena *memory);

#endif
