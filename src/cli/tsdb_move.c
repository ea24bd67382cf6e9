/*
 * tsdb_move.c - `nodevitals tsdb import` and `export`.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "cli/tsdb.h"
#include "expo/openmetrics_in.h"
#include "metric/selector_text.h"
#include "tsdb/export.h"
#include "tsdb/import.h"

enum { SELECTORS_MAX = 64 };

/* ---- import --------------------------------------------------------------------------------- */

struct input {
    int fd;
    uint64_t size; /* 0: not known */
    struct nv_openmetrics_in *in;
    struct nv_cli_progress progress;
};

static ssize_t fill(void *user, char *p, size_t n)
{
    struct input *input = user;
    ssize_t got;

    do
        got = read(input->fd, p, n);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static void import_progress(void *user, const struct nv_import_stats *stats)
{
    struct input *input = user;
    char samples[NV_CLI_TEXT_MAX], series[NV_CLI_TEXT_MAX];
    uint64_t bytes = nv_openmetrics_in_bytes(input->in);

    if (stats->written)
        nv_cli_progress_say(&input->progress, "%s samples: %3.0f%% written",
                            nv_cli_count(samples, stats->samples),
                            100 * (double)stats->written / (double)stats->samples);
    else if (input->size)
        nv_cli_progress_say(&input->progress, "%s samples of %s series: %3.0f%% read",
                            nv_cli_count(samples, stats->samples),
                            nv_cli_count(series, stats->series),
                            100 * (double)bytes / (double)input->size);
    else
        nv_cli_progress_say(&input->progress, "%s samples of %s series read",
                            nv_cli_count(samples, stats->samples),
                            nv_cli_count(series, stats->series));
}

/* All samples of the text. */
static int read_samples(struct input *input, struct nv_import *import, const char *name)
{
    struct nv_openmetrics_sample sample;
    uint32_t series = 0;
    int r;

    while ((r = nv_openmetrics_in_next(input->in, &sample)) == 0) {
        if (!sample.has_time)
            return nv_tsdb_fail("%s: line %llu: sample without a timestamp", name,
                                (unsigned long long)sample.line);
        if (!sample.same_series)
            r = nv_import_series(import, sample.labels, sample.n_labels, &series);
        if (r == 0)
            r = nv_import_add(import, series, sample.time_ms, sample.value);
        if (r < 0)
            return r == -EDQUOT ? nv_tsdb_fail("%s: line %llu: more than one import can hold", name,
                                               (unsigned long long)sample.line)
                                : nv_tsdb_fail("cannot import: %s", strerror(-r));
    }
    if (r == -EBADMSG)
        return nv_tsdb_fail("%s: %s", name, nv_openmetrics_in_error(input->in));
    return r < 0 ? nv_tsdb_fail("cannot read %s: %s", name, strerror(-r)) : 0;
}

static void print_import(const struct nv_import_stats *stats)
{
    char samples[NV_CLI_TEXT_MAX], series[NV_CLI_TEXT_MAX], size[NV_CLI_TEXT_MAX],
        ratio[NV_CLI_TEXT_MAX];

    printf("Imported %s samples of %s series into %llu block%s: %s, %s bytes a sample.\n",
           nv_cli_count(samples, stats->written), nv_cli_count(series, stats->series),
           (unsigned long long)stats->blocks, stats->blocks == 1 ? "" : "s",
           nv_cli_size(size, stats->bytes), nv_cli_ratio(ratio, stats->bytes, stats->written));
    if (stats->out_of_order)
        printf("Out of order, and sorted: %s.\n", nv_cli_count(samples, stats->out_of_order));
    if (stats->repeated)
        printf("Given again with the same value: %s.\n", nv_cli_count(samples, stats->repeated));
    if (stats->replaced)
        printf("Given again with another value, of which the last stays: %s.\n",
               nv_cli_count(samples, stats->replaced));
}

/* Reads everything before the first block is written, so that a text with an error leaves nothing. */
static int import_into(struct nv_fs *fs, struct input *input, const char *name)
{
    const struct nv_import_options options = {.fs = fs, .progress = import_progress, .user = input};
    NV_AUTO(nv_import) *import = NULL;
    struct nv_import_stats stats;

    int r = nv_import_new(&options, &import);
    if (r < 0)
        return nv_tsdb_fail("cannot import: %s", strerror(-r));
    if (read_samples(input, import, name))
        return 1;
    r = nv_import_finish(import, &stats);
    nv_cli_progress_done(&input->progress);
    if (r < 0)
        return nv_tsdb_fail("cannot import: %s", strerror(-r));
    print_import(&stats);
    return 0;
}

static int open_input(const char *operand, struct input *input)
{
    struct stat st;

    input->fd = strcmp(operand, "-") == 0 ? dup(STDIN_FILENO) : open(operand, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0)
        return -errno;
    if (fstat(input->fd, &st) == 0 && S_ISREG(st.st_mode))
        input->size = (uint64_t)st.st_size;
    input->in = nv_openmetrics_in_new(fill, input);
    nv_cli_progress_init(&input->progress);
    return input->in ? 0 : -ENOMEM;
}

int nv_tsdb_import(const struct nv_tsdb *tsdb)
{
    const char *name = strcmp(tsdb->operand, "-") == 0 ? "standard input" : tsdb->operand;
    struct input input = {.fd = -1};
    struct nv_store *store = NULL;
    struct nv_fs *fs = NULL;
    int status = 1;

    int r = open_input(tsdb->operand, &input);
    if (r < 0) {
        nv_tsdb_fail("cannot read %s: %s", name, strerror(-r));
    } else if (nv_tsdb_open_to_write(tsdb, &fs, &store) == 0) {
        status = import_into(fs, &input, name); /* the open store keeps others out */
        nv_cli_progress_done(&input.progress);
        nv_store_close(store);
    }
    nv_openmetrics_in_free(input.in);
    if (input.fd >= 0)
        close(input.fd);
    return status;
}

/* ---- export --------------------------------------------------------------------------------- */

enum { FORMAT, OUTPUT, MATCH, FROM, TO };

// clang-format off
const struct nv_flag nv_tsdb_export_flags[] = {
    [FORMAT] = {"format", NV_FLAG_TEXT, "openmetrics", "What to write: openmetrics, to standard output, or prometheus, blocks into the folder of --output.", false},
    [OUTPUT] = {"output", NV_FLAG_TEXT, "",            "Folder that gets the Prometheus blocks, made where it is missing.", false},
    [MATCH]  = {"match",  NV_FLAG_LIST, "",            "Selector of series, such as 'node_load1' or '{job=\"a\",device=~\"sd.*\"}'; all are written unless given.", false},
    [FROM]   = {"from",   NV_FLAG_TEXT, "",            "Time of the first sample, in Unix seconds or as 2026-11-20T10:00:00Z.", false},
    [TO]     = {"to",     NV_FLAG_TEXT, "",            "Time of the last sample, likewise.", false},
    {0},
};
// clang-format on

struct wanted {
    struct nv_selector *selectors;
    struct nv_export_selector views[SELECTORS_MAX];
    size_t n;
    struct nv_cli_progress progress;
};

static void wanted_done(struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->n; i++)
        nv_selector_done(&wanted->selectors[i]);
    free(wanted->selectors);
}

static int read_selectors(const struct nv_flag_value *value, struct wanted *wanted)
{
    char error[NV_SELECTOR_ERROR_MAX];

    if (value->n_list > SELECTORS_MAX)
        return nv_cli_fail("flag '--match' given more than %d times", SELECTORS_MAX);
    wanted->selectors = calloc(value->n_list + 1, sizeof(*wanted->selectors));
    if (!wanted->selectors)
        return nv_cli_fail("out of memory");
    for (size_t i = 0; i < value->n_list; i++) {
        struct nv_selector *selector = &wanted->selectors[i];
        int r = nv_selector_init(selector, value->list[i], error);
        if (r == -EINVAL)
            return nv_cli_fail("flag '--match': %s in '%.*s'", error, NV_ARGS(value->list[i]));
        if (r < 0)
            return nv_cli_fail("out of memory");
        wanted->views[i] = (struct nv_export_selector){selector->matchers, selector->n};
        wanted->n++;
    }
    return 0;
}

static int read_time(const struct nv_flag_value *value, const char *name, int64_t fallback,
                     int64_t *ret)
{
    *ret = fallback;
    if (!value->given || nv_cli_read_time(value->text, ret))
        return 0;
    return nv_cli_fail("flag '--%s': '%.*s' is no time, expected Unix seconds or "
                       "2026-11-20T10:00:00Z",
                       name, NV_ARGS(value->text));
}

static void export_progress(void *user, const struct nv_export_stats *stats)
{
    struct wanted *wanted = user;
    char samples[NV_CLI_TEXT_MAX], at[NV_CLI_TEXT_MAX];

    if (stats->blocks)
        nv_cli_progress_say(&wanted->progress, "%s samples in %llu blocks, up to %s",
                            nv_cli_count(samples, stats->samples),
                            (unsigned long long)stats->blocks, nv_cli_time(at, stats->at_ms));
    else
        nv_cli_progress_say(&wanted->progress, "%s samples of %llu series",
                            nv_cli_count(samples, stats->samples),
                            (unsigned long long)stats->series);
}

static const char *reason(int error)
{
    return error == -EBADMSG
               ? "a part of the store is damaged, `nodevitals tsdb verify` tells which"
               : strerror(-error);
}

/* What is whole was written; that something is not, is for the status to say. */
static int damage(struct nv_store *store)
{
    struct nv_store_stats stats;

    nv_store_stats(store, &stats);
    if (!stats.read_faults && !stats.corruptions)
        return 0;
    return nv_tsdb_fail("left out what is in damaged parts of the store, `nodevitals tsdb verify` "
                        "tells which");
}

static int export_text(const struct nv_export *export)
{
    struct nv_export_stats stats;

    int r = nv_export_openmetrics(export, stdout, &stats);
    nv_cli_progress_done(&((struct wanted *)export->user)->progress);
    if (r < 0)
        return nv_tsdb_fail("cannot export: %s", reason(r));
    if (stats.left_out)
        fprintf(stderr,
                "nodevitals: warning: left out %llu samples that are native histograms, which "
                "OpenMetrics 1.0 has no text for\n",
                (unsigned long long)stats.left_out);
    return 0;
}

static int export_blocks(const struct nv_export *export, const char *output)
{
    struct nv_export_stats stats;
    char samples[NV_CLI_TEXT_MAX];

    int r = nv_export_prometheus(export, output, &stats);
    nv_cli_progress_done(&((struct wanted *)export->user)->progress);
    if (r < 0)
        return nv_tsdb_fail("cannot export into %s: %s", output, reason(r));
    printf("Exported %s samples into %llu block%s in %s.\n", nv_cli_count(samples, stats.samples),
           (unsigned long long)stats.blocks, stats.blocks == 1 ? "" : "s", output);
    return 0;
}

static int export_store(const struct nv_tsdb *tsdb, struct nv_export *export, bool blocks)
{
    struct nv_store *store;

    if (nv_tsdb_open(tsdb, &store))
        return 1;
    export->from = nv_store_queryable(store);
    int status = blocks ? export_blocks(export, tsdb->values[OUTPUT].text.p) : export_text(export);
    if (status == 0)
        status = damage(store);
    nv_store_close(store);
    return status;
}

int nv_tsdb_export(const struct nv_tsdb *tsdb)
{
    const struct nv_flag_value *values = tsdb->values;
    bool blocks = nv_str_is(values[FORMAT].text, "prometheus");
    struct wanted wanted = {0};
    struct nv_export export = {
        .selectors = wanted.views, .progress = export_progress, .user = &wanted};

    if (!blocks && !nv_str_is(values[FORMAT].text, "openmetrics"))
        return nv_cli_fail("flag '--format' must be openmetrics or prometheus, got '%.*s'",
                           NV_ARGS(values[FORMAT].text));
    if (blocks != (values[OUTPUT].text.n > 0))
        return nv_cli_fail(blocks ? "flag '--output' is missing"
                                  : "flag '--output' is for --format=prometheus");
    nv_cli_progress_init(&wanted.progress);
    int status = read_selectors(&values[MATCH], &wanted);
    if (status == 0)
        status = read_time(&values[FROM], "from", INT64_MIN, &export.from_ms);
    if (status == 0)
        status = read_time(&values[TO], "to", INT64_MAX, &export.to_ms);
    if (status == 0 && export.from_ms > export.to_ms)
        status = nv_cli_fail("flag '--from' is after '--to'");
    export.n_selectors = wanted.n;
    if (status == 0)
        status = export_store(tsdb, &export, blocks);
    wanted_done(&wanted);
    return status;
}
