/*
 * schema.h - from a YAML tree to a struct, by tables.
 *
 * A table has one line per key: its name, a reader, where the value goes. A key the table does not have is an
 * error that lists what it has. A null leaves the default that stands in the struct.
 *
 *   ownership  text is copied into the schema's arena, which ends with the struct
 *   errors     -EBADMSG and "FILE:LINE:COLUMN: what is wrong; what is allowed"
 */
#ifndef NV_CONFIG_SCHEMA_H
#define NV_CONFIG_SCHEMA_H

#include "config/yaml.h"
#include "metric/layout.h"

/* A node that must not be shown. */
struct nv_schema_hidden {
    const struct nv_yaml *node;
    const struct nv_schema_hidden *next;
};

struct nv_config;
struct nv_schema {
    const char *file;
    struct nv_arena *memory;
    char *error;                           /* NV_YAML_ERROR_MAX bytes */
    struct nv_str folder;                  /* what relative paths are relative to */
    const struct nv_schema_hidden *hidden; /* what nv_schema_secret() has met */
    struct nv_config *config;              /* what is being read, where that is a configuration */
};

struct nv_schema_key {
    const char *name;
    /* Reads a node that is not null into `into`. `with` is the key's own. */
    int (*read)(struct nv_schema *schema, const struct nv_yaml *node, void *into, const void *with);
    size_t offset;
    const void *with;
};

#define NV_KEY(type, member, reader, ...)                                                          \
    {                                                                                              \
#member, (reader), offsetof(type, member), __VA_ARGS__                                     \
    }

/* The same where key and member have different names; and for readers that take the whole struct. */
#define NV_FIELD(name, type, member, reader, ...)                                                  \
    {                                                                                              \
        name, (reader), offsetof(type, member), __VA_ARGS__                                        \
    }
#define NV_WHOLE(name, reader, ...)                                                                \
    {                                                                                              \
        name, (reader), 0, __VA_ARGS__                                                             \
    }

NV_MUST_USE int nv_schema_read(struct nv_schema *schema, const struct nv_yaml *map,
                               const struct nv_schema_key *keys, size_t n_keys, void *into);

__attribute__((format(printf, 3, 4))) int
nv_schema_refuse(struct nv_schema *schema, const struct nv_yaml *node, const char *format, ...);

/* Several texts. */
struct nv_text_list {
    const char *const *at;
    size_t n;
};

/* Readers: const char *; bool; int64_t within struct nv_schema_range (NULL: any); nanoseconds as int64_t, from Go's
 * durations ("1m30s", or a bare number of nanoseconds); struct nv_text_list. */
struct nv_schema_range {
    int64_t least, most;
};
int nv_schema_text(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with);
int nv_schema_bool(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with);
int nv_schema_int(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                  const void *with);
int nv_schema_duration(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with);
int nv_schema_texts(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                    const void *with);

/* One of a list of names (NULL at the end, `with`): its index as int. */
int nv_schema_choice(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with);

/* Readers: int64_t in milliseconds, from Prometheus' durations; int64_t in bytes, from its sizes; const char * of a path,
 * made absolute ("" is none); const char * that is never shown. */
int nv_schema_milliseconds(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                           const void *with);
int nv_schema_size(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with);
int nv_schema_path(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with);
int nv_schema_secret(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with);
/* Several paths: struct nv_text_list. */
int nv_schema_paths(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                    const void *with);

/* For keys that are known and not to be had here: refuses, and is not listed among what is allowed. `with` is why (a
 * C string), or NULL. */
int nv_schema_not_provided(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                           const void *with);

/* A list of structs, made in the arena. A key with NV_ITEMS stands for a pointer and its count. */
struct nv_schema_items {
    int (*read)(struct nv_schema *schema, const struct nv_yaml *node, void *item);
    size_t size, max;
    ptrdiff_t n_delta;    /* from the pointer to its count */
    const char *singular; /* "receiver" */
};
int nv_schema_list(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with);
#define NV_ITEMS(type, member, n_member, reader, maximum, name)                                    \
    (&(const struct nv_schema_items){                                                              \
        (reader), sizeof(*((type *)0)->member), (maximum),                                         \
        (ptrdiff_t)offsetof(type, n_member) - (ptrdiff_t)offsetof(type, member), (name)})

/* Memory of the schema, zeroed. -ENOMEM and a line in its error. */
NV_MUST_USE int nv_schema_alloc(struct nv_schema *schema, size_t size, void *ret);

/* A map of label names and values, sorted by name: struct nv_schema_labels. */
struct nv_schema_labels {
    const struct nv_label *at;
    size_t n;
};
int nv_schema_labels(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with);

/* The scalar's text, or -EBADMSG. NUL bytes are refused: what follows one would not count. */
int nv_schema_scalar(struct nv_schema *schema, const struct nv_yaml *node, struct nv_str *ret);

/* Go's time.ParseDuration. False where it is none, or beyond an int64_t of nanoseconds. */
bool nv_parse_go_duration(struct nv_str text, int64_t *ret_ns);

#endif
