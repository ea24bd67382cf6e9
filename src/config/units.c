#include "config/units.h"

#include <math.h>

static const struct {
    char name[3];
    int64_t ms;
} times[] = {
    {"y",  INT64_C(365) * 86400000},
    {"w",  7 * 86400000           },
    {"d",  86400000               },
    {"h",  3600000                },
    {"m",  60000                  },
    {"s",  1000                   },
    {"ms", 1                      },
};

enum { N_TIMES = sizeof(times) / sizeof(times[0]) };

/* Digits from the front: how many; 0 for none. */
static size_t take_digits(struct nv_str text, int64_t *ret)
{
    int64_t value = 0;
    size_t n = 0;

    for (; n < text.n && nv_is_digit(text.p[n]); n++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text.p[n] - '0', &value))
            value =
                INT64_MAX /
                16; /* stays too large for every unit but ms, and cannot overflow again at once */
    }
    *ret = value;
    return n;
}

int nv_parse_duration(struct nv_str text, int64_t *ret_ms)
{
    const int64_t longest_ms = INT64_MAX / 1000000; /* upstream counts nanoseconds */
    int64_t total = 0;
    size_t next = 0; /* units come in order */

    if (nv_str_is(text, "0")) {
        *ret_ms = 0;
        return 0;
    }
    if (text.n == 0)
        return NV_UNITS_INVALID;
    bool out_of_range = false;
    while (text.n) {
        int64_t number, part;
        size_t n = take_digits(text, &number), unit_n = 0;
        struct nv_str rest = nv_str_from(text, n);
        while (unit_n < rest.n && !nv_is_digit(rest.p[unit_n]))
            unit_n++;
        size_t i = next;
        while (i < N_TIMES && !nv_str_is((struct nv_str){rest.p, unit_n}, times[i].name))
            i++;
        if (n == 0 || i == N_TIMES)
            return NV_UNITS_INVALID;
        out_of_range |= __builtin_mul_overflow(number, times[i].ms, &part) || part > longest_ms ||
                        __builtin_add_overflow(total, part, &total) || total > longest_ms;
        next = i + 1;
        text = nv_str_from(rest, unit_n);
    }
    if (out_of_range)
        return NV_UNITS_OUT_OF_RANGE;
    *ret_ms = total;
    return 0;
}

void nv_write_duration(struct nv_buf *out, int64_t ms)
{
    if (ms == 0)
        nv_buf_text(out, "0s");
    for (size_t i = 0; i < N_TIMES && ms; i++) {
        /* Years, weeks and days are used only where nothing is left over: 8d, not 1w1d. */
        if (ms < times[i].ms || (i < 3 && ms % times[i].ms))
            continue;
        nv_buf_printf(out, "%lld%s", (long long)(ms / times[i].ms), times[i].name);
        ms %= times[i].ms;
    }
}

int nv_parse_size(struct nv_str text, int64_t *ret_bytes)
{
    static const char steps[] = "KMGTPE";
    double number, factor = 1;
    size_t n = 0;

    if (nv_str_is(text, "0")) {
        *ret_bytes = 0;
        return 0;
    }
    while (n < text.n && (nv_is_digit(text.p[n]) || text.p[n] == '.'))
        n++;
    if (n == 0 || n > 32 || !nv_str_to_real((struct nv_str){text.p, n}, &number))
        return NV_UNITS_INVALID;
    struct nv_str unit = nv_str_from(text, n);
    const char *step = unit.n ? memchr(steps, unit.p[0], sizeof(steps) - 1) : NULL;
    if (step) {
        factor = exp2(10 * (double)(step - steps + 1));
        unit = nv_str_from(unit, 1);
    }
    if (!nv_str_is(unit, "B") && !(step && nv_str_is(unit, "iB")))
        return NV_UNITS_INVALID;
    if (number * factor >= 9.2e18)
        return NV_UNITS_OUT_OF_RANGE;
    *ret_bytes = (int64_t)(number * factor);
    return 0;
}
