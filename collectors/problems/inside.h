/*
 * inside.h - the rules at work, as problems.c and rules_file.c share them.
 */
#ifndef NODEVITALS_PROBLEM_INSIDE_H
#define NODEVITALS_PROBLEM_INSIDE_H

#include "book.h"
#include "conditions.h"
#include "literals.h"
#include "places.h"

enum { NV_RULE_GROUPS_MAX = 10 };

/* The last lines of a log, for the rules of one file. */
struct nv_problem_file {
    char *identifier; /* of the lines that it sees; NULL for all */
    size_t n_lines;   /* so many are kept, */
    uint64_t n_seen;  /* of so many seen */
    struct {
        char *p;
        size_t n, size;
    } lines[NV_PROBLEM_BUFFER_MAX];
};

struct nv_rule_at_work {
    const struct nv_problem_rule *rule;
    struct nv_problem_file *file; /* NULL: built in */
    const char *identifier;       /* of the lines it is for; NULL for any */
    struct nv_regex *regex;       /* made when first needed */
    int reason, type;             /* lines of the book; type -1: an event */
    int condition;         /* the type of the first rule with this condition, which stands for it */
    bool always;           /* no literal tells */
    uint64_t literal_seen; /* with which line of its file, counted from 1 */
    uint64_t second;       /* of the log */
    unsigned in_second;    /* matches */
};

/* Memory of rules read from files: a list, so that nothing moves. */
struct nv_problem_memory {
    struct nv_problem_memory *next;
    char bytes[];
};

struct nv_problems {
    const struct nv_host *host;
    const char *source;
    unsigned side;
    struct nv_problem_book *book;
    struct nv_rule_at_work *rules;
    size_t n_rules, first_of_files; /* those of files come last */
    struct nv_problem_file *files[NV_PROBLEM_FILES_MAX];
    size_t n_files;
    struct nv_problem_memory *memory;
    struct nv_literals *literals;
    struct nv_places *places;
    struct nv_conditions conditions;
    struct nv_problem_counts
        *counts; /* by reason and place, and what was seen lately; problems.c */
};

/* Memory that goes with the rules. NULL when there is none. */
void *nv_problems_keep(struct nv_problems *problems, size_t size);

/* Adds one rule. 0; -E2BIG; -ENOMEM. */
int nv_problems_add_rule(struct nv_problems *problems, const struct nv_problem_rule *rule,
                         struct nv_problem_file *file, struct nv_regex *regex);

#endif
