/*
 * fuzz_api.c - any path, query and form is answered: with a status, and where that is JSON, with JSON.
 *
 * The first line is the path, the second the query of the URL, the rest the body.
 */
#include <nodevitals/json.h>

#include "base/assert.h"
#include "base/clock.h"
#include "promql/points.h"
#include "support/promql_series.h"
#include "web/endpoints.h"
#include "web/exchange_parts.h"
#include "web/nothing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct nv_endpoint *const tables[] = {
    nv_api_query_endpoints,    nv_api_series_endpoints,  nv_api_metadata_endpoints,
    nv_api_rules_endpoints,    nv_api_targets_endpoints, nv_api_status_endpoints,
    nv_api_federate_endpoints, nv_api_read_endpoints,    nv_api_features_endpoints,
};

static const char *const lines[] = {
    "{__name__=\"c_total\", job=\"a\"} 0+1x60",
    "{__name__=\"c_total\", job=\"b\\xff\"} 0+2x60",
    "{__name__=\"h\"} {{schema:0 sum:12.5 count:6 z_bucket:1 z_bucket_w:0.001 buckets:[2 0 3]}}x60",
    "{__name__=\"mixed\", \"a.b\"=\"\\n\"} 1 2 {{schema:0 sum:1 count:1 buckets:[1]}}",
};

static struct nv_queryable queryable;

static void load(void)
{
    static struct nv_arena arena;
    struct nv_memory_series *memory = nv_memory_series_new();
    struct nv_points points;

    arena = NV_ARENA(16 << 20);
    for (size_t i = 0; i < NV_LEN(lines); i++) {
        nv_assert(nv_points_parse(nv_str(lines[i]), true, &arena, &points) == 0);
        nv_memory_series_load(memory, &points, 10000, NULL);
    }
    queryable = nv_memory_series_queryable(memory);
    queryable.label_names = nv_queryable_of_nothing.label_names; /* which it has not */
    queryable.label_values = nv_queryable_of_nothing.label_values;
}

static int take(void *user, const char *p, size_t n)
{
    struct nv_buf *body = user;

    nv_buf_add(body, p, n);
    return body->failed;
}

/* Trees may be deeper than what reads JSON here follows. */
static void check(const struct nv_answer *answer, struct nv_str body, bool is_tree)
{
    struct nv_json json = nv_json(body);

    nv_assert(answer->status >= 200 && answer->status < 600);
    nv_assert(answer->kind != NV_ANSWER_EMPTY || !body.n);
    if (strcmp(answer->type, "application/json") != 0 || is_tree)
        return;
    nv_json_skip(&json);
    nv_assert(nv_json_done(&json));
}

static void run(const struct nv_endpoint *endpoint, struct nv_str part, struct nv_str query,
                struct nv_str form)
{
    static char block[NV_WRITER_BLOCK];
    static const struct nv_web_build build = {"1", "2", "3"};
    static const volatile bool never = false;
    const struct nv_api api = {
        .queryable = &queryable, .timeout_ms = 1000, .promql = {.max_samples = 100000}};
    NV_AUTO_BUF body = NV_BUF(64 << 20);
    struct nv_exchange_inside inside;
    struct nv_exchange x = {
        .api = &api,
        .build = &build,
        .endpoint = endpoint,
        .memory = NV_ARENA(16 << 20),
        .now_ms = 600000,
        .came_ns = nv_monotonic_ns(),
        .cancel = &never,
        .body = form,
        .accept = NV_LIT(""),
        .accept_encoding = NV_LIT(""),
        .content_type = NV_LIT("application/x-www-form-urlencoded"),
        .content_encoding = NV_LIT("snappy"),
    };

    x.method = form.n ? NV_POST : NV_GET;
    x.began_ns = x.came_ns;
    x.deadline_ms = x.came_ns / 1000000 + 1000;
    nv_exchange_begin(&x, &inside, block, take, &body);
    x.part = nv_unescape_name(part, &x.memory);
    if (nv_exchange_parse(&x, form, query) == 0) {
        nv_exchange_run(&x);
        nv_writer_flush(&inside.out);
        if (!inside.out.failed)
            check(&inside.answer, nv_buf_view(&body),
                  strcmp(endpoint->path, "/api/v1/parse_query") == 0);
    }
    nv_exchange_end(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_str form = {(const char *)data, size};
    struct nv_str path = nv_str_cut(&form, '\n'), query = nv_str_cut(&form, '\n'), part;
    char text[256];

    if (size > 4096 || path.n >= sizeof(text))
        return 0;
    if (!queryable.select)
        load();
    if (path.n)
        memcpy(text, path.p, path.n);
    text[path.n] = '\0';
    for (size_t i = 0; i < NV_LEN(tables); i++) {
        for (const struct nv_endpoint *one = tables[i]; one->path; one++) {
            if (nv_endpoint_fits(one, text, &part))
                run(one, part, query, form);
        }
    }
    return 0;
}
