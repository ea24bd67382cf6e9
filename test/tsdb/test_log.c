/*
 * test_log.c - the log: small, read back whatever happened to it, and never believed where it is damaged; and a process
 * that is killed loses nothing it was told was written.
 */
#include <signal.h>
#include <sys/wait.h>

#include "store_model.h"
#include "tsdb/log.h"
#include "tsdb/log_record.h"

/* ---- size ----------------------------------------------------------------------------------- */

enum { SERIES = 600, HOUR = 3600 };

/* As a node does: most never change, many count slowly or steadily, some are decimals, few are random. */
static double change(struct model *m, size_t i, double value)
{
    switch (i % 40) {
    case 0:
    case 1:
    case 2:
    case 3:
        return value + (double)(model_random(m) % 3);
    case 4:
    case 5:
        return value + (double)(model_random(m) % 2000);
    case 6:
        return (double)(model_random(m) % 4000000) * 1e-3;
    case 7:
    case 8:
        return (double)((int64_t)(value * 100 + 0.5) + (int64_t)(model_random(m) % 3)) / 100;
    case 9:
        return i < 200 ? (double)model_random(m) * 1e-9 : value;
    case 10:
        return value + 4096 * (double)(model_random(m) % 5);
    default:
        return value;
    }
}

struct wide {
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    struct nv_layout *layout;
    double values[SERIES];
};

static void wide_begin(struct wide *w)
{
    *w = (struct wide){.registry = nv_registry_new(), .pool = nv_frame_pool_new()};
    uint32_t section = nv_registry_add_section(w->registry), column;
    struct nv_label target[] = {
        {NV_LIT("instance"), NV_LIT("host.example.org:9100")},
        {NV_LIT("job"),      NV_LIT("node-exporter")        }
    };

    ck_assert_int_eq(nv_registry_set_target(w->registry, section, target, 2), 0);
    for (size_t i = 0; i < SERIES; i++) {
        char name[48], device[32];
        snprintf(name, sizeof(name), "node_example_family_%zu_total", i / 8);
        snprintf(device, sizeof(device), "device%zu", i % 8);
        struct nv_str values[] = {nv_str(device)};
        struct nv_series_def def = {.name = name,
                                    .suffix = "",
                                    .help = "Help.",
                                    .type = NV_COUNTER,
                                    .label_names = NV_LABELS("device"),
                                    .label_values = values,
                                    .section = section};
        ck_assert_int_eq(nv_registry_add(w->registry, &def, &column), 0);
    }
    w->layout = nv_registry_layout(w->registry);
}

static void wide_append(struct wide *w, struct model *m, struct nv_store *store, uint32_t source)
{
    struct nv_frame *frame = nv_frame_new(w->pool, w->layout, m->now_ms += 1000);

    nv_bit_set(frame->observed, 0);
    for (size_t i = 0; i < SERIES; i++) {
        nv_bit_set(frame->present, i);
        frame->values[i] = w->values[i] = change(m, i, w->values[i]);
    }
    ck_assert_int_eq(nv_store_append(store, source, frame), 0);
    nv_frame_unref(frame);
}

static void wide_end(struct wide *w)
{
    nv_layout_unref(w->layout);
    nv_registry_free(w->registry);
    nv_frame_pool_free(w->pool);
}

/* Columns of many series: one record that is larger than all that may wait. */
START_TEST(what_is_larger_than_the_queue_is_written_all_the_same)
{
    enum { LARGE = NV_LOG_QUEUE_MAX + NV_LOG_QUEUE_MAX / 2 };
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_log *log;
    struct nv_log_stats stats;
    NV_AUTO_BUF record = NV_BUF(2 * LARGE);

    ck_assert_int_eq(nv_log_new(disk, 1, 1000, false, &log), 0);
    size_t at = nv_record_begin(&record, NV_RECORD_COLUMNS);
    for (size_t i = 0; i < LARGE / 8; i++)
        nv_buf_str(&record, NV_LIT("a column"));
    nv_record_end(&record, at);
    for (int i = 0; i < 2; i++) {
        uint64_t segment = nv_log_begin(log);
        nv_log_end(log, nv_buf_view(&record), 1);
        ck_assert_uint_eq(segment, nv_log_segment(log));
        ck_assert_int_eq(nv_log_flush(log, INT64_MAX), 0);
    }
    nv_log_stats(log, &stats);
    ck_assert_uint_eq(stats.dropped_frames, 0);
    ck_assert_uint_gt(stats.bytes, 2UL * LARGE);

    for (int i = 0; i < 3; i++) { /* and what waits is bounded nonetheless */
        nv_log_begin(log);
        nv_log_end(log, nv_buf_view(&record), 1);
    }
    nv_log_stats(log, &stats);
    ck_assert_uint_gt(stats.dropped_frames, 0);
    nv_log_free(log);
    model_disk_done(disk, ops);
}
END_TEST

START_TEST(an_hour_of_600_series_is_one_and_a_half_megabytes)
{
    const struct nv_store_options how = {.wal_sync_ms = 10000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_store_stats stats;
    struct model m = {.seed = 99, .now_ms = 1700000000000};
    struct wide w;
    wide_begin(&w);
    struct nv_store *store = model_open_with(&m, disk, &how);
    uint32_t source = model_source(store, "node");

    for (int i = 0; i < HOUR; i++) {
        wide_append(&w, &m, store, source);
        if (i % 16 == 0)
            ck_assert_int_ge(nv_store_maintain(store), 0);
    }
    ck_assert_int_eq(nv_store_flush(store), 0);
    nv_store_stats(store, &stats);
    ck_assert_uint_lt(stats.log_bytes, 1500000);
    nv_store_close(store);
    wide_end(&w);
    model_disk_done(disk, ops);
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------- */

enum { DAMAGED_STEPS = 30 };

/* A short log, the only file; its name. */
static void short_log(struct model *m, struct nv_fs *disk, char name[NV_LOG_NAME_MAX])
{
    model_begin(m, "a", 11, 6);
    struct nv_store *store = model_open(m, disk);
    uint32_t source = model_source(store, "node");
    uint64_t there = 0x2f;

    for (int i = 0; i < DAMAGED_STEPS; i++)
        model_step(m, store, source, &there);
    nv_store_close(store);
    nv_log_name(name, 1);
}

/* Whether what the store has is in the model: fewer samples are right, others are not. */
static void check_subset(const struct model *m, struct nv_store *store)
{
    struct nv_samples got = {0};

    for (size_t i = 0; i < m->n; i++) {
        const struct model_series *s = &m->series[i];
        size_t k = 0;
        model_read(store, "a", s->id, 0, INT64_MAX, &got);
        for (size_t at = 0; at < got.n; at++) {
            if (nv_is_stale(got.values[at]))
                continue; /* behind a gap it stands at the next row that is left */
            while (k < s->n && s->samples[k].time_ms < got.times[at])
                k++;
            ck_assert_msg(k < s->n && s->samples[k].time_ms == got.times[at] &&
                              model_bits(s->samples[k].value) == model_bits(got.values[at]),
                          "%s: %" PRId64 " %.17g was never appended", s->id, got.times[at],
                          got.values[at]);
        }
    }
    nv_samples_done(&got);
}

START_TEST(every_flipped_byte_is_noticed_or_makes_no_difference)
{
    static unsigned char bytes[1 << 16];
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    char name[NV_LOG_NAME_MAX];
    struct model m;
    size_t n, unnoticed = 0;
    short_log(&m, disk, name);
    unsigned char *p = nv_memory_fs_bytes(disk, name, &n);

    ck_assert_ptr_nonnull(p);
    ck_assert_uint_le(n, sizeof(bytes));
    memcpy(bytes, p, n);
    model_disk_done(disk, ops);
    for (size_t i = 0; i < n; i++) {
        NV_AUTO_BUF out = NV_BUF(1 << 16);
        struct nv_store_stats stats;
        disk = model_disk(&ops);
        bytes[i] ^= (unsigned char)(1U << i % 8);
        nv_memory_fs_put(disk, name, bytes, n);
        bytes[i] ^= (unsigned char)(1U << i % 8);
        int faults = nv_store_verify(disk, &out);
        struct nv_store *store = model_open(&m, disk);
        nv_store_stats(store, &stats);
        check_subset(&m, store);
        unnoticed += faults == 0 || stats.corruptions == 0;
        nv_store_close(store);
        model_disk_done(disk, ops);
    }
    /* The last record, where its length grew, looks as if writing had ended in it. */
    ck_assert_uint_le(unnoticed, 4);
    model_end(&m);
}
END_TEST

/* As if nobody had changed it. */
static void sign_record(unsigned char *record, size_t size)
{
    uint32_t crc = nv_crc32c(0, record + 2, 5);

    crc = nv_crc32c(crc, record + NV_RECORD_HEAD, size - NV_RECORD_HEAD);
    for (int i = 0; i < 4; i++)
        record[7 + i] = (unsigned char)(crc >> 8 * i);
}

/* Checksums alone say nothing of what they cover. */
START_TEST(what_lies_under_a_good_checksum_is_named)
{
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    char name[NV_LOG_NAME_MAX];
    struct model m;
    size_t n, size, named = 0, tried = 0;
    enum nv_record_type type;
    struct nv_str body;
    short_log(&m, disk, name);
    unsigned char *p = nv_memory_fs_bytes(disk, name, &n);

    model_verify(disk);
    for (size_t at = NV_SEGMENT_HEAD; at < n; at += size) {
        struct nv_str rest = {(const char *)p + at, n - at};
        ck_assert_int_eq(nv_record_get(rest, &type, &body, &size), 0);
        for (size_t i = NV_RECORD_HEAD; i < size && i < NV_RECORD_HEAD + 24; i++, tried++) {
            NV_AUTO_BUF out = NV_BUF(1 << 16);
            p[at + i] ^= 0x41;
            sign_record(p + at, size);
            int faults = nv_store_verify(disk, &out);
            ck_assert_int_ge(faults, 0);
            named += faults > 0;
            if (faults)
                ck_assert_ptr_nonnull(strstr(nv_buf_c_string(&out), name));
            p[at + i] ^= 0x41;
            sign_record(p + at, size);
        }
    }
    ck_assert_uint_gt(named, tried / 4); /* the rest are other values, as good as these */
    model_verify(disk);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

START_TEST(a_log_cut_at_any_byte_keeps_all_whole_records)
{
    static unsigned char bytes[1 << 16];
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    char name[NV_LOG_NAME_MAX];
    struct model m;
    int64_t before = INT64_MIN;
    size_t n;
    short_log(&m, disk, name);
    unsigned char *p = nv_memory_fs_bytes(disk, name, &n);

    memcpy(bytes, p, n);
    model_disk_done(disk, ops);
    for (size_t i = 0; i <= n; i++) {
        struct nv_store_stats stats;
        int64_t from, to;
        disk = model_disk(&ops);
        nv_memory_fs_put(disk, name, bytes, i);
        model_verify(disk);
        struct nv_store *store = model_open(&m, disk);
        nv_store_stats(store, &stats);
        ck_assert_uint_eq(stats.corruptions, 0);
        check_subset(&m, store);
        nv_store_queryable(store)->range(store, &from, &to);
        ck_assert_int_ge(to, before);
        before = to;
        nv_store_close(store);
        model_disk_done(disk, ops);
    }
    ck_assert_int_eq(before, m.now_ms);
    model_end(&m);
}
END_TEST

/* ---- kill ----------------------------------------------------------------------------------- */

/* Appends until it is killed, and tells the time of each frame once it is acknowledged. */
static void append_forever(const char *path, struct model *m, int out)
{
    struct nv_store_options options = {.block_ms = 20000,
                                       .wal_sync_ms = 1000,
                                       .thin = {{300000, 15000}},
                                       .retention_bytes = 4 << 20,
                                       .threads = true,
                                       .now_ms = model_now,
                                       .now_user = m};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    if (nv_fs_open(path, &options.fs) < 0 || nv_store_open(&options, &store, error) < 0)
        _exit(3);
    uint32_t source = model_source(store, "node");
    for (;;) {
        m->now_ms += 1000;
        struct nv_frame *frame = model_frame(m, UINT64_MAX, 0xf, false);
        if (nv_store_append(store, source, frame) != 0 || nv_store_flush(store) != 0)
            _exit(4);
        nv_frame_unref(frame);
        nv_store_maintain(store);
        if (write(out, &m->now_ms, sizeof(m->now_ms)) != sizeof(m->now_ms))
            _exit(5);
    }
}

/* Every acknowledged frame since `since` is there, once and in order: frames come a second apart. */
static void check_acknowledged(const char *path, struct model *m, int64_t since, int64_t until)
{
    struct nv_store_options options = {.read_only = true};
    char error[NV_STORE_ERROR_MAX];
    struct nv_samples got = {0};
    struct nv_store *store;

    ck_assert_int_eq(nv_fs_open(path, &options.fs), 0);
    model_verify(options.fs);
    ck_assert_msg(nv_store_open(&options, &store, error) == 0, "%s", error);
    ck_assert(model_read(store, "a", "003", since, until, &got));
    ck_assert_uint_eq(got.n, (size_t)((until - since) / 1000 + 1));
    for (size_t i = 0; i < got.n; i++)
        ck_assert_int_eq(got.times[i], since + (int64_t)i * 1000);
    nv_store_queryable(store)->range(store, &since, &m->now_ms);
    nv_samples_done(&got);
    nv_store_close(store);
}

static void remove_all(const char *path)
{
    struct nv_arena arena = NV_ARENA(1 << 24);
    struct nv_str *names;
    struct nv_fs *fs;
    size_t n;

    ck_assert_int_eq(nv_fs_open(path, &fs), 0);
    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    for (size_t i = 0; i < n; i++)
        fs->ops->unlink(fs, names[i].p);
    fs->ops->unlink(fs, "lock");
    nv_fs_free(fs);
    nv_arena_done(&arena);
    ck_assert_int_eq(rmdir(path), 0);
}

START_TEST(kill_9_loses_nothing_that_was_acknowledged)
{
    char path[] = "/tmp/nodevitals-kill-XXXXXX";
    struct model m;
    int64_t killed_at[2] = {0, 0};
    model_begin(&m, "a", 17, 12);

    ck_assert_ptr_nonnull(mkdtemp(path));
    for (int round = 0; round < 40; round++) {
        int ends[2];
        ck_assert_int_eq(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            append_forever(path, &m, ends[1]);
        close(ends[1]);
        int64_t first = 0, last = 0, time;
        for (uint64_t n = 5 + model_random(&m) % 60; n; n--) {
            ck_assert_int_eq(read(ends[0], &time, sizeof(time)), sizeof(time));
            first = first ? first : time;
            last = time;
        }
        usleep((useconds_t)(model_random(&m) % 3000));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        while (read(ends[0], &time, sizeof(time)) == sizeof(time))
            last = time;
        close(ends[0]);
        check_acknowledged(path, &m, first, last);
        if (killed_at[1] > killed_at[0] && last - killed_at[1] < 200000)
            check_acknowledged(path, &m, killed_at[0], killed_at[1]);
        killed_at[0] = first;
        killed_at[1] = last;
        model_restart(&m);
        for (size_t i = 0; i < m.n; i++)
            m.series[i].generation = 0;
    }
    remove_all(path);
    model_end(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/log");
    TCase *test = tcase_create("log");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 240);
    tcase_add_test(test, an_hour_of_600_series_is_one_and_a_half_megabytes);
    tcase_add_test(test, what_is_larger_than_the_queue_is_written_all_the_same);
    tcase_add_test(test, every_flipped_byte_is_noticed_or_makes_no_difference);
    tcase_add_test(test, what_lies_under_a_good_checksum_is_named);
    tcase_add_test(test, a_log_cut_at_any_byte_keeps_all_whole_records);
    tcase_add_test(test, kill_9_loses_nothing_that_was_acknowledged);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
