#include "agent/flags.h"

#include <errno.h>

#include "agent/flags_table.h"
#include "base/assert.h"
#include "base/regex.h"

// clang-format off
const struct nv_flags_builtin nv_flags_builtins[] = {
    {"help",                   "Show this help and exit.",                       NV_FLAGS_HELP,        false},
    {"help-long",              "Show this help with hidden flags and exit.",     NV_FLAGS_HELP_LONG,   true },
    {"help-man",               "Write a manual page and exit.",                  NV_FLAGS_HELP_MAN,    true },
    {"version",                "Show the version and exit.",                     NV_FLAGS_VERSION,     false},
    {"completion-bash",        "Write completions of the last argument.",        NV_FLAGS_COMPLETE,    true },
    {"completion-script-bash", "Write a script that lets bash complete flags.",  NV_FLAGS_SCRIPT_BASH, true },
    {"completion-script-zsh",  "Write a script that lets zsh complete flags.",   NV_FLAGS_SCRIPT_ZSH,  true },
    {"completion-script-fish", "Write a script that lets fish complete flags.",  NV_FLAGS_SCRIPT_FISH, true },
};
// clang-format on
const size_t nv_flags_n_builtins = NV_LEN(nv_flags_builtins);

/* Longest a word may be for a suggestion, and candidates looked through. */
enum { SUGGEST_MAX = NV_FLAGS_NAME_MAX, CANDIDATES_MAX = 2048 };

/* A place in the tables. */
struct found {
    const struct nv_flag *flag;
    struct nv_flag_value *value;
    bool negated;
};

struct nv_flags *nv_flags_new(const char *program, const char *summary)
{
    struct nv_flags *flags = calloc(1, sizeof(*flags));

    if (!flags)
        return NULL;
    flags->program = program;
    flags->summary = summary;
    flags->arena = NV_ARENA(NV_FLAGS_MEMORY_MAX);
    return flags;
}

static void forget_expressions(struct nv_flags_group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        nv_regex_free((struct nv_regex *)(uintptr_t)group->values[i].regex);
        group->values[i].regex = NULL;
    }
}

void nv_flags_free(struct nv_flags *flags)
{
    if (!flags)
        return;
    for (size_t i = 0; i < flags->n_groups; i++)
        forget_expressions(&flags->groups[i]);
    nv_arena_done(&flags->arena);
    free(flags);
}

const char *nv_flags_error(const struct nv_flags *flags)
{
    return flags->error;
}

static bool find_exactly(struct nv_flags *flags, const char *name, struct found *ret)
{
    for (size_t g = 0; g < flags->n_groups; g++) {
        struct nv_flags_group *group = &flags->groups[g];
        for (size_t i = 0; i < group->n; i++) {
            if (strcmp(group->list[i].name, name) == 0) {
                *ret = (struct found){&group->list[i], &group->values[i], false};
                return true;
            }
        }
    }
    return false;
}

static bool find(struct nv_flags *flags, const char *name, struct found *ret)
{
    if (find_exactly(flags, name, ret))
        return true;
    if (strncmp(name, "no-", 3) != 0 || !find_exactly(flags, name + 3, ret))
        return false;
    ret->negated = true;
    return ret->flag->kind == NV_FLAG_BOOL;
}

static const struct nv_flags_builtin *find_builtin(const char *name)
{
    for (size_t i = 0; i < nv_flags_n_builtins; i++) {
        if (strcmp(nv_flags_builtins[i].name, name) == 0)
            return &nv_flags_builtins[i];
    }
    return NULL;
}

static int set_default(struct nv_flags *flags, const struct nv_flag *flag, const char *text,
                       struct nv_flag_value *value)
{
    if (flag->kind == NV_FLAG_LIST) {
        value->n_list = 0;
        if (!text[0])
            return 0;
    }
    int r = nv_flags_read(flags, flag, text, value);
    if (r == -EINVAL)
        nv_flags_fail(flags, r, "flag '--%s' cannot be '%s'", flag->name, text);
    return r;
}

int nv_flags_add(struct nv_flags *flags, const char *title, const struct nv_flag *list,
                 struct nv_flag_value **ret)
{
    struct nv_flags_group group = {.title = title, .list = list};
    struct found twin;

    if (flags->n_groups == NV_FLAGS_GROUPS_MAX)
        return -E2BIG;
    for (; list && list[group.n].name; group.n++) {
        const char *name = list[group.n].name;
        if (find_exactly(flags, name, &twin) || find_builtin(name))
            return nv_flags_fail(flags, -EEXIST, "flag '--%s' is defined twice", name);
        if (strlen(name) > NV_FLAGS_NAME_MAX)
            return nv_flags_fail(flags, -EINVAL, "the name of flag '--%s' is too long", name);
    }

    group.values = nv_arena_alloc(&flags->arena, (group.n + 1) * sizeof(*group.values));
    if (!group.values)
        return -ENOMEM;
    memset(group.values, 0, (group.n + 1) * sizeof(*group.values));
    for (size_t i = 0; i < group.n; i++) {
        const char *text = list[i].fallback ? list[i].fallback : "";
        int r = set_default(flags, &list[i], text, &group.values[i]);
        if (r < 0)
            return r;
    }
    flags->groups[flags->n_groups++] = group;
    *ret = group.values;
    return 0;
}

int nv_flags_default(struct nv_flags *flags, const char *name, const char *value)
{
    struct found found;

    if (!find_exactly(flags, name, &found))
        return -ENOENT;
    return found.value->given ? 0 : set_default(flags, found.flag, value, found.value);
}

/* ---- suggestions ---------------------------------------------------------------------------- */

/* Letters to add, drop, change or swap (Damerau's distance, neighbours swapped once), over three rows. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][SUGGEST_MAX + 1];

    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *nv_flags_nearest(const char *name, const char *const *names, size_t n)
{
    size_t length = strlen(name), best = length / 4 + 2; /* unlike beyond that */
    const char *nearest = NULL;

    if (!length || length > SUGGEST_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other > SUGGEST_MAX)
            continue;
        size_t d = distance(name, length, names[i], other);
        if (d < best) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}

/* Fails with the flag most like an unknown one; `negated`: it was written --no-NAME. */
static int unknown_flag(struct nv_flags *flags, const char *name)
{
    const char *candidates[CANDIDATES_MAX];
    bool negated = strncmp(name, "no-", 3) == 0;
    size_t n = 0;

    for (size_t g = 0; g < flags->n_groups; g++) {
        const struct nv_flags_group *group = &flags->groups[g];
        for (size_t i = 0; i < group->n && n < CANDIDATES_MAX; i++) {
            if (!group->list[i].hidden && (!negated || group->list[i].kind == NV_FLAG_BOOL))
                candidates[n++] = group->list[i].name;
        }
    }
    for (size_t i = 0; i < nv_flags_n_builtins && n < CANDIDATES_MAX && !negated; i++)
        candidates[n++] = nv_flags_builtins[i].name;

    const char *nearest = nv_flags_nearest(name + (negated ? 3 : 0), candidates, n);
    if (!nearest)
        return nv_flags_fail(flags, -EINVAL, "unknown long flag '--%s'", name);
    return nv_flags_fail(flags, -EINVAL, "unknown long flag '--%s', did you mean '--%s%s'?", name,
                         negated ? "no-" : "", nearest);
}

/* ---- the command line ----------------------------------------------------------------------- */

static int wrong_value(struct nv_flags *flags, const struct nv_flag *flag, const char *text)
{
    const char *wanted =
        flag->kind == NV_FLAG_INT ? "a whole number such as 40" : "a duration such as 1m30s";

    return nv_flags_fail(flags, -EINVAL, "flag '--%s' cannot be '%s': it takes %s", flag->name,
                         text, wanted);
}

/* Sets a flag from the text behind its `=` or from the word after it, in which case *i moves on. */
static int set(struct nv_flags *flags, const struct found *found, const char *text,
               const struct nv_flags_words *words, size_t *i)
{
    const struct nv_flag *flag = found->flag;
    struct nv_flag_value *value = found->value;

    if (value->given && flag->kind != NV_FLAG_LIST)
        return nv_flags_fail(flags, -EINVAL, "flag '%s' cannot be repeated", flag->name);
    if (flag->kind == NV_FLAG_BOOL) {
        if (text)
            return nv_flags_fail(flags, -EINVAL, "unexpected %s", text);
        value->given = true;
        value->on = !found->negated;
        return 0;
    }

    if (!text) {
        const char *next = *i + 1 < words->n ? words->at[*i + 1] : "--";
        if (next[0] == '-' && next[1] && !nv_is_digit(next[1]))
            return nv_flags_fail(flags, -EINVAL, "expected argument for flag '--%s'", flag->name);
        text = words->at[++*i];
    }
    if (flag->kind == NV_FLAG_LIST && !value->given) {
        value->list = NULL;
        value->n_list = 0;
    }
    value->given = true;
    int r = nv_flags_read(flags, flag, text, value);
    return r == -EINVAL ? wrong_value(flags, flag, text) : r;
}

static int read_long(struct nv_flags *flags, const struct nv_flags_words *words, size_t *i)
{
    const char *word = words->at[*i] + 2, *equals = strchr(word, '=');
    struct nv_str name = equals ? (struct nv_str){word, (size_t)(equals - word)} : nv_str(word);
    struct found found;

    name = nv_arena_str(&flags->arena, name);
    if (!name.p)
        return -ENOMEM;
    if (find(flags, name.p, &found))
        return set(flags, &found, equals ? equals + 1 : NULL, words, i);
    const struct nv_flags_builtin *builtin = find_builtin(name.p);
    if (!builtin)
        return unknown_flag(flags, name.p);
    if (equals)
        return nv_flags_fail(flags, -EINVAL, "unexpected %s", equals + 1);
    return (int)builtin->outcome;
}

static int read_short(struct nv_flags *flags, const char *word)
{
    struct found found;
    size_t n = strcspn(word + 1, "=");

    if (word[1] == 'h')
        return NV_FLAGS_HELP;
    struct nv_str name = nv_arena_str(&flags->arena, (struct nv_str){word + 1, n});
    if (!name.p)
        return -ENOMEM;
    if (find(flags, name.p, &found))
        return nv_flags_fail(flags, -EINVAL, "unknown short flag '-%c', did you mean '--%s'?",
                             word[1], name.p);
    return nv_flags_fail(flags, -EINVAL, "unknown short flag '-%c'", word[1]);
}

void nv_flags_allow_operands(struct nv_flags *flags, size_t max)
{
    nv_assert(max <= NV_FLAGS_OPERANDS_MAX);
    flags->operands_max = max;
}

const char *nv_flags_operand(const struct nv_flags *flags, size_t i)
{
    return i < flags->n_operands ? flags->operands[i] : NULL;
}

static int take_operand(struct nv_flags *flags, const char *word)
{
    if (flags->n_operands == flags->operands_max)
        return nv_flags_fail(flags, -EINVAL, "unexpected %s", word);
    flags->operands[flags->n_operands++] = word;
    return 0;
}

int nv_flags_parse(struct nv_flags *flags, int argc, const char *const *argv)
{
    struct nv_flags_words words;
    bool flags_ended = false;

    flags->error[0] = '\0';
    flags->n_operands = 0;
    if (argc > 0 && strcmp(argv[0], "--completion-bash") == 0) {
        flags->partial = argc > 1 ? argv[argc - 1] : "";
        return NV_FLAGS_COMPLETE;
    }
    int r = nv_flags_expand(flags, argc, argv, &words);
    for (size_t i = 0; r == 0 && i < words.n; i++) {
        const char *word = words.at[i];
        if (flags_ended || word[0] != '-' || !word[1])
            r = take_operand(flags, word);
        else if (strcmp(word, "--") == 0)
            flags_ended = true;
        else
            r = word[1] == '-' ? read_long(flags, &words, &i) : read_short(flags, word);
    }
    if (r == NV_FLAGS_COMPLETE)
        flags->partial = "";
    return r;
}

int nv_flags_peek(struct nv_flags *flags, int argc, const char *const *argv, const char *name,
                  int (*each)(const char *value, void *user), void *user)
{
    struct nv_flags_words words;
    size_t length = strlen(name);

    int r = nv_flags_expand(flags, argc, argv, &words);
    for (size_t i = 0; r == 0 && i < words.n; i++) {
        const char *word = words.at[i];
        if (strcmp(word, "--") == 0)
            break;
        if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, length) != 0)
            continue;
        if (word[2 + length] == '=')
            r = each(word + 2 + length + 1, user);
        else if (!word[2 + length] && i + 1 < words.n && words.at[i + 1][0] != '-')
            r = each(words.at[++i], user);
    }
    return r;
}

static int compile(struct nv_flags *flags, const struct nv_flag *flag, struct nv_flag_value *value)
{
    bool whole = flag->kind == NV_FLAG_REGEX_WHOLE;
    char error[NV_REGEX_ERROR_MAX];
    struct nv_regex *regex;

    if ((!whole && flag->kind != NV_FLAG_REGEX) || !value->text.n || value->regex)
        return 0;
    int r = nv_regex_new(value->text, whole ? NV_REGEX_ANCHORED : NV_REGEX_SEARCH, &regex, error);
    if (r == -EINVAL)
        return nv_flags_fail(flags, r, "flag '--%s' cannot be '%.*s': %s", flag->name,
                             NV_ARGS(value->text), error);
    if (r == 0)
        value->regex = regex;
    return r;
}

int nv_flags_compile(struct nv_flags *flags, const struct nv_flag_value *values)
{
    for (size_t g = 0; g < flags->n_groups; g++) {
        struct nv_flags_group *group = &flags->groups[g];
        for (size_t i = 0; group->values == values && i < group->n; i++) {
            int r = compile(flags, &group->list[i], &group->values[i]);
            if (r < 0)
                return r;
        }
    }
    return 0;
}
