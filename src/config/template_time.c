/*
 * template_time.c - times and durations as Go writes them. All times are UTC.
 */
#include "config/template_parts.h"

#include <math.h>
#include <time.h>

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

struct moment {
    struct tm tm;
    int64_t year;
    unsigned ns;
};

static bool split(int64_t ms, struct moment *ret)
{
    int64_t seconds = ms / 1000, rest = ms % 1000;

    if (rest < 0) {
        seconds--;
        rest += 1000;
    }
    time_t t = (time_t)seconds;
    ret->ns = (unsigned)rest * 1000000;
    if (!gmtime_r(&t, &ret->tm))
        return false;
    ret->year = (int64_t)ret->tm.tm_year + 1900;
    return true;
}

/* ---- layouts -------------------------------------------------------------------------------- */

enum part {
    LONG_MONTH,
    SHORT_MONTH,
    TWO_MONTH,
    MONTH,
    LONG_DAY,
    SHORT_DAY,
    TWO_DAY,
    BLANK_DAY,
    DAY,
    YEAR_DAY,
    LONG_YEAR,
    SHORT_YEAR,
    HOUR,
    TWO_HOUR12,
    HOUR12,
    TWO_MINUTE,
    MINUTE,
    TWO_SECOND,
    SECOND,
    UPPER_PM,
    LOWER_PM,
    ZONE,
    Z_ZONE,
    Z_COLON_ZONE,
    OFFSET,
    COLON_OFFSET,
    HOUR_OFFSET,
    NO_PART,
};

/* What a layout is made of; where one is the beginning of another, the longer stands first. */
static const struct {
    const char *text;
    enum part part;
} parts[] = {
    {"January", LONG_MONTH  },
    {"Jan",     SHORT_MONTH },
    {"Monday",  LONG_DAY    },
    {"Mon",     SHORT_DAY   },
    {"MST",     ZONE        },
    {"2006",    LONG_YEAR   },
    {"002",     YEAR_DAY    },
    {"01",      TWO_MONTH   },
    {"02",      TWO_DAY     },
    {"03",      TWO_HOUR12  },
    {"04",      TWO_MINUTE  },
    {"05",      TWO_SECOND  },
    {"06",      SHORT_YEAR  },
    {"15",      HOUR        },
    {"PM",      UPPER_PM    },
    {"pm",      LOWER_PM    },
    {"-07:00",  COLON_OFFSET},
    {"-0700",   OFFSET      },
    {"-07",     HOUR_OFFSET },
    {"Z07:00",  Z_COLON_ZONE},
    {"Z0700",   Z_ZONE      },
    {"Z07",     Z_ZONE      },
    {"_2006",   NO_PART     },
    {"_2",      BLANK_DAY   },
    {"1",       MONTH       },
    {"2",       DAY         },
    {"3",       HOUR12      },
    {"4",       MINUTE      },
    {"5",       SECOND      },
};

static void write_part(struct nv_buf *out, const struct moment *m, enum part part)
{
    int hour12 = m->tm.tm_hour % 12 ? m->tm.tm_hour % 12 : 12;

    switch (part) {
    case LONG_MONTH:
        nv_buf_text(out, months[m->tm.tm_mon]);
        break;
    case SHORT_MONTH:
        nv_buf_add(out, months[m->tm.tm_mon], 3);
        break;
    case LONG_DAY:
        nv_buf_text(out, days[m->tm.tm_wday]);
        break;
    case SHORT_DAY:
        nv_buf_add(out, days[m->tm.tm_wday], 3);
        break;
    case LONG_YEAR:
        nv_buf_printf(out, "%04lld", (long long)m->year);
        break;
    case SHORT_YEAR:
        nv_buf_printf(out, "%02lld", (long long)(m->year < 0 ? -m->year : m->year) % 100);
        break;
    case YEAR_DAY:
        nv_buf_printf(out, "%03d", m->tm.tm_yday + 1);
        break;
    case UPPER_PM:
        nv_buf_text(out, m->tm.tm_hour >= 12 ? "PM" : "AM");
        break;
    case LOWER_PM:
        nv_buf_text(out, m->tm.tm_hour >= 12 ? "pm" : "am");
        break;
    case ZONE:
        nv_buf_text(out, "UTC");
        break;
    case Z_ZONE:
    case Z_COLON_ZONE:
        nv_buf_char(out, 'Z');
        break;
    case OFFSET:
        nv_buf_text(out, "+0000");
        break;
    case COLON_OFFSET:
        nv_buf_text(out, "+00:00");
        break;
    case HOUR_OFFSET:
        nv_buf_text(out, "+00");
        break;
    case BLANK_DAY:
        nv_buf_printf(out, "%2d", m->tm.tm_mday);
        break;
    case TWO_MONTH:
    case MONTH:
        nv_buf_printf(out, part == MONTH ? "%d" : "%02d", m->tm.tm_mon + 1);
        break;
    case TWO_DAY:
    case DAY:
        nv_buf_printf(out, part == DAY ? "%d" : "%02d", m->tm.tm_mday);
        break;
    case TWO_HOUR12:
    case HOUR12:
        nv_buf_printf(out, part == HOUR12 ? "%d" : "%02d", hour12);
        break;
    case TWO_MINUTE:
    case MINUTE:
        nv_buf_printf(out, part == MINUTE ? "%d" : "%02d", m->tm.tm_min);
        break;
    case TWO_SECOND:
    case SECOND:
        nv_buf_printf(out, part == SECOND ? "%d" : "%02d", m->tm.tm_sec);
        break;
    case HOUR:
        nv_buf_printf(out, "%02d", m->tm.tm_hour);
        break;
    default:
        break;
    }
}

/* .000 or ,000 with the digits it shows, .999 without zeros at the end. Returns how much of the layout it took. */
static size_t write_fraction(struct nv_buf *out, const struct moment *m, struct nv_str layout)
{
    char digits[16];
    size_t n = 1;

    if (layout.n < 2 || (layout.p[0] != '.' && layout.p[0] != ',') ||
        (layout.p[1] != '0' && layout.p[1] != '9'))
        return 0;
    while (n < layout.n && layout.p[n] == layout.p[1])
        n++;
    if (n > 10 || (n < layout.n && nv_is_digit(layout.p[n])))
        return 0;
    for (unsigned i = 9, rest = m->ns; i-- > 0; rest /= 10)
        digits[i] = (char)('0' + rest % 10);
    size_t kept = n - 1;
    while (layout.p[1] == '9' && kept && digits[kept - 1] == '0')
        kept--;
    if (kept) {
        nv_buf_char(out, layout.p[0]);
        nv_buf_add(out, digits, kept);
    }
    return n;
}

static bool is_lower(struct nv_str s, size_t at)
{
    return at < s.n && s.p[at] >= 'a' && s.p[at] <= 'z';
}

void nv_go_time_format(struct nv_buf *out, int64_t ms, struct nv_str layout)
{
    struct moment moment;

    if (!split(ms, &moment))
        return;
    while (layout.n) {
        size_t n = write_fraction(out, &moment, layout);
        for (size_t i = 0; !n && i < sizeof(parts) / sizeof(parts[0]); i++) {
            size_t length = strlen(parts[i].text);
            if (!nv_str_starts(layout, parts[i].text) ||
                ((parts[i].part == SHORT_MONTH || parts[i].part == SHORT_DAY) &&
                 is_lower(layout, length)))
                continue;
            if (parts[i].part == NO_PART) { /* _2006 is a blank line and a year */
                nv_buf_char(out, '_');
                write_part(out, &moment, LONG_YEAR);
            }
            write_part(out, &moment, parts[i].part);
            n = length;
        }
        if (!n) {
            nv_buf_char(out, layout.p[0]);
            n = 1;
        }
        layout = nv_str_from(layout, n);
    }
}

void nv_go_time_text(struct nv_buf *out, int64_t ms)
{
    nv_go_time_format(out, ms, NV_LIT("2006-01-02 15:04:05.999999999 -0700 MST"));
}

/* ---- durations ------------------------------------------------------------------------------ */

/* A number of `unit`s with its fraction, without zeros at the end. */
static void write_fractional(struct nv_buf *out, uint64_t value, uint64_t unit, const char *name)
{
    uint64_t rest = value % unit;

    nv_buf_printf(out, "%llu", (unsigned long long)(value / unit));
    for (const char *point = "."; rest; point = "") {
        rest *= 10;
        nv_buf_printf(out, "%s%llu", point, (unsigned long long)(rest / unit));
        rest %= unit;
    }
    nv_buf_text(out, name);
}

void nv_go_duration_text(struct nv_buf *out, int64_t ns)
{
    uint64_t value = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

    if (ns < 0)
        nv_buf_char(out, '-');
    if (value == 0) {
        nv_buf_text(out, "0s");
    } else if (value < 1000) {
        write_fractional(out, value, 1, "ns");
    } else if (value < 1000000) {
        write_fractional(out, value, 1000, "\xc2\xb5s");
    } else if (value < 1000000000) {
        write_fractional(out, value, 1000000, "ms");
    } else {
        uint64_t minutes = value / UINT64_C(60000000000);
        if (minutes >= 60)
            nv_buf_printf(out, "%lluh", (unsigned long long)(minutes / 60));
        if (minutes)
            nv_buf_printf(out, "%llum", (unsigned long long)(minutes % 60));
        write_fractional(out, value % UINT64_C(60000000000), 1000000000, "s");
    }
}
