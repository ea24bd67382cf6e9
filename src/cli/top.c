/*
 * top.c - `nodevitals top`: the command line, and what needs no terminal.
 */
#include "cli/top.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>

#include "agent/flags.h"
#include "agent/version.h"
#include "base/clock.h"

enum { URL, HTTP_CONFIG, STORAGE, AT, SPAN, ONCE, BATCH, COUNT, INTERVAL, COLOR, WIDTH };

// clang-format off
static const struct nv_flag table[] = {
    [URL] = {"url", NV_FLAG_TEXT, "http://localhost:9100", "Server to ask, or unix:/path/of/socket.", false},
    [HTTP_CONFIG] = {"http.config.file", NV_FLAG_TEXT, "",
                     "How to ask it: TLS, users, tokens, proxy, as Prometheus' http_config has them.", false},
    [STORAGE] = {"storage.tsdb.path", NV_FLAG_TEXT, "",
                 "Ask the history in this folder instead, whether or not an agent is writing it.", false},
    [AT] = {"at", NV_FLAG_TEXT, "",
            "When: RFC 3339, Unix seconds, or relative to now (-1h). Offline, now is the newest sample.", false},
    [SPAN] = {"span", NV_FLAG_DURATION, "5m", "How far histories reach back.", false},
    [ONCE] = {"once", NV_FLAG_BOOL, "false", "Writes one screen to standard output, as plain text.", false},
    [BATCH] = {"batch", NV_FLAG_BOOL, "false", "Writes a screen each interval, as plain text.", false},
    [COUNT] = {"count", NV_FLAG_INT, "0", "Screens of --batch; 0 for no end.", false},
    [INTERVAL] = {"interval", NV_FLAG_DURATION, "1s", "Time between questions.", false},
    [COLOR] = {"color", NV_FLAG_TEXT, "auto", "Colors: never, or where a terminal has them; NO_COLOR is heeded.", false},
    [WIDTH] = {"width", NV_FLAG_INT, "0", "Columns of --once and --batch; 0 for those of the terminal.", false},
    {0},
};
// clang-format on

#define LONGEST_SPAN_NS INT64_C(31536000000000000) /* a year */

static int check_values(const struct nv_flag_value *values)
{
    struct nv_str color = values[COLOR].text;

    if (values[STORAGE].given && values[URL].given)
        return nv_cli_fail("only one of --url and --storage.tsdb.path can be asked");
    if (!nv_str_is(color, "auto") && !nv_str_is(color, "never"))
        return nv_cli_fail("flag '--color' cannot be '%.*s': it takes auto or never",
                           NV_ARGS(color));
    if (values[ONCE].on && values[BATCH].on)
        return nv_cli_fail("only one of --once and --batch can be asked for");
    if (values[SPAN].number < INT64_C(1000000000) || values[SPAN].number > LONGEST_SPAN_NS)
        return nv_cli_fail("flag '--span' takes 1s to a year");
    if (values[INTERVAL].number < 100000000 || values[INTERVAL].number > LONGEST_SPAN_NS)
        return nv_cli_fail("flag '--interval' takes 100ms to a year");
    if (values[WIDTH].number < 0 || values[WIDTH].number > NV_TOP_WIDTH_MAX)
        return nv_cli_fail("flag '--width' takes 0 to %d", NV_TOP_WIDTH_MAX);
    if (values[COUNT].number < 0)
        return nv_cli_fail("flag '--count' cannot be negative");
    return 0;
}

/* What is given, what a terminal has, or 80. */
static size_t width_of(const struct nv_flag_value *values)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size = {0};
    uint64_t width = 0;

    if (values[WIDTH].number)
        return (size_t)values[WIDTH].number;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    if (columns && nv_str_to_u64(nv_str(columns), &width) && width && width <= NV_TOP_WIDTH_MAX)
        return (size_t)width;
    return 80;
}

/* Of this moment and this node. */
static void add_processes(struct nv_top_processes *processes, const struct nv_top_source *source,
                          const struct nv_top_data *data, struct nv_top_view *view)
{
    if (view->at_ms || !nv_top_is_here(source, data))
        return;
    nv_top_processes_read(processes, "/proc", nv_clock_ns(CLOCK_BOOTTIME));
    view->processes =
        nv_top_processes_sort(processes, view->sorts[NV_TOP_PANEL_PROCESSES], &view->n_processes);
}

static int print_one(const struct nv_flag_value *values, struct nv_top_source *source,
                     struct nv_top_view *view, struct nv_top_processes *processes)
{
    const struct nv_top_wish wish = {view->at_ms, view->span_ms, true};
    NV_AUTO(nv_top_data) *data = nv_top_data_new();
    NV_AUTO(nv_top_screen) *screen =
        nv_top_screen_new(width_of(values), NV_TOP_LINES_MAX, nv_query_is_utf8());
    NV_AUTO_BUF text = NV_BUF(8 * NV_TOP_WIDTH_MAX * NV_TOP_LINES_MAX);

    if (!data || !screen)
        return nv_cli_error(1, "out of memory");
    nv_top_ask(source, &wish, data);
    if (data->error[0])
        return nv_cli_error(1, "%s", data->error);
    add_processes(processes, source, data, view);
    nv_top_draw(screen, data, view);
    nv_top_print(screen, &text);
    if (text.failed)
        return nv_cli_error(1, "out of memory");
    if (fwrite(text.p, 1, text.n, stdout) != text.n || fflush(stdout) != 0)
        return nv_cli_error(2, "cannot write to standard output: %s", strerror(errno));
    return 0;
}

/* A question that failed is told and asked again; who cannot write need not go on. */
static int print_many(const struct nv_flag_value *values, struct nv_top_source *source,
                      struct nv_top_view *view, struct nv_top_processes *processes)
{
    struct timespec next;
    int status = 0;

    clock_gettime(CLOCK_MONOTONIC, &next);
    for (int64_t i = 0; !values[COUNT].number || i < values[COUNT].number; i++) {
        if (i) {
            int64_t ns = next.tv_nsec + values[INTERVAL].number;
            next.tv_sec += ns / 1000000000;
            next.tv_nsec = ns % 1000000000;
            while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
                ;
            fputc('\n', stdout);
        }
        status = print_one(values, source, view, processes);
        if (status == 2)
            break;
    }
    return status ? 1 : 0;
}

static int show(const struct nv_flag_value *values, struct nv_top_source *source)
{
    const char *no_color = getenv("NO_COLOR");
    struct nv_top_view view;
    const struct nv_top_look look = {
        .interval_ms = values[INTERVAL].number / 1000000,
        .colors = nv_str_is(values[COLOR].text, "auto") && (!no_color || !no_color[0]),
        .utf8 = nv_query_is_utf8(),
    };
    int64_t now_ms;

    nv_top_view_init(&view);
    view.span_ms = values[SPAN].number / 1000000;
    view.source = source->folder ? source->folder : source->server.shown;
    if (nv_top_now(source, &now_ms))
        return 1;
    if (values[AT].given &&
        (!nv_query_read_time(values[AT].text, now_ms, &view.at_ms) || view.at_ms < 1))
        return nv_cli_fail("flag '--at' cannot be '%.*s': it takes a time such as "
                           "2026-01-02T03:04:05Z, 1767322800 or -1h",
                           NV_ARGS(values[AT].text));
    view.ended = source->ended;
    NV_AUTO(nv_top_processes) *processes = nv_top_processes_new();
    if (!processes)
        return nv_cli_error(1, "out of memory");
    if (values[ONCE].on)
        return print_one(values, source, &view, processes) ? 1 : 0;
    if (values[BATCH].on)
        return print_many(values, source, &view, processes);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return nv_cli_fail("this is no terminal: ask for --once or --batch");
    return nv_top_live(source, &view, processes, &look);
}

static int run(const struct nv_flag_value *values)
{
    struct nv_top_source source = {
        .folder = values[STORAGE].given ? values[STORAGE].text.p : NULL,
    };

    if (check_values(values))
        return 1;
    if (source.folder)
        return show(values, &source);
    int r = nv_query_server_init(&source.server, values[URL].text.p, values[HTTP_CONFIG].text.p);
    int status = r ? 1 : show(values, &source);
    nv_query_server_done(&source.server);
    return status;
}

int nv_cli_top(const struct nv_cli *cli)
{
    NV_AUTO(nv_flags) *flags = nv_flags_new(cli->program, cli->summary);
    struct nv_flag_value *values = NULL;

    if (!flags)
        return nv_cli_error(1, "out of memory");
    int r = nv_flags_add(flags, "Top", table, &values);
    if (r == 0)
        r = nv_flags_parse(flags, cli->argc, cli->argv);
    if (r == 0)
        return run(values);
    if (r < 0)
        return nv_cli_fail("%s", nv_flags_error(flags)[0] ? nv_flags_error(flags) : strerror(-r));
    if (r == NV_FLAGS_VERSION)
        nv_version_print(stdout);
    else
        nv_flags_print(flags, (enum nv_flags_outcome)r, stdout);
    return fflush(stdout) == 0 ? 0 : nv_cli_error(1, "cannot write to standard output");
}
