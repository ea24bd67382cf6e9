#include "scrape/label.h"

#include <errno.h>
#include <stdio.h>

#include "base/index.h"
#include "base/utf8.h"
#include "config/units.h"

enum { OWN = 5, PARAMETERS_MAX = 512 };

#define ADDRESS  NV_LIT("__address__")
#define SCHEME   NV_LIT("__scheme__")
#define PATH     NV_LIT("__metrics_path__")
#define INTERVAL NV_LIT("__scrape_interval__")
#define TIMEOUT  NV_LIT("__scrape_timeout__")
#define INSTANCE NV_LIT("instance")

static const char parameter_prefix[] = "__param_";

/* ---- what was discovered -------------------------------------------------------------------- */

static struct nv_str duration(struct nv_arena *memory, int64_t ms)
{
    NV_AUTO_BUF text = NV_BUF(64);

    nv_write_duration(&text, ms);
    return nv_arena_str(memory, nv_buf_view(&text));
}

static struct nv_str parameter_name(struct nv_arena *memory, const char *name)
{
    NV_AUTO_BUF text = NV_BUF(NV_SCRAPE_URL_MAX);

    nv_buf_text(&text, parameter_prefix);
    nv_buf_text(&text, name);
    return text.failed ? (struct nv_str){NULL, 0} : nv_arena_str(memory, nv_buf_view(&text));
}

/* Sets a label that has no value yet. */
static void set_default(struct nv_label *labels, size_t *n, struct nv_str name, struct nv_str value)
{
    for (size_t i = 0; i < *n; i++) {
        if (!nv_str_eq(labels[i].name, name))
            continue;
        if (!labels[i].value.n)
            labels[i].value = value;
        return;
    }
    labels[(*n)++] = (struct nv_label){name, value};
}

static void drop_empty(struct nv_label *labels, size_t *n)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        if (labels[i].value.n)
            labels[kept++] = labels[i];
    }
    *n = kept;
}

static int discover(const struct nv_config_scrape *config, const struct nv_target_group *group,
                    struct nv_str address, struct nv_arena *memory, struct nv_scrape_described *ret)
{
    const struct nv_label own[OWN] = {
        {NV_LIT("job"),                 nv_str(config->job_name)},
        {INTERVAL,                      duration(memory,          config->interval_ms)},
        {TIMEOUT,                             duration(memory,                                               config->timeout_ms)},
        {PATH,          nv_str(config->metrics_path)},
        {SCHEME,nv_str(config->scheme)                            },
    };
    struct nv_label *labels =
        nv_arena_alloc(memory, (group->n_labels + OWN + 1 + config->n_params) * sizeof(*labels));
    size_t n = 0;

    if (!labels || !own[1].value.p || !own[2].value.p)
        return -ENOMEM;
    labels[n++] = (struct nv_label){ADDRESS, address}; /* which no label of the group replaces */
    for (size_t i = 0; i < group->n_labels; i++) {
        if (!nv_str_eq(group->labels[i].name, ADDRESS))
            labels[n++] = group->labels[i];
    }
    for (size_t i = 0; i < OWN; i++)
        set_default(labels, &n, own[i].name, own[i].value);
    for (size_t i = 0; i < config->n_params; i++) {
        const struct nv_config_parameter *parameter = &config->params[i];
        struct nv_str name = parameter_name(memory, parameter->name);
        if (!name.p)
            return -ENOMEM;
        if (parameter->values.n)
            set_default(labels, &n, name, nv_str(parameter->values.at[0]));
    }
    drop_empty(labels, &n);
    nv_labels_sort(labels, n);
    ret->discovered = labels;
    ret->n_discovered = n;
    return 0;
}

/* ---- the URL -------------------------------------------------------------------------------- */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || nv_is_digit(c) || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

/* As Go's net/url does it: in a path "$&+,/:;=@" stay; in a query a blank becomes "+". */
static void escape(struct nv_buf *out, struct nv_str text, bool in_query)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (is_unreserved(c) || (!in_query && c && strchr("$&+,/:;=@", c)))
            nv_buf_char(out, c);
        else if (in_query && c == ' ')
            nv_buf_char(out, '+');
        else
            nv_buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

/* A parameter of the query: the label's value takes the place of the first one configured. */
struct parameter {
    struct nv_str name, first;
    const struct nv_text_list *values; /* NULL: the first is all */
};

static int order_parameters(const void *a, const void *b)
{
    const struct parameter *x = a, *y = b;

    return nv_str_cmp(x->name, y->name);
}

static void write_pair(struct nv_buf *out, char *before, struct nv_str name, struct nv_str value)
{
    nv_buf_char(out, *before);
    *before = '&';
    escape(out, name, true);
    nv_buf_char(out, '=');
    escape(out, value, true);
}

/* The configured ones as they stand, then those that labels set. */
static size_t collect_parameters(const struct nv_config_scrape *config,
                                 const struct nv_label *labels, size_t n_labels,
                                 struct parameter *at)
{
    size_t n = 0, n_configured;

    for (; n < config->n_params; n++) {
        const struct nv_config_parameter *from = &config->params[n];
        struct nv_str first =
            from->values.n ? nv_str(from->values.at[0]) : (struct nv_str){NULL, 0};
        at[n] = (struct parameter){nv_str(from->name), first, &from->values};
    }
    n_configured = n;
    for (size_t i = 0; i < n_labels && n < PARAMETERS_MAX; i++) {
        size_t known = 0;
        if (!nv_str_starts(labels[i].name, parameter_prefix))
            continue;
        struct nv_str name = nv_str_from(labels[i].name, sizeof(parameter_prefix) - 1);
        while (known < n_configured && !nv_str_eq(at[known].name, name))
            known++;
        if (known < n_configured)
            at[known].first = labels[i].value;
        else
            at[n++] = (struct parameter){name, labels[i].value, NULL};
    }
    return n;
}

static void write_query(struct nv_buf *out, const struct nv_config_scrape *config,
                        const struct nv_label *labels, size_t n_labels)
{
    struct parameter at[PARAMETERS_MAX];
    size_t n = collect_parameters(config, labels, n_labels, at);
    char before = '?';

    if (n)
        qsort(at, n, sizeof(*at), order_parameters);
    for (size_t i = 0; i < n; i++) {
        if (at[i].first.p)
            write_pair(out, &before, at[i].name, at[i].first);
        for (size_t k = 1; at[i].values && k < at[i].values->n; k++)
            write_pair(out, &before, at[i].name, nv_str(at[i].values->at[k]));
    }
}

/* Of bounded length: what a target asks for may be somebody else's to say. */
static int write_url(const struct nv_config_scrape *config, const struct nv_label *labels, size_t n,
                     struct nv_arena *memory, struct nv_str *ret)
{
    NV_AUTO_BUF url = NV_BUF(NV_SCRAPE_URL_MAX);
    struct nv_str path = nv_label_value(labels, n, PATH);

    nv_buf_str(&url, nv_label_value(labels, n, SCHEME));
    nv_buf_text(&url, "://");
    nv_buf_str(&url, nv_label_value(labels, n, ADDRESS));
    if (path.n && path.p[0] != '/')
        nv_buf_char(&url, '/');
    escape(&url, path, false);
    write_query(&url, config, labels, n);
    if (url.failed)
        return url.failed;
    *ret = nv_arena_str(memory, nv_buf_view(&url));
    return ret->p ? 0 : -ENOMEM;
}

/* ---- checks --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int refuse(char reason[NV_SCRAPE_REASON_MAX],
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, NV_SCRAPE_REASON_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* Nothing that would end the host of a URL, or put somebody's name before it. */
static bool is_host(struct nv_str address)
{
    for (size_t i = 0; i < address.n; i++) {
        unsigned char c = (unsigned char)address.p[i];
        if (c <= ' ' || c == 0x7f || strchr("/?#@\\\"<>^`{|}", c))
            return false;
    }
    return true;
}

static int read_time(struct nv_str text, const char *what, int64_t *ret_ms,
                     char reason[NV_SCRAPE_REASON_MAX])
{
    if (!text.n)
        return refuse(reason, "error parsing scrape %s: empty duration string", what);
    if (nv_parse_duration(text, ret_ms) != 0)
        return refuse(reason, "error parsing scrape %s: not a valid duration string: \"%.*s\"",
                      what, NV_ARGS(text));
    if (*ret_ms == 0)
        return refuse(reason, "scrape %s cannot be 0", what);
    return 0;
}

static int check_times(const struct nv_label *labels, size_t n, struct nv_scrape_described *ret,
                       char reason[NV_SCRAPE_REASON_MAX])
{
    struct nv_str interval = nv_label_value(labels, n, INTERVAL),
                  timeout = nv_label_value(labels, n, TIMEOUT);

    int r = read_time(interval, "interval", &ret->interval_ms, reason);
    if (r == 0)
        r = read_time(timeout, "timeout", &ret->timeout_ms, reason);
    if (r == 0 && ret->timeout_ms > ret->interval_ms)
        r = refuse(reason,
                   "scrape timeout cannot be greater than scrape interval (\"%.*s\" > \"%.*s\")",
                   NV_ARGS(timeout), NV_ARGS(interval));
    return r;
}

static int check(const struct nv_label *labels, size_t n, struct nv_scrape_described *ret,
                 char reason[NV_SCRAPE_REASON_MAX])
{
    struct nv_str address = nv_label_value(labels, n, ADDRESS),
                  scheme = nv_label_value(labels, n, SCHEME);

    if (!address.n)
        return refuse(reason, "no address");
    if (!is_host(address))
        return refuse(reason, "\"%.*s\" is not a valid hostname", NV_ARGS(address));
    if (!nv_str_is(scheme, "http") && !nv_str_is(scheme, "https"))
        return refuse(reason, "unsupported protocol scheme \"%.*s\"", NV_ARGS(scheme));
    int r = check_times(labels, n, ret, reason);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!nv_str_starts(labels[i].name, "__meta_") && !nv_utf8_valid(labels[i].value))
            r = refuse(reason, "invalid label value for \"%.*s\"", NV_ARGS(labels[i].name));
    }
    return r;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int keep_public(const struct nv_label *labels, size_t n, struct nv_arena *memory,
                       struct nv_scrape_described *ret)
{
    struct nv_label *kept = nv_arena_alloc(memory, (n + 1) * sizeof(*kept));
    size_t n_kept = 0;

    if (!kept)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!nv_str_starts(labels[i].name, "__"))
            kept[n_kept++] = labels[i];
    }
    if (!nv_label_value(kept, n_kept, INSTANCE).n)
        kept[n_kept++] = (struct nv_label){INSTANCE, nv_label_value(labels, n, ADDRESS)};
    nv_labels_sort(kept, n_kept);
    ret->labels = kept;
    ret->n_labels = n_kept;
    return 0;
}

static uint64_t identify(const char *job, const struct nv_scrape_described *target)
{
    uint64_t hash = nv_hash(job, strlen(job), target->n_labels);

    for (size_t i = 0; i < target->n_labels; i++) {
        hash = nv_hash(target->labels[i].name.p, target->labels[i].name.n, hash);
        hash = nv_hash(target->labels[i].value.p, target->labels[i].value.n, hash);
    }
    return nv_hash(target->url.p, target->url.n, hash);
}

int nv_scrape_describe(const struct nv_config_scrape *config, const struct nv_target_group *group,
                       struct nv_str address, struct nv_arena *memory,
                       struct nv_scrape_described *ret, char reason[NV_SCRAPE_REASON_MAX])
{
    const struct nv_label *labels;
    size_t n;

    *ret = (struct nv_scrape_described){0};
    int r = discover(config, group, address, memory, ret);
    if (r == 0)
        r = nv_relabel(config->relabel.at, config->relabel.n, memory, ret->discovered,
                       ret->n_discovered, &labels, &n);
    if (r != 0)
        return r == NV_RELABEL_DROPPED ? (int)NV_SCRAPE_DROPPED : r;
    r = check(labels, n, ret, reason);
    if (r == 0)
        r = keep_public(labels, n, memory, ret);
    if (r < 0)
        return r;
    r = write_url(config, labels, n, memory, &ret->url);
    if (r == -EFBIG)
        return refuse(reason, "the URL has more than %d bytes", NV_SCRAPE_URL_MAX);
    if (r < 0)
        return r;
    ret->identity = identify(config->job_name, ret);
    return 0;
}
