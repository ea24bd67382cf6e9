/*
 * json.h - reads JSON (RFC 8259) where it lies, value by value.
 *
 *   struct nv_json file = nv_json(text);
 *   struct nv_str key;
 *
 *   nv_json_array(&file);
 *   while (nv_json_item(&file)) {
 *       nv_json_object(&file);
 *       while (nv_json_key(&file, &key)) {
 *           if (nv_json_key_is(key, "Bytes"))
 *               bytes = nv_json_u64(&file);
 *           else
 *               nv_json_skip(&file);
 *       }
 *   }
 *   if (!nv_json_done(&file))
 *       return -EBADMSG;
 *
 * After nv_json_key() or nv_json_item() said true exactly one value is to be read or skipped. As with
 * struct nv_scan, the first failure empties the window, so that everything later fails too and every
 * loop ends.
 *
 *   bound      NV_JSON_DEPTH_MAX brackets within each other; numbers of 127 characters
 *   texts      views between the quotes, escapes as written; nv_json_unescape() resolves them
 *   memory     none, and no recursion
 */
#ifndef NODEVITALS_JSON_H
#define NODEVITALS_JSON_H

#include <nodevitals/scan.h>

#include <strings.h>

enum { NV_JSON_DEPTH_MAX = 64, NV_JSON_KEY_MAX = 128 };

enum nv_json_kind {
    NV_JSON_NOTHING, /* the end, or no JSON */
    NV_JSON_OBJECT,
    NV_JSON_ARRAY,
    NV_JSON_TEXT,
    NV_JSON_NUMBER,
    NV_JSON_BOOL,
    NV_JSON_NULL,
};

struct nv_json {
    const char *at, *end;
    bool failed;
    bool opened;      /* nothing stands yet behind the innermost opening bracket */
    unsigned depth;   /* brackets open */
    uint64_t objects; /* bit d: bracket d is a brace */
};

static inline struct nv_json nv_json(struct nv_str text)
{
    return (struct nv_json){.at = text.p, .end = text.n ? text.p + text.n : text.p};
}

/* Empties the window for good. Returns 0, the value of every failed read. */
static inline int nv_json_fail(struct nv_json *json)
{
    json->at = json->end;
    json->failed = true;
    json->depth = 0;
    return 0;
}

/* The byte at the front, white space skipped; NUL at the end. */
static inline char nv_json_front(struct nv_json *json)
{
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r'))
        json->at++;
    return json->at < json->end ? *json->at : '\0';
}

/* What the next value is, without taking it. */
static inline enum nv_json_kind nv_json_kind(struct nv_json *json)
{
    char c = nv_json_front(json);

    return c == '{'                             ? NV_JSON_OBJECT
           : c == '['                           ? NV_JSON_ARRAY
           : c == '"'                           ? NV_JSON_TEXT
           : c == '-' || (c >= '0' && c <= '9') ? NV_JSON_NUMBER
           : c == 't' || c == 'f'               ? NV_JSON_BOOL
           : c == 'n'                           ? NV_JSON_NULL
                                                : NV_JSON_NOTHING;
}

static inline void nv_json_open(struct nv_json *json, char bracket)
{
    uint64_t bit = UINT64_C(1) << (json->depth % NV_JSON_DEPTH_MAX);

    if (nv_json_front(json) != bracket || json->depth == NV_JSON_DEPTH_MAX) {
        nv_json_fail(json);
        return;
    }
    json->at++;
    json->objects = bracket == '{' ? json->objects | bit : json->objects & ~bit;
    json->depth++;
    json->opened = true;
}

/* Enters an object, whose members nv_json_key() gives. Fails where the next value is none. */
static inline void nv_json_object(struct nv_json *json)
{
    nv_json_open(json, '{');
}

/* Enters an array, whose items nv_json_item() announces. Fails where the next value is none. */
static inline void nv_json_array(struct nv_json *json)
{
    nv_json_open(json, '[');
}

/* Whether the innermost open bracket is a brace. */
static inline bool nv_json_in_object(const struct nv_json *json)
{
    return json->depth && (json->objects >> (json->depth - 1) & 1);
}

/* Steps over a comma; or over the closing bracket, and returns false. */
static inline bool nv_json_more(struct nv_json *json, bool object)
{
    char c = nv_json_front(json);
    bool opened = json->opened;

    json->opened = false;
    if (!json->depth || nv_json_in_object(json) != object)
        return nv_json_fail(json);
    if (c == (object ? '}' : ']')) {
        json->at++;
        json->depth--;
        return false;
    }
    if (opened)
        return c ? true : nv_json_fail(json);
    if (c != ',')
        return nv_json_fail(json);
    json->at++;
    return nv_json_kind(json) != NV_JSON_NOTHING ? true : nv_json_fail(json);
}

/* Whether the array has another item, which is then to be read; false behind its end. */
static inline bool nv_json_item(struct nv_json *json)
{
    return nv_json_more(json, false);
}

/* Four hexadecimal digits; -1 where they are none. */
static inline int32_t nv_json_hex4(struct nv_str s)
{
    uint64_t value;

    for (size_t i = 0; i < 4 && i < s.n; i++) {
        if (nv_is_space(s.p[i]))
            return -1;
    }
    s.n = s.n < 4 ? 0 : 4;
    return nv_str_to_hex(s, &value) ? (int32_t)value : -1;
}

/* A text as it stands between its quotes. Fails where the next value is none. */
static inline struct nv_str nv_json_text(struct nv_json *json)
{
    static const struct nv_str nothing = {"", 0};

    if (nv_json_front(json) != '"') {
        nv_json_fail(json);
        return nothing;
    }
    const char *first = ++json->at;
    for (; json->at < json->end && *json->at != '"'; json->at++) {
        bool good = (unsigned char)*json->at >= 0x20;
        if (*json->at == '\\') {
            struct nv_str rest = {json->at, (size_t)(json->end - json->at)};
            char c = rest.n > 1 ? rest.p[1] : '\0';
            good = c && (strchr("\"\\/bfnrt", c) ||
                         (c == 'u' && nv_json_hex4(nv_str_from(rest, 2)) >= 0));
            json->at += c == 'u' && good ? 5 : good;
        }
        if (!good)
            break;
    }
    if (json->at == json->end || *json->at != '"') {
        nv_json_fail(json);
        return nothing;
    }
    return (struct nv_str){first, (size_t)(json->at++ - first)};
}

/* The next member's key, escapes as written, and steps over the colon; false behind the object's end. */
static inline bool nv_json_key(struct nv_json *json, struct nv_str *ret)
{
    if (!nv_json_more(json, true))
        return false;
    *ret = nv_json_text(json);
    if (nv_json_front(json) != ':')
        return nv_json_fail(json);
    json->at++;
    return nv_json_kind(json) != NV_JSON_NOTHING ? true : nv_json_fail(json);
}

/* A number as written. Fails where the next value is none. */
static inline struct nv_str nv_json_number(struct nv_json *json)
{
    const char *first = (nv_json_front(json), json->at), *at = first, *end = json->end;
    const char *digits = at += at < end && *at == '-';
    bool good;

    while (at < end && nv_is_digit(*at))
        at++;
    good = at > digits && (at - digits == 1 || *digits != '0');
    if (good && at < end && *at == '.') {
        digits = ++at;
        while (at < end && nv_is_digit(*at))
            at++;
        good = at > digits;
    }
    if (good && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        digits = at += at < end && (*at == '+' || *at == '-');
        while (at < end && nv_is_digit(*at))
            at++;
        good = at > digits;
    }
    if (!good) {
        nv_json_fail(json);
        return (struct nv_str){"", 0};
    }
    json->at = at;
    return (struct nv_str){first, (size_t)(at - first)};
}

/* Numbers. The integers fail on a fraction, an exponent and what is out of range. */
static inline double nv_json_real(struct nv_json *json)
{
    double value = 0;

    if (!nv_str_to_real(nv_json_number(json), &value))
        nv_json_fail(json);
    return value;
}

static inline uint64_t nv_json_u64(struct nv_json *json)
{
    uint64_t value = 0;

    if (!nv_str_to_u64(nv_json_number(json), &value))
        nv_json_fail(json);
    return value;
}

static inline int64_t nv_json_i64(struct nv_json *json)
{
    int64_t value = 0;

    if (!nv_str_to_i64(nv_json_number(json), &value))
        nv_json_fail(json);
    return value;
}

/* Takes a word when it stands next. */
static inline bool nv_json_word(struct nv_json *json, const char *word)
{
    size_t n = strlen(word);

    nv_json_front(json);
    if ((size_t)(json->end - json->at) < n || memcmp(json->at, word, n) != 0)
        return false;
    json->at += n;
    return true;
}

static inline bool nv_json_bool(struct nv_json *json)
{
    if (nv_json_word(json, "true"))
        return true;
    if (!nv_json_word(json, "false"))
        nv_json_fail(json);
    return false;
}

/* Takes a null when it stands next. */
static inline bool nv_json_null(struct nv_json *json)
{
    return nv_json_word(json, "null");
}

/* Skips one value, whatever it holds. */
static inline void nv_json_skip(struct nv_json *json)
{
    unsigned depth = json->depth;
    struct nv_str key;

    do {
        switch (nv_json_kind(json)) {
        case NV_JSON_OBJECT:
            nv_json_object(json);
            break;
        case NV_JSON_ARRAY:
            nv_json_array(json);
            break;
        case NV_JSON_TEXT:
            nv_json_text(json);
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
        while (json->depth > depth &&
               !(nv_json_in_object(json) ? nv_json_key(json, &key) : nv_json_item(json)))
            ;
    } while (json->depth > depth);
}

/* Whether the document ended well: one value, all of it read, nothing behind. */
static inline bool nv_json_done(struct nv_json *json)
{
    nv_json_front(json);
    return !json->failed && json->depth == 0 && json->at == json->end;
}

/* Writes a character as UTF-8 into at most four bytes. Returns how many. */
static inline size_t nv_json_utf8(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(0xf00u >> n | c);
    return n;
}

/* One escape, from its backslash on, as a character; half a surrogate pair is U+FFFD. Returns its length. */
static inline size_t nv_json_escape(struct nv_str s, uint32_t *ret)
{
    static const char letters[] = "b\bf\fn\nr\rt\t";

    if (s.p[1] != 'u') {
        *ret = (unsigned char)s.p[1];
        for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
            if (s.p[1] == letters[i])
                *ret = (unsigned char)letters[i + 1];
        }
        return 2;
    }
    uint32_t high = (uint32_t)nv_json_hex4(nv_str_from(s, 2)), low = 0;
    if (s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u')
        low = (uint32_t)nv_json_hex4(nv_str_from(s, 8));
    if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        *ret = 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00));
        return 12;
    }
    *ret = high >= 0xd800 && high < 0xe000 ? 0xfffd : high;
    return 6;
}

/*
 * A text that nv_json_text() or nv_json_key() gave, with its escapes resolved into `out`; itself where it
 * has none. Its p is NULL where `size` bytes do not hold it: raw.n always do.
 */
static inline struct nv_str nv_json_unescape(struct nv_str raw, char *out, size_t size)
{
    size_t n = 0;

    if (nv_str_find(raw, '\\') == raw.n)
        return raw;
    while (raw.n) {
        char bytes[4];
        uint32_t c;
        size_t taken = 1, length = 1;
        bytes[0] = raw.p[0];
        if (raw.p[0] == '\\') {
            taken = nv_json_escape(raw, &c);
            length = nv_json_utf8(bytes, c);
        }
        if (length > size - n)
            return (struct nv_str){NULL, 0};
        memcpy(out + n, bytes, length);
        n += length;
        raw = nv_str_from(raw, taken);
    }
    return (struct nv_str){out, n};
}

/* Whether a key is `name`, escapes resolved. */
static inline bool nv_json_key_is(struct nv_str key, const char *name)
{
    char bytes[NV_JSON_KEY_MAX];

    key = nv_json_unescape(key, bytes, sizeof(bytes));
    return key.p && nv_str_is(key, name);
}

/* The same whatever the case of ASCII letters, as Go reads its fields. */
static inline bool nv_json_key_is_any_case(struct nv_str key, const char *name)
{
    char bytes[NV_JSON_KEY_MAX];

    key = nv_json_unescape(key, bytes, sizeof(bytes));
    return key.p && key.n == strlen(name) && strncasecmp(key.p, name, key.n) == 0;
}

#endif
