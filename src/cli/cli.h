/*
 * cli.h - the command line: nodevitals [COMMAND] [FLAGS].
 *
 * A command is one entry of the table in cli.c and one function. Without a command the agent runs.
 * Errors are one line on standard error, "nodevitals: error: WHAT, try --help", and status 1.
 */
#ifndef NV_CLI_CLI_H
#define NV_CLI_CLI_H

#include <nodevitals/collector.h>

/* What a command is given: the words behind its name, and the collectors of this build. */
struct nv_cli {
    const struct nv_collector *const *builtins; /* NULL at the end */
    const char *program, *summary;              /* "nodevitals collect", for --help */
    int argc;
    const char *const *argv;
};

/* Each returns the exit status. */
int nv_cli_agent(const struct nv_cli *cli);
int nv_cli_collect(const struct nv_cli *cli);
int nv_cli_check(const struct nv_cli *cli);
int nv_cli_test(const struct nv_cli *cli);
int nv_cli_tsdb(const struct nv_cli *cli);
int nv_cli_query(const struct nv_cli *cli);
int nv_cli_top(const struct nv_cli *cli);

int nv_cli_main(int argc, const char *const *argv, const struct nv_collector *const *builtins);

/* Prints "nodevitals: error: ...", without the hint at --help: nothing is wrong with the command line. Returns `status`. */
__attribute__((format(printf, 2, 3))) int nv_cli_error(int status, const char *format, ...);

/* The first error of this thread goes into an empty buffer from now on, without the program's name and as long as there is
 * room, and others nowhere; NULL: to standard error again. For what shows them itself. */
struct nv_buf;
void nv_cli_divert(struct nv_buf *into);
bool nv_cli_is_diverted(void);

/* Prints the error line. Returns 1. */
__attribute__((format(printf, 1, 2))) int nv_cli_fail(const char *format, ...);

/*
 * Reads the flags of a command that takes the agent's. Returns 0; or -1 when there is nothing more to do, with
 * the exit status.
 */
struct nv_options;
int nv_cli_options(const struct nv_cli *cli, struct nv_options *options, int *ret_status);

#endif
