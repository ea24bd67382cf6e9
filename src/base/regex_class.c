/*
 * regex_class.c - character classes: [...], \d and its like, \pN and its like.
 *
 * Where case is ignored, the engine folds what a class holds. What a class excludes in part, [\W\d], has to be
 * folded here first: its complement is written out.
 */
#include "base/regex_reader.h"

#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

static struct nv_regex_part *add_part(struct nv_regex_reader *reader, struct nv_regex_node *class)
{
    struct nv_regex_part *part = nv_arena_alloc(reader->arena, sizeof(*part));

    if (part) {
        *part = (struct nv_regex_part){.next = class->parts};
        class->parts = part;
    }
    return part;
}

static int add_range(struct nv_regex_reader *reader, struct nv_regex_node *class, uint32_t lo,
                     uint32_t hi)
{
    if (lo > hi)
        return 0;
    struct nv_regex_part *part = add_part(reader, class);
    if (!part)
        return -ENOMEM;
    part->lo = lo;
    part->hi = hi;
    return 0;
}

/* Ranges of what is not in `set`, nor a variant of one of its letters where case is ignored. */
static int add_complement(struct nv_regex_reader *reader, struct nv_regex_node *class,
                          const bool *set)
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
            r = add_range(reader, class, from, c - 1);
        from = c + 1;
    }
    for (size_t i = 0; i < 2 && r == 0; i++) {
        if (!in[i])
            continue;
        r = add_range(reader, class, from, except[i] - 1);
        from = except[i] + 1;
    }
    return r == 0 ? add_range(reader, class, from, 0x10ffff) : r;
}

static int add_group(struct nv_regex_reader *reader, struct nv_regex_node *class,
                     const struct group *group, bool negated)
{
    bool set[128] = {false};
    int r = 0;

    for (size_t i = 0; i < group->n && r == 0; i += 2) {
        unsigned char lo = (unsigned char)group->ranges[i],
                      hi = (unsigned char)group->ranges[i + 1];
        if (!negated)
            r = add_range(reader, class, lo, hi);
        memset(set + lo, true, hi - lo + 1u);
    }
    return negated && r == 0 ? add_complement(reader, class, set) : r;
}

bool nv_regex_take_escaped_group(struct nv_regex_reader *reader, struct nv_regex_node *class,
                                 int *ret)
{
    if (reader->rest.n < 2 || reader->rest.p[0] != '\\')
        return false;
    for (size_t i = 0; i < COUNT(escaped_groups); i++) {
        if ((reader->rest.p[1] | 0x20) == escaped_groups[i].name[0]) {
            *ret = add_group(reader, class, &escaped_groups[i], !(reader->rest.p[1] & 0x20));
            nv_regex_drop(reader, 2);
            return true;
        }
    }
    return false;
}

/* [:alpha:] or [:^alpha:]. False where no ":]" follows. */
static bool take_named_group(struct nv_regex_reader *reader, struct nv_regex_node *class, int *ret)
{
    struct nv_str s = reader->rest;
    const char *end = s.n > 2 ? memmem(s.p + 2, s.n - 2, ":]", 2) : NULL;

    if (!end || s.p[0] != '[' || s.p[1] != ':')
        return false;
    struct nv_str name = {s.p + 2, (size_t)(end - s.p) - 2};
    bool negated = name.n && name.p[0] == '^';
    name = nv_str_from(name, negated);
    reader->rest = nv_str_from(s, (size_t)(end - s.p) + 2);
    for (size_t i = 0; i < COUNT(named_groups); i++) {
        if (nv_str_is(name, named_groups[i].name)) {
            *ret = add_group(reader, class, &named_groups[i], negated);
            return true;
        }
    }
    *ret =
        nv_regex_refuse(reader, "invalid character class range", nv_regex_between(s, reader->rest));
    return true;
}

/* The name of a property as PCRE2 has it, empty for an unknown one. */
static struct nv_str property_named(struct nv_regex_reader *reader, struct nv_str name, bool fold)
{
    static const char prefix[] = "sc:";

    for (size_t i = 0; i < COUNT(categories); i++) {
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
    char *text = nv_arena_alloc(reader->arena, sizeof(prefix) + name.n);
    if (!text)
        return NV_LIT("");
    memcpy(text, prefix, sizeof(prefix) - 1);
    memcpy(text + sizeof(prefix) - 1, name.p, name.n);
    return (struct nv_str){text, sizeof(prefix) - 1 + name.n};
}

bool nv_regex_take_property(struct nv_regex_reader *reader, struct nv_regex_node *class, int *ret)
{
    struct nv_str s = reader->rest, name;
    uint32_t c;

    if (s.n < 2 || s.p[0] != '\\' || (s.p[1] != 'p' && s.p[1] != 'P'))
        return false;
    bool negated = s.p[1] == 'P';
    nv_regex_drop(reader, 2);
    name = reader->rest;
    *ret = nv_regex_take(reader, &c);
    if (*ret < 0)
        return true;
    if (c != '{') {
        name = nv_regex_between(name, reader->rest);
    } else {
        size_t end = nv_str_find(s, '}');
        if (end == s.n) {
            *ret = nv_regex_check_utf8(reader, s);
            if (*ret == 0)
                *ret = nv_regex_refuse(reader, "invalid character class range", s);
            return true;
        }
        name = (struct nv_str){s.p + 3, end - 3};
        reader->rest = nv_str_from(s, end + 1);
        *ret = nv_regex_check_utf8(reader, name);
        if (*ret < 0)
            return true;
    }
    if (name.n && name.p[0] == '^') {
        negated = !negated;
        name = nv_str_from(name, 1);
    }
    struct nv_str property = property_named(reader, name, class->fold);
    if (!property.n) {
        *ret = nv_regex_refuse(reader, "invalid character class range",
                               nv_regex_between(s, reader->rest));
        return true;
    }
    struct nv_regex_part *part = add_part(reader, class);
    if (part) {
        part->property = property;
        part->negated = negated;
    }
    *ret = part ? 0 : -ENOMEM;
    return true;
}

static int take_class_character(struct nv_regex_reader *reader, struct nv_str class, uint32_t *ret)
{
    if (!reader->rest.n)
        return nv_regex_refuse(reader, "missing closing ]", class);
    return nv_regex_front(reader, '\\') ? nv_regex_take_escape(reader, ret)
                                        : nv_regex_take(reader, ret);
}

static int take_class_range(struct nv_regex_reader *reader, struct nv_str whole,
                            struct nv_regex_node *class)
{
    struct nv_str before = reader->rest;
    uint32_t lo, hi;
    int r = take_class_character(reader, whole, &lo);

    hi = lo;
    if (r == 0 && reader->rest.n >= 2 && nv_regex_front(reader, '-') && reader->rest.p[1] != ']') {
        nv_regex_drop(reader, 1);
        r = take_class_character(reader, whole, &hi);
        if (r == 0 && hi < lo)
            r = nv_regex_refuse(reader, "invalid character class range",
                                nv_regex_between(before, reader->rest));
    }
    return r < 0 ? r : add_range(reader, class, lo, hi);
}

int nv_regex_take_class(struct nv_regex_reader *reader, struct nv_regex_node *class)
{
    struct nv_str whole = reader->rest;

    nv_regex_drop(reader, 1);
    if (nv_regex_front(reader, '^')) {
        class->negated = true;
        nv_regex_drop(reader, 1);
    }
    for (bool first = true; first || !nv_regex_front(reader, ']'); first = false) {
        int r = 0;
        if (!take_named_group(reader, class, &r) && !nv_regex_take_property(reader, class, &r) &&
            !nv_regex_take_escaped_group(reader, class, &r))
            r = take_class_range(reader, whole, class);
        if (r < 0)
            return r;
    }
    nv_regex_drop(reader, 1);
    return 0;
}
