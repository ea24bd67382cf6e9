/*
 * timex - the kernel's clock discipline, as adjtimex(2) tells.
 *
 * Offset and jitter are in nanoseconds when the status has STA_NANO, else in microseconds. Frequencies
 * are in parts per million with 16 bits of fraction. Where the call is not permitted there is no data.
 */
#include <nodevitals/collector.h>

#include <sys/timex.h>

#define PPM_WITH_FRACTION (1000000.0 * 65536.0)
#define MICROSECONDS      1000000.0
#define NANOSECONDS       1000000000.0

static const struct nv_family columns[] = {
    {"node_timex_offset_seconds",               NV_GAUGE,   NV_AS_IS,
     "Offset between the clock and its reference."                                                          },
    {"node_timex_frequency_adjustment_ratio",   NV_GAUGE,   NV_AS_IS,
     "Factor the clock's frequency is corrected by."                                                        },
    {"node_timex_maxerror_seconds",             NV_GAUGE,   NV_AS_IS, "Maximum error of the clock."         },
    {"node_timex_estimated_error_seconds",      NV_GAUGE,   NV_AS_IS, "Estimated error of the clock."       },
    {"node_timex_status",                       NV_GAUGE,   NV_AS_IS, "Status bits of the clock."           },
    {"node_timex_loop_time_constant",           NV_GAUGE,   NV_AS_IS,
     "Time constant of the phase-locked loop."                                                              },
    {"node_timex_tick_seconds",                 NV_GAUGE,   NV_AS_IS, "Time between two ticks."             },
    {"node_timex_pps_frequency_hertz",          NV_GAUGE,   NV_AS_IS, "Frequency of the pulse per second."  },
    {"node_timex_pps_jitter_seconds",           NV_GAUGE,   NV_AS_IS, "Jitter of the pulse per second."     },
    {"node_timex_pps_shift_seconds",            NV_GAUGE,   NV_AS_IS, "Interval of the pulse per second."   },
    {"node_timex_pps_stability_hertz",          NV_GAUGE,   NV_AS_IS, "Stability of the pulse per second."  },
    {"node_timex_pps_jitter_total",             NV_COUNTER, NV_AS_IS, "Times the jitter limit was exceeded."},
    {"node_timex_pps_calibration_total",        NV_COUNTER, NV_AS_IS,
     "Calibration intervals of the pulse per second."                                                       },
    {"node_timex_pps_error_total",              NV_COUNTER, NV_AS_IS,
     "Calibration errors of the pulse per second."                                                          },
    {"node_timex_pps_stability_exceeded_total", NV_COUNTER, NV_AS_IS,
     "Times the stability limit was exceeded."                                                              },
    {"node_timex_tai_offset_seconds",           NV_GAUGE,   NV_AS_IS, "International atomic time minus UTC."},
    {"node_timex_sync_status",                  NV_GAUGE,   NV_AS_IS,
     "Whether the clock is synchronised to a reference."                                                    },
};

static const struct nv_table table = {NV_NO_LABELS, columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct timex timex = {0};

    int state = adjtimex(&timex);
    if (state < 0 && (errno == EPERM || errno == EACCES))
        return NV_NO_DATA;
    if (state < 0)
        return -errno;

    double unit = timex.status & STA_NANO ? NANOSECONDS : MICROSECONDS;
    const double value[NV_LEN(columns)] = {
        (double)timex.offset / unit,
        1 + (double)timex.freq / PPM_WITH_FRACTION,
        (double)timex.maxerror / MICROSECONDS,
        (double)timex.esterror / MICROSECONDS,
        timex.status,
        (double)timex.constant,
        (double)timex.tick / MICROSECONDS,
        (double)timex.ppsfreq / PPM_WITH_FRACTION,
        (double)timex.jitter / unit,
        timex.shift,
        (double)timex.stabil / PPM_WITH_FRACTION,
        (double)timex.jitcnt,
        (double)timex.calcnt,
        (double)timex.errcnt,
        (double)timex.stbcnt,
        timex.tai,
        state != TIME_ERROR,
    };
    nv_emit_reals(pass, &table, NULL, value, NV_LEN(columns), UINT64_MAX);
    return 0;
}

NV_COLLECTOR(timex) = {
    NV_ABI_STAMP,
    .name = "timex",
    .summary = "Synchronisation of the clock.",
    .tables = NV_TABLES(&table),
    .cadence_ms = 15000,
    .collect = collect,
};
