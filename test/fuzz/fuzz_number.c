/*
 * fuzz_number.c - every double reads back from each of its forms, within the bytes promised.
 */
#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(size_t (*write)(char *, double), double value, size_t max)
{
    char text[NV_NUMBER_PLAIN_MAX + 1];
    size_t n = write(text, value);

    nv_assert(n > 0 && n <= max);
    text[n] = '\0';
    double back = strtod(text, NULL);
    nv_assert(isnan(value) ? isnan(back) : back == value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (; size >= sizeof(double); data += sizeof(double), size -= sizeof(double)) {
        double value;
        memcpy(&value, data, sizeof(value));
        check(nv_number_text, value, NV_NUMBER_MAX);
        check(nv_number_openmetrics, value, NV_NUMBER_MAX);
        check(nv_number_plain, value, NV_NUMBER_PLAIN_MAX);
    }
    return 0;
}
