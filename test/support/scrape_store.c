#include "support/scrape_store.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <time.h>

#include "base/buf.h"
#include "metric/matcher.h"

enum { SOURCES_MAX = 1024, NAME_SIZE = 32, WAIT_MS = 60000, STEP_MS = 5, SERIES_MAX = 4096 };

struct nv_scrape_store {
    pthread_mutex_t lock;
    struct {
        uint32_t source;
        struct nv_frame *frame;
    } frames[NV_SCRAPE_STORE_FRAMES_MAX];
    size_t n;
    struct {
        char name[NAME_SIZE];
        bool open;
    } sources[SOURCES_MAX];
    uint32_t n_sources;
};

struct nv_scrape_store *nv_scrape_store_new(void)
{
    struct nv_scrape_store *store = calloc(1, sizeof(*store));

    ck_assert_ptr_nonnull(store);
    pthread_mutex_init(&store->lock, NULL);
    return store;
}

void nv_scrape_store_free(struct nv_scrape_store *store)
{
    for (size_t i = 0; i < store->n; i++)
        nv_frame_unref(store->frames[i].frame);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

/* ---- as the scrape sees it ------------------------------------------------------------------ */

static int open_source(void *user, const char *name, uint32_t *ret)
{
    struct nv_scrape_store *store = user;
    uint32_t i = 0;

    pthread_mutex_lock(&store->lock);
    while (i < store->n_sources && strcmp(store->sources[i].name, name) != 0)
        i++;
    ck_assert_uint_lt(i, SOURCES_MAX);
    if (i == store->n_sources)
        snprintf(store->sources[store->n_sources++].name, NAME_SIZE, "%s", name);
    ck_assert_msg(!store->sources[i].open, "%s is open", name);
    store->sources[i].open = true;
    pthread_mutex_unlock(&store->lock);
    *ret = i;
    return 0;
}

static void end_source(void *user, uint32_t source)
{
    struct nv_scrape_store *store = user;

    pthread_mutex_lock(&store->lock);
    ck_assert(store->sources[source].open);
    store->sources[source].open = false;
    pthread_mutex_unlock(&store->lock);
}

static int append(void *user, uint32_t source, struct nv_frame *frame)
{
    struct nv_scrape_store *store = user;

    pthread_mutex_lock(&store->lock);
    ck_assert(store->sources[source].open);
    ck_assert_uint_lt(store->n, NV_SCRAPE_STORE_FRAMES_MAX);
    store->frames[store->n].source = source;
    store->frames[store->n++].frame = nv_frame_ref(frame);
    pthread_mutex_unlock(&store->lock);
    return 0;
}

static bool begins_page(void *user, uint32_t source)
{
    (void)user, (void)source;
    return false;
}

static int append_sparse(void *user, uint32_t source, const struct nv_label *labels,
                         size_t n_labels, int64_t time_ms, double value)
{
    (void)user, (void)source, (void)labels, (void)n_labels, (void)time_ms, (void)value;
    return 0;
}

static int append_sparse_histogram(void *user, uint32_t source, const struct nv_label *labels,
                                   size_t n_labels, int64_t time_ms,
                                   const struct nv_histogram *histogram)
{
    (void)user, (void)source, (void)labels, (void)n_labels, (void)time_ms, (void)histogram;
    return 0;
}

struct nv_scrape_storage nv_scrape_store_storage(struct nv_scrape_store *store)
{
    return (struct nv_scrape_storage){store,
                                      open_source,
                                      end_source,
                                      append,
                                      begins_page,
                                      append_sparse,
                                      append_sparse_histogram};
}

/* ---- as a test sees it ---------------------------------------------------------------------- */

static bool is_of(const struct nv_frame *frame, const char *target)
{
    for (size_t i = 0; i < frame->layout->n_sections; i++) {
        const struct nv_target *labels = &frame->layout->targets[i];
        if (nv_str_is(nv_label_value(labels->labels, labels->n_labels, NV_LIT("instance")), target))
            return true;
    }
    return false;
}

size_t nv_scrape_store_count(struct nv_scrape_store *store, const char *target)
{
    size_t n = 0;

    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->n; i++)
        n += is_of(store->frames[i].frame, target);
    pthread_mutex_unlock(&store->lock);
    return n;
}

void nv_scrape_store_wait(struct nv_scrape_store *store, const char *target, size_t n)
{
    for (int waited = 0; nv_scrape_store_count(store, target) < n; waited += STEP_MS) {
        ck_assert_msg(waited < WAIT_MS, "%s gave %zu frames, not %zu", target,
                      nv_scrape_store_count(store, target), n);
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
    }
}

/* The number of a frame among all. */
static size_t find(struct nv_scrape_store *store, const char *target, int i)
{
    size_t n = nv_scrape_store_count(store, target);
    size_t wanted = i < 0 ? n - (size_t)-i : (size_t)i, at = 0;

    ck_assert_msg(wanted < n, "%s has %zu frames, and no %d", target, n, i);
    pthread_mutex_lock(&store->lock);
    for (; wanted || !is_of(store->frames[at].frame, target); at++)
        wanted -= is_of(store->frames[at].frame, target);
    pthread_mutex_unlock(&store->lock);
    return at;
}

int64_t nv_scrape_store_time(struct nv_scrape_store *store, const char *target, int i)
{
    return store->frames[find(store, target, i)].frame->time_ms;
}

uint32_t nv_scrape_store_source(struct nv_scrape_store *store, const char *target, int i)
{
    return store->frames[find(store, target, i)].source;
}

/* As exposition has it; a layout need not have its texts. */
static bool is_series(const struct nv_series *one, const char *series)
{
    NV_AUTO_BUF text = NV_BUF(SERIES_MAX);

    nv_buf_str(&text, one->name);
    for (size_t i = 0; i < one->n_labels; i++)
        nv_buf_printf(&text, "%c%.*s=\"%.*s\"", i ? ',' : '{', NV_ARGS(one->labels[i].name),
                      NV_ARGS(one->labels[i].value));
    if (one->n_labels)
        nv_buf_char(&text, '}');
    return strcmp(nv_buf_c_string(&text), series) == 0;
}

double nv_scrape_store_value(struct nv_scrape_store *store, const char *target, int i,
                             const char *series)
{
    const struct nv_frame *frame = store->frames[find(store, target, i)].frame;

    for (size_t c = 0; c < frame->n_series; c++) {
        if (nv_frame_has(frame, c) && is_series(nv_layout_series(frame->layout, c), series))
            return frame->values[c];
    }
    return (double)NAN;
}

size_t nv_scrape_store_present(struct nv_scrape_store *store, const char *target, int i)
{
    size_t at = find(store, target, i), n = 0;

    pthread_mutex_lock(&store->lock); /* more may come meanwhile, and move them all */
    const struct nv_frame *frame = store->frames[at].frame;
    pthread_mutex_unlock(&store->lock);
    for (size_t c = 0; c < frame->n_series; c++)
        n += nv_frame_has(frame, c);
    return n;
}

size_t nv_scrape_store_open(struct nv_scrape_store *store)
{
    size_t n = 0;

    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->n_sources; i++)
        n += store->sources[i].open;
    pthread_mutex_unlock(&store->lock);
    return n;
}
