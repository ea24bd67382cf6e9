#include <errno.h>
#include <nodevitals/json.h>

#include "base/json_out.h"
#include "base/rfc3339.h"
#include "notify/silence.h"

/* ---- written -------------------------------------------------------------------------------- */

const char *nv_silence_state_name(enum nv_silence_state state)
{
    static const char *const names[] = {"pending", "active", "expired"};

    return names[state];
}

static void write_time(struct nv_buf *out, const char *name, int64_t ms)
{
    char text[NV_RFC3339_MAX];

    nv_json_member(out, name, (struct nv_str){text, nv_rfc3339_ms(text, ms)});
}

void nv_silence_write(struct nv_buf *out, const struct nv_silence_spec *spec,
                      enum nv_silence_state state)
{
    nv_buf_char(out, '{');
    nv_json_member(out, "id", nv_str(spec->id));
    nv_buf_text(out, ",\"status\":{");
    nv_json_member(out, "state", nv_str(nv_silence_state_name(state)));
    nv_buf_char(out, '}');
    write_time(out, "updatedAt", spec->updated_ms);
    nv_json_member(out, "comment", spec->comment);
    nv_json_member(out, "createdBy", spec->created_by);
    write_time(out, "endsAt", spec->ends_ms);
    nv_buf_text(out, ",\"matchers\":[");
    for (size_t i = 0; i < spec->n_matchers; i++) {
        const struct nv_silence_matcher *matcher = &spec->matchers[i];
        nv_buf_printf(out, "%s{\"isEqual\":%s,\"isRegex\":%s", i ? "," : "",
                      matcher->is_equal ? "true" : "false", matcher->is_regex ? "true" : "false");
        nv_json_member(out, "name", matcher->name);
        nv_json_member(out, "value", matcher->value);
        nv_buf_char(out, '}');
    }
    nv_buf_char(out, ']');
    write_time(out, "startsAt", spec->starts_ms);
    nv_buf_char(out, '}');
}

/* ---- read ----------------------------------------------------------------------------------- */

static int read_time(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    (void)with;
    if (node->kind != NV_YAML_SCALAR || !nv_rfc3339_read(node->text, into))
        return nv_schema_refuse(schema, node, "a time such as 2026-01-02T03:04:05Z is wanted");
    return 0;
}

static int read_text(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    struct nv_str *text = into;

    (void)with;
    if (node->kind != NV_YAML_SCALAR)
        return nv_schema_refuse(schema, node, "a text is wanted");
    if (node->text.n > NV_SILENCE_TEXT_MAX)
        return nv_schema_refuse(schema, node, "a text of %zu bytes; at most %d are taken",
                                node->text.n, NV_SILENCE_TEXT_MAX);
    *text = nv_arena_str(schema->memory, node->text);
    return text->p ? 0 : -ENOMEM;
}

static int pass_over(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    (void)schema, (void)node, (void)into, (void)with;
    return 0;
}

/* A matcher as it is read; to be told from one that lacks a name. */
struct matcher {
    struct nv_silence_matcher is;
    bool has_value;
};

static int read_value(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    struct matcher *matcher = into;

    matcher->has_value = true;
    return read_text(schema, node, &matcher->is.value, with);
}

static const struct nv_schema_key matcher_keys[] = {
    {"name",          read_text,               offsetof(struct matcher, is.name), NULL},
    {"value",         read_value,              0,                       NULL    },
    {"isRegex", nv_schema_bool, offsetof(struct matcher,            is.is_regex),     NULL    },
    {"isEqual", nv_schema_bool, offsetof(struct matcher,            is.is_equal),     NULL},
};

static int read_matchers(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                         const void *with)
{
    struct nv_silence_spec *spec = into;

    (void)with;
    if (node->kind != NV_YAML_LIST || node->n > NV_SILENCE_MATCHERS_MAX)
        return nv_schema_refuse(schema, node, "a list of at most %d matchers is wanted",
                                NV_SILENCE_MATCHERS_MAX);
    struct nv_silence_matcher *matchers =
        nv_arena_alloc(schema->memory, (node->n + 1) * sizeof(*matchers));
    if (!matchers)
        return -ENOMEM;
    for (size_t i = 0; i < node->n; i++) {
        struct matcher one = {.is.is_equal = true};
        int r = nv_schema_read(schema, node->items[i], matcher_keys,
                               sizeof(matcher_keys) / sizeof(*matcher_keys), &one);
        if (r < 0)
            return r;
        if (!one.is.name.n || !one.has_value)
            return nv_schema_refuse(schema, node->items[i], "a matcher needs a name and a value");
        matchers[i] = one.is;
    }
    spec->matchers = matchers;
    spec->n_matchers = node->n;
    return 0;
}

static const struct nv_schema_key keys[] = {
    {"id",                             nv_schema_text, offsetof(struct nv_silence_spec,                              id),                                                               NULL},
    {"matchers",                                read_matchers,                                     0,                                                     NULL                                                                                },
    {"startsAt",                                read_time,                                     offsetof(struct nv_silence_spec,                                                         starts_ms),NULL},
    {"endsAt",                            read_time,                                          offsetof(struct nv_silence_spec,                                                                                               ends_ms),                                                                                                                                                      NULL},
    {"updatedAt",                        read_time,                                  offsetof(struct nv_silence_spec,updated_ms),NULL},
    {"createdBy", read_text,offsetof(struct nv_silence_spec,                            created_by),                                                                                                                                                                                            NULL},
    {"comment",                       read_text,                                    offsetof(struct nv_silence_spec,                                                          comment),NULL},
    {"annotations",                        pass_over,       0, NULL},
    {"status",                                pass_over,                                  0,                                                              NULL                                                                                                                       },
};

int nv_silence_parse(const struct nv_yaml *node, struct nv_arena *memory,
                     struct nv_silence_spec *ret, char error[NV_SILENCE_ERROR_MAX])
{
    _Static_assert((int)NV_SILENCE_ERROR_MAX >= (int)NV_YAML_ERROR_MAX, "an error fits");
    struct nv_schema schema = {.file = "silence", .memory = memory, .error = error};
    struct nv_silence_spec spec = {.id = ""};

    snprintf(error, NV_SILENCE_ERROR_MAX, "too large");
    int r = nv_schema_read(&schema, node, keys, sizeof(keys) / sizeof(*keys), &spec);
    if (r < 0)
        return r == -ENOMEM ? r : -EINVAL;
    if (strlen(spec.id) >= NV_SILENCE_ID_MAX ||
        strspn(spec.id, "0123456789abcdefABCDEF-") != strlen(spec.id)) {
        snprintf(error, NV_SILENCE_ERROR_MAX, "bad silence ID");
        return -EINVAL;
    }
    *ret = spec;
    return 0;
}

/* JSON is YAML but for one thing: its escapes are UTF-16, where a character may take two. */
static struct nv_str join_surrogates(struct nv_str text, struct nv_arena *memory)
{
    char *out = nv_arena_alloc(memory, text.n + 1);
    size_t n = 0;

    while (out && text.n > 0) {
        size_t taken = text.p[0] == '\\' && text.n > 1 ? 2 : 1;
        if (text.n >= 12 && memcmp(text.p, "\\u", 2) == 0 && memcmp(text.p + 6, "\\u", 2) == 0) {
            uint32_t c = 0;
            size_t length = nv_json_escape(text, &c);
            if (length == 12) {
                n += nv_json_utf8(out + n, c);
                text = nv_str_from(text, length);
                continue;
            }
        }
        memcpy(out + n, text.p, taken);
        n += taken;
        text = nv_str_from(text, taken);
    }
    return (struct nv_str){out, n};
}

int nv_silence_parse_json(struct nv_str text, struct nv_arena *memory, struct nv_silence_spec *ret,
                          char error[NV_SILENCE_ERROR_MAX])
{
    struct nv_str joined = join_surrogates(text, memory);
    const struct nv_yaml *root;

    snprintf(error, NV_SILENCE_ERROR_MAX, "too large");
    if (!joined.p)
        return -ENOMEM;
    int r = nv_yaml_parse("body", joined, memory, &root, error);
    return r < 0 ? r : nv_silence_parse(root, memory, ret, error);
}
