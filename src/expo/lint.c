/*
 * lint.c - what is unusual about the metrics of a text, in the words of promtool's `check metrics`.
 *
 * A problem is told once per metric, so once per label set for those of labels, where the parts of a
 * histogram or summary are one. Of a name with several units the first is judged.
 */
#include "expo/expo.h"

#include <errno.h>
#include <stdio.h>

#include "base/index.h"

enum { ERROR_MAX = 1024 };

static const struct {
    const char *unit, *base;
} units[] = {
    {"amperes",    "amperes"},
    {"bytes",      "bytes"  },
    {"celsius",    "celsius"},
    {"grams",      "grams"  },
    {"joules",     "joules" },
    {"kelvin",     "kelvin" },
    {"meters",     "meters" },
    {"metres",     "metres" },
    {"seconds",    "seconds"},
    {"volts",      "volts"  },
    {"minutes",    "seconds"},
    {"hours",      "seconds"},
    {"days",       "seconds"},
    {"weeks",      "seconds"},
    {"kelvins",    "kelvin" },
    {"fahrenheit", "celsius"},
    {"rankine",    "celsius"},
    {"inches",     "meters" },
    {"yards",      "meters" },
    {"miles",      "meters" },
    {"bits",       "bytes"  },
    {"calories",   "joules" },
    {"pounds",     "grams"  },
    {"ounces",     "grams"  },
};

/* "mibi" is promtool's. */
static const char *const prefixes[] = {"",     "pico",  "nano", "micro", "milli", "centi", "deci",
                                       "deca", "hecto", "kilo", "kibi",  "mega",  "mibi",  "giga",
                                       "gibi", "tera",  "tebi", "peta",  "pebi"};

static const char *const abbreviations[] = {"s",  "ms", "us", "ns", "sec", "b", "kb",
                                            "mb", "gb", "tb", "pb", "m",   "h", "d"};

static const struct {
    const char *word, *text;
} type_words[] = {
    {"counter",         "metric name should not include type 'counter'"        },
    {"gauge",           "metric name should not include type 'gauge'"          },
    {"summary",         "metric name should not include type 'summary'"        },
    {"histogram",       "metric name should not include type 'histogram'"      },
    {"gauge_histogram", "metric name should not include type 'gauge_histogram'"},
};

struct problem {
    struct nv_str metric;
    const char *text;
    struct nv_str unit; /* to be written as `base`; or empty */
    const char *base;
};

struct lint {
    struct problem *problems;
    size_t n, room;
    struct nv_text_family family;
    struct nv_index seen; /* label sets of the family */
    uint64_t *hashes;
    size_t n_hashes, room_hashes;
    struct nv_buf lower; /* scratch: a name in lower case */
};

static int add(struct lint *lint, struct problem problem)
{
    if (lint->n == lint->room) {
        size_t room = lint->room ? lint->room * 2 : 32;
        struct problem *grown = realloc(lint->problems, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        lint->problems = grown;
        lint->room = room;
    }
    problem.metric = lint->family.name;
    lint->problems[lint->n++] = problem;
    return 0;
}

static int tell(struct lint *lint, bool wrong, const char *text)
{
    return wrong ? add(lint, (struct problem){.text = text}) : 0;
}

/* Whether `word` stands between underscores, or behind one at the end. */
static bool has_word(struct nv_str name, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = nv_str_find(name, '_'); i < name.n; i++) {
        struct nv_str rest = nv_str_from(name, i + 1);
        if (name.p[i] == '_' && nv_str_starts(rest, word) && (rest.n == n || rest.p[n] == '_'))
            return true;
    }
    return false;
}

static bool is_camel(struct nv_str name)
{
    for (size_t i = 1; i < name.n; i++)
        if (name.p[i - 1] >= 'a' && name.p[i - 1] <= 'z' && name.p[i] >= 'A' && name.p[i] <= 'Z')
            return true;
    return false;
}

/* The base of the unit that a word is, with or without a prefix; NULL for any other word. */
static const char *base_of(struct nv_str word)
{
    for (size_t i = 0; i < NV_LEN(units); i++) {
        if (!nv_str_ends(word, units[i].unit))
            continue;
        struct nv_str front = {word.p, word.n - strlen(units[i].unit)};
        for (size_t k = 0; k < NV_LEN(prefixes); k++)
            if (nv_str_is(front, prefixes[k]))
                return units[i].base;
    }
    return NULL;
}

static int lint_units(struct lint *lint, struct nv_str name)
{
    while (name.n) {
        struct nv_str word = nv_str_cut(&name, '_');
        const char *base = base_of(word);
        if (base && nv_str_is(word, base))
            return 0;
        if (base)
            return add(lint, (struct problem){.text = "use base unit", .unit = word, .base = base});
    }
    return 0;
}

static int lint_suffixes(struct lint *lint, struct nv_str name, enum nv_type type)
{
    bool total = nv_str_ends(name, "_total"), typed = type != NV_UNTYPED;
    bool histogram = type == NV_HISTOGRAM, parts = histogram || type == NV_SUMMARY;

    int r =
        tell(lint, type == NV_COUNTER && !total, "counter metrics should have \"_total\" suffix");
    if (r == 0)
        r = tell(lint, typed && type != NV_COUNTER && total,
                 "non-counter metrics should not have \"_total\" suffix");
    if (r == 0)
        r = tell(lint, typed && !histogram && nv_str_ends(name, "_bucket"),
                 "non-histogram metrics should not have \"_bucket\" suffix");
    if (r == 0)
        r = tell(lint, typed && !parts && nv_str_ends(name, "_count"),
                 "non-histogram and non-summary metrics should not have \"_count\" suffix");
    if (r == 0)
        r = tell(lint, typed && !parts && nv_str_ends(name, "_sum"),
                 "non-histogram and non-summary metrics should not have \"_sum\" suffix");
    return r;
}

static struct nv_str lower(struct lint *lint, struct nv_str name)
{
    nv_buf_reset(&lint->lower);
    for (size_t i = 0; i < name.n; i++)
        nv_buf_char(&lint->lower,
                    name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] | 0x20) : name.p[i]);
    return nv_buf_view(&lint->lower);
}

static int lint_words(struct lint *lint, struct nv_str name)
{
    struct nv_str small = lower(lint, name);
    int r = tell(lint, nv_str_find(name, ':') < name.n, "metric names should not contain ':'");

    if (r == 0)
        r = tell(lint, is_camel(name),
                 "metric names should be written in 'snake_case' not 'camelCase'");
    for (size_t i = 0; i < NV_LEN(type_words) && r == 0; i++)
        r = tell(lint, has_word(small, type_words[i].word), type_words[i].text);
    for (size_t i = 0; i < NV_LEN(abbreviations) && r == 0; i++)
        r = tell(lint, has_word(small, abbreviations[i]),
                 "metric names should not contain abbreviated units");
    return r;
}

static int on_family(void *user, const struct nv_text_family *family)
{
    struct lint *lint = user;

    lint->family = *family;
    lint->n_hashes = 0;
    nv_index_done(&lint->seen);
    int r = tell(lint, !family->has_help, "no help text");
    if (r == 0)
        r = lint_units(lint, family->name);
    if (r == 0)
        r = lint_suffixes(lint, family->name, family->type);
    if (r == 0)
        r = lint_words(lint, family->name);
    return r;
}

/* The label that makes a sample a part of its metric. */
static bool is_bound(const struct lint *lint, struct nv_str label)
{
    return (lint->family.type == NV_HISTOGRAM && nv_str_is(label, "le")) ||
           (lint->family.type == NV_SUMMARY && nv_str_is(label, "quantile"));
}

static uint64_t rehash(uint32_t value, const void *hashes)
{
    return ((const uint64_t *)hashes)[value];
}

/* 1 where the label set of a histogram or summary was met before, 0 where not, or -ENOMEM. */
static int was_seen(struct lint *lint, const struct nv_text_sample *sample)
{
    uint64_t hash = 0; /* whatever the order of the labels */
    uint32_t v;

    for (size_t i = 0; i < sample->n_labels; i++) {
        struct nv_str name = sample->label_names[i], value = sample->label_values[i];
        if (!is_bound(lint, name))
            hash += nv_hash(value.p, value.n, nv_hash(name.p, name.n, 0));
    }
    for (uint32_t at = nv_index_first(&lint->seen, hash);
         nv_index_next(&lint->seen, hash, &at, &v);)
        if (lint->hashes[v] == hash)
            return 1;
    if (lint->n_hashes == lint->room_hashes) {
        size_t room = lint->room_hashes ? lint->room_hashes * 2 : 32;
        uint64_t *grown = realloc(lint->hashes, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        lint->hashes = grown;
        lint->room_hashes = room;
    }
    lint->hashes[lint->n_hashes] = hash;
    return nv_index_add(&lint->seen, hash, (uint32_t)lint->n_hashes++, rehash, lint->hashes);
}

static int on_sample(void *user, const struct nv_text_sample *sample)
{
    struct lint *lint = user;
    enum nv_type type = lint->family.type;

    if (type == NV_HISTOGRAM || type == NV_SUMMARY) {
        int r = was_seen(lint, sample);
        if (r)
            return r < 0 ? r : 0;
    }
    for (size_t i = 0; i < sample->n_labels; i++) {
        struct nv_str label = sample->label_names[i];
        int r = tell(lint, type != NV_UNTYPED && type != NV_HISTOGRAM && nv_str_is(label, "le"),
                     "non-histogram metrics should not have \"le\" label");
        if (r == 0)
            r = tell(lint, type != NV_UNTYPED && type != NV_SUMMARY && nv_str_is(label, "quantile"),
                     "non-summary metrics should not have \"quantile\" label");
        if (r == 0)
            r = tell(lint, is_camel(label),
                     "label names should be written in 'snake_case' not 'camelCase'");
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct problem *x = a, *y = b;
    int order = nv_str_cmp(x->metric, y->metric);

    return order ? order : strcmp(x->text, y->text);
}

static void print(struct nv_buf *out, const struct problem *problem)
{
    nv_buf_str(out, problem->metric);
    nv_buf_printf(out, " %s", problem->text);
    if (problem->base) {
        nv_buf_printf(out, " \"%s\" instead of \"", problem->base);
        nv_buf_str(out, problem->unit);
        nv_buf_char(out, '"');
    }
    nv_buf_char(out, '\n');
}

int nv_expo_lint(struct nv_str text, struct nv_buf *out)
{
    static const struct nv_text_sink sink = {on_family, on_sample};
    struct lint lint = {.lower = NV_BUF(text.n + 1)};
    char error[ERROR_MAX];

    int r = nv_expo_parse_text(text, &sink, &lint, error, sizeof(error));
    if (r == -EBADMSG)
        nv_buf_printf(out, "error while linting: %s\n", error);
    if (r == 0 && lint.n) {
        qsort(lint.problems, lint.n, sizeof(lint.problems[0]), compare);
        for (size_t i = 0; i < lint.n; i++)
            print(out, &lint.problems[i]);
    }
    free(lint.problems);
    free(lint.hashes);
    nv_index_done(&lint.seen);
    nv_buf_done(&lint.lower);
    return r < 0 ? r : (int)lint.n;
}
