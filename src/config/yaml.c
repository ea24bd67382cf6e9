#include "config/yaml.h"

#include <stdarg.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "base/cleanup.h"

#define CORE_TAG "tag:yaml.org,2002:"

enum { MERGED_KEYS_MAX = 4096 };

struct anchor {
    struct nv_str name;
    const struct nv_yaml *node;
};

/* A list or map that is being read; its children pile up on the loader's stack. */
struct open_node {
    struct nv_yaml *node;
    size_t first_child;
    struct nv_str anchor;
};

struct loader {
    yaml_parser_t parser;
    const char *file;
    struct nv_arena *memory;
    char *error;

    struct open_node open[NV_YAML_DEPTH_MAX];
    size_t depth;
    const struct nv_yaml **children; /* of all open nodes; keys and values alternate in maps */
    size_t n_children, room;
    struct anchor anchors[NV_YAML_ANCHORS_MAX];
    size_t n_anchors;
    size_t total; /* nodes, aliases expanded */
    const struct nv_yaml *root;
};

/* One line, whatever the text it quotes. */
void nv_config_write_error(char error[NV_YAML_ERROR_MAX], const char *file, unsigned line,
                           unsigned column, const char *format, va_list arguments)
{
    int n = snprintf(error, NV_YAML_ERROR_MAX, "%.256s:%u:%u: ", file, line, column);

    vsnprintf(error + n, NV_YAML_ERROR_MAX - (size_t)n, format, arguments);
    for (char *at = error; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    }
}

__attribute__((format(printf, 4, 5))) static int refuse(const struct loader *loader, unsigned line,
                                                        unsigned column, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    nv_config_write_error(loader->error, loader->file, line, column, format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

static int refuse_at(const struct loader *loader, const struct nv_yaml *node, const char *what)
{
    return refuse(loader, node->line, node->column, "%s", what);
}

static int out_of_memory(const struct loader *loader)
{
    snprintf(loader->error, NV_YAML_ERROR_MAX, "%.256s: the document is too large for its memory",
             loader->file);
    return -ENOMEM;
}

static struct nv_str view(const yaml_char_t *c_string)
{
    return c_string ? nv_str((const char *)c_string) : (struct nv_str){NULL, 0};
}

/* ---- making nodes --------------------------------------------------------------------------- */

static int new_node(struct loader *loader, const yaml_event_t *event, enum nv_yaml_kind kind,
                    struct nv_yaml **ret)
{
    struct nv_yaml *node = nv_arena_alloc(loader->memory, sizeof(*node));
    if (!node)
        return out_of_memory(loader);

    *node = (struct nv_yaml){.kind = kind,
                             .line = (unsigned)event->start_mark.line + 1,
                             .column = (unsigned)event->start_mark.column + 1,
                             .weight = 1};
    *ret = node;
    return 0;
}

/* Only the tags every document may use; !!str makes text of what looks like a number. */
static int check_tag(const struct loader *loader, const struct nv_yaml *node,
                     const yaml_char_t *tag)
{
    static const char *const known[] = {"str", "int", "float", "bool", "null", "map", "seq"};
    struct nv_str name = view(tag);

    if (name.n == 0)
        return 0;
    if (nv_str_is(name, "!"))
        return 1;
    if (nv_str_starts(name, CORE_TAG)) {
        struct nv_str rest = nv_str_from(name, strlen(CORE_TAG));
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (nv_str_is(rest, known[i]))
                return i == 0;
        }
    }
    return refuse(loader, node->line, node->column, "tag '%.64s' is not supported",
                  (const char *)tag);
}

static int keep_anchor(struct loader *loader, struct nv_str name, const struct nv_yaml *node)
{
    if (name.n == 0)
        return 0;
    if (loader->n_anchors == NV_YAML_ANCHORS_MAX)
        return refuse_at(loader, node, "too many anchors");
    name = nv_arena_str(loader->memory, name);
    if (!name.p)
        return out_of_memory(loader);
    loader->anchors[loader->n_anchors++] = (struct anchor){name, node};
    return 0;
}

/* Hands a finished node to the one that is open, or makes it the root. */
static int add_child(struct loader *loader, const struct nv_yaml *node)
{
    loader->total += node->kind == NV_YAML_SCALAR ? 1 : 0;
    if (loader->depth == 0) {
        loader->root = node;
        return 0;
    }
    if (loader->n_children == loader->room) {
        size_t room = loader->room ? loader->room * 2 : 64;
        const struct nv_yaml **children =
            reallocarray(loader->children, room, sizeof(struct nv_yaml *));
        if (!children)
            return out_of_memory(loader);
        loader->children = children;
        loader->room = room;
    }
    loader->children[loader->n_children++] = node;
    return 0;
}

static int read_scalar(struct loader *loader, const yaml_event_t *event)
{
    struct nv_yaml *node;
    int r = new_node(loader, event, NV_YAML_SCALAR, &node);
    if (r < 0)
        return r;

    node->text =
        nv_arena_str(loader->memory, (struct nv_str){(const char *)event->data.scalar.value,
                                                     event->data.scalar.length});
    if (!node->text.p)
        return out_of_memory(loader);
    r = check_tag(loader, node, event->data.scalar.tag);
    if (r < 0)
        return r;
    node->plain = r == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    r = keep_anchor(loader, view(event->data.scalar.anchor), node);
    return r < 0 ? r : add_child(loader, node);
}

static int read_alias(struct loader *loader, const yaml_event_t *event)
{
    struct nv_str name = view(event->data.alias.anchor);
    unsigned line = (unsigned)event->start_mark.line + 1;
    unsigned column = (unsigned)event->start_mark.column + 1;

    for (size_t i = loader->n_anchors; i-- > 0;) { /* the latest of a name counts */
        const struct anchor *anchor = &loader->anchors[i];
        if (!nv_str_eq(anchor->name, name))
            continue;
        loader->total += anchor->node->weight;
        if (loader->total > NV_YAML_NODES_MAX)
            return refuse(loader, line, column, "aliases expand to more than %d values",
                          NV_YAML_NODES_MAX);
        return add_child(loader, anchor->node);
    }
    return refuse(loader, line, column, "no anchor '%.64s' stands before this alias", name.p);
}

static int begin_node(struct loader *loader, const yaml_event_t *event, enum nv_yaml_kind kind)
{
    bool map = kind == NV_YAML_MAP;
    struct nv_yaml *node;
    int r = new_node(loader, event, kind, &node);

    if (r == 0)
        r = check_tag(loader, node,
                      map ? event->data.mapping_start.tag : event->data.sequence_start.tag);
    if (r < 0)
        return r;
    if (loader->depth == NV_YAML_DEPTH_MAX)
        return refuse(loader, node->line, node->column, "more than %d levels", NV_YAML_DEPTH_MAX);

    struct nv_str anchor =
        view(map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor);
    if (anchor.n) { /* libyaml frees the event before the node ends */
        anchor = nv_arena_str(loader->memory, anchor);
        if (!anchor.p)
            return out_of_memory(loader);
    }
    loader->open[loader->depth++] = (struct open_node){node, loader->n_children, anchor};
    loader->total++;
    return 0;
}

/* ---- maps ----------------------------------------------------------------------------------- */

static bool has_key(const struct nv_yaml_pair *pairs, size_t n, struct nv_str key)
{
    for (size_t i = 0; i < n; i++) {
        if (nv_str_eq(pairs[i].key->text, key))
            return true;
    }
    return false;
}

static int order_keys(const void *a, const void *b)
{
    const struct nv_yaml *x = *(const struct nv_yaml *const *)a;
    const struct nv_yaml *y = *(const struct nv_yaml *const *)b;
    int order = nv_str_cmp(x->text, y->text);

    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Sorts a copy, since a large map would take quadratic time otherwise. */
static int check_duplicates(const struct loader *loader, const struct nv_yaml_pair *pairs, size_t n)
{
    NV_AUTO_FREE const struct nv_yaml **keys = calloc(n ? n : 1, sizeof(struct nv_yaml *));
    if (!keys)
        return out_of_memory(loader);

    for (size_t i = 0; i < n; i++)
        keys[i] = pairs[i].key;
    qsort(keys, n, sizeof(keys[0]), order_keys);
    for (size_t i = 1; i < n; i++) {
        if (nv_str_eq(keys[i - 1]->text, keys[i]->text))
            return refuse(loader, keys[i]->line, keys[i]->column,
                          "key '%.64s' stands twice, first in line %u", keys[i]->text.p,
                          keys[i - 1]->line);
    }
    return 0;
}

static bool is_merge(const struct nv_yaml *key)
{
    return key->plain && nv_str_is(key->text, "<<");
}

/* What `<<: value` can add at most; -1 when value is no map or list of maps. */
static ssize_t merge_room(const struct nv_yaml *value)
{
    size_t n = 0;

    if (value->kind == NV_YAML_MAP)
        return (ssize_t)value->n;
    if (value->kind != NV_YAML_LIST)
        return -1;
    for (size_t i = 0; i < value->n; i++) {
        if (value->items[i]->kind != NV_YAML_MAP)
            return -1;
        n += value->items[i]->n;
    }
    return (ssize_t)n;
}

/* Adds pairs whose key is not there yet. */
static void merge(struct nv_yaml_pair *pairs, size_t *n, const struct nv_yaml *value)
{
    if (value->kind == NV_YAML_LIST) {
        for (size_t i = 0; i < value->n; i++)
            merge(pairs, n, value->items[i]);
        return;
    }
    for (size_t i = 0; i < value->n; i++) {
        if (!has_key(pairs, *n, value->pairs[i].key->text))
            pairs[(*n)++] = value->pairs[i];
    }
}

/* Counts the pairs of a map after merging, and checks its keys. */
static int measure_map(const struct loader *loader, const struct nv_yaml *const *children, size_t n,
                       size_t *ret_room, size_t *ret_merged)
{
    size_t room = 0, merged = 0;

    for (size_t i = 0; i < n; i += 2) {
        const struct nv_yaml *key = children[i];
        if (key->kind != NV_YAML_SCALAR)
            return refuse_at(loader, key, "a key must be a scalar");
        if (!is_merge(key)) {
            room++;
            continue;
        }
        ssize_t more = merge_room(children[i + 1]);
        if (more < 0)
            return refuse_at(loader, children[i + 1], "<< wants a map or a list of maps");
        merged += (size_t)more;
    }
    if (merged && room + merged > MERGED_KEYS_MAX) /* merging looks every key up in the others */
        return refuse(loader, children[0]->line, children[0]->column,
                      "<< in a map of more than %d keys", MERGED_KEYS_MAX);
    *ret_room = room + merged;
    *ret_merged = merged;
    return 0;
}

static int end_map(struct loader *loader, struct nv_yaml *node,
                   const struct nv_yaml *const *children, size_t n_children)
{
    size_t room = 0, merged = 0, n = 0;
    int r = measure_map(loader, children, n_children, &room, &merged);
    if (r < 0)
        return r;

    struct nv_yaml_pair *pairs = nv_arena_alloc(loader->memory, room * sizeof(*pairs));
    if (!pairs)
        return out_of_memory(loader);
    for (size_t i = 0; i < n_children; i += 2) {
        if (!is_merge(children[i]))
            pairs[n++] = (struct nv_yaml_pair){children[i], children[i + 1]};
    }
    r = check_duplicates(loader, pairs, n);
    if (r < 0)
        return r;
    for (size_t i = 0; merged && i < n_children; i += 2) {
        if (is_merge(children[i]))
            merge(pairs, &n, children[i + 1]);
    }
    node->pairs = pairs;
    node->n = n;
    return 0;
}

static int end_list(struct loader *loader, struct nv_yaml *node,
                    const struct nv_yaml *const *children, size_t n)
{
    const struct nv_yaml **items = nv_arena_alloc(loader->memory, n * sizeof(struct nv_yaml *));
    if (!items)
        return out_of_memory(loader);

    if (n)
        memcpy(items, children, n * sizeof(struct nv_yaml *));
    node->items = items;
    node->n = n;
    return 0;
}

static int end_node(struct loader *loader)
{
    const struct open_node *open = &loader->open[--loader->depth];
    struct nv_yaml *node = open->node;
    const struct nv_yaml *const *children =
        loader->children ? loader->children + open->first_child : NULL;
    size_t n = loader->n_children - open->first_child;

    for (size_t i = 0; i < n; i++)
        node->weight += children[i]->weight;
    int r = node->kind == NV_YAML_MAP && n ? end_map(loader, node, children, n)
            : n                            ? end_list(loader, node, children, n)
                                           : 0;
    loader->n_children = open->first_child;
    if (r == 0)
        r = keep_anchor(loader, open->anchor, node);
    return r < 0 ? r : add_child(loader, node);
}

/* ---- events --------------------------------------------------------------------------------- */

/* Returns 1 at the end of the stream. */
static int read_event(struct loader *loader, const yaml_event_t *event)
{
    if (loader->total > NV_YAML_NODES_MAX)
        return refuse(loader, (unsigned)event->start_mark.line + 1, 1, "more than %d values",
                      NV_YAML_NODES_MAX);
    switch (event->type) {
    case YAML_STREAM_END_EVENT:
        return 1;
    case YAML_DOCUMENT_START_EVENT:
        return loader->root ? refuse(loader, (unsigned)event->start_mark.line + 1, 1,
                                     "a second document begins here; one is wanted")
                            : 0;
    case YAML_SCALAR_EVENT:
        return read_scalar(loader, event);
    case YAML_ALIAS_EVENT:
        return read_alias(loader, event);
    case YAML_SEQUENCE_START_EVENT:
        return begin_node(loader, event, NV_YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        return begin_node(loader, event, NV_YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return end_node(loader);
    default:
        return 0;
    }
}

static int refuse_syntax(const struct loader *loader)
{
    const yaml_parser_t *parser = &loader->parser;

    if (parser->error == YAML_MEMORY_ERROR)
        return out_of_memory(loader);
    if (parser->error == YAML_READER_ERROR)
        return refuse(loader, (unsigned)parser->mark.line + 1, (unsigned)parser->mark.column + 1,
                      "%s (at byte %zu)", parser->problem ? parser->problem : "not UTF-8",
                      parser->problem_offset);
    return refuse(loader, (unsigned)parser->problem_mark.line + 1,
                  (unsigned)parser->problem_mark.column + 1, "%s%s%s",
                  parser->problem ? parser->problem : "syntax error", parser->context ? " " : "",
                  parser->context ? parser->context : "");
}

static int read_events(struct loader *loader)
{
    int r = 0;

    while (r == 0) {
        yaml_event_t event;
        if (!yaml_parser_parse(&loader->parser, &event))
            return refuse_syntax(loader);
        r = read_event(loader, &event);
        yaml_event_delete(&event);
    }
    return r < 0 ? r : 0;
}

static const struct nv_yaml nothing = {
    .kind = NV_YAML_SCALAR, .plain = true, .line = 1, .column = 1, .text = {"", 0},
                  .weight = 1
};

int nv_yaml_parse(const char *file, struct nv_str text, struct nv_arena *memory,
                  const struct nv_yaml **ret, char error[NV_YAML_ERROR_MAX])
{
    NV_AUTO_FREE struct loader *loader = calloc(1, sizeof(*loader)); /* 30 KB */
    if (!loader) {
        snprintf(error, NV_YAML_ERROR_MAX, "out of memory");
        return -ENOMEM;
    }
    loader->file = file;
    loader->memory = memory;
    loader->error = error;
    if (text.n > NV_YAML_SIZE_MAX)
        return refuse(loader, 1, 1, "larger than %d bytes", NV_YAML_SIZE_MAX);
    if (!yaml_parser_initialize(&loader->parser))
        return out_of_memory(loader);

    yaml_parser_set_input_string(&loader->parser, (const unsigned char *)(text.n ? text.p : ""),
                                 text.n);
    yaml_parser_set_encoding(&loader->parser, YAML_UTF8_ENCODING);
    int r = read_events(loader);
    yaml_parser_delete(&loader->parser);
    free(loader->children);
    if (r == 0)
        *ret = loader->root ? loader->root : &nothing;
    return r;
}

/* ---- reading nodes -------------------------------------------------------------------------- */

bool nv_yaml_is_null(const struct nv_yaml *node)
{
    static const char *const names[] = {"", "~", "null", "Null", "NULL"};

    if (node->kind != NV_YAML_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (nv_str_is(node->text, names[i]))
            return true;
    }
    return false;
}

const struct nv_yaml *nv_yaml_get(const struct nv_yaml *map, const char *key)
{
    for (size_t i = 0; map->kind == NV_YAML_MAP && i < map->n; i++) {
        if (nv_str_is(map->pairs[i].key->text, key))
            return map->pairs[i].value;
    }
    return NULL;
}

/* ---- files ---------------------------------------------------------------------------------- */

static int read_all(int fd, struct nv_arena *memory, struct nv_str *ret)
{
    struct stat status;
    size_t n = 0;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (status.st_size > NV_YAML_SIZE_MAX)
        return -EFBIG;

    size_t size = (size_t)status.st_size;
    char *text = nv_arena_alloc(memory, size + 1);
    if (!text)
        return -ENOMEM;
    while (n < size) {
        ssize_t got = read(fd, text + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0) /* cut short meanwhile */
            break;
        n += (size_t)got;
    }
    text[n] = '\0';
    *ret = (struct nv_str){text, n};
    return 0;
}

int nv_config_read_file(const char *path, struct nv_arena *memory, struct nv_str *ret,
                        char error[NV_YAML_ERROR_MAX])
{
    NV_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int r = fd < 0 ? -errno : read_all(fd, memory, ret);

    if (r < 0)
        snprintf(error, NV_YAML_ERROR_MAX, "cannot read %.512s: %s", path,
                 r == -EINVAL ? "not a regular file" : strerror(-r));
    return r;
}
