/*
 * fuzz_template.c - templates of alerts. What is refused says why in one go; what is executed stays within its bounds and
 * either writes or explains, never both.
 */
#include "base/assert.h"
#include "config/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int query(void *user, struct nv_str expression, int64_t time_ms, struct nv_arena *memory,
                 const struct nv_template_sample **ret, size_t *ret_n,
                 char error[NV_TEMPLATE_ERROR_MAX])
{
    static const struct nv_label labels[] = {
        {NV_LIT("__name__"), NV_LIT("up")}
    };
    static const struct nv_template_sample sample = {labels, 1, 0.5, NULL};

    (void)user;
    (void)time_ms;
    (void)memory;
    if (!expression.n) {
        error[0] = '?';
        error[1] = '\0';
        return -EINVAL;
    }
    *ret = &sample;
    *ret_n = expression.n % 2;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct nv_label labels[] = {
        {NV_LIT("instance"), NV_LIT("a.b:1")},
        {NV_LIT("job"),      NV_LIT("x")    }
    };
    const struct nv_template_context context = {
        .time_ms = 1500, .external_url = NV_LIT("http://h/p"), .query = query};
    const struct nv_template_alert alert = {labels, labels, 2, 2, 1234.5, NULL};
    NV_AUTO_BUF out = NV_BUF(256 << 10);
    NV_AUTO(nv_template) *template_ = NULL;
    char error[NV_TEMPLATE_ERROR_MAX] = "";

    if (nv_template_new_alert(NV_LIT("F"), (struct nv_str){(const char *)data, size}, &template_,
                              error) < 0) {
        nv_assert(!template_ && error[0]);
        return 0;
    }
    int r = nv_template_execute_alert(template_, &context, &alert, &out, error);
    nv_assert(r == 0 || (out.n == 0 && error[0]));
    return 0;
}
