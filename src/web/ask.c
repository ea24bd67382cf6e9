#include "web/exchange_parts.h"

#include <errno.h>
#include <stdio.h>

#include "base/rfc3339.h"
#include "config/units.h"
#include "web/query.h"

/* ---- parameters ----------------------------------------------------------------------------- */

static size_t count_pairs(struct nv_str text)
{
    struct nv_str key, value;
    size_t n = 0;

    while (nv_query_next(&text, &key, &value))
        n++;
    return n;
}

static bool decode(struct nv_exchange *x, struct nv_str *text)
{
    char *out = nv_arena_alloc(&x->memory, text->n + 1);

    if (!out)
        return false;
    if (nv_query_decode(*text, out, text))
        return true;
    x->bad_form = "invalid URL escape";
    text->p = NULL;
    return true;
}

static int parse(struct nv_exchange *x, struct nv_str text, struct nv_parameter *list)
{
    struct nv_str key, value;

    while (nv_query_next(&text, &key, &value)) {
        if (!decode(x, &key) || !decode(x, &value))
            return -ENOMEM;
        if (key.p && value.p)
            list[x->n_parameters++] = (struct nv_parameter){key, value};
    }
    return 0;
}

int nv_exchange_parse(struct nv_exchange *x, struct nv_str form, struct nv_str query)
{
    size_t n = count_pairs(form) + count_pairs(query);

    x->n_parameters = 0;
    if (n > NV_EXCHANGE_PARAMETERS_MAX)
        return -E2BIG;
    struct nv_parameter *list = nv_arena_alloc(&x->memory, (n + 1) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    x->parameters = list;
    int r = parse(x, form, list);
    return r < 0 ? r : parse(x, query, list);
}

bool nv_ask_next(const struct nv_exchange *x, const char *name, size_t *at, struct nv_str *ret)
{
    for (; *at < x->n_parameters; ++*at) {
        if (nv_str_is(x->parameters[*at].name, name)) {
            *ret = x->parameters[(*at)++].value;
            return true;
        }
    }
    return false;
}

bool nv_asked(const struct nv_exchange *x, const char *name, struct nv_str *ret)
{
    size_t at = 0;

    return nv_ask_next(x, name, &at, ret);
}

struct nv_str nv_param(const struct nv_exchange *x, const char *name)
{
    struct nv_str value = NV_LIT("");

    (void)nv_asked(x, name, &value);
    return value;
}

/* ---- times ---------------------------------------------------------------------------------- */

/* Seconds to ms, within what times may be. False for NaN and infinities. */
static bool to_ms(double seconds, int64_t *ret)
{
    double ms = round(seconds * 1000);

    if (!isfinite(seconds))
        return false;
    *ret = ms <= (double)NV_API_TIME_MIN   ? NV_API_TIME_MIN
           : ms >= (double)NV_API_TIME_MAX ? NV_API_TIME_MAX
                                           : (int64_t)ms;
    return true;
}

/* The earliest and the latest moment Go's clients can name, for which RFC 3339 has no year. */
static bool is_extreme(struct nv_str text, int64_t *ret)
{
    bool first = nv_str_is(text, "-292273086-05-16T16:47:06Z");

    *ret = first ? NV_API_TIME_MIN : NV_API_TIME_MAX;
    return first || nv_str_is(text, "292277025-08-18T07:12:54.999999999Z") ||
           nv_str_is(text, "+292277025-08-18T07:12:54.999999999Z");
}

/* A number, and nothing in front of or behind it. */
static bool read_number(struct nv_str text, double *ret)
{
    return text.n && !nv_is_space(text.p[0]) && !nv_is_space(text.p[text.n - 1]) &&
           nv_str_to_real(text, ret);
}

static bool read_time(struct nv_str text, int64_t *ret)
{
    double seconds;

    if (read_number(text, &seconds))
        return to_ms(seconds, ret);
    return nv_rfc3339_read(text, ret) || is_extreme(text, ret);
}

enum { SHOWN_MAX = 200 }; /* of a value in an error */

static int bad_value(struct nv_exchange *x, const char *name, struct nv_str value,
                     const char *prefix, const char *kind)
{
    NV_AUTO_BUF quoted = NV_BUF(4096);

    nv_promql_print_string(&quoted,
                           (struct nv_str){value.p, value.n < SHOWN_MAX ? value.n : SHOWN_MAX});
    return nv_fail_parameter(x, name, "%scannot parse %s to a valid %s", prefix,
                             nv_buf_c_string(&quoted), kind);
}

int nv_need_time(struct nv_exchange *x, const char *name, int64_t *ret)
{
    struct nv_str text = nv_param(x, name);

    return read_time(text, ret) ? 0 : bad_value(x, name, text, "", "timestamp");
}

/* The same error has other words where the time is optional. */
int nv_ask_time(struct nv_exchange *x, const char *name, int64_t fallback, int64_t *ret)
{
    struct nv_str text = nv_param(x, name);
    char prefix[64];

    *ret = fallback;
    if (!text.n || read_time(text, ret))
        return 0;
    snprintf(prefix, sizeof(prefix), "Invalid time value for '%s': ", name);
    return bad_value(x, name, text, prefix, "timestamp");
}

static bool read_duration(struct nv_str text, int64_t *ret)
{
    double seconds;

    if (read_number(text, &seconds))
        return fabs(seconds) < (double)INT64_MAX / 1e9 && to_ms(seconds, ret);
    return nv_parse_duration(text, ret) == 0;
}

int nv_need_duration(struct nv_exchange *x, const char *name, int64_t *ret)
{
    struct nv_str text = nv_param(x, name);

    return read_duration(text, ret) ? 0 : bad_value(x, name, text, "", "duration");
}

int nv_ask_duration(struct nv_exchange *x, const char *name, int64_t fallback, int64_t *ret)
{
    if (nv_param(x, name).n)
        return nv_need_duration(x, name, ret);
    *ret = fallback;
    return 0;
}

/* ---- other parameters ----------------------------------------------------------------------- */

int nv_ask_limit(struct nv_exchange *x, const char *name, uint64_t *ret)
{
    struct nv_str text = nv_param(x, name);
    int64_t value = 0;

    if (text.n && (nv_is_space(text.p[0]) || !nv_str_to_i64(text, &value))) {
        NV_AUTO_BUF quoted = NV_BUF(4096);
        nv_promql_print_string(&quoted,
                               (struct nv_str){text.p, text.n < SHOWN_MAX ? text.n : SHOWN_MAX});
        return nv_fail_parameter(x, name, "strconv.Atoi: parsing %s: invalid syntax",
                                 nv_buf_c_string(&quoted));
    }
    if (value < 0)
        return nv_fail_parameter(x, name, "limit must be non-negative");
    *ret = (uint64_t)value;
    return 0;
}

static bool fits_empty(const struct nv_selector *selector)
{
    for (size_t i = 0; i < selector->n_matchers; i++) {
        if (!nv_matcher_fits(&selector->matchers[i], NV_LIT("")))
            return false;
    }
    return true;
}

static const char match[] = "match[]";

static int wrong_selector(struct nv_exchange *x, bool named, const char *text)
{
    return named ? nv_fail_parameter(x, match, "%s", text) : nv_fail(x, NV_BAD_DATA, "%s", text);
}

static int parse_selector(struct nv_exchange *x, bool named, struct nv_str text,
                          struct nv_matchers_of *ret)
{
    struct nv_promql_error error = {0};
    NV_AUTO_BUF shown = NV_BUF(NV_EXCHANGE_ERROR_MAX);
    struct nv_parsed_selector *parsed = nv_arena_alloc(&x->memory, sizeof(*parsed));

    if (!parsed)
        return -ENOMEM;
    int r = nv_promql_parse_selector(text, &x->memory, &parsed->promql, &error);
    if (r == -EINVAL) {
        nv_promql_error_text(text, &error, &shown);
        return wrong_selector(x, named, nv_buf_c_string(&shown));
    }
    if (r < 0)
        return r;
    parsed->next = x->inside->selectors;
    x->inside->selectors = parsed;
    const struct nv_selector *selector = &parsed->promql.root->selector;
    if (fits_empty(selector))
        return wrong_selector(x, named, "match[] must contain at least one non-empty matcher");
    *ret = (struct nv_matchers_of){selector->matchers, selector->n_matchers};
    return 0;
}

int nv_ask_selectors(struct nv_exchange *x, bool named, struct nv_selector_list *ret)
{
    size_t n = 0, at = 0;
    struct nv_str text;

    *ret = (struct nv_selector_list){0};
    while (nv_ask_next(x, match, &at, &text))
        n++;
    if (n > NV_EXCHANGE_SELECTORS_MAX)
        return nv_fail_parameter(x, match, "more than %d selectors", NV_EXCHANGE_SELECTORS_MAX);
    ret->at = nv_arena_alloc(&x->memory, (n + 1) * sizeof(*ret->at));
    if (!ret->at)
        return nv_fail(x, NV_TOO_BUSY, "too much memory is in use by requests");
    for (at = 0; nv_ask_next(x, match, &at, &text); ret->n++) {
        int r = parse_selector(x, named, text, &ret->at[ret->n]);
        if (r < 0)
            return nv_fail(x, NV_TOO_BUSY, "too much memory is in use by requests");
        if (r)
            return r;
    }
    return 0;
}
