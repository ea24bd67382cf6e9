/*
 * test_container.c - the container collector over whole machines: the trees of ../shared/fixtures/kubelet, whose
 * expected.txt says what must be there, what had better be, and what must not.
 */
#include <check.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "support/fixture.h"
#include "support/pods.h"

extern const struct nv_collector nv_collector_container;

enum { LABELS_MAX = 32, TEXT_MAX = 64 << 20 };

struct sample {
    struct nv_str name, labels; /* the text between the braces */
    double value;
    bool has_value;
};

/* ---- matching ------------------------------------------------------------------------------- */

/* name{labels} value */
static bool read_sample(struct nv_str line, struct sample *ret)
{
    size_t brace = nv_str_find(line, '{'), blank = nv_str_find(line, ' ');
    const char *end;

    *ret = (struct sample){0};
    if (!line.n || line.p[0] == '#')
        return false;
    if (brace < blank) {
        end = memrchr(line.p, '}', line.n);
        ret->name = (struct nv_str){line.p, brace};
        ret->labels = (struct nv_str){line.p + brace + 1, (size_t)(end - line.p) - brace - 1};
        line = nv_str_from(line, (size_t)(end - line.p) + 1);
    } else {
        ret->name = (struct nv_str){line.p, blank};
        line = nv_str_from(line, blank);
    }
    ret->has_value = nv_str_to_real(nv_str_trim(line), &ret->value);
    return true;
}

/* Takes name="value" off the front; no value in these files has a quote or a backslash. */
static bool cut_label(struct nv_str *rest, struct nv_str *ret_name, struct nv_str *ret_value)
{
    if (!rest->n)
        return false;
    *ret_name = nv_str_cut(rest, '=');
    *rest = nv_str_from(*rest, 1);
    *ret_value = nv_str_cut(rest, '"');
    if (rest->n && rest->p[0] == ',')
        *rest = nv_str_from(*rest, 1);
    return true;
}

static struct nv_str label_of(struct nv_str labels, struct nv_str name)
{
    struct nv_str key, value;

    while (cut_label(&labels, &key, &value))
        if (nv_str_eq(key, name))
            return value;
    return NV_LIT("");
}

static bool satisfies(const struct sample *got, const struct sample *wanted)
{
    struct nv_str rest = wanted->labels, name, value;

    if (!nv_str_eq(got->name, wanted->name))
        return false;
    while (cut_label(&rest, &name, &value))
        if (!nv_str_eq(label_of(got->labels, name), value))
            return false;
    return !wanted->has_value ||
           fabs(got->value - wanted->value) <= 1e-9 * fmax(fabs(got->value), fabs(wanted->value));
}

/* Whether any line of `text` does. */
static bool is_satisfied(const char *text, const struct sample *wanted)
{
    struct nv_scan all = nv_scan(nv_str(text)), line;
    struct sample got;

    while (nv_scan_line(&all, &line))
        if (read_sample(nv_scan_rest(&line), &got) && satisfies(&got, wanted))
            return true;
    return false;
}

/* ---- the trees ------------------------------------------------------------------------------ */

static const char *const trees[] = {"cgroup-v2-systemd", "cgroup-v1-cgroupfs"};

static char *read_file(const char *path)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);
    FILE *file = fopen(path, "r");

    ck_assert_ptr_nonnull(file);
    for (size_t n = 1; n && nv_buf_room(&text, 65536);) {
        n = fread(text.p + text.n, 1, 65536, file);
        text.n += n;
    }
    fclose(file);
    return strdup(nv_buf_c_string(&text));
}

static char *collect_tree(const char *tree, bool with_pods)
{
    char root[1024], link[1200];
    int result;

    snprintf(root, sizeof(root), "%s/%s", nv_temp_dir(), tree);
    ck_assert_int_eq(mkdir(root, 0755), 0);
    static const char *const parts[] = {"proc", "sys", ""};
    static const char *const names[] = {"proc", "sys", "root"};
    for (size_t i = 0; i < 3; i++) {
        char from[1024];
        snprintf(from, sizeof(from), "fixtures/kubelet/%s/root/%s", tree, parts[i]);
        snprintf(link, sizeof(link), "%s/%s", root, names[i]);
        ck_assert_int_eq(symlink(nv_shared(from), link), 0);
    }
    if (with_pods)
        nv_test_pods_file(nv_shared("fixtures/kubelet/payloads/pods.json"));
    char *got = nv_fixture_collect(&nv_collector_container, root, NULL, &result);
    ck_assert_int_eq(result, 0);
    return got;
}

START_TEST(every_required_line_and_no_forbidden_one)
{
    enum { REQUIRED, RECOMMENDED, FORBIDDEN, CLASSES } class = REQUIRED;
    size_t missing[CLASSES] = {0}, lines[CLASSES] = {0};
    char path[1024];

    if (!nv_shared("fixtures/kubelet"))
        return;
    snprintf(path, sizeof(path), "fixtures/kubelet/%s/expected.txt", trees[_i]);
    NV_AUTO_FREE char *expected = read_file(nv_shared(path));
    NV_AUTO_FREE char *got = collect_tree(trees[_i], true);
    struct nv_scan file = nv_scan(nv_str(expected)), line;
    while (nv_scan_line(&file, &line)) {
        struct nv_str text = nv_scan_rest(&line);
        struct sample wanted;
        if (nv_str_starts(text, "# class: "))
            class = nv_str_ends(text, "required")      ? REQUIRED
                    : nv_str_ends(text, "recommended") ? RECOMMENDED
                                                       : FORBIDDEN;
        if (!read_sample(text, &wanted))
            continue;
        lines[class]++;
        if (is_satisfied(got, &wanted) == (class != FORBIDDEN))
            continue;
        if (missing[class]++ < 20)
            printf("%s: %s: %.*s\n", trees[_i],
                   class == FORBIDDEN  ? "forbidden and there"
                   : class == REQUIRED ? "required and missing"
                                       : "recommended and missing",
                   NV_ARGS(text));
    }
    ck_assert_uint_gt(lines[REQUIRED], 800);
    ck_assert_uint_eq(missing[REQUIRED], 0);
    ck_assert_uint_eq(missing[FORBIDDEN], 0);
    ck_assert_uint_eq(missing[RECOMMENDED], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("container");
    TCase *all = tcase_create("all");

    nv_quiet();
    tcase_set_timeout(all, 240);
    tcase_add_loop_test(all, every_required_line_and_no_forbidden_one, 0, NV_LEN(trees));
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
