/*
 * inhibit.h - alerts that need no notification because another one says it all.
 *
 * A firing alert that fits the source of a rule mutes those that fit its target and have the same values in all labels of
 * `equal`, where an absent label has the empty value. Who fits both sides is not muted by another one that does.
 */
#ifndef NV_NOTIFY_INHIBIT_H
#define NV_NOTIFY_INHIBIT_H

#include "notify/alert.h"

/* One of `all` (n of them) that mutes `alert` at that time; NULL for none. */
const struct nv_alert *nv_inhibited_by(const struct nv_notify_config *config,
                                       const struct nv_alert *alert, struct nv_alert *const *all,
                                       size_t n, int64_t now_ms);

#endif
