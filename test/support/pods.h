/*
 * pods.h - pods for a collector under test, from a file as the kubelet would answer.
 *
 * The fixture, machine and memory hosts give a collector the pods of `pods.json` in the folder (or archive) that
 * stands for the machine, or else those of the file named here; other paths of the kubelet are files below kubelet/.
 */
#ifndef NV_TEST_PODS_H
#define NV_TEST_PODS_H

#include "gather/gather.h"

/* The file for folders without one of their own; NULL for none. Kept as a pointer. */
void nv_test_pods_file(const char *path);

/* For struct nv_gather_options. `root`: a folder that may hold pods.json. A file that is no PodList ends the test. */
struct nv_gather_pods nv_test_pods(const char *root);

/* How often a collector asked for newer ones, since the program began. */
unsigned nv_test_pods_wanted(void);

#endif
