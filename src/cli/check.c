/*
 * check.c - `nodevitals check`: by what is to be checked. `check metrics` lints exposition text on standard input, as promtool
 * does.
 *
 * Status 0: nothing to say; 1: not readable; 3: problems, one a line on standard error.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/flags.h"
#include "cli/rules.h"
#include "expo/expo.h"

enum { INPUT_MAX = 256 << 20, PROBLEMS = 3 };

static const char help[] =
    "usage: nodevitals check config FILE ...\n"
    "       nodevitals check metrics < FILE\n"
    "       nodevitals check rules [FLAGS] [FILE ...]\n\n"
    "Checks exposition text on standard input. Status 0: nothing to say;\n"
    "1: it cannot be read; 3: problems, one a line on standard error.\n"
    "Checks configurations and rule files; see nodevitals check config --help.\n";

static int read_input(struct nv_buf *text)
{
    char piece[65536];
    size_t n;

    while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0 && !text->failed)
        nv_buf_add(text, piece, n);
    return ferror(stdin) ? -EIO : text->failed;
}

static int check_metrics(void)
{
    NV_AUTO_BUF text = NV_BUF(INPUT_MAX), problems = NV_BUF(INPUT_MAX);

    int r = read_input(&text);
    if (r < 0) {
        fprintf(stderr, "nodevitals: error: cannot read standard input: %s\n", strerror(-r));
        return 1;
    }
    r = nv_expo_lint(nv_buf_view(&text), &problems);
    fprintf(stderr, "%.*s", NV_ARGS(nv_buf_view(&problems)));
    return r < 0 ? 1 : r > 0 ? PROBLEMS : 0;
}

int nv_cli_check(const struct nv_cli *cli)
{
    static const char *const subjects[] = {"config", "metrics", "rules"};
    const char *word = cli->argc > 0 ? cli->argv[0] : NULL;

    if (!word)
        return nv_cli_fail("expected what to check: config, metrics or rules");
    if (strcmp(word, "config") == 0)
        return nv_cli_check_config(cli->argc - 1, cli->argv + 1);
    if (strcmp(word, "rules") == 0)
        return nv_cli_check_rules(cli->argc - 1, cli->argv + 1);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        (cli->argc == 2 && strcmp(cli->argv[1], "--help") == 0)) {
        fputs(help, stdout);
        return 0;
    }
    if (strcmp(word, "metrics") != 0) {
        const char *nearest = nv_flags_nearest(word, subjects, NV_LEN(subjects));
        return nearest ? nv_cli_fail("unknown command 'check %s', did you mean 'check %s'?", word,
                                     nearest)
                       : nv_cli_fail("unexpected %s", word);
    }
    if (cli->argc > 1)
        return nv_cli_fail("unexpected %s", cli->argv[1]);
    return check_metrics();
}
