/*
 * fixture.h - runs one collector on a folder that stands for a machine.
 *
 * A case is a folder test/collectors/fixtures/<collector>/<case>/ with any of proc/, sys/, root/, udev/, an optional
 * `flags` (one flag of the command line a line) and expected.prom: what the collector must yield, in
 * classic text, without HELP lines (they are dropped before comparing). The first line of expected.prom may
 * be "# result no-data" or "# result error" when that is how the run must end; else it must succeed. A
 * line with a '*' is a pattern (fnmatch(3)), for what differs from machine to machine.
 * A file `pods.json` is what the kubelet tells of the node's pods; files below kubelet/ are its other paths.
 * A file `own-network` asks for a network namespace of its own, where netlink finds a loopback and no more.
 * Names a checkout cannot hold (colons are fine, empty folders are not) are made by an optional
 * `setup.sh`, run in a copy of the folder.
 */
#ifndef NV_TEST_FIXTURE_H
#define NV_TEST_FIXTURE_H

#include <nodevitals/collector.h>

/* The collector's output as classic text (TYPE lines kept, HELP dropped); the caller frees it.
 * `flags`: NULL-ended command-line flags, or NULL. *ret_result: as collect() returned, or start()'s error. */
char *nv_fixture_collect(const struct nv_collector *collector, const char *root,
                         const char *const *flags, int *ret_result);

/* Number of cases of a collector; the path of case i. */
size_t nv_fixture_count(const char *collector);
const char *nv_fixture_path(const char *collector, size_t i);

/* Fails the running check test where case i differs from its expected.prom. With NV_UPDATE=1 in the
 * environment it writes expected.prom instead. */
void nv_assert_golden(const struct nv_collector *collector, size_t i);

/* The value of a sample ("name{a=\"b\"}") in text; NaN when it is not there. */
double nv_sample_of(const char *text, const char *series);
bool nv_has_sample(const char *text, const char *series);

/* Runs the collector on case i with every file cut at every byte up to 4 KiB (and at 100 places beyond), and with
 * every file missing, empty, and unreadable text; nothing is checked but that it returns. */
void nv_fixture_torture(const struct nv_collector *collector, size_t i);

/* Sends the log to nowhere, unless NV_VERBOSE is in the environment. */
void nv_quiet(void);

/* A temporary folder that goes when the program ends; files made below a folder, with their parents. */
const char *nv_temp_dir(void);
void nv_write_file(const char *dir, const char *path, const char *text);

/* ../shared/<path>, or NULL after saying "SKIP: ..." when it is not there. */
const char *nv_shared(const char *path);

#endif
