/*
 * fuzz_expo_parse.c - classic text: what parses and is written parses back to the same, and is strict
 * OpenMetrics too. All forms are written.
 */
#include "../expo/frames_text.h"
#include "../expo/strict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names may not clash under OpenMetrics; the registry knows nothing of _created, nor of a gauge x_total beside
 * a counter x. */
static bool may_clash(const char *text)
{
    return strstr(text, "_created") || strstr(text, "_total");
}

static void write_all(struct maker *m)
{
    for (int form = NV_EXPO_TEXT_1_0_0; form <= NV_EXPO_PROTO_COMPACT; form++)
        for (int escaping = NV_ESCAPE_UNDERSCORES; escaping <= NV_ESCAPE_VALUES; escaping++)
            free(make_text(m, (enum nv_expo_form)form, (enum nv_expo_escaping)escaping));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct maker m, again;
    char error[256];

    int r =
        make_from_text(&m, (struct nv_str){(const char *)data, size}, error, sizeof(error), NULL);
    nv_assert(r == 0 || (r == -EBADMSG && strstr(error, "text format parsing error in line ")));
    if (r == 0) {
        char *first = make_text(&m, NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES);
        r = make_from_text(&again, nv_str(first), error, sizeof(error), NULL);
        nv_assert(r == 0);
        char *second = make_text(&again, NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES);
        nv_assert(strcmp(first, second) == 0);

        char *strict = make_text(&m, NV_EXPO_OPENMETRICS_1_0_0, NV_ESCAPE_UNDERSCORES);
        struct nv_str line = {NULL, 0};
        const char *wrong = strict_openmetrics(nv_str(strict), &line);
        if (wrong && !may_clash(strict))
            fprintf(stderr, "%s: %.*s\n", wrong, NV_ARGS(line));
        nv_assert(!wrong || may_clash(strict));
        write_all(&m);
        make_end(&again);
        free(first);
        free(second);
        free(strict);
    }
    make_end(&m);
    return 0;
}
