/*
 * yaml.h - a YAML document as a tree whose nodes know where they stand.
 *
 *   shape      scalars, lists, maps with scalar keys in the order of the text; an alias is the node it
 *              names; `<<` merges maps as in YAML 1.1
 *   bounds     NV_YAML_SIZE_MAX bytes, NV_YAML_DEPTH_MAX levels, NV_YAML_NODES_MAX nodes with every alias
 *              counted as often as a reader would meet it
 *   refused    a key that comes twice, a key that is no scalar, a second document, tags beyond YAML's own
 *   ownership  all in the caller's arena
 *   errors     one line, "FILE:LINE:COLUMN: what is wrong"
 */
#ifndef NV_CONFIG_YAML_H
#define NV_CONFIG_YAML_H

#include <stdarg.h>

#include "base/arena.h"
#include "base/cleanup.h"

enum {
    NV_YAML_SIZE_MAX = 8 << 20,
    NV_YAML_DEPTH_MAX = 64,
    NV_YAML_NODES_MAX = 1 << 20,
    NV_YAML_ANCHORS_MAX = 1024,
    NV_YAML_ERROR_MAX = 1024,
};

enum nv_yaml_kind { NV_YAML_SCALAR, NV_YAML_LIST, NV_YAML_MAP };

struct nv_yaml_pair {
    const struct nv_yaml *key, *value;
};

struct nv_yaml {
    enum nv_yaml_kind kind;
    bool plain; /* a scalar without quotes, which may mean null, a number, true or false */
    unsigned line, column; /* from 1 */
    struct nv_str text;    /* of a scalar; a NUL behind it does not count */
    union {
        const struct nv_yaml *const *items; /* of a list */
        const struct nv_yaml_pair *pairs;   /* of a map */
    };
    size_t n;
    size_t weight; /* nodes below and this one, aliases expanded */
};

/*
 * Returns 0 and the root; an empty text is a null. -EBADMSG and a line in `error` for what is wrong with
 * the text, -ENOMEM when the arena is full.
 */
NV_MUST_USE int nv_yaml_parse(const char *file, struct nv_str text, struct nv_arena *memory,
                              const struct nv_yaml **ret, char error[NV_YAML_ERROR_MAX]);

/* Null, ~ or nothing, unquoted. */
bool nv_yaml_is_null(const struct nv_yaml *node);

/* The value of a key, or NULL. */
const struct nv_yaml *nv_yaml_get(const struct nv_yaml *map, const char *key);

/* "FILE:LINE:COLUMN: " and a message, control characters in it made blanks. */
__attribute__((format(printf, 5, 0))) void
nv_config_write_error(char error[NV_YAML_ERROR_MAX], const char *file, unsigned line,
                      unsigned column, const char *format, va_list arguments);

/* Reads a whole regular file into the arena, with a NUL behind that does not count. Returns 0; a negative
 * errno and a line in `error`. */
NV_MUST_USE int nv_config_read_file(const char *path, struct nv_arena *memory, struct nv_str *ret,
                                    char error[NV_YAML_ERROR_MAX]);

#endif
