#include "cli/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <time.h>

#include "base/clock.h"
#include "base/rfc3339.h"

enum { TABLE_MAX = 64 << 20, GAP = 2, PROGRESS_NS = 200000000 };

/* ---- numbers -------------------------------------------------------------------------------- */

const char *nv_cli_size(char out[NV_CLI_TEXT_MAX], uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 1000 && unit + 1 < NV_LEN(units); unit++)
        value /= 1024;
    snprintf(out, NV_CLI_TEXT_MAX, "%.*f %s", unit && value < 100 ? 1 : 0, value, units[unit]);
    return out;
}

const char *nv_cli_span(char out[NV_CLI_TEXT_MAX], int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {
        {86400000, "d"},
        {3600000,  "h"},
        {60000,    "m"},
    };
    int n = 0;

    for (size_t i = 0, parts = 0; i < NV_LEN(units) && parts < 2; i++) {
        if (ms < units[i].ms && !parts)
            continue;
        parts++;
        if (ms >= units[i].ms)
            n += snprintf(out + n, NV_CLI_TEXT_MAX - (size_t)n, "%" PRId64 "%s", ms / units[i].ms,
                          units[i].name);
        ms %= units[i].ms;
        if (parts == 2)
            return out;
    }
    if (ms % 1000 && !n)
        snprintf(out, NV_CLI_TEXT_MAX, "%.3gs", (double)ms / 1000);
    else if (ms >= 1000 || !n)
        snprintf(out + n, NV_CLI_TEXT_MAX - (size_t)n, "%" PRId64 "s", ms / 1000);
    return out;
}

const char *nv_cli_time(char out[NV_CLI_TEXT_MAX], int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000 - (time_ms % 1000 < 0));
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || !strftime(out, NV_CLI_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(out, NV_CLI_TEXT_MAX, "%" PRId64 " ms", time_ms);
    return out;
}

const char *nv_cli_ratio(char out[NV_CLI_TEXT_MAX], uint64_t a, uint64_t b)
{
    if (b)
        snprintf(out, NV_CLI_TEXT_MAX, "%.2f", (double)a / (double)b);
    else
        snprintf(out, NV_CLI_TEXT_MAX, "-");
    return out;
}

const char *nv_cli_count(char out[NV_CLI_TEXT_MAX], uint64_t n)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    char *at = out;

    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}

/* ---- times in ------------------------------------------------------------------------------- */

static bool take_char(struct nv_str *text, const char *set)
{
    if (!text->n || !strchr(set, text->p[0]) || !text->p[0])
        return false;
    *text = nv_str_from(*text, 1);
    return true;
}

/* Up to three digits behind a point count, any number may stand. */
static bool take_fraction(struct nv_str *text, int *ret_ms)
{
    int unit = 100;

    *ret_ms = 0;
    if (!take_char(text, "."))
        return true;
    if (!text->n || !nv_is_digit(text->p[0]))
        return false;
    for (; text->n && nv_is_digit(text->p[0]); unit /= 10) {
        *ret_ms += unit * (text->p[0] - '0');
        *text = nv_str_from(*text, 1);
    }
    return true;
}

bool nv_cli_read_time(struct nv_str text, int64_t *ret_ms)
{
    struct nv_str rest = text;
    bool minus = take_char(&rest, "-");
    struct nv_str digits = {rest.p, nv_str_find(rest, '.')};
    uint64_t seconds;
    int ms;

    if (!digits.n || !nv_is_digit(digits.p[0]) || !nv_str_to_u64(digits, &seconds) ||
        nv_is_space(digits.p[digits.n - 1]))
        return nv_rfc3339_read(text, ret_ms);
    rest = nv_str_from(rest, digits.n);
    if (seconds > INT64_MAX / 1000 - 1 || !take_fraction(&rest, &ms) || rest.n)
        return false;
    *ret_ms = ((int64_t)seconds * 1000 + ms) * (minus ? -1 : 1);
    return true;
}

/* ---- tables --------------------------------------------------------------------------------- */

void nv_cli_table_init(struct nv_cli_table *table, const char *const *headers)
{
    *table = (struct nv_cli_table){.text = NV_BUF(TABLE_MAX)};
    while (table->n_columns < NV_CLI_COLUMNS_MAX && headers[table->n_columns])
        nv_cli_cell(table, headers[table->n_columns++]);
}

void nv_cli_cell_str(struct nv_cli_table *table, struct nv_str text)
{
    nv_buf_str(&table->text, text);
    nv_buf_char(&table->text, '\0');
    table->n++;
}

void nv_cli_cell(struct nv_cli_table *table, const char *text)
{
    nv_cli_cell_str(table, nv_str(text));
}

int nv_cli_width(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static void print_cell(const char *cell, int width, bool right, bool last, FILE *to)
{
    int pad = width - nv_cli_width(cell);

    if (right)
        fprintf(to, "%*s", pad, "");
    fputs(cell, to);
    if (!last)
        fprintf(to, "%*s", (right ? 0 : pad) + GAP, "");
}

void nv_cli_table_print(struct nv_cli_table *table, FILE *to)
{
    int widths[NV_CLI_COLUMNS_MAX] = {0};
    bool right[NV_CLI_COLUMNS_MAX] = {0};
    const char *cell = table->text.p;

    if (table->text.failed) { /* no table rather than part of one */
        nv_buf_done(&table->text);
        return;
    }
    for (size_t i = 0; i < table->n; i++, cell += strlen(cell) + 1) {
        size_t column = i % table->n_columns;
        if (i < table->n_columns)
            right[column] = cell[0] == '>';
        int width = nv_cli_width(cell) - (i < table->n_columns && right[column]);
        widths[column] = width > widths[column] ? width : widths[column];
    }
    cell = table->text.p;
    for (size_t i = 0; i < table->n; i++, cell += strlen(cell) + 1) {
        size_t column = i % table->n_columns;
        bool last = column + 1 == table->n_columns;
        print_cell(cell + (i < table->n_columns && right[column]), widths[column], right[column],
                   last, to);
        if (last)
            fputc('\n', to);
    }
    nv_buf_done(&table->text);
}

/* ---- progress ------------------------------------------------------------------------------- */

void nv_cli_progress_init(struct nv_cli_progress *progress)
{
    *progress = (struct nv_cli_progress){.on = isatty(STDERR_FILENO)};
}

void nv_cli_progress_say(struct nv_cli_progress *progress, const char *format, ...)
{
    va_list arguments;
    int64_t now_ns;

    if (!progress->on || (now_ns = nv_monotonic_ns()) < progress->next_ns)
        return;
    progress->next_ns = now_ns + PROGRESS_NS;
    progress->shown = true;
    fputs("\r\033[K", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
}

void nv_cli_progress_done(struct nv_cli_progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
