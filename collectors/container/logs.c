/*
 * logs.c - names by the log files the kubelet makes, for where it does not tell us its pods.
 *
 *   root/var/log/containers   <pod>_<namespace>_<container>-<id>.log
 *   root/var/log/pods         <namespace>_<pod>_<uid>
 *
 * None of these names has a '_' of its own. The folders are listed anew when something turns up that is not in them, not more
 * often than every fourth pass.
 */
#include <nodevitals/sort.h>

#include "label.h"

enum { READ_EVERY = 4 /* passes */ };

struct entry {
    struct nv_str key; /* an id or a uid; views into the text of the entry */
    struct nv_str ns, pod, container;
};

struct nv_cg_names {
    struct entry *ids, *uids;
    size_t n_ids, n_uids;
    char *text;
    uint64_t read_in; /* the pass */
};

static int by_key(const void *a, const void *b)
{
    return nv_str_cmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static bool read_log_name(struct nv_str name, struct entry *ret)
{
    struct nv_str rest = name;

    if (!nv_str_ends(rest, ".log"))
        return false;
    rest.n -= strlen(".log");
    ret->pod = nv_str_cut(&rest, '_');
    ret->ns = nv_str_cut(&rest, '_');
    if (rest.n < NV_CG_ID + 2 || rest.p[rest.n - NV_CG_ID - 1] != '-')
        return false;
    ret->key = nv_str_from(rest, rest.n - NV_CG_ID);
    ret->container = (struct nv_str){rest.p, rest.n - NV_CG_ID - 1};
    return ret->pod.n && ret->ns.n && nv_cg_is_hex(ret->key);
}

static bool read_pod_name(struct nv_str name, struct entry *ret)
{
    *ret = (struct entry){0};
    ret->ns = nv_str_cut(&name, '_');
    ret->pod = nv_str_cut(&name, '_');
    ret->key = name;
    return ret->ns.n && ret->pod.n && ret->key.n;
}

static void forget(struct nv_cg_names *names)
{
    free(names->ids);
    free(names->uids);
    free(names->text);
    *names = (struct nv_cg_names){.read_in = names->read_in};
}

void nv_cg_names_free(struct nv_cg_names *names)
{
    if (!names)
        return;
    forget(names);
    free(names);
}

/* Sorted entries of those names that are of the shape; *at moves on in the text. */
static struct entry *read_names(struct nv_names from, bool (*read)(struct nv_str, struct entry *),
                                char **at, size_t *ret_n)
{
    struct entry *entries = calloc(from.n + 1, sizeof(*entries));
    size_t n = 0;

    for (size_t i = 0; entries && i < from.n; i++) {
        struct nv_str copy = {*at, from.at[i].n};
        memcpy(*at, from.at[i].p, from.at[i].n);
        *at += from.at[i].n;
        n += read(copy, &entries[n]);
    }
    if (n > 1)
        nv_sort(entries, n, sizeof(*entries), by_key);
    *ret_n = n;
    return entries;
}

static void read_folders(struct nv_pass *pass, struct nv_cg_names *names)
{
    struct nv_names logs = {0}, pods = {0};
    size_t size = 1;

    forget(names);
    if (nv_list(pass, "root/var/log/containers", &logs) < 0)
        logs.n = 0;
    if (nv_list(pass, "root/var/log/pods", &pods) < 0)
        pods.n = 0;
    for (size_t i = 0; i < logs.n; i++)
        size += logs.at[i].n;
    for (size_t i = 0; i < pods.n; i++)
        size += pods.at[i].n;
    char *at = names->text = malloc(size);
    if (!at)
        return;
    names->ids = read_names(logs, read_log_name, &at, &names->n_ids);
    names->uids = read_names(pods, read_pod_name, &at, &names->n_uids);
}

static const struct entry *search(const struct entry *entries, size_t n, struct nv_str key)
{
    const struct entry wanted = {.key = key};

    return n ? bsearch(&wanted, entries, n, sizeof(*entries), by_key) : NULL;
}

static const struct entry *find(struct nv_pass *pass, struct nv_cg_state *state, bool of_pod,
                                struct nv_str key)
{
    struct nv_cg_names *names = state->names;

    if (!names && !(names = state->names = calloc(1, sizeof(*names))))
        return NULL;
    for (bool is_read = false;; is_read = true) {
        const struct entry *found = of_pod ? search(names->uids, names->n_uids, key)
                                           : search(names->ids, names->n_ids, key);
        if (found || is_read || (names->text && state->pass - names->read_in < READ_EVERY))
            return found;
        names->read_in = state->pass;
        read_folders(pass, names);
    }
}

void nv_cg_names_pod(struct nv_pass *pass, struct nv_cg_state *state, const struct nv_cg *cgroup,
                     struct nv_cg_said *said)
{
    struct nv_str key = cgroup->is.key;
    const struct entry *found = find(pass, state, true, nv_cg_uid(key, nv_alloc(pass, key.n + 1)));

    if (!found)
        return;
    said->ns = found->ns;
    said->pod = found->pod;
}

bool nv_cg_names_container(struct nv_pass *pass, struct nv_cg_state *state,
                           const struct nv_cg *cgroup, struct nv_cg_said *said)
{
    const struct entry *found =
        nv_cg_is_of_pod(cgroup) ? find(pass, state, false, cgroup->is.key) : NULL;

    if (!found)
        return false;
    said->container = found->container;
    said->ns = found->ns;
    said->pod = found->pod;
    said->name = cgroup->is.key;
    return true;
}
