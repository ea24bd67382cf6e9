#include "record.h"

enum { FACILITY_SHIFT = 3, LEVEL_MASK = 7, PRIORITY_MAX = 0x3ff };

/* "DEVICE=b8:0", "DEVICE=n3", "DEVICE=+pci:0000:00:1f.6": without the mark of a subsystem. */
static struct nv_str find_device(struct nv_scan lines)
{
    struct nv_scan line;

    while (nv_scan_line(&lines, &line)) {
        if (!nv_scan_accept(&line, " DEVICE="))
            continue;
        nv_scan_accept(&line, "+");
        return nv_scan_rest(&line);
    }
    return NV_LIT("");
}

bool nv_kmsg_parse(struct nv_str bytes, struct nv_kmsg_record *ret)
{
    struct nv_scan record = nv_scan(bytes), head, first;

    if (!nv_scan_line(&record, &first))
        return false;
    struct nv_str fields = nv_scan_until(&first, ';');
    if (first.failed)
        return false;
    head = nv_scan(fields);
    uint64_t priority = 0, sequence = 0, stamp = 0;
    bool good = nv_str_to_u64(nv_scan_until(&head, ','), &priority) && priority <= PRIORITY_MAX &&
                nv_str_to_u64(nv_scan_until(&head, ','), &sequence) && sequence < UINT64_MAX;
    struct nv_str rest = nv_scan_rest(&head), stamp_text = nv_str_cut(&rest, ',');
    if (!good || !nv_str_to_u64(stamp_text, &stamp))
        return false;
    *ret = (struct nv_kmsg_record){
        .facility = (unsigned)(priority >> FACILITY_SHIFT),
        .level = (unsigned)(priority & LEVEL_MASK),
        .sequence = sequence,
        .stamp_us = stamp,
        .flag = rest.n ? rest.p[0] : '-',
        .text = nv_scan_rest(&first),
        .device = find_device(record),
    };
    return true;
}

size_t nv_kmsg_length(struct nv_str bytes)
{
    size_t n = 0;

    do {
        struct nv_str rest = nv_str_from(bytes, n);
        size_t end = nv_str_find(rest, '\n');
        if (end == rest.n || n + end + 1 == bytes.n)
            return 0;
        n += end + 1;
    } while (bytes.p[n] == ' ');
    return n;
}

size_t nv_kmsg_unescape(struct nv_str text, char *out, size_t size)
{
    size_t n = 0;

    while (text.n && n < size) {
        uint64_t byte = (unsigned char)text.p[0];
        size_t taken = 1;
        if (text.p[0] == '\\' && text.n >= 4 && text.p[1] == 'x' && !nv_is_space(text.p[2]) &&
            !nv_is_space(text.p[3]) && nv_str_to_hex((struct nv_str){text.p + 2, 2}, &byte))
            taken = 4;
        out[n++] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
        text = nv_str_from(text, taken);
    }
    return n;
}
