#include "web/exchange_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/utf8.h"

static const struct {
    unsigned status;
    const char *type;
    enum nv_api_outcome outcome;
} errors[] = {
    [NV_BAD_DATA] = {400, "bad_data",       NV_OUTCOME_BAD_DATA },
    [NV_EXECUTION] = {422, "execution",      NV_OUTCOME_EXECUTION},
    [NV_CANCELED] = {499, "canceled",       NV_OUTCOME_CANCELED },
    [NV_TIMEOUT] = {503, "timeout",        NV_OUTCOME_TIMEOUT  },
    [NV_INTERNAL] = {500, "internal",       NV_OUTCOME_ERROR    },
    [NV_NOT_FOUND] = {404, "not_found",      NV_OUTCOME_BAD_DATA },
    [NV_NOT_ACCEPTABLE] = {406, "not_acceptable", NV_OUTCOME_BAD_DATA },
    [NV_UNAVAILABLE] = {500, "unavailable",    NV_OUTCOME_ERROR    },
    [NV_TOO_BUSY] = {503, "timeout",        NV_OUTCOME_TIMEOUT  },
    [NV_TOO_LARGE] = {413, "bad_data",       NV_OUTCOME_BAD_DATA },
};

static int pass_on(void *user, const char *p, size_t n)
{
    struct nv_exchange_inside *inside = user;

    inside->left = true;
    return inside->pass_on(inside->user, p, n);
}

void nv_exchange_begin(struct nv_exchange *x, struct nv_exchange_inside *inside, char *block,
                       int (*owner)(void *user, const char *p, size_t n), void *user)
{
    *inside = (struct nv_exchange_inside){.pass_on = owner, .user = user};
    nv_writer_init(&inside->out, block, pass_on, inside);
    x->inside = inside;
}

void nv_exchange_end(struct nv_exchange *x)
{
    struct nv_parsed_selector *next;

    for (struct nv_parsed_selector *one = x->inside->selectors; one; one = next) {
        next = one->next;
        nv_promql_done(&one->promql);
    }
    x->inside->selectors = NULL;
    nv_arena_done(&x->memory);
}

/* ---- what is answered ----------------------------------------------------------------------- */

static void set_kind(struct nv_exchange *x, enum nv_answer_kind kind, unsigned status,
                     const char *type)
{
    struct nv_answer *answer = &x->inside->answer;

    answer->kind = kind;
    answer->status = status;
    snprintf(answer->type, sizeof(answer->type), "%s", type);
}

/* Begins anew. False where that is too late. */
static bool restart(struct nv_exchange *x, unsigned status, const char *type)
{
    struct nv_exchange_inside *inside = x->inside;

    if (inside
            ->left) { /* the head has left with the first block: the client sees an answer cut off */
        inside->out.failed = inside->out.failed ? inside->out.failed : -EIO;
        return false;
    }
    inside->out.at = inside->out.block;
    inside->out.comma = false;
    inside->out.failed = 0;
    set_kind(x, NV_ANSWER_RAW, status, type);
    inside->answer.packed = false;
    inside->answer.n_headers = 0;
    return true;
}

static void write_error(struct nv_writer *out, const char *type, struct nv_str text)
{
    nv_write_object(out);
    nv_write_member(out, "status", NV_LIT("error"));
    nv_write_member_text(out, "errorType", type);
    nv_write_member(out, "error", text);
    nv_write_object_end(out);
}

/* In JSON below /api/, as text elsewhere. */
static int fail(struct nv_exchange *x, enum nv_api_error kind, struct nv_str text)
{
    if (strncmp(x->endpoint->path, "/api/", 5) != 0)
        nv_refuse(x, errors[kind].status, "%.*s\n", NV_ARGS(text));
    else if (restart(x, errors[kind].status, "application/json"))
        write_error(&x->inside->out, errors[kind].type, text);
    x->inside->outcome = errors[kind].outcome;
    return NV_ANSWERED;
}

int nv_fail(struct nv_exchange *x, enum nv_api_error kind, const char *format, ...)
{
    char text[NV_EXCHANGE_ERROR_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return fail(x, kind, nv_str(text));
}

int nv_fail_parameter(struct nv_exchange *x, const char *name, const char *format, ...)
{
    char text[NV_EXCHANGE_ERROR_MAX];
    va_list arguments;

    int n = snprintf(text, sizeof(text), "invalid parameter \"%s\": ", name);
    va_start(arguments, format);
    vsnprintf(text + n, sizeof(text) - (size_t)n, format, arguments);
    va_end(arguments);
    return fail(x, NV_BAD_DATA, nv_str(text));
}

int nv_fail_errno(struct nv_exchange *x, int error, const char *what)
{
    switch (error) {
    case -EINVAL:
        return nv_fail(x, NV_EXECUTION, "%s", what);
    case -EDQUOT:
        return nv_fail(x, NV_EXECUTION, "%s", what);
    case -ETIMEDOUT:
        return nv_fail(x, NV_TIMEOUT, "%s", what);
    case -EBUSY:
        return nv_fail(x, NV_TOO_BUSY, "%s", what);
    case -ECANCELED:
        return nv_fail(x, NV_CANCELED, "%s", what);
    default:
        return nv_fail(x, NV_INTERNAL, "%s", what);
    }
}

int nv_refuse(struct nv_exchange *x, unsigned status, const char *format, ...)
{
    char text[NV_EXCHANGE_ERROR_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    x->inside->outcome = status < 500 ? NV_OUTCOME_BAD_DATA : NV_OUTCOME_ERROR;
    if (restart(x, status, "text/plain; charset=utf-8")) {
        x->inside->answer.refused = true;
        nv_write_text(&x->inside->out, text);
    }
    return NV_ANSWERED;
}

struct nv_writer *nv_data(struct nv_exchange *x)
{
    struct nv_writer *out = &x->inside->out;

    nv_assert(x->inside->answer.kind == NV_ANSWER_EMPTY);
    set_kind(x, NV_ANSWER_DATA, 200, "application/json");
    nv_write_object(out);
    nv_write_member(out, "status", NV_LIT("success"));
    nv_write_key(out, "data");
    return out;
}

struct nv_writer *nv_raw(struct nv_exchange *x, unsigned status, const char *content_type,
                         bool packed)
{
    nv_assert(x->inside->answer.kind == NV_ANSWER_EMPTY);
    set_kind(x, NV_ANSWER_RAW, status, content_type);
    x->inside->answer.packed = packed;
    return &x->inside->out;
}

void nv_answer_header(struct nv_exchange *x, const char *name, const char *value)
{
    struct nv_answer *answer = &x->inside->answer;

    nv_assert(answer->n_headers < NV_EXCHANGE_HEADERS_MAX);
    answer->headers[answer->n_headers].name = name;
    answer->headers[answer->n_headers++].value = value;
}

/* ---- remarks -------------------------------------------------------------------------------- */

static void remark(struct nv_exchange *x, struct nv_remarks *remarks, struct nv_str text)
{
    for (size_t i = 0; i < remarks->n; i++) {
        if (nv_str_eq(remarks->at[i], text))
            return;
    }
    struct nv_str copy = {NULL, 0};
    if (remarks->n < NV_EXCHANGE_REMARKS_MAX)
        copy = nv_arena_str(&x->memory, text);
    if (copy.p)
        remarks->at[remarks->n++] = copy;
    else
        remarks->omitted++;
}

void nv_warn(struct nv_exchange *x, struct nv_str text)
{
    remark(x, &x->inside->warnings, text);
}

void nv_inform(struct nv_exchange *x, struct nv_str text)
{
    remark(x, &x->inside->infos, text);
}

void nv_warn_truncated(struct nv_exchange *x)
{
    nv_warn(x, NV_LIT("results truncated due to limit"));
}

static void write_remarks(struct nv_writer *out, const char *key, const char *kind,
                          const struct nv_remarks *remarks)
{
    char more[64];

    if (!remarks->n && !remarks->omitted)
        return;
    nv_write_key(out, key);
    nv_write_array(out);
    for (size_t i = 0; i < remarks->n; i++)
        nv_write_string(out, remarks->at[i]);
    if (remarks->omitted) {
        snprintf(more, sizeof(more), "%zu more %s annotations omitted", remarks->omitted, kind);
        nv_write_string(out, nv_str(more));
    }
    nv_write_array_end(out);
}

/* ---- running -------------------------------------------------------------------------------- */

bool nv_is_over(const struct nv_exchange *x)
{
    return __atomic_load_n(x->cancel, __ATOMIC_RELAXED) ||
           (x->deadline_ms && nv_monotonic_ns() / 1000000 >= x->deadline_ms);
}

void nv_exchange_run(struct nv_exchange *x)
{
    struct nv_exchange_inside *inside = x->inside;
    struct nv_writer *out = &inside->out;

    int r = x->endpoint->run(x);
    if (r >= 0 && out->failed && !inside->left) /* and what is in the block is not all */
        r = out->failed;
    if (r < 0)
        nv_fail(x, NV_INTERNAL, "%s", strerror(-r));
    else if (inside->answer.kind == NV_ANSWER_EMPTY)
        inside->answer.status = 204;
    if (inside->answer.kind != NV_ANSWER_DATA)
        return;
    write_remarks(out, "warnings", "warning", &inside->warnings);
    write_remarks(out, "infos", "info", &inside->infos);
    nv_write_object_end(out);
}

/* ---- paths ---------------------------------------------------------------------------------- */

bool nv_endpoint_fits(const struct nv_endpoint *endpoint, const char *path, struct nv_str *ret)
{
    const char *brace = strchr(endpoint->path, '{');

    *ret = (struct nv_str){path, 0};
    if (!brace)
        return strcmp(endpoint->path, path) == 0;
    size_t before = (size_t)(brace - endpoint->path);
    const char *behind = strchr(brace, '}') + 1;
    if (strncmp(endpoint->path, path, before) != 0)
        return false;
    const char *part = path + before;
    size_t n = strcspn(part, "/");
    *ret = (struct nv_str){part, n};
    return n > 0 && strcmp(part + n, behind) == 0;
}

static int hex_value(struct nv_str digits, uint32_t *ret)
{
    uint64_t value;

    if (!digits.n || digits.n > 6 || !nv_str_to_hex(digits, &value) || value > 0x10ffff ||
        (value >= 0xd800 && value <= 0xdfff))
        return -EINVAL;
    *ret = (uint32_t)value;
    return 0;
}

/* One character of the escaped name. Returns how many bytes it took, 0 where it is none. */
static size_t unescape_one(struct nv_str from, char to[4], size_t *ret_n)
{
    uint32_t c;

    to[0] = from.p[0];
    *ret_n = 1;
    if (from.p[0] != '_')
        return 1;
    if (from.n > 1 && from.p[1] == '_')
        return 2;
    struct nv_str rest = nv_str_from(from, 1);
    size_t end = nv_str_find(rest, '_');
    if (end == rest.n || hex_value((struct nv_str){rest.p, end}, &c) < 0)
        return 0;
    *ret_n = nv_utf8_encode(to, c);
    return end + 2;
}

struct nv_str nv_unescape_name(struct nv_str name, struct nv_arena *memory)
{
    char *out = nv_arena_alloc(memory, name.n + 4);
    size_t n = 0;

    if (!out)
        return (struct nv_str){NULL, 0};
    if (nv_str_starts(name, "U__")) {
        struct nv_str rest = nv_str_from(name, 3);
        size_t took = 1, wrote;
        for (; rest.n && took; rest = nv_str_from(rest, took), n += took ? wrote : 0)
            took = unescape_one(rest, out + n, &wrote);
        if (took)
            return (struct nv_str){out, n};
    }
    if (name.n)
        memcpy(out, name.p, name.n);
    return (struct nv_str){out, name.n};
}
