/*
 * pods_bench.c - what it takes to read an answer of the kubelet's /pods: pods_bench FILE [ROUNDS]
 *
 * Prints the best and the median time of a round, reading alone, and the bytes kept beyond the text. The answer is read
 * from a copy of its own each time, as it would come from the network.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "kube/pods.h"

enum { ROUNDS_MAX = 10000 };

static int order(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int read_file(const char *path, struct nv_buf *into)
{
    FILE *file = fopen(path, "re");
    char bytes[65536];
    size_t n;

    if (!file)
        return -1;
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        nv_buf_add(into, bytes, n);
    fclose(file);
    return into->failed;
}

int main(int argc, char **argv)
{
    static int64_t times[ROUNDS_MAX];
    int rounds =
        argc > 2 ? atol(argv[2]) > 0 && atol(argv[2]) <= ROUNDS_MAX ? (int)atol(argv[2]) : 1 : 100;
    NV_AUTO_BUF file = NV_BUF(NV_PODS_TEXT_MAX);
    char error[NV_PODS_ERROR_MAX] = "";
    size_t memory = 0, n = 0, containers = 0;

    if (argc < 2 || read_file(argv[1], &file) != 0)
        return fprintf(stderr, "usage: pods_bench FILE [ROUNDS]\n"), 1;
    for (int i = 0; i < rounds; i++) {
        NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);
        struct nv_pods *made = NULL;
        nv_buf_str(&text, nv_buf_view(&file));
        int64_t begin = nv_monotonic_ns();
        if (nv_pods_read(&text, 1, 1, &made, error) < 0)
            return fprintf(stderr, "%s\n", error), 1;
        times[i] = nv_monotonic_ns() - begin;
        NV_AUTO(nv_pods) *pods = made;
        memory = nv_pods_memory(pods);
        n = pods->n;
        containers = pods->n_containers;
    }
    qsort(times, (size_t)rounds, sizeof(times[0]), order);
    printf("%zu bytes, %zu pods, %zu containers: best %.3f ms, median %.3f ms, %zu KiB beyond the "
           "text\n",
           file.n, n, containers, (double)times[0] / 1e6, (double)times[rounds / 2] / 1e6,
           memory / 1024);
    return 0;
}
