/*
 * parse_text.c - classic text, read as Go's expfmt.TextParser reads it, its messages included.
 *
 *   two passes the first checks everything and notes where the samples of each family stand; the
 *              second delivers them family by family. So the sink hears nothing of a text that has an
 *              error, HELP may follow samples, and families may be interleaved
 *   families   x_sum and x_count belong to a summary x and, with x_bucket, to a histogram x, once its TYPE
 *              was read and unless they have been families of their own before. Without samples: not told
 *   dropped    parts that say nothing: x_bucket without le, x without quantile. A histogram's bare x with
 *              le is a bucket
 *   labels     at most LABELS_MAX a sample, where Go has no bound
 */
#include "expo/expo.h"

#include <errno.h>
#include <strings.h>

#include "base/assert.h"
#include "base/index.h"
#include "base/utf8.h"
#include "expo/token.h"
#include "metric/name.h"

enum { LABELS_MAX = 2 * NV_LABELS_MAX, TEXT_MAX = 1 << 30, NO_LINE = UINT32_MAX };

static const char *const types[] = {"counter", "gauge", "untyped", "summary", "histogram"};

struct family {
    struct nv_text_family as;
    uint32_t first, last; /* its sample lines, by `next` */
};

struct line {
    uint32_t at, number, next; /* offset in the text */
};

struct parser {
    struct nv_str text;
    struct nv_token in;
    struct family *families;
    size_t n_families, room_families;
    struct nv_index index;
    struct line *lines;
    size_t n_lines, room_lines;
    struct nv_str names[LABELS_MAX], values[LABELS_MAX];
};

struct sample {
    struct family *family;
    struct nv_text_sample as;
};

/* ---- families ------------------------------------------------------------------------------- */

static uint64_t family_hash(uint32_t value, const void *families)
{
    struct nv_str key = ((const struct family *)families)[value].as.name;

    return nv_hash(key.p, key.n, 0);
}

static struct family *find(struct parser *p, struct nv_str key)
{
    uint64_t hash = nv_hash(key.p, key.n, 0);
    uint32_t v;

    for (uint32_t at = nv_index_first(&p->index, hash); nv_index_next(&p->index, hash, &at, &v);)
        if (nv_str_eq(p->families[v].as.name, key))
            return &p->families[v];
    return NULL;
}

/* The summary or histogram that `key` is a part of by its suffix, or NULL. */
static struct family *find_whole(struct parser *p, struct nv_str key)
{
    static const char *const suffixes[] = {"_count", "_sum", "_bucket"};

    for (size_t i = 0; i < NV_LEN(suffixes); i++) {
        size_t n = strlen(suffixes[i]);
        if (!nv_str_ends(key, suffixes[i]) || key.n == n)
            continue;
        struct family *whole = find(p, (struct nv_str){key.p, key.n - n});
        if (whole && whole->as.has_type &&
            (whole->as.type == NV_HISTOGRAM || (whole->as.type == NV_SUMMARY && i < 2)))
            return whole;
    }
    return NULL;
}

static int add_family(struct parser *p, struct nv_str key, struct family **ret)
{
    if (p->n_families == p->room_families) {
        size_t room = p->room_families ? p->room_families * 2 : 32;
        struct family *grown = realloc(p->families, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        p->families = grown;
        p->room_families = room;
    }
    uint32_t i = (uint32_t)p->n_families;
    p->families[i] = (struct family){
        .as = {.name = key, .type = NV_UNTYPED},
          .first = NO_LINE, .last = NO_LINE
    };
    int r = nv_index_add(&p->index, nv_hash(key.p, key.n, 0), i, family_hash, p->families);
    if (r < 0)
        return r;
    p->n_families++;
    *ret = &p->families[i];
    return 0;
}

static int family_of(struct parser *p, struct nv_str key, struct family **ret)
{
    if (!nv_name_is_legacy_metric(key))
        return nv_token_fail(&p->in, "invalid metric name %s", nv_token_quote(&p->in, key));
    *ret = find(p, key);
    if (!*ret)
        *ret = find_whole(p, key);
    return *ret ? 0 : add_family(p, key, ret);
}

/* ---- comments ------------------------------------------------------------------------------- */

static int help_line(struct parser *p, struct family *family)
{
    if (family->as.has_help)
        return nv_token_fail(&p->in, "second HELP line for metric name %s",
                             nv_token_quote(&p->in, family->as.name));
    int r = nv_token_line(&p->in, &family->as.help);
    if (r == 0 && nv_str_find(family->as.help, '\\') < family->as.help.n)
        r = nv_token_unescape(&p->in, &family->as.help);
    family->as.has_help = true;
    return r;
}

static int type_line(struct parser *p, struct family *family)
{
    struct nv_str text;

    if (family->as.has_type || family->first != NO_LINE)
        return nv_token_fail(&p->in,
                             "second TYPE line for metric name %s, or TYPE reported after samples",
                             nv_token_quote(&p->in, family->as.name));
    int r = nv_token_line(&p->in, &text);
    if (r < 0)
        return r;
    for (size_t i = 0; i < NV_LEN(types); i++) {
        if (text.n == strlen(types[i]) && strncasecmp(text.p, types[i], text.n) == 0) {
            family->as.type = (enum nv_type)i;
            family->as.has_type = true;
            return 0;
        }
    }
    return nv_token_fail(&p->in, "unknown metric type %s", nv_token_quote(&p->in, text));
}

/* A line from behind its '#' up to its newline. What is neither HELP nor TYPE is a comment. */
static int comment(struct parser *p)
{
    struct nv_str keyword, key;
    struct family *family;

    nv_token_blanks(&p->in);
    int r = nv_token_word(&p->in, &keyword);
    if (r < 0)
        return r;
    bool help = nv_str_is(keyword, "HELP");
    if (!help && !nv_str_is(keyword, "TYPE"))
        return nv_token_line(&p->in, &keyword);

    nv_token_blanks(&p->in);
    r = nv_token_name(&p->in, true, "metric name", &key);
    if (r < 0)
        return r;
    if (nv_token_peek(&p->in) == '\n')
        return 0;
    if (!nv_token_is_blank(nv_token_peek(&p->in)))
        return p->in.at == p->in.end ? nv_token_ended(&p->in)
                                     : nv_token_fail(&p->in, "invalid metric name in comment");
    r = family_of(p, key, &family);
    if (r < 0)
        return r;
    nv_token_blanks(&p->in);
    if (nv_token_peek(&p->in) == '\n')
        return 0;
    return help ? help_line(p, family) : type_line(p, family);
}

/* ---- samples -------------------------------------------------------------------------------- */

/* Remembers which family a sample is of, unless the second pass knows already. */
static int set_name(struct parser *p, struct sample *sample, struct nv_str key)
{
    sample->as.name = key;
    return sample->family ? 0 : family_of(p, key, &sample->family);
}

static struct nv_str name_of(const struct sample *sample)
{
    return sample->family ? sample->family->as.name : (struct nv_str){"", 0};
}

/* A name between braces that has no value: the metric's. */
static int name_in_braces(struct parser *p, struct sample *sample, struct nv_str key, bool braces)
{
    int c = nv_token_peek(&p->in);

    if (c < 0)
        return nv_token_ended(&p->in);
    if (!braces)
        return nv_token_fail(&p->in, "expected '=' after label name, found %s",
                             nv_token_quote_here(&p->in));
    if (sample->as.name.n)
        return nv_token_fail(&p->in, "multiple metric names for metric %s",
                             nv_token_quote(&p->in, name_of(sample)));
    if (c != ',' && c != '}')
        return nv_token_fail(&p->in, "unexpected end of metric name %s",
                             nv_token_quote_here(&p->in));
    return set_name(p, sample, key);
}

static int add_label(struct parser *p, struct sample *sample, struct nv_str key)
{
    size_t n = sample->as.n_labels;

    if (nv_str_is(key, "__name__"))
        return nv_token_fail(&p->in, "label name \"__name__\" is reserved");
    if (!nv_name_is_legacy_label(key))
        return nv_token_fail(&p->in, "invalid label name %s for metric %s",
                             nv_token_quote(&p->in, key), nv_token_quote(&p->in, name_of(sample)));
    for (size_t i = 0; i < n; i++)
        if (nv_str_eq(p->names[i], key))
            return nv_token_fail(&p->in, "duplicate label names for metric %s",
                                 nv_token_quote(&p->in, name_of(sample)));
    if (n == LABELS_MAX)
        return nv_token_fail(&p->in, "too many labels for metric %s",
                             nv_token_quote(&p->in, name_of(sample)));

    p->in.at++; /* the '=' */
    nv_token_blanks(&p->in);
    if (nv_token_peek(&p->in) != '"')
        return p->in.at == p->in.end
                   ? nv_token_ended(&p->in)
                   : nv_token_fail(&p->in, "expected '\"' at start of label value, found %s",
                                   nv_token_quote_here(&p->in));
    int r = nv_token_quoted(&p->in, "label value", &p->values[n]);
    if (r < 0)
        return r;
    if (!nv_utf8_valid(p->values[n]))
        return nv_token_fail(&p->in, "invalid label value %s",
                             nv_token_quote(&p->in, p->values[n]));
    p->names[n] = key;
    sample->as.n_labels++;
    return 0;
}

/* One label, or the name, and what follows it, which is ',' or '}' and left. */
static int label(struct parser *p, struct sample *sample, bool braces)
{
    struct nv_str key;

    int r = nv_token_name(&p->in, false, "label name", &key);
    if (r < 0)
        return r;
    if (!key.n)
        return nv_token_fail(&p->in, "invalid label name for metric %s",
                             nv_token_quote(&p->in, name_of(sample)));
    nv_token_blanks(&p->in);
    if (nv_token_peek(&p->in) != '=')
        return name_in_braces(p, sample, key, braces);
    r = add_label(p, sample, key);
    if (r < 0)
        return r;
    nv_token_blanks(&p->in);
    if (p->in.at == p->in.end)
        return nv_token_ended(&p->in);
    if (*p->in.at != ',' && *p->in.at != '}')
        return nv_token_fail(&p->in, "unexpected end of label value %s",
                             nv_token_quote(&p->in, p->values[sample->as.n_labels - 1]));
    return 0;
}

/* From the brace at the cursor to behind its partner. */
static int labels(struct parser *p, struct sample *sample)
{
    bool braces = sample->as.name.n == 0;

    do {
        p->in.at++;
        nv_token_blanks(&p->in);
        if (nv_token_peek(&p->in) == '}')
            break;
        if (p->in.at == p->in.end)
            return nv_token_ended(&p->in);
        int r = label(p, sample, braces);
        if (r < 0)
            return r;
    } while (*p->in.at == ',');
    p->in.at++;
    return sample->as.name.n ? 0 : nv_token_fail(&p->in, "invalid metric name");
}

static int timestamp(struct parser *p, struct sample *sample)
{
    struct nv_str text;

    nv_token_blanks(&p->in);
    int r = nv_token_word(&p->in, &text);
    if (r < 0)
        return r;
    if (!nv_token_is_integer(text))
        return nv_token_fail(&p->in, "expected integer as timestamp, got %s",
                             nv_token_quote(&p->in, text));
    sample->as.has_timestamp = true;
    r = nv_token_line(&p->in, &text);
    if (r < 0)
        return r;
    return text.n ? nv_token_fail(&p->in, "spurious string after timestamp: %s",
                                  nv_token_quote(&p->in, text))
                  : 0;
}

/* Where the family has it, the label that tells its parts apart; NULL elsewhere. */
static const char *bound_label(const struct family *family)
{
    return family->as.type == NV_HISTOGRAM ? "le"
           : family->as.type == NV_SUMMARY ? "quantile"
                                           : NULL;
}

static int check_bound(struct parser *p, const struct sample *sample)
{
    double value;

    nv_assert(sample->family); /* as there is a name */
    const char *bound = bound_label(sample->family);
    for (size_t i = 0; bound && i < sample->as.n_labels; i++)
        if (nv_str_is(p->names[i], bound) && !nv_token_number(p->values[i], &value))
            return nv_token_fail(&p->in, "expected float as value for '%s' label, got %s", bound,
                                 nv_token_quote(&p->in, p->values[i]));
    return 0;
}

/* A sample up to its newline. */
static int parse_sample(struct parser *p, struct sample *sample)
{
    struct nv_str text;
    int r;

    if (nv_token_peek(&p->in) != '{') {
        r = nv_token_name(&p->in, true, "metric name", &text);
        if (r == 0)
            r = text.n ? set_name(p, sample, text) : nv_token_fail(&p->in, "invalid metric name");
        if (r < 0)
            return r;
        nv_token_blanks(&p->in);
    }
    if (nv_token_peek(&p->in) == '{') {
        r = labels(p, sample);
        if (r == 0)
            r = check_bound(p, sample);
        if (r < 0)
            return r;
        nv_token_blanks(&p->in);
    }
    r = nv_token_word(&p->in, &text);
    if (r < 0)
        return r;
    if (!nv_token_number(text, &sample->as.value))
        return nv_token_fail(&p->in, "expected float as value, got %s",
                             nv_token_quote(&p->in, text));
    return *p->in.at == '\n' ? 0 : timestamp(p, sample);
}

/* ---- the passes ----------------------------------------------------------------------------- */

static int note_line(struct parser *p, struct family *family, const char *from)
{
    if (p->n_lines == p->room_lines) {
        size_t room = p->room_lines ? p->room_lines * 2 : 256;
        struct line *grown = realloc(p->lines, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        p->lines = grown;
        p->room_lines = room;
    }
    uint32_t i = (uint32_t)p->n_lines++;
    p->lines[i] = (struct line){(uint32_t)(from - p->text.p), p->in.line, NO_LINE};
    if (family->first == NO_LINE)
        family->first = i;
    else
        p->lines[family->last].next = i;
    family->last = i;
    return 0;
}

/* One line, its newline included. */
static int parse_line(struct parser *p)
{
    struct sample sample = {0};
    int r;

    p->in.line++;
    nv_token_blanks(&p->in);
    if (p->in.at == p->in.end)
        return 0;
    if (*p->in.at == '#') {
        p->in.at++;
        r = comment(p);
    } else if (*p->in.at != '\n') {
        const char *from = p->in.at;
        r = parse_sample(p, &sample);
        if (r == 0)
            r = note_line(p, sample.family, from);
    } else {
        r = 0;
    }
    if (r == 0)
        p->in.at++;
    return r;
}

/* Leaves out a bound where the part has none (x_sum{le="1"}), which Go takes no notice of either. */
static void drop_label(struct parser *p, struct sample *sample, const char *key)
{
    size_t kept = 0;

    for (size_t i = 0; i < sample->as.n_labels; i++) {
        if (nv_str_is(p->names[i], key))
            continue;
        p->names[kept] = p->names[i];
        p->values[kept++] = p->values[i];
    }
    sample->as.n_labels = kept;
}

/* Whether the sample has a bound, and not NaN, which counts as none. */
static bool has_bound(const struct parser *p, const struct sample *sample, const char *key)
{
    double value;

    for (size_t i = 0; i < sample->as.n_labels; i++)
        if (nv_str_is(p->names[i], key))
            return nv_token_number(p->values[i], &value) && !isnan(value);
    return false;
}

/* Makes a part of a histogram or summary what its name says. 1: deliver it, 0: it says nothing, or -ENOMEM. */
static int settle(struct parser *p, struct sample *sample)
{
    const char *bound = bound_label(sample->family);
    struct nv_str whole = sample->family->as.name;

    if (!bound)
        return 1;
    if (sample->as.name.n > whole.n && !nv_str_ends(sample->as.name, "_bucket")) {
        drop_label(p, sample, bound);
        return 1;
    }
    if (!has_bound(p, sample, bound))
        return 0;
    if (sample->family->as.type == NV_HISTOGRAM && sample->as.name.n == whole.n) {
        size_t n = whole.n + strlen("_bucket");
        char *copy = nv_arena_alloc(&p->in.arena, n);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, whole.p, whole.n);
        memcpy(copy + whole.n, "_bucket", n - whole.n);
        sample->as.name = (struct nv_str){copy, n};
    }
    return 1;
}

static int deliver_line(struct parser *p, struct family *family, const struct line *line,
                        const struct nv_text_sink *sink, void *user)
{
    struct sample sample = {.family = family};

    p->in.at = p->text.p + line->at;
    p->in.line = line->number;
    int r = parse_sample(p, &sample);
    if (r == 0)
        r = settle(p, &sample);
    if (r <= 0)
        return r;
    sample.as.label_names = p->names;
    sample.as.label_values = p->values;
    return sink->sample(user, &sample.as);
}

static int deliver(struct parser *p, const struct nv_text_sink *sink, void *user)
{
    for (size_t i = 0; i < p->n_families; i++) {
        struct family *family = &p->families[i];
        if (family->first == NO_LINE)
            continue;
        int r = sink->family(user, &family->as);
        for (uint32_t k = family->first; k != NO_LINE && r == 0; k = p->lines[k].next)
            r = deliver_line(p, family, &p->lines[k], sink, user);
        if (r < 0)
            return r;
    }
    return 0;
}

int nv_expo_parse_text(struct nv_str text, const struct nv_text_sink *sink, void *user, char *error,
                       size_t error_max)
{
    NV_AUTO_FREE struct parser *p = calloc(1, sizeof(*p));
    int r = 0;

    if (!p)
        return -ENOMEM;
    p->text = text;
    p->in.at = text.p;
    p->in.end = text.n ? text.p + text.n : text.p;
    p->in.error = error;
    p->in.error_max = error_max;
    p->in.arena = NV_ARENA((size_t)16 * text.n + (1 << 20)); /* both passes unescape */
    if (text.n > TEXT_MAX)
        r = nv_token_fail(&p->in, "text too long");
    while (r == 0 && p->in.at < p->in.end)
        r = parse_line(p);
    if (r == 0)
        r = deliver(p, sink, user);
    nv_arena_done(&p->in.arena);
    nv_index_done(&p->index);
    free(p->families);
    free(p->lines);
    return r;
}
