/*
 * fuzz_silence.c - what is posted as a silence. What is taken can be written, and reads back as the same.
 */
#include "base/assert.h"
#include "notify/silence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool parse(struct nv_str text, struct nv_arena *memory, struct nv_silence_spec *ret)
{
    char error[NV_SILENCE_ERROR_MAX] = "";

    int r = nv_silence_parse_json(text, memory, ret, error);
    nv_assert(r == 0 || error[0]);
    return r == 0;
}

static void check_same(const struct nv_silence_spec *a, const struct nv_silence_spec *b)
{
    nv_assert(a->n_matchers == b->n_matchers && a->starts_ms == b->starts_ms &&
              a->ends_ms == b->ends_ms);
    for (size_t i = 0; i < a->n_matchers; i++)
        nv_assert(a->matchers[i].is_regex == b->matchers[i].is_regex &&
                  a->matchers[i].is_equal == b->matchers[i].is_equal);
}

static void set(const struct nv_silence_spec *spec)
{
    struct nv_label labels[] = {
        {NV_LIT("alertname"), NV_LIT("A")}
    };
    struct nv_alert alert = {.labels = labels, .n_labels = 1};
    NV_AUTO(nv_silences) *all = nv_silences_new(NULL);
    char id[NV_SILENCE_ID_MAX], error[NV_SILENCE_ERROR_MAX];

    nv_assert(all);
    if (nv_silences_set(all, spec, spec->starts_ms, id, error) == 0)
        (void)nv_silences_of(all, &alert, spec->starts_ms, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_arena memory = NV_ARENA(64 << 20);
    NV_AUTO_BUF text = NV_BUF(16 << 20);
    struct nv_silence_spec spec, again;

    if (parse((struct nv_str){(const char *)data, size}, &memory, &spec)) {
        bool in_years = spec.starts_ms >= 0 && spec.ends_ms >= 0 && spec.updated_ms >= 0;
        nv_silence_write(&text, &spec, NV_SILENCE_ACTIVE);
        nv_assert(!text.failed);
        if (in_years && parse(nv_buf_view(&text), &memory, &again))
            check_same(&spec, &again);
        set(&spec);
    }
    nv_arena_done(&memory);
    return 0;
}
