/*
 * links.h - the links of our network namespace, from one RTM_GETLINK dump a pass.
 *
 * Everybody asks with the same bytes, so that the agent asks the kernel once however many collectors
 * want links, their statistics or merely their names.
 */
#ifndef NODEVITALS_LINKS_H
#define NODEVITALS_LINKS_H

#include <nodevitals/netlink.h>
#include <nodevitals/sort.h>

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

enum { NV_LINK_ATTRIBUTES = 64 }; /* attributes from here on are not kept */

struct nv_link {
    int index;
    unsigned flags; /* IFF_*, as dev_get_flags() has them */
    unsigned type;  /* ARPHRD_* */
    struct nv_str name;
    struct nv_str attribute[NV_LINK_ATTRIBUTES]; /* by IFLA_*; {NULL, 0} where absent */
};

/* Reads one message. False where it is no link, or a link without a name. */
static inline bool nv_link_parse(const struct nlmsghdr *message, struct nv_link *ret)
{
    struct nv_str attributes = nv_netlink_payload(message, sizeof(struct ifinfomsg)), value;
    struct ifinfomsg head;
    unsigned type;

    if (message->nlmsg_type != RTM_NEWLINK || !nv_netlink_head(message, &head, sizeof(head)))
        return false;
    memset(ret, 0, sizeof(*ret));
    ret->index = head.ifi_index;
    ret->flags = head.ifi_flags;
    ret->type = head.ifi_type;
    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type < NV_LINK_ATTRIBUTES)
            ret->attribute[type] = value;
    }
    ret->name = nv_netlink_text(ret->attribute[IFLA_IFNAME]);
    return ret->name.n > 0;
}

/* Calls each() with every message of the dump; see nv_netlink(). */
static inline int nv_links(struct nv_pass *pass, nv_netlink_fn each, void *user)
{
    const struct {
        struct nlmsghdr header;
        struct ifinfomsg body;
    } request = {
        {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK},
        {0                           }
    };

    return nv_netlink(pass, NETLINK_ROUTE, &request, sizeof(request), each, user);
}

/* The names of all links, by index. */
struct nv_link_name {
    int index;
    char name[IFNAMSIZ];
};
struct nv_link_names {
    struct nv_link_name *at; /* in the order of their indexes */
    size_t n, max;
    bool unordered;
};

static inline int nv_link_names_count(const struct nlmsghdr *message, void *user)
{
    (void)message;
    ++*(size_t *)user;
    return 0;
}

static inline int nv_link_names_add(const struct nlmsghdr *message, void *user)
{
    struct nv_link_names *names = user;
    struct nv_link link;

    if (!nv_link_parse(message, &link) || names->n == names->max || link.name.n >= IFNAMSIZ)
        return 0;
    struct nv_link_name *name = &names->at[names->n++];
    name->index = link.index;
    names->unordered |= names->n > 1 && name[-1].index > link.index;
    memcpy(name->name, link.name.p, link.name.n);
    name->name[link.name.n] = '\0';
    return 0;
}

static inline int nv_link_names_order(const void *a, const void *b)
{
    int x = ((const struct nv_link_name *)a)->index, y = ((const struct nv_link_name *)b)->index;

    return (x > y) - (x < y);
}

/* Fills *ret, which lives until the pass ends. Returns 0 or what nv_netlink() does. */
static inline int nv_link_names(struct nv_pass *pass, struct nv_link_names *ret)
{
    struct nv_link_names names = {0};

    int r = nv_links(pass, nv_link_names_count, &names.max);
    if (r < 0)
        return r;
    names.at = nv_alloc(pass, (names.max + 1) * sizeof(*names.at));
    r = nv_links(pass, nv_link_names_add, &names);
    if (r < 0)
        return r;
    if (names.unordered) /* by kernels before 6.8 */
        nv_sort(names.at, names.n, sizeof(*names.at), nv_link_names_order);
    *ret = names;
    return 0;
}

/* The place of an index in names->at; -1 for a link that is not there (any more). */
static inline ptrdiff_t nv_link_names_find(const struct nv_link_names *names, int index)
{
    size_t low = 0, high = names->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->at[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < names->n && names->at[low].index == index ? (ptrdiff_t)low : -1;
}

/* The same as a name; empty for a link that is not there. */
static inline struct nv_str nv_link_name(const struct nv_link_names *names, int index)
{
    ptrdiff_t i = nv_link_names_find(names, index);

    return i < 0 ? NV_LIT("") : nv_str(names->at[i].name);
}

#endif
