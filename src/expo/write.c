#include "expo/series.h"

#include <errno.h>

static void (*const writers[])(const struct nv_expo_writer *, const struct nv_layout_family *) = {
    [NV_EXPO_TEXT_0_0_4] = nv_expo_text_family,
    [NV_EXPO_TEXT_1_0_0] = nv_expo_text_family,
    [NV_EXPO_OPENMETRICS_0_0_1] = nv_expo_openmetrics_family,
    [NV_EXPO_OPENMETRICS_1_0_0] = nv_expo_openmetrics_family,
    [NV_EXPO_PROTO_DELIMITED] = nv_expo_protobuf_family,
    [NV_EXPO_PROTO_TEXT] = nv_expo_protobuf_family,
    [NV_EXPO_PROTO_COMPACT] = nv_expo_protobuf_family,
};

/* What is wanted of the families. */
struct wanted {
    const struct nv_str *names;
    size_t n_names;
};

static bool is_wanted(struct nv_str family, const struct wanted *wanted,
                      const char *const *prefixes)
{
    bool fits = !prefixes, named = wanted->n_names == 0;

    for (size_t i = 0; !fits && prefixes[i]; i++)
        fits = nv_str_starts(family, prefixes[i]);
    for (size_t i = 0; fits && !named && i < wanted->n_names; i++)
        named = nv_str_eq(family, wanted->names[i]);
    return fits && named;
}

static void write_one(struct nv_expo_writer *writer, const struct wanted *wanted)
{
    const struct nv_layout *layout = writer->parts->frame->layout;

    writer->frame = writer->parts->frame;
    for (size_t i = 0; i < layout->n_families && !writer->out->failed; i++)
        if (is_wanted(layout->families[i]->name, wanted, writer->parts->prefixes))
            writers[writer->form](writer, layout->families[i]);
}

/* ---- several parts ---------------------------------------------------------------------------- */

struct cursors {
    struct nv_expo_same *same;
    size_t *at; /* by part: its next family */
};

static bool is_present(const struct nv_frame *frame, const struct nv_layout_family *family)
{
    for (uint32_t i = 0; i < family->n_series; i++)
        if (nv_frame_has(frame, family->series[i]))
            return true;
    return false;
}

/* The family a part is at, where it is to be written; NULL at the end. */
static const struct nv_layout_family *look(const struct nv_expo_part *part, size_t *at,
                                           const struct wanted *wanted)
{
    const struct nv_layout *layout = part->frame->layout;

    while (*at < layout->n_families &&
           !(is_wanted(layout->families[*at]->name, wanted, part->prefixes) &&
             is_present(part->frame, layout->families[*at])))
        ++*at;
    return *at < layout->n_families ? layout->families[*at] : NULL;
}

/* The next name in order, and who has it, in order of the parts. Returns how many. */
static size_t next_name(const struct nv_expo_writer *writer, const struct wanted *wanted,
                        struct cursors *cursors)
{
    size_t n = 0;

    for (size_t i = 0; i < writer->n_parts; i++) {
        const struct nv_expo_part *part = &writer->parts[i];
        const struct nv_layout_family *family = look(part, &cursors->at[i], wanted);
        int order = !family  ? 1
                    : n == 0 ? -1
                             : nv_str_cmp(family->name, cursors->same[0].family->name);
        if (order < 0)
            n = 0;
        if (order <= 0)
            cursors->same[n++] = (struct nv_expo_same){part->frame, family};
    }
    return n;
}

/* Moves those on that had the name; what look() found stands where it found it. */
static void pass_name(const struct nv_expo_writer *writer, struct nv_str name,
                      struct cursors *cursors)
{
    for (size_t i = 0; i < writer->n_parts; i++) {
        const struct nv_layout *layout = writer->parts[i].frame->layout;
        if (cursors->at[i] < layout->n_families &&
            nv_str_eq(layout->families[cursors->at[i]]->name, name))
            cursors->at[i]++;
    }
}

static int write_name(struct nv_expo_writer *writer, const struct nv_expo_same *same, size_t n,
                      struct nv_expo_merge *merge, struct nv_expo_left_out *left_out)
{
    const struct nv_layout_family *family = same[0].family;
    int r = n > 1 ? nv_expo_merge(merge, same, n, left_out) : 0;

    if (r < 0)
        return r;
    writer->frame = n > 1 ? &merge->frame : same[0].frame;
    writers[writer->form](writer, n > 1 ? &merge->family : family);
    return 0;
}

static void write_many(struct nv_expo_writer *writer, const struct wanted *wanted,
                       struct nv_expo_left_out *left_out)
{
    struct nv_expo_merge merge = {.memory = NV_ARENA(NV_EXPO_MERGE_MAX)};
    NV_AUTO_FREE struct nv_expo_same *same = calloc(writer->n_parts, sizeof(*same));
    NV_AUTO_FREE size_t *at = calloc(writer->n_parts, sizeof(*at));
    struct cursors cursors = {same, at};
    int r = same && at ? 0 : -ENOMEM;
    size_t n;

    while (r == 0 && !writer->out->failed && (n = next_name(writer, wanted, &cursors)) > 0) {
        r = write_name(writer, same, n, &merge, left_out);
        pass_name(writer, same[0].family->name, &cursors);
    }
    nv_arena_done(&merge.memory);
    if (r < 0)
        writer->out->failed = r;
}

void nv_expo_write_parts(const struct nv_expo_part *parts, size_t n_parts,
                         struct nv_expo_choice choice, const struct nv_str *names, size_t n_names,
                         struct nv_buf *out, struct nv_expo_left_out *ret)
{
    struct nv_expo_writer writer = {NULL, choice.escaping, choice.form, out, parts, n_parts};
    const struct wanted wanted = {names, n_names};

    *ret = (struct nv_expo_left_out){0};
    if (n_parts == 1)
        write_one(&writer, &wanted);
    else if (n_parts > 1)
        write_many(&writer, &wanted, ret);
    if (choice.form == NV_EXPO_OPENMETRICS_0_0_1 || choice.form == NV_EXPO_OPENMETRICS_1_0_0)
        nv_buf_text(out, "# EOF\n");
}

void nv_expo_write(const struct nv_frame *frame, struct nv_expo_choice choice,
                   const struct nv_str *names, size_t n_names, struct nv_buf *out)
{
    const struct nv_expo_part part = {frame, NULL};
    struct nv_expo_left_out nothing;

    nv_expo_write_parts(&part, 1, choice, names, n_names, out, &nothing);
}
