/*
 * tsdb.c - `nodevitals tsdb`: the store offline.
 *
 * Status 0: done; 1: not done, or something is wrong with the store.
 */
#include "cli/tsdb.h"

#include <errno.h>
#include <sys/stat.h>

#include "agent/version.h"

static const struct nv_flag storage_flags[] = {
    {"storage.tsdb.path", NV_FLAG_TEXT, "",
     "Folder of the history; unless given, $STATE_DIRECTORY or else ./data.", false},
    {0                },
};

static const struct subcommand {
    const char *name, *program, *summary;
    int (*run)(const struct nv_tsdb *tsdb);
    const struct nv_flag *flags; /* NULL: none of its own */
    bool has_operand;
} subcommands[] = {
    {"list",    "nodevitals tsdb list",        "Lists the blocks: times, series, samples, bytes.",
     nv_tsdb_list,                                                                                                  NULL,                 false},
    {"analyze", "nodevitals tsdb analyze",
     "Tells what takes how many bytes, and which labels have many values.",                        nv_tsdb_analyze,
     nv_tsdb_analyze_flags,                                                                                                               false},
    {"verify",  "nodevitals tsdb verify",
     "Checks the whole folder; status 1 when something is wrong.",                                 nv_tsdb_verify,  NULL,                 false},
    {"import",  "nodevitals tsdb import FILE",
     "Adds OpenMetrics text with timestamps from FILE, or - for standard input.",                  nv_tsdb_import,
     NULL,                                                                                                                                true },
    {"export",  "nodevitals tsdb export",      "Writes OpenMetrics text, or Prometheus blocks.",
     nv_tsdb_export,                                                                                                nv_tsdb_export_flags, false},
};

/* ---- the store ------------------------------------------------------------------------------ */

int nv_tsdb_open(const struct nv_tsdb *tsdb, struct nv_store **ret)
{
    char error[NV_STORE_ERROR_MAX];

    if (nv_store_open_to_read(tsdb->path, ret, error) < 0)
        return nv_tsdb_fail("cannot open the store in %s: %s", tsdb->path, error);
    return 0;
}

int nv_tsdb_open_to_write(const struct nv_tsdb *tsdb, struct nv_fs **ret_fs, struct nv_store **ret)
{
    char error[NV_STORE_ERROR_MAX];
    struct nv_fs *fs;

    int r = nv_fs_open(tsdb->path, &fs);
    if (r < 0)
        return nv_tsdb_fail("cannot open the store in %s: %s", tsdb->path, strerror(-r));
    const struct nv_store_options options = {.fs = fs};
    r = nv_store_open(&options, ret, error); /* which has the file layer from here on */
    if (r < 0)
        return nv_tsdb_fail("cannot open the store in %s: %s", tsdb->path, error);
    *ret_fs = fs;
    return 0;
}

/* ---- the command line ----------------------------------------------------------------------- */

/* The folder asked for; else the first of those systemd has made, which have colons between. */
static const char *store_path(const struct nv_flag_value *value, char room[4096])
{
    const char *state = getenv("STATE_DIRECTORY");

    if (value->given)
        return value->text.p;
    if (!state || !state[0])
        return "./data";
    snprintf(room, 4096, "%.*s", (int)strcspn(state, ":"), state);
    return room;
}

/* Reads the flags. 0, or 1 when there is nothing more to do, with the exit status. */
static int read_flags(const struct subcommand *sub, struct nv_flags *flags, int argc,
                      const char *const *argv, struct nv_tsdb *tsdb,
                      const struct nv_flag_value **ret_storage, int *ret_status)
{
    struct nv_flag_value *storage = NULL, *own = NULL;
    int r = nv_flags_add(flags, "Storage", storage_flags, &storage);

    if (r == 0 && sub->flags)
        r = nv_flags_add(flags, "Of this command", sub->flags, &own);
    if (r == 0)
        r = nv_flags_parse(flags, argc, argv);
    tsdb->values = own;
    *ret_storage = storage;
    if (r == 0)
        return 0;
    *ret_status = 0;
    if (r < 0) {
        const char *error = nv_flags_error(flags);
        *ret_status = nv_cli_fail("%s", error[0] ? error : strerror(-r));
    } else if (r == NV_FLAGS_VERSION) {
        nv_version_print(stdout);
    } else {
        nv_flags_print(flags, (enum nv_flags_outcome)r, stdout);
    }
    return 1;
}

static int run(const struct subcommand *sub, int argc, const char *const *argv)
{
    NV_AUTO(nv_flags) *flags = nv_flags_new(sub->program, sub->summary);
    const struct nv_flag_value *storage;
    struct nv_tsdb tsdb = {0};
    char room[4096];
    int status;

    if (!flags)
        return nv_cli_fail("out of memory");
    nv_flags_allow_operands(flags, sub->has_operand);
    if (read_flags(sub, flags, argc, argv, &tsdb, &storage, &status))
        return status;
    tsdb.operand = nv_flags_operand(flags, 0);
    if (sub->has_operand && !tsdb.operand)
        return nv_cli_fail("expected a FILE to %s, or - for standard input", sub->name);
    tsdb.path = store_path(storage, room);
    if (!tsdb.path[0])
        return nv_cli_fail("flag '--storage.tsdb.path' cannot be empty");
    return sub->run(&tsdb);
}

static void print_help(void)
{
    puts("usage: nodevitals tsdb COMMAND [<flags>]\n\nThe store, offline. Commands, each with its "
         "own "
         "--help:");
    for (size_t i = 0; i < NV_LEN(subcommands); i++)
        printf("  %-8s  %s\n", subcommands[i].name, subcommands[i].summary);
}

int nv_cli_tsdb(const struct nv_cli *cli)
{
    const char *names[NV_LEN(subcommands)];
    const char *word = cli->argc > 0 ? cli->argv[0] : NULL;

    if (!word)
        return nv_cli_fail("expected what to do: list, analyze, verify, import or export");
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help();
        return 0;
    }
    for (size_t i = 0; i < NV_LEN(subcommands); i++) {
        if (strcmp(word, subcommands[i].name) == 0)
            return run(&subcommands[i], cli->argc - 1, cli->argv + 1);
        names[i] = subcommands[i].name;
    }
    const char *nearest = nv_flags_nearest(word, names, NV_LEN(names));
    return nearest
               ? nv_cli_fail("unknown command 'tsdb %s', did you mean 'tsdb %s'?", word, nearest)
               : nv_cli_fail("unexpected %s", word);
}
