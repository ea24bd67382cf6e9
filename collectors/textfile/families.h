/*
 * families.h - what a textfile holds, ready to be emitted.
 *
 *   shape      a list of families, each with a list of samples that have the same label names, but that
 *              buckets and quantiles have one more, the last; a histogram's or summary's parts are put
 *              together
 *   bound      NV_LABELS_MAX labels a family
 *   ownership  all of it lies in one memory, which nv_textfile_memory_done() frees
 */
#ifndef NV_TEXTFILE_FAMILIES_H
#define NV_TEXTFILE_FAMILIES_H

#include <nodevitals/collector.h>

struct nv_textfile_memory {
    struct nv_textfile_chunk *chunks;
    size_t size;
    bool failed; /* an allocation did, for want of memory */
};

/* Returns NULL when memory is out. */
void *nv_textfile_keep(struct nv_textfile_memory *memory, size_t size);
void nv_textfile_memory_done(struct nv_textfile_memory *memory);

struct nv_textfile_sample {
    struct nv_textfile_sample *next;
    const char *suffix;       /* "_bucket", "_sum", "_count" or "" */
    const char *const *names; /* NULL at the end */
    struct nv_str *labels;
    size_t n_labels; /* without le or quantile */
    double value;
    double bound; /* of a bucket or quantile */
    size_t order; /* in the file */
};

struct nv_textfile_family {
    struct nv_textfile_family *next;
    struct nv_family as; /* without help */
    const char *help;    /* as in the file; NULL for none */
    bool left_out;       /* the caller's */
    struct nv_textfile_sample *samples, **samples_end;
    size_t n_samples;
};

/*
 * Parses text. Returns 0 and the first family, or a negative errno and a reason (NULL where the errno says
 * it all); the memory then holds nothing of use.
 */
int nv_textfile_parse(struct nv_pass *pass, struct nv_str text, struct nv_textfile_memory *memory,
                      struct nv_textfile_family **ret, const char **ret_reason);

#endif
