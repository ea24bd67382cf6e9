/*
 * rules_file.c - rules of a file, in the notation of node-problem-detector's log monitors.
 *
 *     {"plugin": "kmsg" or "journald", "pluginConfig": {"source": IDENTIFIER}, "bufferSize": 10, "metricsReporting": true,
 *      "conditions": [{"type": CONDITION, "reason": ..., "message": ...}],
 *      "rules": [{"type": "temporary", "reason": REASON, "pattern": RE2},
 *                {"type": "permanent", "condition": CONDITION, "reason": REASON, "pattern": RE2}]}
 *
 * A pattern is searched for in the last bufferSize messages, joined by newlines, and must reach the end of the newest.
 * As there, names of keys may be of any case and those that are not known are passed over; logPath, lookback, delay and
 * source among them, since a checkpoint tells here what was seen.
 *
 * Beyond it: a rule of type "resolved" ends its condition, and groups called device, cgroup or unit become labels.
 */
#include <nodevitals/json.h>

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inside.h"

enum { BUFFER_DEFAULT = 10, PATTERN_MAX = 4096, CONDITIONS_MAX = 64, VALUE_MAX = PATTERN_MAX };

/* What is being read. */
struct reader {
    struct nv_pass *pass;
    struct nv_problems *problems;
    const char *path;
    struct nv_str text;
    struct nv_json json;
    const char *mark; /* the beginning of the value that is being read */
    struct nv_problem_file *file;
    struct nv_str conditions[CONDITIONS_MAX]; /* types, kept */
    size_t n_conditions;
    uint64_t buffer;
    bool counts; /* metricsReporting */
};

/* A mistake at the mark. */
__attribute__((format(printf, 3, 4))) static int wrong(const struct reader *reader, int error,
                                                       const char *format, ...)
{
    char reason[384];
    size_t line = 1;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    for (const char *at = reader->text.p; at < reader->mark; at++)
        line += *at == '\n';
    return nv_error(reader->pass, error, "%s:%zu: %s", reader->path, line, reason);
}

static int malformed(const struct reader *reader)
{
    return wrong(reader, -EINVAL, "this is not the JSON that is expected here");
}

/* What failed is at its end: then the mark stays where it was. */
static void mark(struct reader *reader)
{
    if (reader->json.failed)
        return;
    nv_json_front(&reader->json);
    reader->mark = reader->json.at;
}

static bool next_key(struct reader *reader, struct nv_str *key)
{
    mark(reader);
    bool more = nv_json_key(&reader->json, key);
    if (more)
        mark(reader);
    return more;
}

/* A text that outlives the file, NUL behind it. NULL where it is no text, too long, or memory is out. */
static const char *keep_text(struct reader *reader)
{
    struct nv_str raw = nv_json_text(&reader->json);
    char bytes[VALUE_MAX];

    struct nv_str text = nv_json_unescape(raw, bytes, sizeof(bytes));
    if (reader->json.failed || !text.p || text.n >= VALUE_MAX || memchr(text.p, '\0', text.n))
        return NULL;
    char *copy = nv_problems_keep(reader->problems, text.n + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return copy;
}

static bool is(struct nv_str key, const char *name)
{
    return nv_json_key_is_any_case(key, name);
}

/* ---- conditions ----------------------------------------------------------------------------- */

static int read_condition(struct reader *reader)
{
    const char *type = NULL, *begin = reader->mark;
    struct nv_str key;

    nv_json_object(&reader->json);
    while (next_key(reader, &key)) {
        if (!is(key, "type"))
            nv_json_skip(&reader->json);
        else if (!(type = keep_text(reader)))
            return wrong(reader, -EINVAL, "type of a condition: a text is expected");
    }
    if (reader->json.failed)
        return malformed(reader);
    reader->mark = begin;
    if (!type || !type[0])
        return wrong(reader, -EINVAL, "a condition has no type");
    if (strlen(type) >= NV_PROBLEM_NAME_MAX)
        return wrong(reader, -EINVAL, "condition %s: its name is too long", type);
    if (reader->n_conditions == CONDITIONS_MAX)
        return wrong(reader, -E2BIG, "more than %d conditions", CONDITIONS_MAX);
    reader->conditions[reader->n_conditions++] = nv_str(type);
    return 0;
}

static int read_conditions(struct reader *reader)
{
    int r = 0;

    if (nv_json_null(&reader->json))
        return 0;
    nv_json_array(&reader->json);
    while (r == 0 && nv_json_item(&reader->json)) {
        mark(reader);
        r = read_condition(reader);
    }
    return r == 0 && reader->json.failed ? malformed(reader) : r;
}

/* ---- rules ---------------------------------------------------------------------------------- */

struct written {
    const char *type, *condition, *reason, *pattern;
    const char *at; /* where it stands in the file */
};

/* What the groups of an expression are called, as a rule has it: a letter each. */
static void name_groups(struct nv_str pattern, char groups[NV_RULE_GROUPS_MAX])
{
    static const struct {
        const char *name;
        char letter;
    } known[] = {
        {"device>", 'd'},
        {"cgroup>", 'c'},
        {"unit>",   'u'},
        {"pid>",    'p'}
    };
    size_t n = 0;

    for (size_t i = 0; i < pattern.n && n + 1 < NV_RULE_GROUPS_MAX; i++) {
        struct nv_str rest = nv_str_from(pattern, i);
        if (pattern.p[i] == '\\') {
            i++;
        } else if (pattern.p[i] == '(') {
            bool named = nv_str_starts(rest, "(?P<") || nv_str_starts(rest, "(?<");
            if (nv_str_starts(rest, "(?") && !named)
                continue;
            rest = nv_str_from(rest, named ? nv_str_find(rest, '<') + 1 : 1);
            groups[n] = '-';
            for (size_t k = 0; named && k < NV_LEN(known); k++)
                if (nv_str_starts(rest, known[k].name))
                    groups[n] = known[k].letter;
            n++;
        } else if (pattern.p[i] == '[') { /* a bracket in it opens nothing */
            i += 1 + (rest.n > 1 && rest.p[1] == '^');
            i += i < pattern.n && pattern.p[i] == ']';
            for (; i < pattern.n && pattern.p[i] != ']'; i++)
                i += pattern.p[i] == '\\';
        }
    }
    groups[n] = '\0';
}

/* Whether a rule says what its type needs. */
static int check_rule(const struct reader *reader, const struct written *written)
{
    bool event = written->type && strcmp(written->type, "temporary") == 0;
    bool lasting = written->type && (strcmp(written->type, "permanent") == 0 ||
                                     strcmp(written->type, "resolved") == 0);
    size_t i = 0;

    if (!event && !lasting)
        return wrong(reader, -EINVAL,
                     "type of a rule: temporary, permanent or resolved is expected");
    if (!written->reason || !written->reason[0])
        return wrong(reader, -EINVAL, "a rule has no reason");
    if (strlen(written->reason) >= NV_PROBLEM_NAME_MAX)
        return wrong(reader, -EINVAL, "reason %s: the name is too long", written->reason);
    if (!written->pattern || !written->pattern[0])
        return wrong(reader, -EINVAL, "rule %s has no pattern", written->reason);
    if (event)
        return 0;
    while (i < reader->n_conditions &&
           !nv_str_is(reader->conditions[i], written->condition ? written->condition : ""))
        i++;
    if (i == reader->n_conditions)
        return wrong(reader, -EINVAL, "rule %s: condition '%s' is not among the conditions",
                     written->reason, written->condition ? written->condition : "");
    return 0;
}

/* The expression of a rule, which reaches the end: as node-problem-detector does, by two bytes behind it. */
static int compile(const struct reader *reader, const struct written *written,
                   struct nv_regex **ret)
{
    char anchored[PATTERN_MAX + 4], said[256];
    int n = snprintf(anchored, sizeof(anchored), "%s\\z", written->pattern);

    int r = nv_regex_compile(reader->pass, (struct nv_str){anchored, (size_t)n}, ret);
    if (r == 0)
        return 0;
    (void)snprintf(said, sizeof(said), "%s", nv_said(reader->pass));
    return wrong(reader, r, "rule %s: pattern: %s", written->reason,
                 r == -EINVAL && said[0] ? said : strerrordesc_np(-r));
}

static int add_rule(struct reader *reader, const struct written *written)
{
    struct nv_problem_rule *rule = nv_problems_keep(reader->problems, sizeof(*rule));
    char *groups = nv_problems_keep(reader->problems, NV_RULE_GROUPS_MAX);
    char *literal = nv_problems_keep(reader->problems, NV_LITERAL_TEXT_MAX);
    struct nv_str pattern = nv_str(written->pattern);
    struct nv_regex *regex = NULL;

    if (!rule || !groups || !literal)
        return -ENOMEM;
    int r = compile(reader, written, &regex);
    if (r < 0)
        return r;
    name_groups(pattern, groups);
    bool known = nv_literal_required(pattern, literal) > 0 && !strchr(literal, '|');
    bool event = strcmp(written->type, "temporary") == 0;
    *rule = (struct nv_problem_rule){
        .reason = written->reason,
        .condition = event ? NULL : written->condition,
        .literals = known ? literal : NULL,
        .pattern = written->pattern,
        .groups = strpbrk(groups, "dcup") ? groups : NULL,
        .options = strcmp(written->type, "resolved") == 0 ? NV_RULE_ENDS : 0,
    };
    r = reader->counts ? nv_problems_add_rule(reader->problems, rule, reader->file, regex) : 0;
    if (r < 0 || !reader->counts)
        reader->pass->host->regex_free(regex);
    return r == -E2BIG
               ? wrong(reader, r, "rule %s: there are too many rules or reasons", written->reason)
               : r;
}

static int read_rule(struct reader *reader, struct written *ret)
{
    struct written written = {.at = reader->mark};
    struct nv_str key;

    nv_json_object(&reader->json);
    while (next_key(reader, &key)) {
        const char **into = is(key, "type")        ? &written.type
                            : is(key, "condition") ? &written.condition
                            : is(key, "reason")    ? &written.reason
                            : is(key, "pattern")   ? &written.pattern
                                                   : NULL;
        if (!into)
            nv_json_skip(&reader->json);
        else if (!nv_json_null(&reader->json) && !(*into = keep_text(reader)))
            return wrong(reader, -EINVAL,
                         "%.*s of a rule: a text of less than %d bytes is expected", NV_ARGS(key),
                         VALUE_MAX);
    }
    if (reader->json.failed)
        return malformed(reader);
    *ret = written;
    return 0;
}

/* The rules are read last, since they name conditions: `from` is where they stand. */
static int read_rules(struct reader *reader, const char *from)
{
    int r = 0;

    reader->json = nv_json(nv_str_from(reader->text, (size_t)(from - reader->text.p)));
    mark(reader);
    nv_json_array(&reader->json);
    while (r == 0 && nv_json_item(&reader->json)) {
        struct written written = {0};
        mark(reader);
        r = read_rule(reader, &written);
        if (r < 0)
            return r;
        reader->mark = written.at;
        r = check_rule(reader, &written);
        if (r == 0)
            r = add_rule(reader, &written);
    }
    return r == 0 && reader->json.failed ? malformed(reader) : r;
}

/* ---- the file ------------------------------------------------------------------------------- */

static int read_plugin_config(struct reader *reader)
{
    struct nv_str key;

    if (nv_json_null(&reader->json))
        return 0;
    nv_json_object(&reader->json);
    while (next_key(reader, &key)) {
        const char *text;
        if (!is(key, "source"))
            nv_json_skip(&reader->json);
        else if (!(text = keep_text(reader)))
            return wrong(reader, -EINVAL, "source: a text is expected");
        else if (text[0])
            reader->file->identifier = (char *)(uintptr_t)text;
    }
    return reader->json.failed ? malformed(reader) : 0;
}

static int read_plugin(struct reader *reader, const char *plugin)
{
    const char *text = keep_text(reader);

    if (text && strcmp(text, plugin) == 0)
        return 0;
    return wrong(reader, -EINVAL, "plugin: '%s' is expected here, not '%s'", plugin,
                 text ? text : "?");
}

static int read_buffer(struct reader *reader)
{
    reader->buffer = nv_json_u64(&reader->json);
    if (reader->json.failed || reader->buffer < 1 || reader->buffer > NV_PROBLEM_BUFFER_MAX)
        return wrong(reader, -EINVAL, "bufferSize: 1 to %d is expected", NV_PROBLEM_BUFFER_MAX);
    return 0;
}

static int read_all(struct reader *reader, const char *plugin)
{
    const char *rules = NULL, *begin;
    bool has_plugin = false;
    struct nv_str key;
    int r = 0;

    nv_json_object(&reader->json);
    begin = reader->mark;
    while (r == 0 && next_key(reader, &key)) {
        if (is(key, "plugin")) {
            r = read_plugin(reader, plugin);
            has_plugin = true;
        } else if (is(key, "pluginConfig")) {
            r = read_plugin_config(reader);
        } else if (is(key, "bufferSize")) {
            r = read_buffer(reader);
        } else if (is(key, "metricsReporting")) {
            reader->counts = nv_json_bool(&reader->json);
        } else if (is(key, "conditions")) {
            r = read_conditions(reader);
        } else {
            if (is(key, "rules"))
                rules = reader->mark;
            nv_json_skip(&reader->json);
        }
    }
    if (r < 0)
        return r;
    if (!nv_json_done(&reader->json))
        return malformed(reader);
    reader->mark = begin;
    if (!has_plugin)
        return wrong(reader, -EINVAL, "there is no plugin");
    if (!rules)
        return wrong(reader, -EINVAL, "there are no rules");
    reader->file->n_lines = (size_t)reader->buffer;
    return read_rules(reader, rules);
}

int nv_problems_add_text(struct nv_pass *pass, struct nv_problems *problems, const char *path,
                         const char *plugin, struct nv_str text)
{
    struct reader reader = {
        .pass = pass,
        .problems = problems,
        .path = path,
        .text = text,
        .json = nv_json(text),
        .mark = text.p,
        .buffer = BUFFER_DEFAULT,
        .counts = true,
    };

    if (problems->n_files == NV_PROBLEM_FILES_MAX)
        return wrong(&reader, -E2BIG, "more than %d files of rules", NV_PROBLEM_FILES_MAX);
    reader.file = calloc(1, sizeof(*reader.file));
    if (!reader.file)
        return -ENOMEM;
    problems->files[problems->n_files++] = reader.file;
    mark(&reader);
    return read_all(&reader, plugin);
}

/* A whole file into memory of the pass. */
static int read_file(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat stat;
    char *text = NULL;
    size_t n = 0;
    ssize_t got = 0;

    if (fd < 0)
        return -errno;
    int r = fstat(fd, &stat) < 0 ? -errno : S_ISDIR(stat.st_mode) ? -EISDIR : 0;
    if (r == 0)
        text = nv_alloc(pass, NV_PROBLEM_FILE_MAX + 1);
    while (r == 0 && n <= NV_PROBLEM_FILE_MAX) {
        got = read(fd, text + n, NV_PROBLEM_FILE_MAX + 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    if (r == 0 && got < 0)
        r = -errno;
    close(fd);
    *ret = (struct nv_str){text, n};
    return r < 0 ? r : n > NV_PROBLEM_FILE_MAX ? -EFBIG : 0;
}

int nv_problems_add_file(struct nv_pass *pass, struct nv_problems *problems, const char *path,
                         const char *plugin)
{
    struct nv_str text;

    int r = read_file(pass, path, &text);
    if (r < 0)
        return nv_error(pass, r, "cannot read rules from %s: %s", path, strerrordesc_np(-r));
    return nv_problems_add_text(pass, problems, path, plugin, text);
}
