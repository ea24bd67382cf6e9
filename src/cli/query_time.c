/*
 * query_time.c - times and steps as people write them.
 */
#include <math.h>

#include "agent/flags.h"
#include "cli/query.h"
#include "cli/text.h"

enum { STEPS = 250 };
#define FARTHEST_MS INT64_C(253402300799999) /* the end of the year 9999 */

static bool read_duration(struct nv_str text, int64_t *ret_ms)
{
    int64_t ns;

    if (!nv_flags_duration(text, &ns))
        return false;
    *ret_ms = ns / 1000000;
    return true;
}

/* As near as a calendar reaches, with room for sums of such times. */
static bool is_near(int64_t time_ms)
{
    return time_ms >= -FARTHEST_MS && time_ms <= FARTHEST_MS;
}

bool nv_query_read_time(struct nv_str text, int64_t now_ms, int64_t *ret_ms)
{
    bool from_now = nv_str_starts(text, "now");
    struct nv_str rest = nv_str_from(text, from_now ? 3 : 0);
    int64_t ms = 0;

    if (!from_now && nv_cli_read_time(text, ret_ms))
        return is_near(*ret_ms);
    if (!from_now || rest.n) {
        if (!rest.n || (rest.p[0] != '-' && rest.p[0] != '+') ||
            !read_duration(nv_str_from(rest, 1), &ms))
            return false;
        ms = rest.p[0] == '-' ? -ms : ms;
    }
    return !__builtin_add_overflow(now_ms, ms, ret_ms) && is_near(*ret_ms);
}

bool nv_query_read_step(struct nv_str text, int64_t *ret_ms)
{
    double seconds;

    if (nv_str_to_real(text, &seconds)) {
        if (!(fabs(seconds) < 1e12))
            return false;
        *ret_ms = llround(seconds * 1000);
    } else if (!read_duration(text, ret_ms)) {
        return false;
    }
    return *ret_ms > 0;
}

int64_t nv_query_step(int64_t start_ms, int64_t end_ms)
{
    int64_t seconds = (end_ms - start_ms) / 1000 / STEPS;

    return (seconds > 1 ? seconds : 1) * 1000;
}

const char *nv_query_time(char out[NV_RFC3339_MAX], int64_t time_ms)
{
    int64_t ns;

    if (__builtin_mul_overflow(time_ms, 1000000, &ns))
        nv_rfc3339_ms(out, time_ms);
    else
        nv_rfc3339_ns(out, ns);
    return out;
}
