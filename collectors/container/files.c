/*
 * files.c - which files are read, but for those of blkio, which walk.c chooses.
 */
#include "files.h"

enum {
    ALL = NV_CG_WHOLE | NV_CG_SANDBOX | NV_CG_SYSTEM | NV_CG_NODE,
    NOT_ROOT = ALL & ~NV_CG_NODE,
    SOME = NV_CG_WHOLE | NV_CG_SYSTEM,
};

/* clang-format off */
const struct nv_cg_file nv_cg_files_v2[] = {
    {"cpu.stat",             NV_CG_C_CPUACCT, NV_CG_CPU,      ALL,         0,                      nv_cg_parse_cpu_stat },
    {"cpu.max",              NV_CG_C_CPU,     NV_CG_ALWAYS,   NV_CG_WHOLE, 0,                      nv_cg_parse_cpu_max  },
    {"cpu.weight",           NV_CG_C_CPU,     NV_CG_ALWAYS,   NV_CG_WHOLE, 0,                      nv_cg_parse_weight   },
    {"memory.current",       NV_CG_C_MEMORY,  NV_CG_MEMORY,   NOT_ROOT,    NV_CG_MEM_USAGE,        nv_cg_parse_number   },
    {"memory.stat",          NV_CG_C_MEMORY,  NV_CG_MEMORY,   ALL,         0,                      nv_cg_parse_memory_v2},
    {"memory.peak",          NV_CG_C_MEMORY,  NV_CG_MEMORY,   NV_CG_WHOLE, NV_CG_MEM_MAX_USAGE,    nv_cg_parse_number   },
    {"memory.swap.current",  NV_CG_C_MEMORY,  NV_CG_MEMORY,   SOME,        NV_CG_MEM_SWAP,         nv_cg_parse_number   },
    {"memory.events",        NV_CG_C_MEMORY,  NV_CG_MEMORY | NV_CG_OOM, SOME, 0,                   nv_cg_parse_events   },
    {"memory.max",           NV_CG_C_MEMORY,  NV_CG_ALWAYS,   SOME,        NV_CG_SPEC_LIMIT,       nv_cg_parse_limit    },
    {"memory.min",           NV_CG_C_MEMORY,  NV_CG_ALWAYS,   NV_CG_WHOLE, NV_CG_SPEC_RESERVATION, nv_cg_parse_limit    },
    {"memory.swap.max",      NV_CG_C_MEMORY,  NV_CG_ALWAYS,   NV_CG_WHOLE, NV_CG_SPEC_SWAP,        nv_cg_parse_limit    },
    {"io.stat",              NV_CG_C_IO,      NV_CG_DISK_IO,  SOME | NV_CG_NODE, 0,                nv_cg_parse_io_stat  },
    {"pids.current",         NV_CG_C_PIDS,    NV_CG_PROCESS,  NOT_ROOT,    NV_CG_THREADS,          nv_cg_parse_number   },
    {"pids.max",             NV_CG_C_PIDS,    NV_CG_PROCESS,  NV_CG_WHOLE, NV_CG_THREADS_MAX,      nv_cg_parse_limit    },
    {"cpu.pressure",         NV_CG_C_CORE,    NV_CG_PRESSURE, NV_CG_WHOLE | NV_CG_NODE, NV_CG_PSI_CPU_SOME, nv_cg_parse_pressure},
    {"memory.pressure",      NV_CG_C_CORE,    NV_CG_PRESSURE, NV_CG_WHOLE | NV_CG_NODE, NV_CG_PSI_MEM_SOME, nv_cg_parse_pressure},
    {"io.pressure",          NV_CG_C_CORE,    NV_CG_PRESSURE, NV_CG_WHOLE | NV_CG_NODE, NV_CG_PSI_IO_SOME,  nv_cg_parse_pressure},
    {NV_CG_PROCS,            NV_CG_C_CPUACCT, NV_CG_PROCESS | NV_CG_FDS | NV_CG_SCHED, NV_CG_WHOLE, 0,           nv_cg_parse_procs    },
    {NULL, 0, 0, 0, 0, NULL},
};

const struct nv_cg_file nv_cg_files_v1[] = {
    {"cpuacct.usage",               NV_CG_C_CPUACCT, NV_CG_CPU,     ALL,         NV_CG_CPU_USAGE,        nv_cg_parse_number      },
    {"cpuacct.stat",                NV_CG_C_CPUACCT, NV_CG_CPU,     ALL,         0,                      nv_cg_parse_cpuacct_stat},
    {"cpu.stat",                    NV_CG_C_CPU,     NV_CG_CPU,     NV_CG_WHOLE, 0,                      nv_cg_parse_cpu_stat    },
    {"cpu.cfs_period_us",           NV_CG_C_CPU,     NV_CG_ALWAYS,  NV_CG_WHOLE, NV_CG_SPEC_PERIOD,      nv_cg_parse_number      },
    {"cpu.cfs_quota_us",            NV_CG_C_CPU,     NV_CG_ALWAYS,  NV_CG_WHOLE, NV_CG_SPEC_QUOTA,       nv_cg_parse_quota       },
    {"cpu.shares",                  NV_CG_C_CPU,     NV_CG_ALWAYS,  NV_CG_WHOLE, NV_CG_SPEC_SHARES,      nv_cg_parse_number      },
    {"memory.usage_in_bytes",       NV_CG_C_MEMORY,  NV_CG_MEMORY,  ALL,         NV_CG_MEM_USAGE,        nv_cg_parse_number      },
    {"memory.stat",                 NV_CG_C_MEMORY,  NV_CG_MEMORY,  ALL,         0,                      nv_cg_parse_memory_v1   },
    {"memory.max_usage_in_bytes",   NV_CG_C_MEMORY,  NV_CG_MEMORY,  NV_CG_WHOLE, NV_CG_MEM_MAX_USAGE,    nv_cg_parse_number      },
    {"memory.failcnt",              NV_CG_C_MEMORY,  NV_CG_MEMORY,  NV_CG_WHOLE, NV_CG_MEM_FAILCNT,      nv_cg_parse_number      },
    {"memory.kmem.usage_in_bytes",  NV_CG_C_MEMORY,  NV_CG_MEMORY,  NV_CG_WHOLE, NV_CG_MEM_KERNEL,       nv_cg_parse_number      },
    {"memory.oom_control",          NV_CG_C_MEMORY,  NV_CG_OOM,     SOME,        0,                      nv_cg_parse_events      },
    {"memory.limit_in_bytes",       NV_CG_C_MEMORY,  NV_CG_ALWAYS,  SOME,        NV_CG_SPEC_LIMIT,       nv_cg_parse_limit       },
    {"memory.soft_limit_in_bytes",  NV_CG_C_MEMORY,  NV_CG_ALWAYS,  NV_CG_WHOLE, NV_CG_SPEC_RESERVATION, nv_cg_parse_limit       },
    {"memory.memsw.limit_in_bytes", NV_CG_C_MEMORY,  NV_CG_ALWAYS,  NV_CG_WHOLE, NV_CG_SPEC_SWAP,        nv_cg_parse_limit       },
    {"cpuacct.usage_percpu",        NV_CG_C_CPUACCT, NV_CG_PERCPU,  ALL,         0,                      nv_cg_parse_percpu      },
    {"memory.numa_stat",            NV_CG_C_MEMORY,  NV_CG_NUMA,    NV_CG_WHOLE | NV_CG_NODE, 0,         nv_cg_parse_numa        },
    {"cpuset.memory_migrate",       NV_CG_C_CPUSET,  NV_CG_CPUSET,  NV_CG_WHOLE, NV_CG_MEM_MIGRATE,      nv_cg_parse_number      },
    {"pids.current",                NV_CG_C_PIDS,    NV_CG_PROCESS, NOT_ROOT,    NV_CG_THREADS,          nv_cg_parse_number      },
    {"pids.max",                    NV_CG_C_PIDS,    NV_CG_PROCESS, NV_CG_WHOLE, NV_CG_THREADS_MAX,      nv_cg_parse_limit       },
    {NV_CG_PROCS,                   NV_CG_C_CPUACCT, NV_CG_PROCESS | NV_CG_FDS | NV_CG_SCHED, NV_CG_WHOLE, 0,           nv_cg_parse_procs       },
    {NULL, 0, 0, 0, 0, NULL},
};
/* clang-format on */
