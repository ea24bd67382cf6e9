/*
 * access.h - who may ask: the web configuration while the server runs.
 *
 *   file       looked at (stat) with every request and every handshake, read again when it changed; broken means
 *              500 until it is mended. The rate limit and whether there is TLS at all are those of the start
 *   snapshot   what was read is immutable and counted; a request keeps the one it was admitted under
 *   order      configuration, rate limit, headers, user
 *   passwords  bcrypt, one at a time on a thread of its own; the verdicts of the last NV_WEB_PASSWORD_CACHE are
 *              kept under a keyed hash of user, password and stored hash
 *   threads    any
 */
#ifndef NV_WEB_ACCESS_H
#define NV_WEB_ACCESS_H

#include <pthread.h>
#include <sys/stat.h>

#include "config/web_config.h"
#include "web/limits.h"

struct nv_access {
    unsigned refs; /* atomic */
    struct nv_arena memory;
    struct nv_web_config config;
};

struct nv_access *nv_access_ref(struct nv_access *access);
void nv_access_unref(struct nv_access *access); /* NULL is fine */

/* What tells that a file was changed or replaced. All zero: not there. */
struct nv_stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
};
struct nv_stamp nv_stamp_of(const char *path);
bool nv_stamp_eq(const struct nv_stamp *a, const struct nv_stamp *b);

enum { NV_DIGEST_SIZE = 32, NV_TLS_FILES = 3 /* certificate, key, CA */ };

struct nv_verdict_entry {
    uint8_t digest[NV_DIGEST_SIZE];
    bool right;
    uint64_t used; /* 0: free */
};

struct nv_gate {
    char *path;           /* NULL: the configuration is of our own making, and stays */
    pthread_mutex_t lock; /* of all below */
    struct nv_stamp stamp;
    struct nv_access *access;
    bool broken;
    uint64_t errors;

    struct nv_tls *tls; /* NULL where the server speaks plain HTTP */
    struct nv_access
        *tls_access; /* from which, and from what files, it was last tried to make it */
    struct nv_stamp tls_stamps[NV_TLS_FILES];

    int64_t rate_interval_ns, rate_burst, rate_last_ns;
    double rate_tokens;

    uint8_t secret[NV_DIGEST_SIZE];
    struct nv_verdict_entry verdicts[NV_WEB_PASSWORD_CACHE];
    uint64_t clock;
};

/* Reads the file. Returns 0; a negative errno and a line for the user in `error`. */
NV_MUST_USE int nv_gate_new(const char *path, struct nv_gate **ret, char error[NV_YAML_ERROR_MAX]);

/* TLS alone, with a certificate made now that nobody vouches for. Likewise. */
NV_MUST_USE int nv_gate_self_signed(struct nv_gate **ret, char error[NV_YAML_ERROR_MAX]);
void nv_gate_free(struct nv_gate *gate);
NV_DEFINE_AUTO(nv_gate)

/* The present configuration, counted for the caller; NULL while it is broken. */
struct nv_access *nv_gate_access(struct nv_gate *gate);

/* The certificates for a new session, counted; NULL for plain HTTP. A change that cannot be read leaves
 * the last that could. */
struct nv_tls *nv_gate_tls(struct nv_gate *gate);

/* Takes a token. False: 429. */
bool nv_gate_take_token(struct nv_gate *gate);

/* What somebody says who he is. */
enum { NV_USER_MAX = 512, NV_PASSWORD_MAX = 72 /* bcrypt reads no further */ };
struct nv_credentials {
    char user[NV_USER_MAX + 1], password[NV_PASSWORD_MAX + 1];
};

/* Reads an Authorization header. False where it is no basic authentication. */
bool nv_credentials_read(const char *header, struct nv_credentials *ret);

/* 1 right, 0 wrong, -EAGAIN when it takes nv_gate_verify() to tell. */
int nv_gate_recall(struct nv_gate *gate, const struct nv_access *access,
                   const struct nv_credentials *credentials);

/* Runs bcrypt, also for users that do not exist; keeps the verdict. Slow. */
bool nv_gate_verify(struct nv_gate *gate, const struct nv_access *access,
                    const struct nv_credentials *credentials);

#endif
