#include "base/rfc3339.h"

#include <stdio.h>
#include <string.h>

/* Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that a leap day ends one. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned in_era = (unsigned)(days - era * 146097);
    unsigned of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (365 * of_era + of_era / 4 - of_era / 100);
    unsigned march = (5 * in_year + 2) / 153;

    *day = in_year - (153 * march + 2) / 5 + 1;
    *month = march < 10 ? march + 3 : march - 9;
    *year = of_era + era * 400 + (*month <= 2);
}

/* Up to the second. */
static int write_seconds(char out[NV_RFC3339_MAX], int64_t s)
{
    static const int64_t first = -62167219200, last = 253402300799; /* 0000-01-01, 9999-12-31 */
    int64_t year;
    unsigned month, day;

    s = s < first ? first : s > last ? last : s;
    int64_t days = (s >= 0 ? s : s - 86399) / 86400;
    unsigned second = (unsigned)(s - days * 86400);
    date_of(days, &year, &month, &day);
    return snprintf(out, NV_RFC3339_MAX, "%04u-%02u-%02uT%02u:%02u:%02u", (unsigned)year, month,
                    day, second / 3600, second / 60 % 60, second % 60);
}

size_t nv_rfc3339_ms(char out[NV_RFC3339_MAX], int64_t ms)
{
    int64_t s = (ms >= 0 ? ms : ms - 999) / 1000;
    int n = write_seconds(out, s);

    return (size_t)(n + snprintf(out + n, (size_t)(NV_RFC3339_MAX - n), ".%03uZ",
                                 (unsigned)(ms - s * 1000)));
}

size_t nv_rfc3339_ns(char out[NV_RFC3339_MAX], int64_t ns)
{
    int64_t s = (ns >= 0 ? ns : ns - 999999999) / 1000000000;
    unsigned fraction = (unsigned)(ns - s * 1000000000);
    int n = write_seconds(out, s);

    if (fraction) {
        n += snprintf(out + n, (size_t)(NV_RFC3339_MAX - n), ".%09u", fraction);
        while (out[n - 1] == '0')
            n--;
    }
    out[n] = 'Z';
    out[n + 1] = '\0';
    return (size_t)n + 1;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Takes `n` digits, then one of `after` where it is not empty. */
static unsigned digits(struct nv_str *s, size_t n, const char *after, bool *ok)
{
    unsigned value = 0;

    if (s->n < n + (*after ? 1 : 0)) {
        *ok = false;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            *ok = false;
        value = value * 10 + (unsigned)(s->p[i] - '0') % 10;
    }
    *s = nv_str_from(*s, n);
    if (*after) {
        *ok &= s->p[0] && strchr(after, s->p[0]);
        *s = nv_str_from(*s, 1);
    }
    return value;
}

static unsigned read_fraction(struct nv_str *s, bool *ok)
{
    unsigned ms = 0, weight = 100;
    size_t n = 1;

    for (; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++, weight /= 10)
        ms += (unsigned)(s->p[n] - '0') * weight;
    *ok &= n > 1;
    *s = nv_str_from(*s, n);
    return ms;
}

/* Minutes east of Greenwich. */
static int read_zone(struct nv_str *s, bool *ok)
{
    if (s->n == 1 && (s->p[0] == 'Z' || s->p[0] == 'z')) {
        *s = nv_str_from(*s, 1);
        return 0;
    }
    if (s->n != 6 || (s->p[0] != '+' && s->p[0] != '-')) {
        *ok = false;
        return 0;
    }
    int sign = s->p[0] == '-' ? -1 : 1;
    *s = nv_str_from(*s, 1);
    unsigned hours = digits(s, 2, ":", ok), minutes = digits(s, 2, "", ok);
    *ok &= hours < 24 && minutes < 60;
    return sign * (int)(hours * 60 + minutes);
}

static unsigned month_length(unsigned year, unsigned month)
{
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2                                              ? (leap ? 29 : 28)
           : month == 4 || month == 6 || month == 9 || month == 11 ? 30
                                                                   : 31;
}

bool nv_rfc3339_read(struct nv_str text, int64_t *ret_ms)
{
    bool ok = true;
    unsigned year = digits(&text, 4, "-", &ok), month = digits(&text, 2, "-", &ok);
    unsigned day = digits(&text, 2, "Tt ", &ok), hour = digits(&text, 2, ":", &ok);
    unsigned minute = digits(&text, 2, ":", &ok), second = digits(&text, 2, "", &ok);
    unsigned ms = ok && text.n && text.p[0] == '.' ? read_fraction(&text, &ok) : 0;
    int zone = ok ? read_zone(&text, &ok) : 0;

    if (!ok || text.n || month < 1 || month > 12 || day < 1 || day > month_length(year, month) ||
        hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t seconds =
        days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone * 60;
    *ret_ms = seconds * 1000 + ms;
    return true;
}
