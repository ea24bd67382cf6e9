/*
 * fuzz_flags.c - lines of the input are the words of a command line.
 *
 * Promises: every text of a value ends in NUL, an error is told, and a duration that is read is read the same when
 * its nanoseconds are written out.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/flags.h"

enum { WORDS_MAX = 256, INPUT_MAX = 65536 };

static const struct nv_flag table[] = {
    {"text",   NV_FLAG_TEXT, "x", "A text.", false},
    {"list",     NV_FLAG_LIST, "", "A list.", false},
    {"number",   NV_FLAG_INT, "1", "A number.", false},
    {"wait",   NV_FLAG_DURATION, "1s", "A duration.", false},
    {"on",      NV_FLAG_BOOL, "true", "A boolean.", false},
    {"match",   NV_FLAG_REGEX, "", "A search.", false},
    {"match-all", NV_FLAG_REGEX_WHOLE, "", "A whole text.", true},
    {0    },
};

static void check_values(const struct nv_flag_value *values)
{
    for (size_t i = 0; table[i].name; i++) {
        if (values[i].text.p && values[i].text.p[values[i].text.n])
            abort();
        for (size_t j = 0; j < values[i].n_list; j++) {
            if (values[i].list[j].p[values[i].list[j].n])
                abort();
        }
    }
}

static void check_duration(const char *word)
{
    int64_t ns, again;
    char text[32];

    if (!nv_flags_duration(nv_str(word), &ns))
        return;
    snprintf(text, sizeof(text), "%lldns", (long long)ns);
    if (ns != INT64_MIN && (!nv_flags_duration(nv_str(text), &again) || again != ns))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[INPUT_MAX + 1];
    const char *words[WORDS_MAX];
    struct nv_flag_value *values;
    int n = 0;

    if (size > INPUT_MAX)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *at = text; at && n < WORDS_MAX;) {
        char *newline = strchr(at, '\n');
        if (newline)
            *newline++ = '\0';
        if (at[0] != '@') /* a fuzz target reads no file */
            words[n++] = at;
        check_duration(at);
        at = newline;
    }

    NV_AUTO(nv_flags) *flags = nv_flags_new("fuzz", "Fuzzed.");
    if (!flags || nv_flags_add(flags, "All", table, &values) != 0)
        abort();
    int r = nv_flags_parse(flags, n, words);
    if (r == -EINVAL && !nv_flags_error(flags)[0])
        abort();
    check_values(values);
    if (r == 0)
        (void)!nv_flags_compile(flags, values);
    return 0;
}
