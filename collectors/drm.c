/*
 * drm - graphics cards driven by amdgpu: load and memory.
 *
 * Source: /sys/class/drm/card[0-9]/device/. Cards of other drivers are passed over, since only amdgpu
 * has these attributes; one that cannot be read counts 0.
 */
#include <nodevitals/sysfs.h>

#define CLASS "sys/class/drm"

static const char *const files[] = {
    "gpu_busy_percent",        "mem_info_gtt_total",     "mem_info_gtt_used",
    "mem_info_vis_vram_total", "mem_info_vis_vram_used", "mem_info_vram_total",
    "mem_info_vram_used",
};
static const struct nv_family columns[] = {
    {"node_drm_gpu_busy_percent",           NV_GAUGE, NV_AS_IS, "How busy the GPU is, in percent."},
    {"node_drm_memory_gtt_size_bytes",      NV_GAUGE, NV_AS_IS, "Host memory the GPU can map."    },
    {"node_drm_memory_gtt_used_bytes",      NV_GAUGE, NV_AS_IS, "Host memory the GPU has mapped." },
    {"node_drm_memory_vis_vram_size_bytes", NV_GAUGE, NV_AS_IS, "Video memory the CPU can reach." },
    {"node_drm_memory_vis_vram_used_bytes", NV_GAUGE, NV_AS_IS,
     "Video memory the CPU can reach, in use."                                                    },
    {"node_drm_memory_vram_size_bytes",     NV_GAUGE, NV_AS_IS, "Video memory."                   },
    {"node_drm_memory_vram_used_bytes",     NV_GAUGE, NV_AS_IS, "Video memory in use."            },
};
static const struct nv_table cards = {NV_LABELS("card"), columns, NV_LEN(columns)};

static const struct nv_family info_columns[] = {
    {"node_drm_card_info", NV_GAUGE, NV_AS_IS, "What the card is, in labels; always 1."},
};
static const struct nv_table infos = {
    NV_LABELS("card", "memory_vendor", "power_performance_level", "unique_id", "vendor"),
    info_columns, NV_LEN(info_columns)};

static struct nv_str read_text(struct nv_pass *pass, struct nv_str card, const char *file)
{
    char path[NV_PATH_MAX];

    nv_path(path, CLASS "/%.*s/device/%s", NV_ARGS(card), file);
    return nv_attribute_or_empty(pass, path);
}

static bool is_amdgpu(struct nv_str uevent)
{
    struct nv_scan text = nv_scan(uevent), line;

    while (nv_scan_line(&text, &line)) {
        if (nv_str_is(nv_str_trim(nv_scan_rest(&line)), "DRIVER=amdgpu"))
            return true;
    }
    return false;
}

static int collect_card(struct nv_pass *pass, struct nv_str card)
{
    char path[NV_PATH_MAX];
    struct nv_str uevent;
    uint64_t value[NV_LEN(files)];

    nv_path(path, CLASS "/%.*s/device/uevent", NV_ARGS(card));
    int r = nv_read(pass, path, &uevent);
    if (r < 0)
        return nv_error(pass, r, "%s", path);
    if (!is_amdgpu(uevent)) {
        nv_say(pass, NV_DEBUG, "%.*s is not driven by amdgpu", NV_ARGS(card));
        return 0;
    }
    const struct nv_str labels[] = {
        card,
        read_text(pass, card, "mem_info_vram_vendor"),
        read_text(pass, card, "power_dpm_force_performance_level"),
        read_text(pass, card, "unique_id"),
        NV_LIT("amd"),
    };
    nv_emit_u64(pass, &infos, labels, 0, 1);
    for (size_t i = 0; i < NV_LEN(files); i++) {
        value[i] = 0;
        nv_str_to_u64(read_text(pass, card, files[i]), &value[i]);
    }
    nv_emit_row(pass, &cards, &card, value, NV_LEN(files));
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    struct nv_str number;

    int r = nv_list(pass, CLASS, &names);
    if (r == -ENOENT)
        return 0;
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (nv_numbered(names.at[i], "card", &number) && number.n == 1)
            r = collect_card(pass, names.at[i]);
    }
    return r;
}

NV_COLLECTOR(drm) = {
    NV_ABI_STAMP,
    .name = "drm",
    .summary = "Graphics cards (amdgpu).",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .tables = NV_TABLES(&cards, &infos),
    .collect = collect,
};
