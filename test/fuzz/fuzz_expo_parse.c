/*
 * fuzz_expo_parse.c - classic text: what parses and is written parses back to the same, and is strict
 * OpenMetrics too. All forms are written.
 */
#include "../expo/frames_text.h"
#include "../expo/strict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names may not clash under OpenMetrics; the registry knows nothing of _created, nor of a gauge x_total beside
 * a counter x. */
static bool may_clash(struct nv_str text)
{
    return nv_str_contains(text, "_created") || nv_str_contains(text, "_total");
}

static void write_all(struct maker *m)
{
    for (int form = NV_EXPO_TEXT_1_0_0; form <= NV_EXPO_PROTO_COMPACT; form++) {
        for (int escaping = NV_ESCAPE_UNDERSCORES; escaping <= NV_ESCAPE_VALUES; escaping++) {
            struct nv_buf out =
                make_write(m, (enum nv_expo_form)form, (enum nv_expo_escaping)escaping);
            nv_buf_done(&out);
        }
    }
}

static void reads_back(struct nv_str text)
{
    static struct maker again;
    char error[256];

    int r = make_from_text(&again, text, error, sizeof(error), NULL);
    nv_assert(r == 0);
    NV_AUTO_BUF second = make_write(&again, NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES);
    nv_assert(nv_str_eq(text, nv_buf_view(&second)));
    make_end(&again);
}

static void is_strict(struct nv_str text)
{
    struct nv_str line = {NULL, 0};
    const char *wrong = strict_openmetrics(text, &line);

    if (wrong && !may_clash(text))
        fprintf(stderr, "%s: %.*s\n", wrong, NV_ARGS(line));
    nv_assert(!wrong || may_clash(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct maker m;
    char error[256];

    int r =
        make_from_text(&m, (struct nv_str){(const char *)data, size}, error, sizeof(error), NULL);
    nv_assert(r == 0 || (r == -EBADMSG && strstr(error, "text format parsing error in line ")));
    if (r == 0) {
        NV_AUTO_BUF classic = make_write(&m, NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES);
        NV_AUTO_BUF strict = make_write(&m, NV_EXPO_OPENMETRICS_1_0_0, NV_ESCAPE_UNDERSCORES);
        reads_back(nv_buf_view(&classic));
        is_strict(nv_buf_view(&strict));
        write_all(&m);
    }
    make_end(&m);
    return 0;
}
