/*
 * targets.c - targets that stand in a file: groups, and where more of them are to be found.
 */
#include "config/config_parts.h"

#include <glob.h>

static int read_target(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    struct nv_str *target = item;
    int r = nv_schema_scalar(schema, node, target);

    if (r < 0)
        return r;
    if (!target->n || nv_str_find(*target, '/') < target->n)
        return nv_schema_refuse(schema, node, "\"%.256s\" is not a valid hostname", target->p);
    return 0;
}

static int read_labels(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with)
{
    struct nv_target_group *group = into;
    struct nv_schema_labels labels = {NULL, 0};
    int r = nv_schema_labels(schema, node, &labels, with);

    group->labels = labels.at;
    group->n_labels = labels.n;
    return r;
}

static int read_group(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    const struct nv_schema_key keys[] = {
        NV_FIELD("targets", struct nv_target_group, targets, nv_schema_list,
                 NV_ITEMS(struct nv_target_group, targets, n_targets, read_target,
                          NV_FILE_SD_TARGETS_MAX, "target")),
        NV_WHOLE("labels", read_labels, NULL),
    };

    return nv_schema_read(schema, node, NV_KEYS(keys), item);
}

int nv_schema_target_groups(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                            const void *with)
{
    (void)with;
    return nv_schema_list(schema, node, into,
                          NV_ITEMS(struct nv_target_groups, at, n, read_group,
                                   NV_FILE_SD_TARGETS_MAX, "target group"));
}

/* ---- patterns of files ---------------------------------------------------------------------- */

/* Whether a wildcard stands in the last part of the path alone, and no more than one. */
static bool is_pattern(struct nv_str path)
{
    size_t star = nv_str_find(path, '*');
    struct nv_str rest = nv_str_from(path, star + 1);

    return star == path.n || nv_str_find(rest, '/') == rest.n;
}

int nv_schema_patterns(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with)
{
    const char *const *endings = with; /* NULL: any */
    int r = node->kind == NV_YAML_LIST ? 0 : nv_schema_texts(schema, node, into, NULL);

    for (size_t i = 0; r == 0 && i < node->n; i++) {
        struct nv_str path = {NULL, 0};
        bool ends = !endings;
        r = nv_schema_scalar(schema, node->items[i], &path);
        if (r < 0)
            return r;
        for (size_t e = 0; endings && endings[e]; e++)
            ends |= nv_str_ends(path, endings[e]);
        if (!path.n || !is_pattern(path) || !ends)
            return nv_schema_refuse(schema, node->items[i],
                                    endings ? "path name \"%.256s\" is not valid for file discovery"
                                            : "invalid rule file path \"%.256s\"",
                                    path.p);
    }
    return r < 0 ? r : nv_schema_paths(schema, node, into, NULL);
}

static int read_file_sd(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    static const char *const endings[] = {".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML", NULL};
    static const struct nv_schema_key keys[] = {
        NV_FIELD("files", struct nv_config_file_sd, files, nv_schema_patterns, endings),
        NV_FIELD("refresh_interval", struct nv_config_file_sd, refresh_interval_ms,
                 nv_schema_milliseconds, NULL),
    };
    struct nv_config_file_sd *sd = item;

    sd->refresh_interval_ms = INT64_C(300000);
    int r = nv_schema_read(schema, node, NV_KEYS(keys), sd);
    if (r == 0 && sd->files.n == 0)
        return nv_schema_refuse(
            schema, node, "file service discovery config must contain at least one path name");
    if (r == 0 && sd->refresh_interval_ms == 0)
        return nv_schema_refuse(schema, node, "refresh_interval must not be 0");
    return r;
}

int nv_schema_file_sd(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    struct nv_config_targets *targets = into;

    (void)with;
    return nv_schema_list(schema, node, &targets->file_sds,
                          NV_ITEMS(struct nv_config_targets, file_sds, n_file_sds, read_file_sd,
                                   NV_FILE_SD_FILES_MAX, "file_sd_config"));
}

/* ---- what a pattern names ------------------------------------------------------------------- */

static int order_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_paths(const glob_t *found, struct nv_arena *memory, const char **at, size_t *n)
{
    for (size_t i = 0; i < found->gl_pathc; i++) {
        struct nv_str path = nv_arena_str(memory, nv_str(found->gl_pathv[i]));
        if (!path.p)
            return -ENOMEM;
        if (*n == NV_CONFIG_GLOB_MAX)
            return -E2BIG;
        at[(*n)++] = path.p;
    }
    return 0;
}

int nv_config_glob(const struct nv_text_list *patterns, struct nv_arena *memory,
                   struct nv_text_list *ret)
{
    NV_AUTO_FREE const char **found = calloc(NV_CONFIG_GLOB_MAX, sizeof(*found));
    size_t n = 0, kept = 0;

    if (!found)
        return -ENOMEM;
    for (size_t i = 0; i < patterns->n; i++) {
        glob_t names = {0};
        int r = glob(patterns->at[i], GLOB_NOMAGIC | GLOB_NOSORT, NULL, &names);
        if (r == 0)
            r = add_paths(&names, memory, found, &n);
        else
            r = r == GLOB_NOSPACE ? -ENOMEM : 0; /* nothing there, or not to be read */
        globfree(&names);
        if (r < 0)
            return r;
    }
    qsort(found, n, sizeof(*found), order_texts);
    const char **list = nv_arena_alloc(memory, (n + 1) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!kept || strcmp(list[kept - 1], found[i]) != 0)
            list[kept++] = found[i];
    }
    list[kept] = NULL;
    *ret = (struct nv_text_list){list, kept};
    return 0;
}
