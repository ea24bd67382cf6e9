/*
 * flags.h - the command line in kingpin's manner, which is that of node_exporter and Prometheus.
 *
 *   --x=TEXT  --x TEXT   any kind but a boolean; a list may be given again, others may not
 *   --x  --no-x          booleans, which take no value
 *   @FILE                one argument a line; blank lines and lines beginning with # are skipped
 *   --                   ends the flags; what is no flag is an error, unless the command takes operands
 *   --x -1h              a minus before a digit begins a value
 *   --help -h --version, hidden: --help-long --help-man --completion-bash
 *                        --completion-script-bash --completion-script-zsh --completion-script-fish
 *
 *   tables     flags are struct nv_flag, in groups: those of the agent, of the web, of each collector
 *   values     stand in the order of their table; texts end in NUL
 *   ownership  values live as long as the nv_flags; argv has to live as long
 *   bounds     NV_FLAGS_ARGUMENTS_MAX arguments, NV_FLAGS_FILE_MAX bytes an @FILE, NV_FLAGS_NESTED_MAX
 *              files within files
 */
#ifndef NV_AGENT_FLAGS_H
#define NV_AGENT_FLAGS_H

#include <nodevitals/collector.h>

#include "base/cleanup.h"

enum {
    NV_FLAGS_ARGUMENTS_MAX = 65536,
    NV_FLAGS_FILE_MAX = 1 << 20,
    NV_FLAGS_NESTED_MAX = 8,
    NV_FLAGS_GROUPS_MAX = 600,
    NV_FLAGS_OPERANDS_MAX = 1024, /* files of a command */
    NV_FLAGS_ERROR_MAX = 1024,
};

struct nv_flags;

/* `program` and `summary` are for --help. NULL when memory is out. */
struct nv_flags *nv_flags_new(const char *program, const char *summary);
void nv_flags_free(struct nv_flags *flags);
NV_DEFINE_AUTO(nv_flags)

/*
 * Adds a group; `list` ends in a NULL name and is borrowed. *ret are its values, at first the defaults.
 * Returns 0; -EEXIST where a flag of that name stands already, which nv_flags_error() names; -EINVAL where
 * a default is no value of its kind; -E2BIG; -ENOMEM.
 */
NV_MUST_USE int nv_flags_add(struct nv_flags *flags, const char *title, const struct nv_flag *list,
                             struct nv_flag_value **ret);

/* Lets up to `max` words that are no flags stand anywhere between them, and behind --. */
void nv_flags_allow_operands(struct nv_flags *flags, size_t max);

/* The i-th of them; NULL behind the last. */
const char *nv_flags_operand(const struct nv_flags *flags, size_t i);

/* What a command line asks for instead of a run: nv_flags_print() gives it. */
enum nv_flags_outcome {
    NV_FLAGS_HELP = 1,
    NV_FLAGS_HELP_LONG, /* hidden flags included */
    NV_FLAGS_HELP_MAN,
    NV_FLAGS_VERSION, /* the caller's to print */
    NV_FLAGS_COMPLETE,
    NV_FLAGS_SCRIPT_BASH,
    NV_FLAGS_SCRIPT_ZSH,
    NV_FLAGS_SCRIPT_FISH,
};

/* Reads the command line, without the program's name. Returns 0, an outcome, -EINVAL with
 * nv_flags_error(), or -ENOMEM. Expressions are left to nv_flags_compile(). */
NV_MUST_USE int nv_flags_parse(struct nv_flags *flags, int argc, const char *const *argv);

/*
 * Looks for one flag before its neighbours are known, such as the folder of the plugins that bring
 * them: calls each() with every value given. Mistakes are left for nv_flags_parse() to find.
 */
int nv_flags_peek(struct nv_flags *flags, int argc, const char *const *argv, const char *name,
                  int (*each)(const char *value, void *user), void *user);

/* Reads a value into a flag as its default, from the environment for one. -ENOENT, -EINVAL. */
NV_MUST_USE int nv_flags_default(struct nv_flags *flags, const char *name, const char *value);

/* Compiles the expressions of a group, those of collectors that run; the rest need no memory and may
 * be wrong. Returns 0, -EINVAL with nv_flags_error(), or -ENOMEM. */
NV_MUST_USE int nv_flags_compile(struct nv_flags *flags, const struct nv_flag_value *values);

/* What was wrong, without a final period; "" for nothing. */
const char *nv_flags_error(const struct nv_flags *flags);

/* Calls each() with every flag that is shown and its value as text, lists joined by commas, until it returns other than
 * 0, which is then returned; or -ENOMEM. */
int nv_flags_each(const struct nv_flags *flags,
                  int (*each)(void *user, const char *name, struct nv_str value), void *user);

/* Writes what was asked for. */
void nv_flags_print(const struct nv_flags *flags, enum nv_flags_outcome what, FILE *to);

/* A duration as Go has it ("1h30m", "1.5s", "300ms", "-2us"), with d(ays) and w(eeks); in nanoseconds.
 * False where it is none or overflows. */
bool nv_flags_duration(struct nv_str text, int64_t *ret);

/* Of n names the one that is most like `name`, or NULL when none is like it. */
const char *nv_flags_nearest(const char *name, const char *const *names, size_t n);

#endif
