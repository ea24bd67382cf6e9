/*
 * prom_block.c - what a queryable holds as blocks of a Prometheus data directory.
 *
 *   <ULID>/meta.json, index, tombstones, chunks/000001 ...   one block for each two hours that have samples
 *   wal/                                                      empty; older promtools look for it
 *
 *   chunks      BE32 0x85bd40dd, byte 1, three zeros; records: uvarint length of the data, encoding byte, data, CRC32C of
 *               both. A reference is (file number from 0) << 32 | offset of the record; at most 512 MiB a file
 *   tombstones  BE32 0x0130ba30, byte 1, CRC32C of nothing
 *   commit      a block is written as <ULID>.tmp-for-creation, synced, renamed; Prometheus removes leftovers
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tsdb/export.h"
#include "tsdb/fs.h"
#include "tsdb/prom_chunk.h"
#include "tsdb/prom_file.h"

#define BLOCK_MS         INT64_C(7200000)
#define CHUNKS_MAGIC     UINT32_C(0x85bd40dd)
#define TOMBSTONES_MAGIC UINT32_C(0x0130ba30)

enum { ULID_LENGTH = 26, CHUNK_MAX = 64 << 20, SEGMENT_MAX = 512 << 20, NAME_ROOM = 64 };

/* One block in the making. */
struct block {
    int parent, dir, chunks_dir;
    char ulid[ULID_LENGTH + 1];
    struct nv_prom_file *segment; /* fd < 0: none open */
    uint32_t n_segments;
    struct nv_prom_series *series;
    size_t n_series;
    struct nv_prom_chunk_place *chunks;
    size_t n_chunks, room_chunks;
    struct nv_buf chunk;
    uint64_t n_floats, n_histograms;
    int64_t from_ms, to_ms; /* of samples */
};

/* ---- names ---------------------------------------------------------------------------------- */

/* 48 bits of time and 80 of chance, in Crockford's base 32. */
static int make_ulid(char out[ULID_LENGTH + 1])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned char bytes[16];
    uint64_t now_ms = (uint64_t)nv_wall_ms();

    for (size_t i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(now_ms >> (40 - 8 * i));
    if (getrandom(bytes + 6, sizeof(bytes) - 6, 0) != (ssize_t)sizeof(bytes) - 6)
        return -EIO;
    unsigned __int128 value = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        value = value << 8 | bytes[i];
    for (size_t i = ULID_LENGTH; i-- > 0; value >>= 5)
        out[i] = digits[(unsigned)value & 31];
    out[ULID_LENGTH] = '\0';
    return 0;
}

static void temporary_name(const struct block *b, char out[NAME_ROOM])
{
    snprintf(out, NAME_ROOM, "%s.tmp-for-creation", b->ulid);
}

static int make_dir(int parent, const char *name, int *ret)
{
    if (mkdirat(parent, name, 0755) < 0)
        return -errno;
    *ret = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? -errno : 0;
}

static int begin_block(struct block *b)
{
    char name[NAME_ROOM];

    int r = make_ulid(b->ulid);
    if (r < 0)
        return r;
    temporary_name(b, name);
    r = make_dir(b->parent, name, &b->dir);
    return r < 0 ? r : make_dir(b->dir, "chunks", &b->chunks_dir);
}

/* ---- chunks --------------------------------------------------------------------------------- */

static int close_segment(struct block *b)
{
    return b->segment->fd < 0 ? 0 : nv_prom_file_close(b->segment);
}

static int open_segment(struct block *b)
{
    char name[NAME_ROOM];

    int r = close_segment(b);
    if (r < 0)
        return r;
    snprintf(name, sizeof(name), "%06u", ++b->n_segments);
    nv_prom_file_create(b->segment, b->chunks_dir, name);
    nv_prom_file_be32(b->segment, CHUNKS_MAGIC);
    nv_prom_file_add(b->segment, "\1\0\0\0", 4);
    return b->segment->error;
}

/* Writes b->chunk. */
static int write_chunk(struct block *b, uint64_t *ret_ref)
{
    if (b->chunk.failed)
        return b->chunk.failed;
    if (b->segment->fd < 0 || b->segment->at + b->chunk.n + 16 > SEGMENT_MAX) {
        int r = open_segment(b);
        if (r < 0)
            return r;
    }
    *ret_ref = (uint64_t)(b->n_segments - 1) << 32 | b->segment->at;
    nv_prom_file_uvarint(b->segment, b->chunk.n - 1);
    nv_prom_file_mark(b->segment);
    nv_prom_file_add(b->segment, b->chunk.p, b->chunk.n);
    nv_prom_file_crc(b->segment);
    return b->segment->error;
}

static int note_chunk(struct block *b, const struct nv_prom_chunk_place *place)
{
    if (b->n_chunks == b->room_chunks) {
        size_t room = b->room_chunks ? b->room_chunks * 2 : 1024;
        struct nv_prom_chunk_place *grown = realloc(b->chunks, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        b->chunks = grown;
        b->room_chunks = room;
    }
    b->chunks[b->n_chunks++] = *place;
    return 0;
}

static void count_samples(struct block *b, const struct nv_samples *samples)
{
    for (size_t i = 0; i < samples->n; i++) {
        bool histogram = samples->histograms && samples->histograms[i];
        b->n_histograms += histogram;
        b->n_floats += !histogram;
    }
    if (samples->times[0] < b->from_ms)
        b->from_ms = samples->times[0];
    if (samples->times[samples->n - 1] > b->to_ms)
        b->to_ms = samples->times[samples->n - 1];
}

static int add_series(struct block *b, const struct nv_selected *series,
                      const struct nv_samples *samples)
{
    struct nv_prom_series *as = &b->series[b->n_series++];

    *as = (struct nv_prom_series){series->labels, series->n_labels, b->n_chunks, 0};
    count_samples(b, samples);
    for (size_t i = 0, n; i < samples->n; i += n, as->n_chunks++) {
        struct nv_prom_chunk_place place = {.from_ms = samples->times[i]};
        nv_buf_reset(&b->chunk);
        n = nv_prom_chunk(samples, i, &b->chunk);
        place.to_ms = samples->times[i + n - 1];
        int r = write_chunk(b, &place.ref);
        if (r == 0)
            r = note_chunk(b, &place);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the small files ------------------------------------------------------------------------ */

static int write_tombstones(const struct block *b)
{
    NV_AUTO_FREE struct nv_prom_file *file = malloc(sizeof(*file));

    if (!file)
        return -ENOMEM;
    nv_prom_file_create(file, b->dir, "tombstones");
    nv_prom_file_be32(file, TOMBSTONES_MAGIC);
    nv_prom_file_add(file, "\1", 1);
    nv_prom_file_mark(file);
    nv_prom_file_crc(file);
    return nv_prom_file_close(file);
}

static int write_meta(const struct block *b)
{
    NV_AUTO_FREE struct nv_prom_file *file = malloc(sizeof(*file));
    char text[1024];

    if (!file)
        return -ENOMEM;
    int n = snprintf(
        text, sizeof(text),
        "{\"ulid\":\"%s\",\"minTime\":%lld,\"maxTime\":%lld,\"stats\":{\"numSamples\":%llu,"
        "\"numFloatSamples\":%llu,\"numHistogramSamples\":%llu,\"numSeries\":%zu,"
        "\"numChunks\":%zu},\"compaction\":{\"level\":1,\"sources\":[\"%s\"]},"
        "\"version\":1}\n",
        b->ulid, (long long)b->from_ms, (long long)b->to_ms + 1,
        (unsigned long long)(b->n_floats + b->n_histograms), (unsigned long long)b->n_floats,
        (unsigned long long)b->n_histograms, b->n_series, b->n_chunks, b->ulid);
    nv_prom_file_create(file, b->dir, "meta.json");
    nv_prom_file_add(file, text, (size_t)n);
    return nv_prom_file_close(file);
}

/* ---- a block -------------------------------------------------------------------------------- */

static int sync_dir(int dir)
{
    return fsync(dir) < 0 ? -errno : 0;
}

static int commit(struct block *b)
{
    char name[NAME_ROOM];

    temporary_name(b, name);
    int r = close_segment(b);
    if (r == 0)
        r = nv_prom_index_write(b->dir, b->series, b->n_series, b->chunks);
    if (r == 0)
        r = write_tombstones(b);
    if (r == 0)
        r = write_meta(b);
    if (r == 0)
        r = sync_dir(b->chunks_dir);
    if (r == 0)
        r = sync_dir(b->dir);
    if (r == 0 && renameat(b->parent, name, b->parent, b->ulid) < 0)
        r = -errno;
    return r < 0 ? r : sync_dir(b->parent);
}

/* Removes what stands of a block that failed. */
static void abandon(struct block *b)
{
    static const char *const files[] = {"index", "tombstones", "meta.json"};
    char name[NAME_ROOM];

    if (b->dir < 0)
        return;
    for (uint32_t i = 1; i <= b->n_segments; i++) {
        snprintf(name, sizeof(name), "%06u", i);
        unlinkat(b->chunks_dir, name, 0);
    }
    for (size_t i = 0; i < NV_LEN(files); i++)
        unlinkat(b->dir, files[i], 0);
    unlinkat(b->dir, "chunks", AT_REMOVEDIR);
    temporary_name(b, name);
    unlinkat(b->parent, name, AT_REMOVEDIR);
}

static void block_done(struct block *b)
{
    if (b->segment && b->segment->fd >= 0)
        close(b->segment->fd);
    if (b->dir >= 0)
        close(b->dir);
    if (b->chunks_dir >= 0)
        close(b->chunks_dir);
    free(b->segment);
    free(b->series);
    free(b->chunks);
    nv_buf_done(&b->chunk);
}

/* A queryable leaves out a staleness marker that nothing goes before in its range, so each block is read from one
 * block earlier on. These samples were in the block before. */
static void drop_before(struct nv_samples *samples, int64_t from_ms)
{
    size_t n = 0;

    while (n < samples->n && samples->times[n] < from_ms)
        n++;
    if (!n)
        return;
    samples->n -= n;
    memmove(samples->times, samples->times + n, samples->n * sizeof(*samples->times));
    memmove(samples->values, samples->values + n, samples->n * sizeof(*samples->values));
    if (samples->histograms)
        memmove(samples->histograms, samples->histograms + n,
                samples->n * sizeof(*samples->histograms));
}

/* Writes the series that have samples; begins the block with the first. */
static int fill_block(struct block *b, const struct nv_picks *picks, int64_t from_ms,
                      struct nv_samples *samples, struct nv_export_stats *stats)
{
    for (size_t i = 0; i < picks->n; i++) {
        int r = nv_picked_read(picks, i, samples);
        if (r == -EBADMSG) {
            stats->damaged++;
            continue;
        }
        drop_before(samples, from_ms);
        if (r == 0 && samples->n && b->dir < 0)
            r = begin_block(b);
        if (r == 0 && samples->n)
            r = add_series(b, nv_picked(picks, i), samples);
        if (r < 0)
            return r;
    }
    return 0;
}

static void count_block(const struct block *b, struct nv_export_stats *stats)
{
    stats->blocks++;
    stats->samples += b->n_floats + b->n_histograms;
    if (stats->series < b->n_series)
        stats->series = b->n_series; /* of the block that has most */
}

static int write_block(int parent, const struct nv_picks *picks, int64_t from_ms,
                       struct nv_samples *samples, struct nv_export_stats *stats)
{
    struct block b = {
        .parent = parent,
        .dir = -1,
        .chunks_dir = -1,
        .segment = malloc(sizeof(*b.segment)),
        .series = calloc(picks->n + 1, sizeof(*b.series)),
        .chunk = NV_BUF(CHUNK_MAX),
        .from_ms = INT64_MAX,
        .to_ms = INT64_MIN,
    };
    int r = b.segment && b.series ? 0 : -ENOMEM;

    if (b.segment)
        b.segment->fd = -1;
    if (r == 0)
        r = fill_block(&b, picks, from_ms, samples, stats);
    if (r == 0 && b.n_series)
        r = commit(&b);
    if (r < 0)
        abandon(&b);
    else if (b.n_series)
        count_block(&b, stats);
    block_done(&b);
    return r;
}

/* ---- all blocks ----------------------------------------------------------------------------- */

/* The last millisecond of the two hours that a time is in. */
static int64_t block_end(int64_t time_ms)
{
    int64_t into = time_ms % BLOCK_MS, end;

    if (into < 0)
        into += BLOCK_MS;
    return __builtin_add_overflow(time_ms, BLOCK_MS - 1 - into, &end) ? INT64_MAX : end;
}

static int write_blocks(const struct nv_export *export, int parent, struct nv_samples *samples,
                        struct nv_export_stats *stats)
{
    int64_t from_ms, to_ms;

    if (!nv_export_range(export, &from_ms, &to_ms))
        return 0;
    for (bool last = false; !last;) {
        int64_t end_ms = block_end(from_ms), earlier_ms;
        struct nv_picks picks;
        last = end_ms >= to_ms;
        if (__builtin_sub_overflow(from_ms, BLOCK_MS, &earlier_ms))
            earlier_ms = INT64_MIN;
        int r = nv_export_pick(export, earlier_ms, last ? to_ms : end_ms, &picks);
        if (r < 0)
            return r;
        if (picks.n)
            r = write_block(parent, &picks, from_ms, samples, stats);
        nv_picks_done(&picks);
        if (r < 0)
            return r;
        stats->at_ms = last ? to_ms : end_ms;
        if (export->progress)
            export->progress(export->user, stats);
        from_ms = last ? to_ms : end_ms + 1;
    }
    return 0;
}

/* Opens the folder, which is made where it is missing. */
static int open_parent(const char *path, int *ret)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return -errno;
    NV_AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || (mkdirat(dir, "wal", 0755) < 0 && errno != EEXIST))
        return -errno;
    *ret = nv_take_fd(&dir);
    return 0;
}

int nv_export_prometheus(const struct nv_export *export, const char *path,
                         struct nv_export_stats *ret)
{
    struct nv_samples samples = {.histogram_memory = NV_ARENA(SIZE_MAX)};
    NV_AUTO_FD parent = -1;

    *ret = (struct nv_export_stats){0};
    int r = open_parent(path, &parent);
    if (r == 0)
        r = write_blocks(export, parent, &samples, ret);
    nv_samples_done(&samples);
    return r;
}
