/*
 * fuzz_json.c - reading a document member by member and skipping it must agree on whether it is one.
 */
#include <nodevitals/json.h>

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct nv_str raw)
{
    char *out = malloc(raw.n ? raw.n : 1);

    nv_assert(out);
    struct nv_str text = nv_json_unescape(raw, out, raw.n);
    nv_assert(text.p && text.n <= raw.n);
    free(out);
}

static void read_value(struct nv_json *json)
{
    struct nv_str key;

    switch (nv_json_kind(json)) {
    case NV_JSON_OBJECT:
        nv_json_object(json);
        while (nv_json_key(json, &key)) {
            check_text(key);
            nv_json_key_is_any_case(key, "bytes");
            read_value(json);
        }
        break;
    case NV_JSON_ARRAY:
        nv_json_array(json);
        while (nv_json_item(json))
            read_value(json);
        break;
    case NV_JSON_TEXT:
        check_text(nv_json_text(json));
        break;
    case NV_JSON_NUMBER:
        nv_json_number(json);
        break;
    case NV_JSON_BOOL:
        nv_json_bool(json);
        break;
    default:
        if (!nv_json_null(json))
            nv_json_fail(json);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_str text = {(const char *)data, size};
    struct nv_json read = nv_json(text), skipped = nv_json(text), number = nv_json(text);

    read_value(&read);
    nv_json_skip(&skipped);
    nv_assert(nv_json_done(&read) == nv_json_done(&skipped));
    nv_json_u64(&number);
    number = nv_json(text);
    nv_json_i64(&number);
    number = nv_json(text);
    nv_json_real(&number);
    return 0;
}
