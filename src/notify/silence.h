/*
 * silence.h - what is not to be notified for a while, and who said so.
 *
 *   shape      a silence mutes the alerts that fit all its matchers, from its start to its end
 *   changing   one that is in force may get another end or comment; another meaning makes a new one and expires the old.
 *              An expired one is kept for NV_SILENCE_RETENTION_MS, to be looked up
 *   file       where there is one, all of them as a JSON list in the shape of Alertmanager's GET /api/v2/silences; written
 *              whole, synced and renamed. Who edits it is heard: it is read again when it changed, and may be YAML
 *   bounds     NV_SILENCES_MAX silences, NV_SILENCE_MATCHERS_MAX matchers each, NV_SILENCE_FILE_MAX bytes
 *   threads    any
 */
#ifndef NV_NOTIFY_SILENCE_H
#define NV_NOTIFY_SILENCE_H

#include "notify/alert.h"

enum {
    NV_SILENCES_MAX = 1000,
    NV_SILENCE_MATCHERS_MAX = 64,
    NV_SILENCE_TEXT_MAX = 4096, /* of a comment, an author, a name or a value */
    NV_SILENCE_FILE_MAX = 8 << 20,
    NV_SILENCE_ERROR_MAX = 1024,
    NV_SILENCE_ID_MAX = 64, /* with NUL */
};
#define NV_SILENCE_RETENTION_MS (INT64_C(120) * 3600 * 1000)

enum nv_silence_state { NV_SILENCE_PENDING, NV_SILENCE_ACTIVE, NV_SILENCE_EXPIRED };
const char *nv_silence_state_name(enum nv_silence_state state); /* "pending" "active" "expired" */

/* As it is told, and as it is set. */
struct nv_silence_spec {
    const char *id; /* "" or NULL: a new one */
    const struct nv_silence_matcher {
        struct nv_str name, value;
        bool is_regex, is_equal;
    } * matchers;
    size_t n_matchers;
    int64_t starts_ms, ends_ms, updated_ms;
    struct nv_str created_by, comment;
};

struct nv_silences;

/* `path` NULL: in memory alone. NULL when memory is out. */
struct nv_silences *nv_silences_new(const char *path);
void nv_silences_free(struct nv_silences *all);
NV_DEFINE_AUTO(nv_silences)

/* Reads the file if it changed. Returns 0; 1 where it did; a negative errno and what is wrong with it, and everything as
 * it was. A file that is not there changes nothing: an editor may be about to replace it. */
NV_MUST_USE int nv_silences_refresh(struct nv_silences *all, int64_t now_ms,
                                    char error[NV_SILENCE_ERROR_MAX]);

/*
 * Sets one, and writes the file. Returns 0 and its id; -EINVAL and what is wrong; -ENOENT where there is none of that id;
 * -ENOSPC past the bound; what the file could not be written for, and everything as it was.
 */
NV_MUST_USE int nv_silences_set(struct nv_silences *all, const struct nv_silence_spec *spec,
                                int64_t now_ms, char ret_id[NV_SILENCE_ID_MAX],
                                char error[NV_SILENCE_ERROR_MAX]);

/* Ends one now. Returns 0; -ENOENT; -EALREADY where it is expired; what the file could not be written for. */
NV_MUST_USE int nv_silences_expire(struct nv_silences *all, const char *id, int64_t now_ms,
                                   char error[NV_SILENCE_ERROR_MAX]);

/* The ids (up to max) of those in force that an alert fits. Returns how many there are. */
size_t nv_silences_of(struct nv_silences *all, const struct nv_alert *alert, int64_t now_ms,
                      char (*ids)[NV_SILENCE_ID_MAX], size_t max);

/* Calls for each that is kept, in no order; with `id`, for that one. */
void nv_silences_each(struct nv_silences *all, const char *id, int64_t now_ms,
                      void (*tell)(void *user, const struct nv_silence_spec *spec,
                                   enum nv_silence_state state),
                      void *user);

/* As Alertmanager's API shows it. */
void nv_silence_write(struct nv_buf *out, const struct nv_silence_spec *spec,
                      enum nv_silence_state state);

/* Reads one as the API and the file have it. Texts live in the arena. -EINVAL and what is wrong. */
NV_MUST_USE int nv_silence_parse(const struct nv_yaml *node, struct nv_arena *memory,
                                 struct nv_silence_spec *ret, char error[NV_SILENCE_ERROR_MAX]);

/* Reads one that is JSON, as clients post it. */
NV_MUST_USE int nv_silence_parse_json(struct nv_str text, struct nv_arena *memory,
                                      struct nv_silence_spec *ret,
                                      char error[NV_SILENCE_ERROR_MAX]);

#endif
