/*
 * vmstat - counters of the virtual memory, those whose names are asked for.
 *
 * Source: /proc/vmstat, lines of a name and a number. Every line must parse, wanted or not. A family
 * is made per name; names come in the same order with each pass, so which are wanted is remembered by
 * their place, and the expression is run again only for a name that was not there before.
 */
#include <nodevitals/collector.h>

enum { FLAG_FIELDS };
enum { N_NAMES_MAX = 4096 }; /* lines; the kernel has some 200 */

#define PREFIX "node_vmstat_"

struct name {
    char *family; /* prefix and name */
    size_t n;     /* length of the name */
    bool wanted;
};

struct state {
    struct name *names;
    size_t n_names;
};

/* What is remembered of the line at `place`. NULL when memory is out. */
static const struct name *remember(struct nv_pass *pass, size_t place, struct nv_str text)
{
    struct state *state = nv_state(pass);

    if (place < state->n_names) {
        const struct name *known = &state->names[place];
        if (nv_str_eq((struct nv_str){known->family + sizeof(PREFIX) - 1, known->n}, text))
            return known;
    } else {
        struct name *names = reallocarray(state->names, place + 1, sizeof(*names));
        if (!names)
            return NULL;
        names[place] = (struct name){0};
        state->names = names;
        state->n_names = place + 1;
    }
    struct name *name = &state->names[place];
    char *family = realloc(name->family, sizeof(PREFIX) + text.n);
    if (!family)
        return NULL;
    memcpy(family, PREFIX, sizeof(PREFIX) - 1);
    memcpy(family + sizeof(PREFIX) - 1, text.p, text.n);
    family[sizeof(PREFIX) - 1 + text.n] = '\0';
    *name = (struct name){family, text.n, nv_matches(pass, FLAG_FIELDS, text)};
    return name;
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;

    for (size_t place = 0; nv_scan_line(&file, &line); place++) {
        struct nv_str text = nv_scan_word(&line);
        double value = nv_scan_real(&line);
        if (line.failed || place == N_NAMES_MAX)
            return nv_error(pass, -EBADMSG, "proc/vmstat: bad line %zu", place + 1);
        const struct name *name = remember(pass, place, text);
        if (!name)
            return -ENOMEM;
        if (!name->wanted)
            continue;
        struct nv_family family = {name->family, NV_UNTYPED, NV_AS_IS,
                                   "Count of the virtual memory by the kernel's name for it."};
        nv_emit_named(pass, &family, NV_NO_LABELS, NULL, value);
    }
    return 0;
}

static void stop(void *memory)
{
    struct state *state = memory;

    for (size_t i = 0; i < state->n_names; i++)
        free(state->names[i].family);
    free(state->names);
}

NV_COLLECTOR(vmstat) = {
    NV_ABI_STAMP,
    .name = "vmstat",
    .summary = "Paging, swapping and page faults.",
    .sources = NV_SOURCES("proc/vmstat"),
    .flags = NV_FLAGS({"collector.vmstat.fields", NV_FLAG_REGEX,
                       "^(oom_kill|pgpg|pswp|pg.*fault).*", "Names to expose.", false}),
    .state_size = sizeof(struct state),
    .stop = stop,
    .collect = collect,
};
