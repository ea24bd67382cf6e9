/*
 * fuzz_scan.c - no read leaves the window, a failed window stays empty, numbers agree with the C library.
 */
#include <nodevitals/scan.h>

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One read, chosen by `what`. */
static void step(struct nv_scan *scan, unsigned what)
{
    uint64_t row[4];

    switch (what % 8) {
    case 0:
        nv_scan_u64(scan);
        break;
    case 1:
        nv_scan_i64(scan);
        break;
    case 2:
        nv_scan_hex(scan);
        break;
    case 3:
        nv_scan_real(scan);
        break;
    case 4:
        nv_scan_until(scan, ':');
        break;
    case 5:
        nv_scan_accept(scan, "cpu");
        nv_scan_skip(scan, 1);
        break;
    case 6:
        nv_assert(nv_scan_row(scan, row, 4) <= 4);
        break;
    default:
        nv_scan_word(scan);
    }
}

static void check_numbers(struct nv_str word)
{
    char copy[64], *end;
    uint64_t u = 0;
    int64_t i = 0;
    double real;

    if (!word.n || word.n >= sizeof(copy))
        return;
    memcpy(copy, word.p, word.n);
    copy[word.n] = '\0';
    if (nv_str_to_u64(word, &u))
        nv_assert(u == strtoull(copy, NULL, 10));
    if (nv_str_to_i64(word, &i))
        nv_assert(i == strtoll(copy, NULL, 10));
    if (nv_str_to_hex(word, &u))
        nv_assert(u == strtoull(copy, NULL, 16));
    if (nv_str_to_real(word, &real)) {
        double want = strtod(copy, &end);
        nv_assert(real == want || (isnan(real) && isnan(want)));
    }
    nv_str_to_u64_prefixed(word, &u);
    nv_str_to_i64_prefixed(word, &i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_scan file = nv_scan((struct nv_str){(const char *)data, size}), line;
    unsigned what = 0;

    while (nv_scan_line(&file, &line)) {
        struct nv_scan words = line;
        while (!nv_scan_done(&words))
            check_numbers(nv_scan_word(&words));
        for (int i = 0; i < 16; i++) {
            bool failed = line.failed;
            step(&line, what += size);
            nv_assert(line.at <= line.end && (!line.failed || line.at == line.end));
            nv_assert(!failed || line.failed);
        }
    }
    return 0;
}
