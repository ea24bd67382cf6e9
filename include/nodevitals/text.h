/*
 * text.h - small texts that label values are made of. They live until the pass ends.
 */
#ifndef NODEVITALS_TEXT_H
#define NODEVITALS_TEXT_H

#include <nodevitals/collector.h>

/* The words left in the window, with one blank between two. */
static inline struct nv_str nv_scan_joined(struct nv_pass *pass, struct nv_scan *s)
{
    struct nv_str rest = nv_str_trim(nv_scan_rest(s));
    bool joined = true;

    for (size_t i = 0; i < rest.n && joined; i++)
        joined = !nv_is_space(rest.p[i]) || (rest.p[i] == ' ' && !nv_is_space(rest.p[i + 1]));
    if (joined)
        return rest;

    char *copy = nv_alloc(pass, rest.n);
    size_t n = 0;
    for (size_t i = 0; i < rest.n; i++) {
        bool space = nv_is_space(rest.p[i]);
        if (!space || !nv_is_space(rest.p[i + 1])) /* the last is no space */
            copy[n++] = space ? ' ' : rest.p[i];
    }
    return (struct nv_str){copy, n};
}

/* The texts "0" to "n - 1", for what is named by its place. n < 10,000,000. */
static inline const struct nv_str *nv_ordinals(struct nv_pass *pass, size_t n)
{
    enum { WIDTH = 8 };
    struct nv_str *names = nv_alloc(pass, n * (sizeof(*names) + WIDTH));
    char *text = (char *)(names + n);

    for (size_t i = 0; i < n; i++, text += WIDTH) {
        size_t at = WIDTH, rest = i;
        do
            text[--at] = (char)('0' + rest % 10);
        while ((rest /= 10) && at);
        names[i] = (struct nv_str){text + at, WIDTH - at};
    }
    return names;
}

#endif
