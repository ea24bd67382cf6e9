#include "base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/regex_syntax.h"
#include "base/utf8.h"

enum {
    TREE_MAX = 32 << 20, /* bytes while an expression is compiled; */
    KEPT_MAX = 16 << 20, /* and of its texts afterwards */
    WRITTEN_MAX = 4 << 20,
    STEPS_MAX = 4000000,   /* of backtracking in one text, */
    STEPS_MIN = 1000,      /* but at least so many from each place where a match may begin */
    HEAP_LIMIT_KIB = 4096, /* of the interpreter, where there is no JIT */
    STACK_FIRST = 32 << 10,
    STACK_MAX = 1 << 20,
};

struct nv_regex {
    enum nv_regex_kind kind;
    struct nv_arena arena;
    struct nv_str pattern;
    size_t n_captures;
    const struct nv_str *names; /* n_captures + 1; NULL where there are no captures */
    bool is_plain;
    struct nv_regex_plain plain;
    pcre2_code *code; /* NULL where the texts of `plain` tell everything */
    bool jit;
};

/* What a thread needs to match, kept until it ends. */
struct scratch {
    pcre2_match_context *context;
    pcre2_match_data *data;
    uint32_t n_spans; /* of data */
    pcre2_jit_stack *stack;
    char *mended;
    size_t mended_size;
};

static __thread struct scratch *my_scratch;
static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void free_scratch(void *p)
{
    struct scratch *scratch = p;

    pcre2_match_data_free(scratch->data);
    pcre2_match_context_free(scratch->context);
    pcre2_jit_stack_free(scratch->stack);
    free(scratch->mended);
    free(scratch);
    my_scratch = NULL;
}

static void make_key(void)
{
    nv_assert(pthread_key_create(&scratch_key, free_scratch) == 0);
}

/* This thread's scratch with room for n spans. NULL when memory is out. */
static struct scratch *get_scratch(uint32_t n_spans)
{
    struct scratch *scratch = my_scratch;

    if (!scratch) {
        pthread_once(&scratch_once, make_key);
        scratch = calloc(1, sizeof(*scratch));
        if (!scratch)
            return NULL;
        scratch->context = pcre2_match_context_create(NULL);
        if (!scratch->context || pthread_setspecific(scratch_key, scratch) != 0) {
            free_scratch(scratch);
            return NULL;
        }
        pcre2_set_heap_limit(scratch->context, HEAP_LIMIT_KIB);
        my_scratch = scratch;
    }
    if (scratch->n_spans < n_spans) {
        pcre2_match_data *data = pcre2_match_data_create(n_spans, NULL);
        if (!data)
            return NULL;
        pcre2_match_data_free(scratch->data);
        scratch->data = data;
        scratch->n_spans = n_spans;
    }
    return scratch;
}

bool nv_regex_knows_script(struct nv_str name)
{
    char pattern[64];
    int error;
    size_t offset;

    for (size_t i = 0; i < name.n; i++) {
        char lower = name.p[i] | 0x20;
        if (name.p[i] != '_' && !(lower >= 'a' && lower <= 'z'))
            return false;
    }
    if (!name.n || name.n > 40)
        return false;
    int n = snprintf(pattern, sizeof(pattern), "\\p{sc:%.*s}", NV_ARGS(name));
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, (size_t)n, PCRE2_UTF, &error, &offset, NULL);
    pcre2_code_free(code);
    return code;
}

static pcre2_code *compile_written(struct nv_str written, int *ret_error)
{
    static const uint32_t options =
        PCRE2_UTF | PCRE2_DOTALL | PCRE2_MULTILINE | PCRE2_ALT_CIRCUMFLEX | PCRE2_NO_UTF_CHECK;
    size_t offset;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);

    *ret_error = PCRE2_ERROR_HEAP_FAILED;
    if (!context)
        return NULL;
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)written.p, written.n, options, ret_error, &offset, context);
    pcre2_compile_context_free(context);
    return code;
}

static int refuse(const struct nv_regex *regex, const char *reason, char *error)
{
    snprintf(error, NV_REGEX_ERROR_MAX, "error parsing regexp: expression %s: `%.*s`", reason,
             NV_ARGS(regex->pattern));
    return -EINVAL;
}

static int compile(struct nv_regex *regex, const struct nv_regex_node *root, char *error)
{
    NV_AUTO_BUF written = NV_BUF(WRITTEN_MAX);
    bool anchored = regex->kind == NV_REGEX_ANCHORED;
    int code = 0;

    nv_buf_text(&written, anchored ? "\\A(?:" : "(?:");
    nv_regex_write(root, &written);
    nv_buf_text(&written, anchored ? ")\\z" : ")");
    if (written.failed)
        return written.failed == -EFBIG ? refuse(regex, "too large", error) : written.failed;
    regex->code = compile_written(nv_buf_view(&written), &code);
    if (!regex->code && code == PCRE2_ERROR_HEAP_FAILED)
        return -ENOMEM;
    if (!regex->code && code == PCRE2_ERROR_PARENTHESES_NEST_TOO_DEEP)
        return refuse(regex, "nests too deeply", error);
    if (!regex->code)
        return refuse(regex, "too large", error);
    if (!regex->is_plain || anchored) /* else it is for groups and odd texts, hardly ever */
        regex->jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
    return 0;
}

/* As the whole text is what an anchored expression matches. */
static struct nv_regex_node *anchor(struct nv_regex_node *root, struct nv_regex_node nodes[3])
{
    root->next = &nodes[2];
    nodes[0] = (struct nv_regex_node){.op = NV_REGEX_CONCAT, .first = &nodes[1]};
    nodes[1] = (struct nv_regex_node){.op = NV_REGEX_BEGIN_TEXT, .next = root};
    nodes[2] = (struct nv_regex_node){.op = NV_REGEX_END_TEXT};
    return &nodes[0];
}

static int build(struct nv_regex *regex, const struct nv_regex_tree *tree, char *error)
{
    bool anchored = regex->kind == NV_REGEX_ANCHORED;
    struct nv_regex_node around[3];
    struct nv_regex_node *root = anchored ? anchor(tree->root, around) : tree->root;

    regex->is_plain = nv_regex_make_plain(root, &regex->arena, &regex->plain);
    tree->root->next = NULL;
    regex->n_captures = tree->n_captures;
    if (tree->n_captures) {
        struct nv_str *names =
            nv_arena_alloc(&regex->arena, (tree->n_captures + 1) * sizeof(*names));
        if (!names)
            return -ENOMEM;
        for (size_t i = 0; i <= tree->n_captures; i++) {
            names[i] = nv_arena_str(&regex->arena, tree->names[i]);
            if (!names[i].p)
                return -ENOMEM;
        }
        regex->names = names;
    }
    bool enough = regex->is_plain && !regex->plain.minds_newlines;
    if (enough && anchored && !tree->n_captures)
        return 0;
    int r = compile(regex, tree->root, error);
    if (enough && r == -EINVAL)
        return 0; /* too large for the engine, which is not needed to match */
    return r;
}

int nv_regex_new(struct nv_str pattern, enum nv_regex_kind kind, struct nv_regex **ret,
                 char error[NV_REGEX_ERROR_MAX])
{
    NV_AUTO(nv_regex) *regex = calloc(1, sizeof(*regex));
    struct nv_arena arena = NV_ARENA(TREE_MAX);
    struct nv_regex_tree tree;

    error[0] = '\0';
    if (!regex)
        return -ENOMEM;
    if (pattern.n > NV_REGEX_LENGTH_MAX) {
        snprintf(error, NV_REGEX_ERROR_MAX, "error parsing regexp: expression too large: %zu bytes",
                 pattern.n);
        return -EINVAL;
    }
    regex->kind = kind;
    regex->arena = NV_ARENA(KEPT_MAX);
    regex->pattern = nv_arena_str(&regex->arena, pattern);
    if (!regex->pattern.p)
        return -ENOMEM;
    int r = nv_regex_parse(regex->pattern, kind == NV_REGEX_ANCHORED, &arena, &tree, error);
    if (r == 0)
        r = build(regex, &tree, error);
    nv_arena_done(&arena);
    if (r < 0)
        return r;
    *ret = nv_take(regex);
    return 0;
}

void nv_regex_free(struct nv_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    nv_arena_done(&regex->arena);
    free(regex);
}

/* Runs the engine over valid UTF-8. What exceeds a limit is no match. */
static bool run(const struct nv_regex *regex, struct scratch *scratch, struct nv_str text,
                size_t from)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)(text.n ? text.p : "");
    size_t starts = regex->kind == NV_REGEX_ANCHORED ? 1 : text.n + 1;
    size_t steps = STEPS_MAX / starts > STEPS_MIN ? STEPS_MAX / starts : STEPS_MIN;

    pcre2_set_match_limit(scratch->context, (uint32_t)steps);
    pcre2_set_depth_limit(scratch->context, (uint32_t)steps);
    if (!regex->jit)
        return pcre2_match(regex->code, subject, text.n, from, PCRE2_NO_UTF_CHECK, scratch->data,
                           scratch->context) >= 0;
    int r = pcre2_jit_match(regex->code, subject, text.n, from, 0, scratch->data, scratch->context);
    if (r == PCRE2_ERROR_JIT_STACKLIMIT && !scratch->stack) {
        scratch->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MAX, NULL);
        if (!scratch->stack)
            return false;
        pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
        r = pcre2_jit_match(regex->code, subject, text.n, from, 0, scratch->data, scratch->context);
    }
    return r >= 0;
}

/* The text with each byte that is no UTF-8 as the replacement character, which RE2 takes it for. */
static bool mend(struct scratch *scratch, struct nv_str text, struct nv_str *ret)
{
    size_t n = 0;
    uint32_t c;

    if (text.n > SIZE_MAX / 4)
        return false;
    if (scratch->mended_size < 3 * text.n) {
        char *p = realloc(scratch->mended, 3 * text.n);
        if (!p)
            return false;
        scratch->mended = p;
        scratch->mended_size = 3 * text.n;
    }
    for (struct nv_str rest = text; rest.n;) {
        size_t length = nv_utf8_decode(rest, &c);
        memcpy(scratch->mended + n, length ? rest.p : "\xef\xbf\xbd", length ? length : 3);
        n += length ? length : 3;
        rest = nv_str_from(rest, length ? length : 1);
    }
    *ret = (struct nv_str){scratch->mended, n};
    return true;
}

/* Where in `text` an offset into the mended text lies. */
static size_t unmend(struct nv_str text, size_t offset)
{
    struct nv_str rest = text;
    uint32_t c;

    while (rest.n && offset) {
        size_t length = nv_utf8_decode(rest, &c);
        size_t mended = length ? length : 3;
        if (mended > offset)
            break;
        offset -= mended;
        rest = nv_str_from(rest, length ? length : 1);
    }
    return text.n - rest.n;
}

bool nv_regex_match(const struct nv_regex *regex, struct nv_str text)
{
    if (regex->is_plain && !(regex->plain.minds_newlines && text.n && memchr(text.p, '\n', text.n)))
        return nv_regex_match_plain(&regex->plain, text);

    struct scratch *scratch = get_scratch(1);
    if (!scratch || (!nv_utf8_valid(text) && !mend(scratch, text, &text)))
        return false;
    return run(regex, scratch, text, 0);
}

struct nv_str nv_regex_pattern(const struct nv_regex *regex)
{
    return regex->pattern;
}

size_t nv_regex_literals(const struct nv_regex *regex, const struct nv_str **ret)
{
    if (!regex->is_plain || regex->plain.n_globs || !regex->plain.n_exact)
        return 0;
    *ret = regex->plain.exact;
    return regex->plain.n_exact;
}

size_t nv_regex_groups(const struct nv_regex *regex, struct nv_str text, struct nv_str *spans,
                       size_t max)
{
    size_t n = regex->n_captures + 1 < max ? regex->n_captures + 1 : max;
    struct nv_str subject = text;

    if (!max || (!regex->code && (!nv_regex_match(regex, text) || regex->kind == NV_REGEX_SEARCH)))
        return 0;
    if (!regex->code) {
        spans[0] = text;
        for (size_t i = 1; i < n; i++)
            spans[i] = (struct nv_str){NULL, 0};
        return n;
    }
    struct scratch *scratch = get_scratch((uint32_t)regex->n_captures + 1);
    bool valid = nv_utf8_valid(text);
    if (!scratch || (!valid && !mend(scratch, text, &subject)) || !run(regex, scratch, subject, 0))
        return 0;

    const size_t *offsets = pcre2_get_ovector_pointer(scratch->data);
    uint32_t n_set = pcre2_get_ovector_count(scratch->data);
    for (size_t i = 0; i < n; i++) {
        size_t from = i < n_set ? offsets[2 * i] : PCRE2_UNSET;
        size_t to = i < n_set ? offsets[2 * i + 1] : PCRE2_UNSET;
        if (from == PCRE2_UNSET || to < from) {
            spans[i] = (struct nv_str){NULL, 0};
            continue;
        }
        from = valid ? from : unmend(text, from);
        to = valid ? to : unmend(text, to);
        spans[i] = (struct nv_str){text.n ? text.p + from : "", to - from};
    }
    return n;
}

size_t nv_regex_search(const struct nv_regex *regex, struct nv_str text, size_t from,
                       struct nv_str *spans, size_t max)
{
    size_t n = regex->n_captures + 1 < max ? regex->n_captures + 1 : max;
    struct scratch *scratch =
        regex->code && n && from <= text.n ? get_scratch((uint32_t)regex->n_captures + 1) : NULL;

    if (!scratch || !nv_utf8_valid(text) || !run(regex, scratch, text, from))
        return 0;
    const size_t *offsets = pcre2_get_ovector_pointer(scratch->data);
    uint32_t n_set = pcre2_get_ovector_count(scratch->data);
    for (size_t i = 0; i < n; i++) {
        bool set =
            i < n_set && offsets[2 * i] != PCRE2_UNSET && offsets[2 * i] <= offsets[2 * i + 1];
        spans[i] = !set ? (struct nv_str){NULL, 0}
                        : (struct nv_str){text.p ? text.p + offsets[2 * i] : "",
                                          offsets[2 * i + 1] - offsets[2 * i]};
    }
    return n;
}

static bool is_name(char c)
{
    return c == '_' || nv_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* The span a reference means; nothing for one that there is not. */
static struct nv_str referred(const struct nv_regex *regex, struct nv_str name,
                              const struct nv_str *spans, size_t n_spans)
{
    uint64_t number;

    if (nv_str_to_u64(name, &number) && !(name.p[0] == '0' && name.n > 1))
        return number < n_spans ? spans[number] : NV_LIT("");
    for (size_t i = 1; regex && i <= regex->n_captures && i < n_spans; i++) {
        if (nv_str_eq(regex->names[i], name) && spans[i].p)
            return spans[i];
    }
    return NV_LIT("");
}

/* The name behind a dollar, taken from *rest; false where there is none. */
static bool take_reference(struct nv_str *rest, struct nv_str *ret)
{
    size_t brace = rest->n && rest->p[0] == '{', n = brace;

    while (n < rest->n && is_name(rest->p[n]))
        n++;
    *ret = (struct nv_str){rest->p + brace, n - brace};
    if (!ret->n || (brace && (n == rest->n || rest->p[n] != '}')))
        return false;
    *rest = nv_str_from(*rest, n + brace);
    return true;
}

void nv_regex_expand(const struct nv_regex *regex, struct nv_str replacement,
                     const struct nv_str *spans, size_t n_spans, struct nv_buf *out)
{
    while (replacement.n) {
        struct nv_str name;
        size_t dollar = nv_str_find(replacement, '$');
        nv_buf_add(out, replacement.p, dollar);
        if (dollar == replacement.n)
            return;
        replacement = nv_str_from(replacement, dollar + 1);
        if (replacement.n && replacement.p[0] == '$') {
            nv_buf_char(out, '$');
            replacement = nv_str_from(replacement, 1);
        } else if (take_reference(&replacement, &name)) {
            nv_buf_str(out, referred(regex, name, spans, n_spans));
        } else {
            nv_buf_char(out, '$');
        }
    }
}
