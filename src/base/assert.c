#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void nv_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "nodevitals: bug: %s does not hold (%s:%d)\n", what, file, line);
    abort();
}

void *nv_must(void *p)
{
    if (!p) {
        fputs("nodevitals: out of memory\n", stderr);
        abort();
    }
    return p;
}
