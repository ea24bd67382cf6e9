/*
 * Content-Type, as Prometheus 3 takes it: what is no exposition, or is not said, is read as fallback_scrape_protocol says, and
 * without that not at all.
 */
#include <ctype.h>

#include "scrape/intake_parts.h"

static enum nv_intake_form form_of(int protocol)
{
    switch (protocol) {
    case NV_SCRAPE_PROTO:
        return NV_INTAKE_PROTO;
    case NV_SCRAPE_OPENMETRICS0:
    case NV_SCRAPE_OPENMETRICS1:
        return NV_INTAKE_OPENMETRICS;
    case NV_SCRAPE_TEXT0:
    case NV_SCRAPE_TEXT1:
        return NV_INTAKE_TEXT;
    default:
        return NV_INTAKE_UNDECIDED;
    }
}

static bool same(struct nv_str s, const char *lower)
{
    size_t n = strlen(lower);

    for (size_t i = 0; i < s.n && i < n; i++)
        if (tolower((unsigned char)s.p[i]) != lower[i])
            return false;
    return s.n == n;
}

/* The value of a parameter, without its quotes; empty where it is not there. */
static struct nv_str parameter(struct nv_str rest, const char *name)
{
    while (rest.n) {
        struct nv_str value = nv_str_trim(nv_str_cut(&rest, ';'));
        struct nv_str key = nv_str_trim(nv_str_cut(&value, '='));
        value = nv_str_trim(value);
        if (!same(key, name))
            continue;
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = (struct nv_str){value.p + 1, value.n - 2};
        return value;
    }
    return (struct nv_str){"", 0};
}

/* Of protobuf only families that follow each other, each with its length. */
static bool is_delimited(struct nv_str rest)
{
    struct nv_str proto = parameter(rest, "proto"), encoding = parameter(rest, "encoding");

    return (!proto.n || nv_str_is(proto, "io.prometheus.client.MetricFamily")) &&
           (!encoding.n || same(encoding, "delimited"));
}

/* A type, a slash and a subtype, of the characters such words have. */
static bool is_media_type(struct nv_str type)
{
    size_t slashes = 0;

    for (size_t i = 0; i < type.n; i++) {
        slashes += type.p[i] == '/';
        if (!isalnum((unsigned char)type.p[i]) && !memchr("!#$%&'*+-.^_`|~/", type.p[i], 16))
            return false;
    }
    return type.n && slashes < 2;
}

int nv_intake_choose(struct nv_intake *intake)
{
    struct nv_str rest = nv_str(intake->content_type);
    struct nv_str type = nv_str_trim(nv_str_cut(&rest, ';'));
    enum nv_intake_form fallback = form_of(intake->scrape->fallback_protocol);

    if (same(type, "text/plain"))
        intake->form = NV_INTAKE_TEXT;
    else if (same(type, "application/openmetrics-text"))
        intake->form = NV_INTAKE_OPENMETRICS;
    else if (same(type, "application/vnd.google.protobuf") && is_delimited(rest))
        intake->form = NV_INTAKE_PROTO;
    else
        intake->form = fallback;
    if (intake->form != NV_INTAKE_UNDECIDED)
        return 0;
    if (!intake->content_type[0])
        return nv_intake_refuse(intake,
                                "non-compliant scrape target sending blank Content-Type and no "
                                "fallback_scrape_protocol specified for target");
    return nv_intake_refuse(intake,
                            is_media_type(type) ? "received unsupported Content-Type \"%s\" and no "
                                                  "fallback_scrape_protocol specified for target"
                                                : "cannot parse Content-Type \"%s\" and no "
                                                  "fallback_scrape_protocol for target",
                            intake->content_type);
}
