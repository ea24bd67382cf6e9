/*
 * flags_help.c - flags told to people: --help, a manual page, and completion for shells.
 */
#include "agent/flags_table.h"

#include <ctype.h>
#include <stdio.h>

/* Where help texts begin, and where lines end. */
enum { HELP_COLUMN = 30, WIDTH = 80 };

/* What stands for a value: --x=SECONDS and so on. */
static const char *const placeholder[] = {
    [NV_FLAG_TEXT] = "TEXT",        [NV_FLAG_LIST] = "TEXT ...",
    [NV_FLAG_INT] = "NUMBER",       [NV_FLAG_DURATION] = "DURATION",
    [NV_FLAG_REGEX] = "EXPRESSION", [NV_FLAG_REGEX_WHOLE] = "EXPRESSION",
};

/* Left column: "--[no-]x", or "--x=DEFAULT", "--x=WORD" where there is no default. */
static void describe(const struct nv_flag *flag, const char *quote, char *out, size_t size)
{
    bool fallback = flag->fallback && flag->fallback[0];

    if (flag->kind == NV_FLAG_BOOL)
        snprintf(out, size, "--[no-]%s", flag->name);
    else if (fallback && (flag->kind == NV_FLAG_INT || flag->kind == NV_FLAG_DURATION))
        snprintf(out, size, "--%s=%s", flag->name, flag->fallback);
    else if (fallback)
        snprintf(out, size, "--%s=%s%s%s%s", flag->name, quote, flag->fallback, quote,
                 flag->kind == NV_FLAG_LIST ? " ..." : "");
    else
        snprintf(out, size, "--%s=%s", flag->name, placeholder[flag->kind]);
}

/* Text in lines of WIDTH, the first of which begins at HELP_COLUMN already. */
static void wrap(FILE *to, struct nv_str text)
{
    size_t column = HELP_COLUMN;

    while (text.n) {
        struct nv_str word = nv_str_cut(&text, ' ');
        if (column > HELP_COLUMN && column + 1 + word.n > WIDTH) {
            fprintf(to, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            fputc(' ', to);
            column++;
        }
        fprintf(to, "%.*s", NV_ARGS(word));
        column += word.n;
    }
    fputc('\n', to);
}

static void print_entry(FILE *to, const char *left, const char *help)
{
    if (fprintf(to, "  %s", left) + 2 > HELP_COLUMN)
        fputc('\n', to), fprintf(to, "%*s", HELP_COLUMN, "");
    else
        fprintf(to, "%*s", HELP_COLUMN - 2 - (int)strlen(left), "");
    wrap(to, nv_str(help));
}

static bool shows_any(const struct nv_flags_group *group, bool hidden)
{
    for (size_t i = 0; i < group->n; i++) {
        if (hidden || !group->list[i].hidden)
            return true;
    }
    return false;
}

/* Groups of one title that follow each other have one heading. */
static bool heads(const struct nv_flags *flags, size_t group)
{
    return group == 0 || strcmp(flags->groups[group].title, flags->groups[group - 1].title) != 0;
}

static void print_help(const struct nv_flags *flags, bool hidden, FILE *to)
{
    char left[2048];

    fprintf(to, "usage: %s [<flags>]\n\n%s\n\nFlags:\n", flags->program, flags->summary);
    print_entry(to, "-h, --help", nv_flags_builtins[0].help);
    for (size_t i = 1; i < nv_flags_n_builtins; i++) {
        if (nv_flags_builtins[i].hidden && !hidden)
            continue;
        snprintf(left, sizeof(left), "--%s", nv_flags_builtins[i].name);
        print_entry(to, left, nv_flags_builtins[i].help);
    }
    for (size_t g = 0; g < flags->n_groups; g++) {
        const struct nv_flags_group *group = &flags->groups[g];
        if (!shows_any(group, hidden))
            continue;
        if (heads(flags, g))
            fprintf(to, "\n%s:\n", group->title);
        for (size_t i = 0; i < group->n; i++) {
            if (group->list[i].hidden && !hidden)
                continue;
            describe(&group->list[i], "\"", left, sizeof(left));
            print_entry(to, left, group->list[i].help);
        }
    }
}

/* For roff: a backslash means something, a leading dot or quote does, a hyphen is to be a minus, and long values may be
 * broken. */
static void print_roff(FILE *to, const char *text)
{
    if (text[0] == '.' || text[0] == '\'')
        fputs("\\&", to);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", to);
        else if (*text == '-')
            fputs("\\-", to);
        else if (strchr("|/,", *text) && text[1] && text[1] != ' ')
            fprintf(to, "%c\\:", *text);
        else
            fputc(*text, to);
    }
}

/* "nodevitals query EXPRESSION" is nodevitals-query. */
static void print_page_name(FILE *to, const char *program, bool upper)
{
    for (const char *c = program; *c; c++) {
        if (*c == ' ' && !islower((unsigned char)c[1]))
            break;
        if (*c == ' ')
            fputs("\\-", to);
        else
            fputc(upper ? toupper((unsigned char)*c) : *c, to);
    }
}

static void print_man_flag(FILE *to, const char *left, const char *help)
{
    fputs(".TP\n\\fB", to);
    print_roff(to, left);
    fputs("\\fR\n", to);
    print_roff(to, help);
    fputc('\n', to);
}

static void print_man(const struct nv_flags *flags, FILE *to)
{
    char left[2048];

    fputs(".TH ", to);
    print_page_name(to, flags->program, true);
    fputs(" 1\n.SH NAME\n", to);
    print_page_name(to, flags->program, false);
    fputs(" \\- ", to);
    print_roff(to, flags->summary);
    fprintf(to, "\n.SH SYNOPSIS\n.B %s\n[<flags>]\n.SH OPTIONS\n", flags->program);
    print_man_flag(to, "-h, --help", nv_flags_builtins[0].help);
    print_man_flag(to, "--version", "Show the version and exit.");
    for (size_t g = 0; g < flags->n_groups; g++) {
        const struct nv_flags_group *group = &flags->groups[g];
        if (!shows_any(group, false))
            continue;
        if (heads(flags, g))
            fprintf(to, ".SS \"%s\"\n", group->title);
        for (size_t i = 0; i < group->n; i++) {
            if (group->list[i].hidden)
                continue;
            describe(&group->list[i], "'", left, sizeof(left));
            print_man_flag(to, left, group->list[i].help);
        }
    }
}

/* Flags that go on from the word under the cursor, one a line. */
static void print_completions(const struct nv_flags *flags, FILE *to)
{
    const char *partial = flags->partial ? flags->partial : "";
    char word[NV_FLAGS_NAME_MAX + 16];

    for (size_t i = 0; i < nv_flags_n_builtins; i++) {
        snprintf(word, sizeof(word), "--%s", nv_flags_builtins[i].name);
        if (!nv_flags_builtins[i].hidden && strncmp(word, partial, strlen(partial)) == 0)
            fprintf(to, "%s\n", word);
    }
    for (size_t g = 0; g < flags->n_groups; g++) {
        const struct nv_flags_group *group = &flags->groups[g];
        for (size_t i = 0; i < group->n; i++) {
            const struct nv_flag *flag = &group->list[i];
            for (int negated = 0; negated <= (flag->kind == NV_FLAG_BOOL); negated++) {
                snprintf(word, sizeof(word), "--%s%s", negated ? "no-" : "", flag->name);
                if (!flag->hidden && strncmp(word, partial, strlen(partial)) == 0)
                    fprintf(to, "%s\n", word);
            }
        }
    }
}

/*
 * What the shells are given asks the program for each word: nodevitals --completion-bash WORD ... prints, one a line, what the
 * last of them can become. Where that is nothing, files are offered. bash splits words at `=`; zsh hands over `--x=FILE` whole,
 * so that the value has to be cut off there.
 */
static const char script_bash[] =
    "_%s()\n{\n"
    "    mapfile -t COMPREPLY < <(\"${COMP_WORDS[0]}\" --completion-bash \\\n"
    "        \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\ncomplete -o default -F _%s %s\n";

static const char script_zsh[] =
    "#compdef %s\n\n"
    "_%s()\n{\n"
    "    local -a found\n"
    "    found=(${(f)\"$(_call_program flags ${(q)words[1]} --completion-bash \\\n"
    "        ${(q)words[2,CURRENT]})\"})\n"
    "    if (( $#found )); then\n"
    "        compadd -- $found\n"
    "    else\n"
    "        compset -P '*='\n"
    "        _files\n"
    "    fi\n}\n\n"
    "if [[ $funcstack[1] == _%s ]]; then\n"
    "    _%s \"$@\" # loaded by this very word\n"
    "else\n"
    "    compdef _%s %s\n"
    "fi\n";

static const char script_fish[] =
    "function __%s_words\n"
    "    set -l words (commandline -opc)\n"
    "    $words[1] --completion-bash $words[2..-1] (commandline -ct) 2>/dev/null\n"
    "end\n"
    "complete -c %s -a '(__%s_words)'\n";

void nv_flags_print(const struct nv_flags *flags, enum nv_flags_outcome what, FILE *to)
{
    const char *name = flags->program;

    switch (what) {
    case NV_FLAGS_HELP:
    case NV_FLAGS_HELP_LONG:
        print_help(flags, what == NV_FLAGS_HELP_LONG, to);
        break;
    case NV_FLAGS_HELP_MAN:
        print_man(flags, to);
        break;
    case NV_FLAGS_COMPLETE:
        print_completions(flags, to);
        break;
    case NV_FLAGS_SCRIPT_BASH:
        fprintf(to, script_bash, name, name, name);
        break;
    case NV_FLAGS_SCRIPT_ZSH:
        fprintf(to, script_zsh, name, name, name, name, name, name);
        break;
    case NV_FLAGS_SCRIPT_FISH:
        fprintf(to, script_fish, name, name, name);
        break;
    case NV_FLAGS_VERSION:
        break;
    }
}
