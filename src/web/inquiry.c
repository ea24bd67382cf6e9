#include "web/inquiry.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/assert.h"
#include "base/clock.h"
#include "web/server.h"

enum { HANGUPS = 32 /* taken at once */ };

int nv_inquiries_init(struct nv_inquiries *inquiries)
{
    *inquiries = (struct nv_inquiries){.hangups = epoll_create1(EPOLL_CLOEXEC)};
    pthread_mutex_init(&inquiries->lock, NULL);
    nv_jobs_init(&inquiries->queries, "nv-query", NV_API_QUERIES_MAX, NV_API_WAITING_MAX);
    nv_jobs_init(&inquiries->asks, "nv-api", NV_API_ASK_THREADS_MAX, NV_API_WAITING_MAX);
    return inquiries->hangups < 0 ? -errno : 0;
}

void nv_inquiries_done(struct nv_inquiries *inquiries)
{
    nv_jobs_done(&inquiries->asks);
    nv_jobs_done(&inquiries->queries);
    nv_assert(!inquiries->first);
    nv_close_auto(&inquiries->hangups);
    pthread_mutex_destroy(&inquiries->lock);
}

/* ---- one ------------------------------------------------------------------------------------ */

static bool may_grow(void *user, size_t bytes)
{
    struct nv_inquiry *inquiry = user;
    struct nv_inquiries *inquiries = &inquiry->web->inquiries;

    if (__atomic_add_fetch(&inquiries->memory_bytes, bytes, __ATOMIC_RELAXED) <=
        NV_API_MEMORY_MAX) {
        inquiry->memory_bytes += bytes;
        return true;
    }
    __atomic_sub_fetch(&inquiries->memory_bytes, bytes, __ATOMIC_RELAXED);
    return false;
}

/* The first block that is full, or any more: the answer becomes a stream. */
static int pass_on(void *user, const char *p, size_t n)
{
    struct nv_inquiry *inquiry = user;
    int r = 0;

    if (!inquiry->streaming) {
        __atomic_store_n(&inquiry->streaming, true, __ATOMIC_RELAXED);
        inquiry->packed = inquiry->packed && !inquiry->inside.answer.packed;
        r = nv_stream_begin(&inquiry->stream, inquiry->packed);
    }
    return r < 0 ? r : nv_stream_write(&inquiry->stream, p, n);
}

struct nv_inquiry *nv_inquiry_new(struct nv_connection *connection)
{
    struct nv_inquiry *inquiry = calloc(1, sizeof(*inquiry));

    if (!inquiry)
        return NULL;
    inquiry->block = malloc(NV_WRITER_BLOCK);
    if (!inquiry->block) {
        free(inquiry);
        return NULL;
    }
    inquiry->web = connection->web;
    inquiry->refs = 1;
    inquiry->socket = connection->deadline.socket;
    inquiry->x.api = &connection->web->api;
    inquiry->x.build = &connection->web->build;
    inquiry->x.cancel = &inquiry->cancel;
    inquiry->x.memory = NV_ARENA(NV_API_MEMORY_MAX);
    inquiry->x.memory.may_grow = may_grow;
    inquiry->x.memory.user = inquiry;
    inquiry->x.now_ms = nv_wall_ms();
    inquiry->x.came_ns = nv_monotonic_ns();
    nv_exchange_begin(&inquiry->x, &inquiry->inside, inquiry->block, pass_on, inquiry);
    nv_stream_init(&inquiry->stream, connection->mhd, &connection->deadline, &inquiry->cancel);
    return inquiry;
}

/* Frees what only the endpoint needed. */
static void end_exchange(struct nv_inquiry *inquiry)
{
    nv_exchange_end(&inquiry->x);
    __atomic_sub_fetch(&inquiry->web->inquiries.memory_bytes, inquiry->memory_bytes,
                       __ATOMIC_RELAXED);
    inquiry->memory_bytes = 0;
}

void nv_inquiry_unref(struct nv_inquiry *inquiry)
{
    if (__atomic_sub_fetch(&inquiry->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    end_exchange(inquiry);
    nv_stream_done(&inquiry->stream);
    free(inquiry->block);
    free(inquiry);
}

static void count(const struct nv_inquiry *inquiry)
{
    struct nv_inquiries *inquiries = &inquiry->web->inquiries;
    bool cut_off = inquiry->inside.out.failed != 0;

    nv_count(&inquiries->outcomes[cut_off ? NV_OUTCOME_CANCELED : inquiry->inside.outcome]);
    if (inquiry->x.endpoint->options & NV_ENDPOINT_QUERY)
        __atomic_add_fetch(&inquiries->query_ns,
                           (uint64_t)(nv_monotonic_ns() - inquiry->x.began_ns), __ATOMIC_RELAXED);
}

static void run(struct nv_job *job)
{
    struct nv_inquiry *inquiry =
        (struct nv_inquiry *)(void *)((char *)job - offsetof(struct nv_inquiry, job));
    struct nv_exchange *x = &inquiry->x;

    x->began_ns = nv_monotonic_ns();
    if (__atomic_load_n(&inquiry->cancel, __ATOMIC_RELAXED))
        nv_fail(x, NV_CANCELED, "query was canceled in query queue");
    else if (x->began_ns / 1000000 >= x->deadline_ms)
        nv_fail(x, NV_TIMEOUT, "query timed out in query queue");
    else
        nv_exchange_run(x);
    if (inquiry->streaming)
        nv_writer_flush(&inquiry->inside.out);
    else
        end_exchange(inquiry); /* before the answer is on its way: who asks next finds the room */
    count(inquiry);
    nv_stream_end(&inquiry->stream, inquiry->inside.out.failed);
    nv_inquiry_unref(inquiry);
}

/* False after the stop. */
static bool enlist(struct nv_inquiry *inquiry)
{
    struct nv_inquiries *inquiries = &inquiry->web->inquiries;

    pthread_mutex_lock(&inquiries->lock);
    bool open = !inquiries->stopping;
    inquiry->id = ++inquiries->last_id;
    inquiry->next = inquiries->first;
    if (inquiry->next)
        inquiry->next->prev = inquiry;
    inquiries->first = inquiry;
    if (!open)
        __atomic_store_n(&inquiry->cancel, true, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&inquiries->lock);
    return open;
}

static void watch(struct nv_inquiry *inquiry)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = inquiry->id};

    (void)!epoll_ctl(inquiry->web->inquiries.hangups, EPOLL_CTL_ADD, inquiry->socket, &event);
}

void nv_inquiry_start(struct nv_inquiry *inquiry, struct nv_connection *connection)
{
    struct nv_inquiries *inquiries = &inquiry->web->inquiries;
    bool is_query = inquiry->x.endpoint->options & NV_ENDPOINT_QUERY;
    int r = -ESHUTDOWN;

    inquiry->stream.waiting = true;
    MHD_suspend_connection(connection->mhd);
    inquiry->job.run = run;
    inquiry->refs++; /* the job's; nobody else has it yet */
    if (enlist(inquiry)) {
        watch(inquiry);
        r = nv_jobs_add(is_query ? &inquiries->queries : &inquiries->asks, &inquiry->job);
    }
    if (r == 0)
        return;
    nv_fail(&inquiry->x, NV_TOO_BUSY, "too many requests wait");
    nv_count(&inquiries->outcomes[NV_OUTCOME_TIMEOUT]);
    nv_stream_end(&inquiry->stream, 0);
    nv_inquiry_unref(inquiry);
}

void nv_inquiry_leave(struct nv_inquiry *inquiry)
{
    struct nv_inquiries *inquiries = &inquiry->web->inquiries;

    (void)!epoll_ctl(inquiries->hangups, EPOLL_CTL_DEL, inquiry->socket, NULL);
    pthread_mutex_lock(&inquiries->lock);
    if (inquiry->id) {
        if (inquiry->next)
            inquiry->next->prev = inquiry->prev;
        if (inquiry->prev)
            inquiry->prev->next = inquiry->next;
        else
            inquiries->first = inquiry->next;
    }
    pthread_mutex_unlock(&inquiries->lock);
    __atomic_store_n(&inquiry->cancel, true, __ATOMIC_RELAXED);
    nv_stream_leave(&inquiry->stream);
    nv_inquiry_unref(inquiry);
}

/* ---- all ------------------------------------------------------------------------------------ */

static void cancel(struct nv_inquiry *inquiry)
{
    __atomic_store_n(&inquiry->cancel, true, __ATOMIC_RELAXED);
    nv_stream_wake(&inquiry->stream);
}

static void note_hangup(struct nv_inquiries *inquiries, const struct epoll_event *event,
                        int64_t now_ns)
{
    for (struct nv_inquiry *one = inquiries->first; one; one = one->next) {
        if (one->id != event->data.u64)
            continue;
        one->hung_up_ns = now_ns;
        if (event->events & (EPOLLHUP | EPOLLERR))
            cancel(one);
    }
}

int nv_inquiries_take_hangups(struct nv_inquiries *inquiries)
{
    struct epoll_event events[HANGUPS];
    int64_t now_ns = nv_monotonic_ns(), next_ms = -1;
    int n = epoll_wait(inquiries->hangups, events, HANGUPS, 0);

    pthread_mutex_lock(&inquiries->lock);
    for (int i = 0; i < n; i++)
        note_hangup(inquiries, &events[i], now_ns);
    for (struct nv_inquiry *one = inquiries->first; one; one = one->next) {
        if (!one->hung_up_ns || __atomic_load_n(&one->streaming, __ATOMIC_RELAXED))
            continue;
        int64_t left_ms = NV_API_HANGUP_MS - (now_ns - one->hung_up_ns) / 1000000;
        if (left_ms <= 0)
            cancel(one);
        else if (next_ms < 0 || left_ms < next_ms)
            next_ms = left_ms;
    }
    pthread_mutex_unlock(&inquiries->lock);
    return (int)next_ms;
}

void nv_inquiries_cancel(struct nv_inquiries *inquiries)
{
    pthread_mutex_lock(&inquiries->lock);
    inquiries->stopping = true;
    for (struct nv_inquiry *inquiry = inquiries->first; inquiry; inquiry = inquiry->next)
        cancel(inquiry);
    pthread_mutex_unlock(&inquiries->lock);
}
