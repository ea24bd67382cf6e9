/*
 * memory_host.h - a machine in memory: runs one collector on files that lie in an archive.
 *
 * An archive is text or bytes:
 *
 *     collector NAME\n
 *     == PATH LENGTH\n        then LENGTH bytes and a newline; PATH begins with proc/, sys/, root/, udev/ or kubelet/,
 *                             or state/ (what was kept), or is "netlink": messages that answer every dump, or
 *                             "pods.json"
 *     -> PATH TARGET\n        a symbolic link
 *
 * What does not parse ends it. Nothing outside memory is touched by the host; system calls a collector makes
 * itself (uname, ioctl ...) are its own.
 */
#ifndef NV_TEST_MEMORY_HOST_H
#define NV_TEST_MEMORY_HOST_H

#include <nodevitals/collector.h>

/* Runs start() and three times collect() of the collector the archive names. Aborts on a broken promise of a
 * collector. Returns false where the archive names none. */
bool nv_memory_run(struct nv_str archive);

/* Flags of collectors, for all runs; before the first. Kept as pointers. */
void nv_memory_flags(const char *const *argv, int argc);

#endif
