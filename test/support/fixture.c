#include "support/fixture.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/options.h"
#include "expo/expo.h"
#include "gather/gather.h"
#include "support/pods.h"

enum { TEXT_MAX = 64 << 20, FLAGS_MAX = 64, CASES_MAX = 256, FILES_MAX = 4096 };

/* ---- one collector, alone ------------------------------------------------------------------- */

struct bench {
    struct nv_options *options;
    struct nv_gather *gather;
    int start_result;
    char error[NV_GATHER_ERROR_MAX];
};

static void bench_open(struct bench *bench, const struct nv_collector *collector,
                       const char *const *flags)
{
    const struct nv_collector *const list[] = {collector, NULL};
    const char *argv[FLAGS_MAX + 8] = {"--path.procfs=proc", "--path.sysfs=sys",
                                       "--path.rootfs=root", "--path.udev.data=udev"};
    char on[64];
    int argc = 4;

    snprintf(on, sizeof(on), "--collector.%s", collector->name);
    argv[argc++] = on; /* expressions are compiled for what is on only */
    for (size_t i = 0; flags && flags[i] && i < FLAGS_MAX; i++) {
        if (strcmp(flags[i], on) != 0)
            argv[argc++] = flags[i];
    }
    *bench = (struct bench){.options = nv_options_new("nodevitals", "")};
    ck_assert_ptr_nonnull(bench->options);
    int r = nv_options_parse(bench->options, list, argc, argv);
    if (r != 0)
        ck_abort_msg("flags of %s: %s", collector->name, bench->options->error);

    const struct nv_gather_options options = {.procfs = "proc",
                                              .sysfs = "sys",
                                              .rootfs = "root",
                                              .udev = "udev",
                                              .parse_text = nv_expo_parse_text,
                                              .pods = nv_test_pods(".")};
    bench->gather = nv_gather_new(&options);
    ck_assert_ptr_nonnull(bench->gather);
    for (size_t i = 0; i < bench->options->n_collectors; i++)
        if (bench->options->collectors[i].collector == collector)
            ck_assert_int_eq(nv_gather_add(bench->gather, collector, NV_GATHER_NODE,
                                           bench->options->collectors[i].values),
                             0);
    bench->start_result = nv_gather_start(bench->gather, bench->error);
}

static void bench_close(struct bench *bench)
{
    nv_gather_free(bench->gather);
    nv_options_free(bench->options);
}

/* Classic text without HELP lines and without what is told about collectors. */
static char *text_of(const struct nv_frame *frame)
{
    NV_AUTO_BUF all = NV_BUF(TEXT_MAX);
    NV_AUTO_BUF kept = NV_BUF(TEXT_MAX);
    struct nv_scan line;

    nv_expo_write(frame, (struct nv_expo_choice){NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES}, NULL,
                  0, &all);
    ck_assert_int_eq(all.failed, 0);
    for (struct nv_scan scan = nv_scan(nv_buf_view(&all)); nv_scan_line(&scan, &line);) {
        struct nv_str s = nv_scan_rest(&line);
        if (nv_str_starts(s, "# HELP") || nv_str_starts(s, "node_scrape_collector_") ||
            nv_str_starts(s, "# TYPE node_scrape_collector_"))
            continue;
        nv_buf_str(&kept, s);
        nv_buf_char(&kept, '\n');
    }
    return strdup(nv_buf_c_string(&kept));
}

static char *bench_pass(struct bench *bench, int *ret_result)
{
    const struct nv_gather_selection all = {0};
    struct nv_gather_state state;
    NV_AUTO(nv_frame) *frame = NULL;

    if (bench->start_result < 0) {
        *ret_result = bench->start_result;
        return strdup("");
    }
    ck_assert_int_eq(nv_gather_pass(bench->gather, &all, NV_GATHER_PASS_MS, &frame), 0);
    nv_gather_state(bench->gather, 0, &state);
    *ret_result = state.result;
    return text_of(frame);
}

char *nv_fixture_collect(const struct nv_collector *collector, const char *root,
                         const char *const *flags, int *ret_result)
{
    NV_AUTO_FD here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct bench bench;

    if (chdir(root) < 0)
        ck_abort_msg("%s: %s", root, strerror(errno));
    bench_open(&bench, collector, flags);
    char *text = bench_pass(&bench, ret_result);
    bench_close(&bench);
    ck_assert_int_eq(fchdir(here), 0);
    return text;
}

/* ---- cases ---------------------------------------------------------------------------------- */

static void collector_dir(const char *collector, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/collectors/fixtures/%s", NV_TEST_DIR, collector);
}

static int is_case(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

size_t nv_fixture_count(const char *collector)
{
    char path[PATH_MAX];
    struct dirent **entries;

    collector_dir(collector, path);
    int n = scandir(path, &entries, is_case, alphasort);
    if (n < 0)
        return 0;
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return (size_t)n;
}

const char *nv_fixture_path(const char *collector, size_t i)
{
    static char full[PATH_MAX + 256];
    char path[PATH_MAX];
    struct dirent **entries;

    collector_dir(collector, path);
    int n = scandir(path, &entries, is_case, alphasort);
    ck_assert_int_gt(n, (int)i);
    snprintf(full, sizeof(full), "%s/%s", path, entries[i]->d_name);
    for (int k = 0; k < n; k++)
        free(entries[k]);
    free(entries);
    return full;
}

static char *read_text(const char *dir, const char *name)
{
    char path[PATH_MAX];
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);
    size_t n = 1;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    while (n && nv_buf_room(&text, 65536)) {
        n = fread(text.p + text.n, 1, 65536, file);
        text.n += n;
    }
    fclose(file);
    return strdup(nv_buf_c_string(&text));
}

/* Flags one a line; the lines are cut in place. */
static void split_flags(char *text, const char *flags[FLAGS_MAX + 1])
{
    size_t n = 0;

    for (char *at = text, *end; at && *at && n < FLAGS_MAX; at = end) {
        end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        if (*at && *at != '#')
            flags[n++] = at;
    }
    flags[n] = NULL;
}

/* Runs `before` and the quoted paths. */
static void run_shell(const char *before, const char *a, const char *b)
{
    char command[3 * PATH_MAX];

    snprintf(command, sizeof(command), "%s '%s' '%s'", before, a, b);
    if (system(command) != 0)
        ck_abort_msg("%s failed", command);
}

/* The folder to run in: the case itself, or a copy of it where setup.sh has more to make. */
static const char *prepare(const char *dir, bool copy)
{
    static char made[PATH_MAX];
    char setup[PATH_MAX];

    snprintf(setup, sizeof(setup), "%s/setup.sh", dir);
    if (access(setup, R_OK) < 0 && !copy)
        return dir;
    snprintf(made, sizeof(made), "%s/case", nv_temp_dir());
    run_shell("rm -rf", made, made);
    run_shell("cp -a", dir, made);
    if (access(setup, R_OK) == 0)
        run_shell("sh -c 'cd \"$0\" && sh ./setup.sh'", made, "");
    return made;
}

static char *with_result(int result, const char *text)
{
    NV_AUTO_BUF out = NV_BUF(TEXT_MAX);

    if (result == NV_NO_DATA)
        nv_buf_text(&out, "# result no-data\n");
    else if (result < 0)
        nv_buf_text(&out, "# result error\n");
    nv_buf_text(&out, text);
    return strdup(nv_buf_c_string(&out));
}

static bool line_matches(const char *expected, size_t n, const char *got, size_t m)
{
    if (n == m && memcmp(expected, got, n) == 0)
        return true;
    if (!memchr(expected, '*', n))
        return false;
    NV_AUTO_FREE char *pattern = strndup(expected, n);
    NV_AUTO_FREE char *line = strndup(got, m);
    return fnmatch(pattern, line, 0) == 0;
}

/* Line by line; one with a '*' is a pattern, for what differs from machine to machine. Otherwise `message`
 * tells of the first line in which they differ. */
static bool text_matches(const char *expected, const char *got, char message[1024])
{
    for (int line = 1; *expected || *got; line++) {
        size_t n = strcspn(expected, "\n"), m = strcspn(got, "\n");
        if (!*expected || !*got || !line_matches(expected, n, got, m)) {
            snprintf(message, 1024, "line %d: expected '%.*s', got '%.*s'", line, (int)n, expected,
                     (int)m, got);
            return false;
        }
        expected += n + (expected[n] == '\n');
        got += m + (got[m] == '\n');
    }
    return true;
}

/* Where the case says so, leaves for a network namespace with nothing but a loopback that is down. False
 * where the kernel does not let us. */
static bool isolate(const char *dir)
{
    char path[PATH_MAX + 512];

    snprintf(path, sizeof(path), "%s/own-network", dir);
    return access(path, F_OK) < 0 || unshare(CLONE_NEWNET) == 0 ||
           unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

void nv_assert_golden(const struct nv_collector *collector, size_t i)
{
    char dir[PATH_MAX + 256], message[1024];
    const char *flags[FLAGS_MAX + 1] = {NULL};
    int result;

    snprintf(dir, sizeof(dir), "%s", nv_fixture_path(collector->name, i));
    if (!isolate(dir)) {
        printf("SKIP: %s: no network namespace to be had\n", dir);
        return;
    }
    NV_AUTO_FREE char *flag_text = read_text(dir, "flags");
    if (flag_text)
        split_flags(flag_text, flags);
    NV_AUTO_FREE char *text = nv_fixture_collect(collector, prepare(dir, false), flags, &result);
    NV_AUTO_FREE char *got = with_result(result, text);
    NV_AUTO_FREE char *expected = read_text(dir, "expected.prom");
    if (expected && text_matches(expected, got, message))
        return;
    if (getenv("NV_UPDATE")) {
        nv_write_file(dir, "expected.prom", got);
        return;
    }
    ck_assert_msg(expected != NULL, "%s has no expected.prom", dir);
    ck_abort_msg("%s: %s (result %d)", dir, message, result);
}

/* ---- samples -------------------------------------------------------------------------------- */

static const char *find_sample(const char *text, const char *series)
{
    size_t n = strlen(series);

    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (strncmp(at, series, n) == 0 && at[n] == ' ')
            return at + n + 1;
    return NULL;
}

double nv_sample_of(const char *text, const char *series)
{
    const char *at = find_sample(text, series);

    return at ? strtod(at, NULL) : (double)NAN;
}

bool nv_has_sample(const char *text, const char *series)
{
    return find_sample(text, series);
}

/* ---- torture -------------------------------------------------------------------------------- */

static char *files[FILES_MAX];
static size_t n_files;

static int note_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type == FTW_F && S_ISREG(st->st_mode) && n_files < FILES_MAX)
        files[n_files++] = strdup(path);
    return 0;
}

static bool is_input(const char *path)
{
    return strncmp(path, "./proc/", 7) == 0 || strncmp(path, "./sys/", 6) == 0 ||
           strncmp(path, "./root/", 7) == 0 || strncmp(path, "./udev/", 7) == 0 ||
           strncmp(path, "./text", 6) == 0;
}

static void put_bytes(const char *path, const char *bytes, size_t n)
{
    NV_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
}

static void pass_once(struct bench *bench)
{
    int result;

    free(bench_pass(bench, &result));
}

static void torture_file(const struct nv_collector *collector, const char *path,
                         const char *const *flags)
{
    enum { EVERY_BYTE = 4096, PLACES = 100, SIZE_MAX_TORTURED = 1 << 20 };
    static char bytes[SIZE_MAX_TORTURED];
    static const char garbage[] = "\0\xff\xfe -1 99999999999999999999999 : = [ ] ( ) \n\n\t\r\n x";
    struct bench bench;

    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    bench_open(&bench, collector, flags);
    size_t stride = n > EVERY_BYTE ? (n - EVERY_BYTE) / PLACES + 1 : 1;
    for (size_t cut = 0; cut < n; cut += cut < EVERY_BYTE ? 1 : stride) {
        put_bytes(path, bytes, cut);
        pass_once(&bench);
    }
    put_bytes(path, garbage, sizeof(garbage));
    pass_once(&bench);
    bench_close(&bench);

    bench_open(&bench, collector, flags); /* start() meets it too */
    pass_once(&bench);
    bench_close(&bench);
    unlink(path);
    bench_open(&bench, collector, flags);
    pass_once(&bench);
    bench_close(&bench);
    put_bytes(path, bytes, n);
}

void nv_fixture_torture(const struct nv_collector *collector, size_t i)
{
    NV_AUTO_FD here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char dir[PATH_MAX + 256];
    const char *flags[FLAGS_MAX + 1] = {NULL};

    snprintf(dir, sizeof(dir), "%s", nv_fixture_path(collector->name, i));
    NV_AUTO_FREE char *flag_text = read_text(dir, "flags");
    if (flag_text)
        split_flags(flag_text, flags);
    ck_assert_int_eq(chdir(prepare(dir, true)), 0);
    n_files = 0;
    nftw(".", note_file, 16, FTW_PHYS);
    for (size_t k = 0; k < n_files; k++) {
        if (is_input(files[k]))
            torture_file(collector, files[k], flags);
        free(files[k]);
    }
    ck_assert_int_eq(fchdir(here), 0);
}
