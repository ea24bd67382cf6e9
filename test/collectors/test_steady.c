/*
 * test_steady.c - all collectors that are on by default, on the machine as it is: a pass whose layout did not
 * change allocates nothing.
 */
#include <check.h>
#include <fcntl.h>

#include "agent/options.h"
#include "base/log.h"
#include "expo/expo.h"
#include "gather/gather.h"
#include "support/heap.h"

extern const struct nv_collector *const nv_builtin_collectors[];

static struct nv_gather *start_all(struct nv_options *options)
{
    char error[NV_GATHER_ERROR_MAX];
    const struct nv_gather_options paths = {.procfs = "/proc",
                                            .sysfs = "/sys",
                                            .rootfs = "/",
                                            .udev = "/run/udev/data",
                                            .parse_text = nv_expo_parse_text};
    struct nv_gather *gather = nv_gather_new(&paths);

    ck_assert_int_eq(nv_options_parse(options, nv_builtin_collectors, 0, NULL), 0);
    for (size_t i = 0; i < options->n_collectors; i++)
        if (nv_options_is_on(options, i))
            ck_assert_int_eq(nv_gather_add(gather, options->collectors[i].collector, NV_GATHER_NODE,
                                           options->collectors[i].values),
                             0);
    ck_assert_int_eq(nv_gather_start(gather, error), 0);
    return gather;
}

/* The least number of allocations of a pass among some: links, mounts and devices may change under us. */
static size_t least_calls(struct nv_gather *gather)
{
    const struct nv_gather_selection all = {0};
    size_t least = SIZE_MAX;

    for (int i = 0; i < 20; i++) {
        struct nv_frame *frame = NULL;
        size_t before = nv_heap_calls();
        if (nv_gather_pass(gather, &all, NV_GATHER_PASS_MS, &frame) != 0)
            return SIZE_MAX;
        size_t calls = nv_heap_calls() - before;
        nv_frame_unref(frame);
        if (i >= 5 && calls < least)
            least = calls;
    }
    return least;
}

START_TEST(a_default_pass_allocates_nothing)
{
    nv_log_setup(NV_ERROR, NV_LOG_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
    NV_AUTO(nv_options) *options = nv_options_new("nodevitals", "");
    NV_AUTO(nv_gather) *gather = start_all(options);
    size_t calls = least_calls(gather);

    if (nv_heap_counts())
        ck_assert_uint_eq(calls, 0);
    else
        printf("SKIP: a sanitizer has replaced malloc, allocations are not counted\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("steady");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 120);
    tcase_add_test(all, a_default_pass_allocates_nothing);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
