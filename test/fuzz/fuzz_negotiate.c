/*
 * fuzz_negotiate.c - Accept and Accept-Encoding headers. The answer, sent as a request, is answered by itself.
 */
#include "base/assert.h"
#include "expo/expo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_str header = {(const char *)data, size};
    char type[NV_EXPO_TYPE_MAX];
    struct nv_expo_choice choice = nv_expo_negotiate(header);

    nv_expo_content_type(choice, type);
    struct nv_expo_choice again = nv_expo_negotiate(nv_str(type));
    nv_assert(again.form == choice.form && again.escaping == choice.escaping);

    enum nv_expo_coding coding = nv_expo_negotiate_coding(header);
    nv_assert(coding <= NV_CODING_ZSTD);
    return 0;
}
