/*
 * lnstat - statistics of network subsystems, by CPU.
 *
 * Source: every file of proc/net/stat: a line of headings, and a row of hexadecimal numbers per CPU. The
 * subsystem is the file's name, the CPU the row's place.
 */
#include <nodevitals/text.h>

enum { COLUMNS_MAX = 64, ROWS_MAX = 65536 };

struct grid {
    struct nv_str heading[COLUMNS_MAX];
    size_t n_columns, n_rows;
    uint64_t *values; /* row by row */
};

static int parse(struct nv_pass *pass, struct nv_scan file, struct grid *grid)
{
    struct nv_scan line, counted = file;

    if (!nv_scan_line(&file, &line))
        return 0;
    for (; grid->n_columns < COLUMNS_MAX && !nv_scan_done(&line); grid->n_columns++)
        grid->heading[grid->n_columns] = nv_scan_word(&line);
    for (grid->n_rows = 0; nv_scan_line(&counted, &line);)
        grid->n_rows++;
    if (--grid->n_rows > ROWS_MAX)
        return -EFBIG;

    grid->values = nv_alloc(pass, grid->n_rows * grid->n_columns * sizeof(uint64_t) + 1);
    uint64_t *value = grid->values;
    for (size_t row = 0; row < grid->n_rows && nv_scan_line(&file, &line); row++) {
        for (size_t column = 0; column < grid->n_columns; column++)
            *value++ = nv_scan_hex(&line);
        if (line.failed || !nv_scan_done(&line))
            return -EBADMSG;
    }
    return 0;
}

static bool is_name(struct nv_str heading)
{
    for (size_t i = 0; i < heading.n; i++) {
        char c = heading.p[i] | 0x20;
        if (!nv_is_digit(heading.p[i]) && heading.p[i] != '_' && !(c >= 'a' && c <= 'z'))
            return false;
    }
    return heading.n > 0;
}

static void emit(struct nv_pass *pass, struct nv_str subsystem, const struct grid *grid)
{
    const struct nv_str *cpus = nv_ordinals(pass, grid->n_rows);
    char name[128];
    const struct nv_family family = {name, NV_COUNTER, NV_AS_IS,
                                     "Statistic of a network subsystem."};

    for (size_t column = 0; column < grid->n_columns; column++) {
        struct nv_str heading = grid->heading[column];
        if (!is_name(heading) || (size_t)snprintf(name, sizeof(name), "node_lnstat_%.*s_total",
                                                  NV_ARGS(heading)) >= sizeof(name))
            continue;
        for (size_t row = 0; row < grid->n_rows; row++) {
            const struct nv_str labels[] = {cpus[row], subsystem};
            nv_emit_named(pass, &family, NV_LABELS("cpu", "subsystem"), labels,
                          (double)grid->values[row * grid->n_columns + column]);
        }
    }
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    char path[NV_PATH_MAX];

    int r = nv_list(pass, "proc/net/stat", &names);
    if (r < 0)
        return r == -ENOENT ? 0 : nv_error(pass, r, "cannot list net/stat");
    for (size_t i = 0; i < names.n; i++) {
        struct grid grid = {.n_columns = 0};
        struct nv_str text;
        nv_path(path, "proc/net/stat/%.*s", NV_ARGS(names.at[i]));
        r = nv_read(pass, path, &text);
        if (r == 0)
            r = parse(pass, nv_scan(text), &grid);
        if (r < 0)
            return nv_error(pass, r, "cannot read %s", path);
        emit(pass, names.at[i], &grid);
    }
    return 0;
}

NV_COLLECTOR(lnstat) = {
    NV_ABI_STAMP,
    .name = "lnstat",
    .summary = "Statistics of network subsystems.",
    .options = NV_OFF_BY_DEFAULT,
    .collect = collect,
};
