/*
 * netlink.h - dumps from the kernel, and reading their attributes in place.
 *
 * A dump is asked for once per pass however many collectors want it: equal requests share one answer.
 * Sockets stay open between passes and have a deadline.
 */
#ifndef NODEVITALS_NETLINK_H
#define NODEVITALS_NETLINK_H

#include <nodevitals/collector.h>

#include <linux/netlink.h>

/*
 * Sends `request` (header and payload, n bytes; the agent sets sequence number and NLM_F_REQUEST |
 * NLM_F_DUMP where nlmsg_flags is 0) and calls each() for every message of the answer. Returns 0, a
 * negative errno (the kernel's own, -ETIMEDOUT, -EINTR after three interrupted dumps), or what each() did.
 */
static inline int nv_netlink(struct nv_pass *pass, int protocol, const void *request, size_t n,
                             nv_netlink_fn each, void *user)
{
    return pass->host->netlink(pass, protocol, request, n, each, user);
}

/* The message type of a generic netlink family. -ENOENT where the kernel lacks it. */
static inline int nv_genl_family(struct nv_pass *pass, const char *name, uint16_t *ret_id)
{
    return pass->host->genl_family(pass, name, ret_id);
}

/*
 * Calls each() for the index of every link that was announced (RTM_NEWLINK, RTM_DELLINK) since the
 * caller's last call, with 0 for "any of them" when notices were lost, and on the first call.
 * *cursor is the caller's, 0 at first.
 */
static inline void nv_link_notices(struct nv_pass *pass, uint64_t *cursor,
                                   void (*each)(int ifindex, void *user), void *user)
{
    pass->host->link_notices(pass, cursor, each, user);
}

/* The payload of a message after a fixed header of `header` bytes; empty where it is too short. */
static inline struct nv_str nv_netlink_payload(const struct nlmsghdr *message, size_t header)
{
    size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(header);

    if (message->nlmsg_len < skip)
        return (struct nv_str){NULL, 0};
    return (struct nv_str){(const char *)message + skip, message->nlmsg_len - skip};
}

/* Copies the fixed header of a message, such as an ifinfomsg. False where the message is too short. */
static inline bool nv_netlink_head(const struct nlmsghdr *message, void *ret, size_t n)
{
    if (message->nlmsg_len < NLMSG_HDRLEN + n)
        return false;
    memcpy(ret, (const char *)message + NLMSG_HDRLEN, n);
    return true;
}

/*
 * Cuts the next attribute from *attributes. False at the end, and where a length is out of bounds.
 * *ret_type comes without the nested and byte order flags.
 */
static inline bool nv_netlink_attribute(struct nv_str *attributes, unsigned *ret_type,
                                        struct nv_str *ret_value)
{
    struct nlattr header;

    if (attributes->n < sizeof(header))
        return false;
    memcpy(&header, attributes->p, sizeof(header));
    if (header.nla_len < NLA_HDRLEN || header.nla_len > attributes->n)
        return false;
    *ret_type = header.nla_type & NLA_TYPE_MASK;
    *ret_value = (struct nv_str){attributes->p + NLA_HDRLEN, (size_t)header.nla_len - NLA_HDRLEN};
    *attributes = nv_str_from(*attributes, NLA_ALIGN(header.nla_len));
    return true;
}

/* Numbers in host order; 0 where the attribute is too short. */
static inline uint8_t nv_netlink_u8(struct nv_str value)
{
    return value.n >= 1 ? (uint8_t)value.p[0] : 0;
}
static inline uint16_t nv_netlink_u16(struct nv_str value)
{
    uint16_t n = 0;

    if (value.n >= sizeof(n))
        memcpy(&n, value.p, sizeof(n));
    return n;
}
static inline uint32_t nv_netlink_u32(struct nv_str value)
{
    uint32_t n = 0;

    if (value.n >= sizeof(n))
        memcpy(&n, value.p, sizeof(n));
    return n;
}
static inline uint64_t nv_netlink_u64(struct nv_str value)
{
    uint64_t n = 0;

    if (value.n >= sizeof(n))
        memcpy(&n, value.p, sizeof(n));
    return n;
}

/* Text up to its NUL. */
static inline struct nv_str nv_netlink_text(struct nv_str value)
{
    return (struct nv_str){value.p, nv_str_find(value, '\0')};
}

#endif
