/*
 * problems.h - what a log says of a node's health, counted: the rules behind the collectors kmsg and journal.
 *
 *   rules      built in (kernel_rules.c, system_rules.c), and those of files in node-problem-detector's notation
 *              (rules_file.c). A line counts once for a reason, however many of its rules match
 *   events     a rule without a condition: each line that matches counts
 *   conditions a rule with one says that something is so. It counts when the condition begins, or gets another reason;
 *              it ends by a line that says so, of the same device, or when it was not heard of for a time
 *   cost       one pass over a line finds which rules can match at all; only those ask the regular expressions, which
 *              are compiled when first asked
 *   bounds     below. Past NV_PROBLEM_RATE matches of a rule in one second of the log they are counted as suppressed
 *   threads    one; what two collectors count together lies in memory they share, under its lock
 */
#ifndef NODEVITALS_PROBLEMS_H
#define NODEVITALS_PROBLEMS_H

#include <nodevitals/collector.h>

enum {
    NV_PROBLEM_RULES_MAX = 1024,
    NV_PROBLEM_REASONS_MAX = 256,   /* of both collectors together */
    NV_PROBLEM_TEXT_MAX = 8 << 10,  /* of a line */
    NV_PROBLEM_PLACES_MAX = 512,    /* distinct labels of a collector; what is beyond has none */
    NV_PROBLEM_CONDITIONS_MAX = 64, /* devices times conditions at one time */
    NV_PROBLEM_NAME_MAX = 64,       /* of a reason, a condition, a device */
    NV_PROBLEM_FILES_MAX = 16,
    NV_PROBLEM_FILE_MAX = 1 << 20,
    NV_PROBLEM_BUFFER_MAX = 64, /* lines that a rule of a file may reach over */
    NV_PROBLEM_RATE = 100,
};

/* Options of a rule. */
enum {
    NV_RULE_LATER_LINE =
        1
        << 0, /* of an event of several lines: counts where no other came within a second before */
    NV_RULE_ENDS = 1 << 1, /* ends its condition */
    NV_RULE_NOTES =
        1 << 2, /* counts nothing: tells of which cgroup a process is that another line names */
    NV_RULE_FLAPS = 1 << 3, /* the third of a device within five minutes counts as LinkFlap, too */
    NV_RULE_TRUSTED = 1 << 4, /* only what root wrote */
};

struct nv_problem_rule {
    const char *reason;
    const char *condition; /* NULL: an event */
    const char *literals;  /* with '|' between: one of them must occur; NULL: none is known */
    const char *pattern;   /* searched for; NULL: a literal is enough */
    /* What its groups are, a letter each: d device, c cgroup, g cgroup whose processes are all killed, u unit, p process
     * id, - nothing. */
    const char *groups;
    unsigned options;

    /* Of the journal; NULL where any will do. */
    const char *id;         /* MESSAGE_ID */
    const char *identifier; /* SYSLOG_IDENTIFIER */
    const char *unit;       /* the unit spoken of */
};

extern const struct nv_problem_rule nv_kernel_rules[], nv_system_rules[];
extern const size_t nv_n_kernel_rules, nv_n_system_rules;

/* A line of a log. */
struct nv_problem_line {
    struct nv_str text;
    uint64_t stamp_us;    /* on a clock that never goes back within the log */
    int64_t time_ms;      /* of day */
    bool continued;       /* the same line as before, grown */
    bool trusted;         /* root wrote it */
    struct nv_str device; /* what the log says beside the text; a rule's own finding goes before */
    struct nv_str id, identifier, unit, cgroup;
};

struct nv_problems;

/* `source` is the label; `side` 0 or 1 tells the two apart in what they share. Called in start(). NULL when memory is
 * out. */
struct nv_problems *nv_problems_new(struct nv_pass *pass, const char *source, unsigned side);
void nv_problems_free(struct nv_problems *problems);

/* Adds rules, which stay the caller's, for lines of an identifier, or those that each rule is for (NULL). 0; -E2BIG. */
int nv_problems_add(struct nv_problems *problems, const struct nv_problem_rule *rules, size_t n,
                    const char *identifier);

/* Adds those of a file for `plugin` ("kmsg", "journald"). On failure nv_said() has file, line and reason. */
int nv_problems_add_file(struct nv_pass *pass, struct nv_problems *problems, const char *path,
                         const char *plugin);
int nv_problems_add_text(struct nv_pass *pass, struct nv_problems *problems, const char *path,
                         const char *plugin, struct nv_str text);

/* After the last was added: makes ready for lines. */
int nv_problems_ready(struct nv_problems *problems);

/* The identifiers that the rules of files are for, one by one, NULL at the end; *ret_any: some take any. */
const char *nv_problems_identifier(const struct nv_problems *problems, size_t i, bool *ret_any);

/* Looks at a line. Returns whether it changed anything that is to be kept. */
bool nv_problems_see(struct nv_pass *pass, struct nv_problems *problems,
                     const struct nv_problem_line *line);

/* Ends what was not heard of since timeout_ms before now_ms (0: never). */
void nv_problems_age(struct nv_problems *problems, int64_t now_ms, int64_t timeout_ms);

void nv_problems_emit(struct nv_pass *pass, struct nv_problems *problems);
extern const struct nv_table nv_problem_counters, nv_problem_gauges, nv_problem_events,
    nv_problem_suppressed;
#define NV_PROBLEM_TABLES                                                                          \
    &nv_problem_counters, &nv_problem_gauges, &nv_problem_events, &nv_problem_suppressed

/* Conditions as lines of text, and back; a line that is none of ours is passed over. */
size_t nv_problems_write(const struct nv_problems *problems, char *out, size_t size);
void nv_problems_read(struct nv_problems *problems, struct nv_str line);

/* Whether an entry of the journal is the kernel's own: what root writes to /dev/kmsg comes the same way, as another
 * facility. */
static inline bool nv_problem_is_kernels(struct nv_str transport, struct nv_str facility)
{
    return nv_str_is(transport, "kernel") && (!facility.n || nv_str_is(facility, "0"));
}

#endif
