/*
 * test_kube_pods.c - kube_pod_* of a recorded node, and amounts as Kubernetes writes them.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "kube_pods/pod.h"
#include "support/fixture.h"
#include "support/pods.h"

extern const struct nv_collector nv_collector_kube_pods;

enum { LINES_MAX = 4096 };

struct lines {
    char *at[LINES_MAX];
    size_t n;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Samples alone, sorted; the text is cut up. */
static void split(char *text, struct lines *ret)
{
    char *rest = text, *line;

    ret->n = 0;
    while ((line = strsep(&rest, "\n"))) {
        if (!*line || *line == '#')
            continue;
        ck_assert_uint_lt(ret->n, LINES_MAX);
        ret->at[ret->n++] = line;
    }
    qsort(ret->at, ret->n, sizeof(char *), by_text);
}

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = calloc(1, 1 << 20);

    ck_assert(file && text);
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, file), (1 << 20) - 1);
    fclose(file);
    return text;
}

/* A sample's value apart from its series, since numbers have several forms. */
static double cut_value(char *line)
{
    char *blank = strrchr(line, ' ');

    ck_assert(blank);
    *blank = '\0';
    return strtod(blank + 1, NULL);
}

START_TEST(a_recorded_node_gives_every_sample_and_no_other)
{
    static struct lines got, wanted;
    const char *pods = nv_shared("fixtures/kubelet/payloads/pods.json");
    char path[4096];
    int result;

    if (!pods)
        return;
    snprintf(path, sizeof(path), "%s", pods);
    nv_test_pods_file(path);
    char *text = nv_fixture_collect(&nv_collector_kube_pods, nv_temp_dir(), NULL, &result);
    char *expected = read_whole(nv_shared("fixtures/kubelet/expected-kube-pod.txt"));
    ck_assert_int_eq(result, 0);
    split(text, &got);
    split(expected, &wanted);
    ck_assert_uint_gt(wanted.n, 400);
    for (size_t i = 0; i < got.n && i < wanted.n; i++) {
        double value = cut_value(got.at[i]), right = cut_value(wanted.at[i]);
        ck_assert_str_eq(got.at[i], wanted.at[i]);
        ck_assert_msg(value == right, "%s is %.17g, not %.17g", got.at[i], value, right);
    }
    ck_assert_uint_eq(got.n, wanted.n);
    free(text);
    free(expected);
}
END_TEST

/* A quantity, and what it is in thousandths: rounded up. */
static const struct {
    const char *text;
    double value; /* NAN: none */
} quantities[] = {
    {"1",          1000         },
    {"100m",       100          },
    {"0.5",        500          },
    {".5",         500          },
    {"5.",         5000         },
    {"+1",         1000         },
    {"-1",         -1000        },
    {"100n",       1            },
    {"1500u",      2            },
    {"1e3",        1000000      },
    {"1E3",        1000000      },
    {"1E",         1e21         },
    {"1E-2",       10           },
    {"12e+1",      120000       },
    {"1k",         1000000      },
    {"1Ki",        1024000      },
    {"1.5Gi",      1610612736000},
    {"1Ei",        0x1p60 * 1000},
    {"8Ei",        0x1p63 * 1000},
    {"128974848m", 128974848    },
    {"",           NAN          },
    {"Ki",         NAN          },
    {"1K",         NAN          },
    {"1e",         NAN          },
    {"1e999",      NAN          },
    {"1 Ki",       NAN          },
    {"one",        NAN          },
    {"1.2.3",      NAN          },
};

START_TEST(a_quantity_is_what_kubernetes_makes_of_it) /* looped */
{
    double value = NAN;
    bool good = nv_kube_quantity(nv_str(quantities[_i].text), 1000, &value);

    ck_assert_msg(good != isnan(quantities[_i].value), "%s", quantities[_i].text);
    ck_assert_msg(!good || value == quantities[_i].value, "%s is %.17g", quantities[_i].text,
                  value);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kube_pods");
    TCase *test = tcase_create("all");

    nv_quiet();
    tcase_add_test(test, a_recorded_node_gives_every_sample_and_no_other);
    tcase_add_loop_test(test, a_quantity_is_what_kubernetes_makes_of_it, 0, NV_LEN(quantities));
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
