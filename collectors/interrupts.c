/*
 * interrupts - interrupts by kind and CPU.
 *
 * Source: /proc/interrupts: a heading with a word per CPU, then lines "name: count... text". Behind the
 * counts of a numbered interrupt stand its chip and its devices, behind those of a named one what it
 * is for. ERR and MIS have a single count and are left out. The cpu label is the place of the column, not
 * the CPU's number, which differs once a CPU is offline.
 */
#include <nodevitals/collector.h>
#include <nodevitals/text.h>

enum { FLAG_INCLUDE, FLAG_EXCLUDE, FLAG_ZEROS };

static const struct nv_family columns[] = {
    {"node_interrupts_total", NV_COUNTER, NV_AS_IS, "Interrupts serviced."},
};

static const struct nv_table interrupts = {NV_LABELS("cpu", "type", "info", "devices"), columns,
                                           NV_LEN(columns)};

struct line {
    struct nv_str type, info, devices;
};

/* The filter of both flags, over "type;info;devices". */
static bool wanted(struct nv_pass *pass, const struct line *line)
{
    if (!nv_flag(pass, FLAG_INCLUDE)->regex && !nv_flag(pass, FLAG_EXCLUDE)->regex)
        return true;
    size_t n = line->type.n + line->info.n + line->devices.n + 3;
    char *text = nv_alloc(pass, n);
    snprintf(text, n, "%.*s;%.*s;%.*s", NV_ARGS(line->type), NV_ARGS(line->info),
             NV_ARGS(line->devices));
    return nv_wants(pass, FLAG_INCLUDE, FLAG_EXCLUDE, nv_str(text));
}

static size_t count_words(struct nv_scan s)
{
    size_t n = 0;

    for (; !nv_scan_done(&s); n++)
        nv_scan_word(&s);
    return n;
}

static int collect_line(struct nv_pass *pass, struct nv_scan *s, uint64_t *count,
                        const struct nv_str *cpus, size_t n)
{
    struct line line = {.type = nv_scan_word(s), .info = NV_LIT(""), .devices = NV_LIT("")};
    struct nv_scan words = *s;
    uint64_t number;

    for (size_t i = 0; i < n; i++) {
        if (nv_scan_done(&words))
            return 0; /* ERR, MIS */
        nv_scan_word(&words);
    }
    if (line.type.n)
        line.type.n--; /* the colon */
    if (nv_scan_row(s, count, n) < n)
        return nv_error(pass, -EBADMSG, "proc/interrupts: %.*s has a bad count",
                        NV_ARGS(line.type));
    if (nv_str_to_u64(line.type, &number) && !nv_scan_done(s)) {
        line.info = nv_scan_word(s);
        line.devices = nv_scan_joined(pass, s);
    } else {
        line.info = nv_scan_joined(pass, s);
    }
    if (!wanted(pass, &line))
        return 0;
    for (size_t i = 0; i < n; i++) {
        struct nv_str labels[] = {cpus[i], line.type, line.info, line.devices};
        if (count[i] || nv_on(pass, FLAG_ZEROS))
            nv_emit_row(pass, &interrupts, labels, &count[i], 1);
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;

    if (!nv_scan_line(&file, &line))
        return nv_error(pass, -EBADMSG, "proc/interrupts is empty");
    size_t n = count_words(line);
    const struct nv_str *cpus = nv_ordinals(pass, n);
    uint64_t *count = nv_alloc(pass, (n + 1) * sizeof(*count));

    for (int r = 0; nv_scan_line(&file, &line);) {
        if (!nv_scan_done(&line))
            r = collect_line(pass, &line, count, cpus, n);
        if (r < 0)
            return r;
    }
    return 0;
}

NV_COLLECTOR(interrupts) = {
    NV_ABI_STAMP,
    .name = "interrupts",
    .summary = "Interrupts by kind and CPU.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("proc/interrupts"),
    .tables = NV_TABLES(&interrupts),
    .flags = NV_FLAGS({"collector.interrupts.name-include", NV_FLAG_REGEX, "",
                       "Interrupts to expose, matched against \"type;info;devices\".", false},
                      {"collector.interrupts.name-exclude", NV_FLAG_REGEX, "",
                       "Interrupts to leave out, matched likewise.", false},
                      {"collector.interrupts.include-zeros", NV_FLAG_BOOL, "true",
                       "Expose interrupts that never occurred, too.", false}),
    .collect = collect,
};
