/*
 * address.h - network addresses as text, the way labels have them.
 */
#ifndef NODEVITALS_ADDRESS_H
#define NODEVITALS_ADDRESS_H

#include <nodevitals/collector.h>

enum {
    NV_IP_TEXT_MAX = 48,        /* IPv6 with its end, and a prefix length */
    NV_HARDWARE_TEXT_MAX = 200, /* 64 bytes and their colons */
};

/* IPv6 as RFC 5952 has it: the longest run of two or more zero groups becomes "::". */
static inline size_t nv_ip6_text(const unsigned char *ip, char text[NV_IP_TEXT_MAX])
{
    unsigned group[8];
    int best = -1, best_n = 1;
    size_t n = 0;

    for (int i = 0; i < 8; i++)
        group[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
    for (int i = 0, run = 0; i < 8; i++) {
        run = group[i] ? 0 : run + 1;
        if (run > best_n) {
            best_n = run;
            best = i + 1 - run;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            n += (size_t)snprintf(text + n, NV_IP_TEXT_MAX - n, "::");
            i += best_n - 1;
        } else {
            const char *colon = i && i != best + best_n ? ":" : "";
            n += (size_t)snprintf(text + n, NV_IP_TEXT_MAX - n, "%s%x", colon, group[i]);
        }
    }
    return n;
}

/* An address of 4 or 16 bytes in network order; IPv4 in IPv6 reads as IPv4. Empty for other lengths. */
static inline struct nv_str nv_ip_text(struct nv_str address, char text[NV_IP_TEXT_MAX])
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (address.n == 16 && memcmp(address.p, mapped, sizeof(mapped)) == 0)
        address = nv_str_from(address, sizeof(mapped));
    const unsigned char *ip = (const unsigned char *)address.p;
    size_t n = 0;
    if (address.n == 4)
        n = (size_t)snprintf(text, NV_IP_TEXT_MAX, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
    else if (address.n == 16)
        n = nv_ip6_text(ip, text);
    return (struct nv_str){text, n};
}

/* A hardware address: pairs of hexadecimal digits and colons. Bytes beyond 64 are left out. */
static inline struct nv_str nv_hardware_text(struct nv_str address, char text[NV_HARDWARE_TEXT_MAX])
{
    static const char digit[] = "0123456789abcdef";
    char *at = text;

    for (size_t i = 0; i < address.n && i < 64; i++) {
        unsigned char byte = (unsigned char)address.p[i];
        if (i)
            *at++ = ':';
        *at++ = digit[byte >> 4];
        *at++ = digit[byte & 15];
    }
    return (struct nv_str){text, (size_t)(at - text)};
}

#endif
