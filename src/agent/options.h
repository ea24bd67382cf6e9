/*
 * options.h - the flags of the agent, and which collectors they switch on.
 *
 * The tables of options.c are the agent's own flags; each collector adds --[no-]collector.NAME and
 * its own list, plugins from --collector.plugin-dir included. Collectors of node_exporter that are
 * deprecated there and not provided here (ntp, runit, supervisord) keep their flags.
 */
#ifndef NV_AGENT_OPTIONS_H
#define NV_AGENT_OPTIONS_H

#include "agent/asking.h"
#include "agent/configured.h"
#include "agent/flags.h"
#include "agent/kubernetes.h"
#include "agent/storage.h"
#include "base/arena.h"
#include "gather/gather.h"

/* Indexes into the values of the groups, in the order of their tables. */
enum nv_option_general {
    NV_OPTION_PROCFS,
    NV_OPTION_SYSFS,
    NV_OPTION_ROOTFS,
    NV_OPTION_UDEV,
    NV_OPTION_DISABLE_DEFAULTS,
    NV_OPTION_PLUGIN_DIR,
    NV_OPTION_GOMAXPROCS,
    NV_OPTION_LOG_LEVEL,
    NV_OPTION_LOG_FORMAT,
};
enum nv_option_web {
    NV_OPTION_LISTEN,
    NV_OPTION_SYSTEMD_SOCKET,
    NV_OPTION_TELEMETRY_PATH,
    NV_OPTION_DISABLE_EXPORTER_METRICS,
    NV_OPTION_MAX_REQUESTS,
    NV_OPTION_WEB_CONFIG,
    NV_OPTION_KUBERNETES_AUTH,
    NV_OPTION_KUBERNETES_URL,
    NV_OPTION_KUBERNETES_TOKEN_FILE,
    NV_OPTION_KUBERNETES_CA_FILE,
    NV_OPTION_KUBERNETES_AUDIENCE,
    NV_OPTION_KUBERNETES_SELF_SIGNED,
};

enum { NV_OPTIONS_NAMES_MAX = 4 << 20 }; /* bytes of generated names and helps */

struct nv_option_collector {
    const char *name;
    const struct nv_collector *collector; /* NULL where it is not provided */
    struct nv_flag on_flag[2];            /* --[no-]collector.NAME */
    const struct nv_flag_value *on, *values;
};

struct nv_options {
    struct nv_flags *flags;
    const struct nv_flag_value *general, *web, *storage, *query, *rules, *kube;
    struct nv_storage history; /* what the flags of storage mean, */
    struct nv_asking asking;   /* and those of queries */
    struct nv_option_collector collectors[NV_GATHER_COLLECTORS_MAX];
    size_t n_collectors;
    struct nv_arena names;
    char error[NV_FLAGS_ERROR_MAX];
};

/* `program` and `summary` are for --help. NULL when memory is out. */
struct nv_options *nv_options_new(const char *program, const char *summary);
void nv_options_free(struct nv_options *options);
NV_DEFINE_AUTO(nv_options)

/*
 * Reads a command line, without the words that name the program and its command, and loads the plugins
 * it names. `builtins` ends in NULL. Once only. Returns 0, an nv_flags_outcome, -EINVAL with options->error for the user, or -ENOMEM.
 */
NV_MUST_USE int nv_options_parse(struct nv_options *options,
                                 const struct nv_collector *const *builtins, int argc,
                                 const char *const *argv);

/* Whether collector i is to run. Those that are not provided are never on. */
bool nv_options_is_on(const struct nv_options *options, size_t i);

/* Whether collector i was asked for but is not provided. */
bool nv_options_is_missed(const struct nv_options *options, size_t i);

enum nv_log_level nv_options_log_level(const struct nv_options *options);

#endif
