/*
 * entropy - the kernel's pool of randomness.
 *
 * Sources: /proc/sys/kernel/random/entropy_avail and poolsize, a number each. Since Linux 5.18 both
 * are 256 and say little.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_entropy_available_bits", NV_GAUGE, NV_AS_IS, "Entropy in the pool."},
    {"node_entropy_pool_size_bits", NV_GAUGE, NV_AS_IS, "Size of the pool."   },
};

static const struct nv_table pool = {NV_NO_LABELS, columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    uint64_t value[NV_LEN(columns)];

    for (size_t i = 0; i < NV_LEN(columns); i++) {
        struct nv_scan file = nv_pass_text(pass, i);
        if (!nv_str_to_u64(nv_scan_rest(&file), &value[i]))
            return nv_error(pass, -EBADMSG, "the value of %s is no number", columns[i].name);
    }
    nv_emit_row(pass, &pool, NULL, value, NV_LEN(columns));
    return 0;
}

NV_COLLECTOR(entropy) = {
    NV_ABI_STAMP,
    .name = "entropy",
    .summary = "Entropy available for random numbers.",
    .sources = NV_SOURCES("proc/sys/kernel/random/entropy_avail",
                          "proc/sys/kernel/random/poolsize"),
    .tables = NV_TABLES(&pool),
    .collect = collect,
};
