/*
 * inquiry.h - exchanges under way: each suspends its connection, runs on a thread, and is told when its client hangs up.
 *
 *   life       made by an event loop, run by a job, answered by the event loop; ends when all three have let go
 *   hang-ups   the accepting thread waits for them beside its listeners. Closing and shutting down the sending side look
 *              alike: a query has NV_API_HANGUP_MS more, which is enough for most; while an answer is being sent,
 *              sending tells
 *   memory     one block, the arena of the request, and for an answer beyond a block the ring of its stream; bodies and
 *              arenas of all together within NV_API_BODIES_MAX and NV_API_MEMORY_MAX
 */
#ifndef NV_WEB_INQUIRY_H
#define NV_WEB_INQUIRY_H

#include "web/exchange_parts.h"
#include "web/jobs.h"
#include "web/stream.h"

struct nv_connection;
struct nv_web;

struct nv_inquiry {
    struct nv_exchange x;
    struct nv_exchange_inside inside;
    struct nv_stream stream;
    struct nv_job job;
    struct nv_web *web;
    struct nv_inquiry *prev, *next; /* of those that are not answered yet */
    uint64_t id;
    unsigned refs; /* atomic */
    int socket;
    volatile bool cancel; /* atomic */
    int64_t hung_up_ns;   /* under the lock of the list: when that was seen; 0: not */
    bool streaming;       /* atomic: the answer is longer than the block */
    bool packed;          /* it is to be gzip */
    size_t memory_bytes;  /* counted among those of all */
    char *block;
};

struct nv_inquiries {
    pthread_mutex_t lock; /* of the list */
    struct nv_inquiry *first;
    uint64_t last_id;
    bool stopping;
    int hangups; /* an epoll descriptor */
    struct nv_jobs queries, asks;
    size_t body_bytes, memory_bytes; /* atomic: of all requests */
    uint64_t outcomes[NV_OUTCOMES];  /* atomic: how many came to what */
    uint64_t query_ns;               /* atomic: spent on queries, waits excluded */
};

NV_MUST_USE int nv_inquiries_init(struct nv_inquiries *inquiries);
void nv_inquiries_done(struct nv_inquiries *inquiries);

/* An inquiry with everything but its request, or NULL when memory is out. */
struct nv_inquiry *nv_inquiry_new(struct nv_connection *connection);
void nv_inquiry_unref(struct nv_inquiry *inquiry);

/* Suspends the connection and lets the inquiry run; its event loop hears of it again when there is something to send. */
void nv_inquiry_start(struct nv_inquiry *inquiry, struct nv_connection *connection);

/* The event loop lets go. */
void nv_inquiry_leave(struct nv_inquiry *inquiry);

/* Cancels those whose clients have hung up. Returns in how many ms there is more to do, -1 for nothing. */
int nv_inquiries_take_hangups(struct nv_inquiries *inquiries);

/* Cancels all there are, and all to come. */
void nv_inquiries_cancel(struct nv_inquiries *inquiries);

#endif
