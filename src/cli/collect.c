/*
 * collect.c - `nodevitals collect`: one pass to standard output.
 *
 * Takes the agent's flags; those of the web do nothing. Of the agent's own families only the build's is
 * written, since the others tell of a process that is about to end.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/agent.h"
#include "cli/cli.h"
#include "expo/expo.h"

enum { OUTPUT_MAX = 1 << 30 };

static int write_frame(const struct nv_frame *frame)
{
    NV_AUTO_BUF text = NV_BUF(OUTPUT_MAX);

    nv_expo_write(frame, (struct nv_expo_choice){NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES}, NULL,
                  0, &text);
    if (text.failed)
        return text.failed;
    if (fwrite(text.p, 1, text.n, stdout) != text.n || fflush(stdout) != 0)
        return -errno;
    return 0;
}

int nv_cli_collect(const struct nv_cli *cli)
{
    NV_AUTO(nv_options) *options = nv_options_new(cli->program, cli->summary);
    char error[NV_FLAGS_ERROR_MAX] = "";
    struct nv_gather *made = NULL;
    struct nv_frame *got = NULL;
    struct nv_kubernetes *asked = NULL;
    struct nv_self self = {0};
    int status = 0;

    if (!options)
        return nv_cli_fail("out of memory");
    if (nv_cli_options(cli, options, &status) < 0)
        return status;
    nv_agent_log(options);
    if (nv_agent_kubernetes(options, &asked, error) < 0)
        return nv_cli_error(1, "%s", error);
    NV_AUTO(nv_kubernetes) *kubernetes = asked;
    const struct nv_agent_parts parts = {.self = &self, .kubernetes = kubernetes};
    if (nv_agent_gather(options, &parts, false, &made, error) < 0)
        return nv_cli_error(1, "%s", error);

    NV_AUTO(nv_gather) *gather = made;
    if (kubernetes)
        nv_kubernetes_wait(kubernetes, NV_KUBE_CALL_MS);
    const struct nv_gather_selection all = {.some = false};
    int r = nv_gather_pass(gather, &all, NV_GATHER_PASS_MS, &got);
    NV_AUTO(nv_frame) *frame = r == 0 ? got : NULL;
    if (r == 0)
        r = write_frame(frame);
    return r < 0 ? nv_cli_error(1, "%s", strerror(-r)) : 0;
}
