/*
 * template_numbers.c - the functions that Prometheus adds about numbers and times.
 *
 * Each takes numbers, durations and texts that are numbers.
 */
#include "config/template_parts.h"

#include <math.h>

#include "config/units.h"

typedef struct nv_template_value value_t;
typedef struct nv_template_call call_t;

static int give_real(call_t *call, double real)
{
    call->result = nv_template_real(real);
    return 0;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static int to_real(call_t *call, const value_t *value, double *ret)
{
    struct nv_str text = value->text;

    switch (value->kind) {
    case NV_TEMPLATE_REAL:
        *ret = value->real;
        return 0;
    case NV_TEMPLATE_INT:
        *ret = (double)value->whole;
        return 0;
    case NV_TEMPLATE_DURATION:
        *ret = (double)value->whole / 1e9;
        return 0;
    case NV_TEMPLATE_TEXT:
        if (text.n && !nv_is_space(text.p[0]) && !nv_is_space(text.p[text.n - 1]) &&
            nv_str_to_real(text, ret))
            return 0;
        return nv_template_call_fail(call, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
                                     text.n < 256 ? (int)text.n : 256, text.p);
    default:
        return nv_template_call_fail(call, "can't convert %s to float", nv_template_type(value));
    }
}

/* Four digits, a prefix and a unit. */
static int give_scaled(call_t *call, double value, const char *prefix, const char *unit)
{
    NV_AUTO_BUF text = NV_BUF(128);

    nv_template_write_real(&text, value, 'g', 4);
    nv_buf_text(&text, prefix);
    nv_buf_text(&text, unit);
    return nv_template_call_text(call, &text);
}

/* Divides by `step` until the number is below it. Returns the prefix that stands for that. */
static const char *scale_down(double *value, double step, const char *const *prefixes)
{
    const char *prefix = "";

    for (; *prefixes && fabs(*value) >= step; prefixes++) {
        prefix = *prefixes;
        *value /= step;
    }
    return prefix;
}

static const char *scale_up(double *value)
{
    static const char *const prefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y", NULL};
    const char *prefix = "";

    for (size_t i = 0; prefixes[i] && fabs(*value) < 1; i++) {
        prefix = prefixes[i];
        *value *= 1000;
    }
    return prefix;
}

static int call_humanize(call_t *call)
{
    static const char *const prefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y", NULL};
    double value;
    int r = to_real(call, &call->args[0], &value);

    if (r < 0)
        return r;
    const char *prefix = value == 0 || !isfinite(value) ? ""
                         : fabs(value) >= 1             ? scale_down(&value, 1000, prefixes)
                                                        : scale_up(&value);
    return give_scaled(call, value, prefix, "");
}

static int call_humanize1024(call_t *call)
{
    static const char *const prefixes[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi", NULL};
    double value;
    int r = to_real(call, &call->args[0], &value);

    if (r < 0)
        return r;
    const char *prefix = isfinite(value) ? scale_down(&value, 1024, prefixes) : "";
    return give_scaled(call, value, prefix, "");
}

static int call_humanize_percentage(call_t *call)
{
    double value;
    int r = to_real(call, &call->args[0], &value);

    return r < 0 ? r : give_scaled(call, value * 100, "%", "");
}

/* From a second on: days, hours and minutes as far as there are any. */
static int give_long_duration(call_t *call, double value)
{
    NV_AUTO_BUF text = NV_BUF(128);
    double size = fabs(value);
    int64_t whole = size < 9.2e18 ? (int64_t)size : INT64_MIN; /* what Go makes of it on amd64 */
    int64_t days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60;

    nv_buf_text(&text, value < 0 ? "-" : "");
    if (days)
        nv_buf_printf(&text, "%lldd ", (long long)days);
    if (days || hours)
        nv_buf_printf(&text, "%lldh ", (long long)hours);
    if (days || hours || minutes) {
        nv_buf_printf(&text, "%lldm %llds", (long long)minutes, (long long)(whole % 60));
    } else {
        nv_template_write_real(&text, size, 'g', 4);
        nv_buf_char(&text, 's');
    }
    return nv_template_call_text(call, &text);
}

static int call_humanize_duration(call_t *call)
{
    double value;
    int r = to_real(call, &call->args[0], &value);

    if (r < 0)
        return r;
    if (!isfinite(value))
        return give_scaled(call, value, "", "");
    if (fabs(value) >= 1)
        return give_long_duration(call, value);
    const char *prefix = value == 0 ? "" : scale_up(&value);
    return give_scaled(call, value, prefix, "s");
}

/* ---- times ---------------------------------------------------------------------------------- */

/* Seconds as a time in milliseconds. */
static int to_time(call_t *call, double seconds, const char *what, int64_t *ret_ns)
{
    NV_AUTO_BUF shown = NV_BUF(64);

    if (!isfinite(seconds))
        return nv_template_call_fail(call, "value is NaN or Inf");
    if (fabs(seconds * 1e9) < 9223372036854775808.0) {
        *ret_ns = (int64_t)(seconds * 1e9);
        return 0;
    }
    nv_template_write_real(&shown, seconds, 'g', -1);
    return nv_template_call_fail(
        call, "%s cannot be represented as a nanoseconds %s since it overflows int64",
        nv_buf_c_string(&shown), what);
}

static int64_t floor_ms(int64_t ns)
{
    return ns / 1000000;
}

static int call_humanize_timestamp(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(128);
    double value;
    int64_t ns = 0;
    int r = to_real(call, &call->args[0], &value);

    if (r < 0)
        return r;
    if (!isfinite(value))
        return give_scaled(call, value, "", "");
    r = to_time(call, value, "timestamp", &ns);
    if (r < 0)
        return r;
    nv_go_time_text(&text, floor_ms(ns));
    return nv_template_call_text(call, &text);
}

static int call_to_time(call_t *call)
{
    double value;
    int64_t ns = 0;
    int r = to_real(call, &call->args[0], &value);

    if (r == 0)
        r = to_time(call, value, "timestamp", &ns);
    call->result = (value_t){.kind = NV_TEMPLATE_TIME, .whole = floor_ms(ns)};
    return r;
}

static int call_to_duration(call_t *call)
{
    double value;
    int64_t ns = 0;
    int r = to_real(call, &call->args[0], &value);

    if (r == 0)
        r = to_time(call, value, "duration", &ns);
    call->result = (value_t){.kind = NV_TEMPLATE_DURATION, .whole = ns};
    return r;
}

static int call_now(call_t *call)
{
    return give_real(call, (double)call->run->context->time_ms / 1000);
}

static int call_parse_duration(call_t *call)
{
    struct nv_str text = call->args[0].text;
    bool minus = text.n && text.p[0] == '-';
    int64_t ms = 0;

    int r = nv_parse_duration(nv_str_from(text, minus), &ms);
    if (r == NV_UNITS_OUT_OF_RANGE)
        return nv_template_call_fail(call, "duration out of range");
    if (r)
        return nv_template_call_fail(
            call, text.n ? "not a valid duration string: \"%.*s\"" : "empty duration string%.*s",
            text.n < 256 ? (int)text.n : 256, text.n ? text.p : "");
    return give_real(call, (minus ? -1 : 1) * (double)ms / 1000);
}

static const struct nv_template_function functions[] = {
    {"humanize",           "v", call_humanize           },
    {"humanize1024",       "v", call_humanize1024       },
    {"humanizeDuration",   "v", call_humanize_duration  },
    {"humanizePercentage", "v", call_humanize_percentage},
    {"humanizeTimestamp",  "v", call_humanize_timestamp },
    {"toTime",             "v", call_to_time            },
    {"toDuration",         "v", call_to_duration        },
    {"now",                "",  call_now                },
    {"parseDuration",      "t", call_parse_duration     },
};

const struct nv_template_function *nv_template_number(struct nv_str name)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (nv_str_is(name, functions[i].name))
            return &functions[i];
    }
    return NULL;
}
