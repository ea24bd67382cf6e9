/*
 * kept.h - what collectors keep beyond a pass: small texts in a folder, and memory they share. See nv_state_load(),
 * nv_state_save() and nv_commons() in collector.h.
 *
 *   folder    made when something is saved first; without one, saving does nothing
 *   waiting   a save that does not end in NV_KEPT_SAVE_MS goes on without its caller, and the text is not saved
 *             again until it has ended
 *   threads   any; the folder is set before there are others
 */
#ifndef NV_GATHER_KEPT_H
#define NV_GATHER_KEPT_H

#include <nodevitals/collector.h>

#include "base/arena.h"
#include "base/cleanup.h"

enum { NV_KEPT_SAVE_MS = 500, NV_KEPT_NAME_MAX = 64 };

struct nv_kept;
struct nv_guards;

struct nv_kept *nv_kept_new(void);
void nv_kept_free(struct nv_kept *kept);
NV_DEFINE_AUTO(nv_kept)

NV_MUST_USE int nv_kept_set_folder(struct nv_kept *kept, const char *folder);

/* Into the arena. */
NV_MUST_USE int nv_kept_load(const struct nv_kept *kept, const char *name, struct nv_arena *arena,
                             struct nv_str *ret);
NV_MUST_USE int nv_kept_save(const struct nv_kept *kept, struct nv_guards *guards, const char *name,
                             struct nv_str text);

/* NULL where it cannot be had. */
void *nv_kept_commons(struct nv_kept *kept, const char *name, size_t size);

#endif
