/*
 * fuzz_query_answer.c - whatever a server says is refused or shown, in every form; and what is shown as JSON is read again
 * and shown the same, once bytes that are no UTF-8 have become U+FFFD. The first byte tells what was asked.
 */
#include <stdint.h>

#include "base/assert.h"
#include "cli/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_MAX = 16 << 20 };

struct text {
    char *p;
    size_t n;
};

typedef int (*print_fn)(FILE *to, const struct nv_answer *answer, const struct nv_query *query);

static struct text print(print_fn how, const struct nv_answer *answer, const struct nv_query *query)
{
    struct text text = {0};
    FILE *to = open_memstream(&text.p, &text.n);

    nv_assert(to && how(to, answer, query) == 0);
    fclose(to);
    return text;
}

static int print_chart(FILE *to, const struct nv_answer *answer, const struct nv_query *query)
{
    const struct nv_chart_look look = {.width = 70, .height = 8, .utf8 = answer->n & 1};

    return nv_query_print_chart(to, answer, query, &look);
}

/* The JSON of what was read; NULL where nothing was. */
static struct text show(const struct nv_query *query, struct nv_str text, bool all)
{
    struct nv_answer answer = {.memory = NV_ARENA(MEMORY_MAX)};
    struct text json = {0};

    if (nv_query_read_data(&answer, query->kind, text) == 0) {
        json = print(nv_query_print_json, &answer, query);
        if (all) {
            free(print(nv_query_print_table, &answer, query).p);
            free(print(nv_query_print_csv, &answer, query).p);
        }
        if (all && query->kind == NV_QUERY_RANGE)
            free(print(print_chart, &answer, query).p);
    }
    nv_answer_done(&answer);
    return json;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size || size > 65536)
        return 0;
    const struct nv_query query = {
        .kind = (enum nv_query_kind)(data[0] % (NV_QUERY_LABEL_VALUES + 1)),
        .expr = {(const char *)data, size},
        .label = NV_LIT("a"),
        .start_ms = 0,
        .end_ms = 60000,
        .step_ms = 1000,
    };
    struct text first = show(&query, (struct nv_str){(const char *)data + 1, size - 1}, true);
    if (!first.p)
        return 0;
    struct text second = show(&query, (struct nv_str){first.p, first.n}, false);
    nv_assert(second.p);
    struct text third = show(&query, (struct nv_str){second.p, second.n}, false);
    nv_assert(third.p && second.n == third.n && memcmp(second.p, third.p, second.n) == 0);
    free(first.p);
    free(second.p);
    free(third.p);
    return 0;
}
