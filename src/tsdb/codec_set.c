/*
 * codec_set.c - sets of row numbers below n, as runs.
 *
 *   byte 0    empty
 *   byte 1    full
 *   byte 2    runs that begin outside the set, byte 3: inside; then uvarint k, the lengths of the
 *             first k runs, each less one; the last run goes to the end
 *   byte 4    the bits themselves, ceil(n / 8) bytes, lowest first: where runs would take more
 */
#include "tsdb/codec_parts.h"

enum how { EMPTY, FULL, RUNS_OUTSIDE, RUNS_INSIDE, PLAIN };

static bool has(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

/* First row after `from` that differs from it, or n. */
static size_t run_end(const uint64_t *bits, size_t from, size_t n)
{
    uint64_t flip = has(bits, from) ? UINT64_MAX : 0;
    size_t word = from / 64;
    uint64_t differ = (bits[word] ^ flip) & (UINT64_MAX << from % 64);

    while (!differ) {
        if (++word * 64 >= n)
            return n;
        differ = bits[word] ^ flip;
    }
    size_t end = word * 64 + (size_t)__builtin_ctzll(differ);
    return end < n ? end : n;
}

static void put_plain(const uint64_t *bits, size_t n, struct nv_buf *out)
{
    nv_put_byte(out, PLAIN);
    for (size_t i = 0; i < n; i += 8) {
        unsigned byte = (uint8_t)(bits[i / 64] >> i % 64);
        if (n - i < 8)
            byte &= (1U << (n - i)) - 1;
        nv_put_byte(out, byte);
    }
}

int nv_codec_encode_set(const uint64_t *bits, size_t n, struct nv_buf *out)
{
    size_t n_runs = 0, bytes = 0;

    nv_assert(n >= 1 && n <= NV_CODEC_ROWS_MAX);
    for (size_t at = run_end(bits, 0, n), last = 0; at < n; at = run_end(bits, at, n), n_runs++) {
        bytes += at - last > 128 ? 2 : 1;
        last = at;
    }
    if (!n_runs) {
        nv_put_byte(out, has(bits, 0) ? FULL : EMPTY);
    } else if (bytes > n / 8) {
        put_plain(bits, n, out);
    } else {
        nv_put_byte(out, has(bits, 0) ? RUNS_INSIDE : RUNS_OUTSIDE);
        nv_put_uvarint(out, n_runs);
        for (size_t at = run_end(bits, 0, n), last = 0; at < n; at = run_end(bits, at, n)) {
            nv_put_uvarint(out, at - last - 1);
            last = at;
        }
    }
    return out->failed;
}

static void fill(uint64_t *bits, size_t from, size_t to)
{
    for (; from < to && from % 64; from++)
        bits[from / 64] |= UINT64_C(1) << from % 64;
    for (; to - from >= 64; from += 64)
        bits[from / 64] = UINT64_MAX;
    for (; from < to; from++)
        bits[from / 64] |= UINT64_C(1) << from % 64;
}

static int get_runs(struct nv_str *in, bool inside, uint64_t *bits, size_t n)
{
    uint64_t n_runs, length;
    size_t at = 0;

    if (!nv_get_uvarint(in, &n_runs) || n_runs >= n)
        return -EBADMSG;
    for (; n_runs; n_runs--, inside = !inside) {
        if (!nv_get_uvarint(in, &length) || length >= n - at - 1)
            return -EBADMSG;
        if (inside)
            fill(bits, at, at + (size_t)length + 1);
        at += (size_t)length + 1;
    }
    if (inside)
        fill(bits, at, n);
    return 0;
}

static int get_plain(struct nv_str *in, uint64_t *bits, size_t n)
{
    size_t bytes = nv_bits_bytes(n);

    if (in->n < bytes || (n % 8 && (uint8_t)in->p[bytes - 1] >> n % 8))
        return -EBADMSG;
    for (size_t i = 0; i < bytes; i++)
        bits[i / 8] |= (uint64_t)(uint8_t)in->p[i] << i % 8 * 8;
    in->p += bytes;
    in->n -= bytes;
    return 0;
}

int nv_codec_decode_set(struct nv_str *in, uint64_t *bits, size_t n)
{
    uint8_t how;

    if (n < 1 || n > NV_CODEC_ROWS_MAX || !nv_get_byte(in, &how) || how > PLAIN)
        return -EBADMSG;
    memset(bits, 0, (n + 63) / 64 * sizeof(*bits));
    if (how == PLAIN)
        return get_plain(in, bits, n);
    if (how == RUNS_OUTSIDE || how == RUNS_INSIDE)
        return get_runs(in, how == RUNS_INSIDE, bits, n);
    if (how == FULL)
        fill(bits, 0, n);
    return 0;
}
