#include "config/file_sd.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config/config.h"

enum { FILE_MEMORY_MAX = 128 << 20, PATHS_MEMORY_MAX = 16 << 20 };

/* What tells that a file has changed. */
struct identity {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed, modified;
};

struct file {
    struct file *next;
    struct nv_str path;
    struct identity identity;
    struct nv_arena memory; /* of the groups and the path */
    struct nv_target_groups groups;
    bool kept; /* still named by a pattern */
};

struct nv_file_sd {
    struct nv_arena memory; /* of the patterns */
    struct nv_text_list patterns;
    struct file *files; /* by path */
    struct nv_target_group *all;
    size_t n_all;
};

static void free_file(struct file *file)
{
    if (!file)
        return;
    nv_arena_done(&file->memory);
    free(file);
}

void nv_file_sd_free(struct nv_file_sd *sd)
{
    if (!sd)
        return;
    while (sd->files) {
        struct file *next = sd->files->next;
        free_file(sd->files);
        sd->files = next;
    }
    nv_arena_done(&sd->memory);
    free(sd->all);
    free(sd);
}

struct nv_file_sd *nv_file_sd_new(const char *const *patterns)
{
    NV_AUTO(nv_file_sd) *sd = calloc(1, sizeof(*sd));
    size_t n = 0;

    if (!sd)
        return NULL;
    sd->memory = NV_ARENA(PATHS_MEMORY_MAX);
    while (patterns[n])
        n++;
    const char **copy = nv_arena_alloc(&sd->memory, (n + 1) * sizeof(*copy));
    if (!copy)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        copy[i] = nv_arena_str(&sd->memory, nv_str(patterns[i])).p;
        if (!copy[i])
            return NULL;
    }
    copy[n] = NULL;
    sd->patterns = (struct nv_text_list){copy, n};
    return nv_take(sd);
}

/* ---- one file ------------------------------------------------------------------------------- */

static bool identify(const char *path, struct identity *ret)
{
    struct stat st;

    memset(ret, 0, sizeof(*ret));
    if (stat(path, &st) < 0)
        return false;
    ret->device = st.st_dev;
    ret->inode = st.st_ino;
    ret->size = st.st_size;
    ret->changed = st.st_ctim;
    ret->modified = st.st_mtim;
    return true;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           same_time(a->changed, b->changed) && same_time(a->modified, b->modified);
}

/* The labels of a group, and the file it comes from. */
static int add_origin(struct file *file, struct nv_target_group *group)
{
    const struct nv_str name = NV_LIT("__meta_filepath");
    struct nv_label *labels =
        nv_arena_alloc(&file->memory, (group->n_labels + 1) * sizeof(*labels));
    size_t n = 0;
    bool there = false;

    if (!labels)
        return -ENOMEM;
    for (size_t i = 0; i < group->n_labels; i++) {
        int order = nv_str_cmp(group->labels[i].name, name);
        if (order >= 0 && !there) {
            labels[n++] = (struct nv_label){name, file->path};
            there = true;
        }
        if (order != 0)
            labels[n++] = group->labels[i];
    }
    if (!there)
        labels[n++] = (struct nv_label){name, file->path};
    group->labels = labels;
    group->n_labels = n;
    return 0;
}

static int parse_file(struct file *file, char error[NV_YAML_ERROR_MAX])
{
    struct nv_schema schema = {.file = file->path.p, .memory = &file->memory, .error = error};
    struct nv_target_groups groups = {NULL, 0};
    const struct nv_yaml *root;
    struct nv_str text;

    int r = nv_config_read_file(file->path.p, &file->memory, &text, error);
    if (r == 0)
        r = nv_yaml_parse(file->path.p, text, &file->memory, &root, error);
    if (r == 0 && !nv_yaml_is_null(root))
        r = nv_schema_target_groups(&schema, root, &groups, NULL);
    struct nv_target_group *own =
        r < 0 ? NULL : nv_arena_alloc(&file->memory, groups.n * sizeof(*own));
    if (r == 0 && !own)
        r = -ENOMEM;
    for (size_t i = 0; i < groups.n && r == 0; i++) {
        own[i] = groups.at[i];
        r = add_origin(file, &own[i]);
    }
    if (r < 0)
        return r;
    file->groups = (struct nv_target_groups){own, groups.n};
    return 0;
}

static int read_file(const char *path, const struct identity *identity, struct file **ret,
                     char error[NV_YAML_ERROR_MAX])
{
    struct file *file = calloc(1, sizeof(*file));

    snprintf(error, NV_YAML_ERROR_MAX, "%.512s: out of memory", path);
    if (!file)
        return -ENOMEM;
    file->memory = NV_ARENA(FILE_MEMORY_MAX);
    file->identity = *identity;
    file->path = nv_arena_str(&file->memory, nv_str(path));
    int r = file->path.p ? parse_file(file, error) : -ENOMEM;
    if (r < 0)
        free_file(file);
    else
        *ret = file;
    return r;
}

/* ---- all files ------------------------------------------------------------------------------ */

static struct file **find_file(struct nv_file_sd *sd, const char *path)
{
    struct file **at = &sd->files;

    while (*at && strcmp((*at)->path.p, path) < 0)
        at = &(*at)->next;
    return at;
}

/* Reads one file where it is new or has changed. */
static int refresh_file(struct nv_file_sd *sd, const char *path, bool *changed,
                        char error[NV_YAML_ERROR_MAX])
{
    struct file **at = find_file(sd, path), *old = *at, *file = NULL;
    struct identity identity;

    if (!identify(path, &identity))
        return 0; /* a pattern that names nothing, for now */
    bool there = old && strcmp(old->path.p, path) == 0;
    if (there)
        old->kept = true;
    if (there && same(&old->identity, &identity))
        return 0;
    int r = read_file(path, &identity, &file, error);
    if (r < 0)
        return r;
    file->kept = true;
    file->next = there ? old->next : old;
    *at = file;
    if (there)
        free_file(old);
    *changed = true;
    return 0;
}

static void drop_vanished(struct nv_file_sd *sd, bool *changed)
{
    for (struct file **at = &sd->files; *at;) {
        struct file *file = *at;
        if (file->kept) {
            at = &file->next;
            continue;
        }
        *at = file->next;
        free_file(file);
        *changed = true;
    }
}

/* The groups of all files in one list; groups beyond the bound are left out. */
static int gather_groups(struct nv_file_sd *sd)
{
    size_t n = 0, n_targets = 0, at = 0;

    for (const struct file *f = sd->files; f; f = f->next)
        n += f->groups.n;
    struct nv_target_group *all = calloc(n ? n : 1, sizeof(*all));
    free(sd->all); /* what it pointed to may be gone */
    sd->all = all;
    sd->n_all = 0;
    if (!all)
        return -ENOMEM;
    for (const struct file *f = sd->files; f; f = f->next) {
        for (size_t i = 0; i < f->groups.n; i++) {
            n_targets += f->groups.at[i].n_targets;
            if (n_targets > NV_FILE_SD_TARGETS_MAX)
                return -E2BIG;
            all[at++] = f->groups.at[i];
            sd->n_all = at;
        }
    }
    return 0;
}

int nv_file_sd_refresh(struct nv_file_sd *sd, bool *ret_changed, char error[NV_YAML_ERROR_MAX])
{
    struct nv_arena memory = NV_ARENA(PATHS_MEMORY_MAX);
    struct nv_text_list paths = {NULL, 0};
    int trouble = nv_config_glob(&sd->patterns, &memory, &paths);
    char other[NV_YAML_ERROR_MAX];

    *ret_changed = false;
    snprintf(error, NV_YAML_ERROR_MAX, "%s",
             trouble == -E2BIG ? "file_sd: too many files" : "file_sd: out of memory");
    if (trouble == 0 && paths.n > NV_FILE_SD_FILES_MAX) {
        snprintf(error, NV_YAML_ERROR_MAX, "file_sd: more than %d files", NV_FILE_SD_FILES_MAX);
        trouble = -E2BIG;
    }
    if (trouble < 0) {
        nv_arena_done(&memory);
        return trouble;
    }
    for (struct file *f = sd->files; f; f = f->next)
        f->kept = false;
    for (size_t i = 0; i < paths.n; i++) {
        int r = refresh_file(sd, paths.at[i], ret_changed, trouble ? other : error);
        trouble = trouble ? trouble : r;
    }
    nv_arena_done(&memory);
    drop_vanished(sd, ret_changed);
    if (!*ret_changed)
        return trouble;
    int r = gather_groups(sd);
    if (r < 0)
        snprintf(error, NV_YAML_ERROR_MAX,
                 r == -E2BIG ? "file_sd: more than %d targets"
                             : "file_sd: out of memory for %d targets",
                 NV_FILE_SD_TARGETS_MAX);
    return r < 0 ? r : trouble;
}

struct nv_target_groups nv_file_sd_groups(const struct nv_file_sd *sd)
{
    return (struct nv_target_groups){sd->all, sd->n_all};
}
