/*
 * Rows, chunks and pages of a source: how they come, are sealed, are seen, and go. How a frame becomes a row
 * stands in head_layout.c and head_write.c.
 */
#include "base/assert.h"
#include "base/locked.h"
#include "tsdb/head_parts.h"
#include "tsdb/sparse.h"

/* ---- life ----------------------------------------------------------------------------------- */

int nv_head_new(struct nv_series_table *table, uint32_t number, struct nv_str name,
                struct nv_head **ret)
{
    struct nv_head *head = calloc(1, sizeof(*head));

    if (!head)
        return -ENOMEM;
    pthread_mutex_init(&head->lock, NULL);
    pthread_mutex_init(&head->sealing, NULL);
    pthread_mutex_init(&head->writing, NULL);
    pthread_mutex_init(&head->entering, NULL);
    pthread_cond_init(&head->entered, NULL);
    head->table = table;
    head->number = number;
    head->last_ms = head->newest_ms = INT64_MIN;
    head->sparse_segment = head->log_segment = head->sparse_log_segment = UINT64_MAX;
    head->record = NV_BUF(NV_RECORD_MAX);
    head->name = strndup(name.p, name.n);
    head->codec = nv_codec_new();
    head->log_codec = nv_codec_new();
    head->columns = nv_columns_new(table, 0);
    if (!head->name || !head->codec || !head->log_codec || !head->columns) {
        nv_head_free(head);
        return -ENOMEM;
    }
    *ret = head;
    return 0;
}

void nv_head_free(struct nv_head *head)
{
    if (!head)
        return;
    nv_head_end_following(head);
    nv_head_drop_pages(head, head->n_pages);
    for (size_t i = 0; i < head->n_waiting; i++)
        nv_chunk_unref(head->waiting[i]);
    nv_chunk_unref(head->open);
    nv_columns_unref(head->columns);
    nv_columns_unref(head->told);
    nv_layout_unref(head->layout);
    nv_log_state_done(&head->log);
    nv_codec_free(head->codec);
    nv_codec_free(head->log_codec);
    nv_buf_done(&head->record);
    nv_chunk_draft_done(&head->draft);
    pthread_mutex_destroy(&head->lock);
    pthread_mutex_destroy(&head->sealing);
    pthread_mutex_destroy(&head->writing);
    pthread_mutex_destroy(&head->entering);
    pthread_cond_destroy(&head->entered);
    free(head->pages);
    free(head->map);
    free(head->sections);
    free(head->clocks);
    free(head->name);
    free(head);
}

/* ---- sealing -------------------------------------------------------------------------------- */

static bool room_for_page(struct nv_head *head)
{
    if (head->n_pages < head->room_pages)
        return true;
    size_t room = head->room_pages ? head->room_pages * 2 : 64;
    struct nv_page **pages = realloc(head->pages, room * sizeof(*pages));
    if (!pages)
        return false;
    head->pages = pages;
    head->room_pages = room;
    return true;
}

/* The oldest full chunk becomes the newest page, in one step for readers. */
static int replace_first(struct nv_head *head, struct nv_page *page)
{
    struct nv_chunk *chunk = head->waiting[0];

    {
        NV_LOCKED(&head->lock);
        if (!room_for_page(head))
            return -ENOMEM;
        head->pages[head->n_pages++] = page;
        head->n_waiting--;
        memmove(head->waiting, head->waiting + 1, head->n_waiting * sizeof(struct nv_chunk *));
    }
    nv_chunk_unref(chunk);
    return 0;
}

static struct nv_chunk *first_waiting(struct nv_head *head)
{
    NV_LOCKED(&head->lock);
    return head->n_waiting ? head->waiting[0] : NULL;
}

/* The open chunk, if it has rows, joins those that wait. */
static void close_open(struct nv_head *head)
{
    NV_LOCKED(&head->lock);

    if (!head->open || !nv_chunk_rows(head->open) || head->n_waiting > NV_HEAD_WAITING)
        return;
    head->waiting[head->n_waiting++] = head->open;
    head->open = NULL;
}

int nv_head_seal_one(struct nv_head *head)
{
    NV_LOCKED(&head->sealing);
    struct nv_chunk *chunk = first_waiting(head);
    struct nv_page *page;

    if (!chunk)
        return 0;
    int r = nv_page_seal(head->codec, chunk, &page);
    if (r < 0)
        return r;
    r = replace_first(head, page);
    if (r < 0)
        nv_page_unref(page);
    return r < 0 ? r : 1;
}

int nv_head_seal(struct nv_head *head, bool all)
{
    int n = 0, r;

    if (all) {
        nv_head_settle(head);
        NV_LOCKED(&head->writing);
        close_open(head);
    }
    while ((r = nv_head_seal_one(head)) > 0)
        n++;
    return r < 0 ? r : n;
}

/* The first n, or all up to a time, whichever are fewer. Returns their rows. */
static uint64_t drop_pages(struct nv_head *head, size_t n, int64_t until_ms)
{
    NV_AUTO_FREE struct nv_page **gone = NULL;
    size_t dropped = 0;
    uint64_t rows = 0;

    {
        NV_LOCKED(&head->lock);
        gone = nv_must(malloc((head->n_pages + 1) * sizeof(*gone)));
        while (dropped < n && dropped < head->n_pages && head->pages[dropped]->to_ms <= until_ms) {
            gone[dropped] = head->pages[dropped];
            dropped++;
        }
        if (dropped)
            head->newest_ms = gone[dropped - 1]->to_ms;
        head->n_pages -= dropped;
        if (dropped && head->n_pages)
            memmove(head->pages, head->pages + dropped, head->n_pages * sizeof(*gone));
    }
    for (size_t i = 0; i < dropped; i++) {
        rows += gone[i]->n_rows;
        nv_page_unref(gone[i]);
    }
    return rows;
}

uint64_t nv_head_drop_pages(struct nv_head *head, size_t n)
{
    return drop_pages(head, n, INT64_MAX);
}

void nv_head_drop_until(struct nv_head *head, int64_t until_ms)
{
    (void)drop_pages(head, SIZE_MAX, until_ms);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void give_back_all(struct nv_head *head)
{
    for (uint32_t i = 0; i < head->columns->n; i++)
        nv_series_unclaim(head->table, &head->columns->at[i].series, 1);
    NV_LOCKED(&head->lock);
    for (size_t i = 0; i < head->n_sparse; i++)
        nv_series_unclaim(head->table, &head->sparse[i]->series, 1);
}

int nv_head_end(struct nv_head *head)
{
    nv_head_settle(head);
    NV_LOCKED(&head->writing);
    struct nv_columns *before = head->columns;

    give_back_all(head);
    nv_layout_unref(head->layout);
    head->layout = NULL;
    int r = nv_head_start_generation(head, head->generation + 1); /* which holds no series */
    if (r < 0)
        return r;
    nv_columns_unref(before);
    nv_log_state_begin(&head->log);
    nv_codec_trim(head->log_codec);
    return 0;
}

/* ---- views ---------------------------------------------------------------------------------- */

int nv_head_view(struct nv_head *head, struct nv_head_view *ret)
{
    NV_LOCKED(&head->lock);

    *ret = (struct nv_head_view){.pages = malloc((head->n_pages + 1) * sizeof(struct nv_page *))};
    if (!ret->pages)
        return -ENOMEM;
    for (; ret->n_pages < head->n_pages; ret->n_pages++)
        ret->pages[ret->n_pages] = nv_page_ref(head->pages[ret->n_pages]);
    for (; ret->n_chunks < head->n_waiting; ret->n_chunks++)
        ret->chunks[ret->n_chunks] = nv_chunk_ref(head->waiting[ret->n_chunks]);
    if (head->open)
        ret->chunks[ret->n_chunks++] = nv_chunk_ref(head->open);
    for (size_t i = 0; i < ret->n_chunks; i++)
        ret->rows[i] = nv_chunk_rows(ret->chunks[i]);
    return 0;
}

void nv_head_view_done(struct nv_head_view *view)
{
    for (size_t i = 0; i < view->n_pages; i++)
        nv_page_unref(view->pages[i]);
    for (size_t i = 0; i < view->n_chunks; i++)
        nv_chunk_unref(view->chunks[i]);
    free(view->pages);
    *view = (struct nv_head_view){0};
}

uint64_t nv_head_segment(struct nv_head *head)
{
    NV_LOCKED(&head->lock);
    uint64_t first = head->sparse_segment;
    uint64_t told = __atomic_load_n(&head->log_segment, __ATOMIC_RELAXED);

    if (told < first)
        first = told;
    for (size_t i = 0; i < head->n_pages; i++)
        if (head->pages[i]->segment < first)
            first = head->pages[i]->segment;
    for (size_t i = 0; i < head->n_waiting; i++)
        if (head->waiting[i]->segment < first)
            first = head->waiting[i]->segment;
    if (head->open && nv_chunk_rows(head->open) && head->open->segment < first)
        first = head->open->segment;
    return first;
}

int64_t nv_head_newest(struct nv_head *head)
{
    NV_LOCKED(&head->lock);
    uint32_t n = head->open ? nv_chunk_rows(head->open) : 0;

    if (n)
        return head->open->times[n - 1];
    if (head->n_waiting) {
        const struct nv_chunk *chunk = head->waiting[head->n_waiting - 1];
        return chunk->times[chunk->n_rows - 1];
    }
    return head->n_pages ? head->pages[head->n_pages - 1]->to_ms : head->newest_ms;
}

static void widen(int64_t *from, int64_t *to, int64_t first, int64_t last)
{
    if (first < *from)
        *from = first;
    if (last > *to)
        *to = last;
}

bool nv_head_span(struct nv_head *head, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    NV_LOCKED(&head->lock);
    uint32_t n = head->open ? nv_chunk_rows(head->open) : 0;
    int64_t from = INT64_MAX, to = INT64_MIN;

    if (head->n_pages)
        widen(&from, &to, head->pages[0]->from_ms, head->pages[head->n_pages - 1]->to_ms);
    for (size_t i = 0; i < head->n_waiting; i++)
        widen(&from, &to, head->waiting[i]->times[0],
              head->waiting[i]->times[head->waiting[i]->n_rows - 1]);
    if (n)
        widen(&from, &to, head->open->times[0], head->open->times[n - 1]);
    for (size_t i = 0; i < head->n_sparse; i++)
        if (head->sparse[i]->n)
            widen(&from, &to, head->sparse[i]->times[0],
                  head->sparse[i]->times[head->sparse[i]->n - 1]);
    *ret_from_ms = from;
    *ret_to_ms = to;
    return from <= to;
}

bool nv_head_page_span(struct nv_head *head, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    NV_LOCKED(&head->lock);

    if (!head->n_pages)
        return false;
    *ret_from_ms = head->pages[0]->from_ms;
    *ret_to_ms = head->pages[head->n_pages - 1]->to_ms;
    return true;
}

bool nv_head_first_page(struct nv_head *head, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    NV_LOCKED(&head->lock);

    if (!head->n_pages)
        return false;
    *ret_from_ms = head->pages[0]->from_ms;
    *ret_to_ms = head->pages[0]->to_ms;
    return true;
}

size_t nv_head_page_bytes(struct nv_head *head)
{
    NV_LOCKED(&head->lock);
    size_t bytes = 0;

    for (size_t i = 0; i < head->n_pages; i++)
        bytes += head->pages[i]->bytes;
    return bytes;
}

size_t nv_head_memory(struct nv_head *head)
{
    NV_LOCKED(&head->lock);
    size_t bytes = sizeof(*head) + head->room_pages * sizeof(struct nv_page *);

    for (size_t i = 0; i < head->n_pages; i++)
        bytes += head->pages[i]->bytes;
    for (size_t i = 0; i < head->n_waiting; i++)
        bytes += nv_chunk_memory(head->waiting[i]);
    return bytes + head->sparse_bytes + (head->open ? nv_chunk_memory(head->open) : 0);
}
