#include "notify/silence.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/save.h"

/* One that is kept: immutable. */
struct silence {
    struct nv_silence_spec is;
    char id[NV_SILENCE_ID_MAX];
    struct nv_matcher *compiled; /* as many as is.n_matchers */
    struct nv_arena memory;
};

struct list {
    struct silence *at[NV_SILENCES_MAX];
    size_t n;
};

/* Two locks, so that a disk that hangs holds up who changes silences, and not who asks whether an alert is silenced. */
struct nv_silences {
    pthread_mutex_t changing; /* of all but `shown`; taken first */
    char *path;
    struct stat seen; /* of the file as it was last read or written */
    struct silence *at[NV_SILENCES_MAX];
    size_t n; /* a draft while somebody is at it, then the same as shown */

    pthread_mutex_t lock; /* of what is shown; who is changing them may read it without */
    struct list shown;
};

/* ---- one ------------------------------------------------------------------------------------ */

static void silence_free(struct silence *one)
{
    if (!one)
        return;
    for (size_t i = 0; one->compiled && i < one->is.n_matchers; i++)
        nv_matcher_done(&one->compiled[i]);
    nv_arena_done(&one->memory);
    free(one);
}

static enum nv_silence_state state_of(const struct nv_silence_spec *spec, int64_t now_ms)
{
    return now_ms >= spec->ends_ms    ? NV_SILENCE_EXPIRED
           : now_ms < spec->starts_ms ? NV_SILENCE_PENDING
                                      : NV_SILENCE_ACTIVE;
}

static int compile(struct silence *one, char error[NV_SILENCE_ERROR_MAX])
{
    static const enum nv_match_op ops[2][2] = {
        {NV_MATCH_NOT_EQUAL, NV_MATCH_NOT_REGEX},
        {NV_MATCH_EQUAL,     NV_MATCH_REGEX    }
    };
    size_t n = one->is.n_matchers;
    bool any = false;

    one->compiled = nv_arena_alloc(&one->memory, (n + 1) * sizeof(*one->compiled));
    if (!one->compiled)
        return -ENOMEM;
    memset(one->compiled, 0, (n + 1) * sizeof(*one->compiled));
    for (size_t i = 0; i < n; i++) {
        const struct nv_silence_matcher *from = &one->is.matchers[i];
        char why[NV_REGEX_ERROR_MAX] = "";
        int r = nv_matcher_init(&one->compiled[i], ops[from->is_equal][from->is_regex], from->name,
                                from->value, why);
        if (r < 0) {
            snprintf(error, NV_SILENCE_ERROR_MAX, "bad matcher: %.*s: %s",
                     (int)(from->name.n < 100 ? from->name.n : 100), from->name.p, why);
            return r;
        }
        any |= !nv_matcher_fits(&one->compiled[i], NV_LIT(""));
    }
    if (!any)
        snprintf(error, NV_SILENCE_ERROR_MAX, "%s",
                 n ? "at least one matcher must not match the empty string"
                   : "at least one matcher required");
    return any ? 0 : -EINVAL;
}

static bool copy_matchers(struct silence *one, const struct nv_silence_spec *spec)
{
    struct nv_silence_matcher *matchers =
        nv_arena_alloc(&one->memory, (spec->n_matchers + 1) * sizeof(*matchers));

    if (!matchers)
        return false;
    for (size_t i = 0; i < spec->n_matchers; i++) {
        matchers[i] = spec->matchers[i];
        matchers[i].name = nv_arena_str(&one->memory, matchers[i].name);
        matchers[i].value = nv_arena_str(&one->memory, matchers[i].value);
        if (!matchers[i].name.p || !matchers[i].value.p)
            return false;
    }
    one->is.matchers = matchers;
    return true;
}

/* Copies and checks. */
static int silence_new(const struct nv_silence_spec *spec, const char *id, struct silence **ret,
                       char error[NV_SILENCE_ERROR_MAX])
{
    struct silence *one = calloc(1, sizeof(*one));

    if (!one)
        return -ENOMEM;
    one->memory = NV_ARENA(2 << 20);
    one->is = *spec;
    snprintf(one->id, sizeof(one->id), "%s", id);
    one->is.id = one->id;
    one->is.comment = nv_arena_str(&one->memory, spec->comment);
    one->is.created_by = nv_arena_str(&one->memory, spec->created_by);
    int r = one->is.comment.p && one->is.created_by.p && copy_matchers(one, spec)
                ? compile(one, error)
                : -ENOMEM;
    if (r < 0) {
        silence_free(one);
        return r;
    }
    *ret = one;
    return 0;
}

/* A random UUID (version 4). */
static void make_id(char ret[NV_SILENCE_ID_MAX])
{
    unsigned char b[16] = {0};

    (void)!getrandom(b, sizeof(b), 0);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(ret, NV_SILENCE_ID_MAX,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

/* ---- all, with the lock --------------------------------------------------------------------- */

static struct silence **find(struct nv_silences *all, const char *id)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->at[i]->id, id) == 0)
            return &all->at[i];
    }
    return NULL;
}

/* Ends what is in `from` and not in `kept`. */
static void free_others(struct silence *const *from, size_t n, struct silence *const *kept,
                        size_t n_kept)
{
    for (size_t i = 0; i < n; i++) {
        bool stays = false;
        for (size_t k = 0; k < n_kept && !stays; k++)
            stays = kept[k] == from[i];
        if (!stays)
            silence_free(from[i]);
    }
}

static void go_back(struct nv_silences *all)
{
    free_others(all->at, all->n, all->shown.at, all->shown.n);
    memcpy(all->at, all->shown.at, sizeof(all->at));
    all->n = all->shown.n;
}

static void show(struct nv_silences *all)
{
    struct list before = all->shown;

    pthread_mutex_lock(&all->lock);
    memcpy(all->shown.at, all->at, sizeof(all->at));
    all->shown.n = all->n;
    pthread_mutex_unlock(&all->lock);
    free_others(before.at, before.n, all->at, all->n);
}

static void drop_old(struct nv_silences *all, int64_t now_ms)
{
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++) {
        if (all->at[i]->is.ends_ms + NV_SILENCE_RETENTION_MS > now_ms)
            all->at[n++] = all->at[i];
    }
    all->n = n;
}

static int save(struct nv_silences *all, int64_t now_ms)
{
    NV_AUTO_BUF text = NV_BUF(NV_SILENCE_FILE_MAX);

    if (!all->path)
        return 0;
    for (size_t i = 0; i < all->n; i++) {
        nv_buf_text(&text, i ? ",\n " : "[");
        nv_silence_write(&text, &all->at[i]->is, state_of(&all->at[i]->is, now_ms));
    }
    nv_buf_text(&text, all->n ? "]\n" : "[]\n");
    int r = text.failed ? text.failed : nv_save(all->path, nv_buf_view(&text));
    if (r == 0 && stat(all->path, &all->seen) < 0)
        memset(&all->seen, 0, sizeof(all->seen));
    return r;
}

/* Keeps the change if it can be written, else goes back. */
static int settle(struct nv_silences *all, int64_t now_ms, char error[NV_SILENCE_ERROR_MAX])
{
    drop_old(all, now_ms);
    int r = save(all, now_ms);
    if (r < 0) {
        snprintf(error, NV_SILENCE_ERROR_MAX, "cannot write %s: %s", all->path, strerror(-r));
        go_back(all);
        return r;
    }
    show(all);
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------- */

static int take_over(struct nv_silences *all, const struct nv_yaml *list, struct nv_arena *memory,
                     int64_t now_ms, char error[NV_SILENCE_ERROR_MAX])
{
    if (nv_yaml_is_null(list))
        return 0;
    if (list->kind != NV_YAML_LIST || list->n > NV_SILENCES_MAX) {
        snprintf(error, NV_SILENCE_ERROR_MAX, "%s: a list of at most %d silences is wanted",
                 all->path, NV_SILENCES_MAX);
        return -EBADMSG;
    }
    for (size_t i = 0; i < list->n; i++) {
        struct nv_silence_spec spec;
        char why[NV_SILENCE_ERROR_MAX], id[NV_SILENCE_ID_MAX];
        int r = nv_silence_parse(list->items[i], memory, &spec, why);
        if (r == 0 && spec.ends_ms + NV_SILENCE_RETENTION_MS <= now_ms)
            continue;
        make_id(id);
        if (r == 0)
            r = silence_new(&spec, *spec.id ? spec.id : id, &all->at[all->n], why);
        if (r < 0) {
            snprintf(error, NV_SILENCE_ERROR_MAX, "%.200s:%u: %.700s", all->path,
                     list->items[i]->line, why);
            return r;
        }
        all->n++;
    }
    return 0;
}

static int read_file(struct nv_silences *all, struct nv_arena *memory, int64_t now_ms,
                     char error[NV_SILENCE_ERROR_MAX])
{
    const struct nv_yaml *root;
    struct nv_str text;

    int r = nv_config_read_file(all->path, memory, &text, error);
    if (r == 0)
        r = nv_yaml_parse(all->path, text, memory, &root, error);
    return r < 0 ? r : take_over(all, root, memory, now_ms, error);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int refresh_locked(struct nv_silences *all, int64_t now_ms, char error[NV_SILENCE_ERROR_MAX])
{
    struct nv_arena memory = NV_ARENA(128 << 20);
    struct stat now = {0};

    if (!all->path)
        return 0;
    snprintf(error, NV_SILENCE_ERROR_MAX, "cannot read %s", all->path);
    if (stat(all->path, &now) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (is_same_file(&now, &all->seen))
        return 0;
    all->seen = now; /* what is wrong with it is told once */
    all->n = 0;
    int r = read_file(all, &memory, now_ms, error);
    nv_arena_done(&memory);
    if (r < 0) {
        go_back(all);
        return r;
    }
    show(all);
    return 1;
}

/* ---- changing ------------------------------------------------------------------------------- */

static bool same_matchers(const struct nv_silence_spec *a, const struct nv_silence_spec *b)
{
    if (a->n_matchers != b->n_matchers)
        return false;
    for (size_t i = 0; i < a->n_matchers; i++) {
        const struct nv_silence_matcher *one = &a->matchers[i], *other = &b->matchers[i];
        if (!nv_str_eq(one->name, other->name) || !nv_str_eq(one->value, other->value) ||
            one->is_regex != other->is_regex || one->is_equal != other->is_equal)
            return false;
    }
    return true;
}

/* Whether one is still the same silence with another end or comment. */
static bool is_update(const struct nv_silence_spec *old, const struct nv_silence_spec *spec,
                      int64_t now_ms)
{
    if (!same_matchers(old, spec))
        return false;
    switch (state_of(old, now_ms)) {
    case NV_SILENCE_ACTIVE:
        return spec->starts_ms / 1000 == old->starts_ms / 1000;
    case NV_SILENCE_PENDING:
        return spec->starts_ms >= now_ms;
    case NV_SILENCE_EXPIRED:
        break;
    }
    return false;
}

static int check_times(const struct nv_silence_spec *spec, int64_t now_ms,
                       char error[NV_SILENCE_ERROR_MAX])
{
    const char *what = spec->starts_ms >= spec->ends_ms ? "start time must be before end time"
                       : spec->ends_ms <= now_ms        ? "end time can't be in the past"
                                                        : NULL;

    if (what)
        snprintf(error, NV_SILENCE_ERROR_MAX, "Failed to create silence: %s", what);
    return what ? -EINVAL : 0;
}

/* The same silence with an end now. */
static int expire_at(struct silence **place, int64_t now_ms, char error[NV_SILENCE_ERROR_MAX])
{
    struct nv_silence_spec spec = (*place)->is;

    if (spec.starts_ms > now_ms)
        spec.starts_ms = now_ms;
    spec.ends_ms = spec.updated_ms = now_ms;
    return silence_new(&spec, (*place)->id, place, error);
}

static int set_locked(struct nv_silences *all, const struct nv_silence_spec *spec, int64_t now_ms,
                      char ret_id[NV_SILENCE_ID_MAX], char error[NV_SILENCE_ERROR_MAX])
{
    bool named = spec->id && *spec->id;
    struct silence **old = named ? find(all, spec->id) : NULL;
    struct nv_silence_spec wanted = *spec;

    if (named && !old) {
        snprintf(error, NV_SILENCE_ERROR_MAX, "silence not found");
        return -ENOENT;
    }
    wanted.updated_ms = now_ms;
    if (old && is_update(&(*old)->is, &wanted, now_ms)) {
        snprintf(ret_id, NV_SILENCE_ID_MAX, "%s", spec->id);
        return silence_new(&wanted, ret_id, old, error);
    }
    if (old && state_of(&(*old)->is, now_ms) != NV_SILENCE_EXPIRED) {
        int r = expire_at(old, now_ms, error);
        if (r < 0)
            return r;
    }
    if (all->n == NV_SILENCES_MAX) {
        snprintf(error, NV_SILENCE_ERROR_MAX, "there are %d silences, no more are kept",
                 NV_SILENCES_MAX);
        return -ENOSPC;
    }
    if (wanted.starts_ms < now_ms)
        wanted.starts_ms = now_ms;
    make_id(ret_id);
    int r = silence_new(&wanted, ret_id, &all->at[all->n], error);
    all->n += r == 0;
    return r;
}

int nv_silences_set(struct nv_silences *all, const struct nv_silence_spec *spec, int64_t now_ms,
                    char ret_id[NV_SILENCE_ID_MAX], char error[NV_SILENCE_ERROR_MAX])
{

    int r = check_times(spec, now_ms, error);
    if (r < 0)
        return r;
    pthread_mutex_lock(&all->changing);
    (void)refresh_locked(all, now_ms,
                         error); /* the file is written whole, with what a person wrote */
    drop_old(all, now_ms);
    snprintf(error, NV_SILENCE_ERROR_MAX, "out of memory");
    r = set_locked(all, spec, now_ms, ret_id, error);
    if (r == 0) {
        r = settle(all, now_ms, error);
    } else {
        go_back(all);
    }
    pthread_mutex_unlock(&all->changing);
    return r;
}

int nv_silences_expire(struct nv_silences *all, const char *id, int64_t now_ms,
                       char error[NV_SILENCE_ERROR_MAX])
{

    pthread_mutex_lock(&all->changing);
    (void)refresh_locked(all, now_ms, error);
    struct silence **place = find(all, id);
    int r = !place                                                  ? -ENOENT
            : state_of(&(*place)->is, now_ms) == NV_SILENCE_EXPIRED ? -EALREADY
                                                                    : 0;
    snprintf(error, NV_SILENCE_ERROR_MAX, "%s",
             r == -ENOENT ? "silence not found" : "silence is already expired");
    if (r == 0)
        r = expire_at(place, now_ms, error);
    if (r == 0)
        r = settle(all, now_ms, error);
    pthread_mutex_unlock(&all->changing);
    return r;
}

int nv_silences_refresh(struct nv_silences *all, int64_t now_ms, char error[NV_SILENCE_ERROR_MAX])
{
    pthread_mutex_lock(&all->changing);
    int r = refresh_locked(all, now_ms, error);
    pthread_mutex_unlock(&all->changing);
    return r;
}

/* ---- making, asking ------------------------------------------------------------------------- */

struct nv_silences *nv_silences_new(const char *path)
{
    struct nv_silences *all = calloc(1, sizeof(*all));

    if (!all)
        return NULL;
    all->path = path ? strdup(path) : NULL;
    if (path && !all->path) {
        free(all);
        return NULL;
    }
    pthread_mutex_init(&all->changing, NULL);
    pthread_mutex_init(&all->lock, NULL);
    return all;
}

void nv_silences_free(struct nv_silences *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->n; i++)
        silence_free(all->at[i]);
    pthread_mutex_destroy(&all->lock);
    pthread_mutex_destroy(&all->changing);
    free(all->path);
    free(all);
}

size_t nv_silences_of(struct nv_silences *all, const struct nv_alert *alert, int64_t now_ms,
                      char (*ids)[NV_SILENCE_ID_MAX], size_t max)
{
    size_t n = 0;

    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->shown.n; i++) {
        const struct silence *one = all->shown.at[i];
        if (state_of(&one->is, now_ms) != NV_SILENCE_ACTIVE ||
            !nv_matchers_fit(one->compiled, one->is.n_matchers, alert->labels, alert->n_labels))
            continue;
        if (n < max)
            memcpy(ids[n], one->id, sizeof(one->id));
        n++;
    }
    pthread_mutex_unlock(&all->lock);
    return n;
}

void nv_silences_each(struct nv_silences *all, const char *id, int64_t now_ms,
                      void (*tell)(void *user, const struct nv_silence_spec *spec,
                                   enum nv_silence_state state),
                      void *user)
{
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->shown.n; i++) {
        if (!id || strcmp(all->shown.at[i]->id, id) == 0)
            tell(user, &all->shown.at[i]->is, state_of(&all->shown.at[i]->is, now_ms));
    }
    pthread_mutex_unlock(&all->lock);
}
