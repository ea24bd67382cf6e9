#include "files.h"

/* A key of a flat file: where its value goes, and times what. */
struct key {
    const char *name;
    uint8_t slot;
    uint32_t times;
};

enum { USEC = 1000 /* nanoseconds */, TICK = 10000000 /* USER_HZ is 100 everywhere */ };

/* In the order of the kernel's files, so that each is found where it is looked for first. */
static const struct key cpu_keys[] = {
    {"usage_usec",     NV_CG_CPU_USAGE,          USEC},
    {"user_usec",      NV_CG_CPU_USER,           USEC},
    {"system_usec",    NV_CG_CPU_SYSTEM,         USEC},
    {"nr_periods",     NV_CG_CFS_PERIODS,        1   },
    {"nr_throttled",   NV_CG_CFS_THROTTLED,      1   },
    {"throttled_usec", NV_CG_CFS_THROTTLED_TIME, USEC},
    {"throttled_time", NV_CG_CFS_THROTTLED_TIME, 1   }, /* v1 */
    {"nr_bursts",      NV_CG_CFS_BURSTS,         1   },
    {"burst_usec",     NV_CG_CFS_BURST_TIME,     USEC},
    {"burst_time",     NV_CG_CFS_BURST_TIME,     1   }, /* v1 */
};

static const struct key cpuacct_keys[] = {
    {"user",   NV_CG_CPU_USER,   TICK},
    {"system", NV_CG_CPU_SYSTEM, TICK},
};

static const struct key memory_v2_keys[] = {
    {"anon",                    NV_CG_MEM_RSS,           1},
    {"file",                    NV_CG_MEM_CACHE,         1},
    {"kernel",                  NV_CG_MEM_KERNEL,        1},
    {"file_mapped",             NV_CG_MEM_MAPPED,        1},
    {"file_dirty",              NV_CG_MEM_DIRTY,         1},
    {"file_writeback",          NV_CG_MEM_WRITEBACK,     1},
    {"inactive_file",           NV_CG_MEM_INACTIVE_FILE, 1},
    {"active_file",             NV_CG_MEM_ACTIVE_FILE,   1},
    {"workingset_refault_anon", NV_CG_MEM_REFAULT_ANON,  1},
    {"workingset_refault_file", NV_CG_MEM_REFAULT_FILE,  1},
    {"pgscan",                  NV_CG_MEM_PGSCAN,        1},
    {"pgsteal",                 NV_CG_MEM_PGSTEAL,       1},
    {"pgfault",                 NV_CG_FAULTS,            1},
    {"pgmajfault",              NV_CG_MAJOR_FAULTS,      1},
};

static const struct key memory_v1_keys[] = {
    {"pgfault",             NV_CG_FAULTS,            1},
    {"pgmajfault",          NV_CG_MAJOR_FAULTS,      1},
    {"total_cache",         NV_CG_MEM_CACHE,         1},
    {"total_rss",           NV_CG_MEM_RSS,           1},
    {"total_mapped_file",   NV_CG_MEM_MAPPED,        1},
    {"total_dirty",         NV_CG_MEM_DIRTY,         1},
    {"total_writeback",     NV_CG_MEM_WRITEBACK,     1},
    {"total_swap",          NV_CG_MEM_SWAP,          1},
    {"total_pgfault",       NV_CG_ALL_FAULTS,        1},
    {"total_pgmajfault",    NV_CG_ALL_MAJOR_FAULTS,  1},
    {"total_inactive_file", NV_CG_MEM_INACTIVE_FILE, 1},
    {"total_active_file",   NV_CG_MEM_ACTIVE_FILE,   1},
};

static const struct key event_keys[] = {
    {"high",     NV_CG_MEM_HIGH,  1},
    {"max",      NV_CG_MEM_MAX,   1},
    {"oom_kill", NV_CG_OOM_KILLS, 1},
};

static const struct {
    const char *name;
    enum nv_cg_io_number number;
} io_keys[] =
    {
        {"rbytes",       NV_CG_IO_READ_BYTES  },
        {"wbytes",       NV_CG_IO_WRITE_BYTES },
        {"rios",         NV_CG_IO_READS       },
        {"wios",         NV_CG_IO_WRITES      },
        {"cost.usage",   NV_CG_IO_COST_USAGE  },
        {"cost.wait",    NV_CG_IO_COST_WAIT   },
        {"cost.indebt",  NV_CG_IO_COST_INDEBT },
        {"cost.indelay", NV_CG_IO_COST_INDELAY},
},
  blkio_bytes[] =
      {
          {"Read", NV_CG_IO_READ_BYTES},       {"Write", NV_CG_IO_WRITE_BYTES},
          {"Sync", NV_CG_IO_SYNC_BYTES},       {"Async", NV_CG_IO_ASYNC_BYTES},
          {"Discard", NV_CG_IO_DISCARD_BYTES}, {"Total", NV_CG_IO_TOTAL_BYTES},
},
  blkio_ops[] = {
      {"Read", NV_CG_IO_READS},
      {"Write", NV_CG_IO_WRITES},
};

/* ---- single numbers --------------------------------------------------------------------------- */

void nv_cg_parse_number(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                        struct nv_str text)
{
    uint64_t value;

    (void)pass;
    if (nv_str_to_u64(nv_str_trim(text), &value))
        nv_cg_set(values, slot, value);
}

void nv_cg_parse_limit(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                       struct nv_str text)
{
    uint64_t value = 0;

    (void)pass;
    text = nv_str_trim(text);
    if (!nv_str_is(text, "max") && !nv_str_to_u64(text, &value))
        return;
    nv_cg_set(values, slot, value > UINT64_C(1) << 62 ? 0 : value);
}

void nv_cg_parse_quota(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                       struct nv_str text)
{
    nv_cg_parse_number(pass, values, slot, text); /* "-1" is no number, and so absent */
}

void nv_cg_parse_cpu_max(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                         struct nv_str text)
{
    struct nv_str quota = nv_str_cut(&text, ' ');

    (void)slot;
    nv_cg_parse_number(pass, values, NV_CG_SPEC_QUOTA, quota);
    nv_cg_parse_number(pass, values, NV_CG_SPEC_PERIOD, text);
}

/* The shares of v1 that the older of two conversions made this weight of. */
void nv_cg_parse_weight(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                        struct nv_str text)
{
    uint64_t weight;

    (void)pass, (void)slot;
    if (nv_str_to_u64(nv_str_trim(text), &weight) && weight >= 1 && weight <= 10000)
        nv_cg_set(values, NV_CG_SPEC_SHARES, 2 + (weight - 1) * 262142 / 9999);
}

/* ---- flat keys ------------------------------------------------------------------------------ */

/* The end of the line that begins at `at`. */
static const char *end_of_line(const char *at, const char *end)
{
    const char *found = memchr(at, '\n', (size_t)(end - at));

    return found ? found : end;
}

static bool read_digits(const char *at, const char *end, uint64_t *ret)
{
    uint64_t value = 0;

    if (at == end)
        return false;
    for (; at < end; at++) {
        if (!nv_is_digit(*at) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    }
    *ret = value;
    return true;
}

/* The number of a key, looked for from the one that is due round to the one before it; n for none. */
static size_t find_key(const struct key *keys, size_t n, size_t due, struct nv_str name)
{
    for (size_t i = 0, k = due; i < n; i++, k = k + 1 < n ? k + 1 : 0)
        if (keys[k].name[0] == name.p[0] && nv_str_is(name, keys[k].name))
            return k;
    return n;
}

/* Takes the values of keys from lines of "key value". A line is compared with the key that is due, then with the others:
 * a kernel may leave some out, or have another order (before 6.1 pgscan came behind pgfault). */
static void parse_keys(struct nv_cg_values *values, struct nv_str text, const struct key *keys,
                       size_t n)
{
    const char *end = text.p + text.n;
    size_t due = 0, found = 0;

    for (const char *at = text.p, *line_end; at < end && found < n; at = line_end + 1) {
        line_end = end_of_line(at, end);
        const char *blank = memchr(at, ' ', (size_t)(line_end - at));
        uint64_t value;
        if (!blank || blank == at)
            continue;
        size_t k = find_key(keys, n, due, (struct nv_str){at, (size_t)(blank - at)});
        if (k == n)
            continue;
        if (read_digits(blank + 1, line_end, &value))
            nv_cg_set(values, keys[k].slot, value * keys[k].times);
        due = k + 1 < n ? k + 1 : 0;
        found++;
    }
}

void nv_cg_parse_cpu_stat(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                          struct nv_str text)
{
    (void)pass, (void)slot;
    parse_keys(values, text, cpu_keys, NV_LEN(cpu_keys));
}

void nv_cg_parse_cpuacct_stat(struct nv_pass *pass, struct nv_cg_values *values,
                              enum nv_cg_slot slot, struct nv_str text)
{
    (void)pass, (void)slot;
    parse_keys(values, text, cpuacct_keys, NV_LEN(cpuacct_keys));
}

void nv_cg_parse_memory_v1(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                           struct nv_str text)
{
    (void)pass, (void)slot;
    parse_keys(values, text, memory_v1_keys, NV_LEN(memory_v1_keys));
}

/* Counts of v2 hold what lies below too, so that they are those of either scope. */
void nv_cg_parse_memory_v2(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                           struct nv_str text)
{
    (void)pass, (void)slot;
    parse_keys(values, text, memory_v2_keys, NV_LEN(memory_v2_keys));
    if (nv_cg_has(values, NV_CG_FAULTS))
        nv_cg_set(values, NV_CG_ALL_FAULTS, values->at[NV_CG_FAULTS]);
    if (nv_cg_has(values, NV_CG_MAJOR_FAULTS))
        nv_cg_set(values, NV_CG_ALL_MAJOR_FAULTS, values->at[NV_CG_MAJOR_FAULTS]);
}

void nv_cg_parse_events(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                        struct nv_str text)
{
    (void)pass, (void)slot;
    parse_keys(values, text, event_keys, NV_LEN(event_keys));
}

/* Lines of "some" and "full", each ending in total=MICROSECONDS. Before 5.13 the CPU had no "full". */
void nv_cg_parse_pressure(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                          struct nv_str text)
{
    struct nv_scan file = nv_scan(text), line;

    (void)pass;
    while (nv_scan_line(&file, &line)) {
        struct nv_str rest = nv_scan_rest(&line);
        bool full = nv_str_starts(rest, "full ");
        const char *total = rest.n ? memmem(rest.p, rest.n, "total=", 6) : NULL;
        uint64_t value;
        if (total && (full || nv_str_starts(rest, "some ")) &&
            read_digits(total + 6, rest.p + rest.n, &value))
            nv_cg_set(values, slot + (full ? 1 : 0), value);
    }
}

/* A line is a process; 0 is one that our namespace of processes does not show. */
void nv_cg_parse_procs(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                       struct nv_str text)
{
    uint64_t n = nv_cg_has(values, NV_CG_PROCESSES) ? values->at[NV_CG_PROCESSES] : 0;
    const char *end = text.p + text.n;

    (void)pass, (void)slot;
    for (const char *at = text.p; at < end; at = end_of_line(at, end) + 1)
        n++;
    nv_cg_set(values, NV_CG_PROCESSES, n);
}

/* ---- devices -------------------------------------------------------------------------------- */

static struct nv_cg_io *find_device(struct nv_pass *pass, struct nv_cg_values *values,
                                    uint32_t major, uint32_t minor)
{
    for (size_t i = values->n_io; i-- > 0;)
        if (values->io[i].major == major && values->io[i].minor == minor)
            return &values->io[i];
    if (values->n_io == NV_CG_DEVICES_MAX)
        return NULL;
    if (values->n_io == values->room_io) {
        values->room_io = values->room_io ? 2 * values->room_io : 4;
        struct nv_cg_io *more = nv_alloc(pass, values->room_io * sizeof(*more));
        if (values->n_io)
            memcpy(more, values->io, values->n_io * sizeof(*more));
        values->io = more;
    }
    struct nv_cg_io *io = &values->io[values->n_io++];
    *io = (struct nv_cg_io){.major = major, .minor = minor};
    return io;
}

/* The device a line begins with, "major:minor "; NULL for another kind of line. */
static struct nv_cg_io *scan_device(struct nv_pass *pass, struct nv_cg_values *values,
                                    struct nv_scan *line)
{
    uint64_t major = nv_scan_u64(line);

    if (!nv_scan_accept(line, ":"))
        return NULL;
    uint64_t minor = nv_scan_u64(line);
    if (line->failed || major > UINT32_MAX || minor > UINT32_MAX)
        return NULL;
    return find_device(pass, values, (uint32_t)major, (uint32_t)minor);
}

static void set_io(struct nv_cg_io *io, enum nv_cg_io_number number, uint64_t value)
{
    io->at[number] = value;
    io->mask |= 1u << number;
}

/* Whether a word is major:minor. */
static bool is_device(struct nv_str word)
{
    struct nv_scan scan = nv_scan(word);

    nv_scan_u64(&scan);
    if (!nv_scan_accept(&scan, ":"))
        return false;
    nv_scan_u64(&scan);
    return !scan.failed && scan.at == scan.end;
}

/* Lines of a device and pairs of key=value; there may be none, and keys we do not know. Where there are none some kernels
 * (5.x) end no line, so that the next device stands behind. */
void nv_cg_parse_io_stat(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                         struct nv_str text)
{
    struct nv_scan file = nv_scan(text), line;

    (void)slot;
    while (nv_scan_line(&file, &line)) {
        struct nv_cg_io *io = NULL;
        struct nv_scan whole = line;
        nv_scan_u64(&line);
        if (!nv_scan_accept(&line, ":"))
            continue;
        nv_scan_u64(&line);
        for (struct nv_str word = nv_scan_word(&line); word.n; word = nv_scan_word(&line)) {
            if (is_device(word)) {
                whole.at = word.p;
                io = NULL;
                continue;
            }
            struct nv_str key = nv_str_cut(&word, '=');
            uint64_t value;
            size_t k = 0;
            while (k < NV_LEN(io_keys) && !nv_str_is(key, io_keys[k].name))
                k++;
            if (k == NV_LEN(io_keys) || !nv_str_to_u64(word, &value))
                continue;
            if (!io)
                io = scan_device(pass, values, &whole);
            if (!io)
                break;
            set_io(io, io_keys[k].number, value);
        }
    }
}

/* Lines of a device, an operation and its number; in the end a total. */
static void parse_blkio(struct nv_pass *pass, struct nv_cg_values *values, struct nv_str text,
                        bool bytes)
{
    struct nv_scan file = nv_scan(text), line;

    while (nv_scan_line(&file, &line)) {
        if (line.at == line.end || !nv_is_digit(*line.at))
            continue;
        struct nv_cg_io *io = scan_device(pass, values, &line);
        struct nv_str operation = nv_scan_word(&line);
        uint64_t value = nv_scan_u64(&line);
        if (!io || line.failed)
            continue;
        for (size_t k = 0; k < (bytes ? NV_LEN(blkio_bytes) : NV_LEN(blkio_ops)); k++)
            if (nv_str_is(operation, bytes ? blkio_bytes[k].name : blkio_ops[k].name))
                set_io(io, bytes ? blkio_bytes[k].number : blkio_ops[k].number, value);
    }
}

void nv_cg_parse_blkio_bytes(struct nv_pass *pass, struct nv_cg_values *values,
                             enum nv_cg_slot slot, struct nv_str text)
{
    (void)slot;
    parse_blkio(pass, values, text, true);
}

void nv_cg_parse_blkio_ops(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                           struct nv_str text)
{
    (void)slot;
    parse_blkio(pass, values, text, false);
}
