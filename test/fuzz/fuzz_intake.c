/*
 * fuzz_intake.c - bodies of text or OpenMetrics (the first byte says which), separated by lines of "--", taken in one after the
 * other. See intake_fuzz.h.
 */
#include "expo/expo.h"

#include "intake_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool cut(struct nv_str *rest, struct nv_str *body)
{
    if (!rest->n)
        return false;
    const char *at = memmem(rest->p, rest->n, "\n--\n", 4);
    *body = (struct nv_str){rest->p, at ? (size_t)(at - rest->p) + 1 : rest->n};
    *rest = nv_str_from(*rest, body->n + (at ? 3 : 0));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 2)
        fuzz_bodies(data[0] == 'o' ? OPENMETRICS : TEXT, data[1],
                    (struct nv_str){(const char *)data + 2, size - 2}, cut);
    return 0;
}
