/*
 * Relocation, TLS tables and reading the command line run once and touch a good part of every library. The kernel keeps
 * such pages in our tables until memory is short, in the same table that counts against a container's limit and a
 * reader's patience. Code is never written to, so dropping it loses nothing.
 */
#include "agent/settle.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>

#include <nodevitals/scan.h>

/* A line of /proc/self/maps: "from-to r-xp offset device inode path", where the path begins with a slash. */
static bool is_code(struct nv_scan line, uintptr_t *ret_from, size_t *ret_size)
{
    uint64_t from, to;
    struct nv_str range = nv_scan_word(&line), first = nv_str_cut(&range, '-');
    bool executable = nv_str_is(nv_scan_word(&line), "r-xp");

    nv_scan_skip(&line, 3);
    struct nv_str path = nv_scan_word(&line);
    if (!executable || !path.n || path.p[0] != '/' || !nv_str_to_hex(first, &from) ||
        !nv_str_to_hex(range, &to) || from >= to)
        return false;
    *ret_from = (uintptr_t)from;
    *ret_size = (size_t)(to - from);
    return true;
}

void nv_agent_settle(void)
{
    char text[512];
    uintptr_t from;
    size_t size;

    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(text, sizeof(text), maps))
        if (is_code(nv_scan(nv_str(text)), &from, &size))
            (void)!madvise((void *)from, size, MADV_DONTNEED);
    if (maps)
        fclose(maps);
    malloc_trim(0);
}
