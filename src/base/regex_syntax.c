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
#include "base/regex_reader.h"

/* Children as they come. */
struct list {
    struct nv_regex_node *first;
    struct nv_regex_node **last; /* the link that holds the last one */
    struct nv_regex_node **end;
    size_t n;
};

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

static int push_op(struct nv_regex_reader *reader, struct list *list, enum nv_regex_op op)
{
    return push(list, nv_regex_new_node(reader, op));
}

static int push_literal(struct nv_regex_reader *reader, struct list *list, uint32_t character)
{
    struct nv_regex_node *node = nv_regex_new_node(reader, NV_REGEX_LITERAL);

    if (node)
        node->character = character;
    return push(list, node);
}

/* Takes over the bounds of a child. */
static int grow_over(struct nv_regex_reader *reader, struct nv_regex_node *node,
                     const struct nv_regex_node *child)
{
    if (child->height >= node->height)
        node->height = child->height + 1;
    if (child->times > node->times)
        node->times = child->times;
    return node->height > NV_REGEX_HEIGHT_MAX
               ? nv_regex_refuse(reader, "expression nests too deeply", reader->whole)
               : 0;
}

/* One node of a list: the only child itself, or a parent of all. */
static int gather(struct nv_regex_reader *reader, enum nv_regex_op op, const struct list *list,
                  struct nv_regex_node **ret)
{
    struct nv_regex_node *node =
        list->n == 1 ? list->first : nv_regex_new_node(reader, list->n ? op : NV_REGEX_EMPTY);

    if (!node)
        return -ENOMEM;
    if (list->n > 1)
        node->first = list->first;
    for (struct nv_regex_node *child = list->n > 1 ? list->first : NULL; child;
         child = child->next) {
        int r = grow_over(reader, node, child);
        if (r < 0)
            return r;
    }
    *ret = node;
    return 0;
}

/* ---- repetition ----------------------------------------------------------------------------- */

/* A number of a repeat; -1 where it is beyond all sense. False where there is none. */
static bool take_count(struct nv_regex_reader *reader, int *ret)
{
    struct nv_str s = reader->rest;
    size_t n = 0;
    int value = 0;

    while (n < s.n && nv_is_digit(s.p[n])) {
        if (value >= 0)
            value = value >= 100000000 ? -1 : value * 10 + (s.p[n] - '0');
        n++;
    }
    if (!n || (n > 1 && s.p[0] == '0'))
        return false;
    nv_regex_drop(reader, n);
    *ret = value;
    return true;
}

/* {n}, {n,} or {n,m}. False, and nothing taken, where the brace is no repeat. */
static bool take_braces(struct nv_regex_reader *reader, int *ret_min, int *ret_max)
{
    struct nv_str before = reader->rest;
    bool good;

    nv_regex_drop(reader, 1);
    good = take_count(reader, ret_min);
    *ret_max = *ret_min;
    if (good && nv_regex_front(reader, ',')) {
        nv_regex_drop(reader, 1);
        *ret_max = -1;
        if (!nv_regex_front(reader, '}')) {
            good = take_count(reader, ret_max);
            if (good && *ret_max < 0)
                *ret_min = -1;
        }
    }
    if (!good || !nv_regex_front(reader, '}')) {
        reader->rest = before;
        return false;
    }
    nv_regex_drop(reader, 1);
    return true;
}

/* Puts the last child of the list under a repeat. */
static int repeat_last(struct nv_regex_reader *reader, struct list *list, int min, int max,
                       struct nv_str op, struct nv_str last_op)
{
    bool counted = op.p[0] == '{';
    bool lazy = reader->flags & NV_REGEX_LAZY;

    if (nv_regex_front(reader, '?')) {
        nv_regex_drop(reader, 1);
        lazy = !lazy;
    }
    if (last_op.p)
        return nv_regex_refuse(reader, "invalid nested repetition operator",
                               nv_regex_between(last_op, reader->rest));
    if (!list->n)
        return nv_regex_refuse(reader, "missing argument to repetition operator",
                               nv_regex_between(op, reader->rest));

    struct nv_regex_node *node = nv_regex_new_node(reader, NV_REGEX_REPEAT), *child = *list->last;
    if (!node)
        return -ENOMEM;
    node->first = child;
    node->min = min;
    node->max = max;
    node->lazy = lazy;
    int r = grow_over(reader, node, child);
    if (r < 0)
        return r;
    unsigned times = counted ? (unsigned)(max < 0 ? min : max) : 1;
    if (counted && max == 0)
        node->times = 1;
    else if (times > 1)
        node->times = child->times * times; /* both at most 1000 */
    if (node->times > NV_REGEX_REPEAT_MAX)
        return nv_regex_refuse(reader, "invalid repeat count", nv_regex_between(op, reader->rest));
    *list->last = node;
    list->end = &node->next;
    return 0;
}

/* `* + ?` or `{`; sets *op to where it began, or to nothing where `{` is a literal. */
static int take_repeat(struct nv_regex_reader *reader, struct list *list, struct nv_str *op)
{
    struct nv_str last_op = *op, here = reader->rest;
    char c = here.p[0];
    int min = c == '+', max = c == '?' ? 1 : -1;

    *op = here;
    if (c != '{') {
        nv_regex_drop(reader, 1);
    } else if (!take_braces(reader, &min, &max)) {
        *op = (struct nv_str){NULL, 0};
        nv_regex_drop(reader, 1);
        return push_literal(reader, list, '{');
    } else if (min < 0 || min > NV_REGEX_REPEAT_MAX || max > NV_REGEX_REPEAT_MAX ||
               (max >= 0 && min > max)) {
        return nv_regex_refuse(reader, "invalid repeat count",
                               nv_regex_between(here, reader->rest));
    }
    return repeat_last(reader, list, min, max, here, last_op);
}

/* ---- escapes and groups --------------------------------------------------------------------- */

/* \Q...\E, of which the end may be missing. */
static int take_quoted(struct nv_regex_reader *reader, struct list *list)
{
    nv_regex_drop(reader, 2);
    const char *end = reader->rest.n ? memmem(reader->rest.p, reader->rest.n, "\\E", 2) : NULL;
    struct nv_str after = end ? nv_str_from(reader->rest, (size_t)(end - reader->rest.p) + 2)
                              : nv_str_from(reader->rest, reader->rest.n);
    int r = 0;

    if (end)
        reader->rest.n = (size_t)(end - reader->rest.p);
    while (reader->rest.n && r == 0) {
        uint32_t c;
        r = nv_regex_take(reader, &c);
        if (r == 0)
            r = push_literal(reader, list, c);
    }
    reader->rest = after;
    return r;
}

static int take_backslash(struct nv_regex_reader *reader, struct list *list)
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
    char c = reader->rest.n > 1 ? reader->rest.p[1] : '\0';
    uint32_t character;
    int r = 0;

    for (size_t i = 0; i < sizeof(assertions) / sizeof(assertions[0]); i++) {
        if (c == assertions[i].letter) {
            nv_regex_drop(reader, 2);
            return push_op(reader, list, assertions[i].op);
        }
    }
    if (c == 'Q')
        return take_quoted(reader, list);
    struct nv_regex_node *class = nv_regex_new_node(reader, NV_REGEX_CLASS);
    if (!class)
        return -ENOMEM;
    if (nv_regex_take_property(reader, class, &r) || nv_regex_take_escaped_group(reader, class, &r))
        return r < 0 ? r : push(list, class);
    r = nv_regex_take_escape(reader, &character);
    return r < 0 ? r : push_literal(reader, list, character);
}

/* Remembers a capture, by its number, under a name or none. */
static int add_capture(struct nv_regex_reader *reader, struct nv_str name)
{
    if (++reader->n_captures >= reader->names_size) {
        size_t size = reader->names_size ? 2 * reader->names_size : 16;
        struct nv_str *names = nv_arena_alloc(reader->arena, size * sizeof(*names));
        if (!names)
            return -ENOMEM;
        if (reader->names)
            memcpy(names, reader->names, reader->n_captures * sizeof(*names));
        names[0] = NV_LIT("");
        reader->names = names;
        reader->names_size = size;
    }
    reader->names[reader->n_captures] = name;
    return 0;
}

/* (?P<name> or (?<name> at the front; `skip` is where the name begins. */
static int take_capture_name(struct nv_regex_reader *reader, size_t skip)
{
    struct nv_str s = reader->rest;
    size_t end = nv_str_find(s, '>');
    struct nv_str name = nv_str_from((struct nv_str){s.p, end}, skip);
    bool good = name.n > 0;

    int r = nv_regex_check_utf8(reader, end == s.n ? s : name);
    if (r < 0)
        return r;
    if (end == s.n)
        return nv_regex_refuse(reader, "invalid named capture", s);
    for (size_t i = 0; i < name.n; i++) {
        char lower = name.p[i] | 0x20;
        good &= name.p[i] == '_' || nv_is_digit(name.p[i]) || (lower >= 'a' && lower <= 'z');
    }
    nv_regex_drop(reader, end + 1);
    return good ? add_capture(reader, name)
                : nv_regex_refuse(reader, "invalid named capture",
                                  nv_regex_between(s, reader->rest));
}

/* (?flags) or (?flags: at the front. Sets *ret_opens where a group follows. */
static int take_flags(struct nv_regex_reader *reader, bool *ret_opens)
{
    struct nv_str before = reader->rest;
    unsigned flags = reader->flags, flag;
    bool minus = false, any = false;
    uint32_t c;

    nv_regex_drop(reader, 2);
    while (reader->rest.n) {
        int r = nv_regex_take(reader, &c);
        if (r < 0)
            return r;
        flag = c == 'i'   ? NV_REGEX_FOLD
               : c == 'm' ? NV_REGEX_LINES
               : c == 's' ? NV_REGEX_DOT_IS_ANY
               : c == 'U' ? NV_REGEX_LAZY
                          : 0;
        if (flag) {
            flags = minus ? flags & ~flag : flags | flag;
            any = true;
        } else if (c == '-' && !minus) {
            minus = true;
            any = false;
        } else if ((c == ':' || c == ')') && (!minus || any)) {
            reader->flags = flags;
            *ret_opens = c == ':';
            return 0;
        } else {
            break;
        }
    }
    return nv_regex_refuse(reader, "invalid or unsupported Perl syntax",
                           nv_regex_between(before, reader->rest));
}

static int take_alternation(struct nv_regex_reader *reader, struct nv_regex_node **ret);

/* The inside of a group and its closing parenthesis. */
static int take_inside(struct nv_regex_reader *reader, struct list *list, bool captures)
{
    struct nv_regex_node *inside = NULL;

    if (++reader->depth > NV_REGEX_HEIGHT_MAX)
        return nv_regex_refuse(reader, "expression nests too deeply", reader->whole);
    int r = take_alternation(reader, &inside);
    if (r < 0)
        return r;
    if (!nv_regex_front(reader, ')'))
        return nv_regex_refuse(reader, "missing closing )", reader->whole);
    nv_regex_drop(reader, 1);
    reader->depth--;
    if (!captures) { /* a group of its own even where it is a concatenation: one item to a repeat */
        inside->next = NULL;
        return push(list, inside);
    }
    struct nv_regex_node *capture = nv_regex_new_node(reader, NV_REGEX_CAPTURE);
    if (!capture)
        return -ENOMEM;
    capture->first = inside;
    r = grow_over(reader, capture, inside);
    return r < 0 ? r : push(list, capture);
}

static int take_group(struct nv_regex_reader *reader, struct list *list)
{
    struct nv_str s = reader->rest;
    unsigned flags = reader->flags;
    bool opens = true, captures = true;
    int r;

    if (s.n > 4 && nv_str_starts(s, "(?P<")) {
        r = take_capture_name(reader, 4);
    } else if (s.n > 3 && nv_str_starts(s, "(?<")) {
        r = take_capture_name(reader, 3);
    } else if (nv_str_starts(s, "(?")) {
        captures = false;
        r = take_flags(reader, &opens);
    } else {
        nv_regex_drop(reader, 1);
        r = add_capture(reader, NV_LIT(""));
    }
    if (r < 0 || !opens)
        return r;
    r = take_inside(reader, list, captures);
    reader->flags = flags;
    return r;
}

static int push_class(struct nv_regex_reader *reader, struct list *list)
{
    struct nv_regex_node *class = nv_regex_new_node(reader, NV_REGEX_CLASS);

    if (!class)
        return -ENOMEM;
    int r = nv_regex_take_class(reader, class);
    return r < 0 ? r : push(list, class);
}

static int take_item(struct nv_regex_reader *reader, struct list *list, struct nv_str *last_op)
{
    char c = reader->rest.p[0];
    bool lines = reader->flags & NV_REGEX_LINES;

    if (c == '*' || c == '+' || c == '?' || c == '{')
        return take_repeat(reader, list, last_op);
    *last_op = (struct nv_str){NULL, 0};
    if (c == '(')
        return take_group(reader, list);
    if (c == '[')
        return push_class(reader, list);
    if (c == '\\')
        return take_backslash(reader, list);
    if (c == '^' || c == '$' || c == '.') {
        nv_regex_drop(reader, 1);
        if (c == '.')
            return push_op(reader, list,
                           reader->flags & NV_REGEX_DOT_IS_ANY ? NV_REGEX_ANY
                                                               : NV_REGEX_ANY_BUT_NEWLINE);
        if (c == '^')
            return push_op(reader, list, lines ? NV_REGEX_BEGIN_LINE : NV_REGEX_BEGIN_TEXT);
        return push_op(reader, list, lines ? NV_REGEX_END_LINE : NV_REGEX_END_TEXT);
    }
    uint32_t character;
    int r = nv_regex_take(reader, &character);
    return r < 0 ? r : push_literal(reader, list, character);
}

static int take_concatenation(struct nv_regex_reader *reader, struct nv_regex_node **ret)
{
    struct list list = {NULL, NULL, &list.first, 0};
    struct nv_str last_op = {NULL, 0};

    while (reader->rest.n && !nv_regex_front(reader, '|') && !nv_regex_front(reader, ')')) {
        int r = take_item(reader, &list, &last_op);
        if (r < 0)
            return r;
    }
    return gather(reader, NV_REGEX_CONCAT, &list, ret);
}

static int take_alternation(struct nv_regex_reader *reader, struct nv_regex_node **ret)
{
    struct list list = {NULL, NULL, &list.first, 0};
    bool more = true;

    while (more) {
        struct nv_regex_node *branch = NULL;
        int r = take_concatenation(reader, &branch);
        if (r < 0)
            return r;
        branch->next = NULL;
        push(&list, branch);
        more = nv_regex_front(reader, '|');
        nv_regex_drop(reader, more);
    }
    return gather(reader, NV_REGEX_ALTERNATE, &list, ret);
}

int nv_regex_parse(struct nv_str pattern, bool dot_is_any, struct nv_arena *arena,
                   struct nv_regex_tree *ret, char error[NV_REGEX_ERROR_MAX])
{
    struct nv_regex_reader reader = {.arena = arena,
                                     .whole = pattern,
                                     .rest = pattern,
                                     .flags = dot_is_any ? NV_REGEX_DOT_IS_ANY : 0,
                                     .error = error};
    struct nv_regex_node *root = NULL;

    int r = take_alternation(&reader, &root);
    if (r == 0 && reader.rest.n)
        r = nv_regex_refuse(&reader, "unexpected )", pattern);
    if (r < 0)
        return r;
    *ret = (struct nv_regex_tree){root, reader.n_captures, reader.names};
    return 0;
}
