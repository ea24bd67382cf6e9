/*
 * prom_index.c - the index of a Prometheus block, version 2.
 *
 *   head      BE32 0xbaaad700, byte 2
 *   symbols   BE32 length, BE32 count, strings (uvarint length, bytes) by bytes, CRC32C
 *   series    each at a multiple of 16, which is its number: uvarint length, body, CRC32C. Body: uvarint labels, per
 *             label uvarint symbols of name and value; uvarint chunks; the first as varint from, uvarint to - from,
 *             uvarint reference, later ones as uvarint from - to before, uvarint to - from, varint reference -
 *             reference before
 *   postings  each at a multiple of 4: BE32 length, BE32 count, BE32 series; CRC32C. First that of all series,
 *             under ("", ""), then by name and value
 *   table     BE32 length, BE32 count, per list: 2, name, value, uvarint offset; CRC32C
 *   contents  BE64 offsets of symbols, series, (no label indexes: end of series), table, postings, table; CRC32C
 */
#include "tsdb/prom_file.h"

#include <errno.h>

#include "base/assert.h"
#include "base/index.h"
#include "tsdb/codec.h"

enum { HEAD = 5, SERIES_ALIGN = 16, POSTINGS_ALIGN = 4, BODY_MAX = 1 << 30 };

#define MAGIC UINT32_C(0xbaaad700)

struct pair { /* one label of one series */
    uint32_t name, value, series;
};

struct list { /* a run of pairs with the same name and value */
    size_t first;
    uint64_t at;
};

struct writer {
    struct nv_prom_file *file;
    const struct nv_prom_series *series;
    size_t n;
    const struct nv_prom_chunk_place *chunks;
    struct nv_str *symbols; /* at first as found, then sorted */
    size_t n_symbols, room_symbols;
    struct nv_index index;
    uint32_t *numbers; /* of the series, rising */
    struct pair *pairs;
    size_t n_pairs;
    struct list *lists;
    size_t n_lists;
    uint64_t symbols_at, series_at, series_end, postings_at, table_at, all_at;
    struct nv_buf body;
};

/* ---- symbols -------------------------------------------------------------------------------- */

static uint64_t symbol_hash(uint32_t value, const void *symbols)
{
    struct nv_str s = ((const struct nv_str *)symbols)[value];

    return nv_hash(s.p, s.n, 0);
}

static int note_symbol(struct writer *w, struct nv_str s)
{
    uint64_t hash = nv_hash(s.p, s.n, 0);
    uint32_t at = nv_index_first(&w->index, hash), v;

    while (nv_index_next(&w->index, hash, &at, &v))
        if (nv_str_eq(w->symbols[v], s))
            return 0;
    if (w->n_symbols == w->room_symbols) {
        size_t room = w->room_symbols ? w->room_symbols * 2 : 1024;
        struct nv_str *grown = realloc(w->symbols, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        w->symbols = grown;
        w->room_symbols = room;
    }
    w->symbols[w->n_symbols] = s;
    int r = nv_index_add(&w->index, hash, (uint32_t)w->n_symbols, symbol_hash, w->symbols);
    w->n_symbols += r == 0;
    return r;
}

static int by_bytes(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

static int collect_symbols(struct writer *w)
{
    for (size_t i = 0; i < w->n; i++) {
        for (size_t k = 0; k < w->series[i].n_labels; k++) {
            int r = note_symbol(w, w->series[i].labels[k].name);
            if (r == 0)
                r = note_symbol(w, w->series[i].labels[k].value);
            if (r < 0)
                return r;
        }
    }
    nv_index_done(&w->index);
    w->index = (struct nv_index){0};
    if (w->n_symbols)
        qsort(w->symbols, w->n_symbols, sizeof(*w->symbols), by_bytes);
    for (size_t i = 0; i < w->n_symbols; i++) {
        int r = nv_index_add(&w->index, nv_hash(w->symbols[i].p, w->symbols[i].n, 0), (uint32_t)i,
                             symbol_hash, w->symbols);
        if (r < 0)
            return r;
    }
    return 0;
}

static uint32_t symbol_of(const struct writer *w, struct nv_str s)
{
    uint64_t hash = nv_hash(s.p, s.n, 0);
    uint32_t at = nv_index_first(&w->index, hash), v = 0;

    while (nv_index_next(&w->index, hash, &at, &v))
        if (nv_str_eq(w->symbols[v], s))
            return v;
    nv_assert(!"a symbol that was not noted");
    return 0;
}

static int write_symbols(struct writer *w)
{
    uint64_t length = 4;

    for (size_t i = 0; i < w->n_symbols; i++) {
        size_t n = w->symbols[i].n;
        length += n + 1;
        for (; n > 0x7f; n >>= 7)
            length++;
    }
    if (length > UINT32_MAX)
        return -EFBIG;
    w->symbols_at = w->file->at;
    nv_prom_file_be32(w->file, (uint32_t)length);
    nv_prom_file_mark(w->file);
    nv_prom_file_be32(w->file, (uint32_t)w->n_symbols);
    for (size_t i = 0; i < w->n_symbols; i++)
        nv_prom_file_string(w->file, w->symbols[i]);
    nv_prom_file_crc(w->file);
    return 0;
}

/* ---- series --------------------------------------------------------------------------------- */

static void series_body(struct writer *w, const struct nv_prom_series *series)
{
    nv_buf_reset(&w->body);
    nv_put_uvarint(&w->body, series->n_labels);
    for (size_t i = 0; i < series->n_labels; i++) {
        nv_put_uvarint(&w->body, symbol_of(w, series->labels[i].name));
        nv_put_uvarint(&w->body, symbol_of(w, series->labels[i].value));
    }
    nv_put_uvarint(&w->body, series->n_chunks);
    for (size_t i = 0; i < series->n_chunks; i++) {
        const struct nv_prom_chunk_place *c = &w->chunks[series->first_chunk + i];
        uint64_t length = (uint64_t)c->to_ms - (uint64_t)c->from_ms;
        if (i == 0)
            nv_put_varint(&w->body, c->from_ms);
        else
            nv_put_uvarint(&w->body, (uint64_t)c->from_ms - (uint64_t)c[-1].to_ms);
        nv_put_uvarint(&w->body, length);
        if (i == 0)
            nv_put_uvarint(&w->body, c->ref);
        else
            nv_put_varint(&w->body, (int64_t)(c->ref - c[-1].ref));
    }
}

static int write_series(struct writer *w)
{
    w->series_at = w->file->at;
    for (size_t i = 0; i < w->n; i++) {
        series_body(w, &w->series[i]);
        if (w->body.failed)
            return w->body.failed;
        nv_prom_file_pad(w->file, SERIES_ALIGN);
        if (w->file->at / SERIES_ALIGN > UINT32_MAX)
            return -EFBIG;
        w->numbers[i] = (uint32_t)(w->file->at / SERIES_ALIGN);
        nv_prom_file_uvarint(w->file, w->body.n);
        nv_prom_file_mark(w->file);
        nv_prom_file_add(w->file, w->body.p, w->body.n);
        nv_prom_file_crc(w->file);
    }
    w->series_end = w->file->at;
    return 0;
}

/* ---- postings ------------------------------------------------------------------------------- */

static int by_pair(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->series > y->series) - (x->series < y->series);
}

static int collect_pairs(struct writer *w)
{
    size_t n = 0, k = 0;

    for (size_t i = 0; i < w->n; i++)
        n += w->series[i].n_labels;
    w->pairs = calloc(n + 1, sizeof(*w->pairs));
    w->lists = calloc(n + 1, sizeof(*w->lists));
    if (!w->pairs || !w->lists)
        return -ENOMEM;
    for (size_t i = 0; i < w->n; i++)
        for (size_t j = 0; j < w->series[i].n_labels; j++)
            w->pairs[k++] =
                (struct pair){symbol_of(w, w->series[i].labels[j].name),
                              symbol_of(w, w->series[i].labels[j].value), w->numbers[i]};
    w->n_pairs = n;
    qsort(w->pairs, n, sizeof(*w->pairs), by_pair);
    return 0;
}

static uint64_t begin_list(struct writer *w, size_t n)
{
    nv_prom_file_pad(w->file, POSTINGS_ALIGN);
    uint64_t at = w->file->at;
    nv_prom_file_be32(w->file, (uint32_t)(4 + 4 * n));
    nv_prom_file_mark(w->file);
    nv_prom_file_be32(w->file, (uint32_t)n);
    return at;
}

static void write_postings(struct writer *w)
{
    w->postings_at = w->file->at;
    w->all_at = begin_list(w, w->n);
    for (size_t i = 0; i < w->n; i++)
        nv_prom_file_be32(w->file, w->numbers[i]);
    nv_prom_file_crc(w->file);
    for (size_t i = 0, end; i < w->n_pairs; i = end) {
        for (end = i + 1; end < w->n_pairs && w->pairs[end].name == w->pairs[i].name &&
                          w->pairs[end].value == w->pairs[i].value;)
            end++;
        w->lists[w->n_lists++] = (struct list){i, begin_list(w, end - i)};
        for (size_t k = i; k < end; k++)
            nv_prom_file_be32(w->file, w->pairs[k].series);
        nv_prom_file_crc(w->file);
    }
}

static void table_entry(struct nv_buf *out, struct nv_str name, struct nv_str value, uint64_t at)
{
    nv_put_uvarint(out, 2);
    nv_put_uvarint(out, name.n);
    nv_buf_str(out, name);
    nv_put_uvarint(out, value.n);
    nv_buf_str(out, value);
    nv_put_uvarint(out, at);
}

static int write_table(struct writer *w)
{
    const struct nv_str none = {"", 0};

    nv_buf_reset(&w->body);
    table_entry(&w->body, none, none, w->all_at);
    for (size_t i = 0; i < w->n_lists; i++) {
        const struct pair *pair = &w->pairs[w->lists[i].first];
        table_entry(&w->body, w->symbols[pair->name], w->symbols[pair->value], w->lists[i].at);
    }
    if (w->body.failed)
        return w->body.failed;
    w->table_at = w->file->at;
    nv_prom_file_be32(w->file, (uint32_t)(4 + w->body.n));
    nv_prom_file_mark(w->file);
    nv_prom_file_be32(w->file, (uint32_t)(1 + w->n_lists));
    nv_prom_file_add(w->file, w->body.p, w->body.n);
    nv_prom_file_crc(w->file);
    return 0;
}

static void write_contents(struct writer *w)
{
    const uint64_t offsets[] = {w->symbols_at, w->series_at,   w->series_end,
                                w->table_at,   w->postings_at, w->table_at};

    nv_prom_file_mark(w->file);
    for (size_t i = 0; i < NV_LEN(offsets); i++)
        nv_prom_file_be64(w->file, offsets[i]);
    nv_prom_file_crc(w->file);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int write_parts(struct writer *w)
{
    nv_prom_file_be32(w->file, MAGIC);
    nv_prom_file_add(w->file, "\2", 1);
    int r = collect_symbols(w);
    if (r == 0)
        r = write_symbols(w);
    if (r == 0)
        r = write_series(w);
    if (r == 0)
        r = collect_pairs(w);
    if (r < 0)
        return r;
    write_postings(w);
    r = write_table(w);
    if (r == 0)
        write_contents(w);
    return r;
}

static void writer_done(struct writer *w)
{
    free(w->file);
    free(w->symbols);
    free(w->numbers);
    free(w->pairs);
    free(w->lists);
    nv_index_done(&w->index);
    nv_buf_done(&w->body);
}

int nv_prom_index_write(int dir, const struct nv_prom_series *series, size_t n,
                        const struct nv_prom_chunk_place *chunks)
{
    struct writer w = {
        .file = malloc(sizeof(*w.file)),
        .series = series,
        .n = n,
        .chunks = chunks,
        .numbers = calloc(n + 1, sizeof(*w.numbers)),
        .body = NV_BUF(BODY_MAX),
    };
    int r = w.file && w.numbers ? 0 : -ENOMEM;

    if (r == 0) {
        nv_prom_file_create(w.file, dir, "index");
        r = write_parts(&w);
        int closed = nv_prom_file_close(w.file);
        r = r < 0 ? r : closed;
    }
    writer_done(&w);
    return r;
}
