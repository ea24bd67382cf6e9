/*
 * flags_show.c - flags and their values as text, for who asks a running agent.
 */
#include "agent/flags_table.h"

#include <inttypes.h>

#include "config/units.h"

enum { VALUE_MAX = 1 << 20 };

static void write_value(struct nv_buf *out, const struct nv_flag *flag,
                        const struct nv_flag_value *value)
{
    switch (flag->kind) {
    case NV_FLAG_BOOL:
        nv_buf_text(out, value->on ? "true" : "false");
        break;
    case NV_FLAG_INT:
        nv_buf_printf(out, "%" PRId64, value->number);
        break;
    case NV_FLAG_DURATION:
        if (value->number >= 0 && value->number % 1000000 == 0)
            nv_write_duration(out, value->number / 1000000);
        else
            nv_buf_printf(out, "%" PRId64 "ns", value->number);
        break;
    case NV_FLAG_LIST:
        for (size_t i = 0; i < value->n_list; i++) {
            nv_buf_text(out, i ? "," : "");
            nv_buf_str(out, value->list[i]);
        }
        break;
    default:
        nv_buf_str(out, value->text);
    }
}

int nv_flags_each(const struct nv_flags *flags,
                  int (*each)(void *user, const char *name, struct nv_str value), void *user)
{
    NV_AUTO_BUF text = NV_BUF(VALUE_MAX);
    int r = 0;

    for (size_t i = 0; i < flags->n_groups; i++) {
        const struct nv_flags_group *group = &flags->groups[i];
        for (size_t k = 0; k < group->n && r == 0; k++) {
            if (group->list[k].hidden)
                continue;
            nv_buf_reset(&text);
            write_value(&text, &group->list[k], &group->values[k]);
            r = text.failed ? text.failed : each(user, group->list[k].name, nv_buf_view(&text));
        }
    }
    return r;
}
