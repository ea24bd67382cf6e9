/*
 * alertmanagers_parts.h - the inside of the set of Alertmanagers: what its files share.
 *
 *   alertmanagers.c  the set: found, applied, told, viewed
 *   member.c         one of them: its client and its thread
 */
#ifndef NV_NOTIFY_ALERTMANAGERS_PARTS_H
#define NV_NOTIFY_ALERTMANAGERS_PARTS_H

#include "base/cond.h"
#include "base/log.h"
#include "notify/alertmanagers.h"
#include "notify/discover.h"

/* One of them. All but the thread's own part is guarded by the lock of the set. */
struct nv_member {
    struct nv_alertmanagers *all;
    char *url;
    const struct nv_config_alertmanager *config; /* of the set's configuration */
    struct nv_alertmanager *am;
    pthread_cond_t wake;
    bool stopping; /* leave */
    bool running;
    pthread_t thread;

    struct nv_http *http; /* made by the first post */
    struct nv_complaint complaint;
};

struct nv_alertmanagers {
    pthread_mutex_t lock;
    struct nv_config *config;
    struct nv_member *members[NV_ALERTMANAGERS_MAX];
    size_t n;
    char *dropped[NV_DISCOVERED_DROPPED_MAX];
    size_t n_dropped;

    /* Where files name targets. */
    struct nv_file_sd **sds; /* in the order of groups and their file_sd_configs */
    size_t n_sds;
    pthread_cond_t look;
    pthread_t looker;
    bool looking, leaving;
    bool draining;
};

/* A transport over HTTP: `user` is a member. */
int nv_member_post(void *user, struct nv_str body, int *ret_status,
                   char error[NV_ALERTMANAGER_ERROR_MAX]);

/* The thread of a member, its argument. */
void *nv_member_send_all(void *arg);

struct nv_member *nv_member_new(struct nv_alertmanagers *all,
                                const struct nv_config_alertmanager *config,
                                const char *url); /* NULL when memory is out */
void nv_member_free(struct nv_member *one);       /* NULL is fine */

#endif
