/*
 * fields.h - JSON objects into structures, by a table of the members that matter.
 *
 * A member that is null, or of another type than the table says, is as one that is missing; one the table does
 * not name is skipped. Texts are views, with memory of the arena where they hold escapes.
 */
#ifndef NV_KUBE_FIELDS_H
#define NV_KUBE_FIELDS_H

#include <nodevitals/json.h>

#include "base/arena.h"

enum nv_field_kind {
    NV_FIELD_TEXT, /* struct nv_str */
    NV_FIELD_TIME, /* int64_t, ms since the epoch, of RFC 3339 */
    NV_FIELD_BOOL,
    NV_FIELD_COUNT, /* uint64_t */
    NV_FIELD_CODE,  /* int32_t */
    NV_FIELD_JSON,  /* struct nv_str: the object as it stands */
    NV_FIELD_PART,  /* an object or array read by `part` */
};

struct nv_fields {
    struct nv_json json;
    struct nv_arena *arena;
    bool no_memory;
};

struct nv_field {
    const char *key;
    enum nv_field_kind kind;
    size_t offset; /* of what is written */
    void (*part)(struct nv_fields *reader,
                 void *whole); /* reads one value; gets the structure itself */
};

/* Reads one value: an object by a table, which ends in a NULL key; anything else is skipped. */
void nv_fields_read(struct nv_fields *reader, const struct nv_field *fields, void *whole);

/* Enters an array; where the next value is none, skips it and returns false. */
bool nv_fields_array(struct nv_fields *reader);

/* A text, escapes resolved; anything else is skipped and gives nothing. */
struct nv_str nv_fields_text(struct nv_fields *reader);

#endif
