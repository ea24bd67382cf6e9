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

/* Bytes at the front of s that stand in a string as they are. */
size_t nv_json_plain(struct nv_str s);

/* Writes what the character at the front of s (not empty), which cannot, is written as. Returns how many bytes it took of s. */
enum { NV_JSON_ESCAPE_MAX = 8 };
size_t nv_json_escaped(struct nv_str s, char out[NV_JSON_ESCAPE_MAX], size_t *ret_n);

#endif
