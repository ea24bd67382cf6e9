/*
 * sysctl - kernel settings by choice.
 *
 * Source: /proc/sys/<name with its dots as slashes>, words. What a flag asks for comes out as
 *
 *   --collector.sysctl.include=NAME          node_sysctl_NAME, numbers; with several words a label `index`
 *   --collector.sysctl.include=NAME:A,B,..   node_sysctl_NAME_A and so on, a family for each of the words,
 *                                            of which there must be as many as names, and more than one
 *   --collector.sysctl.include-info=NAME     node_sysctl_info, text, 1 per word
 *
 * They are read in the order of the flags; the first that fails ends the run.
 */
#include <nodevitals/collector.h>
#include <nodevitals/sysfs.h>
#include <nodevitals/text.h>

enum { FLAG_INCLUDE, FLAG_INCLUDE_INFO };
enum { N_WORDS_MAX = 1024 };

static const struct nv_family info_columns[] = {
    {"node_sysctl_info", NV_GAUGE, NV_AS_IS, "A word of a kernel setting, always 1."},
};

static const struct nv_table infos = {NV_LABELS("name", "value", "index"), info_columns, 1};

struct wanted {
    bool info;
    char *name, *path;
    char *family;    /* without key */
    char **families; /* one per key */
    size_t n_keys;
};

struct state {
    struct wanted *wanted;
    size_t n;
};

/* ---- the flags ------------------------------------------------------------------------------ */

static char *join(const char *head, char between, struct nv_str tail)
{
    size_t n = strlen(head) + tail.n + 2;
    char *text = malloc(n), separator[2] = {between, '\0'};

    if (text)
        snprintf(text, n, "%s%s%.*s", head, separator, NV_ARGS(tail));
    return text;
}

static int add_keys(struct wanted *wanted, struct nv_str keys)
{
    size_t n = 1;

    for (size_t i = 0; i < keys.n; i++)
        n += keys.p[i] == ',';
    wanted->families = calloc(n, sizeof(*wanted->families));
    if (!wanted->families)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        wanted->families[i] = join(wanted->family, '_', nv_str_cut(&keys, ','));
        if (!wanted->families[i])
            return -ENOMEM;
        wanted->n_keys++;
    }
    return 0;
}

static int add(struct nv_pass *pass, struct nv_str text, bool info)
{
    struct state *state = nv_state(pass);
    struct wanted *wanted = &state->wanted[state->n++];
    bool has_keys = nv_str_contains(text, ":");
    struct nv_str name = nv_str_cut(&text, ':');

    wanted->info = info;
    wanted->name = strndup(name.p, name.n);
    wanted->path = join("proc/sys", '/', name);
    wanted->family = join("node_sysctl", '_', nv_name_part(pass, name));
    if (!wanted->name || !wanted->path || !wanted->family)
        return -ENOMEM;
    for (char *p = wanted->path; *p; p++) {
        if (*p == '.')
            *p = '/';
    }
    return has_keys ? add_keys(wanted, text) : 0;
}

static int start(struct nv_pass *pass)
{
    const struct nv_flag_value *include = nv_flag(pass, FLAG_INCLUDE),
                               *info = nv_flag(pass, FLAG_INCLUDE_INFO);
    struct state *state = nv_state(pass);
    int r = 0;

    state->wanted = calloc(include->n_list + info->n_list + 1, sizeof(*state->wanted));
    if (!state->wanted)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < include->n_list; i++)
        r = add(pass, include->list[i], false);
    for (size_t i = 0; r == 0 && i < info->n_list; i++)
        r = add(pass, info->list[i], true);
    return r;
}

static void stop(void *memory)
{
    struct state *state = memory;

    for (size_t i = 0; i < state->n; i++) {
        struct wanted *wanted = &state->wanted[i];
        for (size_t k = 0; k < wanted->n_keys; k++)
            free(wanted->families[k]);
        free(wanted->families);
        free(wanted->family);
        free(wanted->path);
        free(wanted->name);
    }
    free(state->wanted);
}

/* ---- the values ----------------------------------------------------------------------------- */

static void emit_number(struct nv_pass *pass, const char *name, const struct nv_str *index,
                        int64_t value)
{
    struct nv_family family = {name, NV_UNTYPED, NV_AS_IS, "Kernel setting of this name."};

    nv_emit_named(pass, &family, index ? NV_LABELS("index") : NV_NO_LABELS, index, (double)value);
}

static int emit_numbers(struct nv_pass *pass, const struct wanted *wanted,
                        const struct nv_str *words, size_t n)
{
    const struct nv_str *index = nv_ordinals(pass, n);
    int64_t *value = nv_alloc(pass, n * sizeof(*value));

    for (size_t i = 0; i < n; i++) {
        if (!nv_str_to_i64_prefixed(words[i], &value[i]))
            return nv_error(pass, -EBADMSG, "%s: %.*s is no number", wanted->name,
                            NV_ARGS(words[i]));
    }
    if (wanted->n_keys && (n == 1 || n != wanted->n_keys))
        return nv_error(pass, -EBADMSG, "%s has %zu values, the flag names %zu", wanted->name, n,
                        wanted->n_keys);
    for (size_t i = 0; i < n; i++)
        emit_number(pass, wanted->n_keys ? wanted->families[i] : wanted->family,
                    wanted->n_keys || n == 1 ? NULL : &index[i], value[i]);
    return 0;
}

static int emit_infos(struct nv_pass *pass, const struct wanted *wanted, const struct nv_str *words,
                      size_t n)
{
    const struct nv_str *index = nv_ordinals(pass, n);

    if (wanted->n_keys)
        return nv_error(pass, -EINVAL, "%s: text takes no keys", wanted->name);
    for (size_t i = 0; i < n; i++) {
        struct nv_str labels[] = {nv_str(wanted->name), words[i], index[i]};
        nv_emit_u64(pass, &infos, labels, 0, 1);
    }
    return 0;
}

static int collect_wanted(struct nv_pass *pass, const struct wanted *wanted)
{
    struct nv_str text, *words = nv_alloc(pass, N_WORDS_MAX * sizeof(*words));
    size_t n = 0;

    int r = nv_read(pass, wanted->path, &text);
    if (r < 0)
        return nv_error(pass, r, "cannot read %s", wanted->path);
    for (struct nv_scan s = nv_scan(text); n < N_WORDS_MAX && !nv_scan_done(&s);)
        words[n++] = nv_scan_word(&s);
    if (!n)
        return nv_error(pass, -EBADMSG, "%s has no value", wanted->name);
    return wanted->info ? emit_infos(pass, wanted, words, n) : emit_numbers(pass, wanted, words, n);
}

static int collect(struct nv_pass *pass)
{
    const struct state *state = nv_state(pass);
    int r = 0;

    for (size_t i = 0; r == 0 && i < state->n; i++)
        r = collect_wanted(pass, &state->wanted[i]);
    return r;
}

NV_COLLECTOR(sysctl) = {
    NV_ABI_STAMP,
    .name = "sysctl",
    .summary = "Chosen kernel settings.",
    .options = NV_OFF_BY_DEFAULT,
    .tables = NV_TABLES(&infos),
    .flags = NV_FLAGS({"collector.sysctl.include", NV_FLAG_LIST, "",
                       "Setting to expose as numbers, NAME or NAME:KEY,KEY (repeatable).", false},
                      {"collector.sysctl.include-info", NV_FLAG_LIST, "",
                       "Setting to expose as text (repeatable).", false}),
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .collect = collect,
};
