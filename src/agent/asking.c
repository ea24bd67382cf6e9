#include "agent/asking.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "agent/storage.h"
#include "base/log.h"
#include "base/regex.h"

// clang-format off
const struct nv_flag nv_query_flags[] = {
    [NV_OPTION_QUERY_TIMEOUT]         = {"query.timeout",         NV_FLAG_DURATION, "2m",       "How long a query may take, the wait for its turn included.", false},
    [NV_OPTION_QUERY_MAX_SAMPLES]     = {"query.max-samples",     NV_FLAG_INT,      "50000000", "How many samples one query may hold at once.", false},
    [NV_OPTION_QUERY_MAX_CONCURRENCY] = {"query.max-concurrency", NV_FLAG_INT,      "20",       "How many queries may run at once; others wait.", false},
    [NV_OPTION_QUERY_LOOKBACK]        = {"query.lookback-delta",  NV_FLAG_DURATION, "5m",       "How far back the last sample of a series may lie.", false},
    [NV_OPTION_QUERY_MAX_MEMORY]      = {"query.max-memory",      NV_FLAG_TEXT,     "32MB",     "Memory that all queries together may take, in B, KB, MB or GB; beyond it they wait.", false},
    [NV_OPTION_API_ACCESS]            = {"web.api-access",        NV_FLAG_TEXT,     "local",    "Who may use the API beside those that --web.config.file lets authenticate: local (clients on this machine), all, or off (there is none).", false},
    [NV_OPTION_ADMIN_API]             = {"web.enable-admin-api",  NV_FLAG_BOOL,     "false",    "Let the API delete series and make snapshots.", false},
    [NV_OPTION_LIFECYCLE]             = {"web.enable-lifecycle",  NV_FLAG_BOOL,     "false",    "Let HTTP requests reload the configuration and end the agent.", false},
    [NV_OPTION_CORS_ORIGIN]           = {"web.cors.origin",       NV_FLAG_TEXT,     "",         "Expression for the origins whose pages may read the API with a browser, such as 'https?://(grafana|wiki)\\.example\\.com'; unless given, none but the agent's own.", false},
    [NV_OPTION_FEATURES]              = {"enable-feature",        NV_FLAG_LIST,     "",         "Features to switch on, with commas between: promql-experimental-functions, promql-extended-range-selectors, promql-binop-fill-modifiers, promql-delayed-name-removal, promql-per-step-stats, use-start-timestamps, type-and-unit-labels.", false},
    {0},
};
// clang-format on

static const char *const accesses[] = {
    [NV_API_LOCAL] = "local", [NV_API_ALL] = "all", [NV_API_OFF] = "off"};

enum {
    MEMORY_MIN = 1 << 20,
    CONCURRENCY_MAX = 256, /* each is a thread */
};

__attribute__((format(printf, 3, 4))) static int wrong(char error[NV_FLAGS_ERROR_MAX], int flag,
                                                       const char *format, ...)
{
    va_list arguments;

    int n =
        snprintf(error, NV_FLAGS_ERROR_MAX, "flag '--%s' cannot be ", nv_query_flags[flag].name);
    va_start(arguments, format);
    vsnprintf(error + n, NV_FLAGS_ERROR_MAX - (size_t)n, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int read_ms(const struct nv_flag_value *values, int flag, int64_t *ret, char *error)
{
    int64_t ns = values[flag].number;

    if (ns < 1000000 || ns > INT64_C(365) * 86400 * 1000000000)
        return wrong(error, flag, "%.9gs: it is 1ms to 365d", (double)ns / 1e9);
    *ret = ns / 1000000;
    return 0;
}

static int read_number(const struct nv_flag_value *values, int flag, int64_t most, int64_t *ret,
                       char *error)
{
    *ret = values[flag].number;
    if (*ret < 1 || *ret > most)
        return wrong(error, flag, "'%lld': it is 1 to %lld", (long long)*ret, (long long)most);
    return 0;
}

static int read_memory(const struct nv_flag_value *values, struct nv_asking *to, char *error)
{
    struct nv_str text = values[NV_OPTION_QUERY_MAX_MEMORY].text;
    uint64_t bytes;

    if (!nv_storage_bytes(text, &bytes) || bytes < MEMORY_MIN || bytes > SIZE_MAX / 2)
        return wrong(error, NV_OPTION_QUERY_MAX_MEMORY,
                     "'%.*s': it takes a size such as 32MB, at least 1MB", NV_ARGS(text));
    to->max_memory = (size_t)bytes;
    return 0;
}

static int read_access(const struct nv_flag_value *values, struct nv_asking *to, char *error)
{
    struct nv_str text = values[NV_OPTION_API_ACCESS].text;

    for (size_t i = 0; i < NV_LEN(accesses); i++) {
        if (nv_str_is(text, accesses[i])) {
            to->access = (enum nv_api_access)i;
            return 0;
        }
    }
    return wrong(error, NV_OPTION_API_ACCESS, "'%.*s': it is local, all or off", NV_ARGS(text));
}

static int check_origin(const struct nv_flag_value *values, char *error)
{
    struct nv_str text = values[NV_OPTION_CORS_ORIGIN].text;
    char reason[NV_REGEX_ERROR_MAX] = "";
    struct nv_regex *regex;

    if (!text.n)
        return 0;
    int r = nv_regex_new(text, NV_REGEX_ANCHORED, &regex, reason);
    if (r < 0)
        return wrong(error, NV_OPTION_CORS_ORIGIN, "'%.*s': %s", NV_ARGS(text), reason);
    nv_regex_free(regex);
    return 0;
}

static const char per_step[] = "promql-per-step-stats";

static void read_features(const struct nv_flag_value *values, struct nv_asking *to)
{
    const struct nv_flag_value *list = &values[NV_OPTION_FEATURES];

    for (size_t i = 0; i < list->n_list; i++) {
        struct nv_str rest = list->list[i];
        while (rest.n) {
            struct nv_str name = nv_str_trim(nv_str_cut(&rest, ','));
            to->features |= nv_promql_feature(name);
            to->step_stats |= nv_str_is(name, per_step);
        }
    }
}

void nv_asking_warn(const struct nv_flag_value *values)
{
    const struct nv_flag_value *list = &values[NV_OPTION_FEATURES];

    for (size_t i = 0; i < list->n_list; i++) {
        struct nv_str rest = list->list[i];
        while (rest.n) {
            struct nv_str name = nv_str_trim(nv_str_cut(&rest, ','));
            if (name.n && !nv_promql_feature(name) && !nv_str_is(name, per_step))
                nv_log_warn("--enable-feature=%.*s has no effect here", NV_ARGS(name));
        }
    }
}

int nv_asking_read(const struct nv_flag_value *values, struct nv_asking *ret,
                   char error[NV_FLAGS_ERROR_MAX])
{
    struct nv_asking asking = {
        .admin = values[NV_OPTION_ADMIN_API].on,
        .lifecycle = values[NV_OPTION_LIFECYCLE].on,
        .cors_origin = values[NV_OPTION_CORS_ORIGIN].text.p,
    };
    int64_t samples = 0, queries = 0;

    int r = read_ms(values, NV_OPTION_QUERY_TIMEOUT, &asking.timeout_ms, error);
    if (r == 0)
        r = read_ms(values, NV_OPTION_QUERY_LOOKBACK, &asking.lookback_ms, error);
    if (r == 0)
        r = read_number(values, NV_OPTION_QUERY_MAX_SAMPLES, INT64_MAX, &samples, error);
    if (r == 0)
        r = read_number(values, NV_OPTION_QUERY_MAX_CONCURRENCY, CONCURRENCY_MAX, &queries, error);
    if (r == 0)
        r = read_memory(values, &asking, error);
    if (r == 0)
        r = read_access(values, &asking, error);
    if (r == 0)
        r = check_origin(values, error);
    if (r < 0)
        return r;
    asking.max_samples = (uint64_t)samples;
    asking.max_concurrency = (unsigned)queries;
    read_features(values, &asking);
    *ret = asking;
    return 0;
}

void nv_asking_fill(const struct nv_asking *asking, struct nv_promql_pool *pool, struct nv_api *api)
{
    api->promql = (struct nv_promql_options){
        .lookback_ms = asking->lookback_ms,
        .max_samples = asking->max_samples,
        .max_memory = asking->max_memory,
        .features = asking->features,
        .pool = pool,
    };
    api->timeout_ms = asking->timeout_ms;
    api->max_concurrency = asking->max_concurrency;
    api->step_stats = asking->step_stats;
    api->access = asking->access;
    api->admin = asking->admin;
    api->lifecycle = asking->lifecycle;
    api->cors_origin = asking->cors_origin;
}
