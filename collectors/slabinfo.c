/*
 * slabinfo - the kernel's slab caches.
 *
 * Source: /proc/slabinfo version 2.1, for root only: two lines of heading, then 16 words per cache, of
 * which the name and the five columns after it are used.
 */
#include <nodevitals/collector.h>

enum { N_WORDS_AFTER = 10 };
enum { FLAG_INCLUDE, FLAG_EXCLUDE };

static const struct nv_family columns[] = {
    {"node_slabinfo_active_objects",    NV_GAUGE, NV_AS_IS, "Objects in use."             },
    {"node_slabinfo_objects",           NV_GAUGE, NV_AS_IS, "Objects there is memory for."},
    {"node_slabinfo_object_size_bytes", NV_GAUGE, NV_AS_IS, "Size of an object."          },
    {"node_slabinfo_objects_per_slab",  NV_GAUGE, NV_AS_IS, "Objects in a slab."          },
    {"node_slabinfo_pages_per_slab",    NV_GAUGE, NV_AS_IS, "Pages of a slab."            },
};

static const struct nv_table slabs = {NV_LABELS("slab"), columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    uint64_t value[NV_LEN(columns)];

    while (nv_scan_line(&file, &line)) {
        struct nv_str text = nv_scan_rest(&line);
        if (nv_str_contains(text, "slabinfo -") || nv_str_contains(text, "# name"))
            continue;
        struct nv_str slab = nv_scan_word(&line);
        size_t n = nv_scan_row(&line, value, NV_LEN(columns));
        nv_scan_skip(&line, N_WORDS_AFTER);
        if (line.failed || n < NV_LEN(columns) || !nv_scan_done(&line))
            return nv_error(pass, -EBADMSG, "proc/slabinfo: bad line of %.*s", NV_ARGS(slab));
        if (nv_wants(pass, FLAG_INCLUDE, FLAG_EXCLUDE, slab))
            nv_emit_row(pass, &slabs, &slab, value, n);
    }
    return 0;
}

NV_COLLECTOR(slabinfo) = {
    NV_ABI_STAMP,
    .name = "slabinfo",
    .summary = "Slab caches of the kernel.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("proc/slabinfo"),
    .tables = NV_TABLES(&slabs),
    .flags = NV_FLAGS(
        {"collector.slabinfo.slabs-include", NV_FLAG_REGEX, ".*", "Caches to expose.", false},
        {"collector.slabinfo.slabs-exclude", NV_FLAG_REGEX, "", "Caches to leave out.", false}),
    .collect = collect,
};
