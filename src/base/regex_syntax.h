/*
 * regex_syntax.h - RE2 syntax as a tree, and what is made of the tree. Private to regex*.c.
 *
 *   bound      the arena; NV_REGEX_HEIGHT_MAX levels, so that recursion over a tree is safe
 *   ownership  all memory is the arena's
 */
#ifndef NV_BASE_REGEX_SYNTAX_H
#define NV_BASE_REGEX_SYNTAX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/regex.h"

enum { NV_REGEX_HEIGHT_MAX = 1000, NV_REGEX_REPEAT_MAX = 1000 };

enum nv_regex_op {
    NV_REGEX_EMPTY,
    NV_REGEX_LITERAL, /* one character */
    NV_REGEX_CLASS,
    NV_REGEX_ANY,
    NV_REGEX_ANY_BUT_NEWLINE,
    NV_REGEX_BEGIN_TEXT,
    NV_REGEX_END_TEXT,
    NV_REGEX_BEGIN_LINE,
    NV_REGEX_END_LINE,
    NV_REGEX_WORD_EDGE,
    NV_REGEX_NO_WORD_EDGE,
    NV_REGEX_CAPTURE,   /* one child */
    NV_REGEX_REPEAT,    /* one child */
    NV_REGEX_CONCAT,    /* children in order */
    NV_REGEX_ALTERNATE, /* children in order of preference */
};

/* A part of a class: characters lo to hi, or those with a Unicode property. */
struct nv_regex_part {
    struct nv_regex_part *next;
    uint32_t lo, hi;
    struct nv_str property; /* as PCRE2 names it; empty for a range */
    bool negated;           /* the property */
};

struct nv_regex_node {
    enum nv_regex_op op;
    bool fold;    /* LITERAL, CLASS: whatever the case */
    bool negated; /* CLASS */
    bool lazy;    /* REPEAT */
    uint32_t character;
    int min, max; /* REPEAT; max is -1 for no end */
    struct nv_regex_part *parts;
    struct nv_regex_node *first, *next; /* children, siblings */
    unsigned height;
    unsigned times; /* the product of the counted repeats on the worst path through here */
};

struct nv_regex_tree {
    struct nv_regex_node *root;
    size_t n_captures;
    const struct nv_str *names; /* of captures, from 0; empty where it has none */
};

/* Returns 0; -EINVAL with a reason in `error`; -ENOMEM. */
NV_MUST_USE int nv_regex_parse(struct nv_str pattern, bool dot_is_any, struct nv_arena *arena,
                               struct nv_regex_tree *ret, char error[NV_REGEX_ERROR_MAX]);

/* Appends the tree in PCRE2's syntax, for PCRE2_UTF | PCRE2_DOTALL | PCRE2_MULTILINE | PCRE2_ALT_CIRCUMFLEX. */
void nv_regex_write(const struct nv_regex_node *node, struct nv_buf *out);

/* Whether PCRE2 knows the script (Greek, Latin ...). */
bool nv_regex_knows_script(struct nv_str name);

/*
 * An expression that needs no engine: the texts it matches as a whole, and globs, which are up to four
 * texts with gaps (`.*`, `.+`) between.
 */
enum { NV_REGEX_TEXTS_MAX = 4 };
struct nv_regex_glob {
    struct nv_str texts[NV_REGEX_TEXTS_MAX];
    unsigned char n_texts;
    bool begin, end;                   /* the first text begins the subject, the last one ends it */
    bool some[NV_REGEX_TEXTS_MAX];     /* whether the gap after text i needs a character, */
    bool newlines[NV_REGEX_TEXTS_MAX]; /* and may hold newlines */
};
struct nv_regex_plain {
    struct nv_str *exact; /* sorted, no two the same */
    size_t n_exact;
    struct nv_regex_glob *globs;
    size_t n_globs;
    bool minds_newlines; /* a text with a newline must go to the engine */
};

/* False where the tree needs the engine. */
bool nv_regex_make_plain(const struct nv_regex_node *root, struct nv_arena *arena,
                         struct nv_regex_plain *ret);
bool nv_regex_match_plain(const struct nv_regex_plain *plain, struct nv_str text);

#endif
