/*
 * strict.h - whether a text is OpenMetrics to the letter: the grammar, families once and together, suffixes as
 * the type has them, no series twice, canonical bounds, and the end where it has to be.
 */
#ifndef NV_TEST_EXPO_STRICT_H
#define NV_TEST_EXPO_STRICT_H

#include <stdio.h>

#include "base/index.h"
#include "base/number.h"
#include "base/utf8.h"
#include "expo/expo.h"
#include "metric/name.h"

static const struct {
    const char *type;
    const char *suffixes[4];
} strict_types[] = {
    {"counter",   {"_total"}                   },
    {"gauge",     {""}                         },
    {"unknown",   {""}                         },
    {"summary",   {"", "_sum", "_count"}       },
    {"histogram", {"_bucket", "_sum", "_count"}},
};

struct strict {
    struct nv_str at, line;
    char family[4300];
    int type; /* -1: none yet */
    bool has_samples;
    struct nv_str *names; /* of families and, prefixed by what they stand for, of series */
    size_t n_names;
    const char *wrong;
};

static inline bool strict_new(struct strict *s, struct nv_str name)
{
    for (size_t i = 0; i < s->n_names; i++)
        if (nv_str_eq(s->names[i], name))
            return false;
    s->names = nv_must(realloc(s->names, (s->n_names + 1) * sizeof(*s->names)));
    s->names[s->n_names++] = name;
    return true;
}

/* A quoted text at the front of *s, without its quotes and still escaped. */
static inline bool strict_quoted(struct nv_str *s, struct nv_str *ret)
{
    if (!s->n || s->p[0] != '"')
        return false;
    for (size_t i = 1; i < s->n; i++) {
        if (s->p[i] == '"') {
            *ret = (struct nv_str){s->p + 1, i - 1};
            *s = nv_str_from(*s, i + 1);
            return nv_utf8_valid(*ret);
        }
        if (s->p[i] == '\\' && (++i == s->n || !strchr("\\n\"", s->p[i])))
            return false;
    }
    return false;
}

/* A name at the front of *s: bare and legacy, or quoted and not. */
static inline bool strict_name(struct nv_str *s, struct nv_str *ret)
{
    if (s->n && s->p[0] == '"')
        return strict_quoted(s, ret) && !nv_name_is_legacy_metric(*ret);
    size_t n = 0;
    while (n < s->n && !strchr(" {=,}\"", s->p[n]))
        n++;
    *ret = (struct nv_str){s->p, n};
    *s = nv_str_from(*s, n);
    return nv_name_is_legacy_metric(*ret);
}

static inline bool strict_accept(struct nv_str *s, const char *text)
{
    if (!nv_str_starts(*s, text))
        return false;
    *s = nv_str_from(*s, strlen(text));
    return true;
}

static inline const char *strict_descriptor(struct strict *s, struct nv_str line)
{
    bool help = strict_accept(&line, "# HELP "), type = !help && strict_accept(&line, "# TYPE ");
    struct nv_str name;

    if (!help && !type)
        return "comment";
    if (!strict_name(&line, &name) || !strict_accept(&line, " "))
        return "name of a descriptor";
    if (help || s->has_samples || !nv_str_is(name, s->family)) {
        if (!strict_new(s, name))
            return "family twice";
        snprintf(s->family, sizeof(s->family), "%.*s", NV_ARGS(name));
        s->has_samples = false;
        s->type = -1;
    }
    if (help) {
        for (size_t i = 0; i < line.n; i++) {
            if (line.p[i] == '"')
                return "bare quote in HELP";
            if (line.p[i] == '\\' && (++i == line.n || !strchr("\\n\"", line.p[i])))
                return "escape in HELP";
        }
        return nv_utf8_valid(line) ? NULL : "HELP not UTF-8";
    }
    if (s->type >= 0)
        return "second TYPE";
    for (size_t i = 0; i < NV_LEN(strict_types); i++)
        if (nv_str_is(line, strict_types[i].type))
            s->type = (int)i;
    return s->type < 0 ? "type word" : NULL;
}

static inline bool strict_suffix(const struct strict *s, struct nv_str name)
{
    size_t n = strlen(s->family);

    if (name.n < n || memcmp(name.p, s->family, n) != 0)
        return false;
    for (size_t i = 0; i < 4 && strict_types[s->type].suffixes[i]; i++)
        if (nv_str_is(nv_str_from(name, n), strict_types[s->type].suffixes[i]))
            return true;
    return false;
}

static inline bool strict_number(struct nv_str s)
{
    double value;
    char again[NV_NUMBER_MAX];

    if (nv_str_is(s, "NaN") || nv_str_is(s, "+Inf") || nv_str_is(s, "-Inf"))
        return true;
    if (!s.n || !nv_str_to_real(s, &value) || !isfinite(value))
        return false;
    bool whole = !memchr(s.p, '.', s.n) && !memchr(s.p, 'e', s.n);
    return whole || nv_str_eq(s, (struct nv_str){again, nv_number_openmetrics(again, value)});
}

static inline const char *strict_labels(const struct strict *s, struct nv_str *line,
                                        struct nv_str *name)
{
    struct nv_str names[NV_LABELS_MAX + 1], value;
    size_t n = 0;
    const char *bound = s->type == 4 ? "le" : s->type == 3 ? "quantile" : "";
    bool quoted = !name->n;

    if (!strict_accept(line, "{"))
        return NULL;
    if (quoted && !(strict_quoted(line, name) && !nv_name_is_legacy_metric(*name)))
        return "quoted name";
    if (quoted && strict_accept(line, "}"))
        return NULL;
    if (quoted && !strict_accept(line, ","))
        return "behind the name";
    do {
        if (n > NV_LABELS_MAX || !strict_name(line, &names[n]) || !strict_accept(line, "=") ||
            !strict_quoted(line, &value))
            return "label";
        if (nv_str_is(names[n], bound) && !strict_number(value))
            return "bound not canonical";
        if (nv_str_is(names[n], bound) && !nv_str_contains(value, "Inf") &&
            !memchr(value.p, '.', value.n) && !memchr(value.p, 'e', value.n) &&
            !nv_str_is(value, "NaN"))
            return "bound not a float";
        for (size_t i = 0; i < n; i++)
            if (nv_str_eq(names[i], names[n]))
                return "label twice";
        n++;
    } while (strict_accept(line, ","));
    return strict_accept(line, "}") ? NULL : "labels not closed";
}

static inline const char *strict_sample(struct strict *s, struct nv_str line)
{
    struct nv_str whole = line, name = {NULL, 0};

    if (s->type < 0)
        return "sample without TYPE";
    if (line.n && line.p[0] != '{' && !strict_name(&line, &name))
        return "name of a sample";
    const char *wrong = strict_labels(s, &line, &name);
    if (wrong)
        return wrong;
    if (!strict_suffix(s, name))
        return "sample of another family";
    if (!strict_new(s, (struct nv_str){whole.p, (size_t)(line.p - whole.p) + 1}))
        return "series twice";
    s->has_samples = true;
    return strict_accept(&line, " ") && strict_number(line) ? NULL : "value";
}

/* NULL, or what is wrong, with the line it is wrong in in *ret_line. */
static inline const char *strict_openmetrics(struct nv_str text, struct nv_str *ret_line)
{
    struct strict s = {.type = -1};
    const char *wrong = NULL;
    bool ended = false;

    if (text.n && text.p[text.n - 1] != '\n')
        return "no newline at the end";
    while (text.n && !wrong) {
        struct nv_str line = nv_str_cut(&text, '\n');
        *ret_line = line;
        if (ended)
            wrong = "text behind # EOF";
        else if (nv_str_is(line, "# EOF"))
            ended = true;
        else
            wrong =
                nv_str_starts(line, "#") ? strict_descriptor(&s, line) : strict_sample(&s, line);
    }
    free(s.names);
    return wrong ? wrong : ended ? NULL : "no # EOF";
}

#endif
