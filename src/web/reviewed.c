#include "web/server.h"

#include <gnutls/x509.h>
#include <strings.h>

#include "base/assert.h"

/*
 * Requests that the API server of the cluster judges (--web.kubernetes-auth). The question is asked elsewhere while the
 * connection is suspended. Its answer may be there before it is: who comes second, of the one that suspends and the one
 * that answers, lets the request go on.
 */

enum { GROUPS_MAX = 32, NAME_MAX_BYTES = 256, VERB_MAX = 32 };

enum { NOT_YET, SUSPENDED, ANSWERED }; /* request->review_state */

static void on_verdict(struct nv_review_ask *ask)
{
    struct nv_request *request =
        (struct nv_request *)(void *)((char *)ask - offsetof(struct nv_request, review));
    struct nv_connection *connection = nv_connection_of(request);

    nv_assert(connection->magic == NV_CONNECTION_MAGIC);
    if (__atomic_exchange_n(&request->review_state, ANSWERED, __ATOMIC_ACQ_REL) == SUSPENDED)
        MHD_resume_connection(connection->mhd);
}

/* The verb of a request that is for no resource: its method in small letters. */
static bool prepare(struct nv_request *request, const char *path, const char *method)
{
    char verb[VERB_MAX] = "";

    for (size_t i = 0; method[i] && i + 1 < sizeof(verb); i++)
        verb[i] = (char)(method[i] >= 'A' && method[i] <= 'Z' ? method[i] - 'A' + 'a' : method[i]);
    request->review = (struct nv_review_ask){
        .path = nv_arena_str(&request->memory, nv_str(path)),
        .verb = nv_arena_str(&request->memory, nv_str(verb)),
        .done = on_verdict,
    };
    request->review_state = NOT_YET;
    request->stage = NV_STAGE_REVIEW;
    return request->review.path.p && request->review.verb.p;
}

static enum MHD_Result await_verdict(struct nv_connection *connection)
{
    struct nv_request *request = &connection->request;

    MHD_suspend_connection(connection->mhd);
    if (__atomic_exchange_n(&request->review_state, SUSPENDED, __ATOMIC_ACQ_REL) == ANSWERED)
        MHD_resume_connection(connection->mhd);
    return MHD_YES;
}

enum MHD_Result nv_reviewed(struct nv_connection *connection, const char *path, const char *method)
{
    struct nv_request *request = &connection->request;

    switch (request->review.verdict) {
    case NV_REVIEW_ALLOWED:
        request->reviewed = true;
        return nv_route(connection, path, method);
    case NV_REVIEW_DENIED:
        nv_count(&connection->web->counters.auth_failures);
        return nv_answer_error(connection, MHD_HTTP_FORBIDDEN, request->review.said);
    case NV_REVIEW_NOBODY:
        nv_count(&connection->web->counters.auth_failures);
        return nv_answer_error(connection, MHD_HTTP_UNAUTHORIZED, request->review.said);
    default:
        return nv_answer_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE, request->review.said);
    }
}

static enum MHD_Result too_long(struct nv_connection *connection)
{
    return nv_answer_error(connection, MHD_HTTP_URI_TOO_LONG, "URI Too Long\n");
}

bool nv_is_bearer(const char *header)
{
    return header && strncasecmp(header, "Bearer ", 7) == 0;
}

enum MHD_Result nv_review_bearer(struct nv_connection *connection, const char *header,
                                 const char *path, const char *method)
{
    struct nv_request *request = &connection->request;
    struct nv_str token = nv_str_trim(nv_str(header + strlen("Bearer ")));

    if (!prepare(request, path, method))
        return too_long(connection);
    return nv_review_token(connection->web->review, &request->review, token)
               ? nv_reviewed(connection, path, method)
               : await_verdict(connection);
}

/* ---- certificates --------------------------------------------------------------------------- */

struct person {
    char user[NAME_MAX_BYTES], groups[GROUPS_MAX][NAME_MAX_BYTES];
    struct nv_str list[GROUPS_MAX];
    size_t n_groups;
};

/* A part of the subject. What is longer than there is room for is nobody's name. */
static bool subject_part(gnutls_x509_crt_t certificate, const char *oid, unsigned i,
                         char to[NAME_MAX_BYTES])
{
    size_t n = NAME_MAX_BYTES;

    if (gnutls_x509_crt_get_dn_by_oid(certificate, oid, i, 0, to, &n) < 0)
        return false;
    return strlen(to) == n; /* no NUL within */
}

static bool read_subject(const gnutls_datum_t *leaf, struct person *ret)
{
    gnutls_x509_crt_t certificate;

    ret->n_groups = 0;
    if (gnutls_x509_crt_init(&certificate) < 0)
        return false;
    bool good = gnutls_x509_crt_import(certificate, leaf, GNUTLS_X509_FMT_DER) == 0 &&
                subject_part(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, ret->user);
    for (unsigned i = 0; good && i < GROUPS_MAX; i++) {
        if (!subject_part(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, i, ret->groups[i]))
            break;
        ret->list[ret->n_groups++] = nv_str(ret->groups[i]);
    }
    gnutls_x509_crt_deinit(certificate);
    return good;
}

/* The certificate of the session, where it was verified in the handshake. */
static const gnutls_datum_t *verified_leaf(const struct nv_connection *connection)
{
    const union MHD_ConnectionInfo *info;
    unsigned n = 0;

    if (!connection->tls || !connection->tls->verify)
        return NULL;
    info = MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const gnutls_datum_t *chain = info ? gnutls_certificate_get_peers(info->tls_session, &n) : NULL;
    return n ? chain : NULL;
}

bool nv_review_certificate(struct nv_connection *connection, const char *path, const char *method,
                           enum MHD_Result *ret)
{
    struct nv_request *request = &connection->request;
    const gnutls_datum_t *leaf = verified_leaf(connection);
    struct person person;

    if (!leaf || !read_subject(leaf, &person))
        return false;
    if (!prepare(request, path, method)) {
        *ret = too_long(connection);
        return true;
    }
    *ret = nv_review_person(connection->web->review, &request->review, nv_str(person.user),
                            person.list, person.n_groups)
               ? nv_reviewed(connection, path, method)
               : await_verdict(connection);
    return true;
}
