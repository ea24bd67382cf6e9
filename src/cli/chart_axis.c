/*
 * chart_axis.c - round values and moments for the axes of a chart.
 */
#include <math.h>
#include <nodevitals/collector.h> /* NV_LEN */
#include <stdio.h>
#include <time.h>

#include "cli/chart.h"

/* What lies beyond is cut to these, so that differences stay finite and quotients no less than a double can be. */
#define LARGEST  1e300
#define SMALLEST 1e-280

/* ---- values --------------------------------------------------------------------------------- */

struct nv_axis_unit nv_axis_unit(double largest, bool binary, bool utf8)
{
    static const char *const large[][2] = {
        {"",  ""  },
        {"k", "Ki"},
        {"M", "Mi"},
        {"G", "Gi"},
        {"T", "Ti"},
        {"P", "Pi"},
        {"E", "Ei"}
    };
    double base = binary ? 1024 : 1000, factor = 1;
    size_t i = 0;

    for (; largest >= base * factor && i + 1 < NV_LEN(large); i++)
        factor *= base;
    if (i || largest >= 1e-3 || largest < 1e-10)
        return (struct nv_axis_unit){factor, large[i][binary]};
    return largest < 1e-7 ? (struct nv_axis_unit){1e-9, "n"}
                          /* no m, which may be minutes as well */
                          : (struct nv_axis_unit){1e-6, utf8 ? "\u00b5" : "u"};
}

/* The least of 1, 2, 2.5, 5 times a power of ten that is not less. */
static double round_up(double value)
{
    static const double parts[] = {1, 2, 2.5, 5, 10};
    double power = pow(10, floor(log10(value)));
    size_t i = 0;

    while (i + 1 < NV_LEN(parts) && value / power > parts[i] * (1 + 1e-9))
        i++;
    return power * parts[i];
}

/* Digits behind the point that a round number has. */
static int digits_of(double step)
{
    int n = 0;

    while (n < 12 && fabs(step - round(step)) > 1e-6 * fabs(step)) {
        step *= 10;
        n++;
    }
    return n;
}

static double limit(double value)
{
    if (fabs(value) < SMALLEST)
        return 0;
    return value > LARGEST ? LARGEST : value < -LARGEST ? -LARGEST : value;
}

void nv_axis_init(struct nv_axis *axis, double least, double most, unsigned max_ticks, bool binary,
                  bool utf8)
{
    least = limit(least);
    most = limit(most);
    if (least > 0 && (least <= most / 2 || least == most))
        least = 0;
    if (most < 0 && (most >= least / 2 || least == most))
        most = 0;
    if (least == most) /* both are zero */
        most = 1;
    axis->unit = nv_axis_unit(fmax(fabs(least), fabs(most)), binary, utf8);
    double factor = axis->unit.factor;
    double step = round_up((most / factor - least / factor) / max_ticks);
    double first = floor(least / factor / step + 1e-9), last = ceil(most / factor / step - 1e-9);
    axis->step = step * factor;
    axis->low = first * axis->step;
    axis->high = last * axis->step;
    axis->n_ticks = (unsigned)(last - first) + 1;
    axis->digits = digits_of(step);
}

double nv_axis_value(const struct nv_axis *axis, unsigned tick)
{
    return axis->low + tick * axis->step;
}

const char *nv_axis_text(char out[NV_AXIS_TEXT_MAX], const struct nv_axis *axis, double value)
{
    double shown = value / axis->unit.factor;
    bool zero = fabs(shown) < axis->step / axis->unit.factor / 1e6;
    int digits = axis->digits;

    if (fabs(shown) >= 1e9 || digits > 9)
        snprintf(out, NV_AXIS_TEXT_MAX, "%g%s", zero ? 0 : shown, axis->unit.name);
    else
        snprintf(out, NV_AXIS_TEXT_MAX, "%.*f%s", zero ? 0 : digits, zero ? 0 : shown,
                 zero ? "" : axis->unit.name);
    return out;
}

const char *nv_axis_number(char out[NV_AXIS_TEXT_MAX], double value, bool binary, bool utf8)
{
    struct nv_axis_unit unit = nv_axis_unit(fabs(value), binary, utf8);

    if (isnan(value))
        snprintf(out, NV_AXIS_TEXT_MAX, "NaN");
    else if (isinf(value))
        snprintf(out, NV_AXIS_TEXT_MAX, "%cInf", value < 0 ? '-' : '+');
    else
        snprintf(out, NV_AXIS_TEXT_MAX, "%.4g%s", value / unit.factor, unit.name);
    return out;
}

/* ---- times ---------------------------------------------------------------------------------- */

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
static const int64_t DAY = 24 * (int64_t)HOUR;

static int64_t offset_ms(int64_t time_ms, struct tm *ret)
{
    time_t seconds = (time_t)(time_ms / 1000 - (time_ms % 1000 < 0));

    if (!localtime_r(&seconds, ret))
        *ret = (struct tm){.tm_zone = "UTC"};
    return (int64_t)ret->tm_gmtoff * 1000;
}

void nv_time_axis_init(struct nv_time_axis *axis, int64_t start_ms, int64_t end_ms,
                       unsigned max_ticks)
{
    static const int steps[] = {
        SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
        MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
        HOUR,   2 * HOUR,   3 * HOUR,   6 * HOUR,    12 * HOUR,   24 * HOUR,
    };
    int64_t span = end_ms - start_ms, step = 0;
    struct tm tm;

    tzset();
    for (size_t i = 0; !step && i < NV_LEN(steps); i++) {
        if (span / steps[i] < max_ticks)
            step = steps[i];
    }
    while (!step || span / step >= max_ticks) /* days, doubled until they fit */
        step = step ? 2 * step : DAY;
    int64_t offset = offset_ms(start_ms, &tm), local = start_ms + offset;
    int64_t over = (local % step + step) % step;
    axis->step_ms = step;
    axis->first_ms = start_ms + (over ? step - over : 0);
    snprintf(axis->zone, sizeof(axis->zone), "%s", tm.tm_zone ? tm.tm_zone : "");
}

const char *nv_time_axis_text(char out[NV_AXIS_TEXT_MAX], const struct nv_time_axis *axis,
                              int64_t time_ms)
{
    struct tm tm;

    offset_ms(time_ms, &tm);
    bool midnight = !tm.tm_hour && !tm.tm_min && !tm.tm_sec;
    size_t n = axis->step_ms >= DAY || midnight ? strftime(out, NV_AXIS_TEXT_MAX, "%b %d", &tm)
               : axis->step_ms < MINUTE         ? strftime(out, NV_AXIS_TEXT_MAX, "%T", &tm)
                                                : strftime(out, NV_AXIS_TEXT_MAX, "%H:%M", &tm);
    out[n] = '\0';
    return out;
}
