#include "web/server.h"

/*
 * A full answer is some hundred KB of text written in one go. Its memory goes back to a short list when
 * libmicrohttpd has sent it, which for a slow client may be long after the thread that wrote it turned to
 * the next: so buffers belong to answers, not to threads.
 */

void nv_bodies_init(struct nv_bodies *bodies)
{
    *bodies = (struct nv_bodies){0};
    pthread_mutex_init(&bodies->lock, NULL);
}

static void free_body(struct nv_body *body)
{
    nv_buf_done(&body->text);
    free(body);
}

void nv_bodies_done(struct nv_bodies *bodies)
{
    while (bodies->kept) {
        struct nv_body *body = bodies->kept;
        bodies->kept = body->next;
        free_body(body);
    }
    nv_compressor_free(bodies->compressor);
    pthread_mutex_destroy(&bodies->lock);
}

struct nv_body *nv_body_take(struct nv_bodies *bodies)
{
    pthread_mutex_lock(&bodies->lock);
    struct nv_body *body = bodies->kept;
    if (body) {
        bodies->kept = body->next;
        bodies->n_kept--;
        bodies->bytes_kept -= body->text.size;
    }
    pthread_mutex_unlock(&bodies->lock);

    if (!body) {
        body = calloc(1, sizeof(*body));
        if (!body)
            return NULL;
        body->text = NV_BUF(NV_WEB_ANSWER_MAX);
        body->home = bodies;
    }
    nv_buf_reset(&body->text);
    return body;
}

void nv_body_give(struct nv_body *body)
{
    struct nv_bodies *bodies = body->home;

    pthread_mutex_lock(&bodies->lock);
    bool keep = bodies->n_kept < NV_WEB_KEPT_BODIES_MAX &&
                bodies->bytes_kept + body->text.size <= NV_WEB_KEPT_BYTES_MAX;
    if (keep) {
        body->next = bodies->kept;
        bodies->kept = body;
        bodies->n_kept++;
        bodies->bytes_kept += body->text.size;
    }
    pthread_mutex_unlock(&bodies->lock);
    if (!keep)
        free_body(body);
}

static void give_sent(void *body)
{
    nv_body_give(body);
}

struct MHD_Response *nv_body_response(struct nv_body *body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        body->text.n, body->text.p, give_sent, body);

    if (!response)
        nv_body_give(body);
    return response;
}

static struct nv_compressor *take_compressor(struct nv_bodies *bodies)
{
    struct nv_compressor *kept = __atomic_exchange_n(&bodies->compressor, NULL, __ATOMIC_ACQ_REL);

    return kept ? kept : nv_compressor_new();
}

static void give_compressor(struct nv_bodies *bodies, struct nv_compressor *compressor)
{
    nv_compressor_free(__atomic_exchange_n(&bodies->compressor, compressor, __ATOMIC_ACQ_REL));
}

int nv_body_compress(struct nv_body **body, enum nv_expo_coding coding)
{
    struct nv_bodies *bodies = (*body)->home;
    struct nv_body *packed = nv_body_take(bodies);
    struct nv_compressor *compressor = take_compressor(bodies);

    int r = packed && compressor
                ? nv_compress(compressor, coding, nv_buf_view(&(*body)->text), &packed->text)
                : -ENOMEM;
    if (r == 0)
        r = packed->text.failed;
    if (compressor)
        give_compressor(bodies, compressor);
    if (r < 0) {
        if (packed)
            nv_body_give(packed);
        return r;
    }
    nv_body_give(*body);
    *body = packed;
    return 0;
}
