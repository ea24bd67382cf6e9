/*
 * json_out.h - texts as JSON has them.
 */
#ifndef NV_BASE_JSON_OUT_H
#define NV_BASE_JSON_OUT_H

#include "base/buf.h"

/* The text in quotes. Control characters are escaped; each byte that is no UTF-8 becomes U+FFFD, so that any label value
 * gives JSON; U+2028 and U+2029 are escaped too, since scripts take them for the end of a line. */
void nv_json_quote(struct nv_buf *out, struct nv_str s);

/* `"name":"text"`, with a comma in front where something stands before. */
void nv_json_member(struct nv_buf *out, const char *name, struct nv_str value);

#endif
