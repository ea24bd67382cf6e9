/*
 * record.h - a record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg).
 *
 *     PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,KEY=value ...];TEXT\n
 *      KEY=value\n                            any number of dictionary lines, each behind a blank
 *
 * The priority is a facility times 8 and a level; what the kernel says itself has facility 0, what was written to the
 * device from outside never. FLAGS is '-' for a whole line; 'c' and '+' mark fragments: up to 4.8 'c' begins a line that '+'
 * continues, later 'c' continues the record before. Bytes that do not print stand as \xNN.
 */
#ifndef NODEVITALS_KMSG_RECORD_H
#define NODEVITALS_KMSG_RECORD_H

#include <nodevitals/scan.h>

struct nv_kmsg_record {
    unsigned facility, level;
    uint64_t sequence, stamp_us;
    char flag;
    struct nv_str text; /* as written, escapes and all */
    struct nv_str
        device; /* of the dictionary: "sda"'s numbers "b8:0", "pci:0000:00:1f.6"; empty for none */
};

/* False where the bytes are none. */
bool nv_kmsg_parse(struct nv_str bytes, struct nv_kmsg_record *ret);

/* Bytes of the first record of several, its dictionary with it; 0 where its end is not certain: more may follow. */
size_t nv_kmsg_length(struct nv_str bytes);

/* Writes text with its escapes resolved, as far as there is room. What controls a terminal becomes '?': a newline in a
 * text begins no line. Returns how many bytes. */
size_t nv_kmsg_unescape(struct nv_str text, char *out, size_t size);

#endif
