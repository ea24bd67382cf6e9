/*
 * rpc.h - /proc/net/rpc/nfs and nfsd: lines of a keyword and numbers by position.
 *
 * What an NFS server or client calls a method is known by its place in the line.
 */
#ifndef NODEVITALS_RPC_H
#define NODEVITALS_RPC_H

#include <nodevitals/collector.h>

enum { NV_RPC_NUMBERS_MAX = 256 };

/* Counters of methods, for a table with the labels proto and method. */
struct nv_rpc_methods {
    const char *keyword, *proto;
    const char *const *names; /* NULL for a place without a series */
    size_t n_names;
    size_t numbers_min; /* fewer are an error; up to n_names they count as 0 */
};

/* Numbers of a line, all to its end. -EBADMSG where there are fewer than `min` or other words. */
static inline int nv_rpc_numbers(struct nv_pass *pass, struct nv_scan *line, struct nv_str keyword,
                                 uint64_t values[NV_RPC_NUMBERS_MAX], size_t min, size_t *ret_n)
{
    size_t n = nv_scan_row(line, values, NV_RPC_NUMBERS_MAX);

    if (line->failed || !nv_scan_done(line) || n < min)
        return nv_error(pass, -EBADMSG, "unknown form of the line %.*s", NV_ARGS(keyword));
    if (ret_n)
        *ret_n = n;
    return 0;
}

/* A line of methods: how many numbers follow, then those. */
static inline int nv_rpc_method_numbers(struct nv_pass *pass, struct nv_scan *line,
                                        const struct nv_rpc_methods *methods,
                                        uint64_t values[NV_RPC_NUMBERS_MAX])
{
    struct nv_str keyword = nv_str(methods->keyword);
    uint64_t row[NV_RPC_NUMBERS_MAX];
    size_t n = 0;

    int r = nv_rpc_numbers(pass, line, keyword, row, 1, &n);
    if (r < 0)
        return r;
    if (row[0] != n - 1 || n - 1 < methods->numbers_min)
        return nv_error(pass, -EBADMSG, "%s does not have the numbers it counts", methods->keyword);
    memcpy(values, row + 1, (n - 1) * sizeof(row[0]));
    return 0;
}

static inline void nv_rpc_emit_methods(struct nv_pass *pass, const struct nv_table *table,
                                       const struct nv_rpc_methods *methods, const uint64_t *values)
{
    for (size_t i = 0; i < methods->n_names; i++) {
        if (methods->names[i])
            nv_emit_u64(pass, table,
                        (struct nv_str[]){nv_str(methods->proto), nv_str(methods->names[i])}, 0,
                        values[i]);
    }
}

#endif
