/*
 * test_netlink.c - answers of the running kernel, as any user may ask for them.
 */
#include "base/netlink.h"

#include <check.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <nodevitals/netlink.h>

struct link_request {
    struct nlmsghdr header;
    struct ifinfomsg link;
};

/* Whether the answer is whole messages of one type, and holds the link. */
static bool has_link(struct nv_str answer, int ifindex)
{
    bool found = false;

    while (answer.n) {
        struct nlmsghdr header;
        struct ifinfomsg link;
        ck_assert_uint_ge(answer.n, sizeof(header));
        memcpy(&header, answer.p, sizeof(header));
        ck_assert_uint_le(header.nlmsg_len, answer.n);
        ck_assert_int_eq(header.nlmsg_type, RTM_NEWLINK);
        memcpy(&link, answer.p + NLMSG_HDRLEN, sizeof(link));
        found |= link.ifi_index == ifindex;
        answer = nv_str_from(answer, NLMSG_ALIGN(header.nlmsg_len));
    }
    return found;
}

START_TEST(a_dump_of_links_holds_the_loopback)
{
    NV_AUTO(nv_netlink) *netlink = nv_netlink_new();
    NV_AUTO_BUF out = NV_BUF(NV_NETLINK_ANSWER_MAX);
    struct link_request request = {.header = {.nlmsg_type = RTM_GETLINK}};

    for (int i = 0; i < 3; i++) {
        nv_buf_reset(&out);
        ck_assert_int_eq(nv_netlink_ask(netlink, NETLINK_ROUTE, &request, sizeof(request), &out),
                         0);
        ck_assert(has_link(nv_buf_view(&out), (int)if_nametoindex("lo")));
    }
}
END_TEST

START_TEST(a_single_answer_ends_with_its_acknowledgement)
{
    NV_AUTO(nv_netlink) *netlink = nv_netlink_new();
    NV_AUTO_BUF out = NV_BUF(NV_NETLINK_ANSWER_MAX);
    struct link_request request = {
        .header = {.nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
        .link = {.ifi_index = (int)if_nametoindex("lo")                        },
    };

    ck_assert_int_eq(nv_netlink_ask(netlink, NETLINK_ROUTE, &request, sizeof(request), &out), 0);
    ck_assert(has_link(nv_buf_view(&out), request.link.ifi_index));
}
END_TEST

START_TEST(the_kernels_error_comes_back_and_the_next_question_is_answered)
{
    NV_AUTO(nv_netlink) *netlink = nv_netlink_new();
    NV_AUTO_BUF out = NV_BUF(NV_NETLINK_ANSWER_MAX);
    struct link_request request = {
        .header = {.nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
        .link = {.ifi_index = 0x7ffffff0                        },
    };

    nv_buf_text(&out, "kept");
    ck_assert_int_eq(nv_netlink_ask(netlink, NETLINK_ROUTE, &request, sizeof(request), &out),
                     -ENODEV);
    ck_assert(nv_str_is(nv_buf_view(&out), "kept"));
    nv_buf_reset(&out);
    request.link.ifi_index = (int)if_nametoindex("lo");
    ck_assert_int_eq(nv_netlink_ask(netlink, NETLINK_ROUTE, &request, sizeof(request), &out), 0);
}
END_TEST

START_TEST(an_answer_that_does_not_fit_is_refused_and_the_next_one_is_whole)
{
    NV_AUTO(nv_netlink) *netlink = nv_netlink_new();
    NV_AUTO_BUF small = NV_BUF(1024), out = NV_BUF(NV_NETLINK_ANSWER_MAX);
    struct link_request request = {.header = {.nlmsg_type = RTM_GETLINK}};

    ck_assert_int_eq(nv_netlink_ask(netlink, NETLINK_ROUTE, &request, sizeof(request), &small),
                     -EFBIG);
    ck_assert_uint_eq(small.n, 0);
    ck_assert_int_eq(nv_netlink_ask(netlink, NETLINK_ROUTE, &request, sizeof(request), &out), 0);
    ck_assert(has_link(nv_buf_view(&out), (int)if_nametoindex("lo")));
}
END_TEST

START_TEST(a_request_that_is_none_is_refused)
{
    NV_AUTO(nv_netlink) *netlink = nv_netlink_new();
    NV_AUTO_BUF out = NV_BUF(NV_NETLINK_ANSWER_MAX);
    struct nlmsghdr header = {0};

    ck_assert_int_eq(nv_netlink_ask(netlink, NETLINK_ROUTE, &header, 4, &out), -EINVAL);
    ck_assert_int_eq(nv_netlink_ask(netlink, -1, &header, sizeof(header), &out), -EINVAL);
    ck_assert_int_eq(nv_netlink_ask(netlink, NV_NETLINK_PROTOCOLS, &header, sizeof(header), &out),
                     -EINVAL);
}
END_TEST

START_TEST(a_generic_family_is_found_and_one_that_is_not_is_not)
{
    NV_AUTO(nv_netlink) *netlink = nv_netlink_new();
    uint16_t id = 7;

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(nv_netlink_family(netlink, "nosuchfamily", &id), -ENOENT);
        ck_assert_int_eq(nv_netlink_family(netlink, "a name too long for any", &id), -ENOENT);
        ck_assert_uint_eq(id, 7);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(nv_netlink_family(netlink, "nlctrl", &id), 0);
        ck_assert_uint_eq(id, GENL_ID_CTRL);
        id = 7;
    }
}
END_TEST

static int notices[8];
static size_t n_notices;

static void note(int ifindex, void *user)
{
    (void)user;
    if (n_notices < NV_LEN(notices))
        notices[n_notices++] = ifindex;
}

/* In a network of our own, where the loopback starts out down. */
START_TEST(a_change_of_a_link_is_announced_once)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0) {
        printf("SKIP: no network namespace to be had\n");
        return;
    }
    NV_AUTO(nv_netlink) *netlink = nv_netlink_new();
    ck_assert_int_eq(nv_netlink_drain_links(netlink, note, NULL), 0);
    ck_assert_uint_eq(n_notices, 1);
    ck_assert_int_eq(notices[0], 0);

    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    NV_AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &up), 0);
    ck_assert_int_eq(nv_netlink_drain_links(netlink, note, NULL), 0);
    ck_assert_uint_ge(n_notices, 2);
    ck_assert_int_eq(notices[1], 1);
    size_t seen = n_notices;
    ck_assert_int_eq(nv_netlink_drain_links(netlink, note, NULL), 0);
    ck_assert_uint_eq(n_notices, seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("netlink");
    TCase *tcase = tcase_create("netlink");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, a_dump_of_links_holds_the_loopback);
    tcase_add_test(tcase, a_single_answer_ends_with_its_acknowledgement);
    tcase_add_test(tcase, the_kernels_error_comes_back_and_the_next_question_is_answered);
    tcase_add_test(tcase, an_answer_that_does_not_fit_is_refused_and_the_next_one_is_whole);
    tcase_add_test(tcase, a_request_that_is_none_is_refused);
    tcase_add_test(tcase, a_generic_family_is_found_and_one_that_is_not_is_not);
    tcase_add_test(tcase, a_change_of_a_link_is_announced_once);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
