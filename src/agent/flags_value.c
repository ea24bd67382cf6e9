/*
 * flags_value.c - words of a command line, and the values they stand for.
 */
#include "agent/flags_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/regex.h"

/* Units of a duration, in nanoseconds; of two that fit, the longer stands first. */
static const struct {
    const char *name;
    int64_t ns;
} units[] = {
    {"ns",      1                  },
    {"us",      1000               },
    {"\u00b5s", 1000               }, /* micro sign */
    {"\u03bcs", 1000               }, /* Greek mu */
    {"ms",      1000000            },
    {"s",       1000000000         },
    {"m",       60000000000        },
    {"h",       3600000000000      },
    {"d",       24 * 3600000000000 },
    {"w",       168 * 3600000000000},
};

int nv_flags_fail(struct nv_flags *flags, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(flags->error, sizeof(flags->error), format, arguments);
    va_end(arguments);
    return error;
}

/* Unit at the front of the text; 0 where there is none. */
static int64_t read_unit(struct nv_scan *text)
{
    for (size_t i = 0; i < NV_LEN(units); i++) {
        if (nv_scan_accept(text, units[i].name))
            return units[i].ns;
    }
    return 0;
}

/* Digits behind a point, as a share of 1e9; those beyond the ninth are dropped. */
static int64_t read_fraction(struct nv_scan *text, bool *ret_any)
{
    int64_t share = 0, weight = 100000000;

    for (*ret_any = false; text->at < text->end && nv_is_digit(*text->at); text->at++) {
        share += weight * (*text->at - '0');
        weight /= 10;
        *ret_any = true;
    }
    return share;
}

/* One number with its unit, "1.5h". */
static bool read_part(struct nv_scan *text, int64_t *ret_ns)
{
    int64_t whole = 0, share = 0, ns;
    bool digits = text->at < text->end && nv_is_digit(*text->at), fraction = false;

    for (; text->at < text->end && nv_is_digit(*text->at); text->at++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, *text->at - '0', &whole))
            return false;
    }
    if (nv_scan_accept(text, "."))
        share = read_fraction(text, &fraction);
    int64_t unit = read_unit(text);
    if (!unit || (!digits && !fraction))
        return false;
    ns = (int64_t)((__int128)share * unit / 1000000000);
    return !__builtin_mul_overflow(whole, unit, &whole) &&
           !__builtin_add_overflow(whole, ns, ret_ns);
}

bool nv_flags_duration(struct nv_str s, int64_t *ret)
{
    struct nv_scan text = nv_scan(s);
    bool minus = nv_scan_accept(&text, "-");
    int64_t sum = 0, part;

    if (!minus)
        nv_scan_accept(&text, "+");
    struct nv_str rest = nv_scan_rest(&text);
    if (!rest.n)
        return false;
    if (nv_str_is(rest, "0")) {
        *ret = 0;
        return true;
    }
    while (text.at < text.end) {
        if (!read_part(&text, &part) || __builtin_add_overflow(sum, part, &sum))
            return false;
    }
    *ret = minus ? -sum : sum;
    return true;
}

/* Appends to the list; the array doubles, and old ones stay behind in the arena. */
static int append(struct nv_flags *flags, struct nv_flag_value *value, const char *text)
{
    size_t n = value->n_list;
    struct nv_str *list = NULL;

    if ((n & (n - 1)) == 0) { /* a power of two is a full array */
        list = nv_arena_alloc(&flags->arena, (n ? n * 2 : 1) * sizeof(*list));
        if (!list)
            return -ENOMEM;
        if (n)
            memcpy(list, value->list, n * sizeof(*list));
    } else {
        list = (struct nv_str *)(uintptr_t)value->list;
    }
    list[n] = nv_str(text);
    value->list = list;
    value->n_list = n + 1;
    return 0;
}

int nv_flags_read(struct nv_flags *flags, const struct nv_flag *flag, const char *text,
                  struct nv_flag_value *value)
{
    switch (flag->kind) {
    case NV_FLAG_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return -EINVAL;
        value->on = text[0] == 't';
        return 0;
    case NV_FLAG_INT:
        return nv_str_to_i64(nv_str(text), &value->number) ? 0 : -EINVAL;
    case NV_FLAG_DURATION:
        return nv_flags_duration(nv_str(text), &value->number) ? 0 : -EINVAL;
    case NV_FLAG_LIST:
        return append(flags, value, text);
    case NV_FLAG_TEXT:
    case NV_FLAG_REGEX:
    case NV_FLAG_REGEX_WHOLE:
        value->text = nv_str(text);
        return 0;
    }
    return -EINVAL;
}

static int push(struct nv_flags *flags, struct nv_flags_words *words, const char *word)
{
    if (words->n == NV_FLAGS_ARGUMENTS_MAX)
        return nv_flags_fail(flags, -EINVAL, "more than %d arguments", NV_FLAGS_ARGUMENTS_MAX);
    if (words->n == words->room) {
        size_t room = words->room ? words->room * 2 : 64;
        const char **at = nv_arena_alloc(&flags->arena, room * sizeof(*at));
        if (!at)
            return -ENOMEM;
        if (words->n)
            memcpy(at, words->at, words->n * sizeof(*at));
        words->at = at;
        words->room = room;
    }
    words->at[words->n++] = word;
    return 0;
}

/* A whole file into the arena. */
static int read_file(struct nv_flags *flags, const char *path, struct nv_str *ret)
{
    NV_AUTO_BUF text = NV_BUF(NV_FLAGS_FILE_MAX + 1);
    char piece[4096];
    size_t n;

    FILE *file = fopen(path, "re");
    if (!file)
        return nv_flags_fail(flags, -EINVAL, "cannot read arguments from '%s': %m", path);
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0 && !text.failed)
        nv_buf_add(&text, piece, n);
    bool broken = ferror(file);
    fclose(file);
    if (broken)
        return nv_flags_fail(flags, -EINVAL, "cannot read arguments from '%s'", path);
    if (text.failed || text.n > NV_FLAGS_FILE_MAX)
        return nv_flags_fail(flags, -EINVAL, "'%s' has more than %d bytes of arguments", path,
                             NV_FLAGS_FILE_MAX);
    if (text.n && memchr(text.p, '\0', text.n))
        return nv_flags_fail(flags, -EINVAL, "'%s' holds a NUL byte, which no argument can", path);
    *ret = nv_arena_str(&flags->arena, nv_buf_view(&text));
    return ret->p ? 0 : -ENOMEM;
}

static int expand_word(struct nv_flags *flags, const char *word, struct nv_flags_words *words,
                       bool *over, int depth)
{
    struct nv_str text;

    if (*over || word[0] != '@') {
        *over |= strcmp(word, "--") == 0;
        return push(flags, words, word);
    }
    if (depth == NV_FLAGS_NESTED_MAX)
        return nv_flags_fail(flags, -EINVAL, "'%s' is nested too deep", word);
    int r = read_file(flags, word + 1, &text);
    if (r < 0)
        return r;
    while (text.n && r == 0) {
        struct nv_str line = nv_str_cut(&text, '\n');
        if (!nv_str_trim(line).n || line.p[0] == '#')
            continue;
        struct nv_str copy = nv_arena_str(&flags->arena, line);
        r = copy.p ? expand_word(flags, copy.p, words, over, depth + 1) : -ENOMEM;
    }
    return r;
}

int nv_flags_expand(struct nv_flags *flags, int argc, const char *const *argv,
                    struct nv_flags_words *ret)
{
    struct nv_flags_words words = {0};
    bool over = false;

    for (int i = 0; i < argc; i++) {
        int r = expand_word(flags, argv[i], &words, &over, 0);
        if (r < 0)
            return r;
    }
    *ret = words;
    return 0;
}
