/*
 * test_silence.c - silences: what may be set, what they mute, how they are kept.
 */
#include "notify/silence.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buf.h"

#define NOW INT64_C(1767323045000)

enum { HOUR = 3600 * 1000 };

static struct nv_silences *all;
static char folder[] = "/tmp/nv-silence-XXXXXX", path[64], error[NV_SILENCE_ERROR_MAX];

static void begin(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/silences.json", folder);
    all = nv_silences_new(path);
    ck_assert_ptr_nonnull(all);
}

static void end(void)
{
    nv_silences_free(all);
    (void)chmod(folder, 0700);
    unlink(path);
    rmdir(folder);
}

static struct nv_silence_spec spec_of(const struct nv_silence_matcher *matchers, size_t n)
{
    return (struct nv_silence_spec){.matchers = matchers,
                                    .n_matchers = n,
                                    .starts_ms = NOW,
                                    .ends_ms = NOW + HOUR,
                                    .created_by = NV_LIT("me"),
                                    .comment = NV_LIT("repair")};
}

static const struct nv_silence_matcher disk = {NV_LIT("alertname"), NV_LIT("Disk.*"), true, true};

static int set(const struct nv_silence_spec *spec, char id[NV_SILENCE_ID_MAX])
{
    return nv_silences_set(all, spec, NOW, id, error);
}

static size_t mutes(const char *name, int64_t at_ms)
{
    struct nv_label labels[] = {
        {NV_LIT("alertname"), nv_str(name)  },
        {NV_LIT("severity"),  NV_LIT("page")}
    };
    NV_AUTO(nv_alert) *alert = nv_alert_new(&(struct nv_alert){.labels = labels, .n_labels = 2});

    return nv_silences_of(all, alert, at_ms, NULL, 0);
}

static size_t told;
static enum nv_silence_state told_state;
static void count(void *user, const struct nv_silence_spec *spec, enum nv_silence_state state)
{
    (void)user;
    (void)spec;
    told++;
    told_state = state;
}

static enum nv_silence_state state_at(const char *id, int64_t now_ms)
{
    told = 0;
    nv_silences_each(all, id, now_ms, count, NULL);
    ck_assert_uint_eq(told, 1);
    return told_state;
}

START_TEST(a_silence_mutes_what_fits_while_it_lasts)
{
    struct nv_silence_spec spec = spec_of(&disk, 1);
    char id[NV_SILENCE_ID_MAX];

    spec.starts_ms = NOW + 1000;
    ck_assert_int_eq(set(&spec, id), 0);
    ck_assert_uint_eq(strlen(id), 36);
    ck_assert_uint_eq(mutes("DiskFull", NOW), 0);
    ck_assert_int_eq(state_at(id, NOW), NV_SILENCE_PENDING);
    ck_assert_uint_eq(mutes("DiskFull", NOW + 1000), 1);
    ck_assert_uint_eq(mutes("ADiskFull", NOW + 1000), 0);
    ck_assert_uint_eq(mutes("DiskFull", NOW + HOUR), 0);
    ck_assert_int_eq(state_at(id, NOW + HOUR), NV_SILENCE_EXPIRED);
}
END_TEST

START_TEST(all_kinds_of_matchers_are_understood)
{
    const struct nv_silence_matcher not_equal[] = {
        disk, {NV_LIT("severity"), NV_LIT("info"), false, false}
    };
    const struct nv_silence_matcher not_regex[] = {
        disk, {NV_LIT("severity"), NV_LIT("p.*"), true, false}
    };
    struct nv_silence_spec spec = spec_of(not_equal, 2);
    char id[NV_SILENCE_ID_MAX];

    ck_assert_int_eq(set(&spec, id), 0);
    ck_assert_uint_eq(mutes("DiskFull", NOW), 1);
    ck_assert_int_eq(nv_silences_expire(all, id, NOW, error), 0);
    spec = spec_of(not_regex, 2);
    ck_assert_int_eq(set(&spec, id), 0);
    ck_assert_uint_eq(mutes("DiskFull", NOW), 0);
}
END_TEST

static const struct nv_silence_matcher any = {NV_LIT("a"), NV_LIT(".*"), true, true},
                                       broken = {NV_LIT("a"), NV_LIT("("), true, true};
static const struct {
    const struct nv_silence_matcher *matcher;
    size_t n;
    int64_t starts_ms, ends_ms;
    const char *id, *error;
    int r;
} bad[] = {
    {&disk,   0, NOW,        NOW + HOUR, "",    "at least one matcher required",                        -EINVAL},
    {&any,    1, NOW,        NOW + HOUR, "",    "at least one matcher must not match the empty string", -EINVAL},
    {&broken, 1, NOW,        NOW + HOUR, "",    "bad matcher: a",                                       -EINVAL},
    {&disk,   1, NOW + HOUR, NOW,        "",    "start time must be before end time",                   -EINVAL},
    {&disk,   1, NOW - HOUR, NOW,        "",    "end time can't be in the past",                        -EINVAL},
    {&disk,   1, NOW,        NOW + HOUR, "abc", "silence not found",                                    -ENOENT},
};

START_TEST(what_makes_no_sense_is_refused)
{
    struct nv_silence_spec spec = spec_of(bad[_i].matcher, bad[_i].n);
    char id[NV_SILENCE_ID_MAX];

    spec.id = bad[_i].id;
    spec.starts_ms = bad[_i].starts_ms;
    spec.ends_ms = bad[_i].ends_ms;
    ck_assert_int_eq(set(&spec, id), bad[_i].r);
    ck_assert_msg(strstr(error, bad[_i].error) != NULL, "%s", error);
    told = 0;
    nv_silences_each(all, NULL, NOW, count, NULL);
    ck_assert_uint_eq(told, 0);
    ck_assert_int_lt(access(path, F_OK), 0);
}
END_TEST

/* Alertmanager's rule: another end is the same silence, another meaning is a new one. */
START_TEST(an_update_keeps_the_id_unless_the_meaning_changes)
{
    const struct nv_silence_matcher other = {NV_LIT("alertname"), NV_LIT("Net"), false, true};
    struct nv_silence_spec spec = spec_of(&disk, 1);
    char id[NV_SILENCE_ID_MAX], again[NV_SILENCE_ID_MAX];

    ck_assert_int_eq(set(&spec, id), 0);
    spec.id = id;
    spec.ends_ms += HOUR;
    ck_assert_int_eq(set(&spec, again), 0);
    ck_assert_str_eq(id, again);
    ck_assert_uint_eq(mutes("DiskFull", NOW + HOUR), 1);

    spec.matchers = &other;
    ck_assert_int_eq(set(&spec, again), 0);
    ck_assert_str_ne(id, again);
    ck_assert_int_eq(state_at(id, NOW), NV_SILENCE_EXPIRED);
    ck_assert_uint_eq(mutes("DiskFull", NOW), 0);
    ck_assert_uint_eq(mutes("Net", NOW), 1);
    ck_assert_int_eq(nv_silences_expire(all, id, NOW, error), -EALREADY);
    ck_assert_int_eq(nv_silences_expire(all, "nope", NOW, error), -ENOENT);
}
END_TEST

START_TEST(silences_survive_a_restart)
{
    struct nv_silence_spec spec = spec_of(&disk, 1);
    char id[NV_SILENCE_ID_MAX];

    spec.comment = NV_LIT("\"quoted\" \xc3\xbc\nnew line");
    ck_assert_int_eq(set(&spec, id), 0);
    nv_silences_free(all);
    all = nv_silences_new(path);
    ck_assert_int_eq(nv_silences_refresh(all, NOW, error), 1);
    ck_assert_int_eq(nv_silences_refresh(all, NOW, error), 0);
    ck_assert_uint_eq(mutes("DiskFull", NOW), 1);
    ck_assert_int_eq(state_at(id, NOW), NV_SILENCE_ACTIVE);
}
END_TEST

static void write_file(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

START_TEST(a_person_may_write_the_file)
{
    write_file("- matchers: [{name: alertname, value: Disk.*, isRegex: true}]\n"
               "  startsAt: 2026-01-02T03:00:00Z\n  endsAt: 2026-01-02T09:00:00+01:00\n"
               "  createdBy: root\n  comment: window\n");
    ck_assert_msg(nv_silences_refresh(all, NOW, error) == 1, "%s", error);
    ck_assert_uint_eq(mutes("DiskFull", NOW), 1);

    write_file("- {matchers: [{name: a}], startsAt: 2026-01-02T03:00:00Z, endsAt: "
               "2026-01-02T09:00:00Z}\n");
    ck_assert_int_eq(nv_silences_refresh(all, NOW, error), -EINVAL);
    ck_assert_msg(strstr(error, "a matcher needs a name and a value") != NULL, "%s", error);
    ck_assert_uint_eq(mutes("DiskFull", NOW), 1);              /* the old ones hold */
    ck_assert_int_eq(nv_silences_refresh(all, NOW, error), 0); /* told once */
}
END_TEST

/* Between two looks at the file. */
START_TEST(what_a_person_wrote_survives_the_next_change)
{
    const struct nv_silence_spec spec = spec_of(&disk, 1);
    char id[NV_SILENCE_ID_MAX];
    FILE *f = fopen(path, "we");

    ck_assert_ptr_nonnull(f);
    fputs("- matchers: [{name: alertname, value: Other}]\n"
          "  startsAt: 2020-01-01T00:00:00Z\n  endsAt: 2030-01-01T00:00:00Z\n",
          f);
    fclose(f);
    ck_assert_msg(set(&spec, id) == 0, "%s", error);
    ck_assert_uint_eq(mutes("Other", NOW), 1);
    ck_assert_uint_eq(mutes("Disk", NOW), 1);
}
END_TEST

START_TEST(what_cannot_be_kept_does_not_hold)
{
    struct nv_silence_spec spec = spec_of(&disk, 1);
    char id[NV_SILENCE_ID_MAX];

    nv_silences_free(all);
    all = nv_silences_new("/proc/nowhere/silences.json");
    ck_assert_int_lt(set(&spec, id), 0);
    ck_assert_msg(strstr(error, "cannot write /proc/nowhere") != NULL, "%s", error);
    ck_assert_uint_eq(mutes("DiskFull", NOW), 0);
}
END_TEST

START_TEST(old_ones_are_forgotten_and_there_is_a_bound)
{
    struct nv_silence_spec spec = spec_of(&disk, 1);
    char id[NV_SILENCE_ID_MAX];

    nv_silences_free(all);
    all = nv_silences_new(NULL);
    for (size_t i = 0; i < NV_SILENCES_MAX; i++)
        ck_assert_int_eq(set(&spec, id), 0);
    ck_assert_int_eq(set(&spec, id), -ENOSPC);
    int64_t later_ms = NOW + HOUR + NV_SILENCE_RETENTION_MS;
    spec.starts_ms = later_ms;
    spec.ends_ms = later_ms + HOUR;
    ck_assert_int_eq(nv_silences_set(all, &spec, later_ms, id, error), 0);
    told = 0;
    nv_silences_each(all, NULL, later_ms, count, NULL);
    ck_assert_uint_eq(told, 1);
}
END_TEST

static const struct {
    const char *comment, *text;
} posted[] = {
    {"plain",                   "plain"                     },
    {"\\u00fc \\ud83d\\ude00!", "\xc3\xbc \xf0\x9f\x98\x80!"},
    {"a\\\\ud83d\\\\ude00",     "a\\ud83d\\ude00"           }, /* a backslash, not an escape */
    {"\\n\\t\\\"\\/",           "\n\t\"/"                   },
};

START_TEST(what_clients_post_is_json)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_silence_spec spec;
    char body[512];

    snprintf(body, sizeof(body),
             "{\"matchers\":[{\"name\":\"a\",\"value\":\"b\",\"isRegex\":false}],\"startsAt\":"
             "\"2026-01-02T03:00:00Z\",\"endsAt\":\"2026-01-02T04:00:00Z\",\"createdBy\":\"me\","
             "\"comment\":\"%s\"}",
             posted[_i].comment);
    int r = nv_silence_parse_json(nv_str(body), &memory, &spec, error);
    ck_assert_msg(r == 0, "%s", error);
    ck_assert_uint_eq(spec.comment.n, strlen(posted[_i].text));
    ck_assert_int_eq(memcmp(spec.comment.p, posted[_i].text, spec.comment.n), 0);
    nv_arena_done(&memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify/silence");
    TCase *cases = tcase_create("all");

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, a_silence_mutes_what_fits_while_it_lasts);
    tcase_add_test(cases, all_kinds_of_matchers_are_understood);
    tcase_add_loop_test(cases, what_makes_no_sense_is_refused, 0, NV_LEN(bad));
    tcase_add_test(cases, an_update_keeps_the_id_unless_the_meaning_changes);
    tcase_add_test(cases, silences_survive_a_restart);
    tcase_add_test(cases, a_person_may_write_the_file);
    tcase_add_test(cases, what_a_person_wrote_survives_the_next_change);
    tcase_add_test(cases, what_cannot_be_kept_does_not_hold);
    tcase_add_loop_test(cases, what_clients_post_is_json, 0, NV_LEN(posted));
    tcase_add_test(cases, old_ones_are_forgotten_and_there_is_a_bound);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
