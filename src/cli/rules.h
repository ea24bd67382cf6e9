/*
 * rules.h - what commands about rules share.
 */
#ifndef NV_CLI_RULES_H
#define NV_CLI_RULES_H

#include "agent/flags.h"
#include "cli/cli.h"
#include "rules/rule_file.h"

/* `check rules [FILE ...]` and `test rules FILE ...`, with the words behind. Each returns the exit status. */
int nv_cli_check_rules(int argc, const char *const *argv);
int nv_cli_test_rules(int argc, const char *const *argv);

/* `check config FILE ...`. */
int nv_cli_check_config(int argc, const char *const *argv);

/* How rule files are checked, and what was found so far. */
struct nv_cli_rule_check {
    struct nv_rule_file_options options;
    bool duplicates, failed,
        has_mistakes; /* duplicates: look for them; failed: mistakes or findings */
};

/* Reads what --lint says into `check`. False where that is none of its words. */
bool nv_cli_read_lint(struct nv_str list, struct nv_cli_rule_check *check);

/* Checks a file and tells how it went. -ENOMEM. */
int nv_cli_check_rule_file(struct nv_cli_rule_check *check, const char *path);

/* Reads a command's flags and operands. Returns 0; or -1 when there is nothing more to do, with the exit status. */
int nv_cli_read_flags(struct nv_flags *flags, const struct nv_flag *list, int argc,
                      const char *const *argv, const struct nv_flag_value **ret, int *ret_status);

/* Features of PromQL by their names, commas between; others are told on standard error. */
unsigned nv_cli_features(const struct nv_flag_value *value);

#endif
