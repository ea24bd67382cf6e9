/*
 * codec.h - one column of values as bytes, and back bit for bit.
 *
 *   shape     n doubles, 1 <= n <= NV_CODEC_ROWS_MAX: the values of one series at the rows in which it is
 *             present, in order. NaN payloads, -0, infinities, denormals survive
 *   choice    by trying: constant; a multiple of a base column, or its sum with small integers; integers behind the very operation that
 *             made them (i, i * 0.001, i / 1000, i / 100, i * 1e-9 ...) as delta or delta of delta; XOR; raw.
 *             The first byte of a column names its codec and parameters
 *   effort    NV_CODEC_FAST for pages of 64 rows that wait in memory: some ten ns a value;
 *             NV_CODEC_SMALL for blocks: with an entropy stage, as small as it gets
 *   decoding  costs the column and, where it needs one, its base (which itself has none); any bytes
 *             are refused or decoded, never more than n values are written
 *   threads   an nv_codec is scratch memory of one user
 */
#ifndef NV_TSDB_CODEC_H
#define NV_TSDB_CODEC_H

#include "base/buf.h"
#include "metric/histogram.h"
#include "metric/queryable.h"

enum { NV_CODEC_ROWS_MAX = 1 << 17 };
enum nv_codec_effort { NV_CODEC_FAST, NV_CODEC_SMALL };

/* Which tell what == does not: NaN of another kind, and the sign of zero. */
static inline uint64_t nv_bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

struct nv_codec;
struct nv_codec *nv_codec_new(void);
void nv_codec_free(struct nv_codec *codec);

/* Gives up its memory, until it is needed again. */
void nv_codec_trim(struct nv_codec *codec);
NV_DEFINE_AUTO(nv_codec)

/* Appends the column. `base`: n values of another column to try as base, or NULL; *ret_used_base tells. -ENOMEM. */
NV_MUST_USE int nv_codec_encode(struct nv_codec *codec, enum nv_codec_effort effort,
                                const double *values, size_t n, const double *base,
                                bool *ret_used_base, struct nv_buf *out);

/* How many columns did not decode to what they were: none ever should. Such a one is kept as plain bytes. */
unsigned nv_codec_faults(const struct nv_codec *codec);
/* Of all codecs of the process, also those that are gone. */
uint64_t nv_codec_all_faults(void);

/*
 * Which of some columns of n values is most worth trying as the base of another: its number, or -1. Equal ones,
 * multiples, and those whose steps are alike. Looks at a few hundred rows, so it costs little beside encoding;
 * a dozen neighbours in the order of labels is a good choice to give.
 */
int nv_codec_choose_base(struct nv_codec *codec, const double *values, size_t n,
                         const double *const *bases, size_t n_bases);

/* Whether a column needs its base. */
bool nv_codec_needs_base(struct nv_str column);

/* Decodes exactly n values. -EBADMSG. */
NV_MUST_USE int nv_codec_decode(struct nv_codec *codec, struct nv_str column, const double *base,
                                double *values, size_t n);

/* Rising times in ms: a regular interval costs next to nothing, jitter what it must. */
NV_MUST_USE int nv_codec_encode_times(struct nv_codec *codec, enum nv_codec_effort effort,
                                      const int64_t *times, size_t n, struct nv_buf *out);
NV_MUST_USE int nv_codec_decode_times(struct nv_codec *codec, struct nv_str column, int64_t *times,
                                      size_t n);

/* Native histograms of one series; a stale one is one whose sum is the marker. */
NV_MUST_USE int nv_codec_encode_histograms(struct nv_codec *codec, enum nv_codec_effort effort,
                                           const struct nv_histogram *const *histograms, size_t n,
                                           struct nv_buf *out);
NV_MUST_USE int nv_codec_decode_histograms(struct nv_codec *codec, struct nv_str column,
                                           struct nv_arena *arena,
                                           const struct nv_histogram **histograms, size_t n);

/* Sets of row numbers below n as runs: observed sections, presence. Empty and full sets cost a byte. */
NV_MUST_USE int nv_codec_encode_set(const uint64_t *bits, size_t n, struct nv_buf *out);
/* Reads one from the front of *in. */
NV_MUST_USE int nv_codec_decode_set(struct nv_str *in, uint64_t *bits, size_t n);

/* LEB128, and zig-zag, as protobuf has them. Readers return false past the end. */
void nv_put_uvarint(struct nv_buf *out, uint64_t value);
void nv_put_varint(struct nv_buf *out, int64_t value);
bool nv_get_uvarint(struct nv_str *in, uint64_t *ret);
bool nv_get_varint(struct nv_str *in, int64_t *ret);

/* What the codec of a column is called, for `tsdb analyze`. */
const char *nv_codec_name(struct nv_str column);

#endif
