/*
 * run_endpoint.h - endpoints without a server: a request in, an answer out.
 */
#ifndef NV_TEST_RUN_ENDPOINT_H
#define NV_TEST_RUN_ENDPOINT_H

#include <check.h>
#include <errno.h>

#include "base/clock.h"
#include "web/exchange_parts.h"

struct reply {
    unsigned status;
    enum nv_api_outcome outcome;
    char type[NV_EXCHANGE_TYPE_MAX];
    size_t n_headers;   /* beside the type */
    struct nv_buf body; /* the caller's to end */
};

/* How many blocks the memory of a request may still get; negative: any number. */
static int blocks_left = -1;

static inline bool reply_may_grow(void *user, size_t bytes)
{
    (void)user, (void)bytes;
    return blocks_left < 0 || (blocks_left > 0 && blocks_left--); /* 0 stays: nothing more, ever */
}

static inline int reply_take(void *user, const char *p, size_t n)
{
    struct reply *reply = user;

    nv_buf_add(&reply->body, p, n);
    return reply->body.failed;
}

static inline const struct nv_endpoint *find_endpoint(const struct nv_endpoint *table,
                                                      const char *path, struct nv_str *part)
{
    for (; table->path; table++) {
        if (nv_endpoint_fits(table, path, part))
            return table;
    }
    ck_abort_msg("no endpoint is %s", path);
    return NULL;
}

/* `request` is "/path?query"; `form` a body, NULL for a GET. */
static inline struct reply run_endpoint(const struct nv_api *api, const struct nv_endpoint *table,
                                        const char *request, const char *form)
{
    static const struct nv_web_build build = {"1.2.3", "abc", "main"};
    static char block[NV_WRITER_BLOCK];
    static const volatile bool never = false;
    struct reply reply = {.body = NV_BUF(512 << 20)};
    struct nv_exchange_inside inside;
    char path[4096];
    const char *mark = strchr(request, '?');

    snprintf(path, sizeof(path), "%.*s", (int)(mark ? mark - request : (long)strlen(request)),
             request);
    struct nv_exchange x = {
        .api = api,
        .build = &build,
        .method = form ? NV_POST : NV_GET,
        .memory = NV_ARENA(64 << 20),
        .now_ms = 1700000000500,
        .came_ns = nv_monotonic_ns(),
        .cancel = &never,
        .accept = NV_LIT(""),
        .accept_encoding = NV_LIT(""),
        .content_type = NV_LIT("application/x-www-form-urlencoded"),
        .content_encoding = NV_LIT(""),
    };
    struct nv_str part;
    x.endpoint = find_endpoint(table, path, &part);
    x.memory.may_grow = reply_may_grow;
    nv_exchange_begin(&x, &inside, block, reply_take, &reply);
    x.part = nv_unescape_name(part, &x.memory);
    x.began_ns = x.came_ns;
    x.deadline_ms = x.came_ns / 1000000 + 60000;
    x.body = form ? nv_str(form) : NV_LIT("");
    int r = nv_exchange_parse(&x, form ? nv_str(form) : NV_LIT(""),
                              mark ? nv_str(mark + 1) : NV_LIT(""));
    ck_assert(r == 0 || (r == -ENOMEM && blocks_left == 0));
    if (r < 0 || !x.part.p)
        nv_fail(&x, NV_TOO_BUSY, "out of memory");
    else
        nv_exchange_run(&x);
    nv_writer_flush(&inside.out);
    reply.status = inside.answer.status;
    reply.outcome = inside.outcome;
    reply.n_headers = inside.answer.n_headers;
    snprintf(reply.type, sizeof(reply.type), "%s", inside.answer.type);
    nv_exchange_end(&x);
    return reply;
}

static inline void expect_reply(const struct nv_api *api, const struct nv_endpoint *table,
                                const char *request, const char *form, unsigned status,
                                const char *body)
{
    struct reply reply = run_endpoint(api, table, request, form);

    ck_assert_msg(reply.status == status && strcmp(nv_buf_c_string(&reply.body), body) == 0,
                  "%s %s: got %u %s\nnot %u %s", request, form ? form : "", reply.status,
                  nv_buf_c_string(&reply.body), status, body);
    nv_buf_done(&reply.body);
}

#endif
