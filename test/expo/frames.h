/*
 * frames.h - frames made by hand, for the tests of src/expo.
 *
 *     struct maker m;
 *     make_begin(&m);
 *     make_add(&m, NV_GAUGE, "x", "", 1.5, "device", "sda", NULL);
 *     ... write(&m.frame) ...
 *     make_end(&m);
 */
#ifndef NV_TEST_EXPO_FRAMES_H
#define NV_TEST_EXPO_FRAMES_H

#include <stdarg.h>

#include "base/assert.h"
#include "expo/expo.h"

enum { MAKE_MAX = 20000 };

struct maker {
    struct nv_registry *registry;
    uint32_t section;
    double values[MAKE_MAX];
    const struct nv_histogram *histograms[MAKE_MAX];
    uint64_t present[MAKE_MAX / 64 + 1], observed[1];
    struct nv_frame frame;
    const char *help;
};

static inline void make_begin(struct maker *m)
{
    memset(m, 0, sizeof(*m));
    m->registry = nv_must(nv_registry_new());
    m->section = nv_registry_add_section(m->registry);
    m->help = "Some help.";
}

static inline uint32_t make_series(struct maker *m, enum nv_type type, const char *name,
                                   const char *suffix, double value, const char *const *names,
                                   const struct nv_str *labels)
{
    struct nv_series_def def = {.name = name,
                                .suffix = suffix,
                                .help = m->help,
                                .type = type,
                                .label_names = names,
                                .label_values = labels,
                                .section = m->section};
    uint32_t column;

    nv_assert(nv_registry_add(m->registry, &def, &column) == 0 && column < MAKE_MAX);
    m->values[column] = value;
    nv_bit_set(m->present, column);
    return column;
}

/* Names and values of labels follow, NULL at the end. Returns the column. */
static inline uint32_t make_add(struct maker *m, enum nv_type type, const char *name,
                                const char *suffix, double value, ...)
{
    const char *names[NV_LABELS_MAX + 1] = {0};
    struct nv_str labels[NV_LABELS_MAX];
    size_t n = 0;
    va_list list;

    va_start(list, value);
    for (const char *label; n < NV_LABELS_MAX && (label = va_arg(list, const char *)); n++) {
        names[n] = label;
        labels[n] = nv_str(va_arg(list, const char *));
    }
    va_end(list);
    return make_series(m, type, name, suffix, value, names, labels);
}

static inline const struct nv_frame *make_frame(struct maker *m)
{
    if (m->frame.layout)
        nv_layout_unref(m->frame.layout);
    struct nv_layout *layout = nv_must(nv_registry_layout(m->registry));
    m->frame = (struct nv_frame){
        .refs = 1,
        .layout = layout,
        .n_series = layout->n_series,
        .observed = m->observed,
        .present = m->present,
        .values = m->values,
        .histograms = m->histograms,
    };
    return &m->frame;
}

static inline void make_end(struct maker *m)
{
    nv_layout_unref(m->frame.layout);
    nv_registry_free(m->registry);
}

/* The frame in a form. nv_buf_done() ends the text. */
static inline struct nv_buf make_write(struct maker *m, enum nv_expo_form form,
                                       enum nv_expo_escaping escaping)
{
    struct nv_buf out = NV_BUF(64 << 20);

    nv_expo_write(make_frame(m), (struct nv_expo_choice){form, escaping}, NULL, 0, &out);
    nv_assert(!out.failed);
    return out;
}

/* The same as a C string, which the caller frees. */
static inline char *make_text(struct maker *m, enum nv_expo_form form,
                              enum nv_expo_escaping escaping)
{
    struct nv_buf out = make_write(m, form, escaping);

    nv_buf_c_string(&out);
    return out.p;
}

#endif
