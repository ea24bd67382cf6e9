#include "scrape/ask.h"

static const char *const protocols[NV_SCRAPE_PROTOCOLS] = {
    [NV_SCRAPE_PROTO] = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                         "encoding=delimited"),
    [NV_SCRAPE_OPENMETRICS0] = "application/openmetrics-text;version=0.0.1",
    [NV_SCRAPE_OPENMETRICS1] = "application/openmetrics-text;version=1.0.0",
    [NV_SCRAPE_TEXT0] = "text/plain;version=0.0.4",
    [NV_SCRAPE_TEXT1] = "text/plain;version=1.0.0",
};

static const char *const escapings[] = {
    [NV_ESCAPING_ALLOW_UTF8] = "allow-utf-8",
    [NV_ESCAPING_UNDERSCORES] = "underscores",
    [NV_ESCAPING_DOTS] = "dots",
    [NV_ESCAPING_VALUES] = "values",
};

static const struct {
    int status;
    const char *name;
} statuses[] = {
    {204, "No Content"                     },
    {301, "Moved Permanently"              },
    {302, "Found"                          },
    {303, "See Other"                      },
    {304, "Not Modified"                   },
    {307, "Temporary Redirect"             },
    {308, "Permanent Redirect"             },
    {400, "Bad Request"                    },
    {401, "Unauthorized"                   },
    {403, "Forbidden"                      },
    {404, "Not Found"                      },
    {405, "Method Not Allowed"             },
    {406, "Not Acceptable"                 },
    {407, "Proxy Authentication Required"  },
    {408, "Request Timeout"                },
    {410, "Gone"                           },
    {421, "Misdirected Request"            },
    {429, "Too Many Requests"              },
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"          },
    {501, "Not Implemented"                },
    {502, "Bad Gateway"                    },
    {503, "Service Unavailable"            },
    {504, "Gateway Timeout"                },
};

void nv_scrape_write_accept(const struct nv_config_scrape *config, struct nv_buf *out)
{
    int weight = NV_SCRAPE_PROTOCOLS + 1;

    for (size_t i = 0; i < config->n_protocols; i++) {
        enum nv_scrape_protocol protocol = config->protocols[i];
        nv_buf_text(out, protocols[protocol]);
        if (protocol == NV_SCRAPE_TEXT1 || protocol == NV_SCRAPE_OPENMETRICS1)
            nv_buf_printf(out, ";escaping=%s", escapings[config->name_escaping]);
        nv_buf_printf(out, ";q=0.%d,", weight--);
    }
    nv_buf_printf(out, "*/*;q=0.%d", weight);
}

void nv_scrape_write_timeout(int64_t timeout_ms, struct nv_buf *out)
{
    int64_t rest = timeout_ms % 1000;

    nv_buf_printf(out, "%lld", (long long)(timeout_ms / 1000));
    if (!rest)
        return;
    nv_buf_printf(out, ".%03lld", (long long)rest);
    while (!out->failed && out->p[out->n - 1] == '0')
        out->n--;
}

void nv_scrape_write_status(int status, struct nv_buf *out)
{
    nv_buf_printf(out, "%d", status);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].status == status)
            nv_buf_printf(out, " %s", statuses[i].name);
    }
}
