/*
 * Finds series by their labels. The index of values, where a block has one, tells which pages can hold any; in a page
 * a matcher is asked once for each value, and series are judged by the numbers of their values.
 */
#include "tsdb/block_parts.h"

/* Whether a part is lost, but no more than that. */
static bool lost(int r)
{
    return r == -EBADMSG || r == -EIO;
}

/* ---- pages that may hold what fits ---------------------------------------------------------- */

struct candidates {
    struct nv_block *block;
    uint64_t *pages, *some; /* bits: those left; those of one matcher */
};

/* The last page of the index that begins at or before a label. */
static size_t values_page_of(const struct nv_block *block, const struct nv_label *label)
{
    size_t low = 0, high = block->footer.n_values;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (nv_labels_compare(&block->footer.values[middle].first, 1, label, 1) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void add_pages(struct candidates *c, const struct nv_posting *posting)
{
    for (uint32_t i = 0; i < posting->n_pages; i++)
        nv_bit_set(c->some, posting->pages[i]);
}

static int add_value(struct candidates *c, struct nv_str name, struct nv_str value)
{
    struct nv_label label = {name, value};
    NV_AUTO(nv_cached) *held = NULL;

    int r = nv_block_values_page(c->block, values_page_of(c->block, &label), &held);
    if (r < 0)
        return r;
    const struct nv_values_page *page = held->object;
    for (size_t low = 0, high = page->n; low < high;) {
        size_t middle = (low + high) / 2;
        int order = nv_labels_compare(&page->at[middle].label, 1, &label, 1);
        if (order == 0)
            add_pages(c, &page->at[middle]);
        if (order == 0)
            break;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Calls each() for all values of a name. */
static int for_values(struct nv_block *block, struct nv_str name,
                      int (*each)(const struct nv_posting *posting, void *user), void *user)
{
    struct nv_label first = {
        name, {NULL, 0}
    };

    for (size_t i = values_page_of(block, &first); i < block->footer.n_values; i++) {
        if (nv_str_cmp(block->footer.values[i].first.name, name) > 0)
            return 0;
        NV_AUTO(nv_cached) *held = NULL;
        int r = nv_block_values_page(block, i, &held);
        if (r < 0)
            return r;
        const struct nv_values_page *page = held->object;
        for (uint32_t k = 0; r == 0 && k < page->n; k++)
            if (nv_str_eq(page->at[k].label.name, name))
                r = each(&page->at[k], user);
        if (r < 0)
            return r;
    }
    return 0;
}

struct fitting {
    struct candidates *candidates;
    const struct nv_matcher *matcher;
};

static int add_if_fits(const struct nv_posting *posting, void *user)
{
    const struct fitting *fitting = user;

    if (nv_matcher_fits(fitting->matcher, posting->label.value))
        add_pages(fitting->candidates, posting);
    return 0;
}

static int add_matcher(struct candidates *c, const struct nv_matcher *matcher)
{
    const struct nv_str *literals;
    struct fitting fitting = {c, matcher};

    if (matcher->op == NV_MATCH_EQUAL)
        return add_value(c, matcher->name, matcher->value);
    size_t n = matcher->op == NV_MATCH_REGEX ? nv_regex_literals(matcher->regex, &literals) : 0;
    if (!n)
        return for_values(c->block, matcher->name, add_if_fits, &fitting);
    for (size_t i = 0; i < n; i++) {
        int r = add_value(c, matcher->name, literals[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool fits_absence(const struct nv_matcher *matcher)
{
    return nv_matcher_fits(matcher, (struct nv_str){"", 0});
}

/* A matcher that fits an absent label excludes no page; neither does one whose part of the index is lost. */
static int narrow(struct candidates *c, const struct nv_matcher *matchers, size_t n)
{
    size_t words = nv_words(c->block->footer.n_pages);

    for (size_t i = 0; c->block->footer.n_values && i < n; i++) {
        if (fits_absence(&matchers[i]))
            continue;
        memset(c->some, 0, words * sizeof(*c->some));
        int r = add_matcher(c, &matchers[i]);
        if (r < 0 && !lost(r))
            return r;
        for (size_t k = 0; r == 0 && k < words; k++)
            c->pages[k] &= c->some[k];
    }
    return 0;
}

/* ---- series of a page ----------------------------------------------------------------------- */

enum { ABSENT = UINT32_MAX };

/* A matcher in a page. */
struct judge {
    uint32_t name; /* its number; ABSENT: no series here has it */
    bool absence;
    bool *fits;       /* by value */
    uint32_t *places; /* by shape: which label it is; ABSENT */
};

static uint32_t find_name(const struct nv_label_page *page, struct nv_str name)
{
    for (uint32_t low = 0, high = page->n_names; low < high;) {
        uint32_t middle = (low + high) / 2;
        int order = nv_str_cmp(page->names[middle], name);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return ABSENT;
}

static void find_places(const struct nv_label_page *page, struct judge *judge)
{
    for (uint32_t i = 0, begin = 0; i < page->n_shapes; begin = page->shape_ends[i++]) {
        judge->places[i] = ABSENT;
        for (uint32_t k = begin; k < page->shape_ends[i]; k++)
            if (page->shape_names[k] == judge->name)
                judge->places[i] = k - begin;
    }
}

/* Returns 1, 0 where nothing in the page fits, or -ENOMEM. */
static int judge_init(struct judge *judge, const struct nv_label_page *page,
                      const struct nv_matcher *matcher, struct nv_arena *arena)
{
    *judge = (struct judge){find_name(page, matcher->name), fits_absence(matcher), NULL, NULL};
    if (judge->name == ABSENT)
        return judge->absence;
    const struct nv_label_values *values = &page->values[judge->name];
    judge->fits = nv_arena_alloc(arena, values->n * sizeof(*judge->fits));
    judge->places = nv_arena_alloc(arena, page->n_shapes * sizeof(*judge->places));
    if (!judge->fits || !judge->places)
        return -ENOMEM;
    bool any = judge->absence;
    for (uint32_t i = 0; i < values->n; i++) {
        judge->fits[i] = nv_matcher_fits(matcher, values->at[i]);
        any = any || judge->fits[i];
    }
    find_places(page, judge);
    return any;
}

static bool fits(const struct nv_label_page *page, uint32_t series, const struct judge *judges,
                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct judge *judge = &judges[i];
        uint32_t place = judge->name == ABSENT ? ABSENT : judge->places[page->shapes[series]];
        if (place == ABSENT ? !judge->absence
                            : !judge->fits[page->cells[page->cells_at[series] + place]])
            return false;
    }
    return true;
}

/* Appends the numbers of the series that fit. `room` is for all of the page. */
static int select_in_page(const struct nv_label_page *page, uint32_t first,
                          const struct nv_matcher *matchers, size_t n, struct nv_arena *scratch,
                          uint32_t *ret, size_t *ret_n)
{
    struct judge *judges = nv_arena_alloc(scratch, n * sizeof(*judges) + 1);
    int r = judges ? 1 : -ENOMEM;

    for (size_t i = 0; r > 0 && i < n; i++)
        r = judge_init(&judges[i], page, &matchers[i], scratch);
    for (uint32_t i = 0; r > 0 && i < page->n_series; i++)
        if (fits(page, i, judges, n))
            ret[(*ret_n)++] = first + i;
    return r < 0 ? r : 0;
}

/* ---- selecting ------------------------------------------------------------------------------ */

struct selection {
    struct nv_arena *scratch;
    uint32_t *at;
    size_t n, room;
};

static int selection_room(struct selection *s, size_t n)
{
    if (s->room - s->n >= n)
        return 0;
    size_t room = s->room ? s->room : NV_PAGE_SERIES;
    while (room < s->n + n)
        room *= 2;
    uint32_t *at = nv_arena_alloc(s->scratch, room * sizeof(*at));
    if (!at)
        return -ENOMEM;
    if (s->n)
        memcpy(at, s->at, s->n * sizeof(*at));
    s->at = at;
    s->room = room;
    return 0;
}

static int select_all(struct nv_block *block, const struct nv_matcher *matchers, size_t n,
                      struct nv_arena *scratch, struct selection *s)
{
    size_t n_pages = block->footer.n_pages, words = nv_words(n_pages);
    struct candidates c = {block, nv_arena_alloc(scratch, (words + 1) * sizeof(*c.pages)),
                           nv_arena_alloc(scratch, (words + 1) * sizeof(*c.some))};

    if (!c.pages || !c.some)
        return -ENOMEM;
    nv_bits_fill(c.pages, n_pages);
    int r = narrow(&c, matchers, n);
    for (size_t i = 0; r == 0 && i < n_pages; i++) {
        if (!nv_bit(c.pages, i))
            continue;
        NV_AUTO(nv_cached) *held = NULL;
        r = nv_block_label_page(block, i, &held);
        if (lost(r)) {
            r = 0; /* counted; the other pages are still good */
            continue;
        }
        if (r == 0)
            r = selection_room(s, block->footer.pages[i].n);
        if (r == 0)
            r = select_in_page(held->object, block->footer.pages[i].first, matchers, n, scratch,
                               s->at, &s->n);
    }
    return r;
}

int nv_block_select(struct nv_block *block, const struct nv_matcher *matchers, size_t n,
                    struct nv_arena *arena, uint32_t **ret, size_t *ret_n)
{
    struct nv_scratch *scratch = nv_cache_lend(block->cache);

    if (!scratch)
        return -ENOMEM;
    struct selection s = {.scratch = &scratch->arena};
    int r = select_all(block, matchers, n, &scratch->arena, &s);
    uint32_t *found = r == 0 ? nv_arena_alloc(arena, s.n * sizeof(*found) + 1) : NULL;
    if (found && s.n)
        memcpy(found, s.at, s.n * sizeof(*found));
    nv_cache_give_back(block->cache, scratch);
    if (!found)
        return r < 0 ? r : -ENOMEM;
    *ret = found;
    *ret_n = s.n;
    return 0;
}

int nv_block_labels(struct nv_block *block, uint32_t series, struct nv_arena *arena,
                    const struct nv_label **ret, size_t *ret_n)
{
    if (series >= block->footer.n_series)
        return -EINVAL;
    NV_AUTO(nv_cached) *held = NULL;
    size_t page = nv_block_page_of(block, series);
    int r = nv_block_label_page(block, page, &held);
    if (r < 0)
        return r;
    uint32_t i = series - block->footer.pages[page].first;
    size_t n = nv_label_page_n(held->object, i);
    struct nv_label *labels = nv_arena_alloc(arena, n * sizeof(*labels) + 1);
    if (!labels)
        return -ENOMEM;
    nv_label_page_set(held->object, i, labels);
    for (size_t k = 0; k < n; k++) {
        labels[k].name = nv_arena_str(arena, labels[k].name);
        labels[k].value = nv_arena_str(arena, labels[k].value);
        if (!labels[k].name.p || !labels[k].value.p)
            return -ENOMEM;
    }
    *ret = labels;
    *ret_n = n;
    return 0;
}

/* ---- names and values ----------------------------------------------------------------------- */

/* Texts as they are found; sorted, each once, at the end. */
struct texts {
    struct nv_arena *arena;
    struct nv_str *at;
    size_t n, room;
};

static int compare_texts(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

static void sort_texts(struct texts *texts)
{
    size_t kept = 0;

    if (texts->n)
        qsort(texts->at, texts->n, sizeof(*texts->at), compare_texts);
    for (size_t i = 0; i < texts->n; i++)
        if (!kept || !nv_str_eq(texts->at[kept - 1], texts->at[i]))
            texts->at[kept++] = texts->at[i];
    texts->n = kept;
}

static int add_text(struct texts *texts, struct nv_str text)
{
    if (texts->n && nv_str_eq(texts->at[texts->n - 1], text))
        return 0;
    if (texts->n == texts->room) {
        sort_texts(texts); /* many pages have the same texts */
        int r = texts->n * 2 < texts->room ? 0
                                           : nv_array_room((void **)&texts->at, &texts->room,
                                                           texts->room, sizeof(*texts->at));
        if (r < 0)
            return r;
    }
    texts->at[texts->n] = nv_arena_str(texts->arena, text);
    return texts->at[texts->n++].p ? 0 : -ENOMEM;
}

static int end_texts(struct texts *texts, int r, struct nv_str **ret, size_t *ret_n)
{
    struct nv_str *at NV_AUTO_FREE = texts->at;

    if (r < 0)
        return r;
    sort_texts(texts);
    struct nv_str *copy = nv_arena_alloc(texts->arena, texts->n * sizeof(*copy) + 1);
    if (!copy)
        return -ENOMEM;
    if (texts->n)
        memcpy(copy, at, texts->n * sizeof(*copy));
    *ret = copy;
    *ret_n = texts->n;
    return 0;
}

/* Names, or the values of a name (p NULL: names), from the pages of labels. */
static int from_pages(struct nv_block *block, struct nv_str name, struct texts *texts)
{
    for (size_t i = 0; i < block->footer.n_pages; i++) {
        NV_AUTO(nv_cached) *held = NULL;
        int r = nv_block_label_page(block, i, &held);
        if (lost(r))
            continue;
        if (r < 0)
            return r;
        const struct nv_label_page *page = held->object;
        uint32_t number = name.p ? find_name(page, name) : ABSENT;
        const struct nv_str *at = name.p ? NULL : page->names;
        size_t n = name.p ? 0 : page->n_names;
        if (number != ABSENT) {
            at = page->values[number].at;
            n = page->values[number].n;
        }
        for (size_t k = 0; r == 0 && k < n; k++)
            r = add_text(texts, at[k]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_value_text(const struct nv_posting *posting, void *user)
{
    return add_text(user, posting->label.value);
}

static int names_from_values(struct nv_block *block, struct texts *texts)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < block->footer.n_values; i++) {
        NV_AUTO(nv_cached) *held = NULL;
        r = nv_block_values_page(block, i, &held);
        const struct nv_values_page *page = r == 0 ? held->object : NULL;
        for (uint32_t k = 0; r == 0 && k < page->n; k++)
            r = add_text(texts, page->at[k].label.name);
    }
    return r;
}

/* Where the index of values does not help, the pages of labels do. */
static int names_or_values(struct nv_block *block, struct nv_str name, struct texts *texts)
{
    if (!block->footer.n_values)
        return from_pages(block, name, texts);
    int r =
        name.p ? for_values(block, name, add_value_text, texts) : names_from_values(block, texts);
    return lost(r) ? from_pages(block, name, texts) : r;
}

int nv_block_label_names(struct nv_block *block, struct nv_arena *arena, struct nv_str **ret,
                         size_t *ret_n)
{
    struct texts texts = {.arena = arena};
    int r = names_or_values(block, (struct nv_str){NULL, 0}, &texts);

    return end_texts(&texts, r, ret, ret_n);
}

int nv_block_label_values(struct nv_block *block, struct nv_str name, struct nv_arena *arena,
                          struct nv_str **ret, size_t *ret_n)
{
    struct texts texts = {.arena = arena};
    int r = names_or_values(block, name.p ? name : (struct nv_str){"", 0}, &texts);

    return end_texts(&texts, r, ret, ret_n);
}
