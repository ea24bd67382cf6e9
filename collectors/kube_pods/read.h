/*
 * read.h - JSON objects into structures, by a table of the members that matter.
 *
 *   missing    a member that is null, or of another type than the table says, is as one that is not there
 *   memory     texts are views into the JSON, or of the pass where they hold escapes; lists are of the pass
 *   bound      NV_KUBE_ITEMS_MAX items a list; what is beyond is left out
 */
#ifndef NV_KUBE_PODS_READ_H
#define NV_KUBE_PODS_READ_H

#include <nodevitals/json.h>

#include <nodevitals/collector.h>

enum { NV_KUBE_ITEMS_MAX = 4096 };

enum nv_kube_kind {
    NV_KUBE_TEXT,   /* struct nv_str */
    NV_KUBE_TIME,   /* struct nv_kube_number: seconds since the epoch, of RFC 3339 */
    NV_KUBE_NUMBER, /* struct nv_kube_number */
    NV_KUBE_BOOL,   /* bool */
    NV_KUBE_OBJECT, /* its members go to the same structure, `offset` further; `there`: a bool behind them is set */
    NV_KUBE_LIST, /* struct nv_kube_list of objects */
    NV_KUBE_MAP,  /* struct nv_kube_list of struct nv_kube_pair: an object of texts and numbers */
    NV_KUBE_RAW_MAP, /* the same with its texts as they stand there, escapes and all: most of them nobody asks for */
};

struct nv_kube_number {
    int64_t value;
    bool there;
};

struct nv_kube_list {
    void *at;
    size_t n, room;
};

struct nv_kube_pair {
    struct nv_str key, value;
};

struct nv_kube_field {
    const char *key;
    enum nv_kube_kind kind;
    size_t offset;
    const struct nv_kube_field *members; /* of an object, or of a list's items */
    size_t size;                         /* of a list's items */
    size_t there;                        /* of an object: where its bool is, and 1; 0 for none */
};

/* Reads one value by a table that ends in a NULL key. */
void nv_kube_read(struct nv_pass *pass, struct nv_json *json, const struct nv_kube_field *fields,
                  void *into);

/* A text without its escapes. */
struct nv_str nv_kube_plain(struct nv_pass *pass, struct nv_str raw);

/* The Unix time of RFC 3339, fractions cut off. False where it is none. */
bool nv_kube_time(struct nv_str text, int64_t *ret);

#endif
