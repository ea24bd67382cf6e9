/*
 * Folders and files for tests.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "support/fixture.h"

static char temp_dir[256];
static pid_t temp_owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_temp(void)
{
    if (getpid() == temp_owner)
        nftw(temp_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void nv_quiet(void)
{
    if (!getenv("NV_VERBOSE"))
        nv_log_setup(NV_ERROR, NV_LOG_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
}

const char *nv_temp_dir(void)
{
    if (temp_dir[0] && temp_owner == getpid())
        return temp_dir;
    const char *base = getenv("TMPDIR");
    snprintf(temp_dir, sizeof(temp_dir), "%s/nodevitals-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(temp_dir)) {
        perror(temp_dir);
        exit(1);
    }
    temp_owner = getpid();
    atexit(remove_temp);
    return temp_dir;
}

void nv_write_file(const char *dir, const char *path, const char *text)
{
    char full[4096];

    int n = snprintf(full, sizeof(full), "%s/%s", dir, path);
    for (char *at = full + strlen(dir) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(full, 0755);
        *at = '/';
    }
    FILE *file = n > 0 && (size_t)n < sizeof(full) ? fopen(full, "w") : NULL;
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(full);
        exit(1);
    }
}

const char *nv_shared(const char *path)
{
    static char full[4096];

    snprintf(full, sizeof(full), "%s/%s", NV_SHARED_DIR, path);
    if (access(full, R_OK) == 0)
        return full;
    printf("SKIP: ../shared/%s is not there\n", path);
    return NULL;
}
