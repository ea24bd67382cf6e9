#include "literals.h"

enum { BUCKETS = 1024, GRAM = NV_LITERAL_MIN };

struct entry {
    struct entry *next; /* in the bucket */
    unsigned id, gram;  /* gram: where in the text its four bytes are */
    size_t n;
    char text[];
};

struct nv_literals {
    uint64_t bits[BUCKETS / 64];
    struct entry *buckets[BUCKETS];
};

struct nv_literals *nv_literals_new(void)
{
    return calloc(1, sizeof(struct nv_literals));
}

void nv_literals_free(struct nv_literals *literals)
{
    if (!literals)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry *entry = literals->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free(literals);
}

static unsigned hash(const char *p)
{
    uint32_t four;

    memcpy(&four, p, sizeof(four));
    return four * UINT32_C(2654435761) >> 22;
}

/* How seldom a byte is in a log: blanks and vowels are everywhere. */
static unsigned rarity(char c)
{
    return strchr(" aeionrst", c) ? 0 : (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? 1 : 2;
}

/* Where the least usual four bytes begin. */
static unsigned best_gram(struct nv_str text)
{
    unsigned best = 0, best_score = 0;

    for (size_t i = 0; i + GRAM <= text.n; i++) {
        unsigned score = 1;
        for (size_t k = 0; k < GRAM; k++)
            score += rarity(text.p[i + k]);
        if (score > best_score) {
            best = (unsigned)i;
            best_score = score;
        }
    }
    return best;
}

int nv_literals_add(struct nv_literals *literals, struct nv_str text, unsigned id)
{
    if (text.n < NV_LITERAL_MIN || id >= NV_LITERAL_IDS_MAX)
        return -EINVAL;
    struct entry *entry = malloc(sizeof(*entry) + text.n);
    if (!entry)
        return -ENOMEM;
    entry->id = id;
    entry->gram = best_gram(text);
    entry->n = text.n;
    memcpy(entry->text, text.p, text.n);
    unsigned bucket = hash(text.p + entry->gram);
    entry->next = literals->buckets[bucket];
    literals->buckets[bucket] = entry;
    literals->bits[bucket / 64] |= UINT64_C(1) << bucket % 64;
    return 0;
}

/* Compares those of a bucket with the text around byte `at`. */
static void compare(const struct entry *entry, struct nv_str text, size_t at, uint64_t *found)
{
    for (; entry; entry = entry->next) {
        if (entry->gram <= at && entry->n <= text.n - (at - entry->gram) &&
            memcmp(text.p + at - entry->gram, entry->text, entry->n) == 0)
            found[entry->id / 64] |= UINT64_C(1) << entry->id % 64;
    }
}

void nv_literals_find(const struct nv_literals *literals, struct nv_str text, uint64_t *found)
{
    for (size_t at = 0; at + GRAM <= text.n; at++) {
        unsigned bucket = hash(text.p + at);
        if (literals->bits[bucket / 64] >> bucket % 64 & 1)
            compare(literals->buckets[bucket], text, at, found);
    }
}

/* ---- what an expression requires ------------------------------------------------------------ */

/* The run of plain bytes that is being gathered, and the longest so far. */
struct runs {
    char run[NV_LITERAL_TEXT_MAX], best[NV_LITERAL_TEXT_MAX];
    size_t n, n_best;
};

static void end_run(struct runs *runs)
{
    if (runs->n > runs->n_best) {
        memcpy(runs->best, runs->run, runs->n);
        runs->n_best = runs->n;
    }
    runs->n = 0;
}

static void add_byte(struct runs *runs, char c)
{
    if (runs->n == NV_LITERAL_TEXT_MAX - 1)
        end_run(runs);
    runs->run[runs->n++] = c;
}

/* Steps over a bracket expression, from its '[' on. */
static size_t class_length(struct nv_str s)
{
    size_t i = 1 + (s.n > 1 && s.p[1] == '^');

    i += i < s.n && s.p[i] == ']';
    for (; i < s.n && s.p[i] != ']'; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '[' && i + 1 < s.n && s.p[i + 1] == ':') {
            struct nv_str rest = nv_str_from(s, i + 2);
            size_t end = nv_str_find(rest, ']');
            i += end < rest.n ? end + 2 : 0;
        }
    }
    return i < s.n ? i + 1 : s.n;
}

/* Steps over a group, from its '(' on. */
static size_t group_length(struct nv_str s)
{
    size_t depth = 0, i = 0;

    while (i < s.n) {
        char c = s.p[i];
        if (c == '\\') {
            i += 2;
            continue;
        }
        if (c == '[') {
            i += class_length(nv_str_from(s, i));
            continue;
        }
        depth += c == '(';
        i++;
        if (c == ')' && --depth == 0)
            return i;
    }
    return s.n;
}

/* Bytes of a quantifier at the front, 0 for none. *ret_optional: what it follows may be missing. */
static size_t quantifier(struct nv_str s, bool *ret_optional)
{
    size_t n = 0;

    *ret_optional = false;
    if (!s.n)
        return 0;
    if (s.p[0] == '*' || s.p[0] == '?' || s.p[0] == '+') {
        *ret_optional = s.p[0] != '+';
        n = 1;
    } else if (s.p[0] == '{' && s.n > 1 && nv_is_digit(s.p[1])) {
        size_t end = nv_str_find(s, '}');
        *ret_optional = s.p[1] == '0';
        n = end < s.n ? end + 1 : 0;
    }
    return n && n < s.n && s.p[n] == '?' ? n + 1 : n;
}

/* One piece of an expression: its length, and the byte it stands for, or -1 for many. */
static size_t piece(struct nv_str s, int *ret_byte)
{
    static const char plain_escapes[] = "\\.+*?()|[]{}^$/-:#\"'<>=&%!@,;`~_ ";

    *ret_byte = -1;
    switch (s.p[0]) {
    case '[':
        return class_length(s);
    case '(':
        return group_length(s);
    case '.':
    case '^':
    case '$':
        return 1;
    case '\\':
        if (s.n > 1 && strchr(plain_escapes, s.p[1]))
            *ret_byte = (unsigned char)s.p[1];
        return s.n > 1 ? 2 : 1;
    default: /* of a character of several bytes a quantifier takes all */
        *ret_byte = (unsigned char)s.p[0] < 0x80 ? (unsigned char)s.p[0] : -1;
        return 1;
    }
}

/* Whether the expression is beyond what is understood here: alternatives at the top, flags, quoting, bytes by number. */
static bool is_beyond(struct nv_str s)
{
    static const char *const refused[] = {"(?i", "(?m", "(?s", "(?U", "(?-",
                                          "\\Q", "\\x", "\\0", "\\p", "\\P"};

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (nv_str_contains(s, refused[i]))
            return true;
    }
    for (size_t i = 0; i < s.n; i++) {
        int byte;
        if (s.p[i] == '|')
            return true;
        i += piece(nv_str_from(s, i), &byte) - 1;
    }
    return false;
}

size_t nv_literal_required(struct nv_str pattern, char ret[NV_LITERAL_TEXT_MAX])
{
    struct runs runs = {.n = 0, .n_best = 0};
    bool optional;

    if (is_beyond(pattern))
        return 0;
    for (size_t i = 0; i < pattern.n;) {
        int byte;
        i += piece(nv_str_from(pattern, i), &byte);
        size_t n = quantifier(nv_str_from(pattern, i), &optional);
        i += n;
        if (byte >= 0 && !optional)
            add_byte(&runs, (char)byte);
        if (byte < 0 || n)
            end_run(&runs);
    }
    end_run(&runs);
    if (runs.n_best < NV_LITERAL_MIN)
        return 0;
    memcpy(ret, runs.best, runs.n_best);
    ret[runs.n_best] = '\0';
    return runs.n_best;
}
