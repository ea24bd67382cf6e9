/*
 * families.c - text exposition into families, as node_exporter makes of a file.
 *
 *   labels  all series of a family get the same names of labels; those that a sample lacks are ""
 *   parts   of a histogram or summary are gathered by their other labels. Sum and count are 0 where they are
 *           missing, the bucket +Inf is the count; counts are whole numbers; the last of equal bounds counts
 *   bounds  are written as Go writes them, whatever the file has: le="1000000" becomes le="1e+06"
 */
#include "families.h"

enum {
    CHUNK = 16 << 10,
    BOUND_MAX = 32, /* of a number as text */
};

/* Memory that is freed as a whole. */
struct nv_textfile_chunk {
    struct nv_textfile_chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void nv_textfile_memory_done(struct nv_textfile_memory *memory)
{
    while (memory->chunks) {
        struct nv_textfile_chunk *next = memory->chunks->next;
        free(memory->chunks);
        memory->chunks = next;
    }
    *memory = (struct nv_textfile_memory){0};
}

/* NULL when memory is out, which `failed` keeps. */
void *nv_textfile_keep(struct nv_textfile_memory *memory, size_t size)
{
    struct nv_textfile_chunk *chunk = memory->chunks;

    size = (size + 15) & ~(size_t)15;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK ? size : memory->chunks ? CHUNK : CHUNK / 8 + size;
        chunk = malloc(sizeof(*chunk) + room);
        if (!chunk) {
            memory->failed = true;
            return NULL;
        }
        *chunk = (struct nv_textfile_chunk){.next = memory->chunks, .size = room};
        memory->chunks = chunk;
        memory->size += sizeof(*chunk) + room;
    }
    chunk->used += size;
    return chunk->bytes + chunk->used - size;
}

/* A copy that ends in NUL. */
static char *keep_text(struct nv_textfile_memory *memory, struct nv_str text)
{
    char *copy = nv_textfile_keep(memory, text.n + 1);

    if (copy) {
        if (text.n)
            memcpy(copy, text.p, text.n);
        copy[text.n] = '\0';
    }
    return copy;
}

/* ---- a family, once all its samples are there ------------------------------------------------- */

/* Names of labels that come up in any of the samples, in order of appearance. */
static int unite(struct nv_textfile_memory *memory, const struct nv_textfile_family *family,
                 const char *const **ret, size_t *ret_n)
{
    const char *names[NV_LABELS_MAX + 1] = {NULL};
    const char *const *seen = NULL;
    size_t n = 0;

    for (const struct nv_textfile_sample *s = family->samples; s; s = s->next) {
        if (s->names == seen)
            continue;
        seen = s->names;
        for (size_t i = 0; seen[i]; i++) {
            size_t k = 0;
            while (k < n && strcmp(names[k], seen[i]) != 0)
                k++;
            if (k == NV_LABELS_MAX)
                return -E2BIG;
            if (k == n)
                names[n++] = seen[i];
        }
    }
    const char **copy = nv_textfile_keep(memory, (n + 1) * sizeof(*copy));
    if (!copy)
        return -ENOMEM;
    memcpy(copy, names, (n + 1) * sizeof(*copy));
    *ret = copy;
    *ret_n = n;
    return 0;
}

/* Gives a sample the labels `names`, in that order, and room for one more. */
static bool align(struct nv_textfile_memory *memory, struct nv_textfile_sample *sample,
                  const char *const *names, size_t n)
{
    struct nv_str *labels = nv_textfile_keep(memory, (n + 1) * sizeof(*labels));

    if (!labels)
        return false;
    for (size_t i = 0; i < n; i++) {
        labels[i] = NV_LIT("");
        for (size_t k = 0; k < sample->n_labels; k++) {
            if (strcmp(sample->names[k], names[i]) == 0)
                labels[i] = sample->labels[k];
        }
    }
    sample->labels = labels;
    sample->names = names;
    sample->n_labels = n;
    return true;
}

/* A number as Go prints it: the fewest digits that read back to it; an exponent below -4 and from 6 on. */
static size_t print_bound(char text[BOUND_MAX], double bound)
{
    int digits = 1;

    if (isinf(bound))
        return (size_t)snprintf(text, BOUND_MAX, bound < 0 ? "-Inf" : "+Inf");
    do
        (void)snprintf(text, BOUND_MAX, "%.*e", digits - 1, bound);
    while (strtod(text, NULL) != bound && digits++ < 17);

    const char *mark = strchr(text, 'e');
    long exponent = mark ? strtol(mark + 1, NULL, 10) : 0;
    if (exponent >= -4 && exponent < 6)
        (void)snprintf(text, BOUND_MAX, "%.*f",
                       digits - 1 > exponent ? digits - 1 - (int)exponent : 0,
                       bound == 0 ? 0 : bound);
    return strlen(text);
}

/* 0 for a bucket or quantile, 1 for the sum, 2 for the count. */
static int part_of(const struct nv_textfile_sample *sample)
{
    return strcmp(sample->suffix, "_sum") == 0 ? 1 : strcmp(sample->suffix, "_count") == 0 ? 2 : 0;
}

static int compare_labels(const struct nv_textfile_sample *a, const struct nv_textfile_sample *b)
{
    int order = 0;

    for (size_t i = 0; i < a->n_labels && !order; i++)
        order = nv_str_cmp(a->labels[i], b->labels[i]);
    return order;
}

/* By labels, part and bound, then as in the file. */
static int by_labels(const void *a_, const void *b_)
{
    const struct nv_textfile_sample *a = *(struct nv_textfile_sample *const *)a_,
                                    *b = *(struct nv_textfile_sample *const *)b_;
    int order = compare_labels(a, b);

    if (!order)
        order = part_of(a) - part_of(b);
    if (!order && part_of(a) == 0)
        order = (a->bound > b->bound) - (a->bound < b->bound);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static struct nv_textfile_sample *append(struct nv_textfile_memory *memory,
                                         struct nv_textfile_family *family, const char *suffix,
                                         const struct nv_textfile_sample *like)
{
    struct nv_textfile_sample *sample = nv_textfile_keep(memory, sizeof(*sample));

    if (!sample)
        return NULL;
    *sample = *like;
    sample->suffix = suffix;
    sample->next = NULL;
    *family->samples_end = sample;
    family->samples_end = &sample->next;
    return sample;
}

/* Appends a bucket or quantile: labels and one more, `name`. */
static void append_bound(struct nv_textfile_memory *memory, struct nv_textfile_family *family,
                         const struct nv_textfile_sample *like, const char *const *names,
                         double bound, double value)
{
    const char *suffix = family->as.type == NV_HISTOGRAM ? "_bucket" : "";
    struct nv_textfile_sample *sample = append(memory, family, suffix, like);
    char text[BOUND_MAX];
    size_t n = print_bound(text, bound);
    struct nv_str *labels = nv_textfile_keep(memory, (like->n_labels + 1) * sizeof(*labels));
    char *copy = keep_text(memory, (struct nv_str){text, n});

    if (!sample || !labels || !copy)
        return;
    memcpy(labels, like->labels, like->n_labels * sizeof(*labels));
    labels[like->n_labels] = (struct nv_str){copy, n};
    sample->labels = labels;
    sample->names = names;
    sample->value = value;
}

static double whole(double count)
{
    return count >= 0 && count < 0x1p64 ? trunc(count) : count;
}

/* Appends what becomes of n samples that are alike in their labels. */
static void append_group(struct nv_textfile_memory *memory, struct nv_textfile_family *family,
                         struct nv_textfile_sample *const *group, size_t n,
                         const char *const *names)
{
    bool is_histogram = family->as.type == NV_HISTOGRAM, has_infinity = false;
    double sum = 0, n_observed = 0;

    for (size_t i = 0; i < n; i++) {
        if (part_of(group[i]) == 1)
            sum = group[i]->value;
        else if (part_of(group[i]) == 2)
            n_observed = whole(group[i]->value);
    }
    for (size_t i = 0; i < n && part_of(group[i]) == 0; i++) {
        if (i + 1 < n && part_of(group[i + 1]) == 0 && group[i + 1]->bound == group[i]->bound)
            continue;
        has_infinity = has_infinity || group[i]->bound == INFINITY;
        append_bound(memory, family, group[i], names, group[i]->bound,
                     is_histogram ? whole(group[i]->value) : group[i]->value);
    }
    if (is_histogram && !has_infinity)
        append_bound(memory, family, group[0], names, INFINITY, n_observed);

    struct nv_textfile_sample *sample = append(memory, family, "_sum", group[0]);
    if (sample)
        sample->value = sum;
    sample = append(memory, family, "_count", group[0]);
    if (sample)
        sample->value = n_observed;
}

/* Puts together the parts of a histogram or summary. */
static bool assemble(struct nv_textfile_memory *memory, struct nv_textfile_family *family,
                     const char *const *names, size_t n)
{
    struct nv_textfile_sample **all =
        reallocarray(NULL, family->n_samples, sizeof(struct nv_textfile_sample *));
    const char **with_bound = nv_textfile_keep(memory, (n + 2) * sizeof(*with_bound));
    size_t count = 0;

    if (!all || !with_bound) {
        free(all);
        return false;
    }
    if (n)
        memcpy(with_bound, names, n * sizeof(*with_bound));
    with_bound[n] = family->as.type == NV_HISTOGRAM ? "le" : "quantile";
    with_bound[n + 1] = NULL;
    for (struct nv_textfile_sample *s = family->samples; s; s = s->next)
        all[count++] = s;
    qsort(all, count, sizeof(all[0]), by_labels);

    family->samples_end = &family->samples;
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && compare_labels(all[from], all[to]) == 0; to++)
            ;
        append_group(memory, family, all + from, to - from, with_bound);
    }
    free(all);
    return !memory->failed;
}

/* Makes the samples of a family what they are emitted as. */
static int finish(struct nv_textfile_memory *memory, struct nv_textfile_family *family)
{
    const char *const *names;
    bool alike = true;
    size_t n;

    if (!family || !family->samples)
        return 0;
    for (const struct nv_textfile_sample *s = family->samples; s; s = s->next)
        alike = alike && s->names == family->samples->names;
    int r = unite(memory, family, &names, &n);
    if (r < 0)
        return r;
    for (struct nv_textfile_sample *s = alike ? NULL : family->samples; s; s = s->next) {
        if (!align(memory, s, names, n))
            return -ENOMEM;
    }
    if (family->as.type != NV_HISTOGRAM && family->as.type != NV_SUMMARY)
        return 0;
    return assemble(memory, family, names, n) ? 0 : -ENOMEM;
}

/* ---- the text ----------------------------------------------------------------------------------- */

struct parse {
    struct nv_textfile_memory *memory;
    struct nv_textfile_family *family, **end;
    const struct nv_textfile_sample *before; /* the sample before, whose strings are shared */
    const char *reason;
};

static int on_family(void *user, const struct nv_text_family *family)
{
    struct parse *parse = user;
    struct nv_textfile_memory *memory = parse->memory;
    struct nv_textfile_family *added = nv_textfile_keep(memory, sizeof(*added));

    int r = finish(memory, parse->family);
    if (r < 0 || !added)
        return r < 0 ? r : -ENOMEM;
    *added =
        (struct nv_textfile_family){.as = {.type = family->type}, .samples_end = &added->samples};
    added->as.name = keep_text(memory, family->name);
    added->help = family->help.n ? keep_text(memory, family->help) : NULL;
    *parse->end = parse->family = added;
    parse->end = &added->next;
    parse->before = NULL;
    return memory->failed ? -ENOMEM : 0;
}

/* The names of a sample without its bound, shared with the sample before where they are the same. */
static const char *const *keep_names(struct parse *parse, const struct nv_text_sample *sample,
                                     size_t bound)
{
    const char *const *same = parse->before ? parse->before->names : NULL;
    size_t n = 0;

    for (size_t i = 0; same && i < sample->n_labels; i++) {
        if (i == bound)
            continue;
        if (!same[n] || !nv_str_is(sample->label_names[i], same[n]))
            same = NULL;
        n++;
    }
    if (same && !same[n])
        return same;

    const char **names = nv_textfile_keep(parse->memory, (sample->n_labels + 1) * sizeof(*names));
    if (!names)
        return NULL;
    n = 0;
    for (size_t i = 0; i < sample->n_labels; i++) {
        if (i != bound)
            names[n++] = keep_text(parse->memory, sample->label_names[i]);
    }
    names[n] = NULL;
    return names;
}

static const char *suffix_of(const struct nv_textfile_family *family, struct nv_str name)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    struct nv_str rest = nv_str_from(name, strlen(family->as.name));

    for (size_t i = 0; i < NV_LEN(suffixes); i++) {
        if (nv_str_is(rest, suffixes[i]))
            return suffixes[i];
    }
    return "";
}

static int on_sample(void *user, const struct nv_text_sample *from)
{
    struct parse *parse = user;
    struct nv_textfile_family *family = parse->family;
    struct nv_textfile_memory *memory = parse->memory;
    const char *bound_name = family->as.type == NV_HISTOGRAM ? "le"
                             : family->as.type == NV_SUMMARY ? "quantile"
                                                             : "";
    struct nv_textfile_sample *sample = nv_textfile_keep(memory, sizeof(*sample));
    size_t bound = SIZE_MAX;

    if (from->has_timestamp) {
        parse->reason = "a sample has a time stamp";
        return -EBADMSG;
    }
    if (from->n_labels >= NV_LABELS_MAX) {
        parse->reason = "a sample has too many labels";
        return -E2BIG;
    }
    if (!sample)
        return -ENOMEM;
    *sample = (struct nv_textfile_sample){
        .suffix = suffix_of(family, from->name), .value = from->value, .order = family->n_samples};
    for (size_t i = 0; i < from->n_labels; i++) {
        if (*bound_name && nv_str_is(from->label_names[i], bound_name) &&
            nv_str_to_real(from->label_values[i], &sample->bound))
            bound = i;
    }
    sample->names = keep_names(parse, from, bound);
    sample->labels = nv_textfile_keep(memory, (from->n_labels + 1) * sizeof(*sample->labels));
    if (!sample->names || !sample->labels)
        return -ENOMEM;
    for (size_t i = 0; i < from->n_labels; i++) {
        struct nv_str value = from->label_values[i];
        size_t at = sample->n_labels;

        if (i == bound)
            continue;
        if (parse->before && parse->before->n_labels > at &&
            nv_str_eq(parse->before->labels[at], value))
            sample->labels[at] = parse->before->labels[at];
        else
            sample->labels[at] = (struct nv_str){keep_text(memory, value), value.n};
        sample->n_labels++;
    }
    *family->samples_end = sample;
    family->samples_end = &sample->next;
    family->n_samples++;
    parse->before = sample;
    return memory->failed ? -ENOMEM : 0;
}

int nv_textfile_parse(struct nv_pass *pass, struct nv_str text, struct nv_textfile_memory *memory,
                      struct nv_textfile_family **ret, const char **ret_reason)
{
    static const struct nv_text_sink sink = {.family = on_family, .sample = on_sample};
    struct nv_textfile_family *first = NULL;
    struct parse parse = {.memory = memory, .end = &first};

    int r = nv_parse_text(pass, text, &sink, &parse);
    if (r == 0)
        r = finish(memory, parse.family);
    *ret_reason = parse.reason ? parse.reason : r == -EBADMSG ? nv_said(pass) : NULL;
    if (r == 0)
        *ret = first;
    return r;
}
