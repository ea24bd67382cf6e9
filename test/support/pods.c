#include "support/pods.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <time.h>

#include "kube/pods.h"

static const char *fallback;
static _Atomic unsigned n_wanted;

void nv_test_pods_file(const char *path)
{
    fallback = path;
}

unsigned nv_test_pods_wanted(void)
{
    return n_wanted;
}

static FILE *open_pods(const char *root)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/pods.json", root);
    FILE *file = fopen(path, "re");
    return file || !fallback ? file : fopen(fallback, "re");
}

/* Read anew each time, so that a test may change the file between passes. */
static const struct nv_pods *take(void *user)
{
    char error[NV_PODS_ERROR_MAX], bytes[65536];
    NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);
    struct nv_pods *pods = NULL;
    FILE *file = open_pods(user);
    size_t n;

    if (!file)
        return NULL;
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        nv_buf_add(&text, bytes, n);
    fclose(file);
    if (nv_pods_read(&text, 1, (int64_t)time(NULL) * 1000, &pods, error) < 0)
        ck_abort_msg("pods.json: %s", error);
    return pods;
}

static void give(void *user, const struct nv_pods *pods)
{
    (void)user;
    nv_pods_unref(pods);
}

static void wanted(void *user)
{
    (void)user;
    n_wanted++;
}

static int get(void *user, const char *path, int64_t timeout_ms, struct nv_buf *into, char *error,
               size_t error_max)
{
    char name[PATH_MAX], bytes[65536];
    size_t n;

    (void)timeout_ms;
    snprintf(name, sizeof(name), "%s/kubelet%s", (const char *)user, path);
    FILE *file = fopen(name, "re");
    if (!file)
        return snprintf(error, error_max, "%s: 404", path), -ENOENT;
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        nv_buf_add(into, bytes, n);
    fclose(file);
    return into->failed;
}

struct nv_gather_pods nv_test_pods(const char *root)
{
    return (struct nv_gather_pods){take, give, wanted, get, (void *)(uintptr_t)root};
}
