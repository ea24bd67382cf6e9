/*
 * What the agent lends a collector: the functions behind collector.h.
 */
#include "gather/run.h"

#include <linux/netlink.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/journal.h"
#include "base/regex.h"
#include "gather/dirs.h"

enum { GUARD_SHARE = 90 /* percent of the time left that a guarded call may take */ };

static struct nv_run *run_of(struct nv_pass *pass)
{
    struct nv_run *run = (struct nv_run *)pass;

    nv_assert(run->magic == NV_RUN_MAGIC);
    return run;
}

static struct nv_shared *shared_of(struct nv_pass *pass)
{
    return nv_gather_shared(run_of(pass)->gather);
}

/* ---- files ---------------------------------------------------------------------------------- */

static struct nv_scan host_text(struct nv_pass *pass, size_t source)
{
    const struct nv_run *run = run_of(pass);

    nv_assert(source < run->n_sources);
    const struct nv_source *from = run->sources[source];
    struct nv_scan scan =
        nv_scan(from->error ? (struct nv_str){NULL, 0} : nv_buf_view(&from->text));
    if (from->error)
        nv_scan_fail(&scan);
    return scan;
}

static int host_text_error(struct nv_pass *pass, size_t source)
{
    const struct nv_run *run = run_of(pass);

    nv_assert(source < run->n_sources);
    return run->sources[source]->error;
}

static int host_read(struct nv_pass *pass, const char *path, size_t max, struct nv_str *ret)
{
    struct nv_lane *lane = run_of(pass)->lane;

    int r = nv_files_read(shared_of(pass)->files, path, max, false, &lane->scratch);
    if (r < 0)
        return r;
    *ret = nv_arena_str(&lane->arena, nv_buf_view(&lane->scratch));
    return ret->p ? 0 : -ENOMEM;
}

static int host_list(struct nv_pass *pass, const char *path, struct nv_names *ret)
{
    struct nv_lane *lane = run_of(pass)->lane;

    return nv_files_list(shared_of(pass)->files, path, &lane->arena, &lane->scratch, ret);
}

static int host_link(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    return nv_files_link(shared_of(pass)->files, path, &run_of(pass)->lane->arena, ret);
}

static int host_resolve(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    return nv_files_resolve(shared_of(pass)->files, path, &run_of(pass)->lane->arena, ret);
}

static int host_stat(struct nv_pass *pass, const char *path, unsigned *ret_mode,
                     int64_t *ret_mtime_ns)
{
    return nv_files_stat(shared_of(pass)->files, path, ret_mode, ret_mtime_ns);
}

static struct nv_str host_native(struct nv_pass *pass, const char *path)
{
    struct nv_str native =
        nv_files_native(shared_of(pass)->files, path, &run_of(pass)->lane->arena);

    nv_must((void *)(uintptr_t)native.p);
    return native;
}

static void *host_alloc(struct nv_pass *pass, size_t size)
{
    return nv_must(nv_arena_alloc(&run_of(pass)->lane->arena, size));
}

static bool host_sysfs_is_live(struct nv_pass *pass)
{
    return nv_files_sysfs_is_live(shared_of(pass)->files);
}

/* ---- emission, speech ----------------------------------------------------------------------- */

static void host_emit(struct nv_pass *pass, const struct nv_table *table,
                      const struct nv_str *labels, enum nv_number number, const void *values,
                      size_t first, size_t n, uint64_t mask)
{
    struct nv_run *run = run_of(pass);

    nv_assert(run->collecting);
    nv_section_emit(run->section, table, labels, number, values, first, n, mask);
}

static void host_emit_sample(struct nv_pass *pass, const struct nv_family *family,
                             const char *suffix, const char *const *names,
                             const struct nv_str *labels, double value)
{
    struct nv_run *run = run_of(pass);

    nv_assert(run->collecting);
    nv_section_emit_sample(run->section, family, suffix, names, labels, value);
}

void nv_gather_emit_histogram(struct nv_pass *pass, const struct nv_family *family,
                              const char *const *names, const struct nv_str *labels,
                              const struct nv_histogram *histogram)
{
    struct nv_run *run = run_of(pass);

    nv_assert(run->collecting);
    nv_section_emit_histogram(run->section, family, names, labels, histogram);
}

static bool host_match(const struct nv_regex *regex, struct nv_str text)
{
    return nv_regex_match(regex, text);
}

__attribute__((format(printf, 3, 0))) static int host_error(struct nv_pass *pass, int error,
                                                            const char *format, va_list arguments)
{
    struct nv_run *run = run_of(pass);

    vsnprintf(run->error, sizeof(run->error), format, arguments);
    return error;
}

__attribute__((format(printf, 3, 0))) static void
host_log(struct nv_pass *pass, enum nv_log_level level, const char *format, va_list arguments)
{
    const struct nv_run *run = run_of(pass);

    if (nv_log_wants(level))
        nv_log_write_v(level, run->collector->name, 0, "collector", run->collector->name, format,
                       arguments);
}

static int64_t host_remaining_ms(struct nv_pass *pass)
{
    int64_t left = (run_of(pass)->deadline_ns - nv_monotonic_ns()) / 1000000;

    return left > 0 ? left : 0;
}

/* ---- netlink -------------------------------------------------------------------------------- */

/* The answer to a request of this pass; *ret_known tells whether it is there already. */
static struct nv_answer *find_answer(struct nv_lane *lane, int protocol, const void *request,
                                     size_t n, bool *ret_known)
{
    struct nv_answer *answer;

    for (size_t i = 0; i < lane->n_answers; i++) {
        answer = &lane->answers[i];
        if (answer->protocol == protocol && answer->n_request == n &&
            memcmp(answer->request, request, n) == 0) {
            *ret_known = true;
            return answer;
        }
    }
    *ret_known = false;
    answer =
        &lane->answers[lane->n_answers < NV_LANE_ANSWERS ? lane->n_answers++ : NV_LANE_ANSWERS - 1];
    answer->protocol = protocol;
    answer->n_request = n;
    memcpy(answer->request, request, n);
    return answer;
}

static int give_messages(const struct nv_buf *messages, nv_netlink_fn each, void *user)
{
    size_t left = messages->n;

    for (const char *at = messages->p; left >= sizeof(struct nlmsghdr);) {
        const struct nlmsghdr *message = (const void *)at;
        size_t size = NLMSG_ALIGN(message->nlmsg_len);
        if (message->nlmsg_len < sizeof(*message) || message->nlmsg_len > left)
            return -EBADMSG;
        int r = each(message, user);
        if (r)
            return r;
        if (size >= left)
            break;
        at += size;
        left -= size;
    }
    return 0;
}

static struct nv_netlink *netlink_of(struct nv_lane *lane)
{
    if (!lane->netlink)
        lane->netlink = nv_netlink_new();
    return lane->netlink;
}

static int host_netlink(struct nv_pass *pass, int protocol, const void *request, size_t n,
                        nv_netlink_fn each, void *user)
{
    struct nv_lane *lane = run_of(pass)->lane;
    bool known;

    if (n > NV_LANE_REQUEST_MAX)
        return -E2BIG;
    if (!netlink_of(lane))
        return -ENOMEM;
    struct nv_answer *answer = find_answer(lane, protocol, request, n, &known);
    if (!known) {
        nv_buf_reset(&answer->messages);
        answer->result = nv_netlink_ask(lane->netlink, protocol, request, n, &answer->messages);
    }
    return answer->result < 0 ? answer->result : give_messages(&answer->messages, each, user);
}

static int host_genl_family(struct nv_pass *pass, const char *name, uint16_t *ret_id)
{
    struct nv_netlink *netlink = netlink_of(run_of(pass)->lane);

    return netlink ? nv_netlink_family(netlink, name, ret_id) : -ENOMEM;
}

static void host_link_notices(struct nv_pass *pass, uint64_t *cursor,
                              void (*each)(int ifindex, void *user), void *user)
{
    nv_gather_link_notices(run_of(pass)->gather, cursor, each, user);
}

/* ---- the bus, guards, text ------------------------------------------------------------------ */

static int host_bus_call(struct nv_pass *pass, const struct nv_bus_call *call,
                         struct nv_bus_reply **ret)
{
    char error[NV_BUS_ERROR_MAX] = "";
    struct nv_run *run = run_of(pass);

    int r = nv_bus_ask(shared_of(pass)->bus, call, host_remaining_ms(pass), ret, error);
    if (r < 0 && error[0])
        snprintf(run->error, sizeof(run->error), "%s: %s", call->member, error);
    return r;
}

static int host_guard(struct nv_pass *pass, void *items, size_t item_size, size_t n,
                      const struct nv_str *keys, void (*call)(void *item), int64_t timeout_ms,
                      size_t width, unsigned char *ret_outcomes)
{
    int64_t left_ms = host_remaining_ms(pass) * GUARD_SHARE / 100;

    if (timeout_ms > left_ms)
        timeout_ms = left_ms;
    return nv_guard_run(shared_of(pass)->guards, items, item_size, n, keys, call,
                        nv_monotonic_ns() + timeout_ms * 1000000, width, ret_outcomes);
}

static int host_parse_text(struct nv_pass *pass, struct nv_str text,
                           const struct nv_text_sink *sink, void *user)
{
    struct nv_run *run = run_of(pass);
    struct nv_shared *shared = shared_of(pass);

    if (!shared->parse_text)
        return -ENOSYS;
    return shared->parse_text(text, sink, user, run->error, sizeof(run->error));
}

static bool host_collector_is_on(struct nv_pass *pass, const char *name)
{
    return nv_gather_find(run_of(pass)->gather, nv_str(name)) >= 0;
}

static const char *host_said(struct nv_pass *pass)
{
    return run_of(pass)->error;
}

/* Only within collect(), which is when they are given back. */
static const struct nv_pods *host_pods(struct nv_pass *pass)
{
    struct nv_run *run = run_of(pass);
    const struct nv_gather_pods *from = &shared_of(pass)->pods;

    nv_assert(run->collecting);
    if (!run->pods && from->take)
        run->pods = from->take(from->user);
    return run->pods;
}

static void host_pods_wanted(struct nv_pass *pass)
{
    const struct nv_gather_pods *from = &shared_of(pass)->pods;

    if (from->wanted)
        from->wanted(from->user);
}

/* ---- what outlives a pass ------------------------------------------------------------------- */

static int host_state_load(struct nv_pass *pass, const char *name, struct nv_str *ret)
{
    return nv_kept_load(shared_of(pass)->kept, name, &run_of(pass)->lane->arena, ret);
}

static int host_state_save(struct nv_pass *pass, const char *name, struct nv_str text)
{
    const struct nv_shared *shared = shared_of(pass);

    return nv_kept_save(shared->kept, shared->guards, name, text);
}

static void *host_commons(struct nv_pass *pass, const char *name, size_t size)
{
    return nv_kept_commons(shared_of(pass)->kept, name, size);
}

static int host_regex_new(struct nv_pass *pass, struct nv_str pattern, struct nv_regex **ret)
{
    char error[NV_REGEX_ERROR_MAX] = "";
    struct nv_run *run = run_of(pass);

    int r = nv_regex_new(pattern, NV_REGEX_SEARCH, ret, error);
    if (r < 0 && error[0])
        snprintf(run->error, sizeof(run->error), "%s", error);
    return r;
}

/* ---- the journal ---------------------------------------------------------------------------- */

static int host_journal_open(struct nv_pass *pass, const char *folder, struct nv_journal **ret)
{
    (void)run_of(pass);
    return nv_journal_new(folder, ret);
}

enum { ANSWER_MAX = 32 << 20 };

static int host_kubelet(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    struct nv_run *run = run_of(pass);
    const struct nv_gather_pods *from = &shared_of(pass)->pods;

    nv_assert(run->collecting);
    if (!from->get)
        return -ENOSYS;
    nv_buf_done(&run->answer);
    run->answer = NV_BUF(ANSWER_MAX);
    int r = from->get(from->user, path, host_remaining_ms(pass), &run->answer, run->error,
                      sizeof(run->error));
    if (r == 0)
        *ret = nv_buf_view(&run->answer);
    return r;
}

const struct nv_host nv_host = {
    .version = NV_ABI_VERSION,
    .size = sizeof(struct nv_host),
    .text = host_text,
    .text_error = host_text_error,
    .read = host_read,
    .list = host_list,
    .link = host_link,
    .resolve = host_resolve,
    .stat = host_stat,
    .native = host_native,
    .alloc = host_alloc,
    .emit = host_emit,
    .emit_sample = host_emit_sample,
    .match = host_match,
    .error = host_error,
    .log = host_log,
    .remaining_ms = host_remaining_ms,
    .netlink = host_netlink,
    .genl_family = host_genl_family,
    .link_notices = host_link_notices,
    .bus_call = host_bus_call,
    .bus_read = nv_bus_reply_read,
    .bus_enter = nv_bus_reply_enter,
    .bus_exit = nv_bus_reply_exit,
    .bus_skip = nv_bus_reply_skip,
    .bus_unref = nv_bus_reply_unref,
    .guard = host_guard,
    .parse_text = host_parse_text,
    .collector_is_on = host_collector_is_on,
    .sysfs_is_live = host_sysfs_is_live,
    .said = host_said,
    .pods = host_pods,
    .pods_wanted = host_pods_wanted,
    .kubelet = host_kubelet,
    .dir_open = nv_dirs_open,
    .dir_close = nv_dirs_close,
    .dir_read = nv_dirs_read,
    .dir_list = nv_dirs_list,
    .dir_stat = nv_dirs_stat,
    .state_load = host_state_load,
    .state_save = host_state_save,
    .commons = host_commons,
    .regex_new = host_regex_new,
    .regex_free = nv_regex_free,
    .regex_groups = nv_regex_groups,
    .journal_open = host_journal_open,
    .journal_match = nv_journal_add_match,
    .journal_or = nv_journal_add_or,
    .journal_seek = nv_journal_go,
    .journal_next = nv_journal_step,
    .journal_field = nv_journal_data,
    .journal_time_us = nv_journal_entry_time_us,
    .journal_cursor = nv_journal_here,
    .journal_close = nv_journal_free,
};
