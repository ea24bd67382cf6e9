/*
 * bcache - a block device that caches another.
 *
 * Source: sys/fs/bcache/<uuid>/, with bdev<N> for each device that is cached and cache<N> for each that
 * caches. A file that a kernel lacks counts as 0. Sizes are written for people, by bch_hprint() of the
 * kernel: "1.5k" is one KiB and five of its 1024 parts divided by 100, thus 1 + 5/10.24 KiB, cut to whole
 * bytes.
 */
#include <nodevitals/sysfs.h>

#define ROOT "sys/fs/bcache"

static const struct nv_family set_columns[] = {
    {"node_bcache_average_key_size_sectors",            NV_GAUGE,   NV_AS_IS,
     "Average data per key of the tree."                                                                                   },
    {"node_bcache_btree_cache_size_bytes",              NV_GAUGE,   NV_AS_IS,       "Memory the tree's cache takes."       },
    {"node_bcache_cache_available_percent",             NV_GAUGE,   NV_AS_IS,
     "Part of the cache without dirty data, usable for writeback."                                                         },
    {"node_bcache_congested",                           NV_GAUGE,   NV_AS_IS,       "How congested the cache is."          },
    {"node_bcache_root_usage_percent",                  NV_GAUGE,   NV_AS_IS,       "Part of the tree's root that is used."},
    {"node_bcache_tree_depth",                          NV_GAUGE,   NV_AS_IS,       "Depth of the tree."                   },
    {"node_bcache_active_journal_entries",              NV_GAUGE,   NV_AS_IS,
     "Journal entries that are newer than the index."                                                                      },
    {"node_bcache_btree_nodes",                         NV_GAUGE,   NV_AS_IS,       "Nodes of the tree."                   },
    {"node_bcache_btree_read_average_duration_seconds", NV_GAUGE,   NV_TIMES(1e-9),
     "Average duration of reads of the tree."                                                                              },
    {"node_bcache_cache_read_races_total",              NV_COUNTER, NV_AS_IS,
     "Reads whose cached data were overwritten meanwhile."                                                                 },
};
static const char *const set_files[NV_LEN(set_columns)] = {
    "average_key_size",
    "btree_cache_size",
    "cache_available_percent",
    "congested",
    "root_usage_percent",
    "tree_depth",
    "internal/active_journal_entries",
    "internal/btree_nodes",
    "internal/btree_read_average_duration_us",
    "internal/cache_read_races",
};

static const struct nv_family backing_columns[] = {
    {"node_bcache_dirty_data_bytes",            NV_GAUGE,   NV_AS_IS, "Bytes to be written back."          },
    {"node_bcache_bypassed_bytes_total",        NV_COUNTER, NV_AS_IS, "Bytes that went past the cache."    },
    {"node_bcache_cache_bypass_hits_total",     NV_COUNTER, NV_AS_IS,
     "Hits of requests that were to go past the cache."                                                    },
    {"node_bcache_cache_bypass_misses_total",   NV_COUNTER, NV_AS_IS,
     "Misses of requests that were to go past the cache."                                                  },
    {"node_bcache_cache_hits_total",            NV_COUNTER, NV_AS_IS, "Requests the cache could serve."    },
    {"node_bcache_cache_miss_collisions_total", NV_COUNTER, NV_AS_IS,
     "Data not put in the cache, since a write had come first."                                            },
    {"node_bcache_cache_misses_total",          NV_COUNTER, NV_AS_IS, "Requests the cache could not serve."},
    {"node_bcache_cache_readaheads_total",      NV_COUNTER, NV_AS_IS, "Readaheads that were made."         },
};
static const char *const backing_files[NV_LEN(backing_columns)] = {
    "dirty_data",
    "stats_total/bypassed",
    "stats_total/cache_bypass_hits",
    "stats_total/cache_bypass_misses",
    "stats_total/cache_hits",
    "stats_total/cache_miss_collisions",
    "stats_total/cache_misses",
    "stats_total/cache_readaheads",
};
enum { READAHEADS = 7 }; /* gone since Linux 5.15, so that 0 means none */

static const struct nv_family rate_columns[] = {
    {"node_bcache_writeback_rate",                   NV_GAUGE, NV_AS_IS,
     "Bytes per second at which data are written back."                                                      },
    {"node_bcache_dirty_target_bytes",               NV_GAUGE, NV_AS_IS, "Dirty data that writeback aims at."},
    {"node_bcache_writeback_rate_proportional_term", NV_GAUGE, NV_AS_IS,
     "Proportional term of the writeback controller."                                                        },
    {"node_bcache_writeback_rate_integral_term",     NV_GAUGE, NV_AS_IS,
     "Integral term of the writeback controller."                                                            },
    {"node_bcache_writeback_change",                 NV_GAUGE, NV_AS_IS, "Last change of the writeback rate."},
};
static const struct {
    const char *key;
    bool is_signed;
} rate_lines[NV_LEN(rate_columns)] = {
    {"rate:",         false},
    {"target:",       false},
    {"proportional:", true },
    {"integral:",     true },
    {"change:",       true },
};

static const struct nv_family cache_columns[] = {
    {"node_bcache_io_errors",                    NV_GAUGE,   NV_AS_IS,
     "Errors of the caching device, halved now and then."   },
    {"node_bcache_metadata_written_bytes_total", NV_COUNTER, NV_AS_IS,
     "Bytes written to the caching device that are no data."},
    {"node_bcache_written_bytes_total",          NV_COUNTER, NV_AS_IS,
     "Data written to the caching device."                  },
};
static const char *const cache_files[NV_LEN(cache_columns)] = {
    "io_errors",
    "metadata_written",
    "written",
};

static const struct nv_family priority_columns[] = {
    {"node_bcache_priority_stats_unused_percent",   NV_GAUGE, NV_AS_IS,
     "Part of the cache without data."       },
    {"node_bcache_priority_stats_metadata_percent", NV_GAUGE, NV_AS_IS,
     "Part of the cache that holds metadata."},
};
static const char *const priority_lines[NV_LEN(priority_columns)] = {"Unused:", "Metadata:"};

#define BACKING NV_LABELS("uuid", "backing_device")
#define CACHE   NV_LABELS("uuid", "cache_device")
static const struct nv_table sets = {NV_LABELS("uuid"), set_columns, NV_LEN(set_columns)};
static const struct nv_table backings = {BACKING, backing_columns, NV_LEN(backing_columns)};
static const struct nv_table rates = {BACKING, rate_columns, NV_LEN(rate_columns)};
static const struct nv_table caches = {CACHE, cache_columns, NV_LEN(cache_columns)};
static const struct nv_table priorities = {CACHE, priority_columns, NV_LEN(priority_columns)};

enum { PRIORITY_STATS };
enum { FILES_MAX = 10 };

/* Reads what bch_hprint() wrote. */
static bool to_bytes(struct nv_str text, double *ret)
{
    static const char units[] = "kMGTPE";
    double whole, part = 0, scale = 1;

    if (!text.n)
        return false;
    char last = text.p[text.n - 1];
    if (last <= '9')
        return nv_str_to_real(text, ret) && *ret >= 0 && *ret < 0x1p64 &&
               (*ret = floor(*ret), true);

    const char *unit = memchr(units, last, sizeof(units) - 1);
    if (!unit)
        return false;
    for (const char *at = units; at <= unit; at++)
        scale *= 1024;
    text.n--;
    struct nv_str head = nv_str_cut(&text, '.');
    if (!nv_str_to_real(head, &whole) || (text.n && !nv_str_to_real(text, &part)))
        return false;
    *ret = floor((whole + part / 10.24) * scale);
    return *ret >= 0 && *ret < 0x1p64;
}

static bool to_signed_bytes(struct nv_str text, double *ret)
{
    bool minus = text.n && text.p[0] == '-';
    bool valid = to_bytes(nv_str_from(text, minus), ret);

    if (valid && minus)
        *ret = -*ret;
    return valid;
}

/* Reads files below `path`, one figure each. */
static int read_files(struct nv_pass *pass, const char *path, const char *const *files, size_t n,
                      double *values)
{
    for (size_t i = 0; i < n; i++) {
        struct nv_str text;
        int r = nv_attribute(pass, &text, "%s/%s", path, files[i]);

        values[i] = 0;
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        if (!to_bytes(text, &values[i]))
            return nv_error(pass, -EBADMSG, "%s/%s is no number", path, files[i]);
    }
    return 0;
}

/* Reads writeback_rate_debug, lines of a key and a size, some of them per second. */
static int read_rates(struct nv_pass *pass, const char *device, double *values)
{
    char path[NV_PATH_MAX];
    struct nv_scan file, line;
    struct nv_str text;

    nv_path(path, "%s/writeback_rate_debug", device);
    int r = nv_read(pass, path, &text);
    if (r < 0)
        return r == -ENOENT ? 0 : r;

    file = nv_scan(text);
    while (nv_scan_line(&file, &line)) {
        struct nv_str key = nv_scan_word(&line), value = nv_scan_word(&line);

        for (size_t i = 0; i < NV_LEN(rate_lines) && !line.failed; i++) {
            if (!nv_str_is(key, rate_lines[i].key))
                continue;
            if (nv_str_ends(value, "/sec"))
                value.n -= strlen("/sec");
            if (rate_lines[i].is_signed ? !to_signed_bytes(value, &values[i])
                                        : !to_bytes(value, &values[i]))
                return nv_error(pass, -EBADMSG, "%s: %s is no number", path, rate_lines[i].key);
        }
    }
    return 0;
}

/* Reads priority_stats, lines of a key and a percentage among others. */
static int read_priorities(struct nv_pass *pass, const char *cache, uint64_t *values)
{
    char path[NV_PATH_MAX];
    struct nv_scan file, line;
    struct nv_str text;

    nv_path(path, "%s/priority_stats", cache);
    int r = nv_read(pass, path, &text);
    if (r < 0)
        return r == -ENOENT ? 0 : r;

    file = nv_scan(text);
    while (nv_scan_line(&file, &line)) {
        struct nv_str key = nv_scan_word(&line), value = nv_scan_word(&line);

        for (size_t i = 0; i < NV_LEN(priority_lines) && !line.failed; i++) {
            if (!nv_str_is(key, priority_lines[i]))
                continue;
            if (!nv_str_to_u64(nv_str_cut(&value, '%'), &values[i]))
                return nv_error(pass, -EBADMSG, "%s: %s is no number", path, priority_lines[i]);
        }
    }
    return 0;
}

static int emit_backing(struct nv_pass *pass, const char *path, const struct nv_str *labels)
{
    double values[FILES_MAX], rate[NV_LEN(rate_columns)] = {0};
    int r = read_files(pass, path, backing_files, NV_LEN(backing_files), values);

    if (r == 0)
        r = read_rates(pass, path, rate);
    if (r < 0)
        return r;
    nv_emit_reals(pass, &backings, labels, values, NV_LEN(backing_columns),
                  values[READAHEADS] > 0 ? UINT64_MAX : ~(UINT64_C(1) << READAHEADS));
    nv_emit_reals(pass, &rates, labels, rate, NV_LEN(rate_columns), UINT64_MAX);
    return 0;
}

static int emit_cache(struct nv_pass *pass, const char *path, const struct nv_str *labels)
{
    uint64_t percent[NV_LEN(priority_columns)] = {0};
    double values[FILES_MAX];
    int r = read_files(pass, path, cache_files, NV_LEN(cache_files), values);

    if (r == 0 && nv_on(pass, PRIORITY_STATS))
        r = read_priorities(pass, path, percent);
    if (r < 0)
        return r;
    nv_emit_reals(pass, &caches, labels, values, NV_LEN(cache_columns), UINT64_MAX);
    if (nv_on(pass, PRIORITY_STATS))
        nv_emit_row(pass, &priorities, labels, percent, NV_LEN(priority_columns));
    return 0;
}

static int emit_set(struct nv_pass *pass, struct nv_str uuid)
{
    char path[NV_PATH_MAX];
    double values[FILES_MAX];
    struct nv_names names;

    nv_path(path, ROOT "/%.*s", NV_ARGS(uuid));
    int r = nv_list(pass, path, &names);
    if (r == 0)
        r = read_files(pass, path, set_files, NV_LEN(set_files), values);
    if (r < 0)
        return r;
    nv_emit_reals(pass, &sets, &uuid, values, NV_LEN(set_columns), UINT64_MAX);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        struct nv_str labels[] = {uuid, names.at[i]};

        nv_path(path, ROOT "/%.*s/%.*s", NV_ARGS(uuid), NV_ARGS(names.at[i]));
        if (nv_is_numbered(names.at[i], "bdev"))
            r = emit_backing(pass, path, labels);
        else if (nv_is_numbered(names.at[i], "cache"))
            r = emit_cache(pass, path, labels);
    }
    return r;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = nv_list(pass, ROOT, &names);

    if (r == -ENOENT)
        return 0;
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (nv_str_find(names.at[i], '-') < names.at[i].n)
            r = emit_set(pass, names.at[i]);
    }
    return r;
}

NV_COLLECTOR(bcache) = {
    NV_ABI_STAMP,
    .name = "bcache",
    .summary = "Block devices cached by bcache.",
    .tables = NV_TABLES(&sets, &backings, &rates, &caches, &priorities),
    .flags = NV_FLAGS({"collector.bcache.priorityStats", NV_FLAG_BOOL, "false",
                       "Expose what the cache is used for, which is costly to find out."}),
    .collect = collect,
};
