/*
 * top_tables.c - panels that are tables: a name, where there is room what was in braille, and numbers. Each can be sorted by any
 * column, by a click on its head.
 */
#include <math.h>
#include <stdlib.h>

#include "base/index.h"
#include "cli/top_draw.h"

enum { GRAPH_LEAST = 24 }; /* room that is worth being shared with graphs */

enum format { PLAIN, PERCENT, SIZE, SECONDS };

struct column {
    char head[NV_TOP_NUMBER];
    uint8_t part, format;
    uint8_t warn, bad; /* percent; 0: neither */
};

struct table {
    char head[8];   /* of the names */
    char label[12]; /* that tells rows apart */
    struct column columns[NV_TOP_COLUMNS_MAX];
    uint8_t n, n_graphs, graphs[2];
    uint16_t height; /* of the graphs, at least; 100: percent, never more */
    uint8_t warn, bad;
};

// clang-format off
static const struct table tables[NV_TOP_N_PANELS] = {
    [NV_TOP_PANEL_PRESSURE] = {"on", "resource", {
        {"some", NV_TOP_PRESSURE_SOME, PERCENT, 10, 40},
        {"full", NV_TOP_PRESSURE_FULL, PERCENT, 5, 20},
    }, 2, 1, {NV_TOP_PRESSURE_SOME}, 10, 10, 40},
    [NV_TOP_PANEL_DISKS] = {"device", "device", {
        {"read/s", NV_TOP_DISK_READ, SIZE, 0, 0},
        {"written/s", NV_TOP_DISK_WRITTEN, SIZE, 0, 0},
        {"latency", NV_TOP_DISK_LATENCY, SECONDS, 0, 0},
        {"busy", NV_TOP_DISK_BUSY, PERCENT, 60, 90},
    }, 4, 1, {NV_TOP_DISK_BUSY}, 100, 60, 90},
    [NV_TOP_PANEL_NETWORK] = {"device", "device", {
        {"in/s", NV_TOP_NET_RECEIVED, SIZE, 0, 0},
        {"out/s", NV_TOP_NET_SENT, SIZE, 0, 0},
    }, 2, 2, {NV_TOP_NET_RECEIVED, NV_TOP_NET_SENT}, 1000, 0, 0},
    [NV_TOP_PANEL_FILESYSTEMS] = {"at", "mountpoint", {
        {"size", NV_TOP_FS_SIZE, SIZE, 0, 0},
        {"free", NV_TOP_FS_AVAILABLE, SIZE, 0, 0},
        {"used", NV_TOP_FS_USED, PERCENT, 80, 95},
    }, 3, 0, {0}, 0, 0, 0},
    [NV_TOP_PANEL_GROUPS] = {"name", "id", {
        {"cpu", NV_TOP_GROUP_CPU, PERCENT, 60, 90},
        {"memory", NV_TOP_GROUP_MEMORY, SIZE, 0, 0},
    }, 2, 0, {0}, 0, 0, 0},
    [NV_TOP_PANEL_PROCESSES] = {"name", "", {
        {"pid", NV_TOP_N_PARTS, PLAIN, 0, 0},
        {"cpu", NV_TOP_N_PARTS, PERCENT, 60, 90},
        {"memory", NV_TOP_N_PARTS, SIZE, 0, 0},
    }, 3, 0, {0}, 0, 0, 0},
};
// clang-format on

size_t nv_top_columns(enum nv_top_panel panel)
{
    return tables[panel].n ? tables[panel].n + 1 : 0;
}

uint64_t nv_top_key(struct nv_str text)
{
    return nv_hash(text.p, text.n, 0);
}

/* ---- order ---------------------------------------------------------------------------------- */

int nv_top_numbers_compare(double a, double b, bool reversed)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    int order = a < b ? 1 : a > b ? -1 : 0;
    return reversed ? -order : order;
}

static int compare(const void *a, const void *b, void *user)
{
    const struct nv_top_row *x = a, *y = b;
    const struct nv_top_sort *sort = user;
    int order = 0;

    if (sort->column)
        order = nv_top_numbers_compare(x->values[sort->column - 1], y->values[sort->column - 1],
                                       sort->reversed);
    if (!order)
        order = nv_str_cmp(x->name, y->name) * (!sort->column && sort->reversed ? -1 : 1);
    return order ? order : x->key < y->key ? -1 : x->key > y->key;
}

void nv_top_rows_sort(struct nv_top_row *rows, size_t n, struct nv_top_sort sort)
{
    if (n)
        qsort_r(rows, n, sizeof(*rows), compare, &sort);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static size_t add(const struct nv_top_data *data, const struct table *table, size_t column,
                  struct nv_top_row *rows, size_t n)
{
    const struct nv_top_rows *from = &data->parts[table->columns[column].part];

    for (size_t i = 0; i < from->n; i++) {
        struct nv_str name = nv_top_label(from->at[i], table->label);
        uint64_t key = nv_top_key(name);
        size_t at = 0;
        while (at < n && rows[at].key != key)
            at++;
        if (at == NV_TOP_ROWS_MAX)
            break;
        if (at == n)
            rows[n++] = (struct nv_top_row){
                .name = name, .values = {NAN, NAN, NAN, NAN},
                     .key = key, .series = from->at[i]
            };
        rows[at].values[column] = nv_top_last(from->at[i]);
    }
    return n;
}

/* They are sorted already. */
static size_t list_processes(const struct nv_top_view *view, struct nv_top_row *rows)
{
    size_t n = 0;

    for (size_t i = 0; i < view->n_processes && n < NV_TOP_ROWS_MAX; i++) {
        const struct nv_top_process *process = &view->processes[i];
        struct nv_str name = nv_str(process->name);
        if (nv_str_contains(name, view->filter))
            rows[n++] = (struct nv_top_row){
                .name = name,
                .values = {(double)process->pid, process->cpu, process->memory},
                .key = process->pid,
            };
    }
    return n;
}

static size_t list(const struct nv_top_area *a, enum nv_top_panel panel, struct nv_top_row *rows)
{
    size_t n = 0;

    if (panel == NV_TOP_PANEL_GROUPS)
        return nv_top_tree(a->data, a->view, rows);
    if (panel == NV_TOP_PANEL_PROCESSES)
        return list_processes(a->view, rows);
    for (size_t i = 0; i < tables[panel].n; i++)
        n = add(a->data, &tables[panel], i, rows, n);
    nv_top_rows_sort(rows, n, a->view->sorts[panel]);
    return n;
}

/* ---- drawing -------------------------------------------------------------------------------- */

/* How many columns of numbers have room; the ones at the left go first. */
static size_t columns_that_fit(const struct nv_top_area *a, size_t n)
{
    while (n && a->width < (n + 1) * NV_TOP_NUMBER)
        n--;
    return n;
}

/* The head is where a click sorts by its column. */
static void put_head(struct nv_top_area *a, enum nv_top_panel panel, size_t column, size_t x,
                     size_t width, const char *text)
{
    struct nv_top_sort sort = a->view->sorts[panel];
    size_t n = strlen(text), at = column ? x + width - n : x + 1;

    if (x + width > a->width || n + 1 > width)
        return;
    bool sorted = sort.column == column;
    nv_top_area_put(a, at, n, sorted ? NV_TOP_PLAIN : NV_TOP_DIM, nv_str(text));
    if (sorted)
        nv_top_put_order(a->screen, a->x + at - 1, a->y, sort.reversed == !!column);
    nv_top_area_spot(a, NV_TOP_SPOT_HEAD, panel, x, width)->column = (uint8_t)column;
}

static void put_heads(struct nv_top_area *a, enum nv_top_panel panel, size_t n)
{
    const struct table *table = &tables[panel];
    size_t numbers = a->width - n * NV_TOP_NUMBER, at = nv_top_area_title(a, panel) + 1;

    if (at < numbers)
        put_head(a, panel, 0, at, numbers - at, table->head);
    for (size_t i = 0; i < n; i++) {
        if (numbers + i * NV_TOP_NUMBER >= at)
            put_head(a, panel, table->n - n + i + 1, numbers + i * NV_TOP_NUMBER, NV_TOP_NUMBER,
                     table->columns[table->n - n + i].head);
    }
    a->y++;
}

static const char *write_number(char out[NV_CLI_TEXT_MAX], unsigned format, double value)
{
    if (format == PERCENT)
        return nv_top_percent(out, value);
    if (format == SIZE)
        return nv_top_size(out, value);
    if (format == PLAIN)
        snprintf(out, NV_CLI_TEXT_MAX, "%.0f", value);
    else if (!isfinite(value) || value < 0)
        snprintf(out, NV_CLI_TEXT_MAX, "-");
    else if (value < 1)
        snprintf(out, NV_CLI_TEXT_MAX, "%.1f ms", value * 1000);
    else
        snprintf(out, NV_CLI_TEXT_MAX, "%.1f s", fmin(value, 1e6));
    return out;
}

static void put_number(struct nv_top_area *a, size_t x, const struct column *column, double value)
{
    char text[NV_CLI_TEXT_MAX];
    enum nv_top_style style =
        column->bad ? nv_top_style_of(value, column->warn, column->bad) : NV_TOP_PLAIN;

    nv_top_put_right(a->screen, a->x + x, a->y, NV_TOP_NUMBER, style,
                     nv_str(write_number(text, column->format, value)));
}

/* Side by side, all to one scale. */
static void put_graphs(struct nv_top_area *a, const struct table *table, size_t x, size_t width,
                       struct nv_str name)
{
    struct nv_top_past pasts[2];
    size_t each = width / table->n_graphs;
    double most = 0;

    for (size_t i = 0; i < table->n_graphs; i++) {
        nv_top_past_read(&pasts[i], a, (enum nv_top_part)table->graphs[i], table->label, name);
        most = fmax(most, pasts[i].most);
    }
    struct nv_top_scale scale = {
        .full = table->height == 100 ? 100 : fmax(most, table->height),
        .warn = table->warn ? table->warn : INFINITY,
        .bad = table->warn ? table->bad : INFINITY,
    };
    for (size_t i = 0; i < table->n_graphs; i++)
        nv_top_put_graph(a->screen, a->x + x + i * each, a->y, each - 1, pasts[i].values,
                         NV_TOP_POINTS, scale);
}

static void put_name(struct nv_top_area *a, const struct nv_top_row *row, enum nv_top_style style,
                     size_t width)
{
    size_t x = 2 * row->depth < width / 2 ? 2 * row->depth : 0;

    if (row->mark) {
        nv_top_area_put(a, x, 1, NV_TOP_DIM, (struct nv_str){&row->mark, 1});
        x += 2;
    }
    if (x >= width)
        return;
    x += nv_top_put(a->screen, a->x + x, a->y, width - x, style, row->name);
    if (row->beside.n && x + 1 < width)
        nv_top_area_put(a, x + 1, width - x - 1, NV_TOP_DIM, row->beside);
}

static void put_row(struct nv_top_area *a, enum nv_top_panel panel, const struct nv_top_row *row,
                    size_t n)
{
    const struct table *table = &tables[panel];
    size_t numbers = a->width - n * NV_TOP_NUMBER, name = numbers;

    if (table->n_graphs && numbers >= GRAPH_LEAST) {
        name = numbers / 3;
        put_graphs(a, table, name, numbers - name, row->name);
    }
    put_name(a, row, panel < NV_TOP_PANEL_GROUPS ? NV_TOP_DIM : NV_TOP_PLAIN,
             name > 1 ? name - 1 : 1);
    for (size_t i = 0; i < n; i++) {
        size_t column = table->n - n + i;
        put_number(a, numbers + i * NV_TOP_NUMBER, &table->columns[column], row->values[column]);
    }
    nv_top_area_row(a, panel, row);
}

static bool has_any(const struct nv_top_area *a, enum nv_top_panel panel)
{
    bool any = panel == NV_TOP_PANEL_PROCESSES && a->view->n_processes;

    for (size_t i = 0; i < tables[panel].n && panel != NV_TOP_PANEL_PROCESSES; i++)
        any = any || a->data->parts[tables[panel].columns[i].part].n;
    return any;
}

void nv_top_draw_table(struct nv_top_area *a, enum nv_top_panel panel)
{
    NV_AUTO_FREE struct nv_top_row *rows = calloc(NV_TOP_ROWS_MAX, sizeof(*rows));
    size_t most = nv_top_area_most(a), fitting = columns_that_fit(a, tables[panel].n);

    if (!rows || !has_any(a, panel))
        return;
    size_t n = list(a, panel, rows);
    put_heads(a, panel, fitting);
    if (panel == NV_TOP_PANEL_GROUPS)
        most = n;
    for (size_t i = 0; i < n && i < most; i++)
        put_row(a, panel, &rows[i], fitting);
    if (!n) {
        nv_top_area_put(a, 0, a->width, NV_TOP_DIM, NV_LIT("none"));
        a->y++;
    } else if (n > most && panel != NV_TOP_PANEL_PROCESSES) {
        nv_top_area_more(a, n - most);
    }
}
