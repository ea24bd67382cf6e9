#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/version.h"
#include "base/buf.h"

enum { DIVERTED_MAX = 1024 }; /* bytes of a diverted error */

/* Words that follow a command, for completion. */
static const char *const check_words[] = {"config", "metrics", "rules", NULL};
static const char *const test_words[] = {"rules", NULL};
static const char *const tsdb_words[] = {"list", "analyze", "verify", "import", "export", NULL};

// clang-format off
static const struct command {
    const char *name, *program, *summary;
    int (*run)(const struct nv_cli *cli);
    const char *const *words; /* NULL: none */
} commands[] = {
    {"agent",   "nodevitals",         "Serves the metrics of this node to Prometheus.",                  nv_cli_agent,   NULL},
    {"collect", "nodevitals collect", "Writes one pass to standard output.",                             nv_cli_collect, NULL},
    {"check",   "nodevitals check",   "Checks files: configurations, rules, metrics on standard input.", nv_cli_check,   check_words},
    {"query",   "nodevitals query",   "Asks a node with PromQL: now, or over time.",                     nv_cli_query,   NULL},
    {"test",    "nodevitals test",    "Runs tests of rules.",                                            nv_cli_test,    test_words},
    {"top",     "nodevitals top",     "Shows a node in the terminal: now, and as it was.",               nv_cli_top,     NULL},
    {"tsdb",    "nodevitals tsdb",    "Lists, checks, imports and exports the history.",                 nv_cli_tsdb,    tsdb_words},
};
// clang-format on

static _Thread_local struct nv_buf *diverted;

void nv_cli_divert(struct nv_buf *into)
{
    diverted = into;
}

bool nv_cli_is_diverted(void)
{
    return diverted != NULL;
}

int nv_cli_fail(const char *format, ...)
{
    va_list arguments;

    fputs("nodevitals: error: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs(", try --help\n", stderr);
    return 1;
}

int nv_cli_error(int status, const char *format, ...)
{
    char line[DIVERTED_MAX];
    va_list arguments;

    va_start(arguments, format);
    if (diverted) {
        vsnprintf(line, sizeof(line), format, arguments);
        nv_buf_add(diverted, line, diverted->n ? 0 : strnlen(line, diverted->max - 1));
    } else {
        fputs("nodevitals: error: ", stderr);
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
    }
    va_end(arguments);
    return status;
}

/* Closing tells whether all that was written arrived. */
static int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return nv_cli_error(1, "cannot write to standard output: %s", strerror(errno));
}

/* Behind the flags of the agent, whose help is that of the whole program. */
static void print_commands(void)
{
    puts("\nCommands, each with its own --help:");
    for (size_t i = 0; i < NV_LEN(commands); i++)
        printf("  %-26s  %s\n", commands[i].name, commands[i].summary);
}

/* A path that was given must be there: without it most collectors would fail, each by itself and for ever. */
static int check_paths(struct nv_options *options)
{
    static const struct {
        const char *flag;
        int number;
    } paths[] = {
        {"path.procfs", NV_OPTION_PROCFS},
        {"path.sysfs",  NV_OPTION_SYSFS }
    };

    for (size_t i = 0; i < NV_LEN(paths); i++) {
        const struct nv_flag_value *value = &options->general[paths[i].number];
        struct stat st;
        int r = !value->given || !value->text.n ? 0 : stat(value->text.p, &st) < 0 ? -errno : 0;
        if (r == 0 && value->given && value->text.n && !S_ISDIR(st.st_mode))
            r = -ENOTDIR;
        if (r == 0)
            continue;
        snprintf(options->error, sizeof(options->error), "flag '--%s' cannot be '%.*s': %s",
                 paths[i].flag, NV_ARGS(value->text), strerror(-r));
        return r;
    }
    return 0;
}

int nv_cli_options(const struct nv_cli *cli, struct nv_options *options, int *ret_status)
{
    int r = nv_options_parse(options, cli->builtins, cli->argc, cli->argv);

    if (r == 0)
        r = check_paths(options);
    if (r == 0)
        return 0;
    if (r < 0) {
        *ret_status = nv_cli_fail("%s", options->error[0] ? options->error : strerror(-r));
        return -1;
    }
    if (r == NV_FLAGS_VERSION)
        nv_version_print(stdout);
    else
        nv_flags_print(options->flags, (enum nv_flags_outcome)r, stdout);
    if ((r == NV_FLAGS_HELP || r == NV_FLAGS_HELP_LONG) && cli->program == commands[0].program)
        print_commands();
    *ret_status = finish_output();
    return -1;
}

int nv_cli_agent(const struct nv_cli *cli)
{
    NV_AUTO(nv_options) *options = nv_options_new(cli->program, cli->summary);
    int status = 0;

    if (!options)
        return nv_cli_fail("out of memory");
    return nv_cli_options(cli, options, &status) < 0 ? status : nv_agent_run(options);
}

static int unknown_command(const char *word)
{
    const char *names[NV_LEN(commands)];

    for (size_t i = 0; i < NV_LEN(commands); i++)
        names[i] = commands[i].name;
    const char *nearest = nv_flags_nearest(word, names, NV_LEN(names));
    if (nearest)
        return nv_cli_fail("unknown command '%s', did you mean '%s'?", word, nearest);
    return nv_cli_fail("unexpected %s", word);
}

static const struct command *find_command(const char *word)
{
    for (size_t i = 0; i < NV_LEN(commands); i++) {
        if (strcmp(commands[i].name, word) == 0)
            return &commands[i];
    }
    return NULL;
}

static void offer(const char *name, const char *partial)
{
    if (strncmp(name, partial, strlen(partial)) == 0)
        puts(name);
}

/*
 * nodevitals --completion-bash WORD ..., the last of which is under the cursor: names of commands are offered here. For
 * flags the command itself is asked, by `nodevitals COMMAND [WORD] --completion-bash PARTIAL`.
 */
static int complete(int argc, const char *const *argv, const struct nv_collector *const *builtins)
{
    const char *partial = argc > 2 ? argv[argc - 1] : "", *words[5] = {argv[0], commands[0].name};
    const struct command *command = argc > 3 ? find_command(argv[2]) : NULL;
    int n = 2;

    if (argc <= 3 && partial[0] != '-') {
        for (size_t i = 0; i < NV_LEN(commands); i++)
            offer(commands[i].name, partial);
        return finish_output();
    }
    if (command)
        words[1] = command->name;
    if (command && command->words) {
        const char *const *word = command->words;
        for (; *word && argc == 4; word++)
            offer(*word, partial);
        while (*word && strcmp(*word, argv[3]) != 0)
            word++;
        if (!*word || strcmp(*word, "metrics") == 0) /* whose input is no flag's */
            return finish_output();
        words[n++] = *word;
    }
    words[n++] = argv[1];
    words[n++] = partial;
    return nv_cli_main(n, words, builtins);
}

int nv_cli_main(int argc, const char *const *argv, const struct nv_collector *const *builtins)
{
    const struct command *command = &commands[0];
    int skip = argc > 0;

    if (argc > 1 && strcmp(argv[1], "--completion-bash") == 0)
        return complete(argc, argv, builtins);
    if (argc > 1 && argv[1][0] && argv[1][0] != '-' && argv[1][0] != '@') {
        command = find_command(argv[1]);
        if (!command)
            return unknown_command(argv[1]);
        skip = 2;
    }
    const struct nv_cli cli = {
        .builtins = builtins,
        .program = command->program,
        .summary = command->summary,
        .argc = argc - skip,
        .argv = argv + skip,
    };
    return command->run(&cli);
}
