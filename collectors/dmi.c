/*
 * dmi - what the firmware says of the machine and its parts.
 *
 * Source: /sys/class/dmi/id, a file per label, read once: nothing of it changes while the machine runs.
 * A file that is missing, cannot be read, or only by root (serial numbers), has no label at all.
 */
#include <nodevitals/collector.h>

static const struct {
    const char *file, *label;
} parts[] = {
    {"bios_date",         "bios_date"        },
    {"bios_release",      "bios_release"     },
    {"bios_vendor",       "bios_vendor"      },
    {"bios_version",      "bios_version"     },
    {"board_asset_tag",   "board_asset_tag"  },
    {"board_name",        "board_name"       },
    {"board_serial",      "board_serial"     },
    {"board_vendor",      "board_vendor"     },
    {"board_version",     "board_version"    },
    {"chassis_asset_tag", "chassis_asset_tag"},
    {"chassis_serial",    "chassis_serial"   },
    {"chassis_vendor",    "chassis_vendor"   },
    {"chassis_version",   "chassis_version"  },
    {"product_family",    "product_family"   },
    {"product_name",      "product_name"     },
    {"product_serial",    "product_serial"   },
    {"product_sku",       "product_sku"      },
    {"product_uuid",      "product_uuid"     },
    {"product_version",   "product_version"  },
    {"sys_vendor",        "system_vendor"    },
};

static const struct nv_family info = {"node_dmi_info", NV_GAUGE, NV_AS_IS,
                                      "The firmware's names of the machine's parts, always 1."};

struct state {
    const char *labels[NV_LEN(parts) + 1];
    struct nv_str values[NV_LEN(parts)];
    char text[NV_LEN(parts)][128];
};

static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    size_t n = 0;

    for (size_t i = 0; i < NV_LEN(parts); i++) {
        char path[NV_PATH_MAX];
        struct nv_str text;
        nv_path(path, "sys/class/dmi/id/%s", parts[i].file);
        int r = nv_read_attribute(pass, path, &text);
        if (r < 0) {
            if (r != -ENOENT && r != -EACCES && r != -EPERM)
                nv_say(pass, NV_WARN, "cannot read %s: %s", path, strerror(-r));
            continue;
        }
        memcpy(state->text[n], text.p, text.n);
        state->labels[n] = parts[i].label;
        state->values[n] = (struct nv_str){state->text[n], text.n};
        n++;
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    const struct state *state = nv_state(pass);

    if (!state->labels[0])
        return NV_NO_DATA;
    nv_emit_named(pass, &info, state->labels, state->values, 1);
    return 0;
}

NV_COLLECTOR(dmi) = {
    NV_ABI_STAMP,
    .name = "dmi",
    .summary = "Vendor, model and firmware of the machine.",
    .state_size = sizeof(struct state),
    .start = start,
    .cadence_ms = 15000,
    .collect = collect,
};
