/*
 * regex_syntax.c - reads RE2 syntax into a tree, refusing what RE2 refuses, in the words Go has for it.
 *
 * Grammar, loosest first: alternation `|`, concatenation, repetition `* + ? {n} {n,} {n,m}` (a `?` behind
 * makes it lazy), then a group, class, assertion, escape or character. A group is `(...)`, `(?P<name>...)`,
 * `(?<name>...)`, `(?:...)` or `(?flags:...)`; `(?flags)` changes the flags i, m, s, U for what
 * follows in its group. A `{` that begins no repeat stands for itself.
 *
 * \d \s \w \b and the [:names:] are ASCII; \v is the vertical tab alone; $ without m is the very end.
 */
#include "base/regex_syntax.h"

#include <stdio.h>
#include <strings.h>

#include "base/utf8.h"

enum { DOT_IS_ANY = 1, FOLD = 2, LINES = 4, LAZY = 8 };

/* A named set of ASCII characters as ranges. */
struct group {
    const char *name;
    const char *ranges;
    size_t n;
};
#define RANGES(text) text, sizeof(text) - 1

static const struct group named_groups[] = {
    {"alnum",  RANGES("09AZaz")        },
    {"alpha",  RANGES("AZaz")          },
    {"ascii",  RANGES("\0\x7f")        },
    {"blank",  RANGES("\t\t  ")        },
    {"cntrl",  RANGES("\0\x1f\x7f\x7f")},
    {"digit",  RANGES("09")            },
    {"graph",  RANGES("!~")            },
    {"lower",  RANGES("az")            },
    {"print",  RANGES(" ~")            },
    {"punct",  RANGES("!/:@[`{~")      },
    {"space",  RANGES("\t\r  ")        },
    {"upper",  RANGES("AZ")            },
    {"word",   RANGES("09AZ__az")      },
    {"xdigit", RANGES("09AFaf")        },
};

static const struct group escaped_groups[] = {
    {"d", RANGES("09")        },
    {"s", RANGES("\t\n\f\r  ")},
    {"w", RANGES("09AZ__az")  },
};

static const char *const categories[] = {
    "C",  "Cc", "Cf", "Co", "Cs", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",
    "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf",
    "Pi", "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs",
};

struct parser {
    struct nv_arena *arena;
    struct nv_str whole, rest;
    unsigned flags, depth;
    size_t n_captures;
    struct nv_str *names;
    size_t names_size;
    char *error;
};

/* Children as they come. */
struct list {
    struct nv_regex_node *first;
    struct nv_regex_node **last; /* the link that holds the last one */
    struct nv_regex_node **end;
    size_t n;
};

static int refuse(struct parser *parser, const char *reason, struct nv_str where)
{
    snprintf(parser->error, NV_REGEX_ERROR_MAX, "error parsing regexp: %s: `%.*s`", reason,
             where.n > NV_REGEX_ERROR_MAX ? NV_REGEX_ERROR_MAX : (int)where.n,
             where.n ? where.p : "");
    return -EINVAL;
}

/* 0, or refuses what is no UTF-8, from there on. */
static int check_utf8(struct parser *parser, struct nv_str s)
{
    uint32_t c;

    while (s.n) {
        size_t n = nv_utf8_decode(s, &c);
        if (!n)
            return refuse(parser, "invalid UTF-8", s);
        s = nv_str_from(s, n);
    }
    return 0;
}

/* What was read between two states of the rest. */
static struct nv_str between(struct nv_str from, struct nv_str to)
{
    return (struct nv_str){from.p, (size_t)(to.p - from.p)};
}

static bool front(const struct parser *parser, char c)
{
    return parser->rest.n && parser->rest.p[0] == c;
}

static void drop(struct parser *parser, size_t n)
{
    parser->rest = nv_str_from(parser->rest, n);
}

/* The next character; UINT32_MAX at the end. */
static int take(struct parser *parser, uint32_t *ret)
{
    if (!parser->rest.n) {
        *ret = UINT32_MAX;
        return 0;
    }
    size_t n = nv_utf8_decode(parser->rest, ret);
    if (!n)
        return refuse(parser, "invalid UTF-8", parser->rest);
    drop(parser, n);
    return 0;
}

static struct nv_regex_node *new_node(struct parser *parser, enum nv_regex_op op)
{
    struct nv_regex_node *node = nv_arena_alloc(parser->arena, sizeof(*node));

    if (node)
        *node =
            (struct nv_regex_node){.op = op, .fold = parser->flags & FOLD, .height = 1, .times = 1};
    return node;
}

static int push(struct list *list, struct nv_regex_node *node)
{
    if (!node)
        return -ENOMEM;
    list->last = list->end;
    *list->end = node;
    list->end = &node->next;
    list->n++;
    return 0;
}

static int push_op(struct parser *parser, struct list *list, enum nv_regex_op op)
{
    return push(list, new_node(parser, op));
}

static int push_literal(struct parser *parser, struct list *list, uint32_t character)
{
    struct nv_regex_node *node = new_node(parser, NV_REGEX_LITERAL);

    if (node)
        node->character = character;
    return push(list, node);
}

/* Takes over the bounds of a child. */
static int grow_over(struct parser *parser, struct nv_regex_node *node,
                     const struct nv_regex_node *child)
{
    if (child->height >= node->height)
        node->height = child->height + 1;
    if (child->times > node->times)
        node->times = child->times;
    return node->height > NV_REGEX_HEIGHT_MAX
               ? refuse(parser, "expression nests too deeply", parser->whole)
               : 0;
}

/* One node of a list: the only child itself, or a parent of all. */
static int gather(struct parser *parser, enum nv_regex_op op, const struct list *list,
                  struct nv_regex_node **ret)
{
    struct nv_regex_node *node =
        list->n == 1 ? list->first : new_node(parser, list->n ? op : NV_REGEX_EMPTY);

    if (!node)
        return -ENOMEM;
    if (list->n > 1)
        node->first = list->first;
    for (struct nv_regex_node *child = list->n > 1 ? list->first : NULL; child;
         child = child->next) {
        int r = grow_over(parser, node, child);
        if (r < 0)
            return r;
    }
    *ret = node;
    return 0;
}

/* ---- repetition ----------------------------------------------------------------------------- */

/* A number of a repeat; -1 where it is beyond all sense. False where there is none. */
static bool take_count(struct parser *parser, int *ret)
{
    struct nv_str s = parser->rest;
    size_t n = 0;
    int value = 0;

    while (n < s.n && nv_is_digit(s.p[n])) {
        if (value >= 0)
            value = value >= 100000000 ? -1 : value * 10 + (s.p[n] - '0');
        n++;
    }
    if (!n || (n > 1 && s.p[0] == '0'))
        return false;
    drop(parser, n);
    *ret = value;
    return true;
}

/* {n}, {n,} or {n,m}. False, and nothing taken, where the brace is no repeat. */
static bool take_braces(struct parser *parser, int *ret_min, int *ret_max)
{
    struct nv_str before = parser->rest;
    bool good;

    drop(parser, 1);
    good = take_count(parser, ret_min);
    *ret_max = *ret_min;
    if (good && front(parser, ',')) {
        drop(parser, 1);
        *ret_max = -1;
        if (!front(parser, '}')) {
            good = take_count(parser, ret_max);
            if (good && *ret_max < 0)
                *ret_min = -1;
        }
    }
    if (!good || !front(parser, '}')) {
        parser->rest = before;
        return false;
    }
    drop(parser, 1);
    return true;
}

/* Puts the last child of the list under a repeat. */
static int repeat_last(struct parser *parser, struct list *list, int min, int max, struct nv_str op,
                       struct nv_str last_op)
{
    bool counted = op.p[0] == '{';
    bool lazy = parser->flags & LAZY;

    if (front(parser, '?')) {
        drop(parser, 1);
        lazy = !lazy;
    }
    if (last_op.p)
        return refuse(parser, "invalid nested repetition operator", between(last_op, parser->rest));
    if (!list->n)
        return refuse(parser, "missing argument to repetition operator", between(op, parser->rest));

    struct nv_regex_node *node = new_node(parser, NV_REGEX_REPEAT), *child = *list->last;
    if (!node)
        return -ENOMEM;
    node->first = child;
    node->min = min;
    node->max = max;
    node->lazy = lazy;
    int r = grow_over(parser, node, child);
    if (r < 0)
        return r;
    unsigned times = counted ? (unsigned)(max < 0 ? min : max) : 1;
    if (counted && max == 0)
        node->times = 1;
    else if (times > 1)
        node->times = child->times * times; /* both at most 1000 */
    if (node->times > NV_REGEX_REPEAT_MAX)
        return refuse(parser, "invalid repeat count", between(op, parser->rest));
    *list->last = node;
    list->end = &node->next;
    return 0;
}

/* `* + ?` or `{`; sets *op to where it began, or to nothing where `{` is a literal. */
static int take_repeat(struct parser *parser, struct list *list, struct nv_str *op)
{
    struct nv_str last_op = *op, here = parser->rest;
    char c = here.p[0];
    int min = c == '+', max = c == '?' ? 1 : -1;

    *op = here;
    if (c != '{') {
        drop(parser, 1);
    } else if (!take_braces(parser, &min, &max)) {
        *op = (struct nv_str){NULL, 0};
        drop(parser, 1);
        return push_literal(parser, list, '{');
    } else if (min < 0 || min > NV_REGEX_REPEAT_MAX || max > NV_REGEX_REPEAT_MAX ||
               (max >= 0 && min > max)) {
        return refuse(parser, "invalid repeat count", between(here, parser->rest));
    }
    return repeat_last(parser, list, min, max, here, last_op);
}

/* ---- classes -------------------------------------------------------------------------------- */

static struct nv_regex_part *add_part(struct parser *parser, struct nv_regex_node *class)
{
    struct nv_regex_part *part = nv_arena_alloc(parser->arena, sizeof(*part));

    if (part) {
        *part = (struct nv_regex_part){.next = class->parts};
        class->parts = part;
    }
    return part;
}

static int add_range(struct parser *parser, struct nv_regex_node *class, uint32_t lo, uint32_t hi)
{
    if (lo > hi)
        return 0;
    struct nv_regex_part *part = add_part(parser, class);
    if (!part)
        return -ENOMEM;
    part->lo = lo;
    part->hi = hi;
    return 0;
}

/* Ranges of what is not in `set`, nor a variant of one of its letters where case is ignored. */
static int add_complement(struct parser *parser, struct nv_regex_node *class, const bool *set)
{
    static const uint32_t long_s = 0x17f, kelvin = 0x212a; /* fold to the letters s and k */
    uint32_t from = 0, except[] = {long_s, kelvin};
    bool in[] = {class->fold && (set['s'] || set['S']), class->fold && (set['k'] || set['K'])};
    int r = 0;

    for (uint32_t c = 0; c < 128 && r == 0; c++) {
        uint32_t other = c >= 'A' && c <= 'Z' ? c + 32 : c >= 'a' && c <= 'z' ? c - 32 : c;
        if (!set[c] && !(class->fold && set[other]))
            continue;
        if (c > from)
            r = add_range(parser, class, from, c - 1);
        from = c + 1;
    }
    for (size_t i = 0; i < 2 && r == 0; i++) {
        if (!in[i])
            continue;
        r = add_range(parser, class, from, except[i] - 1);
        from = except[i] + 1;
    }
    return r == 0 ? add_range(parser, class, from, 0x10ffff) : r;
}

static int add_group(struct parser *parser, struct nv_regex_node *class, const struct group *group,
                     bool negated)
{
    bool set[128] = {false};
    int r = 0;

    for (size_t i = 0; i < group->n && r == 0; i += 2) {
        unsigned char lo = (unsigned char)group->ranges[i],
                      hi = (unsigned char)group->ranges[i + 1];
        if (!negated)
            r = add_range(parser, class, lo, hi);
        memset(set + lo, true, hi - lo + 1u);
    }
    return negated && r == 0 ? add_complement(parser, class, set) : r;
}

/* \d, \S ... False where it is none of them. */
static bool take_escaped_group(struct parser *parser, struct nv_regex_node *class, int *ret)
{
    if (parser->rest.n < 2 || parser->rest.p[0] != '\\')
        return false;
    for (size_t i = 0; i < sizeof(escaped_groups) / sizeof(escaped_groups[0]); i++) {
        if ((parser->rest.p[1] | 0x20) == escaped_groups[i].name[0]) {
            *ret = add_group(parser, class, &escaped_groups[i], !(parser->rest.p[1] & 0x20));
            drop(parser, 2);
            return true;
        }
    }
    return false;
}

/* [:alpha:] or [:^alpha:]. False where no ":]" follows. */
static bool take_named_group(struct parser *parser, struct nv_regex_node *class, int *ret)
{
    struct nv_str s = parser->rest;
    const char *end = s.n > 2 ? memmem(s.p + 2, s.n - 2, ":]", 2) : NULL;

    if (!end || s.p[0] != '[' || s.p[1] != ':')
        return false;
    struct nv_str name = {s.p + 2, (size_t)(end - s.p) - 2};
    bool negated = name.n && name.p[0] == '^';
    name = nv_str_from(name, negated);
    parser->rest = nv_str_from(s, (size_t)(end - s.p) + 2);
    for (size_t i = 0; i < sizeof(named_groups) / sizeof(named_groups[0]); i++) {
        if (nv_str_is(name, named_groups[i].name)) {
            *ret = add_group(parser, class, &named_groups[i], negated);
            return true;
        }
    }
    *ret = refuse(parser, "invalid character class range", between(s, parser->rest));
    return true;
}

/* The name of a property as PCRE2 has it, empty for an unknown one. */
static struct nv_str property_named(struct parser *parser, struct nv_str name, bool fold)
{
    static const char prefix[] = "sc:";

    for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++) {
        struct nv_str category = nv_str(categories[i]);
        if (name.n != category.n || strncasecmp(name.p, category.p, name.n) != 0)
            continue;
        bool cased = name.n == 2 && category.p[0] == 'L' && strchr("ltu", category.p[1]);
        return fold && cased ? NV_LIT("L&") : category;
    }
    if (name.n == 3 && strncasecmp(name.p, "Any", 3) == 0)
        return NV_LIT("Any");
    if (!nv_regex_knows_script(name))
        return NV_LIT("");
    char *text = nv_arena_alloc(parser->arena, sizeof(prefix) + name.n);
    if (!text)
        return NV_LIT("");
    memcpy(text, prefix, sizeof(prefix) - 1);
    memcpy(text + sizeof(prefix) - 1, name.p, name.n);
    return (struct nv_str){text, sizeof(prefix) - 1 + name.n};
}

/* \pN, \p{Greek}, \P{^Greek} ... False where it is no such escape. */
static bool take_property(struct parser *parser, struct nv_regex_node *class, int *ret)
{
    struct nv_str s = parser->rest, name;
    uint32_t c;

    if (s.n < 2 || s.p[0] != '\\' || (s.p[1] != 'p' && s.p[1] != 'P'))
        return false;
    bool negated = s.p[1] == 'P';
    drop(parser, 2);
    name = parser->rest;
    *ret = take(parser, &c);
    if (*ret < 0)
        return true;
    if (c != '{') {
        name = between(name, parser->rest);
    } else {
        size_t end = nv_str_find(s, '}');
        if (end == s.n) {
            *ret = check_utf8(parser, s);
            if (*ret == 0)
                *ret = refuse(parser, "invalid character class range", s);
            return true;
        }
        name = (struct nv_str){s.p + 3, end - 3};
        parser->rest = nv_str_from(s, end + 1);
        *ret = check_utf8(parser, name);
        if (*ret < 0)
            return true;
    }
    if (name.n && name.p[0] == '^') {
        negated = !negated;
        name = nv_str_from(name, 1);
    }
    struct nv_str property = property_named(parser, name, class->fold);
    if (!property.n) {
        *ret = refuse(parser, "invalid character class range", between(s, parser->rest));
        return true;
    }
    struct nv_regex_part *part = add_part(parser, class);
    if (part) {
        part->property = property;
        part->negated = negated;
    }
    *ret = part ? 0 : -ENOMEM;
    return true;
}

static int hex_digit(uint32_t c)
{
    return c >= '0' && c <= '9'   ? (int)c - '0'
           : c >= 'a' && c <= 'f' ? (int)c - 'a' + 10
           : c >= 'A' && c <= 'F' ? (int)c - 'A' + 10
                                  : -1;
}

/* Behind \x{: any number of digits and the brace. *ret stays where they are malformed. */
static int take_hex_in_braces(struct parser *parser, uint32_t *ret)
{
    uint32_t c, value = 0;
    int r = take(parser, &c);

    for (size_t n = 0; r == 0; n++) {
        if (c == '}' && n)
            *ret = value;
        if (hex_digit(c) < 0)
            return 0;
        value = value * 16 + (uint32_t)hex_digit(c);
        if (value > 0x10ffff)
            return 0;
        r = take(parser, &c);
    }
    return r;
}

/* Behind \x. *ret stays where it is malformed. */
static int take_hex(struct parser *parser, uint32_t *ret)
{
    uint32_t high, low;
    int r = take(parser, &high);

    if (r < 0 || high == UINT32_MAX)
        return r;
    if (high == '{')
        return take_hex_in_braces(parser, ret);
    r = take(parser, &low);
    if (r == 0 && hex_digit(high) >= 0 && hex_digit(low) >= 0)
        *ret = (uint32_t)(hex_digit(high) * 16 + hex_digit(low));
    return r;
}

/* A backslash and the character it stands for. */
static int take_escape(struct parser *parser, uint32_t *ret)
{
    static const char letters[] = "abtnvfr"; /* 7, none, 9 ... 13 */
    struct nv_str before = parser->rest;
    uint32_t c, value = UINT32_MAX;
    const char *letter;

    drop(parser, 1);
    if (!parser->rest.n)
        return refuse(parser, "trailing backslash at end of expression", NV_LIT(""));
    int r = take(parser, &c);
    if (r < 0)
        return r;
    bool octal_follows = parser->rest.n && parser->rest.p[0] >= '0' && parser->rest.p[0] <= '7';
    if (c == '0' || (c >= '1' && c <= '7' && octal_follows)) {
        value = c - '0';
        for (int i = 1; i < 3 && parser->rest.n && (parser->rest.p[0] & ~7) == '0';
             i++, drop(parser, 1))
            value = value * 8 + (uint32_t)(parser->rest.p[0] - '0');
    } else if (c == 'x') {
        r = take_hex(parser, &value);
        if (r < 0)
            return r;
    } else if (c < 0x80 && c != 'b' && (letter = c ? strchr(letters, (int)c) : NULL)) {
        value = 7 + (uint32_t)(letter - letters);
    } else if (c < 0x80 && !nv_is_digit((char)c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
        value = c;
    }
    if (value == UINT32_MAX)
        return refuse(parser, "invalid escape sequence", between(before, parser->rest));
    *ret = value;
    return 0;
}

static int take_class_character(struct parser *parser, struct nv_str class, uint32_t *ret)
{
    if (!parser->rest.n)
        return refuse(parser, "missing closing ]", class);
    return front(parser, '\\') ? take_escape(parser, ret) : take(parser, ret);
}

static int take_class_range(struct parser *parser, struct nv_str whole, struct nv_regex_node *class)
{
    struct nv_str before = parser->rest;
    uint32_t lo, hi;
    int r = take_class_character(parser, whole, &lo);

    hi = lo;
    if (r == 0 && parser->rest.n >= 2 && front(parser, '-') && parser->rest.p[1] != ']') {
        drop(parser, 1);
        r = take_class_character(parser, whole, &hi);
        if (r == 0 && hi < lo)
            r = refuse(parser, "invalid character class range", between(before, parser->rest));
    }
    return r < 0 ? r : add_range(parser, class, lo, hi);
}

static int take_class(struct parser *parser, struct list *list)
{
    struct nv_str whole = parser->rest;
    struct nv_regex_node *class = new_node(parser, NV_REGEX_CLASS);

    if (!class)
        return -ENOMEM;
    drop(parser, 1);
    if (front(parser, '^')) {
        class->negated = true;
        drop(parser, 1);
    }
    for (bool first = true; first || !front(parser, ']'); first = false) {
        int r = 0;
        if (!take_named_group(parser, class, &r) && !take_property(parser, class, &r) &&
            !take_escaped_group(parser, class, &r))
            r = take_class_range(parser, whole, class);
        if (r < 0)
            return r;
    }
    drop(parser, 1);
    return push(list, class);
}

/* ---- escapes and groups --------------------------------------------------------------------- */

/* \Q...\E, of which the end may be missing. */
static int take_quoted(struct parser *parser, struct list *list)
{
    drop(parser, 2);
    const char *end = parser->rest.n ? memmem(parser->rest.p, parser->rest.n, "\\E", 2) : NULL;
    struct nv_str after = end ? nv_str_from(parser->rest, (size_t)(end - parser->rest.p) + 2)
                              : nv_str_from(parser->rest, parser->rest.n);
    int r = 0;

    if (end)
        parser->rest.n = (size_t)(end - parser->rest.p);
    while (parser->rest.n && r == 0) {
        uint32_t c;
        r = take(parser, &c);
        if (r == 0)
            r = push_literal(parser, list, c);
    }
    parser->rest = after;
    return r;
}

static int take_backslash(struct parser *parser, struct list *list)
{
    static const struct {
        char letter;
        enum nv_regex_op op;
    } assertions[] = {
        {'A', NV_REGEX_BEGIN_TEXT  },
        {'b', NV_REGEX_WORD_EDGE   },
        {'B', NV_REGEX_NO_WORD_EDGE},
        {'z', NV_REGEX_END_TEXT    },
    };
    char c = parser->rest.n > 1 ? parser->rest.p[1] : '\0';
    uint32_t character;
    int r = 0;

    for (size_t i = 0; i < sizeof(assertions) / sizeof(assertions[0]); i++) {
        if (c == assertions[i].letter) {
            drop(parser, 2);
            return push_op(parser, list, assertions[i].op);
        }
    }
    if (c == 'Q')
        return take_quoted(parser, list);
    struct nv_regex_node *class = new_node(parser, NV_REGEX_CLASS);
    if (!class)
        return -ENOMEM;
    if (take_property(parser, class, &r) || take_escaped_group(parser, class, &r))
        return r < 0 ? r : push(list, class);
    r = take_escape(parser, &character);
    return r < 0 ? r : push_literal(parser, list, character);
}

/* Remembers a capture, by its number, under a name or none. */
static int add_capture(struct parser *parser, struct nv_str name)
{
    if (++parser->n_captures >= parser->names_size) {
        size_t size = parser->names_size ? 2 * parser->names_size : 16;
        struct nv_str *names = nv_arena_alloc(parser->arena, size * sizeof(*names));
        if (!names)
            return -ENOMEM;
        if (parser->names)
            memcpy(names, parser->names, parser->n_captures * sizeof(*names));
        names[0] = NV_LIT("");
        parser->names = names;
        parser->names_size = size;
    }
    parser->names[parser->n_captures] = name;
    return 0;
}

/* (?P<name> or (?<name> at the front; `skip` is where the name begins. */
static int take_capture_name(struct parser *parser, size_t skip)
{
    struct nv_str s = parser->rest;
    size_t end = nv_str_find(s, '>');
    struct nv_str name = nv_str_from((struct nv_str){s.p, end}, skip);
    bool good = name.n > 0;

    int r = check_utf8(parser, end == s.n ? s : name);
    if (r < 0)
        return r;
    if (end == s.n)
        return refuse(parser, "invalid named capture", s);
    for (size_t i = 0; i < name.n; i++) {
        char lower = name.p[i] | 0x20;
        good &= name.p[i] == '_' || nv_is_digit(name.p[i]) || (lower >= 'a' && lower <= 'z');
    }
    drop(parser, end + 1);
    return good ? add_capture(parser, name)
                : refuse(parser, "invalid named capture", between(s, parser->rest));
}

/* (?flags) or (?flags: at the front. Sets *ret_opens where a group follows. */
static int take_flags(struct parser *parser, bool *ret_opens)
{
    struct nv_str before = parser->rest;
    unsigned flags = parser->flags, flag;
    bool minus = false, any = false;
    uint32_t c;

    drop(parser, 2);
    while (parser->rest.n) {
        int r = take(parser, &c);
        if (r < 0)
            return r;
        flag = c == 'i' ? FOLD : c == 'm' ? LINES : c == 's' ? DOT_IS_ANY : c == 'U' ? LAZY : 0;
        if (flag) {
            flags = minus ? flags & ~flag : flags | flag;
            any = true;
        } else if (c == '-' && !minus) {
            minus = true;
            any = false;
        } else if ((c == ':' || c == ')') && (!minus || any)) {
            parser->flags = flags;
            *ret_opens = c == ':';
            return 0;
        } else {
            break;
        }
    }
    return refuse(parser, "invalid or unsupported Perl syntax", between(before, parser->rest));
}

static int take_alternation(struct parser *parser, struct nv_regex_node **ret);

/* The inside of a group and its closing parenthesis. */
static int take_inside(struct parser *parser, struct list *list, bool captures)
{
    struct nv_regex_node *inside = NULL;

    if (++parser->depth > NV_REGEX_HEIGHT_MAX)
        return refuse(parser, "expression nests too deeply", parser->whole);
    int r = take_alternation(parser, &inside);
    if (r < 0)
        return r;
    if (!front(parser, ')'))
        return refuse(parser, "missing closing )", parser->whole);
    drop(parser, 1);
    parser->depth--;
    if (!captures) { /* a group of its own even where it is a concatenation: one item to a repeat */
        inside->next = NULL;
        return push(list, inside);
    }
    struct nv_regex_node *capture = new_node(parser, NV_REGEX_CAPTURE);
    if (!capture)
        return -ENOMEM;
    capture->first = inside;
    r = grow_over(parser, capture, inside);
    return r < 0 ? r : push(list, capture);
}

static int take_group(struct parser *parser, struct list *list)
{
    struct nv_str s = parser->rest;
    unsigned flags = parser->flags;
    bool opens = true, captures = true;
    int r;

    if (s.n > 4 && nv_str_starts(s, "(?P<")) {
        r = take_capture_name(parser, 4);
    } else if (s.n > 3 && nv_str_starts(s, "(?<")) {
        r = take_capture_name(parser, 3);
    } else if (nv_str_starts(s, "(?")) {
        captures = false;
        r = take_flags(parser, &opens);
    } else {
        drop(parser, 1);
        r = add_capture(parser, NV_LIT(""));
    }
    if (r < 0 || !opens)
        return r;
    r = take_inside(parser, list, captures);
    parser->flags = flags;
    return r;
}

static int take_item(struct parser *parser, struct list *list, struct nv_str *last_op)
{
    char c = parser->rest.p[0];
    bool lines = parser->flags & LINES;

    if (c == '*' || c == '+' || c == '?' || c == '{')
        return take_repeat(parser, list, last_op);
    *last_op = (struct nv_str){NULL, 0};
    if (c == '(')
        return take_group(parser, list);
    if (c == '[')
        return take_class(parser, list);
    if (c == '\\')
        return take_backslash(parser, list);
    if (c == '^' || c == '$' || c == '.') {
        drop(parser, 1);
        if (c == '.')
            return push_op(parser, list,
                           parser->flags & DOT_IS_ANY ? NV_REGEX_ANY : NV_REGEX_ANY_BUT_NEWLINE);
        if (c == '^')
            return push_op(parser, list, lines ? NV_REGEX_BEGIN_LINE : NV_REGEX_BEGIN_TEXT);
        return push_op(parser, list, lines ? NV_REGEX_END_LINE : NV_REGEX_END_TEXT);
    }
    uint32_t character;
    int r = take(parser, &character);
    return r < 0 ? r : push_literal(parser, list, character);
}

static int take_concatenation(struct parser *parser, struct nv_regex_node **ret)
{
    struct list list = {NULL, NULL, &list.first, 0};
    struct nv_str last_op = {NULL, 0};

    while (parser->rest.n && !front(parser, '|') && !front(parser, ')')) {
        int r = take_item(parser, &list, &last_op);
        if (r < 0)
            return r;
    }
    return gather(parser, NV_REGEX_CONCAT, &list, ret);
}

static int take_alternation(struct parser *parser, struct nv_regex_node **ret)
{
    struct list list = {NULL, NULL, &list.first, 0};
    bool more = true;

    while (more) {
        struct nv_regex_node *branch = NULL;
        int r = take_concatenation(parser, &branch);
        if (r < 0)
            return r;
        branch->next = NULL;
        push(&list, branch);
        more = front(parser, '|');
        drop(parser, more);
    }
    return gather(parser, NV_REGEX_ALTERNATE, &list, ret);
}

int nv_regex_parse(struct nv_str pattern, bool dot_is_any, struct nv_arena *arena,
                   struct nv_regex_tree *ret, char error[NV_REGEX_ERROR_MAX])
{
    struct parser parser = {.arena = arena,
                            .whole = pattern,
                            .rest = pattern,
                            .flags = dot_is_any ? DOT_IS_ANY : 0,
                            .error = error};
    struct nv_regex_node *root = NULL;

    int r = take_alternation(&parser, &root);
    if (r == 0 && parser.rest.n)
        r = refuse(&parser, "unexpected )", pattern);
    if (r < 0)
        return r;
    *ret = (struct nv_regex_tree){root, parser.n_captures, parser.names};
    return 0;
}
