/*
 * absent.h - remembers paths of procfs and sysfs that are not there, until the kernel announces something.
 *
 * Most collectors look for hardware and modules that most machines lack; looking costs a path walk each. What
 * appears there comes with a uevent (a device, a driver, a module), so an absence is believed until
 * the next one, and for NV_ABSENT_MS at most. Without the uevent socket nothing is remembered.
 *
 *   bound      NV_ABSENT_MAX paths; others are looked for each time
 *   threads    the caller's lock
 */
#ifndef NV_GATHER_ABSENT_H
#define NV_GATHER_ABSENT_H

#include <nodevitals/scan.h>

enum { NV_ABSENT_MAX = 256, NV_ABSENT_MS = 60000 };

struct nv_absent;

struct nv_absent *nv_absent_new(void);
void nv_absent_free(struct nv_absent *absent);

/* Forgets what is no longer believed. Once a pass, before it looks for anything. */
void nv_absent_refresh(struct nv_absent *absent);

bool nv_absent_has(const struct nv_absent *absent, const char *path, uint64_t hash);
void nv_absent_add(struct nv_absent *absent, const char *path, uint64_t hash);

#endif
