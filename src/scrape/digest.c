#include "scrape/digest.h"

#include "base/index.h"

static uint64_t add_number(uint64_t hash, uint64_t number)
{
    return nv_hash(&number, sizeof(number), hash);
}

static uint64_t add_str(uint64_t hash, struct nv_str text)
{
    return add_number(text.n ? nv_hash(text.p, text.n, hash) : hash, text.n);
}

/* No text is something else than an empty one. */
static uint64_t add_text(uint64_t hash, const char *text)
{
    return text ? add_str(add_number(hash, 1), nv_str(text)) : add_number(hash, 0);
}

static uint64_t add_http(uint64_t hash, const struct nv_http_config *http)
{
    const char *const texts[] = {
        http->username,     http->username_file,   http->password,         http->password_file,
        http->auth_type,    http->credentials,     http->credentials_file, http->tls.ca,
        http->tls.cert,     http->tls.key,         http->tls.ca_file,      http->tls.cert_file,
        http->tls.key_file, http->tls.server_name, http->proxy_url,        http->no_proxy,
    };
    const uint64_t numbers[] = {
        http->tls.insecure_skip_verify,  (uint64_t)http->tls.min_version,
        (uint64_t)http->tls.max_version, http->has_basic_auth,
        http->follow_redirects,          http->enable_http2,
        http->proxy_from_environment,    http->n_headers,
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        hash = add_text(hash, texts[i]);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        hash = add_number(hash, numbers[i]);
    for (size_t i = 0; i < http->n_headers; i++) {
        hash = add_text(hash, http->headers[i].name);
        hash = add_text(hash, http->headers[i].value);
        hash = add_text(hash, http->headers[i].file);
    }
    return hash;
}

static uint64_t add_rules(uint64_t hash, const struct nv_relabel_list *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct nv_relabel *rule = &rules->at[i];
        hash = add_number(hash, rule->action);
        for (size_t k = 0; k < rule->n_source_labels; k++)
            hash = add_str(hash, rule->source_labels[k]);
        hash = add_str(hash, rule->separator);
        hash = add_str(hash, rule->target_label);
        hash = add_str(hash, rule->replacement);
        hash =
            add_str(hash, rule->regex ? nv_regex_pattern(rule->regex) : (struct nv_str){NULL, 0});
        hash = add_number(hash, rule->modulus);
    }
    return add_number(hash, rules->n);
}

uint64_t nv_scrape_digest(const struct nv_config_scrape *config)
{
    const struct nv_scrape_limits *limits = &config->limits;
    const uint64_t numbers[] = {
        config->honor_labels,
        config->honor_timestamps,
        config->track_timestamps_staleness,
        config->enable_compression,
        config->scrape_native_histograms,
        config->always_scrape_classic_histograms,
        config->extra_scrape_metrics,
        config->expose,
        (uint64_t)limits->body_size,
        (uint64_t)limits->samples,
        (uint64_t)limits->labels,
        (uint64_t)limits->label_name_length,
        (uint64_t)limits->label_value_length,
        config->n_protocols,
        (uint64_t)config->name_escaping,
        (uint64_t)config->fallback_protocol,
    };
    uint64_t hash = 0;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        hash = add_number(hash, numbers[i]);
    for (size_t i = 0; i < config->n_protocols; i++)
        hash = add_number(hash, config->protocols[i]);
    hash = add_http(hash, &config->http);
    return add_rules(hash, &config->metric_relabel);
}

uint64_t nv_file_sd_digest(const struct nv_config_file_sd *config)
{
    uint64_t hash = add_number(0, (uint64_t)config->refresh_interval_ms);

    for (size_t i = 0; i < config->files.n; i++)
        hash = add_text(hash, config->files.at[i]);
    return hash;
}
