/*
 * regex_plain.c - expressions that are, multiplied out, a list of texts with gaps.
 *
 *   ^(proc|sys|run/.+)($|/)   is   ^proc$  ^proc/  ^sys$  ^sys/  ^run/ .+ $  ^run/ .+ /
 *
 * Most expressions people write for devices, file systems and labels are of this kind. Order and greed do
 * not matter, since only whether a text matches is asked. With texts only of whole characters, bytes
 * can be compared; the replacement character alone, as which broken UTF-8 counts, is left to the engine.
 */
#include "base/regex_syntax.h"

#include "base/utf8.h"

enum {
    GLOBS_MAX = 8192, /* of one expression */
    REPEAT_MAX = 16,  /* a{2,16} is multiplied out */
    CLASS_MAX = 64,   /* so is a class of that many characters */
    REPLACEMENT = 0xfffd,
};

struct set {
    struct nv_regex_glob *at;
    size_t n;
};

static bool expand(const struct nv_regex_node *node, struct nv_arena *arena, struct set *ret);

static bool make_set(struct nv_arena *arena, size_t n, struct set *ret)
{
    if (n > GLOBS_MAX)
        return false;
    ret->at = nv_arena_alloc(arena, (n ? n : 1) * sizeof(*ret->at));
    ret->n = 0;
    return ret->at;
}

/* The set of one text. */
static bool text_set(struct nv_arena *arena, struct nv_str text, struct set *ret)
{
    if (!make_set(arena, 1, ret))
        return false;
    ret->at[ret->n++] = (struct nv_regex_glob){.texts = {text}, .n_texts = 1};
    return true;
}

/* Whether case makes no difference to a character. What is not ASCII is not looked into. */
static bool is_exact(const struct nv_regex_node *node)
{
    uint32_t c = node->character;

    if (c == REPLACEMENT || (c >= 0xd800 && c <= 0xdfff))
        return false;
    return !node->fold || (c < 0x80 && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'));
}

/* A run of literals. *node is left at what follows it. */
static bool expand_literals(const struct nv_regex_node **node, struct nv_arena *arena,
                            struct set *ret)
{
    size_t n = 0;

    for (const struct nv_regex_node *at = *node; at && at->op == NV_REGEX_LITERAL; at = at->next)
        n++;
    char *p = nv_arena_alloc(arena, 4 * n);
    size_t length = 0;
    for (; p && n; n--, *node = (*node)->next) {
        if (!is_exact(*node))
            return false;
        length += nv_utf8_encode(p + length, (*node)->character);
    }
    return p && text_set(arena, (struct nv_str){p, length}, ret);
}

static bool expand_class(const struct nv_regex_node *node, struct nv_arena *arena, struct set *ret)
{
    size_t n = 0;

    if (node->fold || node->negated)
        return false;
    for (const struct nv_regex_part *part = node->parts; part; part = part->next) {
        if (part->property.n || part->hi - part->lo >= CLASS_MAX || part->hi >= 0xd800)
            return false;
        n += part->hi - part->lo + 1;
    }
    if (n > CLASS_MAX || !make_set(arena, n, ret))
        return false;
    for (const struct nv_regex_part *part = node->parts; part; part = part->next) {
        for (uint32_t c = part->lo; c <= part->hi; c++) {
            char *p = nv_arena_alloc(arena, 4);
            if (!p)
                return false;
            ret->at[ret->n++] =
                (struct nv_regex_glob){.texts = {{p, nv_utf8_encode(p, c)}}, .n_texts = 1};
        }
    }
    return true;
}

static bool is_nothing(const struct nv_regex_glob *glob)
{
    return glob->n_texts == 1 && glob->texts[0].n == 0;
}

static bool needs_some(const struct nv_regex_glob *glob)
{
    bool some = false;

    for (size_t i = 0; i + 1 < glob->n_texts; i++)
        some |= glob->some[i];
    return some;
}

/* a and then b as one glob. False where that is none. */
static bool join(const struct nv_regex_glob *a, const struct nv_regex_glob *b,
                 struct nv_arena *arena, struct nv_regex_glob *ret)
{
    size_t last = a->n_texts - 1u;

    if ((a->end && !is_nothing(b)) || (b->begin && !is_nothing(a)) ||
        last + b->n_texts > NV_REGEX_TEXTS_MAX)
        return false;
    struct nv_str left = a->texts[last], right = b->texts[0];
    if (!left.n && !right.n && needs_some(a) && needs_some(b))
        return false; /* two characters, whose bytes would have to be counted */
    *ret = *a;
    ret->begin = a->begin || b->begin;
    ret->end = a->end || b->end;
    if (!left.n || !right.n) {
        ret->texts[last] = left.n ? left : right;
    } else {
        char *p = nv_arena_alloc(arena, left.n + right.n);
        if (!p)
            return false;
        memcpy(p, left.p, left.n);
        memcpy(p + left.n, right.p, right.n);
        ret->texts[last] = (struct nv_str){p, left.n + right.n};
    }
    for (size_t i = 0; i < b->n_texts; i++) {
        if (i)
            ret->texts[last + i] = b->texts[i];
        ret->some[last + i] = b->some[i];
        ret->newlines[last + i] = b->newlines[i];
    }
    ret->n_texts = (unsigned char)(last + b->n_texts);
    return true;
}

static bool multiply(const struct set *a, const struct set *b, struct nv_arena *arena,
                     struct set *ret)
{
    struct set product;

    if (!make_set(arena, a->n * b->n, &product))
        return false;
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < b->n; k++) {
            if (!join(&a->at[i], &b->at[k], arena, &product.at[product.n++]))
                return false;
        }
    }
    *ret = product;
    return true;
}

static bool add(const struct set *a, const struct set *b, struct nv_arena *arena, struct set *ret)
{
    struct set sum;

    if (!make_set(arena, a->n + b->n, &sum))
        return false;
    memcpy(sum.at, a->at, a->n * sizeof(*a->at));
    memcpy(sum.at + a->n, b->at, b->n * sizeof(*b->at));
    sum.n = a->n + b->n;
    *ret = sum;
    return true;
}

static bool expand_concatenation(const struct nv_regex_node *node, struct nv_arena *arena,
                                 struct set *ret)
{
    const struct nv_regex_node *child = node->first;

    if (!text_set(arena, NV_LIT(""), ret))
        return false;
    while (child) {
        struct set next;
        if (child->op == NV_REGEX_LITERAL) {
            if (!expand_literals(&child, arena, &next))
                return false;
        } else {
            if (!expand(child, arena, &next))
                return false;
            child = child->next;
        }
        if (!multiply(ret, &next, arena, ret))
            return false;
    }
    return true;
}

static bool expand_alternation(const struct nv_regex_node *node, struct nv_arena *arena,
                               struct set *ret)
{
    size_t n_branches = 0, n = 0;

    for (const struct nv_regex_node *child = node->first; child; child = child->next)
        n_branches++;
    struct set *branches = nv_arena_alloc(arena, n_branches * sizeof(*branches)),
               *branch = branches;
    for (const struct nv_regex_node *child = node->first; child; child = child->next, branch++) {
        if (!branches || !expand(child, arena, branch))
            return false;
        n += branch->n;
    }
    if (!make_set(arena, n, ret))
        return false;
    for (branch = branches; ret->n < n; branch++) {
        memcpy(ret->at + ret->n, branch->at, branch->n * sizeof(*branch->at));
        ret->n += branch->n;
    }
    return true;
}

static bool expand_repeat(const struct nv_regex_node *node, struct nv_arena *arena, struct set *ret)
{
    enum nv_regex_op op = node->first->op;
    struct set once, power;

    if ((op == NV_REGEX_ANY || op == NV_REGEX_ANY_BUT_NEWLINE) && node->max < 0 && node->min <= 1) {
        if (!text_set(arena, NV_LIT(""), ret))
            return false;
        ret->at->n_texts = 2;
        ret->at->texts[1] = NV_LIT("");
        ret->at->some[0] = node->min == 1;
        ret->at->newlines[0] = op == NV_REGEX_ANY;
        return true;
    }
    if (node->max < 0 || node->max > REPEAT_MAX || !expand(node->first, arena, &once) ||
        !text_set(arena, NV_LIT(""), &power) || !make_set(arena, 0, ret))
        return false;
    for (int i = 0; i <= node->max; i++) {
        if (i >= node->min && !add(ret, &power, arena, ret))
            return false;
        if (i < node->max && !multiply(&power, &once, arena, &power))
            return false;
    }
    return true;
}

/* The globs of a tree. False where it is not made of globs, or of too many. */
static bool expand(const struct nv_regex_node *node, struct nv_arena *arena, struct set *ret)
{
    struct nv_regex_node alone = *node;
    const struct nv_regex_node *literal = &alone;

    switch (node->op) {
    case NV_REGEX_LITERAL:
        alone.next = NULL;
        return expand_literals(&literal, arena, ret);
    case NV_REGEX_CLASS:
        return expand_class(node, arena, ret);
    case NV_REGEX_CAPTURE:
        return expand(node->first, arena, ret);
    case NV_REGEX_REPEAT:
        return expand_repeat(node, arena, ret);
    case NV_REGEX_CONCAT:
        return expand_concatenation(node, arena, ret);
    case NV_REGEX_ALTERNATE:
        return expand_alternation(node, arena, ret);
    case NV_REGEX_EMPTY:
    case NV_REGEX_BEGIN_TEXT:
    case NV_REGEX_END_TEXT:
        if (!text_set(arena, NV_LIT(""), ret))
            return false;
        ret->at->begin = node->op == NV_REGEX_BEGIN_TEXT;
        ret->at->end = node->op == NV_REGEX_END_TEXT;
        return true;
    default:
        return false;
    }
}

static int order(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

/* Copies a text of the scratch arena. */
static bool keep(struct nv_arena *arena, struct nv_str *text)
{
    *text = nv_arena_str(arena, *text);
    return text->p;
}

static bool keep_set(const struct set *set, struct nv_arena *arena, struct nv_regex_plain *ret)
{
    struct nv_regex_plain plain = {0};
    size_t n = set->n ? set->n : 1, n_exact = 0;

    for (size_t i = 0; i < set->n; i++)
        n_exact += set->at[i].begin && set->at[i].end && set->at[i].n_texts == 1;
    plain.exact = nv_arena_alloc(arena, n * sizeof(*plain.exact));
    plain.globs = nv_arena_alloc(arena, (n - n_exact + 1) * sizeof(*plain.globs));
    if (!plain.exact || !plain.globs)
        return false;
    for (size_t i = 0; i < set->n; i++) {
        struct nv_regex_glob glob = set->at[i];
        for (size_t k = 0; k < glob.n_texts; k++) {
            if (!keep(arena, &glob.texts[k]))
                return false;
            plain.minds_newlines |= k + 1 < glob.n_texts && !glob.newlines[k];
        }
        if (glob.begin && glob.end && glob.n_texts == 1)
            plain.exact[plain.n_exact++] = glob.texts[0];
        else
            plain.globs[plain.n_globs++] = glob;
    }
    if (plain.n_exact) {
        qsort(plain.exact, plain.n_exact, sizeof(*plain.exact), order);
        size_t unique = 1;
        for (size_t i = 1; i < plain.n_exact; i++) {
            if (!nv_str_eq(plain.exact[i], plain.exact[unique - 1]))
                plain.exact[unique++] = plain.exact[i];
        }
        plain.n_exact = unique;
    }
    *ret = plain;
    return true;
}

bool nv_regex_make_plain(const struct nv_regex_node *root, struct nv_arena *arena,
                         struct nv_regex_plain *ret)
{
    struct nv_arena scratch = NV_ARENA(8 << 20);
    struct set set;

    bool plain = expand(root, &scratch, &set) && keep_set(&set, arena, ret);
    nv_arena_done(&scratch);
    return plain;
}

/* Greedy from the left: the first place a text can stand leaves most room for those behind it. */
static bool match_glob(const struct nv_regex_glob *glob, struct nv_str text)
{
    size_t at = 0, last = glob->n_texts - 1u;

    for (size_t i = 0; i <= last; i++) {
        struct nv_str want = glob->texts[i];
        size_t from = at + (i && glob->some[i - 1]);
        if (from > text.n || want.n > text.n - from)
            return false;
        struct nv_str rest = nv_str_from(text, from);
        bool fixed = i == 0 && glob->begin;
        if (i == last && glob->end) {
            size_t skip = rest.n - want.n;
            return (!fixed || skip == 0) && (!want.n || memcmp(rest.p + skip, want.p, want.n) == 0);
        }
        if (!want.n) {
            at = from;
        } else if (fixed) {
            if (memcmp(rest.p, want.p, want.n) != 0)
                return false;
            at = want.n;
        } else {
            const char *found = memmem(rest.p, rest.n, want.p, want.n);
            if (!found)
                return false;
            at = (size_t)(found - text.p) + want.n;
        }
    }
    return true;
}

bool nv_regex_match_plain(const struct nv_regex_plain *plain, struct nv_str text)
{
    size_t lo = 0, hi = plain->n_exact;

    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        int r = nv_str_cmp(text, plain->exact[middle]);
        if (r == 0)
            return true;
        if (r < 0)
            hi = middle;
        else
            lo = middle + 1;
    }
    for (size_t i = 0; i < plain->n_globs; i++) {
        if (match_glob(&plain->globs[i], text))
            return true;
    }
    return false;
}
