#include "scrape/inside.h"

/* Where the next piece of the one block goes. */
struct packer {
    struct nv_label *labels;
    char *text;
};

static size_t text_size(const struct nv_label *labels, size_t n)
{
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += labels[i].name.n + labels[i].value.n;
    return size;
}

static struct nv_str pack_text(struct packer *to, struct nv_str text)
{
    struct nv_str copy = {to->text, text.n};

    if (text.n)
        memcpy(to->text, text.p, text.n);
    to->text += text.n;
    return copy;
}

static const struct nv_label *pack_labels(struct packer *to, const struct nv_label *labels,
                                          size_t n)
{
    struct nv_label *copy = to->labels;

    for (size_t i = 0; i < n; i++) {
        copy[i].name = pack_text(to, labels[i].name);
        copy[i].value = pack_text(to, labels[i].value);
    }
    to->labels += n;
    return copy;
}

struct nv_scrape_info *nv_scrape_info_new(struct nv_config *pin,
                                          const struct nv_config_scrape *config, uint64_t digest,
                                          const struct nv_scrape_described *is)
{
    size_t n = is->n_labels + is->n_discovered;
    size_t text = text_size(is->labels, is->n_labels) +
                  text_size(is->discovered, is->n_discovered) + is->url.n + 1;
    struct nv_scrape_info *info = calloc(1, sizeof(*info) + n * sizeof(struct nv_label) + text);

    if (!info)
        return NULL;
    struct packer to = {(struct nv_label *)(info + 1), (char *)(info + 1) + n * sizeof(*to.labels)};
    info->refs = 1;
    info->pin = pin ? nv_config_ref(pin) : NULL;
    info->config = config;
    info->digest = digest;
    info->is = *is;
    info->is.labels = pack_labels(&to, is->labels, is->n_labels);
    info->is.discovered = pack_labels(&to, is->discovered, is->n_discovered);
    info->is.url = pack_text(&to, is->url); /* the NUL behind it is there: calloc */
    return info;
}

struct nv_scrape_info *nv_scrape_info_ref(struct nv_scrape_info *info)
{
    __atomic_add_fetch(&info->refs, 1, __ATOMIC_RELAXED);
    return info;
}

void nv_scrape_info_unref(struct nv_scrape_info *info)
{
    if (!info || __atomic_sub_fetch(&info->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    nv_config_unref(info->pin);
    free(info);
}
