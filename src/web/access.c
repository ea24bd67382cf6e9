#include "web/access.h"

#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/tls.h"

/* ---- snapshots ------------------------------------------------------------------------------ */

struct nv_access *nv_access_ref(struct nv_access *access)
{
    __atomic_add_fetch(&access->refs, 1, __ATOMIC_RELAXED);
    return access;
}

void nv_access_unref(struct nv_access *access)
{
    if (!access || __atomic_sub_fetch(&access->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    nv_arena_done(&access->memory);
    free(access);
}

/* From a file, or where `path` is NULL from text. */
static int access_load(const char *path, struct nv_str text, struct nv_access **ret,
                       char error[NV_YAML_ERROR_MAX])
{
    struct nv_access *access = calloc(1, sizeof(*access));
    if (!access) {
        snprintf(error, NV_YAML_ERROR_MAX, "out of memory");
        return -ENOMEM;
    }
    access->refs = 1;
    access->memory = NV_ARENA(16 * NV_YAML_SIZE_MAX);
    int r = path ? nv_web_config_load(path, &access->memory, &access->config, error)
                 : nv_web_config_parse("/", text, &access->memory, &access->config, error);
    if (r < 0) {
        nv_access_unref(access);
        return r;
    }
    *ret = access;
    return 0;
}

struct nv_stamp nv_stamp_of(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return (struct nv_stamp){0};
    return (struct nv_stamp){status.st_dev, status.st_ino, status.st_size, status.st_mtim,
                             status.st_ctim};
}

bool nv_stamp_eq(const struct nv_stamp *a, const struct nv_stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
           a->ctime.tv_sec == b->ctime.tv_sec && a->ctime.tv_nsec == b->ctime.tv_nsec;
}

/* ---- reading it again ----------------------------------------------------------------------- */

/* With the lock. The stamp is taken before the file is read, so that a change in between is seen next time. */
static void refresh(struct nv_gate *gate)
{
    struct nv_access *access;
    char error[NV_YAML_ERROR_MAX];

    if (!gate->path)
        return;
    struct nv_stamp now = nv_stamp_of(gate->path);
    if (nv_stamp_eq(&now, &gate->stamp))
        return;
    gate->stamp = now;
    if (access_load(gate->path, NV_LIT(""), &access, error) < 0) {
        gate->broken = true;
        gate->errors++;
        nv_log_error("web configuration refused, requests get status 500: %s", error);
        return;
    }
    if (gate->tls && !access->config.tls.present)
        nv_log_warn("%s: TLS cannot be switched off while running; the last certificate stays",
                    gate->path);
    else if (!gate->tls && access->config.tls.present)
        nv_log_warn("%s: TLS is switched on by a restart only", gate->path);
    nv_log_info("web configuration read again from %s", gate->path);
    nv_access_unref(gate->access);
    gate->access = access;
    gate->broken = false;
}

/* With the lock. What cannot be read is tried again when it has changed once more. */
static void refresh_tls(struct nv_gate *gate)
{
    struct nv_stamp now[NV_TLS_FILES];
    struct nv_tls *tls;
    char error[NV_YAML_ERROR_MAX];
    bool same = gate->tls_access == gate->access;

    if (!gate->access->config.tls.present)
        return;
    nv_tls_stamps(&gate->access->config.tls, now);
    for (size_t i = 0; i < NV_TLS_FILES; i++)
        same &= nv_stamp_eq(&now[i], &gate->tls_stamps[i]);
    if (same)
        return;

    memcpy(gate->tls_stamps, now, sizeof(now));
    nv_access_unref(gate->tls_access);
    gate->tls_access = nv_access_ref(gate->access);
    if (nv_tls_new(gate->access, &tls, error) < 0) {
        gate->errors++;
        nv_log_error("%s; the last certificate stays in use", error);
        return;
    }
    nv_tls_unref(gate->tls);
    gate->tls = tls;
}

struct nv_access *nv_gate_access(struct nv_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    refresh(gate);
    struct nv_access *access = gate->broken ? NULL : nv_access_ref(gate->access);
    pthread_mutex_unlock(&gate->lock);
    return access;
}

struct nv_tls *nv_gate_tls(struct nv_gate *gate)
{
    struct nv_tls *tls = NULL;

    pthread_mutex_lock(&gate->lock);
    refresh(gate);
    if (gate->tls) {
        refresh_tls(gate);
        tls = nv_tls_ref(gate->tls);
    }
    pthread_mutex_unlock(&gate->lock);
    return tls;
}

/* ---- rate ----------------------------------------------------------------------------------- */

bool nv_gate_take_token(struct nv_gate *gate)
{
    if (gate->rate_interval_ns == 0)
        return true;

    pthread_mutex_lock(&gate->lock);
    int64_t now_ns = nv_monotonic_ns();
    gate->rate_tokens += (double)(now_ns - gate->rate_last_ns) / (double)gate->rate_interval_ns;
    gate->rate_last_ns = now_ns;
    if (gate->rate_tokens > (double)gate->rate_burst)
        gate->rate_tokens = (double)gate->rate_burst;
    bool allowed = gate->rate_tokens >= 1;
    if (allowed)
        gate->rate_tokens -= 1;
    pthread_mutex_unlock(&gate->lock);
    return allowed;
}

/* ---- credentials ---------------------------------------------------------------------------- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (nv_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes whole groups of four, as Go does. Returns the length, or -1. */
static ssize_t decode_base64(struct nv_str text, char *out, size_t max)
{
    size_t n = 0, pad = 0;

    if (text.n % 4 != 0 || text.n / 4 * 3 > max)
        return -1;
    while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < text.n; i += 4) {
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = i + k >= text.n - pad ? 0 : base64_digit(text.p[i + k]);
            if (digit < 0)
                return -1;
            group = group << 6 | (uint32_t)digit;
        }
        out[n++] = (char)(group >> 16);
        out[n++] = (char)(group >> 8);
        out[n++] = (char)group;
    }
    return (ssize_t)(n - pad);
}

bool nv_credentials_read(const char *header, struct nv_credentials *ret)
{
    char text[2048]; /* longer than any user and what bcrypt reads of a password */

    if (strncasecmp(header, "Basic ", 6) != 0)
        return false;
    ssize_t n = decode_base64(nv_str_trim(nv_str(header + 6)), text, sizeof(text));
    if (n < 0)
        return false;
    struct nv_str password = {text, (size_t)n};
    size_t colon = nv_str_find(password, ':');
    bool valid = colon < password.n && !memchr(text, '\0', (size_t)n) && colon <= NV_USER_MAX;
    if (valid) {
        struct nv_str user = nv_str_cut(&password, ':');
        if (password.n > NV_PASSWORD_MAX)
            password.n = NV_PASSWORD_MAX;
        memset(ret, 0, sizeof(*ret));
        memcpy(ret->user, user.p, user.n);
        memcpy(ret->password, password.p, password.n);
    }
    explicit_bzero(text, sizeof(text));
    return valid;
}

/* The hash to compare with. Who does not exist is compared with somebody's, at the same cost. */
static const char *hash_of(const struct nv_access *access, const char *user, bool *ret_known)
{
    const struct nv_web_user *known = nv_web_config_user(&access->config, nv_str(user));

    *ret_known = known != NULL;
    return known ? known->hash : access->config.users[0].hash;
}

/* Of user, password and stored hash under a key of this process. Their texts have no NUL, so that it parts
 * them. */
static void make_digest(const struct nv_gate *gate, const struct nv_credentials *credentials,
                        const char *hash, uint8_t ret[NV_DIGEST_SIZE])
{
    char text[NV_USER_MAX + NV_PASSWORD_MAX + NV_BCRYPT_LENGTH + 3];
    int n = snprintf(text, sizeof(text), "%s%c%s%c%s", credentials->user, 0, credentials->password,
                     0, hash);

    gnutls_hmac_fast(GNUTLS_MAC_SHA256, gate->secret, sizeof(gate->secret), text, (size_t)n, ret);
    explicit_bzero(text, sizeof(text));
}

/* With the lock. */
static struct nv_verdict_entry *find_verdict(struct nv_gate *gate,
                                             const uint8_t digest[NV_DIGEST_SIZE])
{
    struct nv_verdict_entry *found = NULL;

    for (size_t i = 0; i < NV_WEB_PASSWORD_CACHE; i++) {
        struct nv_verdict_entry *entry = &gate->verdicts[i];
        if (entry->used && gnutls_memcmp(entry->digest, digest, NV_DIGEST_SIZE) == 0)
            found = entry;
    }
    return found;
}

/* With the lock. Wrong passwords give way first: a guesser must not push out those who know. */
static struct nv_verdict_entry *oldest_verdict(struct nv_gate *gate)
{
    struct nv_verdict_entry *oldest = &gate->verdicts[0];

    for (size_t i = 1; i < NV_WEB_PASSWORD_CACHE; i++) {
        struct nv_verdict_entry *entry = &gate->verdicts[i];
        if (entry->right != oldest->right ? oldest->right : entry->used < oldest->used)
            oldest = entry;
    }
    return oldest;
}

int nv_gate_recall(struct nv_gate *gate, const struct nv_access *access,
                   const struct nv_credentials *credentials)
{
    uint8_t digest[NV_DIGEST_SIZE];
    bool known;

    make_digest(gate, credentials, hash_of(access, credentials->user, &known), digest);
    pthread_mutex_lock(&gate->lock);
    struct nv_verdict_entry *entry = find_verdict(gate, digest);
    if (entry)
        entry->used = ++gate->clock;
    int verdict = entry ? entry->right && known : -EAGAIN;
    pthread_mutex_unlock(&gate->lock);
    return verdict;
}

static bool run_bcrypt(const char *password, const char *hash)
{
    struct crypt_data *data = calloc(1, sizeof(*data)); /* 32 KB */
    if (!data)
        return false;

    /* Not crypt_r(): sanitizers wrap that in a way that loses the library to --as-needed. */
    const char *result = crypt_rn(password, hash, data, sizeof(*data));
    bool right = result && strlen(result) == NV_BCRYPT_LENGTH &&
                 gnutls_memcmp(result, hash, NV_BCRYPT_LENGTH) == 0;
    explicit_bzero(data, sizeof(*data));
    free(data);
    return right;
}

bool nv_gate_verify(struct nv_gate *gate, const struct nv_access *access,
                    const struct nv_credentials *credentials)
{
    uint8_t digest[NV_DIGEST_SIZE];
    bool known;
    const char *hash = hash_of(access, credentials->user, &known);
    int recalled =
        nv_gate_recall(gate, access, credentials); /* somebody may have waited before us */

    if (recalled >= 0)
        return recalled;
    bool right = run_bcrypt(credentials->password, hash) && known;
    make_digest(gate, credentials, hash, digest);
    pthread_mutex_lock(&gate->lock);
    struct nv_verdict_entry *entry = oldest_verdict(gate);
    memcpy(entry->digest, digest, sizeof(digest));
    entry->right = right;
    entry->used = ++gate->clock;
    pthread_mutex_unlock(&gate->lock);
    return right;
}

/* ---- making and ending ---------------------------------------------------------------------- */

static int gate_load(struct nv_gate *gate, struct nv_str text, char error[NV_YAML_ERROR_MAX])
{
    if (gate->path)
        gate->stamp = nv_stamp_of(gate->path);
    int r = access_load(gate->path, text, &gate->access, error);
    if (r < 0)
        return r;

    const struct nv_web_config *config = &gate->access->config;
    gate->rate_interval_ns = config->rate_interval_ns;
    gate->rate_burst = config->rate_burst;
    gate->rate_tokens = (double)config->rate_burst;
    gate->rate_last_ns = nv_monotonic_ns();
    if (gnutls_rnd(GNUTLS_RND_KEY, gate->secret, sizeof(gate->secret)) < 0) {
        snprintf(error, NV_YAML_ERROR_MAX, "no random numbers to be had");
        return -EIO;
    }
    if (!config->tls.present)
        return 0;
    nv_tls_stamps(&config->tls, gate->tls_stamps);
    gate->tls_access = nv_access_ref(gate->access);
    return nv_tls_new(gate->access, &gate->tls, error);
}

static int gate_new(const char *path, struct nv_str text, struct nv_gate **ret,
                    char error[NV_YAML_ERROR_MAX])
{
    NV_AUTO(nv_gate) *gate = calloc(1, sizeof(*gate));
    if (!gate)
        return -ENOMEM;
    pthread_mutex_init(&gate->lock, NULL);
    gate->path = path ? strdup(path) : NULL;
    if (path && !gate->path)
        return -ENOMEM;

    int r = gate_load(gate, text, error);
    if (r < 0)
        return r;
    *ret = nv_take(gate);
    return 0;
}

int nv_gate_new(const char *path, struct nv_gate **ret, char error[NV_YAML_ERROR_MAX])
{
    return gate_new(path, NV_LIT(""), ret, error);
}

int nv_gate_self_signed(struct nv_gate **ret, char error[NV_YAML_ERROR_MAX])
{
    NV_AUTO_BUF text = NV_BUF(64 << 10);

    int r = nv_self_signed_config(&text);
    if (r < 0) {
        snprintf(error, NV_YAML_ERROR_MAX, "cannot make a certificate: %s", gnutls_strerror(r));
        return -EIO;
    }
    r = text.failed ? text.failed : gate_new(NULL, nv_buf_view(&text), ret, error);
    if (text.p)
        explicit_bzero(text.p, text.n);
    return r;
}

void nv_gate_free(struct nv_gate *gate)
{
    if (!gate)
        return;
    nv_tls_unref(gate->tls);
    nv_access_unref(gate->tls_access);
    nv_access_unref(gate->access);
    pthread_mutex_destroy(&gate->lock);
    free(gate->path);
    free(gate);
}
