/*
 * template_methods.c - what can be asked of times and durations, and how a native histogram prints.
 */
#include "config/template_parts.h"

#include <math.h>
#include <time.h>

typedef struct nv_template_value value_t;
typedef struct nv_template_call call_t;

enum { TEXT_MAX = NV_TEMPLATE_OUTPUT_MAX, HISTOGRAM_TEXT_MAX = 1 << 20 };

static int give_whole(call_t *call, int64_t whole)
{
    call->result = (value_t){.kind = NV_TEMPLATE_INT, .whole = whole};
    return 0;
}

static int give_real(call_t *call, double real)
{
    call->result = nv_template_real(real);
    return 0;
}

static int give_kind(call_t *call, enum nv_template_kind kind, int64_t whole)
{
    call->result = (value_t){.kind = kind, .whole = whole};
    return 0;
}

static int give_printed(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    nv_template_print(&text, &call->args[0]);
    return nv_template_call_text(call, &text);
}

static int give_layout(call_t *call, struct nv_str layout)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    nv_go_time_format(&text, call->args[0].whole, layout);
    return nv_template_call_text(call, &text);
}

/* ---- times ---------------------------------------------------------------------------------- */

static struct tm time_of(const call_t *call)
{
    time_t seconds = (time_t)floor((double)call->args[0].whole / 1000);
    struct tm tm = {0};

    gmtime_r(&seconds, &tm);
    return tm;
}

static int time_format(call_t *call)
{
    return give_layout(call, call->args[1].text);
}

static int time_month(call_t *call)
{
    return give_layout(call, NV_LIT("January"));
}

static int time_weekday(call_t *call)
{
    return give_layout(call, NV_LIT("Monday"));
}

static int time_same(call_t *call)
{
    call->result = call->args[0];
    return 0;
}

static int time_year(call_t *call)
{
    return give_whole(call, (int64_t)time_of(call).tm_year + 1900);
}

static int time_day(call_t *call)
{
    return give_whole(call, time_of(call).tm_mday);
}

static int time_year_day(call_t *call)
{
    return give_whole(call, time_of(call).tm_yday + 1);
}

static int time_hour(call_t *call)
{
    return give_whole(call, time_of(call).tm_hour);
}

static int time_minute(call_t *call)
{
    return give_whole(call, time_of(call).tm_min);
}

static int time_second(call_t *call)
{
    return give_whole(call, time_of(call).tm_sec);
}

static int time_unix(call_t *call)
{
    return give_whole(call, (int64_t)floor((double)call->args[0].whole / 1000));
}

static int time_unix_milli(call_t *call)
{
    return give_whole(call, call->args[0].whole);
}

static int time_add(call_t *call)
{
    return give_kind(call, NV_TEMPLATE_TIME, call->args[0].whole + call->args[1].whole / 1000000);
}

/* As Go has it, what does not fit becomes the longest there is. */
static int time_sub(call_t *call)
{
    int64_t ns;
    int64_t ms = call->args[0].whole - call->args[1].whole;

    if (__builtin_mul_overflow(ms, 1000000, &ns))
        ns = ms < 0 ? INT64_MIN : INT64_MAX;
    return give_kind(call, NV_TEMPLATE_DURATION, ns);
}

/* ---- durations ------------------------------------------------------------------------------ */

static int duration_hours(call_t *call)
{
    return give_real(call, (double)call->args[0].whole / 3.6e12);
}

static int duration_minutes(call_t *call)
{
    return give_real(call, (double)call->args[0].whole / 6e10);
}

static int duration_seconds(call_t *call)
{
    return give_real(call, (double)call->args[0].whole / 1e9);
}

static int duration_milliseconds(call_t *call)
{
    return give_whole(call, call->args[0].whole / 1000000);
}

static int duration_nanoseconds(call_t *call)
{
    return give_whole(call, call->args[0].whole);
}

static int duration_truncate(call_t *call)
{
    int64_t to = call->args[1].whole;

    return give_kind(call, NV_TEMPLATE_DURATION,
                     to <= 0 ? call->args[0].whole
                             : call->args[0].whole - call->args[0].whole % to);
}

static int duration_round(call_t *call)
{
    int64_t to = call->args[1].whole, value = call->args[0].whole;
    int64_t rest = to > 0 ? value % to : 0, up;

    if (to <= 0)
        return give_kind(call, NV_TEMPLATE_DURATION, value);
    int64_t size = rest < 0 ? -rest : rest, down = value - rest;
    if (size < to - size)
        return give_kind(call, NV_TEMPLATE_DURATION, down);
    if (__builtin_add_overflow(down, value < 0 ? -to : to, &up))
        up = value < 0 ? INT64_MIN : INT64_MAX;
    return give_kind(call, NV_TEMPLATE_DURATION, up);
}

static const struct {
    enum nv_template_kind kind;
    struct nv_template_function function;
} methods[] = {
    {NV_TEMPLATE_TIME,      {"Format", "t", time_format}               },
    {NV_TEMPLATE_TIME,      {"String", "", give_printed}               },
    {NV_TEMPLATE_TIME,      {"UTC", "", time_same}                     },
    {NV_TEMPLATE_TIME,      {"Year", "", time_year}                    },
    {NV_TEMPLATE_TIME,      {"Month", "", time_month}                  },
    {NV_TEMPLATE_TIME,      {"Day", "", time_day}                      },
    {NV_TEMPLATE_TIME,      {"YearDay", "", time_year_day}             },
    {NV_TEMPLATE_TIME,      {"Weekday", "", time_weekday}              },
    {NV_TEMPLATE_TIME,      {"Hour", "", time_hour}                    },
    {NV_TEMPLATE_TIME,      {"Minute", "", time_minute}                },
    {NV_TEMPLATE_TIME,      {"Second", "", time_second}                },
    {NV_TEMPLATE_TIME,      {"Unix", "", time_unix}                    },
    {NV_TEMPLATE_TIME,      {"UnixMilli", "", time_unix_milli}         },
    {NV_TEMPLATE_TIME,      {"Add", "d", time_add}                     },
    {NV_TEMPLATE_TIME,      {"Sub", "T", time_sub}                     },
    {NV_TEMPLATE_DURATION,  {"String", "", give_printed}               },
    {NV_TEMPLATE_DURATION,  {"Hours", "", duration_hours}              },
    {NV_TEMPLATE_DURATION,  {"Minutes", "", duration_minutes}          },
    {NV_TEMPLATE_DURATION,  {"Seconds", "", duration_seconds}          },
    {NV_TEMPLATE_DURATION,  {"Milliseconds", "", duration_milliseconds}},
    {NV_TEMPLATE_DURATION,  {"Nanoseconds", "", duration_nanoseconds}  },
    {NV_TEMPLATE_DURATION,  {"Truncate", "d", duration_truncate}       },
    {NV_TEMPLATE_DURATION,  {"Round", "d", duration_round}             },
    {NV_TEMPLATE_HISTOGRAM, {"String", "", give_printed}               },
};

const struct nv_template_function *nv_template_method(enum nv_template_kind kind,
                                                      struct nv_str name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (methods[i].kind == kind && nv_str_is(name, methods[i].function.name))
            return &methods[i].function;
    }
    return NULL;
}

/* ---- native histograms ---------------------------------------------------------------------- */

/* The upper bound of a bucket; of one below all custom bounds, minus infinity. */
static double bound(const struct nv_histogram *h, int64_t index)
{
    if (h->schema == NV_HISTOGRAM_CUSTOM)
        return index < 0                       ? -INFINITY
               : index >= (int64_t)h->n_custom ? INFINITY
                                               : h->custom_values[index];
    if (h->schema <= 0)
        return index > 1100 || index < -1100 ? exp2((double)index * exp2(-h->schema))
                                             : ldexp(1, (int)index * (1 << -h->schema));
    int64_t steps = INT64_C(1) << h->schema;
    int64_t whole = index >= 0 ? index / steps : -((steps - 1 - index) / steps);
    return ldexp(exp2((double)(index - whole * steps) / (double)steps), (int)whole);
}

static void print_bucket(struct nv_buf *out, char open, double low, double high, char close,
                         double count)
{
    nv_buf_printf(out, ", %c", open);
    nv_template_write_real(out, low, 'g', -1);
    nv_buf_char(out, ',');
    nv_template_write_real(out, high, 'g', -1);
    nv_buf_printf(out, "%c:", close);
    nv_template_write_real(out, count, 'g', -1);
}

/* One side of the histogram, from the outermost bucket where `backwards`. */
static void print_side(struct nv_buf *out, const struct nv_histogram *h,
                       const struct nv_span *spans, size_t n_spans, const double *counts,
                       size_t n_counts, bool negative)
{
    int64_t index = 0;
    size_t at = 0;

    for (size_t s = 0; s < n_spans && !negative; s++) {
        index += spans[s].offset;
        for (uint32_t i = 0; i < spans[s].length && at < n_counts; i++, index++, at++) {
            if (counts[at] != 0)
                print_bucket(out, '(', bound(h, index - 1), bound(h, index), ']', counts[at]);
        }
    }
    if (!negative)
        return;
    for (size_t s = 0; s < n_spans; s++)
        index += spans[s].offset + (int64_t)spans[s].length;
    at = n_counts;
    for (size_t s = n_spans; s-- > 0;) {
        for (uint32_t i = 0; i < spans[s].length && at; i++) {
            index--;
            at--;
            if (counts[at] != 0)
                print_bucket(out, '[', -bound(h, index), -bound(h, index - 1), ')', counts[at]);
        }
        index -= spans[s].offset;
    }
}

int nv_template_histogram(struct nv_arena *memory, const struct nv_histogram *histogram,
                          struct nv_template_value *ret)
{
    NV_AUTO_BUF text = NV_BUF(HISTOGRAM_TEXT_MAX);
    const struct nv_histogram *h = histogram;

    nv_buf_text(&text, "{count:");
    nv_template_write_real(&text, h->count, 'g', -1);
    nv_buf_text(&text, ", sum:");
    nv_template_write_real(&text, h->sum, 'g', -1);
    print_side(&text, h, h->negative_spans, h->n_negative_spans, h->negative, h->n_negative, true);
    if (h->zero_count != 0)
        print_bucket(&text, '[', -h->zero_threshold, h->zero_threshold, ']', h->zero_count);
    print_side(&text, h, h->positive_spans, h->n_positive_spans, h->positive, h->n_positive, false);
    nv_buf_char(&text, '}');
    struct nv_str kept = nv_arena_str(memory, nv_buf_view(&text));
    if (!kept.p || text.failed)
        return -ENOMEM;
    *ret = (struct nv_template_value){.kind = NV_TEMPLATE_HISTOGRAM, .text = kept};
    return 0;
}
