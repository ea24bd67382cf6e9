/*
 * frames_text.h - a frame of what a text says, and a text of what a frame holds.
 */
#ifndef NV_TEST_EXPO_FRAMES_TEXT_H
#define NV_TEST_EXPO_FRAMES_TEXT_H

#include "frames.h"

struct make_reader {
    struct maker *m;
    char name[4200], help[70000];
    enum nv_type type;
    size_t n_samples;
};

static inline void make_c_string(char *to, size_t size, struct nv_str s)
{
    size_t n = s.n < size ? s.n : size - 1;

    if (n)
        memcpy(to, s.p, n);
    to[n] = '\0';
}

static inline int make_on_family(void *user, const struct nv_text_family *family)
{
    struct make_reader *reader = user;

    make_c_string(reader->name, sizeof(reader->name), family->name);
    make_c_string(reader->help, sizeof(reader->help), family->help);
    reader->type = family->type;
    return 0;
}

/* What the registry refuses (duplicates, __names, too many labels) is left out. */
static inline int make_on_sample(void *user, const struct nv_text_sample *sample)
{
    struct make_reader *reader = user;
    struct maker *m = reader->m;
    char names[NV_LABELS_MAX][256], suffix[16];
    const char *list[NV_LABELS_MAX + 1] = {0};
    uint32_t column;

    reader->n_samples++;
    if (sample->n_labels > NV_LABELS_MAX || nv_registry_n_series(m->registry) == MAKE_MAX)
        return 0;
    for (size_t i = 0; i < sample->n_labels; i++) {
        make_c_string(names[i], sizeof(names[i]), sample->label_names[i]);
        list[i] = names[i];
    }
    make_c_string(suffix, sizeof(suffix), nv_str_from(sample->name, strlen(reader->name)));
    struct nv_series_def def = {.name = reader->name,
                                .suffix = suffix,
                                .help = reader->help,
                                .type = reader->type,
                                .label_names = list,
                                .label_values = sample->label_values,
                                .section = m->section};
    int r = nv_registry_add(m->registry, &def, &column);
    nv_assert(r >= 0);
    if (r == 0) {
        m->values[column] = sample->value;
        nv_bit_set(m->present, column);
    }
    return 0;
}

/* Returns what the parser returned; the frame holds what it delivered. */
static inline int make_from_text(struct maker *m, struct nv_str text, char *error, size_t error_max,
                                 size_t *ret_samples)
{
    static const struct nv_text_sink sink = {make_on_family, make_on_sample};
    struct make_reader *reader = nv_must(calloc(1, sizeof(*reader)));

    make_begin(m);
    reader->m = m;
    int r = nv_expo_parse_text(text, &sink, reader, error, error_max);
    if (ret_samples)
        *ret_samples = reader->n_samples;
    free(reader);
    return r;
}

#endif
