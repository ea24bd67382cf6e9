#include "kube/fields.h"

#include "base/rfc3339.h"

static void out_of_memory(struct nv_fields *reader)
{
    reader->no_memory = true;
    nv_json_fail(&reader->json);
}

struct nv_str nv_fields_text(struct nv_fields *reader)
{
    static const struct nv_str nothing = {"", 0};

    if (nv_json_kind(&reader->json) != NV_JSON_TEXT) {
        nv_json_skip(&reader->json);
        return nothing;
    }
    struct nv_str raw = nv_json_text(&reader->json);
    if (nv_str_find(raw, '\\') == raw.n)
        return raw;
    char *bytes = nv_arena_alloc(reader->arena, raw.n);
    if (!bytes) {
        out_of_memory(reader);
        return nothing;
    }
    return nv_json_unescape(raw, bytes, raw.n);
}

static void read_time(struct nv_fields *reader, int64_t *ret)
{
    int64_t ms;

    if (nv_rfc3339_read(nv_fields_text(reader), &ms))
        *ret = ms;
}

static void read_number(struct nv_fields *reader, enum nv_field_kind kind, void *ret)
{
    struct nv_str text = nv_json_number(&reader->json);
    int64_t number;

    if (!nv_str_to_i64(text, &number))
        return;
    if (kind == NV_FIELD_COUNT && number >= 0)
        *(uint64_t *)ret = (uint64_t)number;
    if (kind == NV_FIELD_CODE && number >= INT32_MIN && number <= INT32_MAX)
        *(int32_t *)ret = (int32_t)number;
}

/* What a kind is written as. */
static const enum nv_json_kind written_as[] = {
    [NV_FIELD_TEXT] = NV_JSON_TEXT,    [NV_FIELD_TIME] = NV_JSON_TEXT,
    [NV_FIELD_BOOL] = NV_JSON_BOOL,    [NV_FIELD_COUNT] = NV_JSON_NUMBER,
    [NV_FIELD_CODE] = NV_JSON_NUMBER,  [NV_FIELD_JSON] = NV_JSON_OBJECT,
    [NV_FIELD_PART] = NV_JSON_NOTHING,
};

static void read_value(struct nv_fields *reader, const struct nv_field *field, void *whole)
{
    void *into = (char *)whole + field->offset;
    enum nv_json_kind kind = nv_json_kind(&reader->json);
    const char *first = reader->json.at;

    if (field->kind != NV_FIELD_PART && kind != written_as[field->kind]) {
        nv_json_skip(&reader->json);
        return;
    }
    switch (field->kind) {
    case NV_FIELD_TEXT:
        *(struct nv_str *)into = nv_fields_text(reader);
        break;
    case NV_FIELD_TIME:
        read_time(reader, into);
        break;
    case NV_FIELD_BOOL:
        *(bool *)into = nv_json_bool(&reader->json);
        break;
    case NV_FIELD_COUNT:
    case NV_FIELD_CODE:
        read_number(reader, field->kind, into);
        break;
    case NV_FIELD_JSON:
        nv_json_skip(&reader->json);
        *(struct nv_str *)into = (struct nv_str){first, (size_t)(reader->json.at - first)};
        break;
    case NV_FIELD_PART:
        field->part(reader, whole);
        break;
    }
}

void nv_fields_read(struct nv_fields *reader, const struct nv_field *fields, void *whole)
{
    struct nv_str key;

    if (nv_json_kind(&reader->json) != NV_JSON_OBJECT) {
        nv_json_skip(&reader->json);
        return;
    }
    nv_json_object(&reader->json);
    while (nv_json_key(&reader->json, &key)) {
        const struct nv_field *field = fields;
        while (field->key && !nv_json_key_is(key, field->key))
            field++;
        if (field->key)
            read_value(reader, field, whole);
        else
            nv_json_skip(&reader->json);
    }
}

bool nv_fields_array(struct nv_fields *reader)
{
    if (nv_json_kind(&reader->json) == NV_JSON_ARRAY) {
        nv_json_array(&reader->json);
        return true;
    }
    nv_json_skip(&reader->json);
    return false;
}
