/*
 * eval_match.c - operators on two vectors: which series meet, and set operators.
 *
 * The "one" side is kept, in groups of equal match labels; the "many" side flows past, row by row.
 */
#include "promql/histograms.h"

struct group {
    uint64_t hash;
    const struct nv_label *labels; /* those that match */
    size_t n_labels;
    uint32_t first;   /* row of the one side, or NONE */
    uint32_t *one;    /* by step: the row, where there are several; NONE */
    uint8_t *matched; /* by step: flags */
};

enum { NONE = UINT32_MAX, MATCHED = 1, MANY = 2, PRESENT = 4 };

struct matching {
    const struct nv_expr *expr;
    const struct nv_grid *grid;
    struct nv_pool pool;
    struct nv_matrix one; /* the one side */
    struct group *groups;
    uint32_t n, room;
    struct nv_index index, results; /* of groups; of labels of results */
    struct result {
        uint64_t hash;
        uint32_t group;
        const struct nv_label *labels;
        size_t n_labels;
        uint8_t *there; /* by step */
    } * made;
    uint32_t n_made, room_made;
    bool *duplicate; /* by step: two of the one side in a group */
    uint32_t duplicate_rows[2];
    bool one_is_left;
    nv_row_fn fn;
    void *user;
};

/* The labels by which a series is matched, in scratch memory; NULL past the limit. */
static struct nv_label *match_labels(struct nv_eval *ev, const struct nv_binary *b,
                                     const struct nv_row *row, size_t *ret_n)
{
    struct nv_label *labels = nv_pool_alloc(&ev->scratch, row->n_labels + 1, sizeof(*labels));

    if (!labels)
        return NULL;
    struct nv_str name = NV_LIT("__name__");
    struct nv_label_names ignored = {&name, 1};
    if (b->on) {
        *ret_n = nv_labels_keep(row->labels, row->n_labels, &b->labels, labels);
        return labels;
    }
    *ret_n = nv_labels_drop(row->labels, row->n_labels, &b->labels, false, labels);
    *ret_n = nv_labels_drop(labels, *ret_n, &ignored, false, labels);
    return labels;
}

static uint64_t group_hash(uint32_t i, const void *user)
{
    return ((const struct matching *)user)->groups[i].hash;
}

static uint64_t result_hash(uint32_t i, const void *user)
{
    return ((const struct matching *)user)->made[i].hash;
}

static int new_group(struct nv_eval *ev, struct matching *m, uint64_t hash,
                     const struct nv_label *labels, size_t n)
{
    if (m->n == m->room) {
        uint32_t room = m->room ? m->room * 2 : 16;
        struct group *larger = realloc(m->groups, room * sizeof(*larger));
        if (!larger)
            return nv_eval_no_memory(ev);
        m->groups = larger;
        m->room = room;
    }
    struct nv_label *copy = nv_pool_alloc(&m->pool, n, sizeof(*copy));
    uint8_t *matched = nv_pool_alloc(&m->pool, m->grid->n, 1);
    if (!copy || !matched)
        return nv_eval_no_memory(ev);
    if (n)
        memcpy(copy, labels, n * sizeof(*copy));
    memset(matched, 0, m->grid->n);
    m->groups[m->n++] = (struct group){hash, copy, n, NONE, NULL, matched};
    int r = nv_index_add(&m->index, hash, m->n - 1, group_hash, m);
    return r < 0 ? nv_eval_no_memory(ev) : 0;
}

/* The group of a row: *ret is NULL where there is none and none shall be made. */
static int find_group(struct nv_eval *ev, struct matching *m, const struct nv_row *row, bool make,
                      struct group **ret)
{
    size_t n;
    const struct nv_label *labels = match_labels(ev, &m->expr->binary, row, &n);

    if (!labels)
        return nv_eval_no_memory(ev);
    uint64_t hash = nv_labels_hash(labels, n);
    *ret = NULL;
    for (uint32_t at = nv_index_first(&m->index, hash), i;
         nv_index_next(&m->index, hash, &at, &i);) {
        struct group *g = &m->groups[i];
        if (nv_labels_equal(labels, n, g->labels, g->n_labels)) {
            *ret = g;
            return 0;
        }
    }
    int r = make ? new_group(ev, m, hash, labels, n) : 0;
    if (make && r == 0)
        *ret = &m->groups[m->n - 1];
    return r;
}

/* A second series in a group: from now on it is told by step which counts. */
static int by_step(struct nv_eval *ev, struct matching *m, struct group *g)
{
    if (g->one)
        return 0;
    g->one = nv_pool_alloc(&m->pool, m->grid->n, sizeof(*g->one));
    if (!g->one)
        return nv_eval_no_memory(ev);
    for (size_t i = 0; i < m->grid->n; i++)
        g->one[i] = nv_row_has(&m->one.rows[g->first], i) ? g->first : NONE;
    return 0;
}

static int add_one(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct matching *m = user;
    struct group *g;
    int r = find_group(ev, m, row, true, &g);

    if (r == 0)
        r = nv_matrix_add(ev, row, &m->one);
    if (r < 0)
        return r;
    uint32_t number = (uint32_t)m->one.n - 1;
    if (g->first == NONE) {
        g->first = number;
        return 0;
    }
    r = by_step(ev, m, g);
    for (size_t i = 0; r == 0 && i < m->grid->n; i++) {
        if (!nv_row_has(row, i))
            continue;
        if (g->one[i] == NONE) {
            g->one[i] = number;
        } else if (!m->duplicate[i]) {
            m->duplicate[i] = true;
            m->duplicate_rows[0] = g->one[i];
            m->duplicate_rows[1] = number;
        }
    }
    return r;
}

/* All labels alike, the name among them. */
static void print_set(struct nv_buf *out, const struct nv_label *labels, size_t n)
{
    nv_buf_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        nv_buf_printf(out, "%s%.*s=", i ? ", " : "", NV_ARGS(labels[i].name));
        nv_promql_print_string(out, labels[i].value);
    }
    nv_buf_char(out, '}');
}

static int duplicate_error(struct nv_eval *ev, const struct matching *m)
{
    NV_AUTO_BUF a = NV_BUF(256), b = NV_BUF(256), match = NV_BUF(256);
    const struct nv_row *x = &m->one.rows[m->duplicate_rows[0]],
                        *y = &m->one.rows[m->duplicate_rows[1]];
    size_t n;
    const struct nv_label *labels = match_labels(ev, &m->expr->binary, x, &n);

    if (!labels)
        return nv_eval_no_memory(ev);
    print_set(&match, labels, n);
    print_set(&a, x->labels, x->n_labels);
    print_set(&b, y->labels, y->n_labels);
    bool swap = nv_str_cmp(nv_buf_view(&a), nv_buf_view(&b)) > 0;
    return nv_eval_fail(
        ev,
        "found duplicate series for the match group %s on the %s hand-side of the operation: [%s, "
        "%s];many-to-many matching not allowed: matching labels must be unique on one side",
        nv_buf_c_string(&match), m->one_is_left ? "left" : "right", nv_buf_c_string(swap ? &b : &a),
        nv_buf_c_string(swap ? &a : &b));
}

/* Labels of what a pair yields. `many` or `one` may be missing where the other is filled in. */
static int result_labels(struct nv_eval *ev, const struct matching *m, const struct group *g,
                         const struct nv_row *many, const struct nv_row *one, struct nv_row *ret)
{
    const struct nv_binary *b = &m->expr->binary;
    bool grouped = b->card != NV_CARD_ONE_TO_ONE;
    bool drops = (!nv_op_is_comparison(b->op) && !nv_op_is_trim(b->op)) || b->return_bool;
    size_t n = many ? many->n_labels : g->n_labels;
    struct nv_label *labels = nv_pool_alloc(&ev->scratch, n + b->include.n + 1, sizeof(*labels));

    if (!labels)
        return nv_eval_no_memory(ev);
    if (n)
        memcpy(labels, many ? many->labels : g->labels, n * sizeof(*labels));
    if (drops)
        n = nv_labels_drop(labels, n, NULL, true, labels);
    if (!grouped && b->on)
        n = nv_labels_keep(labels, n, &b->labels, labels);
    else if (!grouped)
        n = nv_labels_drop(labels, n, &b->labels, false, labels);
    for (size_t i = 0; grouped && i < b->include.n; i++) {
        struct nv_str value = {"", 0};
        if (one)
            value = nv_label_value(one->labels, one->n_labels, b->include.at[i]);
        else
            value = nv_label_value(g->labels, g->n_labels, b->include.at[i]);
        n = nv_labels_set(labels, n, b->include.at[i], value);
    }
    ret->labels = labels;
    ret->n_labels = n;
    ret->drop_name = !drops && many && many->drop_name;
    return 0;
}

/* Which steps a group has results for under these labels: two at one step are an error. */
static int results_of(struct nv_eval *ev, struct matching *m, uint32_t group,
                      const struct nv_row *row, uint8_t **ret)
{
    uint64_t hash = nv_labels_hash(row->labels, row->n_labels) + group;

    for (uint32_t at = nv_index_first(&m->results, hash), i;
         nv_index_next(&m->results, hash, &at, &i);) {
        struct result *made = &m->made[i];
        if (made->group == group &&
            nv_labels_equal(made->labels, made->n_labels, row->labels, row->n_labels)) {
            *ret = made->there;
            return 0;
        }
    }
    if (m->n_made == m->room_made) {
        uint32_t room = m->room_made ? m->room_made * 2 : 16;
        struct result *larger = realloc(m->made, room * sizeof(*larger));
        if (!larger)
            return nv_eval_no_memory(ev);
        m->made = larger;
        m->room_made = room;
    }
    struct nv_label *labels = nv_pool_alloc(&m->pool, row->n_labels, sizeof(*labels));
    *ret = nv_pool_alloc(&m->pool, m->grid->n, 1);
    if (!labels || !*ret)
        return nv_eval_no_memory(ev);
    if (row->n_labels)
        memcpy(labels, row->labels, row->n_labels * sizeof(*labels));
    memset(*ret, 0, m->grid->n);
    m->made[m->n_made++] = (struct result){hash, group, labels, row->n_labels, *ret};
    int r = nv_index_add(&m->results, hash, m->n_made - 1, result_hash, m);
    return r < 0 ? nv_eval_no_memory(ev) : 0;
}

/* One pair at one step; sides as written. */
static int pair(struct nv_eval *ev, const struct matching *m, struct nv_operand many,
                struct nv_operand one, struct nv_row *row, size_t i)
{
    const struct nv_binary *b = &m->expr->binary;
    struct nv_operand result;
    bool holds;
    int r = nv_op_samples(ev, m->expr, b->op, m->one_is_left ? one : many,
                          m->one_is_left ? many : one, &result, &holds);

    if (r <= 0 || (!holds && !b->return_bool))
        return r < 0 ? r : 0;
    if (b->return_bool)
        result = (struct nv_operand){holds, NULL};
    if (result.histogram) {
        r = nv_row_histograms(ev, &ev->scratch, m->grid->n, row);
        if (r < 0)
            return r;
        row->histograms[i] = result.histogram;
    }
    row->values[i] = result.histogram ? 0 : result.value;
    return 0;
}

static struct nv_operand operand(const struct nv_row *row, size_t i)
{
    return (struct nv_operand){row->values[i], nv_row_histogram(row, i)};
}

static uint32_t one_at(const struct matching *m, const struct group *g, size_t i)
{
    if (!g || g->first == NONE)
        return NONE;
    if (g->one)
        return g->one[i];
    return nv_row_has(&m->one.rows[g->first], i) ? g->first : NONE;
}

/* A row of the many side against one row (or the filling) of the one side, at the steps where they meet. */
static int meet(struct nv_eval *ev, struct matching *m, struct group *g, const struct nv_row *many,
                uint32_t number)
{
    const struct nv_binary *b = &m->expr->binary;
    const struct nv_row *one = number == NONE ? NULL : &m->one.rows[number];
    double filling = m->one_is_left ? b->fill_left : b->fill_right;
    struct nv_row row;
    uint8_t *there = NULL;
    int r = nv_row_new(ev, &ev->scratch, m->grid->n, false, &row);

    if (r == 0)
        r = result_labels(ev, m, g, many, one, &row);
    if (r == 0)
        r = results_of(ev, m, (uint32_t)(g - m->groups), &row, &there);
    for (size_t i = 0; r == 0 && i < m->grid->n; i++) {
        if (!nv_row_has(many, i) || one_at(m, g, i) != number)
            continue;
        if (b->card == NV_CARD_ONE_TO_ONE && (g->matched[i] & MATCHED))
            return nv_eval_fail(ev, "multiple matches for labels: many-to-one matching must be "
                                    "explicit (group_left/group_right)");
        if (there[i])
            return nv_eval_fail(ev, "multiple matches for labels: grouping labels must ensure "
                                    "unique matches");
        g->matched[i] |= MATCHED;
        there[i] = 1;
        r = pair(ev, m, operand(many, i),
                 one ? operand(one, i) : (struct nv_operand){filling, NULL}, &row, i);
    }
    return r < 0 ? r : m->fn(ev, &row, m->user);
}

static bool fills_one(const struct matching *m)
{
    return m->one_is_left ? m->expr->binary.has_fill_left : m->expr->binary.has_fill_right;
}

static bool fills_many(const struct matching *m)
{
    return m->one_is_left ? m->expr->binary.has_fill_right : m->expr->binary.has_fill_left;
}

static int many_row(struct nv_eval *ev, struct nv_row *many, void *user)
{
    struct matching *m = user;
    struct group *g;
    int r = find_group(ev, m, many, fills_one(m), &g);

    for (size_t i = 0; r == 0 && i < m->grid->n; i++) {
        if (!nv_row_has(many, i))
            continue;
        if (m->duplicate[i])
            return duplicate_error(ev, m);
        if (g)
            g->matched[i] |= MANY;
    }
    if (r < 0 || !g)
        return r;
    bool alone = false;
    for (uint32_t last = NONE, next;; last = next) { /* each partner in turn: mostly there is one */
        next = NONE;
        for (size_t i = 0; i < m->grid->n; i++) {
            uint32_t number = nv_row_has(many, i) ? one_at(m, g, i) : NONE;
            alone |= number == NONE && nv_row_has(many, i);
            if (number < next && (last == NONE || number > last))
                next = number;
        }
        if (next == NONE)
            break;
        r = meet(ev, m, g, many, next);
        if (r < 0)
            return r;
    }
    return alone && fills_one(m) ? meet(ev, m, g, many, NONE) : 0;
}

/* Groups without anybody of the many side, at steps where the one side is there. */
static int fill_many(struct nv_eval *ev, struct matching *m)
{
    double filling = m->one_is_left ? m->expr->binary.fill_right : m->expr->binary.fill_left;

    for (uint32_t k = 0; k < m->n; k++) {
        struct group *g = &m->groups[k];
        struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
        struct nv_row row;
        bool any = false;
        const struct nv_row *one = NULL;
        int r = nv_row_new(ev, &ev->scratch, m->grid->n, false, &row);
        for (size_t i = 0; r == 0 && i < m->grid->n; i++) {
            uint32_t number = one_at(m, g, i);
            if (number == NONE || (g->matched[i] & MANY))
                continue;
            any = true;
            one = &m->one.rows[number];
            r = pair(ev, m, (struct nv_operand){filling, NULL}, operand(one, i), &row, i);
        }
        if (r == 0 && any)
            r = result_labels(ev, m, g, NULL, one, &row);
        if (r == 0 && any)
            r = m->fn(ev, &row, m->user);
        nv_arena_rewind(&ev->scratch.arena, mark);
        if (r < 0)
            return r;
    }
    return 0;
}

static void end(struct nv_eval *ev, struct matching *m)
{
    nv_matrix_close(ev, &m->one);
    nv_index_done(&m->index);
    nv_index_done(&m->results);
    free(m->groups);
    free(m->made);
    nv_pool_close(ev, &m->pool);
}

static int begin(struct nv_eval *ev, struct matching *m)
{
    nv_pool_open(ev, &m->pool);
    nv_matrix_open(ev, &m->one, m->grid->n);
    m->duplicate = nv_pool_alloc(&m->pool, m->grid->n, sizeof(bool));
    if (!m->duplicate)
        return nv_eval_no_memory(ev);
    memset(m->duplicate, 0, m->grid->n * sizeof(bool));
    return 0;
}

int nv_eval_vectors(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                    nv_row_fn fn, void *user)
{
    const struct nv_binary *b = &expr->binary;
    struct matching m = {.expr = expr,
                         .grid = grid,
                         .fn = fn,
                         .user = user,
                         .one_is_left = b->card == NV_CARD_ONE_TO_MANY};
    int r = begin(ev, &m);

    if (r == 0)
        r = nv_eval_rows(ev, m.one_is_left ? b->left : b->right, grid, add_one, &m);
    if (r == 0) /* even if nothing can come of it: its errors and remarks do */
        r = nv_eval_rows(ev, m.one_is_left ? b->right : b->left, grid, many_row, &m);
    if (r == 0 && fills_many(&m))
        r = fill_many(ev, &m);
    end(ev, &m);
    return r;
}

/* Notes at which steps a group is there. */
static int note_group(struct nv_eval *ev, const struct nv_row *row, struct matching *m)
{
    struct group *g;
    int r = find_group(ev, m, row, true, &g);

    for (size_t i = 0; r == 0 && i < m->grid->n; i++)
        if (nv_row_has(row, i))
            g->matched[i] |= PRESENT;
    return r;
}

static int note_row(struct nv_eval *ev, struct nv_row *row, void *user)
{
    return note_group(ev, row, user);
}

static int note_and_pass(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct matching *m = user;
    int r = note_group(ev, row, m);

    return r < 0 ? r : m->fn(ev, row, m->user);
}

/* Passes on what lies where its group is (for `and`), or is not. */
static int sift(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct matching *m = user;
    bool wanted = m->expr->binary.op == NV_OP_AND;
    struct group *g;
    int r = find_group(ev, m, row, false, &g);

    for (size_t i = 0; r == 0 && i < m->grid->n; i++)
        if ((g && (g->matched[i] & PRESENT)) != wanted)
            nv_row_clear(row, i);
    return r < 0 ? r : m->fn(ev, row, m->user);
}

int nv_eval_sets(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                 nv_row_fn fn, void *user)
{
    const struct nv_binary *b = &expr->binary;
    struct matching m = {.expr = expr, .grid = grid, .fn = fn, .user = user};
    bool is_or = b->op == NV_OP_OR;
    int r = begin(ev, &m);

    if (r == 0)
        r = nv_eval_rows(ev, is_or ? b->left : b->right, grid, is_or ? note_and_pass : note_row,
                         &m);
    if (r == 0)
        r = nv_eval_rows(ev, is_or ? b->right : b->left, grid, sift, &m);
    end(ev, &m);
    return r;
}
