/*
 * query.c - `nodevitals query`: PromQL from the shell.
 *
 * Status 0: there is an answer; 1: there is an empty one; 2: there is none. So a script tests an expression as it would
 * search with grep.
 */
#include "cli/query.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "agent/flags.h"
#include "agent/version.h"
#include "base/clock.h"
#include "tsdb/store.h"

enum { MATCHES_MAX = 256, PLACE_WIDTH = 100, HEIGHT = 16 };

enum {
    URL,
    HTTP_CONFIG,
    STORAGE,
    TIME,
    START,
    END,
    STEP,
    SERIES,
    LABELS,
    LABEL_VALUES,
    MATCH,
    LIMIT,
    TIMEOUT,
    LOOKBACK,
    OUTPUT,
    COLOR,
    WIDTH,
    ROWS,
};

// clang-format off
static const struct nv_flag table[] = {
    [URL] = {"url", NV_FLAG_TEXT, "http://localhost:9100", "Server to ask, or unix:/path/of/socket.", false},
    [HTTP_CONFIG] = {"http.config.file", NV_FLAG_TEXT, "",
                     "How to ask it: TLS, users, tokens, proxy, as Prometheus' http_config has them.", false},
    [STORAGE] = {"storage.tsdb.path", NV_FLAG_TEXT, "",
                 "Ask the history in this folder instead, whether or not an agent is writing it.", false},
    [TIME] = {"time", NV_FLAG_TEXT, "now",
              "When: RFC 3339, Unix seconds, or relative to now (-1h). Offline, now is the newest sample.", false},
    [START] = {"start", NV_FLAG_TEXT, "", "Asks for a range, from this time on; unless given, an hour before its end.",
               false},
    [END] = {"end", NV_FLAG_TEXT, "", "Asks for a range, up to this time; unless given, now.", false},
    [STEP] = {"step", NV_FLAG_TEXT, "", "Asks for a range, in steps of seconds or 1m30s; unless given, some 250.", false},
    [SERIES] = {"series", NV_FLAG_LIST, "", "Lists the series that fit this selector.", false},
    [LABELS] = {"labels", NV_FLAG_BOOL, "false", "Lists the names of labels.", false},
    [LABEL_VALUES] = {"label-values", NV_FLAG_TEXT, "", "Lists the values of the label of this name.", false},
    [MATCH] = {"match", NV_FLAG_LIST, "", "Only of series that fit this selector, in lists.", false},
    [LIMIT] = {"limit", NV_FLAG_INT, "0", "Most series, names or values; 0 for all.", false},
    [TIMEOUT] = {"query.timeout", NV_FLAG_DURATION, "2m", "How long a query may take.", false},
    [LOOKBACK] = {"query.lookback-delta", NV_FLAG_DURATION, "0s",
                  "How old a sample may be that still counts; 0 for what the server has, offline five minutes.", false},
    [OUTPUT] = {"output", NV_FLAG_TEXT, "auto",
                "table, csv, json, or chart; auto: for a range in a terminal chart, else table.", false},
    [COLOR] = {"color", NV_FLAG_TEXT, "auto", "Colors of a chart: always, never, or where a terminal has them.", false},
    [WIDTH] = {"width", NV_FLAG_INT, "0", "Columns of a chart; 0 for those of the terminal.", false},
    [ROWS] = {"height", NV_FLAG_INT, "0", "Rows of the plot of a chart; 0 for as many as look well.", false},
    {0},
};
// clang-format on

enum output { AUTO, TABLE, CSV, JSON, CHART, N_OUTPUTS };
static const char *const outputs[] = {"auto", "table", "csv", "json", "chart"};

struct command {
    struct nv_query query;
    const struct nv_flag_value *values;
    enum output output;
    struct nv_str matches[MATCHES_MAX];
};

/* ---- what goes wrong ------------------------------------------------------------------------ */

/* "LINE:COLUMN: parse error" somewhere in the message. */
static bool find_place(struct nv_str message, uint64_t *ret_line, uint64_t *ret_column)
{
    size_t end = 0;

    while (end < message.n && !nv_str_starts(nv_str_from(message, end), ": parse error"))
        end++;
    size_t column = end;
    while (column > 0 && nv_is_digit(message.p[column - 1]))
        column--;
    if (end == message.n || column == 0 || message.p[column - 1] != ':')
        return false;
    size_t line = column - 1;
    while (line > 0 && nv_is_digit(message.p[line - 1]))
        line--;
    return nv_str_to_u64((struct nv_str){message.p + line, column - 1 - line}, ret_line) &&
           nv_str_to_u64((struct nv_str){message.p + column, end - column}, ret_column);
}

/* A long line is shown around the place only. */
void nv_query_print_place(FILE *to, struct nv_str expr, struct nv_str message)
{
    NV_AUTO_BUF before = NV_BUF(8 * PLACE_WIDTH), after = NV_BUF(8 * PLACE_WIDTH);
    uint64_t line, column;

    if (nv_cli_is_diverted() || !find_place(message, &line, &column) || !column)
        return;
    struct nv_str text = nv_str_cut(&expr, '\n');
    for (; line > 1 && expr.n; line--)
        text = nv_str_cut(&expr, '\n');
    size_t at = column - 1 < text.n ? (size_t)column - 1 : text.n;
    size_t from = at > PLACE_WIDTH / 2 ? at - PLACE_WIDTH / 2 : 0;
    while (from < at && (text.p[from] & 0xc0) == 0x80) /* not within a character */
        from++;
    struct nv_str rest = nv_str_from(text, at);
    rest.n = rest.n > PLACE_WIDTH / 2 ? PLACE_WIDTH / 2 : rest.n;
    nv_query_plain(&before, (struct nv_str){text.p + from, at - from});
    nv_query_plain(&after, rest);
    fprintf(to, "  %s%s\n", nv_buf_c_string(&before), nv_buf_c_string(&after));
    fprintf(to, "  %*s^\n", nv_cli_width(nv_buf_c_string(&before)), "");
}

int nv_query_fail_at(struct nv_str expr, struct nv_str message)
{
    NV_AUTO_BUF text = NV_BUF(8 * message.n + 16);

    nv_query_plain(&text, message);
    nv_query_fail("%s", nv_buf_c_string(&text));
    nv_query_print_place(stderr, expr, message);
    return NV_QUERY_FAILED;
}

/* ---- the command line ----------------------------------------------------------------------- */

static int usage(int status)
{
    return status ? NV_QUERY_FAILED : 0;
}

static int read_time(const struct command *command, size_t flag, int64_t now_ms, int64_t *ret_ms)
{
    struct nv_str text = command->values[flag].text;

    if (nv_query_read_time(text, now_ms, ret_ms))
        return 0;
    return usage(nv_cli_fail("flag '--%s' cannot be '%.*s': it takes a time such as "
                             "2026-01-02T03:04:05Z, 1767322800 or -1h",
                             table[flag].name, NV_ARGS(text)));
}

static int read_times(struct command *command, int64_t now_ms)
{
    const struct nv_flag_value *values = command->values;
    struct nv_query *query = &command->query;
    bool is_list = query->kind != NV_QUERY_INSTANT && query->kind != NV_QUERY_RANGE;
    int r = 0;

    query->end_ms = now_ms;
    if (query->kind == NV_QUERY_INSTANT)
        return read_time(command, TIME, now_ms, &query->end_ms);
    query->has_start = values[START].given;
    query->has_end = values[END].given;
    if (query->has_end)
        r = read_time(command, END, now_ms, &query->end_ms);
    query->start_ms = query->end_ms - INT64_C(3600000);
    if (r == 0 && query->has_start)
        r = read_time(command, START, now_ms, &query->start_ms);
    if (r == 0 && (!is_list || query->has_start) && query->start_ms > query->end_ms)
        return usage(nv_cli_fail("the range ends before it starts"));
    query->step_ms = nv_query_step(query->start_ms, query->end_ms);
    if (r == 0 && values[STEP].given && !nv_query_read_step(values[STEP].text, &query->step_ms))
        return usage(nv_cli_fail("flag '--step' cannot be '%.*s': it takes seconds or a duration "
                                 "such as 1m30s, above 0",
                                 NV_ARGS(values[STEP].text)));
    return r;
}

static int add_matches(struct command *command, const struct nv_str *list, size_t n)
{
    if (command->query.n_matches + n > MATCHES_MAX)
        return usage(nv_cli_fail("at most %d selectors", MATCHES_MAX));
    for (size_t i = 0; i < n; i++)
        command->matches[command->query.n_matches++] = list[i];
    return 0;
}

/* What the operand is: an expression, or one more selector of a list. */
static int read_kind(struct command *command, const char *operand)
{
    const struct nv_flag_value *values = command->values;
    struct nv_query *query = &command->query;
    int lists = values[SERIES].given + values[LABELS].on + values[LABEL_VALUES].given;
    bool range = values[START].given || values[END].given || values[STEP].given;

    if (lists > 1)
        return usage(nv_cli_fail("only one of --series, --labels and --label-values can be asked"));
    if (!lists && !operand)
        return usage(nv_cli_fail("expected an expression such as 'node_load1'"));
    query->kind = values[SERIES].given         ? NV_QUERY_SERIES
                  : values[LABELS].on          ? NV_QUERY_LABELS
                  : values[LABEL_VALUES].given ? NV_QUERY_LABEL_VALUES
                  : range                      ? NV_QUERY_RANGE
                                               : NV_QUERY_INSTANT;
    query->matches = command->matches;
    if (!lists) {
        query->expr = nv_str(operand);
        if (values[MATCH].given)
            return usage(nv_cli_fail("flag '--match' is for lists"));
        return query->kind == NV_QUERY_RANGE && values[TIME].given
                   ? usage(nv_cli_fail("flag '--time' is not for a range"))
                   : 0;
    }
    query->label = values[LABEL_VALUES].text;
    int r = add_matches(command, values[SERIES].list, values[SERIES].n_list);
    if (r == 0)
        r = add_matches(command, values[MATCH].list, values[MATCH].n_list);
    return r == 0 && operand ? add_matches(command, &(struct nv_str){operand, strlen(operand)}, 1)
                             : r;
}

static int read_rest(struct command *command)
{
    const struct nv_flag_value *values = command->values;

    for (command->output = AUTO; command->output < N_OUTPUTS; command->output++) {
        if (nv_str_is(values[OUTPUT].text, outputs[command->output]))
            break;
    }
    if (command->output == N_OUTPUTS)
        return usage(nv_cli_fail("flag '--output' cannot be '%.*s': it takes table, csv, json or "
                                 "chart",
                                 NV_ARGS(values[OUTPUT].text)));
    if (command->output == CHART && command->query.kind != NV_QUERY_RANGE)
        return usage(nv_cli_fail("a chart shows a range: give --start, --end or --step"));
    if (!nv_str_is(values[COLOR].text, "auto") && !nv_str_is(values[COLOR].text, "always") &&
        !nv_str_is(values[COLOR].text, "never"))
        return usage(nv_cli_fail("flag '--color' cannot be '%.*s': it takes auto, always or never",
                                 NV_ARGS(values[COLOR].text)));
    if (values[LIMIT].number < 0 || values[WIDTH].number < 0 || values[ROWS].number < 0 ||
        values[TIMEOUT].number < 1000000 || values[LOOKBACK].number < 0)
        return usage(nv_cli_fail("numbers cannot be negative, nor '--query.timeout' below 1ms"));
    command->query.limit = (uint64_t)values[LIMIT].number;
    command->query.timeout_ms = values[TIMEOUT].number / 1000000;
    command->query.lookback_ms = values[LOOKBACK].number / 1000000;
    return 0;
}

/* ---- the terminal --------------------------------------------------------------------------- */

static unsigned clamp(int64_t value)
{
    return value > 100000 ? 100000 : (unsigned)value;
}

bool nv_query_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < NV_LEN(names); i++) {
        const char *value = getenv(names[i]);
        if (value && value[0])
            return strcasestr(value, "UTF-8") || strcasestr(value, "utf8");
    }
    return false;
}

/* The size of a terminal, or what a pipe is taken for. */
static struct nv_chart_look look_of(const struct command *command)
{
    const struct nv_flag_value *values = command->values;
    const char *columns = getenv("COLUMNS"), *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool is_terminal = isatty(STDOUT_FILENO);
    struct winsize size = {0};
    uint64_t width = 0;

    if (!is_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        size.ws_col = size.ws_row = 0;
    if (!columns || !nv_str_to_u64(nv_str(columns), &width) || width > 10000)
        width = 0;
    bool colors = is_terminal && term && strcmp(term, "dumb") != 0 && (!no_color || !no_color[0]);
    return (struct nv_chart_look){
        .width = values[WIDTH].number ? clamp(values[WIDTH].number)
                 : size.ws_col        ? size.ws_col
                 : width              ? (unsigned)width
                                      : 80,
        .height = values[ROWS].number               ? clamp(values[ROWS].number)
                  : size.ws_row > 40                ? size.ws_row / 2
                  : size.ws_row && size.ws_row < 24 ? size.ws_row / 2
                                                    : HEIGHT,
        .colors = nv_str_is(values[COLOR].text, "always") ||
                  (colors && !nv_str_is(values[COLOR].text, "never")),
        .utf8 = nv_query_is_utf8(),
    };
}

/* ---- the answer ----------------------------------------------------------------------------- */

static int print(const struct command *command, const struct nv_answer *answer)
{
    enum output output = command->output;

    if (output == AUTO)
        output = command->query.kind == NV_QUERY_RANGE && isatty(STDOUT_FILENO) ? CHART : TABLE;
    if (output == CSV)
        return nv_query_print_csv(stdout, answer, &command->query);
    if (output == JSON)
        return nv_query_print_json(stdout, answer, &command->query);
    if (output == TABLE)
        return nv_query_print_table(stdout, answer, &command->query);
    const struct nv_chart_look look = look_of(command);
    return nv_query_print_chart(stdout, answer, &command->query, &look);
}

static int show(const struct command *command, const struct nv_answer *answer)
{
    for (size_t i = 0; i < answer->n_notes; i++) {
        NV_AUTO_BUF line = NV_BUF(8 * answer->notes[i].n + 16);
        nv_query_plain(&line, answer->notes[i]);
        fprintf(stderr, "nodevitals: %s\n", nv_buf_c_string(&line));
    }
    int r = print(command, answer);
    if (r)
        return r;
    if (fflush(stdout) != 0 || ferror(stdout))
        return nv_query_fail("cannot write to standard output: %s", strerror(errno));
    return nv_answer_is_empty(answer, command->query.kind) ? NV_QUERY_EMPTY : NV_QUERY_FOUND;
}

static int ask_server(struct command *command, struct nv_answer *ret)
{
    struct nv_query_server server;
    int r = nv_query_server_init(&server, command->values[URL].text.p,
                                 command->values[HTTP_CONFIG].text.p);

    if (r == 0)
        r = read_times(command, nv_wall_ms());
    if (r == 0)
        r = nv_query_api(&command->query, &server, ret);
    nv_query_server_done(&server);
    return r;
}

/* A store that nobody writes any more ends before now: its newest sample is then what "now" means. */
static int64_t now_of(struct nv_store *store)
{
    const struct nv_queryable *queryable = nv_store_queryable(store);
    int64_t from_ms, to_ms, now_ms = nv_wall_ms();

    queryable->range(queryable->store, &from_ms, &to_ms);
    return from_ms <= to_ms && to_ms < now_ms ? to_ms : now_ms;
}

static int ask_folder(struct command *command, struct nv_answer *ret)
{
    const char *path = command->values[STORAGE].text.p;
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    if (nv_store_open_to_read(path, &store, error) < 0)
        return nv_query_fail("cannot open the store in %s: %s", path, error);
    int r = read_times(command, now_of(store));
    if (r == 0)
        r = nv_query_ask(&command->query, nv_store_queryable(store), ret);
    nv_store_close(store);
    return r;
}

static int run(struct command *command, const char *operand)
{
    struct nv_answer answer = {.memory = NV_ARENA(NV_QUERY_MEMORY_MAX)};
    int r = read_kind(command, operand);

    if (r == 0)
        r = read_rest(command);
    if (r == 0 && command->values[STORAGE].given && command->values[URL].given)
        r = usage(nv_cli_fail("only one of --url and --storage.tsdb.path can be asked"));
    if (r == 0)
        r = command->values[STORAGE].given ? ask_folder(command, &answer)
                                           : ask_server(command, &answer);
    if (r == 0)
        r = show(command, &answer);
    nv_answer_done(&answer);
    return r;
}

static void print_help(const struct nv_flags *flags, enum nv_flags_outcome what)
{
    nv_flags_print(flags, what, stdout);
    if (what == NV_FLAGS_HELP || what == NV_FLAGS_HELP_LONG)
        puts("\nExit status: 0 where there is an answer, 1 where it is empty, 2 where something "
             "went wrong.\nAn expression that begins with a minus stands behind --.");
}

int nv_cli_query(const struct nv_cli *cli)
{
    NV_AUTO(nv_flags) *flags = nv_flags_new("nodevitals query EXPRESSION", cli->summary);
    NV_AUTO_FREE struct command *command = calloc(1, sizeof(*command));
    struct nv_flag_value *values = NULL;

    if (!flags || !command)
        return nv_query_fail("out of memory");
    nv_flags_allow_operands(flags, 1);
    int r = nv_flags_add(flags, "Query", table, &values);
    if (r == 0)
        r = nv_flags_parse(flags, cli->argc, cli->argv);
    command->values = values;
    if (r == 0)
        return run(command, nv_flags_operand(flags, 0));
    if (r < 0) {
        const char *error = nv_flags_error(flags);
        return usage(nv_cli_fail("%s", error[0] ? error : strerror(-r)));
    }
    if (r == NV_FLAGS_VERSION)
        nv_version_print(stdout);
    else
        print_help(flags, (enum nv_flags_outcome)r);
    return fflush(stdout) == 0 ? 0 : nv_query_fail("cannot write to standard output");
}
