#include "book.h"

#include <pthread.h>

enum { SIDES = 2, LINES_MAX = 2 * NV_PROBLEM_REASONS_MAX };

static const struct nv_family counter_columns[] = {
    {"problem_counter", NV_COUNTER, NV_AS_IS, "Problems seen in the logs of this node, by reason."},
};
static const struct nv_family gauge_columns[] = {
    {"problem_gauge", NV_GAUGE, NV_AS_IS,
     "Whether a lasting problem is there, as far as the logs tell: 1 for its reason."},
};
const struct nv_table nv_problem_counters = {NV_LABELS("reason"), counter_columns, 1};
const struct nv_table nv_problem_gauges = {NV_LABELS("type", "reason"), gauge_columns, 1};

struct line {
    char type[NV_PROBLEM_NAME_MAX], reason[NV_PROBLEM_NAME_MAX]; /* type "": a reason's counter */
    unsigned owner;
    uint64_t counts[SIDES];
    bool on[SIDES];
};

struct nv_problem_book {
    pthread_mutex_t lock; /* of what follows; zeroed memory is an open lock */
    unsigned n;
    struct line lines[LINES_MAX];
};

struct nv_problem_book *nv_problem_book(struct nv_pass *pass)
{
    return nv_commons(pass, "problems", sizeof(struct nv_problem_book));
}

static bool is_line(const struct line *line, const char *type, const char *reason)
{
    return strncmp(line->type, type, sizeof(line->type) - 1) == 0 &&
           strncmp(line->reason, reason, sizeof(line->reason) - 1) == 0;
}

static int find(struct nv_problem_book *book, unsigned side, const char *type, const char *reason)
{
    unsigned i = 0;

    pthread_mutex_lock(&book->lock);
    while (i < book->n && !is_line(&book->lines[i], type, reason))
        i++;
    if (i == book->n && i < LINES_MAX) {
        struct line *line = &book->lines[book->n++];
        snprintf(line->type, sizeof(line->type), "%s", type);
        snprintf(line->reason, sizeof(line->reason), "%s", reason);
        line->owner = side;
    } else if (i < book->n && side < book->lines[i].owner) {
        book->lines[i].owner = side; /* what the kernel says itself goes before */
    }
    pthread_mutex_unlock(&book->lock);
    return i < LINES_MAX ? (int)i : -E2BIG;
}

int nv_problem_book_reason(struct nv_problem_book *book, unsigned side, const char *reason)
{
    return find(book, side, "", reason);
}

int nv_problem_book_condition(struct nv_problem_book *book, unsigned side, const char *type,
                              const char *reason)
{
    return find(book, side, type, reason);
}

void nv_problem_book_count(struct nv_problem_book *book, unsigned side, int line)
{
    pthread_mutex_lock(&book->lock);
    book->lines[line].counts[side]++;
    pthread_mutex_unlock(&book->lock);
}

void nv_problem_book_set(struct nv_problem_book *book, unsigned side, int line, bool on)
{
    pthread_mutex_lock(&book->lock);
    book->lines[line].on[side] = on;
    pthread_mutex_unlock(&book->lock);
}

const char *nv_problem_book_name(const struct nv_problem_book *book, int line)
{
    return book->lines[line].reason; /* which never changes */
}

void nv_problem_book_emit(struct nv_pass *pass, struct nv_problem_book *book, unsigned side)
{
    pthread_mutex_lock(&book->lock);
    for (unsigned i = 0; i < book->n; i++) {
        const struct line *line = &book->lines[i];
        const struct nv_str labels[] = {nv_str(line->type), nv_str(line->reason)};
        if (line->owner != side)
            continue;
        if (line->type[0])
            nv_emit_u64(pass, &nv_problem_gauges, labels, 0, line->on[0] || line->on[1]);
        else
            nv_emit_u64(pass, &nv_problem_counters, &labels[1], 0,
                        line->counts[0] + line->counts[1]);
    }
    pthread_mutex_unlock(&book->lock);
}
