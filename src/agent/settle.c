/*
 * Relocation, TLS tables and reading the command line run once and touch a good part of every library. The kernel keeps
 * such pages in our tables until memory is short, in the same table that counts against a container's limit and a
 * reader's patience. What a segment may not be written to is what the file says, so dropping it loses nothing: code, and the
 * constants beside it. (What is made read-only after it was relocated belongs to a writable segment.)
 */
#include "agent/settle.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

static int drop_constant(struct dl_phdr_info *object, size_t size, void *user)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size, (void)user;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t from = (object->dlpi_addr + part->p_vaddr) & -page;
        uintptr_t to = object->dlpi_addr + part->p_vaddr + part->p_filesz;
        if (part->p_type == PT_LOAD && !(part->p_flags & PF_W))
            (void)!madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void nv_agent_settle(void)
{
    dl_iterate_phdr(drop_constant, NULL);
    malloc_trim(0);
}
