/*
 * test_stream.c - the way of an answer from the thread that writes it to the event loop that sends it.
 */
#include "web/stream.h"

#include <check.h>
#include <errno.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/clock.h"

static struct nv_stream stream;
static struct nv_deadline deadline;
static volatile bool cancel;

static void begin(bool packed)
{
    cancel = false;
    nv_stream_init(&stream, NULL, &deadline, &cancel);
    ck_assert_int_eq(nv_stream_begin(&stream, packed), 0);
}

static char byte_at(size_t i)
{
    return (char)(i * 31 + i / 251);
}

enum { TOTAL = 3 << 20 };

/* Pieces of growing length, so that the ring's end falls everywhere. */
static void *write_all(void *user)
{
    static char piece[70000];
    int *outcome = user;
    size_t at = 0, n = 1;

    *outcome = 0;
    while (at < TOTAL && *outcome == 0) {
        n = n * 3 % sizeof(piece) + 1;
        if (n > TOTAL - at)
            n = TOTAL - at;
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(at + i);
        *outcome = nv_stream_write(&stream, piece, n);
        at += n;
    }
    nv_stream_end(&stream, *outcome);
    return NULL;
}

/* Waits for bytes, as a suspended connection does; 0 at the end. */
static ssize_t read_some(char *to, size_t max)
{
    for (;;) {
        pthread_mutex_lock(&stream.lock);
        bool ready = stream.n || stream.ended;
        pthread_mutex_unlock(&stream.lock);
        if (ready)
            break;
        usleep(100);
    }
    ssize_t n = nv_stream_read(&stream, to, max);
    return n == MHD_CONTENT_READER_END_OF_STREAM ? 0 : n;
}

START_TEST(what_is_written_is_read_whatever_the_pieces)
{
    static char piece[30011];
    pthread_t thread;
    size_t at = 0, wrong = 0;
    int outcome;

    begin(false);
    ck_assert_int_eq(pthread_create(&thread, NULL, write_all, &outcome), 0);
    for (ssize_t n; (n = read_some(piece, sizeof(piece) - at % 1000)) > 0; at += (size_t)n) {
        for (ssize_t i = 0; i < n; i++)
            wrong += piece[i] != byte_at(at + (size_t)i);
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(outcome, 0);
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(at, TOTAL);
    nv_stream_done(&stream);
}
END_TEST

START_TEST(what_is_packed_unpacks_to_the_same)
{
    static char piece[30011], out[TOTAL + 1];
    z_stream z = {0};
    pthread_t thread;
    size_t wrong = 0;
    int outcome, r = Z_OK;

    begin(true);
    ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_out = (Bytef *)out;
    z.avail_out = sizeof(out);
    ck_assert_int_eq(pthread_create(&thread, NULL, write_all, &outcome), 0);
    for (ssize_t n; (n = read_some(piece, sizeof(piece))) > 0;) {
        z.next_in = (Bytef *)piece;
        z.avail_in = (uInt)n;
        r = inflate(&z, Z_NO_FLUSH);
        if (r != Z_OK)
            break;
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(r, Z_STREAM_END);
    ck_assert_uint_eq(z.total_out, TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        wrong += out[i] != byte_at(i);
    ck_assert_uint_eq(wrong, 0);
    inflateEnd(&z);
    nv_stream_done(&stream);
}
END_TEST

START_TEST(a_writer_that_waits_for_room_hears_that_nobody_reads)
{
    pthread_t thread;
    int outcome;

    for (int by_cancel = 0; by_cancel < 2; by_cancel++) {
        begin(false);
        ck_assert_int_eq(pthread_create(&thread, NULL, write_all, &outcome), 0);
        for (bool full = false; !full; usleep(100)) {
            pthread_mutex_lock(&stream.lock);
            full = stream.n == NV_STREAM_RING;
            pthread_mutex_unlock(&stream.lock);
        }
        if (by_cancel) {
            __atomic_store_n(&cancel, true, __ATOMIC_RELAXED);
            nv_stream_wake(&stream);
        } else {
            nv_stream_leave(&stream);
        }
        pthread_join(thread, NULL);
        ck_assert_int_eq(outcome, -ECANCELED);
        static char piece[NV_STREAM_RING];
        while (stream.n)
            ck_assert_int_gt(nv_stream_read(&stream, piece, sizeof(piece)), 0);
        ck_assert_int_eq(nv_stream_read(&stream, piece, sizeof(piece)),
                         MHD_CONTENT_READER_END_WITH_ERROR);
        nv_stream_done(&stream);
    }
}
END_TEST

static int64_t left_ms(void)
{
    return (deadline.at_ns - nv_monotonic_ns()) / 1000000;
}

/* Half a minute, and a second more for each NV_STREAM_RATE bytes that were taken. */
START_TEST(the_deadline_is_that_of_the_slowest_client_there_may_be)
{
    static char piece[NV_STREAM_RATE];

    begin(false);
    ck_assert_int_eq(nv_stream_write(&stream, piece, 10), 0);
    ck_assert_int_eq(nv_stream_read(&stream, piece, 10), 10);
    ck_assert_int_le(left_ms(), NV_STREAM_GRACE_MS);
    ck_assert_int_gt(left_ms(), 0);
    int64_t first_ns = deadline.at_ns;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(nv_stream_write(&stream, piece, sizeof(piece)), 0);
        for (size_t n = 0; n < sizeof(piece);)
            n += (size_t)nv_stream_read(&stream, piece, sizeof(piece) - n);
    }
    ck_assert_int_ge((deadline.at_ns - first_ns) / 1000000, 99000);
    ck_assert_int_le((deadline.at_ns - first_ns) / 1000000, 101000);

    stream.begun_ns -= INT64_C(200) * 1000000000; /* it took so long */
    ck_assert_int_eq(nv_stream_write(&stream, piece, 10), 0);
    ck_assert_int_eq(nv_stream_read(&stream, piece, 10), 10);
    ck_assert_int_le(left_ms(), 0);
    nv_stream_done(&stream);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/stream");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, what_is_written_is_read_whatever_the_pieces);
    tcase_add_test(tcase, what_is_packed_unpacks_to_the_same);
    tcase_add_test(tcase, a_writer_that_waits_for_room_hears_that_nobody_reads);
    tcase_add_test(tcase, the_deadline_is_that_of_the_slowest_client_there_may_be);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
