/*
 * md5.h - MD5 (RFC 1321), where Prometheus spreads targets by it. Not for anything secret.
 */
#ifndef NV_BASE_MD5_H
#define NV_BASE_MD5_H

#include <nodevitals/scan.h>

void nv_md5(struct nv_str text, unsigned char ret[16]);

#endif
