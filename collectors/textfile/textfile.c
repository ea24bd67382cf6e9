/*
 * textfile - metrics that others left in files.
 *
 * Source: *.prom directly in the directories of --collector.textfile.directory, which may be patterns; a
 * pattern that matches nothing is taken for a name. The paths are the system's, not below our roots. A
 * directory may lie on a file system that hangs: hence a worker.
 *
 *   rejected    a file that is no regular file, is larger than FILE_MAX, does not parse, or holds a time
 *               stamp yields nothing; node_textfile_scrape_error is 1. So it is for a missing directory
 *   help        a family without it gets one that names its files. Where a later file has another help
 *               than the first that has any, its series of the family, and all later ones', are left out,
 *               and the error is 1. Where one file has help and another none, the agent sees to it, as it
 *               does with all other contradictions between files
 *
 * Most files change seldom. What was made of a file is kept, within KEPT_MAX, until its stat(2) differs;
 * as long as the last change is younger than file times are fine, it is read each time.
 */
#include "families.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_MAX = 64 << 20,
    KEPT_MAX = 32 << 20,
    YOUNG_NS = 2000000000,
};

static const struct nv_family mtime_columns[] = {
    {"node_textfile_mtime_seconds", NV_GAUGE, NV_AS_IS, "When a file that was read last changed."},
};
static const struct nv_family error_columns[] = {
    {"node_textfile_scrape_error", NV_GAUGE, NV_AS_IS,
     "Whether a directory or file could not be used."},
};
static const struct nv_table mtimes = {NV_LABELS("file"), mtime_columns, 1};
static const struct nv_table errors = {NV_NO_LABELS, error_columns, 1};

enum { DIRECTORY };

/* What tells whether a file is as it was. */
struct key {
    dev_t device;
    ino_t inode;
    off_t size;
    int64_t mtime_ns, ctime_ns;
};

struct file {
    char *path;
    struct key key;
    int64_t mtime_s;
    bool loaded, good;
    struct nv_textfile_memory memory;
    struct nv_textfile_family *families;
};

struct state {
    struct file **files; /* in the order of the directories and names */
    size_t n_files, files_max;
    struct nv_textfile_memory help; /* made texts */
    bool contradiction;
    size_t n_bad_directories;
};

static void unload(struct file *file)
{
    nv_textfile_memory_done(&file->memory);
    file->families = NULL;
    file->loaded = false;
}

static void file_free(struct file *file)
{
    unload(file);
    free(file->path);
    free(file);
}

static void stop(void *state_)
{
    struct state *state = state_;

    for (size_t i = 0; i < state->n_files; i++)
        file_free(state->files[i]);
    free(state->files);
    nv_textfile_memory_done(&state->help);
}

static int64_t ns(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct key key_of(const struct stat *stat)
{
    return (struct key){stat->st_dev, stat->st_ino, stat->st_size, ns(stat->st_mtim),
                        ns(stat->st_ctim)};
}

static bool key_eq(const struct key *a, const struct key *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* Reads an open file into *ret, which the caller frees. */
static int read_all(int fd, size_t size_hint, char **ret, size_t *ret_n)
{
    size_t room = size_hint + 1, n = 0;
    char *text = malloc(room);

    while (text) {
        ssize_t got = read(fd, text + n, room - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || n + (size_t)got > FILE_MAX) {
            int r = got < 0 ? -errno : got > 0 ? -EFBIG : 0;
            if (r < 0)
                free(text);
            *ret = r < 0 ? NULL : text;
            *ret_n = n;
            return r;
        }
        n += (size_t)got;
        if (n == room) {
            char *grown = realloc(text, room * 2);
            if (!grown)
                free(text);
            text = grown;
            room *= 2;
        }
    }
    return -ENOMEM;
}

/* Makes the families of a file that is open. */
static int load_open(struct nv_pass *pass, struct file *file, int fd, const char **ret_reason)
{
    struct stat stat;
    struct timespec now;
    char *text;
    size_t n;

    if (fstat(fd, &stat) < 0)
        return -errno;
    if (!S_ISREG(stat.st_mode))
        return S_ISDIR(stat.st_mode) ? -EISDIR : -EINVAL;
    if (stat.st_size > FILE_MAX)
        return -EFBIG;
    file->key = key_of(&stat);
    file->mtime_s = stat.st_mtim.tv_sec;
    clock_gettime(CLOCK_REALTIME, &now);
    if (ns(now) - file->key.mtime_ns < YOUNG_NS || ns(now) - file->key.ctime_ns < YOUNG_NS)
        file->key.mtime_ns = INT64_MIN; /* as no file has it, so that the next pass reads anew */

    int r = read_all(fd, (size_t)stat.st_size, &text, &n);
    if (r < 0)
        return r;
    r = nv_textfile_parse(pass, (struct nv_str){text, n}, &file->memory, &file->families,
                          ret_reason);
    free(text);
    return r;
}

/* Loads a file anew. Says so where it cannot be used, once for each change of it. */
static void load(struct nv_pass *pass, struct file *file)
{
    const char *reason = NULL;
    bool was_good = file->good;

    unload(file);
    file->key = (struct key){0};
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int r = fd < 0 ? -errno : load_open(pass, file, fd, &reason);
    if (fd >= 0)
        close(fd);
    file->loaded = true;
    file->good = r == 0;
    if (r < 0) {
        struct key key = file->key;
        unload(file);
        file->key = key;
        file->loaded = true;
        nv_say(pass, was_good ? NV_WARN : NV_DEBUG, "%s is left out: %s", file->path,
               reason ? reason : strerrordesc_np(-r));
    }
}

static bool is_unchanged(const struct file *file)
{
    struct stat now;

    if (!file->loaded || stat(file->path, &now) < 0)
        return false;
    struct key key = key_of(&now);
    return key_eq(&key, &file->key);
}

/* ---- directories -------------------------------------------------------------------------------- */

/* Takes double slashes and "." from a path, and ".." with what it leads out of. In place. */
static void clean(char *path)
{
    bool rooted = path[0] == '/';
    size_t n = rooted, floor_n = rooted; /* floor_n: what ".." cannot take back */

    for (const char *at = path; *at;) {
        at += strspn(at, "/");
        size_t part = strcspn(at, "/");
        if (part == 0 || (part == 1 && at[0] == '.')) {
            at += part;
            continue;
        }
        bool up = part == 2 && at[0] == '.' && at[1] == '.';
        if (up && n > floor_n) {
            while (n > floor_n && path[n - 1] != '/')
                n--;
            if (n > floor_n)
                n--;
        } else if (!up || !rooted) {
            if (n > rooted)
                path[n++] = '/';
            memmove(path + n, at, part);
            n += part;
            if (up)
                floor_n = n;
        }
        at += part;
    }
    if (!n)
        path[n++] = '.';
    path[n] = '\0';
}

struct listing {
    char **paths; /* in memory of the pass */
    size_t n, max;
};

static void add_path(struct nv_pass *pass, struct listing *listing, const char *directory,
                     const char *name)
{
    size_t n = strlen(directory) + strlen(name) + 3;
    char *path = nv_alloc(pass, n);

    if (listing->n == listing->max) {
        size_t max = listing->max ? 2 * listing->max : 16;
        char **paths = nv_alloc(pass, max * sizeof(*paths));
        if (listing->n)
            memcpy(paths, listing->paths, listing->n * sizeof(*paths));
        listing->paths = paths;
        listing->max = max;
    }
    (void)snprintf(path, n, "%s/%s", *directory ? directory : ".", name);
    clean(path);
    listing->paths[listing->n++] = path;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds a directory's files by name. Not opendir(), which takes memory from the heap. */
static int list(struct nv_pass *pass, const char *directory, struct listing *listing)
{
    enum { ENTRIES = 32 << 10 };
    size_t first = listing->n;
    ssize_t got = 0;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    char *entries = nv_alloc(pass, ENTRIES);
    while (listing->n < NV_NAMES_MAX && (got = getdents64(fd, entries, ENTRIES)) > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const void *)(entries + at);
            if (nv_str_ends(nv_str(entry->d_name), ".prom"))
                add_path(pass, listing, directory, entry->d_name);
            at += entry->d_reclen;
        }
    }
    int r = got < 0 ? -errno : 0;
    close(fd);
    if (listing->n > first)
        qsort(listing->paths + first, listing->n - first, sizeof(char *), by_name);
    return r;
}

/* Lists what a flag names. Returns how many directories could not be listed. */
static size_t list_flag(struct nv_pass *pass, struct nv_str flag, struct listing *listing)
{
    char *pattern = nv_alloc(pass, flag.n + 1), *const alone[] = {pattern};
    glob_t found = {0};
    size_t bad = 0;

    if (!flag.n)
        return 0;
    memcpy(pattern, flag.p, flag.n);
    pattern[flag.n] = '\0';
    bool is_pattern = strpbrk(pattern, "*?[\\") && glob(pattern, 0, NULL, &found) == 0;
    size_t n = is_pattern ? found.gl_pathc : 1;

    for (size_t i = 0; i < n; i++) {
        const char *directory = is_pattern ? found.gl_pathv[i] : alone[0];
        int r = list(pass, directory, listing);

        if (r < 0)
            nv_say(pass, NV_DEBUG, "cannot list %s: %s", directory, strerrordesc_np(-r));
        bad += r < 0;
    }
    globfree(&found);
    return bad;
}

/* ---- all files ---------------------------------------------------------------------------------- */

/* Finds a file, or makes it, and puts it in its place. Nearly always it is there. NULL: out of memory. */
static struct file *find(struct state *state, size_t at, const char *path, bool *changed)
{
    size_t i = at;

    while (i < state->n_files && strcmp(state->files[i]->path, path) != 0)
        i++;
    if (i == state->n_files) {
        if (state->n_files == state->files_max) {
            size_t max = state->files_max ? 2 * state->files_max : 8;
            struct file **files = reallocarray(state->files, max, sizeof(struct file *));
            if (!files)
                return NULL;
            state->files = files;
            state->files_max = max;
        }
        struct file *file = calloc(1, sizeof(*file));
        if (!file)
            return NULL;
        file->good = true;
        file->path = strdup(path);
        if (!file->path) {
            free(file);
            return NULL;
        }
        state->files[state->n_files++] = file;
    }
    struct file *file = state->files[i];
    *changed = *changed || i != at;
    memmove(&state->files[at + 1], &state->files[at], (i - at) * sizeof(struct file *));
    state->files[at] = file;
    return file;
}

struct entry {
    struct nv_textfile_family *family;
    const struct file *file;
    size_t order;
};

static int by_family(const void *a_, const void *b_)
{
    const struct entry *a = a_, *b = b_;
    int order = strcmp(a->family->as.name, b->family->as.name);

    return order ? order : (a->order > b->order) - (a->order < b->order);
}

/* Settles the help of n entries of one family. Returns whether they contradict each other. */
static bool settle(struct state *state, struct entry *entries, size_t n)
{
    static const char intro[] = "Metric read from ";
    const char *help = NULL;
    bool contradiction = false;
    size_t length = sizeof(intro);

    for (size_t i = 0; i < n; i++) {
        struct nv_textfile_family *family = entries[i].family;
        if (help && (contradiction || (family->help && strcmp(family->help, help) != 0)))
            contradiction = true;
        family->left_out = contradiction;
        if (!contradiction && family->help)
            help = family->help;
        length += strlen(entries[i].file->path) + 2;
    }

    char *made = NULL;
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (entries[i].family->left_out)
            continue;
        if (!made)
            made = nv_textfile_keep(&state->help, length);
        if (made)
            used += (size_t)snprintf(made + used, length - used, "%s%s", used ? ", " : intro,
                                     entries[i].file->path);
    }
    for (size_t i = 0; i < n; i++) {
        struct nv_textfile_family *family = entries[i].family;
        family->as.help = family->help ? family->help : made ? made : "";
    }
    return contradiction;
}

/* Settles what the families of all files are to each other. */
static void settle_all(struct nv_pass *pass, struct state *state)
{
    size_t n = 0, i = 0;

    for (size_t f = 0; f < state->n_files; f++) {
        for (struct nv_textfile_family *family = state->files[f]->families; family;
             family = family->next)
            n++;
    }
    struct entry *entries = nv_alloc(pass, (n + 1) * sizeof(*entries));
    for (size_t f = 0; f < state->n_files; f++) {
        for (struct nv_textfile_family *family = state->files[f]->families; family;
             family = family->next, i++)
            entries[i] = (struct entry){family, state->files[f], i};
    }
    qsort(entries, n, sizeof(*entries), by_family);

    nv_textfile_memory_done(&state->help);
    state->contradiction = false;
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1;
             to < n && strcmp(entries[from].family->as.name, entries[to].family->as.name) == 0;
             to++)
            ;
        if (settle(state, entries + from, to - from)) {
            state->contradiction = true;
            nv_say(pass, NV_WARN, "%s is left out of some files, for their help differs",
                   entries[from].family->as.name);
        }
    }
}

static void emit_file(struct nv_pass *pass, const struct file *file)
{
    struct nv_str path = nv_str(file->path);

    for (const struct nv_textfile_family *family = file->families; family; family = family->next) {
        for (const struct nv_textfile_sample *s = family->left_out ? NULL : family->samples; s;
             s = s->next)
            nv_emit_part(pass, &family->as, s->suffix, s->names, s->labels, s->value);
    }
    if (file->good)
        nv_emit_i64(pass, &mtimes, &path, 0, file->mtime_s);
}

/* Brings the files up to date with the listing. */
static int update(struct nv_pass *pass, struct state *state, const struct listing *listing)
{
    bool changed = false;

    for (size_t i = 0; i < listing->n; i++) {
        struct file *file = find(state, i, listing->paths[i], &changed);
        if (!file)
            return -ENOMEM;
        if (is_unchanged(file))
            continue;
        load(pass, file);
        changed = true;
    }
    for (; state->n_files > listing->n; changed = true)
        file_free(state->files[--state->n_files]);
    if (changed)
        settle_all(pass, state);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    const struct nv_flag_value *directories = nv_flag(pass, DIRECTORY);
    struct state *state = nv_state(pass);
    struct listing listing = {0};
    size_t n_bad = 0, kept = 0;

    for (size_t i = 0; i < directories->n_list; i++)
        n_bad += list_flag(pass, directories->list[i], &listing);
    if (n_bad && !state->n_bad_directories)
        nv_say(pass, NV_WARN, "%zu textfile directories cannot be read", n_bad);
    state->n_bad_directories = n_bad;

    int r = update(pass, state, &listing);
    bool failed = n_bad || state->contradiction;
    for (size_t i = 0; r == 0 && i < state->n_files; i++) {
        struct file *file = state->files[i];

        emit_file(pass, file);
        failed = failed || !file->good;
        kept += file->memory.size;
        if (kept > KEPT_MAX)
            unload(file);
    }
    nv_emit_u64(pass, &errors, NULL, 0, failed);
    return r;
}

NV_COLLECTOR(textfile) = {
    NV_ABI_STAMP,
    .name = "textfile",
    .summary = "Metrics in files that others wrote.",
    .options = NV_MAY_BLOCK,
    .tables = NV_TABLES(&mtimes, &errors),
    .flags = NV_FLAGS({"collector.textfile.directory", NV_FLAG_LIST, "",
                       "Directory of *.prom files, or a pattern of such."}),
    .state_size = sizeof(struct state),
    .stop = stop,
    .cadence_ms = 15000,
    .collect = collect,
};
