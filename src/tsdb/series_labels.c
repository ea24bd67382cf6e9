/*
 * Labels and sets of them, in hash tables with chains, and by number. Members of a label and of a set are numbers; what goes
 * leaves its number behind there, with an empty slot. When half of the slots are empty so, all members are swept and the
 * numbers become free again.
 */
#include "base/index.h"
#include "tsdb/series_parts.h"

enum { FIRST_BUCKETS = 256, FIRST_NUMBERS = 256 };

/* ---- numbers -------------------------------------------------------------------------------- */

static bool room_for_number(struct nv_numbers *numbers)
{
    if (numbers->n < numbers->room)
        return true;
    uint32_t room = numbers->room ? numbers->room + numbers->room / 2 : FIRST_NUMBERS;
    if (!nv_resize((void **)&numbers->at, room * sizeof(*numbers->at)) ||
        !nv_resize((void **)&numbers->free, room * sizeof(*numbers->free)))
        return false;
    numbers->room = room;
    return true;
}

uint32_t nv_numbers_take(struct nv_numbers *numbers, void *p)
{
    uint32_t number;

    if (numbers->n_free)
        number = numbers->free[--numbers->n_free];
    else if (room_for_number(numbers))
        number = numbers->n++;
    else
        return UINT32_MAX;
    numbers->at[number] = p;
    return number;
}

void nv_numbers_drop(struct nv_numbers *numbers, uint32_t number)
{
    numbers->at[number] = NULL;
    numbers->n_stale++;
}

static void free_stale(struct nv_numbers *numbers)
{
    numbers->n_free = numbers->n_stale = 0;
    for (uint32_t i = numbers->n; i-- > 0;)
        if (!numbers->at[i])
            numbers->free[numbers->n_free++] = i;
}

void nv_numbers_done(struct nv_numbers *numbers)
{
    free(numbers->at);
    free(numbers->free);
    *numbers = (struct nv_numbers){0};
}

/* ---- members -------------------------------------------------------------------------------- */

static bool room_for_member(struct nv_series_table *table, struct nv_members *members)
{
    if (members->n < members->room || members->n == 0)
        return true;
    uint32_t room = members->n + members->n / 2 + 1;
    uint32_t *many = realloc(members->room ? members->many : NULL, room * sizeof(*many));
    if (!many)
        return false;
    if (!members->room)
        many[0] = members->one;
    table->memory += (room - members->room) * sizeof(*many);
    members->many = many;
    members->room = room;
    return true;
}

bool nv_members_add(struct nv_series_table *table, struct nv_members *members, uint32_t number)
{
    if (!room_for_member(table, members))
        return false;
    (members->room ? members->many : &members->one)[members->n++] = number;
    return true;
}

static void free_members(struct nv_series_table *table, struct nv_members *members)
{
    table->memory -= members->room * sizeof(*members->many);
    if (members->room)
        free(members->many);
}

static void sweep_members(struct nv_members *members, const struct nv_numbers *numbers)
{
    uint32_t *at = members->room ? members->many : &members->one, kept = 0;

    for (uint32_t i = 0; i < members->n; i++)
        if (numbers->at[at[i]])
            at[kept++] = at[i];
    members->n = kept;
}

/* ---- labels --------------------------------------------------------------------------------- */

static bool is_name(const struct nv_label *label)
{
    return nv_str_is(label->name, "__name__");
}

static uint64_t pair_hash(const struct nv_label *label)
{
    return nv_hash(label->value.p, label->value.n, nv_hash(label->name.p, label->name.n, 0));
}

static bool is_label(const struct nv_pair *pair, const struct nv_label *label)
{
    return nv_str_eq(pair->label.name, label->name) && nv_str_eq(pair->label.value, label->value);
}

static struct nv_pair *find_pair(const struct nv_series_table *table, const struct nv_label *label,
                                 uint64_t hash)
{
    struct nv_pair *pair = table->pairs[hash & (table->pair_buckets - 1)];

    while (pair && (pair->hash != hash || !is_label(pair, label)))
        pair = pair->next;
    return pair;
}

struct nv_pair *nv_series_find_pair(const struct nv_series_table *table,
                                    const struct nv_label *label)
{
    return find_pair(table, label, pair_hash(label));
}

/* Twice as many buckets; goes without where memory is out. */
static void more_pair_buckets(struct nv_series_table *table)
{
    size_t n = table->pair_buckets * 2;
    struct nv_pair **buckets = calloc(n, sizeof(struct nv_pair *));

    if (!buckets)
        return;
    for (size_t i = 0; i < table->pair_buckets; i++) {
        while (table->pairs[i]) {
            struct nv_pair *pair = table->pairs[i];
            table->pairs[i] = pair->next;
            pair->next = buckets[pair->hash & (n - 1)];
            buckets[pair->hash & (n - 1)] = pair;
        }
    }
    free(table->pairs);
    table->pairs = buckets;
    table->pair_buckets = n;
}

static size_t pair_size(const struct nv_label *label)
{
    return sizeof(struct nv_pair) + label->name.n + label->value.n;
}

static struct nv_pair *take_pair(struct nv_series_table *table, const struct nv_label *label)
{
    uint64_t hash = pair_hash(label);
    struct nv_pair *pair = find_pair(table, label, hash);

    if (pair)
        return pair;
    size_t n_name = label->name.n, n_value = label->value.n;
    pair = malloc(pair_size(label));
    if (!pair)
        return NULL;
    char *text = (char *)(pair + 1);
    if (n_name)
        memcpy(text, label->name.p, n_name);
    if (n_value)
        memcpy(text + n_name, label->value.p, n_value);
    *pair = (struct nv_pair){
        .label = {{text, n_name}, {text + n_name, n_value}},
          .hash = hash
    };
    if (table->n_pairs >= table->pair_buckets)
        more_pair_buckets(table);
    struct nv_pair **bucket = &table->pairs[hash & (table->pair_buckets - 1)];
    pair->next = *bucket;
    *bucket = pair;
    table->n_pairs++;
    table->memory += pair_size(label);
    return pair;
}

static void free_pair(struct nv_series_table *table, struct nv_pair *pair)
{
    table->memory -= pair_size(&pair->label);
    table->n_pairs--;
    free_members(table, &pair->members);
    free(pair);
}

/* ---- sets ----------------------------------------------------------------------------------- */

static uint64_t set_hash(const struct nv_label *labels, size_t n)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < n; i++)
        if (!is_name(&labels[i]))
            hash = (hash ^ pair_hash(&labels[i])) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static bool has_labels(const struct nv_pair_set *set, const struct nv_label *labels, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (is_name(&labels[i]))
            continue;
        if (at == set->n || !is_label(set->at[at], &labels[i]))
            return false;
        at++;
    }
    return at == set->n;
}

static struct nv_pair_set *find_set(const struct nv_series_table *table,
                                    const struct nv_label *labels, size_t n, uint64_t hash)
{
    struct nv_pair_set *set = table->sets[hash & (table->set_buckets - 1)];

    while (set && (set->hash != hash || !has_labels(set, labels, n)))
        set = set->next;
    return set;
}

static void more_set_buckets(struct nv_series_table *table)
{
    size_t n = table->set_buckets * 2;
    struct nv_pair_set **buckets = calloc(n, sizeof(struct nv_pair_set *));

    if (!buckets)
        return;
    for (uint32_t i = 0; i < table->set_numbers.n; i++) {
        struct nv_pair_set *set = table->set_numbers.at[i];
        if (!set)
            continue;
        set->next = buckets[set->hash & (n - 1)];
        buckets[set->hash & (n - 1)] = set;
    }
    free(table->sets);
    table->sets = buckets;
    table->set_buckets = n;
}

static size_t set_size(size_t n)
{
    return sizeof(struct nv_pair_set) + n * sizeof(struct nv_pair *);
}

static void free_set(struct nv_series_table *table, struct nv_pair_set *set)
{
    table->memory -= set_size(set->n);
    free_members(table, &set->members);
    free(set);
}

static int fill_set(struct nv_series_table *table, struct nv_pair_set *set,
                    const struct nv_label *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_name(&labels[i]))
            continue;
        struct nv_pair *pair = take_pair(table, &labels[i]);
        if (!pair || !nv_members_add(table, &pair->members, set->number))
            return -ENOMEM;
        set->name_at += nv_str_cmp(labels[i].name, NV_LIT("__name__")) < 0;
        set->at[set->n++] = pair;
    }
    return 0;
}

static struct nv_pair_set *make_set(struct nv_series_table *table, const struct nv_label *labels,
                                    size_t n, uint64_t hash)
{
    size_t named = 0;

    for (size_t i = 0; i < n; i++)
        named += is_name(&labels[i]);
    if (table->n_sets >= table->set_buckets)
        more_set_buckets(table);
    struct nv_pair_set *set = calloc(1, set_size(n - named));
    if (!set)
        return NULL;
    set->number = nv_numbers_take(&table->set_numbers, set);
    if (set->number == UINT32_MAX) {
        free(set);
        return NULL;
    }
    if (fill_set(table, set, labels, n) < 0) { /* the labels so far mention the number */
        nv_numbers_drop(&table->set_numbers, set->number);
        free(set);
        return NULL;
    }
    struct nv_pair_set **bucket = &table->sets[hash & (table->set_buckets - 1)];
    set->hash = hash;
    set->next = *bucket;
    *bucket = set;
    table->n_sets++;
    table->memory += set_size(set->n);
    return set;
}

int nv_series_find_labels(struct nv_series_table *table, const struct nv_label *labels, size_t n,
                          bool may_make, struct nv_pair **ret_name, struct nv_pair_set **ret_rest)
{
    int r = may_make ? -ENOMEM : -ENOENT;
    uint64_t hash = set_hash(labels, n);

    *ret_name = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!is_name(&labels[i]))
            continue;
        *ret_name =
            may_make ? take_pair(table, &labels[i]) : nv_series_find_pair(table, &labels[i]);
        if (!*ret_name)
            return r;
    }
    *ret_rest = find_set(table, labels, n, hash);
    if (!*ret_rest && may_make)
        *ret_rest = make_set(table, labels, n, hash);
    return *ret_rest ? 0 : r;
}

void nv_series_leave_set(struct nv_series_table *table, struct nv_pair_set *set)
{
    struct nv_pair_set **at = &table->sets[set->hash & (table->set_buckets - 1)];

    if (set->n_series && --set->n_series)
        return;
    while (*at != set)
        at = &(*at)->next;
    *at = set->next;
    table->n_sets--;
    nv_numbers_drop(&table->set_numbers, set->number);
    free_set(table, set);
}

/* ---- sweeping ------------------------------------------------------------------------------- */

void nv_series_sweep(struct nv_series_table *table)
{
    for (size_t i = 0; i < table->pair_buckets; i++) {
        for (struct nv_pair **at = &table->pairs[i]; *at;) {
            struct nv_pair *pair = *at;
            sweep_members(&pair->members,
                          is_name(&pair->label) ? &table->series_numbers : &table->set_numbers);
            if (pair->members.n) {
                at = &pair->next;
            } else {
                *at = pair->next;
                free_pair(table, pair);
            }
        }
    }
    for (uint32_t i = 0; i < table->set_numbers.n; i++) {
        struct nv_pair_set *set = table->set_numbers.at[i];
        if (set)
            sweep_members(&set->members, &table->series_numbers);
    }
    free_stale(&table->series_numbers);
    free_stale(&table->set_numbers);
}

/* ---- life ----------------------------------------------------------------------------------- */

int nv_series_labels_init(struct nv_series_table *table)
{
    table->pairs = calloc(FIRST_BUCKETS, sizeof(struct nv_pair *));
    table->sets = calloc(FIRST_BUCKETS, sizeof(struct nv_pair_set *));
    table->pair_buckets = table->set_buckets = FIRST_BUCKETS;
    return table->pairs && table->sets ? 0 : -ENOMEM;
}

void nv_series_labels_done(struct nv_series_table *table)
{
    for (uint32_t i = 0; i < table->set_numbers.n; i++)
        if (table->set_numbers.at[i])
            free_set(table, table->set_numbers.at[i]);
    for (size_t i = 0; table->pairs && i < table->pair_buckets; i++) {
        while (table->pairs[i]) {
            struct nv_pair *next = table->pairs[i]->next;
            free_pair(table, table->pairs[i]);
            table->pairs[i] = next;
        }
    }
    nv_numbers_done(&table->set_numbers);
    free(table->pairs);
    free(table->sets);
}
