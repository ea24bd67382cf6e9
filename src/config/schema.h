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

struct nv_schema {
    const char *file;
    struct nv_arena *memory;
    char *error; /* NV_YAML_ERROR_MAX bytes */
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

/* The scalar's text, or -EBADMSG. NUL bytes are refused: what follows one would not count. */
int nv_schema_scalar(struct nv_schema *schema, const struct nv_yaml *node, struct nv_str *ret);

/* Go's time.ParseDuration. False where it is none, or beyond an int64_t of nanoseconds. */
bool nv_parse_go_duration(struct nv_str text, int64_t *ret_ns);

#endif
