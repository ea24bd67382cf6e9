/*
 * fuzz_intake_proto.c - protobuf bodies, each with two bytes for its length in front, taken in one after the other. See
 * intake_fuzz.h.
 */
#include "expo/expo.h"

#include "intake_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool cut(struct nv_str *rest, struct nv_str *body)
{
    if (rest->n < 2)
        return false;
    size_t n = (size_t)(unsigned char)rest->p[0] << 8 | (unsigned char)rest->p[1];
    *rest = nv_str_from(*rest, 2);
    *body = (struct nv_str){rest->p, n < rest->n ? n : rest->n};
    *rest = nv_str_from(*rest, body->n);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1)
        fuzz_bodies(PROTO, data[0], (struct nv_str){(const char *)data + 1, size - 1}, cut);
    return 0;
}
