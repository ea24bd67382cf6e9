/*
 * flags_table.h - the tables behind flags.h, shared by what reads, completes and prints them.
 */
#ifndef NV_AGENT_FLAGS_TABLE_H
#define NV_AGENT_FLAGS_TABLE_H

#include "agent/flags.h"

#include "base/arena.h"

enum { NV_FLAGS_NAME_MAX = 120, NV_FLAGS_MEMORY_MAX = 64 << 20 };

struct nv_flags_group {
    const char *title;
    const struct nv_flag *list;
    size_t n;
    struct nv_flag_value *values;
};

struct nv_flags {
    const char *program, *summary;
    struct nv_flags_group groups[NV_FLAGS_GROUPS_MAX];
    size_t n_groups;
    struct nv_arena arena;
    const char *operands[NV_FLAGS_OPERANDS_MAX];
    size_t n_operands, operands_max;
    const char *partial; /* the word that --completion-bash is to complete */
    char error[NV_FLAGS_ERROR_MAX];
};

/* The flags every program has, which are no table's. */
struct nv_flags_builtin {
    const char *name, *help;
    enum nv_flags_outcome outcome;
    bool hidden;
};
extern const struct nv_flags_builtin nv_flags_builtins[];
extern const size_t nv_flags_n_builtins;

/* Words of a command line, @FILE expanded. */
struct nv_flags_words {
    const char **at;
    size_t n, room;
};
NV_MUST_USE int nv_flags_expand(struct nv_flags *flags, int argc, const char *const *argv,
                                struct nv_flags_words *ret);

/* Reads `text` into a value; a list grows by it. Returns 0, -EINVAL where it is none of its kind, or -ENOMEM. */
NV_MUST_USE int nv_flags_read(struct nv_flags *flags, const struct nv_flag *flag, const char *text,
                              struct nv_flag_value *value);

/* Remembers what was wrong and returns error. */
__attribute__((format(printf, 3, 4))) int nv_flags_fail(struct nv_flags *flags, int error,
                                                        const char *format, ...);

#endif
