/*
 * numa.c - what v1 has for each core (group "percpu") and each NUMA node (group "memory_numa").
 *
 *   cpuacct.usage_percpu   nanoseconds of each core, in a line
 *   memory.numa_stat       "file=3 N0=1 N1=2": pages in all and of each node; with "hierarchical_" those below too
 *
 * Both off by default. v2 has no times of cores, and its memory.numa_stat, in bytes, cAdvisor does not know.
 */
#include "files.h"

enum { CORES_MAX = 8192, PAGES_MAX = 4096 };

static const struct nv_family columns[] = {
    {"container_memory_numa_pages", NV_GAUGE, NV_AS_IS, "Pages of memory on a NUMA node."},
};
const struct nv_table nv_cg_numas = {
    NV_LABELS("container", "id", "image", "name", "namespace", "pod", "node", "scope", "type"),
    columns, 1};

static const char *const types[] = {"file", "anon", "unevictable"};
#define HIERARCHICAL "hierarchical_"

struct nv_cg_pages {
    uint32_t node;
    uint8_t type;
    bool is_below;
    uint64_t pages;
};

void nv_cg_parse_percpu(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                        struct nv_str text)
{
    struct nv_cg_more *more = nv_cg_more(pass, values);
    struct nv_scan scan = nv_scan(text);
    size_t n = 0;

    (void)slot;
    for (struct nv_scan rest = scan; nv_scan_word(&rest).n && n < CORES_MAX;)
        n++;
    more->cores = nv_alloc(pass, (n + 1) * sizeof(*more->cores));
    more->n_cores = nv_scan_row(&scan, more->cores, n);
}

static void parse_line(struct nv_cg_more *more, struct nv_scan *line, size_t max)
{
    struct nv_str word = nv_scan_word(line), name = nv_str_cut(&word, '=');
    bool is_below = nv_str_starts(name, HIERARCHICAL);
    uint8_t type = 0;

    if (is_below)
        name = nv_str_from(name, strlen(HIERARCHICAL));
    while (type < NV_LEN(types) && !nv_str_is(name, types[type]))
        type++;
    for (word = nv_scan_word(line); type < NV_LEN(types) && word.n; word = nv_scan_word(line)) {
        struct nv_str node = nv_str_cut(&word, '=');
        uint64_t number, pages;
        if (more->n_pages == max || !nv_str_starts(node, "N") ||
            !nv_str_to_u64(nv_str_from(node, 1), &number) || number > UINT32_MAX ||
            !nv_str_to_u64(word, &pages))
            return;
        more->pages[more->n_pages++] =
            (struct nv_cg_pages){(uint32_t)number, type, is_below, pages};
    }
}

void nv_cg_parse_numa(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                      struct nv_str text)
{
    struct nv_cg_more *more = nv_cg_more(pass, values);
    struct nv_scan file = nv_scan(text), line;
    size_t max = 0;

    (void)slot;
    for (size_t i = 0; i < text.n && max < PAGES_MAX; i++)
        max += text.p[i] == ' ';
    more->pages = nv_alloc(pass, (max + 1) * sizeof(*more->pages));
    more->n_pages = 0;
    while (nv_scan_line(&file, &line))
        parse_line(more, &line, max);
}

/* A label of a number. */
static struct nv_str numbered(struct nv_pass *pass, const char *prefix, int digits, unsigned number)
{
    char *text = nv_alloc(pass, 16);
    int n = snprintf(text, 16, "%s%0*u", prefix, digits, number);

    return (struct nv_str){text, n > 0 ? (size_t)n : 0};
}

void nv_cg_numa_emit(struct nv_pass *pass, const struct nv_cg_more *more, struct nv_str *labels)
{
    for (size_t i = 0; i < more->n_pages; i++) {
        const struct nv_cg_pages *pages = &more->pages[i];
        labels[NV_CG_LABELS] = numbered(pass, "", 1, pages->node);
        labels[NV_CG_LABELS + 1] = nv_str(pages->is_below ? "hierarchy" : "container");
        labels[NV_CG_LABELS + 2] = nv_str(types[pages->type]);
        nv_emit_u64(pass, &nv_cg_numas, labels, 0, pages->pages);
    }
}

/* Cores that were never used are left out, as cAdvisor does. */
void nv_cg_cores_emit(struct nv_pass *pass, const struct nv_cg_more *more, struct nv_str *labels)
{
    for (size_t i = 0; i < more->n_cores; i++) {
        if (!more->cores[i])
            continue;
        labels[NV_CG_LABELS] = numbered(pass, "cpu", 2, (unsigned)i);
        nv_emit_u64(pass, &nv_cg_usages, labels, 0, more->cores[i]);
    }
}
