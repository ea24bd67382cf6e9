/*
 * wire.h - protobuf messages written in three forms: on the wire, as text, and as text on one line.
 *
 *   lengths   on the wire a message is written behind one spare byte for its length, and moved when that
 *             takes more; so nothing is measured beforehand
 *   floats    in text as prototext has them: inf, -inf, nan
 */
#ifndef NV_EXPO_WIRE_H
#define NV_EXPO_WIRE_H

#include "base/buf.h"

enum nv_wire_form { NV_WIRE_BINARY, NV_WIRE_TEXT, NV_WIRE_COMPACT };

struct nv_wire {
    struct nv_buf *out;
    enum nv_wire_form form;
    unsigned depth;
    bool inner; /* something stands before the next field of this line (compact) */
};

struct nv_wire_field {
    uint32_t number;
    const char *name;
};

/* A message that stands by itself, with its length in front (delimited). */
size_t nv_wire_begin(struct nv_wire *w);
void nv_wire_end(struct nv_wire *w, size_t mark);

/* A message that is a field. */
size_t nv_wire_open(struct nv_wire *w, struct nv_wire_field field);
void nv_wire_close(struct nv_wire *w, size_t mark);

void nv_wire_str(struct nv_wire *w, struct nv_wire_field field, struct nv_str s);
void nv_wire_double(struct nv_wire *w, struct nv_wire_field field, double value);
void nv_wire_u64(struct nv_wire *w, struct nv_wire_field field, uint64_t value);
void nv_wire_i64(struct nv_wire *w, struct nv_wire_field field, int64_t value); /* int64 */
void nv_wire_zigzag(struct nv_wire *w, struct nv_wire_field field,
                    int64_t value); /* sint32, sint64 */
void nv_wire_enum(struct nv_wire *w, struct nv_wire_field field, uint32_t value, const char *word);

#endif
