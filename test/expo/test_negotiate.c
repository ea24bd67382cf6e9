#include <check.h>

#include "expo/expo.h"

static const char protobuf[] = "application/vnd.google.protobuf;proto=io.prometheus.client."
                               "MetricFamily;encoding=delimited";
static const char scrape[] =
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

static const struct {
    const char *accept, *type;
} cases[] = {
    {"",                                                                                      "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                  },
    {"*/*",                                                                                   "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                  },
    {"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
     "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                                                                                                           },
    {"text/plain",                                                                            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                  },
    {" text/plain ; version = 0.0.4 ; escaping = values",
     "text/plain; version=0.0.4; charset=utf-8; escaping=values"                                                                                                                },
    {"text/plain;version=1.0.0;escaping=allow-utf-8",
     "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"                                                                                                           },
    {"text/plain;version=2.0.0",                                                              "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                  },
    {"application/openmetrics-text",
     "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores"                                                                                         },
    {"application/openmetrics-text;version=1.0.0;escaping=dots",
     "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots"                                                                                                },
    {"application/openmetrics-text;version=2.0.0;escaping=dots,text/plain;q=0.5",
     "text/plain; version=0.0.4; charset=utf-8; escaping=dots"                                                                                                                  },
    {"text/plain;q=0.5,application/openmetrics-text;version=1.0.0;q=0.6",
     "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"                                                                                         },
    {"text/plain;q=0.6;escaping=dots,application/openmetrics-text;version=1.0.0;q=0.5;"
     "escaping=values",                                                                  "text/plain; version=0.0.4; charset=utf-8; escaping=dots"                         },
    {"application/openmetrics-text;version=1.0.0;q=0",
     "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                                                                                                           },
    {"text/plain;escaping=nonsense",
     "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                                                                                                           },
    {"text/plain/x;escaping=dots,;;,/,=",
     "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                                                                                                           },
    {scrape,                                                                                  "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"},
    {protobuf,                                                                                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
               "encoding=delimited; escaping=underscores"                                                                                                         },
    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
     "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=text; "
     "escaping=underscores"                                                                                                                                                     },
    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
     "encoding=compact-text",                                                            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
     "encoding=compact-text; escaping=underscores"                                                                                            },
    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily",
     "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                                                                                                           },
    {"application/vnd.google.protobuf;proto=other;encoding=delimited",
     "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"                                                                                                           },
};

START_TEST(every_accept_header_has_its_content_type)
{
    char type[NV_EXPO_TYPE_MAX];

    nv_expo_content_type(nv_expo_negotiate(nv_str(cases[_i].accept)), type);
    ck_assert_str_eq(type, cases[_i].type);
}
END_TEST

static const struct {
    const char *accept;
    enum nv_expo_coding coding;
} codings[] = {
    {"",                       NV_CODING_IDENTITY},
    {"gzip",                   NV_CODING_GZIP    },
    {"GZIP",                   NV_CODING_GZIP    },
    {"gzip, identity",         NV_CODING_IDENTITY},
    {"identity;q=0.5, gzip",   NV_CODING_GZIP    },
    {"*",                      NV_CODING_IDENTITY},
    {"*;q=0.5, gzip;q=0.8",    NV_CODING_GZIP    },
    {"gzip;q=0",               NV_CODING_IDENTITY},
    {"gzip, deflate, br",      NV_CODING_GZIP    },
    {"gzip, zstd",             NV_CODING_GZIP    },
    {"zstd",                   NV_CODING_ZSTD    },
    {"zstd;q=1.0, gzip;q=0.9", NV_CODING_ZSTD    },
    {"br, deflate",            NV_CODING_IDENTITY},
    {"gzip;q=nonsense",        NV_CODING_IDENTITY},
    {"gzipp, xgzip",           NV_CODING_IDENTITY},
};

START_TEST(every_accept_encoding_has_its_coding)
{
    ck_assert_int_eq(nv_expo_negotiate_coding(nv_str(codings[_i].accept)), codings[_i].coding);
}
END_TEST

/* What a client sends may end anywhere. */
START_TEST(a_header_cut_anywhere_is_answered)
{
    for (size_t n = 0; n <= strlen(scrape); n++) {
        char type[NV_EXPO_TYPE_MAX], *copy = strndup(scrape, n);
        nv_expo_content_type(nv_expo_negotiate((struct nv_str){copy, n}), type);
        ck_assert(type[0]);
        nv_expo_negotiate_coding((struct nv_str){copy, n});
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("negotiate");
    TCase *tc = tcase_create("negotiate");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tc, every_accept_header_has_its_content_type, 0, NV_LEN(cases));
    tcase_add_loop_test(tc, every_accept_encoding_has_its_coding, 0, NV_LEN(codings));
    tcase_add_test(tc, a_header_cut_anywhere_is_answered);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
