/*
 * negotiate.c - which form and which coding a client gets.
 *
 * Accept is a list of clauses "type/subtype;q=0.5;version=1.0.0;escaping=dots". The best q is looked at
 * first, equals in their order but wildcards last; the first clause that names a form we write wins. The
 * escaping is what the last clause looked at asked for, be it accepted or not, as in Go's expfmt. That
 * makes it matter that all clauses are looked at where none is accepted.
 */
#include "expo/expo.h"

#include <stdio.h>

enum { CLAUSES_MAX = 64 };

struct clause {
    struct nv_str type, subtype, version, escaping, proto, encoding;
    double q;
};

static const char *const content_types[] = {
    [NV_EXPO_TEXT_0_0_4] = "text/plain; version=0.0.4; charset=utf-8",
    [NV_EXPO_TEXT_1_0_0] = "text/plain; version=1.0.0; charset=utf-8",
    [NV_EXPO_OPENMETRICS_0_0_1] = "application/openmetrics-text; version=0.0.1; charset=utf-8",
    [NV_EXPO_OPENMETRICS_1_0_0] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
    [NV_EXPO_PROTO_DELIMITED] = "application/vnd.google.protobuf; "
                                "proto=io.prometheus.client.MetricFamily; encoding=delimited",
    [NV_EXPO_PROTO_TEXT] = "application/vnd.google.protobuf; "
                           "proto=io.prometheus.client.MetricFamily; encoding=text",
    [NV_EXPO_PROTO_COMPACT] = "application/vnd.google.protobuf; "
                              "proto=io.prometheus.client.MetricFamily; encoding=compact-text",
};

static const char *const escapings[] = {
    [NV_ESCAPE_UNDERSCORES] = "underscores",
    [NV_ESCAPE_ALLOW_UTF8] = "allow-utf-8",
    [NV_ESCAPE_DOTS] = "dots",
    [NV_ESCAPE_VALUES] = "values",
};

static const char *const codings[] = {
    [NV_CODING_IDENTITY] = "identity", [NV_CODING_GZIP] = "gzip", [NV_CODING_ZSTD] = "zstd"};

/* A quality; what is no number is 0, as in Go. */
static double quality(struct nv_str s)
{
    double q;

    return nv_str_to_real(s, &q) && q > 0 ? q : 0;
}

static bool parse_clause(struct nv_str text, struct clause *ret)
{
    struct nv_str type = nv_str_cut(&text, ';');

    *ret = (struct clause){.q = 1};
    ret->type = nv_str_trim(nv_str_cut(&type, '/'));
    ret->subtype = nv_str_trim(type);
    if (!ret->subtype.n && nv_str_is(ret->type, "*"))
        ret->subtype = ret->type;
    while (text.n) {
        struct nv_str value = nv_str_cut(&text, ';');
        struct nv_str key = nv_str_trim(nv_str_cut(&value, '='));
        value = nv_str_trim(value);
        if (nv_str_is(key, "q"))
            ret->q = quality(value);
        else if (nv_str_is(key, "version"))
            ret->version = value;
        else if (nv_str_is(key, "escaping"))
            ret->escaping = value;
        else if (nv_str_is(key, "proto"))
            ret->proto = value;
        else if (nv_str_is(key, "encoding"))
            ret->encoding = value;
    }
    return ret->subtype.n && nv_str_find(ret->subtype, '/') == ret->subtype.n;
}

static unsigned n_wildcards(const struct clause *clause)
{
    return nv_str_is(clause->type, "*") + 0u + nv_str_is(clause->subtype, "*");
}

static bool is_before(const struct clause *a, const struct clause *b)
{
    return a->q > b->q || (a->q == b->q && n_wildcards(a) < n_wildcards(b));
}

/* Clauses best first; those past CLAUSES_MAX are not looked at. */
static size_t parse_accept(struct nv_str accept, struct clause *clauses)
{
    size_t n = 0;

    while (accept.n && n < CLAUSES_MAX) {
        struct clause clause;
        if (!parse_clause(nv_str_cut(&accept, ','), &clause))
            continue;
        size_t at = n++;
        for (; at > 0 && is_before(&clause, &clauses[at - 1]); at--)
            clauses[at] = clauses[at - 1];
        clauses[at] = clause;
    }
    return n;
}

static bool form_of(const struct clause *clause, enum nv_expo_form *ret)
{
    struct nv_str version = clause->version;
    bool is_1_0_0 = nv_str_is(version, "1.0.0");

    if (nv_str_is(clause->type, "text") && nv_str_is(clause->subtype, "plain")) {
        *ret = is_1_0_0 ? NV_EXPO_TEXT_1_0_0 : NV_EXPO_TEXT_0_0_4;
        return is_1_0_0 || !version.n || nv_str_is(version, "0.0.4");
    }
    if (!nv_str_is(clause->type, "application"))
        return false;
    if (nv_str_is(clause->subtype, "openmetrics-text")) {
        *ret = is_1_0_0 ? NV_EXPO_OPENMETRICS_1_0_0 : NV_EXPO_OPENMETRICS_0_0_1;
        return is_1_0_0 || !version.n || nv_str_is(version, "0.0.1");
    }
    *ret = nv_str_is(clause->encoding, "delimited") ? NV_EXPO_PROTO_DELIMITED
           : nv_str_is(clause->encoding, "text")    ? NV_EXPO_PROTO_TEXT
                                                    : NV_EXPO_PROTO_COMPACT;
    return nv_str_is(clause->subtype, "vnd.google.protobuf") &&
           nv_str_is(clause->proto, "io.prometheus.client.MetricFamily") &&
           (*ret != NV_EXPO_PROTO_COMPACT || nv_str_is(clause->encoding, "compact-text"));
}

struct nv_expo_choice nv_expo_negotiate(struct nv_str accept)
{
    struct nv_expo_choice choice = {NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES};
    struct clause clauses[CLAUSES_MAX];
    size_t n = parse_accept(accept, clauses);

    for (size_t i = 0; i < n; i++) {
        enum nv_expo_form form;
        for (size_t e = 0; e < sizeof(escapings) / sizeof(escapings[0]); e++)
            if (nv_str_is(clauses[i].escaping, escapings[e]))
                choice.escaping = (enum nv_expo_escaping)e;
        if (form_of(&clauses[i], &form) && clauses[i].q > 0) {
            choice.form = form;
            break;
        }
    }
    return choice;
}

void nv_expo_content_type(struct nv_expo_choice choice, char ret[NV_EXPO_TYPE_MAX])
{
    snprintf(ret, NV_EXPO_TYPE_MAX, "%s; escaping=%s", content_types[choice.form],
             escapings[choice.escaping]);
}

/* The quality a coding has by one clause, or -1 where the clause is about another. */
static double coding_quality(struct nv_str clause, const char *coding)
{
    struct nv_str name = nv_str_trim(nv_str_cut(&clause, ';'));
    double q = 1;

    if (!nv_str_is(name, "*") &&
        !(name.n == strlen(coding) && strncasecmp(name.p, coding, name.n) == 0))
        return -1;
    while (clause.n) {
        struct nv_str value = nv_str_cut(&clause, ';');
        if (nv_str_is(nv_str_trim(nv_str_cut(&value, '=')), "q"))
            q = quality(value);
    }
    return q;
}

/* The best quality a coding has by any clause. */
static double quality_of(struct nv_str accept_encoding, enum nv_expo_coding coding)
{
    double best = 0;

    while (accept_encoding.n) {
        double q = coding_quality(nv_str_cut(&accept_encoding, ','), codings[coding]);
        best = q > best ? q : best;
    }
    return best;
}

bool nv_expo_accepts(struct nv_str accept_encoding, enum nv_expo_coding coding)
{
    return quality_of(accept_encoding, coding) > 0;
}

enum nv_expo_coding nv_expo_negotiate_coding(struct nv_str accept_encoding)
{
    enum nv_expo_coding best = NV_CODING_IDENTITY;
    double best_q = 0;

    for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
        double q = quality_of(accept_encoding, (enum nv_expo_coding)i);
        if (q > best_q) {
            best_q = q;
            best = (enum nv_expo_coding)i;
        }
    }
    return best;
}
