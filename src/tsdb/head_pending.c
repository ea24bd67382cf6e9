/*
 * Frames whose layout takes longer to follow than an append may: a new generation of many series. They wait in order for a
 * thread that enters them, and so does what comes meanwhile; when none is left, appending goes the straight way again.
 */
#include "base/assert.h"
#include "base/locked.h"
#include "tsdb/head_parts.h"
#include "tsdb/store.h"

/* The first that waits, or NULL, and then appending is the caller's again. */
static struct nv_frame *first_pending(struct nv_head *head)
{
    NV_LOCKED(&head->entering);

    if (!head->n_pending) {
        head->following = false;
        pthread_cond_broadcast(&head->entered);
        return NULL;
    }
    return head->pending[0];
}

/* It waits until it is entered, so that who waits for that need not ask what has become of it. */
static void drop_pending(struct nv_head *head)
{
    NV_LOCKED(&head->entering);

    head->n_pending--;
    head->n_followed++;
    memmove(head->pending, head->pending + 1, head->n_pending * sizeof(struct nv_frame *));
    pthread_cond_broadcast(&head->entered);
}

static void *follow(void *p)
{
    struct nv_head *head = p;
    struct nv_frame *frame;

    pthread_setname_np(pthread_self(), "layout");
    while ((frame = first_pending(head))) {
        (void)!nv_head_enter(head, head->pending_log, frame); /* what was lost is counted */
        drop_pending(head);
        nv_frame_unref(frame);
    }
    return NULL;
}

/* Series that have no column yet. Nobody else enters frames now. */
static size_t unmapped(const struct nv_head *head, const struct nv_layout *layout)
{
    const struct nv_layout *known = head->layout;

    if (layout == known)
        return 0;
    return known && known->memory == layout->memory && layout->n_series >= head->n_mapped
               ? layout->n_series - head->n_mapped
               : layout->n_series;
}

static void join(struct nv_head *head)
{
    if (head->joinable)
        pthread_join(head->follower, NULL);
    head->joinable = false;
}

/* Under `entering`. False: the frame can be entered at once, or there is no thread. */
static bool begin_following(struct nv_head *head, struct nv_log *log, const struct nv_frame *frame)
{
    if (!head->defers || unmapped(head, frame->layout) <= NV_HEAD_AT_ONCE)
        return false;
    join(head);
    head->pending_log = log;
    head->pending_ms = head->last_ms;
    head->following = head->joinable = pthread_create(&head->follower, NULL, follow, head) == 0;
    return head->following;
}

bool nv_head_defer(struct nv_head *head, struct nv_log *log, struct nv_frame *frame, int *ret)
{
    NV_LOCKED(&head->entering);

    while (head->following && head->n_pending == NV_HEAD_PENDING)
        pthread_cond_wait(&head->entered, &head->entering);
    if (!head->following && !begin_following(head, log, frame))
        return false;
    *ret = NV_STORE_NOT_NEWER;
    if (frame->time_ms <= head->pending_ms) {
        __atomic_fetch_add(&head->not_newer, 1, __ATOMIC_RELAXED);
        return true;
    }
    head->pending[head->n_pending++] = nv_frame_ref(frame);
    head->pending_ms = frame->time_ms;
    *ret = 0;
    return true;
}

bool nv_head_is_deferring(struct nv_head *head)
{
    NV_LOCKED(&head->entering);
    return head->following;
}

void nv_head_settle(struct nv_head *head)
{
    NV_LOCKED(&head->entering);
    uint64_t until = head->n_followed + head->n_pending;

    while (head->n_followed < until)
        pthread_cond_wait(&head->entered, &head->entering);
}

void nv_head_end_following(struct nv_head *head)
{
    nv_head_settle(head); /* nothing is appended any more */
    join(head);
}
