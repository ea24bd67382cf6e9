/*
 * agent.h - the daemon: flags into collectors into /metrics, until somebody says stop.
 *
 *   signals    SIGTERM and SIGINT end it, SIGHUP is a reload; taken through a descriptor in the one loop
 *              of the main thread, which sleeps otherwise
 *   systemd    READY, STATUS, RELOADING, STOPPING and the watchdog where NOTIFY_SOCKET asks for them; the
 *              journal with structured fields where standard error leads there
 *   status     0 after a stop, 1 where something was wrong at the start
 */
#ifndef NV_AGENT_AGENT_H
#define NV_AGENT_AGENT_H

#include "agent/outgoing.h"
#include "agent/history.h"
#include "agent/options.h"
#include "agent/scraping.h"
#include "agent/self.h"

/* Form and level of the log, as flags and systemd have it. Before the first thread. */
void nv_agent_log(const struct nv_options *options);

/*
 * Makes the gather of all collectors that are on and of what tells of the agent itself, and starts it. On
 * failure returns a negative errno and a line for the user in `error`.
 */
struct nv_agent_parts {
    struct nv_self *self;
    struct nv_history *history;       /* NULL for none */
    struct nv_configured *configured; /* the same */
    struct nv_outgoing *outgoing;     /* the same */
    struct nv_kubernetes *kubernetes; /* the same */
    struct nv_scraping *scraping;     /* the same */
};

/* The kubelet, where flags, surroundings or collectors ask for one, asked from now on; *ret NULL where none do. */
NV_MUST_USE int nv_agent_kubernetes(const struct nv_options *options, struct nv_kubernetes **ret,
                                    char error[NV_FLAGS_ERROR_MAX]);
NV_MUST_USE int nv_agent_gather(const struct nv_options *options,
                                const struct nv_agent_parts *parts, bool exporter_metrics,
                                struct nv_gather **ret, char error[NV_FLAGS_ERROR_MAX]);

/* Runs until a signal ends it. Returns the exit status; what goes wrong is told on standard error. */
int nv_agent_run(const struct nv_options *options);

#endif
