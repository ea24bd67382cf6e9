#include "agent/answers.h"

#include <errno.h>

/* The store, or NULL where nothing is kept. */
static struct nv_store *store_of(const struct nv_answers *answers)
{
    struct nv_history_told told = {0};

    if (answers->history)
        nv_history_tell(answers->history, &told);
    return told.store;
}

int nv_answer_head(void *user, size_t limit, struct nv_store_head *ret)
{
    struct nv_store *store = store_of(user);

    *ret = (struct nv_store_head){.from_ms = INT64_MAX, .to_ms = INT64_MIN};
    return store ? nv_store_head(store, limit, ret) : 0;
}

int nv_answer_blocks(void *user, int (*each)(void *to, const struct nv_block_info *block), void *to)
{
    struct nv_store *store = store_of(user);
    int r = 0;

    if (!store)
        return 0;
    size_t room = nv_store_block_infos(store, NULL, 0);
    NV_AUTO_FREE struct nv_block_info *infos = calloc(room + 1, sizeof(*infos));
    if (!infos)
        return -ENOMEM;
    size_t n = nv_store_block_infos(store, infos, room); /* there may be others by now */
    for (size_t i = 0; i < n && i < room && r == 0; i++)
        r = each(to, &infos[i]);
    return r;
}

int nv_answer_delete(void *user, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                     int64_t to_ms)
{
    struct nv_store *store = store_of(user);

    return store ? nv_store_delete(store, matchers, n, from_ms, to_ms) : 0;
}

int nv_answer_clean(void *user)
{
    struct nv_store *store = store_of(user);

    return store ? nv_store_clean(store) : 0;
}

int nv_answer_snapshot(void *user, bool skip_head, char name[NV_BLOCK_NAME_MAX])
{
    struct nv_store *store = store_of(user);

    return store ? nv_store_snapshot(store, skip_head, name) : -EOPNOTSUPP;
}
