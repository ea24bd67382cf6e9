/*
 * system_rules.c - what systemd and others say in the journal when something is wrong. By MESSAGE_ID where there is one:
 * words change from version to version.
 */
#include "problems.h"

#define HEAD  NV_RULE_TRUSTED
#define LATER (NV_RULE_TRUSTED | NV_RULE_LATER_LINE)

/* Constants of systemd's catalogue. */
#define STARTING         "7d4958e842da4a758f6c1cdc7b36dcc5"
#define STARTED          "39f53479d3a045ac8e11786248231fbf"
#define START_FAILED     "be02cf6855d2428ba40df7e9d022f03d"
#define FAILURE_RESULT   "d9b373ed55a64feb8242e02dbe79a49c"
#define OUT_OF_MEMORY    "fe6faa94e7774663a0da52717891d8ef"
#define KILLED_BY_OOMD   "d989611b15e44c9dbf31e3c81256e4ed"
#define COREDUMP         "fc2e22bc6ee647b6b90729ab34a250b1"
#define TIME_CHANGED     "c7a787079b354eaaa9e77b371893cd27"
#define MESSAGES_DROPPED "a596d6fe7bfa4994828e72309e95d61e"

// clang-format off
#define BY_ID(reason, id, unit, options)             {reason, NULL, NULL, NULL, NULL, options, id, NULL, unit}
#define BY_TEXT(reason, identifier, literal, pattern) {reason, NULL, literal, pattern, NULL, HEAD, NULL, identifier, NULL}

const struct nv_problem_rule nv_system_rules[] = {
    /* The runtimes say that they are ready, so a loop of failed starts shows in what begins; the kubelet does not. */
    BY_ID("KubeletStart",    STARTED,  "kubelet.service",    HEAD),
    BY_ID("ContainerdStart", STARTING, "containerd.service", HEAD),
    BY_ID("DockerStart",     STARTING, "docker.service",     HEAD),
    /* A unit that fails while it starts has both lines; one whose dependency failed the second only. */
    BY_ID("UnitFailed", FAILURE_RESULT, NULL, HEAD),
    BY_ID("UnitFailed", START_FAILED,   NULL, LATER),
    BY_ID("UnitOutOfMemory",  OUT_OF_MEMORY,  NULL, HEAD), /* the kernel's kill is OOMKilling */
    BY_ID("SystemdOomKill",   KILLED_BY_OOMD, NULL, HEAD),
    BY_ID("Coredump",         COREDUMP,       NULL, HEAD),
    {"JournalSuppressed", NULL, NULL, "^Suppressed \\d+ messages from (\\S+)", "u", HEAD, MESSAGES_DROPPED, NULL, NULL},

    BY_ID("TimeJump", TIME_CHANGED, NULL, HEAD),
    BY_TEXT("TimeJump", "systemd-journald",   "Time jumped backwards", NULL),
    BY_TEXT("TimeJump", "systemd-timesyncd",  "jumped backwards", NULL),
    BY_TEXT("TimeJump", "chronyd",            "System clock was stepped by ", NULL),
    BY_TEXT("TimeJump", "chronyd",            "Forward time jump detected|Backward time jump detected", NULL),
    BY_TEXT("TimeJump", "ntpd",               "step", "(?:time reset|step_systime|clock_step|time stepped by|step time server)"),

    BY_TEXT("CorruptDockerImage", "dockerd", "failed to register layer: rename ", "rename /var/lib/docker/image/.+: directory not empty"),
    BY_TEXT("DockerContainerStartupFailure", "dockerd", "container process is already dead", "start failed: container process is already dead"),
    {"CorruptDockerOverlay2", "CorruptDockerOverlay2", "readlink /var/lib/docker/overlay2", "overlay2.*: invalid argument", NULL, HEAD, NULL, "dockerd", NULL},

    BY_TEXT("CCPPCrash",         "abrt-notification", ") crashed in ", "Process \\d+ \\(\\S+\\) crashed in "),
    BY_TEXT("UncaughtException", "abrt-notification", " encountered an uncaught ", NULL),
    BY_TEXT("XorgCrash",         "abrt-notification", "Display server ", "Display server \\S+ crash in "),
    BY_TEXT("VMcore",            "abrt-notification", "System encountered a fatal error in ", NULL),
    BY_TEXT("KernelOops",        "abrt-notification", "System encountered a non-fatal error in ", NULL),
};
const size_t nv_n_system_rules = NV_LEN(nv_system_rules);
// clang-format on
