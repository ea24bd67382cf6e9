/*
 * ledger_kept.c - the ledger over a restart of the agent, in a small text (nv_state_save() in collector.h).
 *
 * Lines, with tabs between their parts:
 *
 *   ledger  BOOT TIME_MS                                                    the boot, and when this was
 *   there   INODE CARRIED KILLS ID CONTAINER ID IMAGE NAME NAMESPACE POD    an instance with kills: INODE is 0
 *                                                                           where it went, the first ID a container's or empty
 *   entry   KILLS SHORT_LIVED TOLD_MS CONTAINER NAMESPACE POD
 *
 * An instance that is still there is known again by its inode, as long as it is the same boot: its own counter then goes
 * on where it was. Where there is no room for all, those that are there come first, then names, then those that went
 * last. Names with a tab or a line's end in them are not kept.
 *
 * Kills are saved in the pass that sees them, all else every SAVE_EVERY passes.
 */
#include "ledger.h"

#include <stdarg.h>
#include <time.h>

enum {
    SAVE_EVERY = 20, /* passes: five minutes */
    LAG_MS = 60000,  /* so late may the kubelet tell of what was before the ledger was saved */
};

struct text {
    char *p;
    size_t n;
    uint64_t kills; /* their sum */
};

/* ---- saving --------------------------------------------------------------------------------- */

/* A line that does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    size_t room = NV_STATE_MAX - text->n;
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text->p + text->n, room, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < room)
        text->n += (size_t)n;
}

static bool is_plain(const struct nv_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nv_str_find(names[i], '\t') < names[i].n || nv_str_find(names[i], '\n') < names[i].n)
            return false;
    return true;
}

static void add_instance(struct text *text, const struct nv_cg_gone *gone)
{
    const struct nv_str *labels = gone->labels;

    text->kills += gone->kills;
    if (!gone->kills || !is_plain(labels, NV_CG_LABELS))
        return;
    add(text, "there\t%llu\t%llu\t%llu\t%.*s\t%.*s\t%.*s\t%.*s\t%.*s\t%.*s\t%.*s\n",
        (unsigned long long)gone->inode, (unsigned long long)gone->carried,
        (unsigned long long)gone->kills, NV_ARGS(gone->id), NV_ARGS(labels[0]), NV_ARGS(labels[1]),
        NV_ARGS(labels[2]), NV_ARGS(labels[3]), NV_ARGS(labels[4]), NV_ARGS(labels[5]));
}

static void add_those_there(struct text *text, const struct nv_cg_state *state)
{
    for (const struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup)) {
        struct nv_cg_gone as_gone = {
            .kills = cgroup->oom_kills, .inode = cgroup->inode, .carried = cgroup->oom_carried};
        if (!cgroup->oom_kills ||
            (cgroup->is.kind != NV_CG_CONTAINER && cgroup->is.kind != NV_CG_UNIT))
            continue;
        memcpy(as_gone.labels, cgroup->labels, sizeof(as_gone.labels));
        if (cgroup->is.kind == NV_CG_CONTAINER)
            as_gone.id = cgroup->is.key;
        add_instance(text, &as_gone);
    }
}

static void add_entries(struct text *text, const struct nv_cg_ledger *ledger)
{
    for (size_t i = 0; i < NV_CG_BUCKETS; i++) {
        for (const struct nv_cg_entry *entry = ledger->buckets[i]; entry; entry = entry->next) {
            const struct nv_str names[] = {entry->container, entry->ns, entry->pod};
            text->kills += entry->kills;
            if ((!entry->kills && !entry->short_lived) || !is_plain(names, NV_LEN(names)))
                continue;
            add(text, "entry\t%llu\t%llu\t%lld\t%.*s\t%.*s\t%.*s\n",
                (unsigned long long)entry->kills, (unsigned long long)entry->short_lived,
                (long long)entry->told_ms, NV_ARGS(names[0]), NV_ARGS(names[1]), NV_ARGS(names[2]));
        }
    }
}

static struct nv_str read_boot(struct nv_pass *pass)
{
    struct nv_str boot = NV_LIT("");

    (void)nv_read_attribute(pass, "proc/sys/kernel/random/boot_id", &boot);
    return boot;
}

void nv_cg_ledger_save(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct nv_cg_ledger *ledger = state->ledger;
    struct text text = {.p = nv_alloc(pass, NV_STATE_MAX)};
    struct timespec now;

    if (!(state->groups & NV_CG_OOM))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    add(&text, "ledger\t%.*s\t%lld\n", NV_ARGS(read_boot(pass)), (long long)now.tv_sec * 1000);
    add_those_there(&text, state);
    add_entries(&text, ledger);
    for (size_t i = ledger->n_gone; i-- > 0;)
        add_instance(&text, &ledger->gone[i]);
    if (ledger->saved_in && ledger->saved_kills == text.kills &&
        state->pass - ledger->saved_in < SAVE_EVERY)
        return;
    int r = nv_state_save(pass, "container", (struct nv_str){text.p, text.n});
    if (r < 0) { /* and is tried again with the next pass */
        nv_say(pass, NV_DEBUG, "kills cannot be saved: %s", strerrordesc_np(-r));
        return;
    }
    ledger->saved_in = state->pass;
    ledger->saved_kills = text.kills;
}

/* ---- loading -------------------------------------------------------------------------------- */

static bool cut_number(struct nv_str *line, uint64_t *ret)
{
    return nv_str_to_u64(nv_str_cut(line, '\t'), ret);
}

static void read_instance(struct nv_cg_state *state, struct nv_str line, bool same_boot)
{
    struct nv_str labels[NV_CG_LABELS];
    uint64_t inode, carried, kills;

    if (!cut_number(&line, &inode) || !cut_number(&line, &carried) || !cut_number(&line, &kills) ||
        carried > kills)
        return;
    struct nv_str id = nv_str_cut(&line, '\t');
    for (size_t i = 0; i < NV_CG_LABELS; i++)
        labels[i] = nv_str_cut(&line, '\t');
    struct nv_cg_gone *gone = nv_cg_ledger_add(state, labels, id, kills);
    if (!gone || !same_boot)
        return;
    gone->inode = inode;
    gone->carried = carried;
}

static void read_entry(struct nv_cg_state *state, struct nv_str line)
{
    uint64_t kills, short_lived;
    int64_t told_ms;

    if (!cut_number(&line, &kills) || !cut_number(&line, &short_lived) ||
        !nv_str_to_i64(nv_str_cut(&line, '\t'), &told_ms))
        return;
    struct nv_str container = nv_str_cut(&line, '\t'), ns = nv_str_cut(&line, '\t');
    struct nv_cg_entry *entry = nv_cg_ledger_entry(state->ledger, container, ns, line);
    if (!entry)
        return;
    entry->kills = kills;
    entry->short_lived = short_lived;
    entry->touched = container.n || line.n ? state->pass : UINT64_MAX / 2; /* the sum for ever */
    if (told_ms > entry->told_ms)
        entry->told_ms = told_ms;
}

void nv_cg_ledger_load(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct nv_str text, boot = read_boot(pass);
    uint64_t time_ms;

    state->ledger->is_loaded = true;
    if (!(state->groups & NV_CG_OOM) || nv_state_load(pass, "container", &text) < 0)
        return;
    struct nv_str line = nv_str_cut(&text, '\n'), word = nv_str_cut(&line, '\t');
    bool same_boot = nv_str_eq(nv_str_cut(&line, '\t'), boot);
    if (!nv_str_is(word, "ledger") || !nv_str_to_u64(line, &time_ms) || time_ms > INT64_MAX)
        return;
    if ((int64_t)time_ms < state->ledger->began_ms && time_ms > LAG_MS)
        state->ledger->looked_ms = (int64_t)time_ms - LAG_MS;
    while (text.n) {
        line = nv_str_cut(&text, '\n');
        word = nv_str_cut(&line, '\t');
        if (nv_str_is(word, "there"))
            read_instance(state, line, same_boot);
        else if (nv_str_is(word, "entry"))
            read_entry(state, line);
    }
}
