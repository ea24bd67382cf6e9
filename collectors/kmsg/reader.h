/*
 * reader.h - takes records from /dev/kmsg, or from a file that has raw records one after the other.
 *
 *   device     a read is a record; -EPIPE says that records were overwritten before they were read, and that the next read
 *              goes on with the oldest there is
 *   file       is cut into records; at its end what is there is taken for whole
 *   bound      NV_KMSG_RECORD_MAX bytes a record (the kernel's are below 8 KiB); of a file a longer one is passed over
 */
#ifndef NODEVITALS_KMSG_READER_H
#define NODEVITALS_KMSG_READER_H

#include <sys/types.h>

#include "record.h"

enum { NV_KMSG_RECORD_MAX = 16 << 10 };

struct nv_kmsg_reader {
    ssize_t (*read)(int fd, void *out, size_t size); /* read(2), or a test's */
    int fd;
    bool is_file;
    bool skips;        /* to the end of a record that was too long */
    uint64_t n_long;   /* of those */
    uint64_t n_read;   /* bytes of the file */
    size_t first, end; /* of what was read and not taken */
    char bytes[2 * NV_KMSG_RECORD_MAX];
};

/*
 * The next record's bytes, until the next call. Returns 1; 0 where there is none for now; -EPIPE where some were lost, after
 * which there may be more; another negative errno where it cannot be read any more.
 */
int nv_kmsg_next(struct nv_kmsg_reader *reader, struct nv_str *ret);

#endif
