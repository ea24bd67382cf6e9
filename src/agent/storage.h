/*
 * storage.h - the flags of the local store, read and checked.
 *
 *   sizes      a number and B, KB, MB, GB, TB, PB or EB, in powers of 1024 as Prometheus has it; "0" is no limit
 *   durations  as all flags have them; milliseconds are the finest that count
 *   thinning   AGE:INTERVAL, told in any order, kept by rising age
 *   jobs       COLLECTOR=JOB, where a collector's series are to have another job than those it stands in for
 */
#ifndef NV_AGENT_STORAGE_H
#define NV_AGENT_STORAGE_H

#include "agent/flags.h"
#include "gather/gather.h"
#include "tsdb/store.h"

/* Indexes into the values of the group, in the order of its table. */
enum nv_option_storage {
    NV_OPTION_TSDB,
    NV_OPTION_TSDB_PATH,
    NV_OPTION_TSDB_INTERVAL,
    NV_OPTION_TSDB_RETENTION_TIME,
    NV_OPTION_TSDB_RETENTION_SIZE,
    NV_OPTION_TSDB_WAL_SYNC,
    NV_OPTION_TSDB_THIN,
    NV_OPTION_TSDB_NO_THIN,
    NV_OPTION_TSDB_JOB,
    NV_OPTION_TSDB_INSTANCE,
    NV_OPTION_TSDB_COLLECTOR_JOB,
};
extern const struct nv_flag nv_storage_flags[];

enum {
    NV_STORAGE_INTERVAL_MS_MIN = 100,
    NV_STORAGE_INTERVAL_MS_MAX = 60000, /* so that PromQL's lookback holds several samples */
    NV_STORAGE_BYTES_MIN = 1 << 20,
    NV_STORAGE_PATH_MAX = 4096,
    NV_STORAGE_JOBS_MAX = 64,
};

struct nv_storage {
    bool on;
    bool path_given; /* one that cannot be written is then an error, not a warning */
    char path[NV_STORAGE_PATH_MAX];
    int64_t interval_ms, retention_ms, wal_sync_ms;
    uint64_t retention_bytes;
    struct {
        int64_t age_ms, interval_ms;
    } thin[NV_STORE_THIN_MAX];
    size_t n_thin;
    const char *job, *instance; /* instance: "" where it is to be found out */
    struct nv_gather_job jobs[NV_STORAGE_JOBS_MAX];
    size_t n_jobs;
};

/* Returns 0, or -EINVAL with what is wrong. Texts are those of the values. */
NV_MUST_USE int nv_storage_read(const struct nv_flag_value *values, struct nv_storage *ret,
                                char error[NV_FLAGS_ERROR_MAX]);

/* "512MB" as bytes. False where it is none, or beyond 64 bits. */
bool nv_storage_bytes(struct nv_str text, uint64_t *ret);

#endif
