#include "gather/kept.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/save.h"
#include "gather/guard.h"

struct commons {
    char *name;
    void *memory;
    size_t size;
};

struct nv_kept {
    char *folder; /* NULL for none */
    pthread_mutex_t lock;
    struct commons commons[NV_COMMONS_MAX];
    size_t n_commons;
};

/* A save on its way; by value, for its thread may outlive the caller. */
struct saving {
    char folder[PATH_MAX], name[NV_KEPT_NAME_MAX];
    size_t n;
    int result;
    char text[];
};

struct nv_kept *nv_kept_new(void)
{
    struct nv_kept *kept = calloc(1, sizeof(*kept));

    if (kept)
        pthread_mutex_init(&kept->lock, NULL);
    return kept;
}

void nv_kept_free(struct nv_kept *kept)
{
    if (!kept)
        return;
    for (size_t i = 0; i < kept->n_commons; i++) {
        free(kept->commons[i].name);
        free(kept->commons[i].memory);
    }
    pthread_mutex_destroy(&kept->lock);
    free(kept->folder);
    free(kept);
}

int nv_kept_set_folder(struct nv_kept *kept, const char *folder)
{
    char *copy = strdup(folder);

    if (!copy)
        return -ENOMEM;
    free(kept->folder);
    kept->folder = copy;
    return 0;
}

/* ---- texts ---------------------------------------------------------------------------------- */

static bool is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

    return n > 0 && n < NV_KEPT_NAME_MAX && !name[n];
}

int nv_kept_load(const struct nv_kept *kept, const char *name, struct nv_arena *arena,
                 struct nv_str *ret)
{
    char path[PATH_MAX];
    NV_AUTO_BUF text = NV_BUF(NV_STATE_MAX);

    if (!is_name(name))
        return -EINVAL;
    if (!kept->folder)
        return -ENOENT;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", kept->folder, name) >= sizeof(path))
        return -ENAMETOOLONG;
    int r = nv_load(path, &text);
    if (r < 0)
        return r;
    struct nv_str copy = nv_arena_str(arena, nv_buf_view(&text));
    if (!copy.p)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

static void save(void *item)
{
    struct saving *saving = item;
    char path[PATH_MAX + NV_KEPT_NAME_MAX + 1];

    snprintf(path, sizeof(path), "%s/%s", saving->folder, saving->name);
    if (mkdir(saving->folder, 0750) < 0 && errno != EEXIST)
        saving->result = -errno;
    else
        saving->result = nv_save(path, (struct nv_str){saving->text, saving->n});
}

int nv_kept_save(const struct nv_kept *kept, struct nv_guards *guards, const char *name,
                 struct nv_str text)
{
    unsigned char outcome;

    if (!is_name(name) || text.n > NV_STATE_MAX)
        return -EINVAL;
    if (!kept->folder)
        return 0;
    size_t size = sizeof(struct saving) + text.n;
    NV_AUTO_FREE struct saving *saving = calloc(1, size);
    if (!saving)
        return -ENOMEM;
    if (strlen(kept->folder) >= sizeof(saving->folder))
        return -ENAMETOOLONG;
    snprintf(saving->folder, sizeof(saving->folder), "%s", kept->folder);
    snprintf(saving->name, sizeof(saving->name), "%s", name);
    if (text.n)
        memcpy(saving->text, text.p, text.n);
    saving->n = text.n;

    char key[NV_KEPT_NAME_MAX + 8];
    int n = snprintf(key, sizeof(key), "state/%s", name);
    const struct nv_str keys[] = {
        {key, (size_t)n}
    };
    int r = nv_guard_run(guards, saving, size, 1, keys, save,
                         nv_monotonic_ns() + INT64_C(1000000) * NV_KEPT_SAVE_MS, 1, &outcome);
    if (r < 0)
        return r;
    return outcome == NV_GUARD_DONE ? saving->result : -ETIMEDOUT;
}

/* ---- commons -------------------------------------------------------------------------------- */

static void *add_commons(struct nv_kept *kept, const char *name, size_t size)
{
    struct commons *commons = &kept->commons[kept->n_commons];

    if (kept->n_commons == NV_COMMONS_MAX)
        return NULL;
    *commons = (struct commons){strdup(name), calloc(1, size), size};
    if (!commons->name || !commons->memory) {
        free(commons->name);
        free(commons->memory);
        return NULL;
    }
    kept->n_commons++;
    return commons->memory;
}

void *nv_kept_commons(struct nv_kept *kept, const char *name, size_t size)
{
    void *found = NULL;
    size_t i = 0;

    pthread_mutex_lock(&kept->lock);
    while (i < kept->n_commons && strcmp(kept->commons[i].name, name) != 0)
        i++;
    if (i == kept->n_commons)
        found = add_commons(kept, name, size);
    else if (kept->commons[i].size == size)
        found = kept->commons[i].memory;
    pthread_mutex_unlock(&kept->lock);
    return found;
}
