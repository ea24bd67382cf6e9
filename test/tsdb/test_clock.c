/*
 * test_clock.c - a wall clock that is wrong: ahead, behind, for minutes and for good.
 */
#include "support/memory_fs.h"
#include "tsdb/parts.h"
#include "witness.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   INT64_C(3600000)
#define DAY_MS    INT64_C(86400000)

static int64_t now_ms;

static int64_t clock_now(void *user)
{
    (void)user;
    return now_ms;
}

static void leave_open(struct nv_fs *fs)
{
    (void)fs;
}

static int no_lock(struct nv_fs *fs, const char *name)
{
    (void)fs, (void)name;
    return 0;
}

static struct nv_fs_ops lent;
static const struct nv_fs_ops *own;

static struct nv_fs *disk_new(void)
{
    struct nv_fs *fs = nv_memory_fs_new();

    own = fs->ops;
    lent = *own;
    lent.free = leave_open;
    lent.lock = no_lock;
    fs->ops = &lent;
    return fs;
}

static void disk_free(struct nv_fs *fs)
{
    fs->ops = own;
    nv_fs_free(fs);
}

struct run {
    struct nv_fs *fs;
    struct nv_store *store;
    struct witness w;
};

static void open_run(struct run *run)
{
    struct nv_store_options options = {.fs = run->fs,
                                       .block_ms = 600000,
                                       .retention_ms = 15 * DAY_MS,
                                       .now_ms = clock_now,
                                       .wal_sync_ms = 10000};
    char error[NV_STORE_ERROR_MAX];

    int r = nv_store_open(&options, &run->store, error);
    ck_assert_msg(r == 0, "cannot open: %s", error);
    witness_new(&run->w);
    ck_assert_int_eq(nv_store_source(run->store, "w", &run->w.source), 0);
}

static void close_run(struct run *run)
{
    nv_store_close(run->store);
    witness_done(&run->w);
}

static void restart(struct run *run)
{
    close_run(run);
    open_run(run);
}

/* A frame a second, and maintenance, until the clock shows that. Returns how many frames were taken. */
static size_t go_on(struct run *run, int64_t until_ms)
{
    size_t taken = 0;

    while (now_ms < until_ms) {
        now_ms += WITNESS_STEP;
        int r = witness_append(&run->w, run->store, now_ms);
        if (r != 0 && r != NV_STORE_NOT_NEWER)
            ck_abort_msg("append: %d", r);
        taken += r == 0;
        if (now_ms / WITNESS_STEP % 5 == 0)
            nv_store_maintain(run->store);
    }
    return taken;
}

static int64_t newest(struct nv_store *store)
{
    int64_t from, to;

    nv_store_queryable(store)->range(store, &from, &to);
    return to;
}

static size_t count_aside(struct nv_fs *fs)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    struct nv_str *names;
    size_t n, found = 0;

    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    for (size_t i = 0; i < n; i++)
        found += nv_str_ends(names[i], NV_AHEAD);
    nv_arena_done(&arena);
    return found;
}

static void verify(struct nv_fs *fs)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);
    int r = nv_store_verify(fs, &out);

    ck_assert_msg(r == 0, "verify: %d: %s", r, nv_buf_c_string(&out));
}

/* Frames that were refused before a clock that is right again counts. */
enum { PATIENCE = NV_STORE_PATIENCE_MS / WITNESS_STEP, SOME = 20 };

static const int64_t leaps[] = {2 * HOUR_MS + 500, 30 * DAY_MS + 500, 400 * DAY_MS + 500};

/* A clock that runs ahead from the start or later, for ten minutes or for two hours, and then is set. */
START_TEST(
    a_clock_that_was_ahead_costs_minutes_and_no_history) /* looped: _i is how far, how long */
{
    struct run run = {.fs = disk_new()};
    struct nv_store_stats stats;
    int64_t leap = leaps[_i % 3], wrong = _i / 3 ? 40 * MINUTE_MS : 3 * MINUTE_MS;

    now_ms = witness_begin;
    open_run(&run);
    go_on(&run, witness_begin + 2 * HOUR_MS);
    int64_t right_until = now_ms;
    restart(&run);
    now_ms += leap;
    ck_assert_uint_eq(go_on(&run, now_ms + wrong), (size_t)(wrong / WITNESS_STEP));
    now_ms -= leap;
    int64_t set_ms = now_ms;
    ck_assert_int_eq(go_on(&run, now_ms + 2 * MINUTE_MS), 0); /* it may be set again */
    nv_store_stats(run.store, &stats);
    ck_assert_int_gt(stats.behind_ms, HOUR_MS);
    ck_assert_uint_eq(stats.set_backs, 0);
    if (_i % 2)
        restart(&run);
    size_t taken = go_on(&run, set_ms + HOUR_MS);
    ck_assert_uint_ge(taken, 3600 - PATIENCE - SOME - (_i % 2 ? 120 : 0));
    nv_store_stats(run.store, &stats);
    ck_assert_int_eq(stats.behind_ms, 0);
    ck_assert_uint_eq(stats.set_backs, 1);
    ck_assert_uint_gt(count_aside(run.fs), 0);
    ck_assert_int_eq(newest(run.store), now_ms);
    witness_expect(run.store, witness_begin + WITNESS_STEP, right_until);
    int64_t resumed = now_ms - 50 * MINUTE_MS;
    witness_expect(run.store, resumed, now_ms);
    restart(&run);
    witness_expect(run.store, witness_begin + WITNESS_STEP, right_until);
    witness_expect(run.store, resumed, now_ms);
    go_on(&run, right_until + 6 * HOUR_MS); /* past what was set aside, if it was near */
    witness_expect(run.store, witness_begin + WITNESS_STEP, right_until);
    witness_expect(run.store, resumed, now_ms);
    ck_assert_uint_gt(count_aside(run.fs), 0);
    close_run(&run);
    verify(run.fs);
    disk_free(run.fs);
}
END_TEST

/* No battery: the machine wakes up in another century, and the network tells the time an hour later. */
START_TEST(what_a_machine_without_a_battery_set_aside_comes_back)
{
    struct run run = {.fs = disk_new()};

    now_ms = witness_begin;
    open_run(&run);
    go_on(&run, witness_begin + 5 * HOUR_MS);
    int64_t until = now_ms;
    close_run(&run);
    now_ms = WITNESS_STEP;
    open_run(&run);
    witness_expect(run.store, witness_begin + WITNESS_STEP, until);
    ck_assert_uint_ge(go_on(&run, HOUR_MS), 3600 - PATIENCE - SOME);
    ck_assert_int_eq(newest(run.store), now_ms);
    ck_assert_uint_gt(count_aside(run.fs), 1);
    if (_i)
        restart(&run);
    now_ms = until + HOUR_MS;
    ck_assert_uint_eq(go_on(&run, now_ms + 5 * MINUTE_MS), 300);
    ck_assert_uint_eq(count_aside(run.fs), 0);
    witness_expect(run.store, witness_begin + WITNESS_STEP, until);
    restart(&run);
    witness_expect(run.store, witness_begin + WITNESS_STEP, until);
    witness_expect(run.store, until + HOUR_MS + WITNESS_STEP, now_ms);
    close_run(&run);
    verify(run.fs);
    disk_free(run.fs);
}
END_TEST

START_TEST(a_step_back_of_less_than_an_hour_is_waited_out)
{
    struct run run = {.fs = disk_new()};
    struct nv_store_stats stats;

    now_ms = witness_begin;
    open_run(&run);
    go_on(&run, witness_begin + HOUR_MS);
    int64_t until = now_ms;
    now_ms -= 50 * MINUTE_MS;
    ck_assert_uint_eq(go_on(&run, until), 0);
    ck_assert_uint_eq(go_on(&run, until + HOUR_MS), 3600);
    witness_expect(run.store, witness_begin + WITNESS_STEP, now_ms);
    nv_store_stats(run.store, &stats);
    ck_assert_uint_eq(stats.dropped_not_newer, 3000);
    ck_assert_uint_eq(stats.set_backs, 0);
    close_run(&run);
    disk_free(run.fs);
}
END_TEST

START_TEST(in_memory_what_was_ahead_goes)
{
    struct run run = {.fs = NULL};

    now_ms = witness_begin;
    open_run(&run);
    go_on(&run, witness_begin + HOUR_MS);
    int64_t until = now_ms;
    now_ms += 30 * DAY_MS;
    go_on(&run, now_ms + 3 * MINUTE_MS);
    now_ms -= 30 * DAY_MS;
    ck_assert_uint_ge(go_on(&run, now_ms + HOUR_MS), 3600 - PATIENCE - SOME);
    witness_expect(run.store, witness_begin + WITNESS_STEP, until);
    ck_assert_int_eq(newest(run.store), now_ms);
    close_run(&run);
}
END_TEST

/* What would be too old by a clock that is a year ahead is not, until that clock has proved itself. */
START_TEST(age_does_not_follow_a_jump_for_an_hour)
{
    struct run run = {.fs = disk_new()};

    now_ms = witness_begin;
    open_run(&run);
    go_on(&run, witness_begin + 2 * HOUR_MS);
    int64_t until = now_ms;
    now_ms += 400 * DAY_MS;
    go_on(&run, now_ms + 55 * MINUTE_MS);
    witness_expect(run.store, witness_begin + WITNESS_STEP, until);
    restart(&run);
    go_on(&run, now_ms + 2 * HOUR_MS);
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    ck_assert_int_eq(witness_read(run.store, "id", 1, INT64_MIN, until, &samples), 0);
    ck_assert_uint_eq(samples.n, 0);
    nv_samples_done(&samples);
    close_run(&run);
    disk_free(run.fs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/clock");
    TCase *test = tcase_create("clock");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 240);
    tcase_add_loop_test(test, a_clock_that_was_ahead_costs_minutes_and_no_history, 0,
                        2 * (int)NV_LEN(leaps));
    tcase_add_loop_test(test, what_a_machine_without_a_battery_set_aside_comes_back, 0, 2);
    tcase_add_test(test, a_step_back_of_less_than_an_hour_is_waited_out);
    tcase_add_test(test, in_memory_what_was_ahead_goes);
    tcase_add_test(test, age_does_not_follow_a_jump_for_an_hour);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
