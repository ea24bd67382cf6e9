/*
 * dispatch_parts.h - the inside of the dispatcher: what its files share. All is guarded by the one lock.
 */
#ifndef NV_NOTIFY_DISPATCH_PARTS_H
#define NV_NOTIFY_DISPATCH_PARTS_H

#include <pthread.h>

#include "notify/dispatch.h"

enum {
    NV_DISPATCH_BUCKETS = 1024,
    NV_DISPATCH_ROUTES_MAX = 64, /* that one alert takes */
    NV_DISPATCH_RECALLED_MAX = 20000,
};

/* The newest word on an alert, and how many groups have it. */
struct nv_entry {
    struct nv_alert *alert;
    struct nv_entry *same; /* of one bucket */
    unsigned n_groups;
};

/* What a way was last told. */
struct nv_tale {
    int64_t at_ms; /* 0: never */
    uint64_t *firing, *resolved;
    size_t n_firing, n_resolved;
};

struct nv_group {
    char *key;
    uint64_t hash; /* of the key */
    const struct nv_notify_route *route;
    struct nv_alert *first; /* whose memory the labels are in */
    struct nv_label *labels;
    size_t n_labels;
    struct nv_entry **entries;
    size_t n, room;
    int64_t next_ms;       /* when it is flushed */
    int64_t retry_ms;      /* the last pause after a failure; 0: nothing failed */
    bool busy;             /* a thread is at it, without the lock */
    bool orphan;           /* left behind by a new configuration while busy: that thread frees it */
    struct nv_tale *tales; /* one for each way of the receiver */
    unsigned n_tales;
};

struct nv_recalled {
    char *key;
    unsigned way;
    struct nv_tale tale;
};

struct nv_dispatch {
    struct nv_dispatch_options options;
    pthread_mutex_t lock;
    struct nv_config *config; /* NULL before the first */
    struct nv_entry *buckets[NV_DISPATCH_BUCKETS];
    struct nv_group **groups;
    size_t n_groups, room;
    struct nv_recalled *recalled;
    size_t n_recalled, recalled_room;
    uint64_t changes;
    int64_t swept_ms; /* when what nobody is to be told of was last looked through */
    struct nv_dispatch_stats stats;
};

static inline int64_t nv_dispatch_now(const struct nv_dispatch *dispatch)
{
    return dispatch->options.wall_ms(dispatch->options.user);
}

/* Routes that an alert takes. Returns how many, at most NV_DISPATCH_ROUTES_MAX. */
size_t nv_dispatch_route(const struct nv_notify_config *config, const struct nv_alert *alert,
                         const struct nv_notify_route *ret[NV_DISPATCH_ROUTES_MAX]);

/* The ways of a receiver, counted through all kinds. */
unsigned nv_receiver_ways(const struct nv_notify_receiver *receiver);
enum nv_way nv_receiver_way(const struct nv_notify_receiver *receiver, unsigned number,
                            size_t *ret_index, bool *ret_send_resolved);

void nv_tale_done(struct nv_tale *tale);
NV_MUST_USE int nv_tale_set(struct nv_tale *tale, int64_t at_ms, const uint64_t *firing,
                            size_t n_firing, const uint64_t *resolved, size_t n_resolved);

/* All alerts, each with a count for the caller, who frees the list. NULL when memory is out. */
struct nv_alert **nv_dispatch_alerts(const struct nv_dispatch *dispatch, size_t *ret_n);

void nv_entry_remove(struct nv_dispatch *dispatch, struct nv_entry *entry);

/* Takes entry i out of a group, and the entry itself away when no group has it any more. */
void nv_group_remove(struct nv_dispatch *dispatch, struct nv_group *group, size_t i);
void nv_group_free(struct nv_dispatch *dispatch, struct nv_group *group);

/* At the end of a flush: hands what was told to the group that took an orphan's place, and frees the orphan. */
void nv_group_bequeath(struct nv_dispatch *dispatch, struct nv_group *orphan);

#endif
