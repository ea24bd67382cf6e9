/*
 * preads.c - the floor under a scrape: reads the files named on standard input through descriptors kept
 * open, with pread(2) from 0 until it returns 0 bytes, and does nothing else.
 *
 * Usage: preads ROUNDS [PAUSE_US] < list. Prints the microseconds of CPU time one round took. After a pause the
 * caches are as cold as they are for whoever reads once a second.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 4096, BUFFER_SIZE = 1 << 16 };

static int fds[FILES_MAX];
static size_t n_fds;
static char buffer[BUFFER_SIZE];

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void read_round(void)
{
    for (size_t i = 0; i < n_fds; i++) {
        off_t at = 0;
        for (ssize_t n; (n = pread(fds[i], buffer, sizeof(buffer), at)) > 0;)
            at += n;
    }
}

int main(int argc, char **argv)
{
    char path[4096];
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
    long pause_us = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

    while (n_fds < FILES_MAX && fgets(path, sizeof(path), stdin)) {
        path[strcspn(path, "\n")] = '\0';
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            fds[n_fds++] = fd;
    }
    read_round();
    double begin = cpu_us();
    for (long i = 0; i < rounds; i++) {
        if (pause_us)
            usleep((useconds_t)pause_us);
        read_round();
    }
    printf("%.1f\n", (cpu_us() - begin) / (double)rounds);
    return 0;
}
