#include "web/local.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

static bool is_loopback4(uint32_t address_be)
{
    return ntohl(address_be) >> 24 == 127;
}

static bool is_loopback6(const struct in6_addr *address)
{
    uint32_t last;

    memcpy(&last, &address->s6_addr[12], sizeof(last));
    return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && is_loopback4(last));
}

bool nv_peer_is_local(const struct sockaddr *address)
{
    if (!address)
        return false;
    switch (address->sa_family) {
    case AF_UNIX:
        return true;
    case AF_INET:
        return is_loopback4(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
    case AF_INET6:
        return is_loopback6(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    default:
        return false;
    }
}

static bool same_name(struct nv_str a, struct nv_str b)
{
    return a.n == b.n && a.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* The name of a host without its port, brackets and final dot. False where it is malformed. */
static bool name_of(struct nv_str host, struct nv_str *ret)
{
    if (nv_str_starts(host, "[")) {
        struct nv_str rest = nv_str_from(host, 1);
        size_t end = nv_str_find(rest, ']');
        if (end == rest.n || (end + 1 < rest.n && rest.p[end + 1] != ':'))
            return false;
        *ret = (struct nv_str){rest.p, end};
        return true;
    }
    *ret = nv_str_cut(&host, ':');
    if (ret->n && ret->p[ret->n - 1] == '.')
        ret->n--;
    return nv_str_find(host, ':') == host.n;
}

static bool is_loopback_text(struct nv_str name)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;

    if (name.n >= sizeof(text))
        return false;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1)
        return is_loopback4(v4.s_addr);
    return inet_pton(AF_INET6, text, &v6) == 1 && is_loopback6(&v6);
}

bool nv_host_is_local(struct nv_str host, struct nv_str own)
{
    static const char below[] = ".localhost";
    const size_t n = sizeof(below) - 1;
    struct nv_str name;

    if (!name_of(host, &name) || !name.n)
        return false;
    if (same_name(name, NV_LIT("localhost")) || is_loopback_text(name) || same_name(name, own))
        return true;
    if (name.n > n && strncasecmp(name.p + name.n - n, below, n) == 0)
        return true;
    return same_name(name, nv_str_cut(&own, '.'));
}

bool nv_origin_is_own(struct nv_str origin, struct nv_str host)
{
    if (nv_str_starts(origin, "http://"))
        origin = nv_str_from(origin, 7);
    else if (nv_str_starts(origin, "https://"))
        origin = nv_str_from(origin, 8);
    else
        return false;
    return same_name(origin, host);
}
