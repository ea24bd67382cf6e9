/*
 * The format of the log, version 2. Numbers of fixed size are little-endian; uvarint and varint as in codec.h.
 *
 * A segment is a file log-<number, 16 hexadecimal digits>.nvl:
 *
 *   8 bytes  "nvlog\0\0\2", the last being the version
 *   u64      number of the segment
 *   u32      CRC32C of the 16 bytes before
 *   records
 *
 * A record:
 *
 *   2 bytes  0xa7 0x4e, to find the next one behind damage
 *   u8       type
 *   u32      length of the body, at most NV_RECORD_MAX
 *   u32      CRC32C of type, length and body
 *   body
 *
 * Every segment can be read by itself: before a source's first frame in it stand a source record, columns records
 * with all columns of its generation, and then the frame whole. Text: uvarint length, bytes. Labels: uvarint count, then
 * name and value of each.
 *
 *   1 source   uvarint number, text name, varint time of its last frame (INT64_MIN: none)
 *   2 columns  uvarint source, uvarint generation, uvarint number of the first column, uvarint count; for each
 *              column: uvarint section * 2 + live (it had a value when its section was last observed before the
 *              next frame); uvarint count of labels; uvarint, bit i: label i (of the first 64)
 *              is that of the column before it in this record; the other labels, name and value of each
 *   3 frame    see log_frame.c
 *   4 sparse   uvarint source, labels, uvarint count, of each sample: varint time less the one before (0 at first),
 *              8 bytes of the double
 *   5 delete   labels, varint from, varint to
 *   6 native   uvarint source, labels, varint time, text: codec.h's column of one histogram
 *   7 name     uvarint source, uvarint number, labels: of a sparse series that comes again; numbers of a source count from 0
 *              in each segment
 *   8 again    uvarint source, uvarint number, varint time, 8 bytes of the double
 *   9 kept     columns whose series had one in the generation before, all of which stands in this segment: uvarint source,
 *              uvarint generation, uvarint number of the first column, uvarint count, uvarint that generation;
 *              for each: varint number there less that of the one before (-1 at first) less 1; uvarint section * 2 + live
 */
#include "tsdb/log_record.h"

#include "base/assert.h"
#include "tsdb/fs.h"

static const char segment_magic[8] = {'n', 'v', 'l', 'o', 'g', 0, 0, 2};
static const unsigned char record_magic[2] = {0xa7, 0x4e};

static void put_u32(unsigned char *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t get_u32(const char *p)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++)
        value |= (uint32_t)(unsigned char)p[i] << 8 * i;
    return value;
}

void nv_segment_put_head(struct nv_buf *out, uint64_t number)
{
    unsigned char head[NV_SEGMENT_HEAD];

    memcpy(head, segment_magic, 8);
    put_u32(head + 8, (uint32_t)number);
    put_u32(head + 12, (uint32_t)(number >> 32));
    put_u32(head + 16, nv_crc32c(0, head, 16));
    nv_buf_add(out, head, sizeof(head));
}

bool nv_segment_get_head(struct nv_str in, uint64_t *ret_number)
{
    if (in.n < NV_SEGMENT_HEAD || memcmp(in.p, segment_magic, 8) != 0 ||
        get_u32(in.p + 16) != nv_crc32c(0, in.p, 16))
        return false;
    *ret_number = get_u32(in.p + 8) | (uint64_t)get_u32(in.p + 12) << 32;
    return true;
}

size_t nv_record_begin(struct nv_buf *out, enum nv_record_type type)
{
    unsigned char head[NV_RECORD_HEAD] = {record_magic[0], record_magic[1], (unsigned char)type};
    size_t begin = out->n;

    nv_buf_add(out, head, sizeof(head));
    return begin;
}

void nv_record_end(struct nv_buf *out, size_t begin)
{
    if (out->failed)
        return;
    unsigned char *head = (unsigned char *)out->p + begin;
    size_t size = out->n - begin - NV_RECORD_HEAD;

    nv_assert(size <= NV_RECORD_MAX);
    put_u32(head + 3, (uint32_t)size);
    uint32_t crc = nv_crc32c(0, head + 2, 5);
    put_u32(head + 7, nv_crc32c(crc, head + NV_RECORD_HEAD, size));
}

int nv_record_get(struct nv_str in, enum nv_record_type *ret_type, struct nv_str *ret_body,
                  size_t *ret_size)
{
    if (in.n >= 2 ? memcmp(in.p, record_magic, 2) != 0
                  : in.n && (unsigned char)in.p[0] != record_magic[0])
        return -EBADMSG;
    if (in.n < NV_RECORD_HEAD)
        return -ENODATA;
    uint32_t size = get_u32(in.p + 3);
    if (size > NV_RECORD_MAX)
        return -EBADMSG;
    if (size > in.n - NV_RECORD_HEAD)
        return -ENODATA;
    uint32_t crc = nv_crc32c(0, in.p + 2, 5);
    if (nv_crc32c(crc, in.p + NV_RECORD_HEAD, size) != get_u32(in.p + 7))
        return -EBADMSG;
    *ret_type = (unsigned char)in.p[2];
    *ret_body = (struct nv_str){in.p + NV_RECORD_HEAD, size};
    *ret_size = size + NV_RECORD_HEAD;
    return 0;
}

size_t nv_record_search(struct nv_str in)
{
    enum nv_record_type type;
    struct nv_str body;
    size_t size;

    for (size_t at = 0; at < in.n; at++) {
        const char *next = memchr(in.p + at, record_magic[0], in.n - at);
        if (!next)
            break;
        at = (size_t)(next - in.p);
        if (nv_record_get(nv_str_from(in, at), &type, &body, &size) == 0)
            return at;
    }
    return in.n;
}

void nv_record_put_str(struct nv_buf *out, struct nv_str s)
{
    nv_put_uvarint(out, s.n);
    nv_buf_str(out, s);
}

bool nv_record_get_str(struct nv_str *in, struct nv_str *ret)
{
    uint64_t n;

    if (!nv_get_uvarint(in, &n) || n > in->n)
        return false;
    *ret = (struct nv_str){in->p, n};
    *in = nv_str_from(*in, n);
    return true;
}

void nv_record_put_labels(struct nv_buf *out, const struct nv_label *labels, size_t n)
{
    nv_put_uvarint(out, n);
    for (size_t i = 0; i < n; i++) {
        nv_record_put_str(out, labels[i].name);
        nv_record_put_str(out, labels[i].value);
    }
}

bool nv_record_get_labels(struct nv_str *in, struct nv_label *labels, size_t max, size_t *ret_n)
{
    uint64_t n;

    if (!nv_get_uvarint(in, &n) || n > max)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!nv_record_get_str(in, &labels[i].name) || !nv_record_get_str(in, &labels[i].value) ||
            (i && nv_str_cmp(labels[i - 1].name, labels[i].name) >= 0))
            return false;
    }
    *ret_n = n;
    return true;
}
