/*
 * fuzz_web_config.c - web configurations. What is accepted keeps its promises: hashes that crypt() may have,
 * certificates with keys, headers that cannot split an answer, priorities that GnuTLS takes or leaves nothing.
 */
#include "base/assert.h"
#include "config/web_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct nv_web_config *config)
{
    const struct nv_web_tls *tls = &config->tls;

    if (tls->present)
        nv_assert((tls->cert || tls->cert_file) && (tls->key || tls->key_file) &&
                  tls->min_version <= tls->max_version);
    for (size_t i = 0; i < config->n_headers; i++)
        nv_assert(!strpbrk(config->headers[i].value, "\r\n"));
    for (size_t i = 0; i < config->n_users; i++) {
        const struct nv_web_user *user = &config->users[i];
        nv_assert(strlen(user->hash) == NV_BCRYPT_LENGTH && !strchr(user->name, ':'));
        nv_assert(nv_web_config_user(config, nv_str(user->name)) == user);
    }
    nv_assert(config->rate_interval_ns >= 0 && config->rate_burst >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_arena memory = NV_ARENA(64 << 20);
    char error[NV_YAML_ERROR_MAX] = "";
    struct nv_web_config config;

    if (nv_web_config_parse("/f", (struct nv_str){(const char *)data, size}, &memory, &config,
                            error) == 0)
        check(&config);
    else
        nv_assert(error[0] && !strchr(error, '\n'));
    nv_arena_done(&memory);
    return 0;
}
