/*
 * limits.h - every bound of the HTTP server.
 */
#ifndef NV_WEB_LIMITS_H
#define NV_WEB_LIMITS_H

enum {
    NV_WEB_LANES = 2, /* event loops of the first listener; each further listener has one */
    NV_WEB_LISTENERS_MAX = 16,
    /*
     * Of one event loop. Where one of libmicrohttpd 0.9.75 gets exactly 128 events at once, it waits for one more, up to a
     * minute, before it looks at any: these and what wakes the loop stay below.
     */
    NV_WEB_LANE_CONNECTIONS_MAX = 126,
    NV_WEB_CONNECTIONS_MAX = 252,        /* in all; beyond, clients wait in the kernel's queue, */
    NV_WEB_CROWDED_MS = 20,              /* looked after this often */
    NV_WEB_CONNECTIONS_PER_IP_MAX = 126, /* over NV_WEB_LANES loops: no address fills one alone */

    NV_WEB_HEAD_MAX = 32 << 10,  /* request line and headers, plus the headers of the answer */
    NV_WEB_BODY_MAX = 64 << 10,  /* of a request; read and ignored */
    NV_WEB_QUERY_MAX = 16 << 10, /* of one URL, undecoded */
    NV_WEB_NAMES_MAX = 1024,     /* name[] of one query */
    NV_WEB_ANSWER_MAX = 512 << 20,

    NV_WEB_IDLE_S = 60, /* between two bytes, and between two requests */
    NV_WEB_HEAD_MS =
        10000, /* from the connection to the first request read whole, TLS handshake included */
    NV_WEB_ANSWER_MS = 60000, /* from a request read whole to its answer written whole */
    NV_WEB_GRACE_MS = 1000,   /* at the stop, for who waits for an answer; */
    NV_WEB_LEAVE_MS = 8000,   /* and for all to be gone: a pass on an event loop, and some */

    NV_WEB_PASS_THREADS_MAX = 8,
    NV_WEB_PASSES_WAITING_MAX = 256,
    NV_WEB_PASSWORDS_WAITING_MAX = 64,
    NV_WEB_THREAD_IDLE_S = 30, /* a thread made when needed leaves after this long without work */

    NV_WEB_KEPT_BODIES_MAX = 4, /* buffers of answers kept for the next, */
    NV_WEB_KEPT_BYTES_MAX =
        256 << 10, /* and their total: what is larger is mapped for one answer */

    NV_API_BODY_MAX = 4 << 20,      /* of one request to the API, */
    NV_API_BODIES_MAX = 16 << 20,   /* of all, */
    NV_API_STRANGERS_MAX = 8 << 20, /* of which who has not shown yet that he may ask takes this */
    NV_API_MEMORY_MAX = 64 << 20,   /* and what their parameters and expressions take in all */
    NV_API_QUERIES_MAX = 20,        /* at once, unless told otherwise; beyond, they wait: */
    NV_API_WAITING_MAX = 256,
    NV_API_ASK_THREADS_MAX = 4, /* for what is no query */
    NV_API_TIMEOUT_MS = 120000, /* of a query, unless told otherwise */
    NV_API_HANGUP_MS = 1000,    /* that a query goes on when nobody seems to wait any more */
    NV_API_PACK_MIN = 1024,     /* shorter answers are not compressed */

    NV_WEB_PASSWORD_CACHE = 100, /* verified passwords, right and wrong */
};

#endif
