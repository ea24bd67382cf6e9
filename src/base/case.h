/*
 * case.h - upper and lower case of UTF-8, character by character. Bytes that are no UTF-8 become U+FFFD.
 */
#ifndef NV_BASE_CASE_H
#define NV_BASE_CASE_H

#include "base/buf.h"

void nv_utf8_upper(struct nv_buf *out, struct nv_str text);
void nv_utf8_lower(struct nv_buf *out, struct nv_str text);

uint32_t nv_upper(uint32_t character);
bool nv_is_letter(uint32_t character);

#endif
