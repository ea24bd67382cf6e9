#include "config/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "config/config_parts.h"

enum { YAML_MAX = 64 << 20 };

/* ---- readers of all parts ------------------------------------------------------------------- */

int nv_config_own(struct nv_schema *schema, struct nv_regex *regex)
{
    struct nv_owned_regex *owned;
    int r = nv_schema_alloc(schema, sizeof(*owned), &owned);

    if (r < 0) {
        nv_regex_free(regex);
        return r;
    }
    *owned = (struct nv_owned_regex){regex, schema->config->regexes};
    schema->config->regexes = owned;
    return 0;
}

void nv_config_note(struct nv_schema *schema, const struct nv_yaml *node, const char *format, ...)
{
    struct nv_config *config = schema->config;
    char text[NV_YAML_ERROR_MAX];
    va_list arguments;

    if (config->n_notes == NV_CONFIG_NOTES_MAX)
        return;
    va_start(arguments, format);
    nv_config_write_error(text, schema->file, node->line, node->column, format, arguments);
    va_end(arguments);
    struct nv_str kept = nv_arena_str(schema->memory, nv_str(text));
    if (kept.p)
        config->notes[config->n_notes++] = kept.p;
}

int nv_schema_no_effect(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                        const void *with)
{
    const char *name = with;

    (void)into;
    nv_config_note(schema, node, "'%s' has no effect here", name);
    return 0;
}

int nv_schema_nothing(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    (void)schema;
    (void)node;
    (void)into;
    (void)with;
    return 0;
}

int nv_schema_only_false(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                         const void *with)
{
    const char *what = with;
    bool yes = false;
    int r = nv_schema_bool(schema, node, &yes, NULL);

    (void)into;
    return r == 0 && yes ? nv_schema_refuse(schema, node, "%s is not provided here", what) : r;
}

int nv_schema_names_scheme(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                           const void *with)
{
    static const char *const names[] = {"utf8", "legacy", NULL};
    int choice = 0;
    int r = nv_schema_choice(schema, node, &choice, names);

    (void)into;
    (void)with;
    return r == 0 && choice
               ? nv_schema_refuse(schema, node, "the legacy scheme of names is not provided here")
               : r;
}

int nv_schema_scheme(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    static const char *const names[] = {"http", "https", NULL};
    int choice = 0;
    int r = nv_schema_choice(schema, node, &choice, names);

    (void)with;
    if (r == 0)
        *(const char **)into = names[choice];
    return r;
}

/* ---- external labels ------------------------------------------------------------------------ */

static bool is_variable_character(char c)
{
    return nv_is_digit(c) || c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* The name behind a dollar, taken from the front of *rest: NAME or {NAME}; "$" for a second dollar. */
static struct nv_str take_variable(struct nv_str *rest)
{
    struct nv_str name = {rest->p, 0};

    if (rest->n && rest->p[0] == '$') {
        name.n = 1;
        *rest = nv_str_from(*rest, 1);
        return name;
    }
    if (rest->n && rest->p[0] == '{') {
        size_t end = nv_str_find(*rest, '}');
        name = (struct nv_str){rest->p + 1, end == rest->n ? 0 : end - 1};
        *rest = nv_str_from(*rest, end == rest->n ? 1 : end + 1);
        return name;
    }
    while (name.n < rest->n && is_variable_character(rest->p[name.n]))
        name.n++;
    *rest = nv_str_from(*rest, name.n);
    return name;
}

/* Appends the value of ${NAME}; a variable that is not set is nothing, and noted. */
static void expand_variable(struct nv_schema *schema, const struct nv_yaml *node,
                            struct nv_str name, struct nv_buf *out)
{
    NV_AUTO_BUF c_string = NV_BUF(4096);

    if (nv_str_is(name, "$")) {
        nv_buf_char(out, '$');
        return;
    }
    nv_buf_str(&c_string, name);
    const char *value = name.n ? getenv(nv_buf_c_string(&c_string)) : NULL;
    if (value && value[0])
        nv_buf_text(out, value);
    else
        nv_config_note(schema, node, "an external label uses the variable '%.64s', which is empty",
                       nv_buf_c_string(&c_string));
}

static int expand(struct nv_schema *schema, const struct nv_yaml *node, struct nv_str *value)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);
    struct nv_str rest = *value;

    if (nv_str_find(rest, '$') == rest.n)
        return 0;
    while (rest.n) {
        size_t dollar = nv_str_find(rest, '$');
        nv_buf_add(&out, rest.p, dollar);
        rest = nv_str_from(rest, dollar);
        if (!rest.n)
            break;
        rest = nv_str_from(rest, 1);
        expand_variable(schema, node, take_variable(&rest), &out);
    }
    *value = nv_arena_str(schema->memory, nv_buf_view(&out));
    return value->p && !out.failed
               ? 0
               : nv_schema_refuse(schema, node, "an external label is too long");
}

static int read_external_labels(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                                const void *with)
{
    struct nv_config_global *global = into;
    struct nv_schema_labels read = {NULL, 0};
    struct nv_label *labels;
    int r = nv_schema_labels(schema, node, &read, with);

    if (r == 0 && read.n > NV_CONFIG_EXTERNAL_LABELS_MAX)
        r = nv_schema_refuse(schema, node, "more than %d labels", NV_CONFIG_EXTERNAL_LABELS_MAX);
    if (r == 0)
        r = nv_schema_alloc(schema, read.n * sizeof(*labels), &labels);
    for (size_t i = 0; r == 0 && i < read.n; i++) {
        labels[i] = read.at[i];
        r = expand(schema, node, &labels[i].value);
    }
    if (r < 0)
        return r;
    global->external_labels = labels;
    global->n_external_labels = read.n;
    return 0;
}

/* ---- global --------------------------------------------------------------------------------- */

static int read_global_protocols(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                                 const void *with)
{
    struct nv_config_global *global = into;

    (void)with;
    return nv_schema_protocols(schema, node, global->protocols, &global->n_protocols);
}

static const struct nv_schema_key global_keys[] = {
    NV_FIELD("scrape_interval", struct nv_config_global, scrape_interval_ms, nv_schema_milliseconds,
             NULL),
    NV_FIELD("scrape_timeout", struct nv_config_global, scrape_timeout_ms, nv_schema_milliseconds,
             NULL),
    NV_FIELD("evaluation_interval", struct nv_config_global, evaluation_interval_ms,
             nv_schema_milliseconds, NULL),
    NV_FIELD("rule_query_offset", struct nv_config_global, rule_query_offset_ms,
             nv_schema_milliseconds, NULL),
    NV_WHOLE("external_labels", read_external_labels, NULL),
    NV_WHOLE("scrape_protocols", read_global_protocols, NULL),
    NV_SCRAPE_KEYS(struct nv_config_global),
    NV_WHOLE("query_log_file", nv_schema_no_effect, "query_log_file"),
};

static int read_global(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with)
{
    struct nv_config_global *global = into;

    (void)with;
    global->scrape_interval_ms = global->scrape_timeout_ms = global->evaluation_interval_ms = 0;
    int r = nv_schema_read(schema, node, NV_KEYS(global_keys), global);
    if (r < 0)
        return r;
    global->scrape_interval_ms = global->scrape_interval_ms ? global->scrape_interval_ms : 60000;
    if (global->scrape_timeout_ms > global->scrape_interval_ms)
        return nv_schema_refuse(schema, node, "global scrape timeout greater than scrape interval");
    if (!global->scrape_timeout_ms)
        global->scrape_timeout_ms =
            global->scrape_interval_ms < 10000 ? global->scrape_interval_ms : 10000;
    if (!global->evaluation_interval_ms)
        global->evaluation_interval_ms = 60000;
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static const char elsewhere[] = "the flags --storage.tsdb.* say what it would";
static const char later[] = "nothing is sent to or asked from other stores yet";

static const struct nv_schema_key config_keys[] = {
    NV_FIELD("global", struct nv_config, global, read_global, NULL),
    NV_FIELD("rule_files", struct nv_config, rule_files, nv_schema_patterns, NULL),
    NV_FIELD("alerting", struct nv_config, alerting, nv_schema_alerting, NULL),
    NV_FIELD("scrape_configs", struct nv_config, scrapes, nv_schema_scrapes, NULL),
    NV_FIELD("notify", struct nv_config, notify, nv_schema_notify, NULL),
    NV_WHOLE("runtime", nv_schema_no_effect, "runtime"),
    NV_WHOLE("scrape_config_files", nv_schema_not_provided, "put them into scrape_configs"),
    NV_WHOLE("storage", nv_schema_not_provided, elsewhere),
    NV_WHOLE("remote_write", nv_schema_not_provided, later),
    NV_WHOLE("remote_read", nv_schema_not_provided, later),
    NV_NOT_PROVIDED("tracing"),
    NV_NOT_PROVIDED("otlp"),
};

/* `global` comes first wherever it stands: the others inherit from it. */
static int read_config(struct nv_schema *schema, const struct nv_yaml *root,
                       struct nv_config *config)
{
    const struct nv_yaml *global = nv_yaml_get(root, "global");
    struct nv_schema_key keys[sizeof(config_keys) / sizeof(config_keys[0])];

    memcpy(keys, config_keys, sizeof(keys));
    keys[0].read = nv_schema_nothing;
    int r =
        global && !nv_yaml_is_null(global) ? read_global(schema, global, &config->global, NULL) : 0;
    if (r == 0)
        r = nv_schema_read(schema, root, NV_KEYS(keys), config);
    return r < 0 ? r : nv_config_finish_scrapes(schema, root, config);
}

static int print(struct nv_schema *schema, const struct nv_yaml *root, struct nv_config *config)
{
    NV_AUTO_BUF out = NV_BUF(YAML_MAX);

    nv_config_print(&out, root, schema->hidden, &config->global);
    if (out.failed)
        return nv_schema_refuse(schema, root, "too large to be shown");
    config->yaml = nv_arena_str(&config->memory, nv_buf_view(&out));
    return config->yaml.p ? 0 : nv_schema_refuse(schema, root, "too large to be shown");
}

static struct nv_config *new_config(const char *path)
{
    struct nv_config *config = calloc(1, sizeof(*config));

    if (!config)
        return NULL;
    config->refs = 1;
    config->memory = NV_ARENA(NV_CONFIG_MEMORY_MAX);
    config->global = (struct nv_config_global){
        .scrape_interval_ms = 60000, .scrape_timeout_ms = 10000, .evaluation_interval_ms = 60000};
    if (!path)
        return config;
    const char *slash = strrchr(path, '/');
    config->path = nv_arena_str(&config->memory, nv_str(path)).p;
    config->folder = (struct nv_str){config->path, slash ? (size_t)(slash - path) : 0};
    if (slash == path)
        config->folder = NV_LIT("/.");
    return config;
}

struct nv_config *nv_config_ref(struct nv_config *config)
{
    __atomic_add_fetch(&config->refs, 1, __ATOMIC_RELAXED);
    return config;
}

void nv_config_unref(struct nv_config *config)
{
    if (!config || __atomic_sub_fetch(&config->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (struct nv_owned_regex *r = config->regexes; r; r = r->next)
        nv_regex_free(r->regex);
    nv_arena_done(&config->memory);
    free(config);
}

/* Takes over the configuration where it succeeds. */
static int fill(struct nv_config *config, struct nv_str text, char error[NV_YAML_ERROR_MAX])
{
    struct nv_schema schema = {.file = config->path ? config->path : "",
                               .memory = &config->memory,
                               .error = error,
                               .folder = config->folder,
                               .config = config};
    const struct nv_yaml *root;

    int r = nv_yaml_parse(schema.file, text, &config->memory, &root, error);
    if (r == 0)
        r = read_config(&schema, root, config);
    return r < 0 ? r : print(&schema, root, config);
}

int nv_config_parse(const char *path, struct nv_str text, struct nv_config **ret,
                    char error[NV_YAML_ERROR_MAX])
{
    NV_AUTO(nv_config) *config = new_config(path);

    snprintf(error, NV_YAML_ERROR_MAX, "out of memory");
    if (!config)
        return -ENOMEM;
    int r = fill(config, text, error);
    if (r == 0)
        *ret = nv_take(config);
    return r;
}

int nv_config_load(const char *path, struct nv_config **ret, char error[NV_YAML_ERROR_MAX])
{
    struct nv_arena memory = NV_ARENA(NV_YAML_SIZE_MAX + 4096);
    struct nv_str text = NV_LIT("");
    int r = path ? nv_config_read_file(path, &memory, &text, error) : 0;

    if (r == 0)
        r = nv_config_parse(path, text, ret, error);
    nv_arena_done(&memory);
    return r;
}
