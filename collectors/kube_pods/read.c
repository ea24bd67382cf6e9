#include "read.h"

#include <time.h>

static const char digits_of_time[] = "0000-00-00T00:00:00";

static int number_at(struct nv_str text, size_t at, size_t n)
{
    int value = 0;

    for (size_t i = at; i < at + n; i++)
        value = value * 10 + (text.p[i] - '0');
    return value;
}

/* "Z", "+02:00" behind an optional fraction; in seconds. */
static bool zone(struct nv_str text, int64_t *ret)
{
    *ret = 0;
    if (text.n && text.p[0] == '.') {
        text = nv_str_from(text, 1);
        while (text.n && nv_is_digit(text.p[0]))
            text = nv_str_from(text, 1);
    }
    if (nv_str_is(text, "Z"))
        return true;
    if (text.n != 6 || (text.p[0] != '+' && text.p[0] != '-') || text.p[3] != ':' ||
        !nv_is_digit(text.p[1]) || !nv_is_digit(text.p[2]) || !nv_is_digit(text.p[4]) ||
        !nv_is_digit(text.p[5]))
        return false;
    int64_t seconds = number_at(text, 1, 2) * 3600 + number_at(text, 4, 2) * 60;
    *ret = text.p[0] == '+' ? seconds : -seconds;
    return true;
}

bool nv_kube_time(struct nv_str text, int64_t *ret)
{
    enum { LENGTH = sizeof(digits_of_time) - 1 };
    int64_t east;

    if (text.n <= LENGTH)
        return false;
    for (size_t i = 0; i < LENGTH; i++)
        if (digits_of_time[i] == '0' ? !nv_is_digit(text.p[i]) : text.p[i] != digits_of_time[i])
            return false;
    struct tm tm = {
        .tm_year = number_at(text, 0, 4) - 1900,
        .tm_mon = number_at(text, 5, 2) - 1,
        .tm_mday = number_at(text, 8, 2),
        .tm_hour = number_at(text, 11, 2),
        .tm_min = number_at(text, 14, 2),
        .tm_sec = number_at(text, 17, 2),
    };
    if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60 || !zone(nv_str_from(text, LENGTH), &east))
        return false;
    *ret = (int64_t)timegm(&tm) - east;
    return true;
}

struct nv_str nv_kube_plain(struct nv_pass *pass, struct nv_str raw)
{
    if (nv_str_find(raw, '\\') == raw.n)
        return raw;
    return nv_json_unescape(raw, nv_alloc(pass, raw.n), raw.n);
}

/* A text, escapes resolved; anything else is skipped and gives nothing. */
static struct nv_str read_text(struct nv_pass *pass, struct nv_json *json)
{
    struct nv_str raw = {"", 0};

    if (nv_json_kind(json) == NV_JSON_NUMBER)
        return nv_json_number(json);
    if (nv_json_kind(json) != NV_JSON_TEXT) {
        nv_json_skip(json);
        return raw;
    }
    return nv_kube_plain(pass, nv_json_text(json));
}

static struct nv_kube_number read_number(struct nv_json *json)
{
    struct nv_kube_number number = {0};

    if (nv_json_kind(json) == NV_JSON_NUMBER)
        number.there = nv_str_to_i64(nv_json_number(json), &number.value);
    else
        nv_json_skip(json);
    return number;
}

static struct nv_kube_number read_time(struct nv_pass *pass, struct nv_json *json)
{
    struct nv_kube_number number = {0};

    number.there = nv_kube_time(read_text(pass, json), &number.value);
    return number;
}

static bool read_bool(struct nv_json *json)
{
    if (nv_json_kind(json) == NV_JSON_BOOL)
        return nv_json_bool(json);
    nv_json_skip(json);
    return false;
}

/* A zeroed item more; NULL where the list is full. */
static void *add_item(struct nv_pass *pass, struct nv_kube_list *list, size_t size)
{
    if (list->n == NV_KUBE_ITEMS_MAX)
        return NULL;
    if (list->n == list->room) {
        size_t room = list->room ? list->room * 2 : 4;
        char *at = nv_alloc(pass, room * size);
        if (list->n)
            memcpy(at, list->at, list->n * size);
        list->at = at;
        list->room = room;
    }
    void *item = (char *)list->at + list->n++ * size;
    memset(item, 0, size);
    return item;
}

static void read_list(struct nv_pass *pass, struct nv_json *json, const struct nv_kube_field *field,
                      struct nv_kube_list *list)
{
    if (nv_json_kind(json) != NV_JSON_ARRAY) {
        nv_json_skip(json);
        return;
    }
    nv_json_array(json);
    while (nv_json_item(json)) {
        bool object = nv_json_kind(json) == NV_JSON_OBJECT;
        void *item = object ? add_item(pass, list, field->size) : NULL;
        if (item)
            nv_kube_read(pass, json, field->members, item);
        else
            nv_json_skip(json);
    }
}

static void read_map(struct nv_pass *pass, struct nv_json *json, bool raw,
                     struct nv_kube_list *list)
{
    struct nv_str key;

    if (nv_json_kind(json) != NV_JSON_OBJECT) {
        nv_json_skip(json);
        return;
    }
    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        struct nv_kube_pair *pair = add_item(pass, list, sizeof(*pair));
        if (!pair) {
            nv_json_skip(json);
            continue;
        }
        pair->key = nv_kube_plain(pass, key);
        pair->value =
            raw && nv_json_kind(json) == NV_JSON_TEXT ? nv_json_text(json) : read_text(pass, json);
    }
}

static void read_member(struct nv_pass *pass, struct nv_json *json,
                        const struct nv_kube_field *field, char *into)
{
    void *at = into + field->offset;

    switch (field->kind) {
    case NV_KUBE_TEXT:
        *(struct nv_str *)at = read_text(pass, json);
        break;
    case NV_KUBE_TIME:
        *(struct nv_kube_number *)at = read_time(pass, json);
        break;
    case NV_KUBE_NUMBER:
        *(struct nv_kube_number *)at = read_number(json);
        break;
    case NV_KUBE_BOOL:
        *(bool *)at = read_bool(json);
        break;
    case NV_KUBE_OBJECT:
        if (field->there && nv_json_kind(json) == NV_JSON_OBJECT)
            *(bool *)(into + field->there - 1) = true;
        nv_kube_read(pass, json, field->members, at);
        break;
    case NV_KUBE_LIST:
        read_list(pass, json, field, at);
        break;
    case NV_KUBE_MAP:
    case NV_KUBE_RAW_MAP:
        read_map(pass, json, field->kind == NV_KUBE_RAW_MAP, at);
        break;
    }
}

void nv_kube_read(struct nv_pass *pass, struct nv_json *json, const struct nv_kube_field *fields,
                  void *into)
{
    struct nv_str key;

    if (nv_json_kind(json) != NV_JSON_OBJECT) {
        nv_json_skip(json);
        return;
    }
    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        const struct nv_kube_field *field = fields;
        while (field->key && !nv_json_key_is(key, field->key))
            field++;
        if (field->key)
            read_member(pass, json, field, into);
        else
            nv_json_skip(json);
    }
}
