#include "web/query.h"

#include "web/limits.h"

static const char *const keys[] = {"collect[]", "exclude[]", "name[]"};
enum { COLLECT, EXCLUDE, NAMES, N_KEYS };

static int hex_digit(char c)
{
    if (nv_is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool nv_query_decode(struct nv_str text, char *out, struct nv_str *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            int high = i + 1 < text.n ? hex_digit(text.p[i + 1]) : -1;
            int low = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[n++] = text.p[i] == '+' ? ' ' : c;
    }
    *ret = (struct nv_str){out, n};
    return true;
}

bool nv_query_next(struct nv_str *rest, struct nv_str *ret_key, struct nv_str *ret_value)
{
    while (rest->n) {
        struct nv_str pair = nv_str_cut(rest, '&');
        if (pair.n == 0 || nv_str_find(pair, ';') < pair.n)
            continue;
        *ret_key = nv_str_cut(&pair, '=');
        *ret_value = pair;
        return true;
    }
    return false;
}

/* Which of our keys a raw one is, or -1. */
static int which(struct nv_str raw)
{
    char bytes[32]; /* the longest key with every byte escaped */
    struct nv_str key;

    if (raw.n > sizeof(bytes) || !nv_query_decode(raw, bytes, &key))
        return -1;
    for (int i = 0; i < N_KEYS; i++) {
        if (nv_str_is(key, keys[i]))
            return i;
    }
    return -1;
}

int nv_query_parse(struct nv_str raw, struct nv_arena *memory, struct nv_query *ret)
{
    struct nv_str rest = raw, key, value;
    size_t n[N_KEYS] = {0};
    struct nv_str *values[N_KEYS] = {0};

    while (nv_query_next(&rest, &key, &value)) {
        int i = which(key);
        if (i >= 0 && n[i] < NV_WEB_NAMES_MAX)
            n[i]++;
    }
    for (int i = 0; i < N_KEYS; i++) {
        values[i] = n[i] ? nv_arena_alloc(memory, n[i] * sizeof(struct nv_str)) : NULL;
        if (n[i] && !values[i])
            return -ENOMEM;
        n[i] = 0;
    }

    rest = raw;
    while (nv_query_next(&rest, &key, &value)) {
        int i = which(key);
        if (i < 0 || n[i] >= NV_WEB_NAMES_MAX)
            continue;
        char *out = nv_arena_alloc(memory, value.n + 1);
        if (!out)
            return -ENOMEM;
        if (nv_query_decode(value, out, &values[i][n[i]]))
            n[i]++;
    }
    *ret = (struct nv_query){values[COLLECT], values[EXCLUDE], values[NAMES],
                             n[COLLECT],      n[EXCLUDE],      n[NAMES]};
    return 0;
}
