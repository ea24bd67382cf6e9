/*
 * sysfs.h - attributes of devices, by a path that comes from a format; names of devices.
 */
#ifndef NODEVITALS_SYSFS_H
#define NODEVITALS_SYSFS_H

#include <nodevitals/collector.h>

/* Writes a path as nv_path() does. */
__attribute__((format(printf, 2, 0))) static inline void
nv_path_v(char path[NV_PATH_MAX], const char *format, va_list arguments)
{
    int n = vsnprintf(path, NV_PATH_MAX, format, arguments);

    if (n < 0 || n >= NV_PATH_MAX)
        path[0] = '\0';
}

/* See nv_read_attribute(). */
__attribute__((format(printf, 3, 4))) static inline int
nv_attribute(struct nv_pass *pass, struct nv_str *ret, const char *format, ...)
{
    char path[NV_PATH_MAX];
    va_list arguments;

    va_start(arguments, format);
    nv_path_v(path, format, arguments);
    va_end(arguments);
    return nv_read_attribute(pass, path, ret);
}

/* See nv_read_u64(). */
__attribute__((format(printf, 3, 4))) static inline int
nv_attribute_u64(struct nv_pass *pass, uint64_t *ret, const char *format, ...)
{
    char path[NV_PATH_MAX];
    va_list arguments;

    va_start(arguments, format);
    nv_path_v(path, format, arguments);
    va_end(arguments);
    return nv_read_u64(pass, path, ret);
}

/* See nv_list(). */
__attribute__((format(printf, 3, 4))) static inline int
nv_entries(struct nv_pass *pass, struct nv_names *ret, const char *format, ...)
{
    char path[NV_PATH_MAX];
    va_list arguments;

    va_start(arguments, format);
    nv_path_v(path, format, arguments);
    va_end(arguments);
    return nv_list(pass, path, ret);
}

/* Whether `name` is `prefix` and at least one digit, and nothing else: nvme0, st3. */
static inline bool nv_is_numbered(struct nv_str name, const char *prefix)
{
    struct nv_str number = nv_str_from(name, strlen(prefix));

    if (!nv_str_starts(name, prefix) || !number.n)
        return false;
    for (size_t i = 0; i < number.n; i++) {
        if (!nv_is_digit(number.p[i]))
            return false;
    }
    return true;
}

/*
 * Whether `name` is the prefix and then a digit, as the shell's prefix[0-9]* has it; *ret_number is what
 * follows the prefix.
 */
static inline bool nv_numbered(struct nv_str name, const char *prefix, struct nv_str *ret_number)
{
    struct nv_str rest = nv_str_from(name, strlen(prefix));

    if (!nv_str_starts(name, prefix) || !rest.n || !nv_is_digit(rest.p[0]))
        return false;
    *ret_number = rest;
    return true;
}

/* The digits `s` begins with. */
static inline struct nv_str nv_leading_digits(struct nv_str s)
{
    size_t n = 0;

    while (n < s.n && nv_is_digit(s.p[n]))
        n++;
    return (struct nv_str){s.p, n};
}

/* ASCII letters and digits, whatever the locale. */
static inline bool nv_is_alnum(char c)
{
    return nv_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* The last part of a path. */
static inline struct nv_str nv_base_name(struct nv_str path)
{
    const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

    return slash ? nv_str_from(path, (size_t)(slash + 1 - path.p)) : path;
}

/* What stands before the last part, without the slash; empty when there is one part only. */
static inline struct nv_str nv_dir_name(struct nv_str path)
{
    const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

    return (struct nv_str){path.p, slash ? (size_t)(slash - path.p) : 0};
}

/* An attribute as text; empty where it cannot be read. */
static inline struct nv_str nv_attribute_or_empty(struct nv_pass *pass, const char *path)
{
    struct nv_str text = {"", 0};

    nv_read_attribute(pass, path, &text);
    return text;
}

static inline bool nv_is_directory(struct nv_pass *pass, const char *path)
{
    unsigned mode;

    return nv_stat(pass, path, &mode, NULL) == 0 && (mode & 0170000) == 0040000;
}

/*
 * Text as a part of a metric name: _*[^0-9A-Za-z_]+_* becomes one underscore each time. Lives until the
 * pass ends.
 */
static inline struct nv_str nv_name_part(struct nv_pass *pass, struct nv_str text)
{
    char *p = (char *)nv_alloc(pass, text.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < text.n;) {
        size_t first = i, bad;
        for (; i < text.n && text.p[i] == '_'; i++)
            ;
        for (bad = i; i < text.n && text.p[i] != '_' && !nv_is_alnum(text.p[i]); i++)
            ;
        if (i > bad) {
            for (; i < text.n && text.p[i] == '_'; i++)
                ;
            p[n++] = '_';
            continue;
        }
        for (; i < text.n && nv_is_alnum(text.p[i]); i++)
            ;
        memcpy(p + n, text.p + first, i - first);
        n += i - first;
    }
    p[n] = '\0';
    return (struct nv_str){p, n};
}

#endif
