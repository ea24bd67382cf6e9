#include "kube/review_text.h"

#include <errno.h>

#include <nodevitals/json.h>

#include "base/json_out.h"

static void array(struct nv_buf *out, const char *name, const struct nv_str *list, size_t n)
{
    nv_buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        if (i)
            nv_buf_char(out, ',');
        nv_json_quote(out, list[i]);
    }
    nv_buf_char(out, ']');
}

void nv_token_review_write(struct nv_buf *out, struct nv_str token,
                           const struct nv_review_audiences *audiences)
{
    nv_buf_text(out, "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1\","
                     "\"spec\":{\"token\":");
    nv_json_quote(out, token);
    if (audiences->n)
        array(out, "audiences", audiences->at, audiences->n);
    nv_buf_text(out, "}}");
}

void nv_access_review_write(struct nv_buf *out, struct nv_str who, struct nv_str path,
                            struct nv_str verb)
{
    nv_buf_text(out, "{\"kind\":\"SubjectAccessReview\",\"apiVersion\":\"authorization.k8s.io/v1\","
                     "\"spec\":{\"nonResourceAttributes\":{\"path\":");
    nv_json_quote(out, path);
    nv_buf_text(out, ",\"verb\":");
    nv_json_quote(out, verb);
    nv_buf_text(out, "},");
    nv_buf_str(out, who);
    nv_buf_text(out, "}}");
}

void nv_review_write_user(struct nv_buf *who, struct nv_str user, const struct nv_str *groups,
                          size_t n_groups)
{
    nv_buf_text(who, "\"user\":");
    nv_json_quote(who, user);
    array(who, "groups", groups, n_groups);
}

struct nv_str nv_review_user(struct nv_str who)
{
    size_t front = strlen("\"user\":");
    struct nv_str rest = nv_str_from(who, who.n < front ? who.n : front);
    struct nv_json name = nv_json(rest);

    return nv_json_text(&name);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void texts(struct nv_json *in)
{
    nv_json_array(in);
    while (nv_json_item(in))
        nv_json_text(in);
}

static void lists_of_texts(struct nv_json *in)
{
    struct nv_str key;

    nv_json_object(in);
    while (nv_json_key(in, &key)) {
        if (!nv_json_null(in))
            texts(in);
    }
}

static void text(struct nv_json *in)
{
    nv_json_text(in);
}

/* What of a user goes on to the other review, and how it is called there. */
static const struct member {
    const char *name, *as;
    void (*check)(struct nv_json *in);
} members[] = {
    {"username", "user",   text          },
    {"uid",      "uid",    text          },
    {"groups",   "groups", texts         },
    {"extra",    "extra",  lists_of_texts},
};
enum { USERNAME, N_MEMBERS = sizeof(members) / sizeof(members[0]) };

struct token_status {
    bool authenticated, audience_fits;
    struct nv_str members[N_MEMBERS]; /* JSON; empty where there is none */
};

/* A member, as JSON. */
static struct nv_str take(struct nv_json *in, const struct member *member)
{
    nv_json_front(in);
    const char *first = in->at;
    if (nv_json_null(in))
        return (struct nv_str){first, 0};
    member->check(in);
    return in->failed ? (struct nv_str){first, 0}
                      : (struct nv_str){first, (size_t)(in->at - first)};
}

static void read_user(struct nv_json *in, struct token_status *ret)
{
    struct nv_str key;

    nv_json_object(in);
    while (nv_json_key(in, &key)) {
        size_t i = 0;
        while (i < N_MEMBERS && !nv_json_key_is(key, members[i].name))
            i++;
        if (i < N_MEMBERS)
            ret->members[i] = take(in, &members[i]);
        else
            nv_json_skip(in);
    }
}

static bool is_among(struct nv_str one, const struct nv_review_audiences *audiences)
{
    for (size_t i = 0; i < audiences->n; i++) {
        if (nv_str_eq(one, audiences->at[i]))
            return true;
    }
    return false;
}

static void read_audiences(struct nv_json *in, const struct nv_review_audiences *wanted,
                           struct token_status *ret)
{
    if (nv_json_null(in))
        return;
    nv_json_array(in);
    while (nv_json_item(in))
        ret->audience_fits |= is_among(nv_json_text(in), wanted);
}

static void read_token_status(struct nv_json *in, const struct nv_review_audiences *audiences,
                              struct token_status *ret)
{
    struct nv_str key;

    nv_json_object(in);
    while (nv_json_key(in, &key)) {
        if (nv_json_key_is(key, "authenticated"))
            ret->authenticated = nv_json_bool(in);
        else if (nv_json_key_is(key, "user") && !nv_json_null(in))
            read_user(in, ret);
        else if (nv_json_key_is(key, "audiences"))
            read_audiences(in, audiences, ret);
        else if (!nv_json_key_is(key, "user"))
            nv_json_skip(in);
    }
}

/* Goes through an answer of that kind; status() reads its status. False where it is no such answer. */
static bool read_answer(struct nv_str answer, const char *kind,
                        void (*status)(struct nv_json *in, void *to), void *to)
{
    struct nv_json in = nv_json(answer);
    bool right_kind = false, has_status = false;
    struct nv_str key;

    nv_json_object(&in);
    while (nv_json_key(&in, &key)) {
        if (nv_json_key_is(key, "kind")) {
            right_kind = nv_str_is(nv_json_text(&in), kind);
        } else if (nv_json_key_is(key, "status") && !has_status) {
            has_status = true;
            status(&in, to);
        } else {
            nv_json_skip(&in);
        }
    }
    return nv_json_done(&in) && right_kind && has_status;
}

struct token_reading {
    const struct nv_review_audiences *audiences;
    struct token_status status;
};

static void on_token_status(struct nv_json *in, void *to)
{
    struct token_reading *reading = to;

    read_token_status(in, reading->audiences, &reading->status);
}

int nv_token_review_read(struct nv_str answer, const struct nv_review_audiences *audiences,
                         struct nv_buf *who)
{
    struct token_reading reading = {.audiences = audiences};
    const struct token_status *status = &reading.status;

    if (!read_answer(answer, "TokenReview", on_token_status, &reading))
        return -EBADMSG;
    if (!status->authenticated || (audiences->n && !status->audience_fits))
        return NV_REVIEW_NO;
    if (status->members[USERNAME].n <= 2) /* "" is nobody's name */
        return -EBADMSG;
    for (size_t i = 0; i < N_MEMBERS; i++) {
        if (!status->members[i].n)
            continue;
        nv_buf_printf(who, "%s\"%s\":", i ? "," : "", members[i].as);
        nv_buf_str(who, status->members[i]);
    }
    return who->failed;
}

struct access_status {
    bool allowed, denied;
};

static void on_access_status(struct nv_json *in, void *to)
{
    struct access_status *status = to;
    struct nv_str key;

    nv_json_object(in);
    while (nv_json_key(in, &key)) {
        if (nv_json_key_is(key, "allowed"))
            status->allowed = nv_json_bool(in);
        else if (nv_json_key_is(key, "denied"))
            status->denied = nv_json_bool(in);
        else
            nv_json_skip(in);
    }
}

int nv_access_review_read(struct nv_str answer)
{
    struct access_status status = {false, false};

    if (!read_answer(answer, "SubjectAccessReview", on_access_status, &status))
        return -EBADMSG;
    return status.allowed && !status.denied ? 0 : NV_REVIEW_NO;
}
