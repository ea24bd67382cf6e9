/*
 * test_lean.c - registries of what others tell: label sets once, no text, and nobody minds how families go together.
 */
#include <check.h>

#include "base/assert.h"
#include "metric/layout.h"

static struct nv_registry *registry;

static void setup(void)
{
    registry = nv_must(nv_registry_new_lean(false));
    nv_registry_add_section(registry);
}

static void teardown(void)
{
    nv_registry_free(registry);
}

static int add(const char *family, const char *suffix, enum nv_type type,
               const struct nv_label *labels, size_t n, uint32_t *ret)
{
    const struct nv_labelled_series def = {
        .family = nv_str(family),
        .suffix = suffix,
        .help = NV_LIT("Help."),
        .type = type,
        .labels = labels,
        .n_labels = n,
    };

    return nv_registry_add_labelled(registry, &def, ret);
}

START_TEST(label_sets_stand_once)
{
    const struct nv_label labels[] = {
        {NV_LIT("b"), NV_LIT("2")},
        {NV_LIT("a"), NV_LIT("1")},
    };
    const struct nv_label turned[] = {labels[1], labels[0]};
    uint32_t x, y;

    ck_assert_int_eq(add("x", "", NV_GAUGE, labels, 2, &x), 0);
    ck_assert_int_eq(add("y", "", NV_GAUGE, turned, 2, &y), 0);
    const struct nv_series *one = nv_registry_series(registry, x);
    const struct nv_series *other = nv_registry_series(registry, y);
    ck_assert_ptr_eq(one->labels, other->labels);
    ck_assert(nv_str_is(one->labels[0].name, "a") && !one->rest.p);
    ck_assert_int_eq(add("x", "", NV_GAUGE, turned, 2, &y), NV_REGISTRY_DUPLICATE);
    ck_assert_uint_eq(y, x);
}
END_TEST

START_TEST(names_of_others_are_no_conflict)
{
    const struct nv_label le = {NV_LIT("le"), NV_LIT("+Inf")};
    uint32_t column;

    ck_assert_int_eq(add("h", "_bucket", NV_HISTOGRAM, &le, 1, &column), 0);
    ck_assert_int_eq(add("h_count", "", NV_GAUGE, NULL, 0, &column), 0);
    ck_assert_int_eq(add("h", "_count", NV_HISTOGRAM, NULL, 0, &column), NV_REGISTRY_DUPLICATE);
    ck_assert_int_eq(add("h", "", NV_UNTYPED, NULL, 0, &column), 0);
    ck_assert_int_eq(add("h", "", NV_GAUGE, &le, 1, &column), NV_REGISTRY_CONFLICT);
    ck_assert_int_eq(add("h", "_bucket", NV_HISTOGRAM, NULL, 0, &column), NV_REGISTRY_INVALID);
}
END_TEST

START_TEST(what_is_no_label_set_is_refused)
{
    const struct nv_label twice[] = {
        {NV_LIT("a"), NV_LIT("1")},
        {NV_LIT("a"), NV_LIT("2")},
    };
    const struct nv_label nameless = {NV_LIT(""), NV_LIT("1")},
                          broken = {NV_LIT("a"), NV_LIT("\xff")};
    struct nv_label many[NV_REGISTRY_LABELS_MAX + 1] = {0};
    uint32_t column;

    ck_assert_int_eq(add("x", "", NV_GAUGE, twice, 2, &column), NV_REGISTRY_INVALID);
    ck_assert_int_eq(add("x", "", NV_GAUGE, &nameless, 1, &column), NV_REGISTRY_INVALID);
    ck_assert_int_eq(add("x", "", NV_GAUGE, &broken, 1, &column), NV_REGISTRY_INVALID);
    ck_assert_int_eq(add("x", "", NV_GAUGE, many, NV_LEN(many), &column), NV_REGISTRY_INVALID);
    ck_assert_int_eq(add("", "", NV_GAUGE, NULL, 0, &column), NV_REGISTRY_INVALID);
    ck_assert_uint_eq(nv_registry_n_series(registry), 0);
}
END_TEST

START_TEST(a_bare_one_has_nothing_to_show)
{
    uint32_t column;

    nv_registry_free(registry);
    registry = nv_must(nv_registry_new_lean(true));
    nv_registry_add_section(registry);
    ck_assert_int_eq(add("x", "", NV_GAUGE, NULL, 0, &column), 0);
    struct nv_layout *layout = nv_registry_layout(registry);
    ck_assert_uint_eq(layout->n_families, 0);
    ck_assert_uint_eq(layout->n_series, 1);
    ck_assert(nv_str_is(nv_layout_series(layout, 0)->name, "x"));
    nv_registry_renew(registry);
    ck_assert_uint_eq(nv_registry_n_series(registry), 0);
    ck_assert(nv_str_is(nv_layout_series(layout, 0)->name, "x"));
    nv_layout_unref(layout);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lean");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, label_sets_stand_once);
    tcase_add_test(all, names_of_others_are_no_conflict);
    tcase_add_test(all, what_is_no_label_set_is_refused);
    tcase_add_test(all, a_bare_one_has_nothing_to_show);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
