/*
 * coded.h - residuals under an entropy code that adapts. The format stands in coded.c.
 */
#ifndef NV_TSDB_CODED_H
#define NV_TSDB_CODED_H

#include "tsdb/codec_parts.h"

/* Appends n >= 1 residuals. Uses codec->shares and codec->words. */
void nv_coded_put(struct nv_codec *codec, const int64_t *r, size_t n, bool two, struct nv_buf *out);
NV_MUST_USE int nv_coded_get(struct nv_str *in, bool two, int64_t *r, size_t n);

/* About how many bits residuals take, to choose between predictions. */
double nv_coded_weigh(const int64_t *r, size_t n);

/* A number in the middle of some of them. */
int64_t nv_median(const int64_t *r, size_t n);

#endif
