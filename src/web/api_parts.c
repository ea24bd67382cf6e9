#include "web/api_parts.h"

#include <errno.h>
#include <stdio.h>

int nv_fail_select(struct nv_exchange *x, int error, const char *what)
{
    char text[256];

    switch (error) {
    case -EBUSY:
        snprintf(text, sizeof(text), "%s: too much memory is in use by queries, try again", what);
        break;
    case -EDQUOT:
        snprintf(text, sizeof(text), "%s takes more memory than queries may have", what);
        break;
    case -ETIMEDOUT:
        snprintf(text, sizeof(text), "%s took too long", what);
        break;
    case -ECANCELED:
        snprintf(text, sizeof(text), "%s was canceled", what);
        break;
    default:
        snprintf(text, sizeof(text), "%s: %s", what, strerror(-error));
    }
    return nv_fail_errno(x, error, text);
}

int nv_go_on(struct nv_exchange *x, const char *what)
{
    return nv_is_over(x) ? nv_fail_select(x, *x->cancel ? -ECANCELED : -ETIMEDOUT, what) : 0;
}

int nv_pool_draw(struct nv_exchange *x, size_t *held, size_t bytes, const char *what)
{
    struct nv_promql_pool *pool = x->api->promql.pool;

    if (!pool || !bytes)
        return 0;
    int r = nv_promql_pool_take(pool, x->pool_held, bytes, x->deadline_ms, x->cancel);
    if (r < 0)
        return nv_fail_select(x, r, what);
    x->pool_held += bytes;
    *held += bytes;
    return 0;
}

void nv_pool_give_back(struct nv_exchange *x, size_t *held)
{
    if (*held)
        nv_promql_pool_give(x->api->promql.pool, x->pool_held, *held);
    x->pool_held -= *held;
    *held = 0;
}

int nv_ask_bool(struct nv_exchange *x, const char *name, const char *why, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"", "0", "f", "F", "false", "FALSE", "False"};
    struct nv_str text = nv_param(x, name);
    char shown[NV_SHOWN_MAX];

    *ret = false;
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (nv_str_is(text, no[i]))
            return 0;
    *ret = true;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (nv_str_is(text, yes[i]))
            return 0;
    return nv_fail_parameter(x, name, "%s: strconv.ParseBool: parsing %s: invalid syntax", why,
                             nv_show(text, shown));
}

const char *nv_show(struct nv_str text, char ret[NV_SHOWN_MAX])
{
    enum { BYTES = 200 }; /* \x41 at worst */
    NV_AUTO_BUF quoted = NV_BUF(NV_SHOWN_MAX - 1);

    nv_promql_print_string(&quoted, (struct nv_str){text.p, text.n < BYTES ? text.n : BYTES});
    snprintf(ret, NV_SHOWN_MAX, "%s", nv_buf_c_string(&quoted));
    return ret;
}
