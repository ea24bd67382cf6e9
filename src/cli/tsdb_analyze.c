/*
 * tsdb_analyze.c - `nodevitals tsdb analyze`: what takes how many bytes, of blocks and of what only the log has.
 *
 * Families are metric names. Churn is seen by blocks: series that were not there in the first, or are not in the
 * last; the log counts as one. Bytes are those of columns; labels and indexes are the rest of a block.
 */
#include "cli/tsdb.h"

#include <errno.h>

#include "base/index.h"

enum { LIMIT };

// clang-format off
const struct nv_flag nv_tsdb_analyze_flags[] = {
    [LIMIT] = {"limit", NV_FLAG_INT, "20", "How many families and labels are told; 0 for all.", false},
    {0},
};
// clang-format on

enum { BLOCKS_MAX = 1 << 16, MEMORY_MAX = 1 << 30 };

/* Something that is counted under a name. */
struct entry {
    struct nv_str name;
    uint64_t columns, series, samples, bytes, values;
};

struct entries {
    struct entry *at;
    size_t n, room;
    struct nv_index index;
};

struct analysis {
    struct nv_arena texts;
    struct entries families, codecs, labels;
    struct entries seen_series, seen_values; /* by hash: names are empty */
    uint64_t columns, samples, bytes, file_bytes;
    uint64_t first, last; /* series of the first block, and of the last */
    bool is_first, is_last;
    uint64_t most; /* series of a block, at most */
    uint64_t log_samples, log_bytes;
};

static uint64_t entry_hash(uint32_t value, const void *entries)
{
    const struct entry *entry = (const struct entry *)entries + value;

    return nv_hash(entry->name.p, entry->name.n, 0);
}

/* The hash of what has no name is kept in `values`. */
static uint64_t seen_hash(uint32_t value, const void *entries)
{
    return ((const struct entry *)entries)[value].values;
}

static int grow(struct entries *entries)
{
    if (entries->n < entries->room)
        return 0;
    size_t room = entries->room ? entries->room * 2 : 64;
    struct entry *grown = realloc(entries->at, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    entries->at = grown;
    entries->room = room;
    return 0;
}

static int find(struct analysis *a, struct entries *entries, struct nv_str name, struct entry **ret)
{
    uint64_t hash = nv_hash(name.p, name.n, 0);
    uint32_t at = nv_index_first(&entries->index, hash), v;

    while (nv_index_next(&entries->index, hash, &at, &v)) {
        *ret = &entries->at[v];
        if (nv_str_eq((*ret)->name, name))
            return 0;
    }
    struct nv_str copy = nv_arena_str(&a->texts, name);
    if (!copy.p || grow(entries) < 0)
        return -ENOMEM;
    entries->at[entries->n] = (struct entry){.name = copy};
    int r = nv_index_add(&entries->index, hash, (uint32_t)entries->n, entry_hash, entries->at);
    if (r < 0)
        return r;
    *ret = &entries->at[entries->n++];
    return 0;
}

/* 1 where the hash was not seen yet. Two of equal hash count as one: it is for a table to read. */
static int is_new(struct entries *seen, uint64_t hash)
{
    uint32_t at = nv_index_first(&seen->index, hash), v;

    while (nv_index_next(&seen->index, hash, &at, &v))
        if (seen->at[v].values == hash)
            return 0;
    if (grow(seen) < 0)
        return -ENOMEM;
    seen->at[seen->n] = (struct entry){.values = hash};
    int r = nv_index_add(&seen->index, hash, (uint32_t)seen->n, seen_hash, seen->at);
    seen->n += r == 0;
    return r < 0 ? r : 1;
}

static void add(struct entry *entry, uint64_t bytes, uint64_t samples)
{
    entry->columns++;
    entry->bytes += bytes;
    entry->samples += samples;
}

/* Counts labels, and the values not seen before. Returns the hash of the series in *ret. */
static int count_labels(struct analysis *a, const struct nv_label *labels, size_t n, uint64_t *ret)
{
    uint64_t all = n;

    for (size_t i = 0; i < n; i++) {
        uint64_t name = nv_hash(labels[i].name.p, labels[i].name.n, 0);
        uint64_t value = nv_hash(labels[i].value.p, labels[i].value.n, name);
        struct entry *entry;
        all = nv_hash(&value, sizeof(value), all);
        int r = find(a, &a->labels, labels[i].name, &entry);
        int fresh = r < 0 ? r : is_new(&a->seen_values, value);
        if (fresh < 0)
            return fresh;
        entry->values += (uint64_t)fresh;
        entry->columns++;
    }
    *ret = all;
    return 0;
}

static int each(void *user, uint32_t series, const struct nv_label *labels, size_t n_labels,
                const char *codec, uint64_t bytes, uint64_t samples)
{
    struct analysis *a = user;
    struct entry *family, *by_codec;
    uint64_t hash = 0;

    (void)series;
    int r = find(a, &a->families, nv_label_value(labels, n_labels, NV_LIT("__name__")), &family);
    if (r == 0)
        r = find(a, &a->codecs, nv_str(codec), &by_codec);
    if (r == 0)
        r = count_labels(a, labels, n_labels, &hash);
    int fresh = r < 0 ? r : is_new(&a->seen_series, hash);
    if (fresh < 0)
        return fresh;
    add(family, bytes, samples);
    add(by_codec, bytes, samples);
    family->series += (uint64_t)fresh;
    a->columns++;
    a->bytes += bytes;
    a->samples += samples;
    a->first += a->is_first;
    a->last += a->is_last;
    return 0;
}

/* ---- out ------------------------------------------------------------------------------------ */

static int by_bytes(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : nv_str_cmp(x->name, y->name);
}

static int by_values(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return x->values != y->values ? (x->values < y->values ? 1 : -1) : nv_str_cmp(x->name, y->name);
}

static size_t limited(const struct entries *entries, int64_t limit)
{
    return limit > 0 && entries->n > (size_t)limit ? (size_t)limit : entries->n;
}

static void more(size_t shown, const struct entries *entries)
{
    if (shown < entries->n)
        printf("... and %zu more\n", entries->n - shown);
    putchar('\n');
}

static void number(struct nv_cli_table *table, uint64_t n)
{
    char text[NV_CLI_TEXT_MAX];

    nv_cli_cell(table, nv_cli_count(text, n));
}

static void print_bytes(struct entries *entries, const char *const *headers, bool series,
                        int64_t limit, uint64_t bytes)
{
    size_t shown = limited(entries, limit);
    char text[NV_CLI_TEXT_MAX];
    struct nv_cli_table table;

    if (entries->n)
        qsort(entries->at, entries->n, sizeof(*entries->at), by_bytes);
    nv_cli_table_init(&table, headers);
    for (size_t i = 0; i < shown; i++) {
        const struct entry *entry = &entries->at[i];
        nv_cli_cell_str(&table, entry->name);
        number(&table, series ? entry->series : entry->columns);
        number(&table, entry->samples);
        nv_cli_cell(&table, nv_cli_size(text, entry->bytes));
        snprintf(text, sizeof(text), "%.1f%%",
                 bytes ? 100 * (double)entry->bytes / (double)bytes : 0);
        nv_cli_cell(&table, text);
        nv_cli_cell(&table, nv_cli_ratio(text, entry->bytes, entry->samples));
    }
    nv_cli_table_print(&table, stdout);
    more(shown, entries);
}

static void print_labels(struct entries *labels, int64_t limit)
{
    static const char *const headers[] = {"LABEL", ">VALUES", NULL};
    size_t shown = limited(labels, limit);
    struct nv_cli_table table;

    if (labels->n)
        qsort(labels->at, labels->n, sizeof(*labels->at), by_values);
    nv_cli_table_init(&table, headers);
    for (size_t i = 0; i < shown; i++) {
        nv_cli_cell_str(&table, labels->at[i].name);
        number(&table, labels->at[i].values);
    }
    nv_cli_table_print(&table, stdout);
    if (shown < labels->n)
        printf("... and %zu more\n", labels->n - shown);
}

static void print_log(const struct analysis *a)
{
    char samples[NV_CLI_TEXT_MAX], size[NV_CLI_TEXT_MAX], ratio[NV_CLI_TEXT_MAX];

    if (a->log_samples)
        printf("Log      %s: %s samples that no block has yet, %s bytes each\n",
               nv_cli_size(size, a->log_bytes), nv_cli_count(samples, a->log_samples),
               nv_cli_ratio(ratio, a->log_bytes, a->log_samples));
}

static void print_summary(const struct analysis *a, size_t n_blocks)
{
    char series[NV_CLI_TEXT_MAX], most[NV_CLI_TEXT_MAX], samples[NV_CLI_TEXT_MAX],
        size[NV_CLI_TEXT_MAX], columns[NV_CLI_TEXT_MAX], ratio[NV_CLI_TEXT_MAX],
        came[NV_CLI_TEXT_MAX], went[NV_CLI_TEXT_MAX];

    printf("Blocks   %zu: %s; columns %s, before short ones are packed\n", n_blocks,
           nv_cli_size(size, a->file_bytes), nv_cli_size(columns, a->bytes));
    printf("Samples  %s: %s bytes each\n", nv_cli_count(samples, a->samples - a->log_samples),
           nv_cli_ratio(ratio, a->file_bytes, a->samples - a->log_samples));
    print_log(a);
    printf("Series   %s, at most %s in a block\n", nv_cli_count(series, a->seen_series.n),
           nv_cli_count(most, a->most));
    printf("Churn    %s came after the first block, %s were gone before the last\n\n",
           nv_cli_count(came, a->seen_series.n - a->first),
           nv_cli_count(went, a->seen_series.n - a->last));
}

static void print_all(struct analysis *a, size_t n_blocks, int64_t limit)
{
    static const char *const families[] = {"FAMILY", ">SERIES",   ">SAMPLES", ">SIZE",
                                           ">SHARE", ">B/SAMPLE", NULL};
    static const char *const codecs[] = {"CODEC",  ">COLUMNS",  ">SAMPLES", ">SIZE",
                                         ">SHARE", ">B/SAMPLE", NULL};

    print_summary(a, n_blocks);
    print_bytes(&a->families, families, true, limit, a->bytes);
    print_bytes(&a->codecs, codecs, false, 0, a->bytes);
    print_labels(&a->labels, limit);
}

static void entries_done(struct entries *entries)
{
    free(entries->at);
    nv_index_done(&entries->index);
}

/* What only the log has counts like one more block, the last; its columns as a block would have them. */
static int analyze_log(struct analysis *a, struct nv_store *store)
{
    uint64_t columns = a->columns, samples = a->samples;
    struct nv_store_stats stats;

    nv_store_stats(store, &stats);
    if (!stats.series)
        return 0;
    a->is_first = a->first == 0;
    a->is_last = true;
    a->last = 0;
    int r = nv_store_analyze_memory(store, each, a);
    a->log_samples = a->samples - samples;
    a->log_bytes = stats.log_bytes;
    if (a->columns - columns > a->most)
        a->most = a->columns - columns;
    return r;
}

static int analyze(struct nv_store *store, struct nv_block *const *blocks, size_t n, int64_t limit)
{
    struct analysis a = {.texts = NV_ARENA(MEMORY_MAX)};
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        const struct nv_block_info *info = nv_block_info(blocks[i]);
        a.is_first = i == 0;
        a.is_last = i + 1 == n;
        a.file_bytes += info->bytes;
        a.most = info->n_series > a.most ? info->n_series : a.most;
        r = nv_block_analyze(blocks[i], each, &a);
        if (r < 0)
            nv_tsdb_fail("cannot read %s: %s", info->name, strerror(-r));
    }
    if (r == 0)
        r = analyze_log(&a, store);
    if (r == 0 && a.samples)
        print_all(&a, n, limit);
    else if (r == 0)
        puts("No blocks, and nothing in the log.");
    entries_done(&a.families);
    entries_done(&a.codecs);
    entries_done(&a.labels);
    entries_done(&a.seen_series);
    entries_done(&a.seen_values);
    nv_arena_done(&a.texts);
    return r < 0 ? 1 : 0;
}

int nv_tsdb_analyze(const struct nv_tsdb *tsdb)
{
    NV_AUTO_FREE struct nv_block **blocks = calloc(BLOCKS_MAX, sizeof(*blocks));
    struct nv_store *store;

    if (!blocks)
        return nv_cli_fail("out of memory");
    if (nv_tsdb_open(tsdb, &store))
        return 1;
    int status = analyze(store, blocks, nv_store_blocks(store, blocks, BLOCKS_MAX),
                         tsdb->values[LIMIT].number);
    nv_store_close(store);
    return status;
}
