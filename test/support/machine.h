/*
 * machine.h - one collector kept running on a folder that stands for a machine, for what takes more than one
 * pass to see: what is kept between passes, and when it is forgotten.
 */
#ifndef NV_TEST_MACHINE_H
#define NV_TEST_MACHINE_H

#include <nodevitals/collector.h>

struct nv_machine;

/* `root` holds proc/, sys/, root/ and udev/; `flags` are NULL-ended, or NULL. Fails the test where start() does. */
struct nv_machine *nv_machine_new(const struct nv_collector *collector, const char *root,
                                  const char *const *flags);
void nv_machine_free(struct nv_machine *machine);

/* One pass of at most timeout_ms: the text, with HELP; it lasts until the next pass. */
const char *nv_machine_pass(struct nv_machine *machine, int64_t timeout_ms);

#endif
