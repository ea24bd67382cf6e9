/*
 * state.h - what the notifiers know, over a restart.
 *
 * One JSON file, replaced whole:
 *
 *   {"version":1,
 *    "alerts":[ALERT ...],                                            what the dispatcher has
 *    "told":[{"group":TEXT,"way":N,"at":MS,"firing":[HEX ...],"resolved":[HEX ...]} ...],
 *    "waiting":[{"url":TEXT,"alert":ALERT} ...]}                      what no Alertmanager has taken yet
 *
 * ALERT is what Alertmanager's API takes, and "resolved". A file that cannot be understood is set aside (.bad).
 *
 *   bounds  NV_NOTIFY_STATE_MAX bytes
 */
#ifndef NV_NOTIFY_STATE_H
#define NV_NOTIFY_STATE_H

#include "notify/alertmanagers.h"
#include "notify/dispatch.h"

enum { NV_NOTIFY_STATE_MAX = 64 << 20, NV_NOTIFY_STATE_ERROR_MAX = 512 };

NV_MUST_USE int nv_notify_state_write(struct nv_buf *out, struct nv_dispatch *dispatch,
                                      struct nv_alertmanagers *all);

/* Puts everything back. What the dispatcher has and fires holds until `until_ms` at least, when whoever raised it has spoken
 * again; what waits for an Alertmanager ends when it did, for it would be news of a time long past there. Returns 0; -EBADMSG, and what came before the damage was put back; -ENOMEM. */
NV_MUST_USE int nv_notify_state_read(struct nv_str text, struct nv_dispatch *dispatch,
                                     struct nv_alertmanagers *all, int64_t until_ms);

#endif
