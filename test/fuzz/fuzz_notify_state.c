/*
 * fuzz_notify_state.c - the file notifiers keep. Whatever stands in it is put back or refused; what was put back can be
 * written, and reads back.
 */
#include "base/assert.h"
#include "notify/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char route[] =
    "notify: {route: {receiver: a}, receivers: [{name: a, journal_configs: [{}]}]}\n";

static int send(void *user, const struct nv_notification *said, char error[NV_DISPATCH_ERROR_MAX])
{
    (void)user, (void)error;
    nv_assert(said->n > 0 && said->n_firing <= said->n);
    return 0;
}

static int64_t wall_ms(void *user)
{
    (void)user;
    return INT64_C(1767323045000);
}

static struct nv_dispatch *make(struct nv_config *config)
{
    struct nv_dispatch *dispatch =
        nv_dispatch_new(&(struct nv_dispatch_options){.send = send, .wall_ms = wall_ms});

    nv_assert(dispatch && nv_dispatch_apply(dispatch, config) == 0);
    return dispatch;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nv_config *config;
    static struct nv_alertmanagers *none;
    char error[NV_YAML_ERROR_MAX];
    NV_AUTO_BUF text = NV_BUF(NV_NOTIFY_STATE_MAX);

    if (!config) {
        nv_assert(nv_config_parse("f", nv_str(route), &config, error) == 0);
        none = nv_alertmanagers_new();
    }
    NV_AUTO(nv_dispatch) *first = make(config);
    NV_AUTO(nv_dispatch) *second = make(config);
    (void)!nv_notify_state_read((struct nv_str){(const char *)data, size}, first, none,
                                wall_ms(NULL) + 1000);
    for (int i = 0; i < 20 && nv_dispatch_turn(first) == 0; i++)
        ;
    nv_assert(nv_notify_state_write(&text, first, none) == 0);
    nv_assert(nv_notify_state_read(nv_buf_view(&text), second, none, wall_ms(NULL)) == 0);
    return 0;
}
