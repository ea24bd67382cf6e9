/*
 * collector.h - what a collector is, and what the agent lends it. The plugin ABI.
 *
 * A collector is one constant descriptor: what it reads, what it yields, and a function from the one
 * to the other. The same file is linked into the agent or built as a plugin (-DNV_PLUGIN).
 *
 *   paths      begin with the name of a root: "proc/stat", "sys/class/net", "root/etc/os-release",
 *              "udev/b8:0"; the agent resolves them under --path.procfs and so on
 *   threads    a collector never runs twice at once; one flagged NV_MAY_BLOCK runs on a worker,
 *              any other in the pass itself, where waiting delays everybody
 *   memory     what nv_read(), nv_list() and nv_alloc() give lives until collect() returns; the state
 *              lives from start() to stop(); nothing is freed by hand but what the state holds
 *   errors     collect() returns 0, a negative errno (a failure), or NV_NO_DATA (nothing here, such
 *              as no such hardware); rows emitted before that stay in the answer
 *   bounds     NV_TEXT_MAX bytes a file, NV_NAMES_MAX entries a directory, NV_LABELS_MAX labels and
 *              NV_COLUMNS_MAX families a table, NV_FAMILIES_MAX families made at run time by one
 *              collector, NV_SERIES_MAX series of one collector: what is beyond is dropped and counted
 *
 * History of the ABI: 1 (first). Structures grow at their end only.
 */
#ifndef NODEVITALS_COLLECTOR_H
#define NODEVITALS_COLLECTOR_H

#include <nodevitals/scan.h>

#include <stdarg.h>
#include <stdio.h>

enum {
    NV_ABI_VERSION = 1,
    NV_TEXT_MAX = 64 << 20,
    NV_NAMES_MAX = 1 << 20,
    NV_LABELS_MAX = 64,
    NV_COLUMNS_MAX = 64,
    NV_FAMILIES_MAX = 10000,
    NV_SERIES_MAX = 1000000,
};

#define NV_LEN(array) (sizeof(array) / sizeof((array)[0]))

enum nv_type { NV_COUNTER, NV_GAUGE, NV_UNTYPED, NV_SUMMARY, NV_HISTOGRAM };

/* How a raw number becomes a value: operations as written, since i * 0.001 is not i / 1000. */
enum nv_operation { NV_OP_NONE, NV_OP_TIMES, NV_OP_OVER };
struct nv_arith {
    enum nv_operation operation;
    double a, b; /* for NV_OP_OVER a second divisor, or 0 for none */
};
#define NV_AS_IS                                                                                   \
    {                                                                                              \
        NV_OP_NONE, 0, 0                                                                           \
    }
#define NV_TIMES(f)                                                                                \
    {                                                                                              \
        NV_OP_TIMES, (f), 0                                                                        \
    }
#define NV_OVER(...) NV_OVER_(__VA_ARGS__, 0, 0)
#define NV_OVER_(a, b, ...)                                                                        \
    {                                                                                              \
        NV_OP_OVER, (a), (b)                                                                       \
    }

/* A metric, exactly as /metrics shows it. */
struct nv_family {
    const char *name; /* in full and in base units, so that grep leads here */
    enum nv_type type;
    struct nv_arith arith;
    const char *help; /* one sentence */
};

/* Families that share their labels. A row is one instance of them all. */
struct nv_table {
    const char *const *labels; /* names in any order, then NULL */
    const struct nv_family *columns;
    size_t n_columns;
};
#define NV_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NV_NO_LABELS   ((const char *const[]){NULL})

/* A flag of the command line; its value is asked for by its index in the collector's list. */
enum nv_flag_kind {
    NV_FLAG_BOOL,        /* --x, --no-x; fallback "true" or "false" */
    NV_FLAG_TEXT,        /* --x=TEXT */
    NV_FLAG_LIST,        /* --x=TEXT, repeatable */
    NV_FLAG_INT,         /* --x=NUMBER */
    NV_FLAG_DURATION,    /* --x=5s; value in nanoseconds */
    NV_FLAG_REGEX,       /* --x=EXPRESSION, RE2 syntax, checked at start; "" is "not given" */
    NV_FLAG_REGEX_WHOLE, /* the same, matching whole texts only, as if written ^(?:EXPRESSION)$ */
};
struct nv_flag {
    const char *name; /* in full, without dashes: "collector.arp.device-include" */
    enum nv_flag_kind kind;
    const char *fallback; /* the default as text; for NV_FLAG_LIST "" is the empty list */
    const char *help;     /* one sentence */
    bool hidden;          /* accepted, not shown by --help */
};
struct nv_regex;
struct nv_flag_value {
    bool given;                /* on the command line, rather than the default */
    bool on;                   /* NV_FLAG_BOOL */
    int64_t number;            /* NV_FLAG_INT, NV_FLAG_DURATION */
    struct nv_str text;        /* NV_FLAG_TEXT, NV_FLAG_REGEX, NV_FLAG_REGEX_WHOLE */
    const struct nv_str *list; /* NV_FLAG_LIST */
    size_t n_list;
    const struct nv_regex *regex; /* NV_FLAG_REGEX, NV_FLAG_REGEX_WHOLE; NULL for "" */
};

enum { NV_NO_DATA = 1 }; /* outcome of collect(): nothing here */

/* Options of a collector. */
enum {
    NV_OFF_BY_DEFAULT = 1 << 0,
    NV_MAY_BLOCK = 1 << 1,         /* run on a worker, under its own deadline */
    NV_ABSENT_IS_NO_DATA = 1 << 2, /* a missing static source means NV_NO_DATA, not failure */
    NV_DENIED_IS_NO_DATA = 1 << 3, /* likewise EACCES and EPERM */
    NV_ON_IN_KUBERNETES = 1 << 4, /* on where KUBERNETES_SERVICE_HOST is set, else off by default */
};

struct nv_pass;

struct nv_collector {
    struct {
        uint32_t magic, version, size;
    } abi;               /* NV_ABI_STAMP */
    const char *name;    /* as in --collector.NAME */
    const char *summary; /* one sentence, for --help */
    unsigned options;

    /*
     * Files read before collect(), NULL at the end: nv_pass_text(pass, index). Where one cannot be
     * read collect() is not called and the error is the result, unless it is marked optional by a
     * leading '?': "?proc/net/snmp6". Then nv_pass_error(pass, index) tells why it is empty.
     */
    const char *const *sources;
    const struct nv_table *const *tables; /* those known beforehand, NULL at the end */
    const struct nv_flag *flags;          /* a NULL name at the end */

    unsigned cadence_ms; /* how often the store wants fresh rows; 0: with every pass */
    unsigned
        deadline_ms; /* how long a pass waits for a NV_MAY_BLOCK collector; 0: as long as it can */

    size_t state_size; /* bytes lent, zeroed, as nv_state(pass) */

    /* Both may be NULL. start() may read files but not emit; its failure stops the agent, with the
     * text of nv_error(). stop() frees what the state points to. */
    int (*start)(struct nv_pass *pass);
    void (*stop)(void *state);
    int (*collect)(struct nv_pass *pass);

    /* Labels of its series in the store, as those of the exporter it stands in for; NULL: as this node's have them. */
    const char *job, *metrics_path;
};

#define NV_ABI_MAGIC    0x6e766974u /* "nvit" */
#define NV_ABI_STAMP    .abi = {NV_ABI_MAGIC, NV_ABI_VERSION, sizeof(struct nv_collector)}
#define NV_SOURCES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NV_TABLES(...)  ((const struct nv_table *const[]){__VA_ARGS__, NULL})
#define NV_FLAGS(...)   ((const struct nv_flag[]){__VA_ARGS__, {0}})

/* Defines the collector of a file. A plugin holds one, which the agent finds as `nv_plugin`. */
#ifdef NV_PLUGIN
#define NV_COLLECTOR(id)                                                                           \
    extern const struct nv_collector nv_collector_##id;                                            \
    extern const struct nv_collector *const nv_plugin;                                             \
    __attribute__((visibility("default"))) const struct nv_collector *const nv_plugin =            \
        &nv_collector_##id;                                                                        \
    const struct nv_collector nv_collector_##id
#else
#define NV_COLLECTOR(id)                                                                           \
    extern const struct nv_collector nv_collector_##id;                                            \
    const struct nv_collector nv_collector_##id
#endif

/* Sorted names of a directory's entries, without those beginning with a dot. */
struct nv_names {
    const struct nv_str *at;
    size_t n;
};

enum nv_number { NV_U64, NV_I64, NV_REAL };
enum nv_log_level { NV_DEBUG, NV_INFO, NV_WARN, NV_ERROR };

/* One sample of parsed exposition text. Views live until the parse returns. */
struct nv_text_sample {
    struct nv_str name; /* with _bucket, _sum, _count where the family's type has them */
    const struct nv_str *label_names, *label_values; /* in the order of the text */
    size_t n_labels;
    double value;
    bool has_timestamp;
};
struct nv_text_family {
    struct nv_str name, help;
    enum nv_type type;
    bool has_help, has_type;
};
struct nv_text_sink { /* each returns 0 to go on, a negative errno to stop */
    int (*family)(void *user, const struct nv_text_family *family); /* before its first sample */
    int (*sample)(void *user, const struct nv_text_sample *sample);
};

struct nv_bus_call {
    const char *destination, *path, *interface, *member;
    const char *signature; /* of the arguments: of 's', 'o' only; NULL or "" for none */
    const char *const *arguments;
};
struct nv_bus_reply;

struct nv_pods;
struct nv_dir_stat;
struct nv_journal;

struct nlmsghdr;
typedef int (*nv_netlink_fn)(const struct nlmsghdr *message,
                             void *user); /* 0 to go on, or an error */

/* What nv_guard() found about an item. */
enum nv_guard_outcome {
    NV_GUARD_DONE = 0,  /* the function returned; the item holds what it wrote */
    NV_GUARD_LATE = 1,  /* it did not return in time; the item is as it was */
    NV_GUARD_STUCK = 2, /* not called: an earlier call under the same key has not returned yet */
};

/* The agent's side of the table; collectors use the functions below. `size` tells its extent. */
struct nv_host {
    uint32_t version, size;

    struct nv_scan (*text)(struct nv_pass *pass, size_t source);
    int (*text_error)(struct nv_pass *pass, size_t source);
    int (*read)(struct nv_pass *pass, const char *path, size_t max, struct nv_str *ret);
    int (*list)(struct nv_pass *pass, const char *path, struct nv_names *ret);
    int (*link)(struct nv_pass *pass, const char *path, struct nv_str *ret);
    int (*resolve)(struct nv_pass *pass, const char *path, struct nv_str *ret);
    int (*stat)(struct nv_pass *pass, const char *path, unsigned *ret_mode, int64_t *ret_mtime_ns);
    struct nv_str (*native)(struct nv_pass *pass, const char *path);
    void *(*alloc)(struct nv_pass *pass, size_t size);

    void (*emit)(struct nv_pass *pass, const struct nv_table *table, const struct nv_str *labels,
                 enum nv_number number, const void *values, size_t first, size_t n, uint64_t mask);
    void (*emit_sample)(struct nv_pass *pass, const struct nv_family *family, const char *suffix,
                        const char *const *names, const struct nv_str *labels, double value);

    bool (*match)(const struct nv_regex *regex, struct nv_str text);
    int (*error)(struct nv_pass *pass, int error, const char *format, va_list arguments);
    void (*log)(struct nv_pass *pass, enum nv_log_level level, const char *format,
                va_list arguments);
    int64_t (*remaining_ms)(struct nv_pass *pass);

    int (*netlink)(struct nv_pass *pass, int protocol, const void *request, size_t n,
                   nv_netlink_fn each, void *user);
    int (*genl_family)(struct nv_pass *pass, const char *name, uint16_t *ret_id);
    void (*link_notices)(struct nv_pass *pass, uint64_t *cursor,
                         void (*each)(int ifindex, void *user), void *user);

    int (*bus_call)(struct nv_pass *pass, const struct nv_bus_call *call,
                    struct nv_bus_reply **ret);
    int (*bus_read)(struct nv_bus_reply *reply, const char *types, va_list results);
    int (*bus_enter)(struct nv_bus_reply *reply, char type, const char *contents);
    int (*bus_exit)(struct nv_bus_reply *reply);
    int (*bus_skip)(struct nv_bus_reply *reply, const char *types);
    void (*bus_unref)(struct nv_bus_reply *reply);

    int (*guard)(struct nv_pass *pass, void *items, size_t item_size, size_t n,
                 const struct nv_str *keys, void (*call)(void *item), int64_t timeout_ms,
                 size_t width, unsigned char *ret_outcomes);
    int (*parse_text)(struct nv_pass *pass, struct nv_str text, const struct nv_text_sink *sink,
                      void *user);
    bool (*collector_is_on)(struct nv_pass *pass, const char *name);
    bool (*sysfs_is_live)(struct nv_pass *pass);
    const char *(*said)(struct nv_pass *pass);

    const struct nv_pods *(*pods)(struct nv_pass *pass); /* <nodevitals/pods.h> */
    void (*pods_wanted)(struct nv_pass *pass);

    /* <nodevitals/dir.h> */
    int (*dir_open)(struct nv_pass *pass, int at, const char *path);
    void (*dir_close)(struct nv_pass *pass, int dir);
    int (*dir_read)(struct nv_pass *pass, int dir, const char *name, bool in_parts, char *out,
                    size_t max);
    int (*dir_list)(struct nv_pass *pass, int dir, struct nv_names *ret);
    int (*dir_stat)(struct nv_pass *pass, int dir, struct nv_dir_stat *ret);

    int (*state_load)(struct nv_pass *pass, const char *name, struct nv_str *ret);
    int (*state_save)(struct nv_pass *pass, const char *name, struct nv_str text);
    void *(*commons)(struct nv_pass *pass, const char *name, size_t size);
    int (*regex_new)(struct nv_pass *pass, struct nv_str pattern, struct nv_regex **ret);
    void (*regex_free)(struct nv_regex *regex);
    size_t (*regex_groups)(const struct nv_regex *regex, struct nv_str text, struct nv_str *spans,
                           size_t max);

    /* <nodevitals/journal.h> */
    int (*journal_open)(struct nv_pass *pass, const char *folder, struct nv_journal **ret);
    int (*journal_match)(struct nv_journal *journal, const char *term);
    int (*journal_or)(struct nv_journal *journal);
    int (*journal_seek)(struct nv_journal *journal, const char *cursor, uint64_t since_us);
    int (*journal_next)(struct nv_journal *journal);
    struct nv_str (*journal_field)(struct nv_journal *journal, const char *name);
    uint64_t (*journal_time_us)(struct nv_journal *journal);
    int (*journal_cursor)(struct nv_journal *journal, char *ret, size_t size);
    void (*journal_close)(struct nv_journal *journal);

    int (*kubelet)(struct nv_pass *pass, const char *path,
                   struct nv_str *ret); /* <nodevitals/pods.h> */
};

/* The part of a pass that a collector sees. */
struct nv_pass {
    const struct nv_host *host;
    void *state;
    const struct nv_flag_value *flags;
};

/* ---- the state, the flags ------------------------------------------------------------------- */

static inline void *nv_state(struct nv_pass *pass)
{
    return pass->state;
}

static inline const struct nv_flag_value *nv_flag(struct nv_pass *pass, size_t flag)
{
    return &pass->flags[flag];
}

static inline bool nv_on(struct nv_pass *pass, size_t flag)
{
    return pass->flags[flag].on;
}

/* Whether the expression of a NV_FLAG_REGEX occurs in `text`. False where the flag is "". */
static inline bool nv_matches(struct nv_pass *pass, size_t flag, struct nv_str text)
{
    const struct nv_regex *regex = pass->flags[flag].regex;

    return regex && pass->host->match(regex, text);
}

/* The include/exclude rule of a pair of NV_FLAG_REGEX. */
static inline bool nv_wants(struct nv_pass *pass, size_t include, size_t exclude,
                            struct nv_str text)
{
    return !nv_matches(pass, exclude, text) &&
           (!pass->flags[include].regex || nv_matches(pass, include, text));
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The text of a static source, by its index in `sources`. */
static inline struct nv_scan nv_pass_text(struct nv_pass *pass, size_t source)
{
    return pass->host->text(pass, source);
}

/* 0, or the negative errno for which an optional source is empty. */
static inline int nv_pass_error(struct nv_pass *pass, size_t source)
{
    return pass->host->text_error(pass, source);
}

/* Writes a path from a format into `path`, a char array. Too long a path becomes "", which no call finds. */
#define NV_PATH_MAX 512
#define nv_path(path, ...)                                                                         \
    ((size_t)snprintf((path), sizeof(path), __VA_ARGS__) >= sizeof(path)                           \
         ? (void)((path)[0] = '\0')                                                                \
         : (void)0)

/* A whole file. The view lives until the pass ends. Returns 0 or a negative errno (-EFBIG past NV_TEXT_MAX). */
static inline int nv_read(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    return pass->host->read(pass, path, NV_TEXT_MAX, ret);
}

/* A sysfs attribute: one read(2) of at most 128 bytes, white space around it removed. */
static inline int nv_read_attribute(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    struct nv_str text;
    int r = pass->host->read(pass, path, 128, &text);

    if (r < 0)
        return r;
    *ret = nv_str_trim(text);
    return 0;
}

/* An attribute that is one decimal number. -EINVAL where it is something else. */
static inline int nv_read_u64(struct nv_pass *pass, const char *path, uint64_t *ret)
{
    struct nv_str text;
    int r = nv_read_attribute(pass, path, &text);

    return r < 0 ? r : nv_str_to_u64(text, ret) ? 0 : -EINVAL;
}

/* Names in a directory, in byte order, "." and ".." left out. */
static inline int nv_list(struct nv_pass *pass, const char *path, struct nv_names *ret)
{
    return pass->host->list(pass, path, ret);
}

/* The text of a symbolic link. */
static inline int nv_readlink(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    return pass->host->link(pass, path, ret);
}

/* A path with every link on it resolved, as realpath(3) gives it: a native path, not one of ours. */
static inline int nv_realpath(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    return pass->host->resolve(pass, path, ret);
}

/* st_mode and modification time (either pointer may be NULL), links followed. */
static inline int nv_stat(struct nv_pass *pass, const char *path, unsigned *ret_mode,
                          int64_t *ret_mtime_ns)
{
    return pass->host->stat(pass, path, ret_mode, ret_mtime_ns);
}

/* The path as the system and labels have it: flag value and rest joined and cleaned. NUL-ended. */
static inline struct nv_str nv_native_path(struct nv_pass *pass, const char *path)
{
    return pass->host->native(pass, path);
}

/* Memory until the pass ends. Never NULL: a pass that runs out of memory ends the agent. */
static inline void *nv_alloc(struct nv_pass *pass, size_t size)
{
    return pass->host->alloc(pass, size);
}

/* Milliseconds until this pass gives up waiting. */
static inline int64_t nv_remaining_ms(struct nv_pass *pass)
{
    return pass->host->remaining_ms(pass);
}

/* ---- emitting ------------------------------------------------------------------------------- */

/*
 * A row: `labels` has a value per label name of the table (NULL where there are none), `values` has
 * n raw numbers for the first n columns. Columns beyond n are absent, which is not zero.
 */
static inline void nv_emit_row(struct nv_pass *pass, const struct nv_table *table,
                               const struct nv_str *labels, const uint64_t *values, size_t n)
{
    pass->host->emit(pass, table, labels, NV_U64, values, 0, n, UINT64_MAX);
}

/* The same, with column i present only where bit i of `mask` is set. */
static inline void nv_emit_some(struct nv_pass *pass, const struct nv_table *table,
                                const struct nv_str *labels, const uint64_t *values, size_t n,
                                uint64_t mask)
{
    pass->host->emit(pass, table, labels, NV_U64, values, 0, n, mask);
}

/* The same for doubles; the arithmetic of the families applies to them too. */
static inline void nv_emit_reals(struct nv_pass *pass, const struct nv_table *table,
                                 const struct nv_str *labels, const double *values, size_t n,
                                 uint64_t mask)
{
    pass->host->emit(pass, table, labels, NV_REAL, values, 0, n, mask);
}

/* One column of a row. */
static inline void nv_emit_u64(struct nv_pass *pass, const struct nv_table *table,
                               const struct nv_str *labels, size_t column, uint64_t value)
{
    pass->host->emit(pass, table, labels, NV_U64, &value, column, 1, UINT64_MAX);
}

static inline void nv_emit_i64(struct nv_pass *pass, const struct nv_table *table,
                               const struct nv_str *labels, size_t column, int64_t value)
{
    pass->host->emit(pass, table, labels, NV_I64, &value, column, 1, UINT64_MAX);
}

static inline void nv_emit_real(struct nv_pass *pass, const struct nv_table *table,
                                const struct nv_str *labels, size_t column, double value)
{
    pass->host->emit(pass, table, labels, NV_REAL, &value, column, 1, UINT64_MAX);
}

/*
 * One sample of a family that is known only at run time. Everything is copied when first seen; as
 * with rows, samples that come in the order of the last pass cost a comparison. `names` ends in NULL.
 */
static inline void nv_emit_named(struct nv_pass *pass, const struct nv_family *family,
                                 const char *const *names, const struct nv_str *labels,
                                 double value)
{
    pass->host->emit_sample(pass, family, "", names, labels, value);
}

/* The same for a sample of a histogram or summary: suffix "_bucket", "_sum", "_count" or "". */
static inline void nv_emit_part(struct nv_pass *pass, const struct nv_family *family,
                                const char *suffix, const char *const *names,
                                const struct nv_str *labels, double value)
{
    pass->host->emit_sample(pass, family, suffix, names, labels, value);
}

/* ---- speaking ------------------------------------------------------------------------------- */

/* Remembers what went wrong, for the log, and returns `error`. */
__attribute__((format(printf, 3, 4))) static inline int nv_error(struct nv_pass *pass, int error,
                                                                 const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    pass->host->error(pass, error, format, arguments);
    va_end(arguments);
    return error;
}

/* What nv_error() or a call that failed remembered last; "" for nothing. Until the next of them. */
static inline const char *nv_said(struct nv_pass *pass)
{
    return pass->host->said ? pass->host->said(pass) : "";
}

/* A line in the log, for what is no failure of the collector. */
__attribute__((format(printf, 3, 4))) static inline void
nv_say(struct nv_pass *pass, enum nv_log_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    pass->host->log(pass, level, format, arguments);
    va_end(arguments);
}

/* ---- what may hang -------------------------------------------------------------------------- */

/*
 * Calls call(&items[i]) for all items, away from this thread, so that a call that never returns
 * costs one thread and nothing else. An item is copied before and copied back when its call returns in
 * time, so it must hold its input and output by value (item_size bytes). `keys` name the items across
 * passes: one whose earlier call still hangs is not called again. At most `width` calls hang at once.
 * Returns 0 with an enum nv_guard_outcome per item.
 */
static inline int nv_guard(struct nv_pass *pass, void *items, size_t item_size, size_t n,
                           const struct nv_str *keys, void (*call)(void *item), int64_t timeout_ms,
                           size_t width, unsigned char *ret_outcomes)
{
    return pass->host->guard(pass, items, item_size, n, keys, call, timeout_ms, width,
                             ret_outcomes);
}

/* ---- what outlives a pass ------------------------------------------------------------------- */

enum { NV_STATE_MAX = 64 << 10, NV_COMMONS_MAX = 8 };

/*
 * A small text that outlives the agent, kept beside its history under `name` (letters, digits, minus). The view lives
 * until the pass ends. Call it from collect(): before that it is not known where. -ENOENT where there is none, or
 * no place to keep any.
 */
static inline int nv_state_load(struct nv_pass *pass, const char *name, struct nv_str *ret)
{
    return pass->host->state_load(pass, name, ret);
}

/* Replaces it whole, of at most NV_STATE_MAX bytes; after a crash there is the old one or the new one. Never hangs:
 * -ETIMEDOUT where the disk does. 0 where there is no place to keep any. */
static inline int nv_state_save(struct nv_pass *pass, const char *name, struct nv_str text)
{
    return pass->host->state_save(pass, name, text);
}

/* Memory that all collectors who ask for this name share, until the last has stopped; zeroed at first. They lock it
 * themselves. NULL when memory is out, the size is not what the first asked for, or there are NV_COMMONS_MAX. */
static inline void *nv_commons(struct nv_pass *pass, const char *name, size_t size)
{
    return pass->host->commons(pass, name, size);
}

/* Compiles an expression as for NV_FLAG_REGEX. -EINVAL with the reason in nv_said(). To be freed by nv_regex_free(). */
static inline int nv_regex_compile(struct nv_pass *pass, struct nv_str pattern,
                                   struct nv_regex **ret)
{
    return pass->host->regex_new(pass, pattern, ret);
}

/* ---- others --------------------------------------------------------------------------------- */

/* Parses text exposition (0.0.4, 1.0.0). -EBADMSG where it is malformed; nv_said() tells how. */
static inline int nv_parse_text(struct nv_pass *pass, struct nv_str text,
                                const struct nv_text_sink *sink, void *user)
{
    return pass->host->parse_text(pass, text, sink, user);
}

static inline bool nv_collector_is_on(struct nv_pass *pass, const char *name)
{
    return pass->host->collector_is_on(pass, name);
}

/* Whether the sysfs root is a live sysfs of our own network namespace. */
static inline bool nv_sysfs_is_live(struct nv_pass *pass)
{
    return pass->host->sysfs_is_live(pass);
}

#endif
