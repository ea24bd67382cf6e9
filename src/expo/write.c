#include "expo/series.h"

static void (*const writers[])(const struct nv_expo_writer *, const struct nv_layout_family *) = {
    [NV_EXPO_TEXT_0_0_4] = nv_expo_text_family,
    [NV_EXPO_TEXT_1_0_0] = nv_expo_text_family,
    [NV_EXPO_OPENMETRICS_0_0_1] = nv_expo_openmetrics_family,
    [NV_EXPO_OPENMETRICS_1_0_0] = nv_expo_openmetrics_family,
    [NV_EXPO_PROTO_DELIMITED] = nv_expo_protobuf_family,
    [NV_EXPO_PROTO_TEXT] = nv_expo_protobuf_family,
    [NV_EXPO_PROTO_COMPACT] = nv_expo_protobuf_family,
};

static bool is_wanted(struct nv_str family, const struct nv_str *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++)
        if (nv_str_eq(family, names[i]))
            return true;
    return n_names == 0;
}

void nv_expo_write(const struct nv_frame *frame, struct nv_expo_choice choice,
                   const struct nv_str *names, size_t n_names, struct nv_buf *out)
{
    const struct nv_layout *layout = frame->layout;
    struct nv_expo_writer writer = {frame, choice.escaping, choice.form, out};

    for (size_t i = 0; i < layout->n_families && !out->failed; i++)
        if (is_wanted(layout->families[i]->name, names, n_names))
            writers[choice.form](&writer, layout->families[i]);
    if (choice.form == NV_EXPO_OPENMETRICS_0_0_1 || choice.form == NV_EXPO_OPENMETRICS_1_0_0)
        nv_buf_text(out, "# EOF\n");
}
