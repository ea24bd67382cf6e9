/*
 * fuzz_kmsg.c - raw records of the kernel's log, and all built-in rules on them.
 *
 * A file of any bytes is cut into the same records wherever reads end, and no record is longer than it may be.
 */
#include "kmsg/reader.h"

#include "base/assert.h"
#include "base/buf.h"
#include "kmsg/record.h"
#include "problems/literals.h"
#include "problems/problems.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_FUZZED = 64 << 10 };

static struct nv_str given;
static size_t at, step;

static ssize_t read_given(int fd, void *out, size_t size)
{
    size_t n = given.n - at;

    (void)fd;
    n = n > step ? step : n;
    n = n > size ? size : n;
    if (n)
        memcpy(out, given.p + at, n);
    at += n;
    return (ssize_t)n;
}

/* All records, one behind the other with their lengths. */
static void cut(size_t by, struct nv_buf *out)
{
    struct nv_kmsg_reader reader = {.read = read_given, .fd = 0, .is_file = true};
    struct nv_str record;

    at = 0;
    step = by;
    while (nv_kmsg_next(&reader, &record) > 0) {
        nv_assert(record.n > 0 && record.n <= NV_KMSG_RECORD_MAX);
        nv_buf_printf(out, "%zu:", record.n);
        nv_buf_str(out, record);
    }
}

static void look_at(struct nv_str bytes)
{
    char text[NV_PROBLEM_TEXT_MAX];
    struct nv_kmsg_record record;

    if (!nv_kmsg_parse(bytes, &record))
        return;
    nv_assert(record.level <= 7);
    nv_assert(record.text.n <= bytes.n && record.device.n <= bytes.n);
    size_t n = nv_kmsg_unescape(record.text, text, sizeof(text));
    nv_assert(n <= record.text.n && n <= sizeof(text));
    for (size_t i = 0; i < n; i++)
        nv_assert((unsigned char)text[i] >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    NV_AUTO_BUF whole = NV_BUF(4 * SIZE_MAX_FUZZED), pieces = NV_BUF(4 * SIZE_MAX_FUZZED);

    if (size > SIZE_MAX_FUZZED)
        return 0;
    given = (struct nv_str){(const char *)data, size};
    look_at(given);
    cut(size + 1, &whole);
    cut(size > 4096 ? 61 : 7, &pieces);
    nv_assert(nv_str_eq(nv_buf_view(&whole), nv_buf_view(&pieces)));
    return 0;
}
