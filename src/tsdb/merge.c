#include "tsdb/parts.h"
int nv_store_merge(struct nv_store *store)
{
    (void)store;
    return 0;
}
int nv_store_rewrite(struct nv_store *store, struct nv_block *const *blocks, size_t n,
                     unsigned level, int64_t interval_ms)
{
    (void)store, (void)blocks, (void)n, (void)level, (void)interval_ms;
    return -EOPNOTSUPP;
}
