"""Links of many kinds in a network namespace of our own: what netlink tells is what sysfs and procfs tell.

The test runs itself again inside of the namespace, with IPv6 off so that nothing is sent while we compare.
"""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness
from harness import Agent, find_program, run, samples, skip, types

LINKS = """
link add v0 type veth peer name v1
link add v2 type veth peer name v3
link add br0 type bridge
link set v0 master br0
link add mv0 link v1 type macvlan
link add vx0 type vxlan id 5 dstport 4789
link add gt0 type gretap remote 192.0.2.1 local 192.0.2.2
link add ifb5 type ifb
link add ifb6 type ifb
link add vl7 link v1 type vlan id 7
link add bo0 type bond
tuntap add tap0 mode tap
tuntap add tun0 mode tun
link set v0 up
link set v1 up
link set br0 up
link set mv0 up
link set vx0 up
link set ifb5 up
link set tap0 up
link set tun0 up
link set v1 allmulticast on
link set v2 promisc on
link set v2 address 02:00:00:00:00:77
link set v3 alias "  an alias with blanks  "
link set v3 mtu 9000 txqueuelen 7 group 42
link set br0 mode dormant
"""
COMMON = ("--collector.disable-defaults", "--web.disable-exporter-metrics")


def ip(*arguments):
    return subprocess.run([find_program("ip"), *arguments], capture_output=True, text=True).returncode == 0


def collect(*flags):
    """The samples of one run, those of collectors' durations left out."""
    done = run("collect", *COMMON, *flags)
    assert done.returncode == 0, done.stderr
    return network_samples(done.stdout)


def network_samples(text):
    return {series: value for series, value in samples(text).items()
            if series.startswith(("node_network_", "node_arp_", "node_tcp_"))}


def copy_of_sysfs(folder):
    """sys/class/net as plain files; what cannot be read is not there, as for a reader of sysfs."""
    top = "/sys/class/net"
    for link in os.listdir(top):
        made = os.path.join(folder, "class/net", link)
        os.makedirs(made)
        for name in os.listdir(os.path.join(top, link)):
            path = os.path.join(top, link, name)
            if not os.path.isfile(path):
                continue
            try:
                with open(path, "rb") as file:
                    data = file.read()
            except OSError:
                continue
            with open(os.path.join(made, name), "wb") as file:
                file.write(data)
    return folder


class Namespace(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def from_files(self, *flags):
        copy = copy_of_sysfs(tempfile.mkdtemp(dir=self.folder))
        return collect("--collector.netclass", "--path.sysfs=" + copy, *flags)

    def test_netclass_has_by_netlink_what_sysfs_has(self):
        self.assertEqual(collect("--collector.netclass"), self.from_files())

    def test_netclass_leaves_out_unknown_speeds_when_told_so(self):
        flag = "--collector.netclass.ignore-invalid-speed"
        seen = collect("--collector.netclass", flag)
        self.assertEqual(seen, self.from_files(flag))
        self.assertFalse([value for series, value in seen.items()
                          if series.startswith("node_network_speed") and value.startswith("-")])

    def test_sysfs_of_another_namespace_is_read_as_files(self):
        seen = collect("--collector.netclass", "--path.sysfs=" + OUTSIDE)
        devices = {harness.parse_series(series)[1]["device"] for series in seen}
        self.assertEqual(devices, set(OUTSIDE_LINKS))

    def test_netdev_has_by_netlink_what_procfs_has(self):
        by_netlink = collect("--collector.netdev")
        by_procfs = collect("--collector.netdev", "--no-collector.netdev.netlink")
        self.assertGreater(len(by_procfs), 100)
        self.assertEqual({series: value for series, value in by_netlink.items()
                          if "nohandler" not in series}, by_procfs)

    def test_netdev_has_aliases_and_addresses(self):
        self.assertTrue(ip("addr", "add", "192.0.2.77/24", "dev", "br0"))
        self.assertTrue(ip("addr", "add", "10.1.1.1", "peer", "10.1.1.2/32", "dev", "tun0"))
        seen = collect("--collector.netdev", "--collector.netdev.address-info",
                       "--collector.netdev.label-ifalias")
        self.assertIn('node_network_address_info{address="192.0.2.77",device="br0",netmask="24",'
                      'scope="global"}', seen)
        self.assertIn('node_network_address_info{address="10.1.1.1",device="tun0",netmask="32",'
                      'scope="global"}', seen)
        self.assertIn('node_network_mtu_bytes{device="v3"}', collect("--collector.netclass"))
        self.assertIn('node_network_receive_bytes_total{device="v3",ifalias="an alias with blanks"}',
                      seen)

    def test_netclass_in_netlink_mode_has_other_labels(self):
        self.assertTrue(ip("link", "property", "add", "dev", "v1", "altname", "other-name"))
        seen = collect("--collector.netclass", "--collector.netclass.netlink",
                       "--collector.netclass_rtnl.with-stats")
        self.assertIn('node_network_altnames_info{altname="other-name",device="v1"}', seen)
        self.assertEqual(seen['node_network_speed_bytes{device="v2"}'], "1.25e+09")  # though down
        self.assertNotIn('node_network_speed_bytes{device="vx0"}', seen)  # it has none
        self.assertIn('node_network_collisions_total{device="v1"}', seen)
        self.assertFalse([series for series in seen if "adminstate" in series])

    def test_netlink_statistics_do_not_fight_with_netdev(self):
        with Agent(*COMMON, "--collector.netclass", "--collector.netclass.netlink",
                   "--collector.netclass_rtnl.with-stats", "--collector.netdev") as agent:
            text = agent.metrics()
            self.assertNotIn("duplicate", agent.log)
        self.assertEqual(types(text)["node_network_receive_bytes_total"], "counter")
        self.assertEqual(types(text)["node_network_receive_errors_total"], "gauge")

    def test_changes_are_seen_by_the_next_pass(self):
        with Agent(*COMMON, "--collector.netclass", "--collector.netdev") as agent:
            def check(what):
                seen = network_samples(agent.metrics())
                self.assertTrue([series for series in seen if "receive_bytes" in series], what)
                netclass = {series: value for series, value in seen.items()
                            if "receive_" not in series and "transmit_" not in series
                            or "queue_length" in series}
                self.assertEqual(netclass, self.from_files(), what)

            check("as they are")
            ip("link", "add", "sw1", "address", "02:00:00:00:00:01", "type", "ifb")
            ip("link", "add", "sw2", "type", "ifb")
            check("two more")
            for old, new in (("sw1", "swx"), ("sw2", "sw1"), ("swx", "sw2")):
                self.assertTrue(ip("link", "set", old, "name", new))
            check("names exchanged")
            ip("link", "set", "sw1", "address", "02:00:00:00:00:09")
            check("an address set")
            for state in ("down", "up"):
                ip("link", "set", "v1", state)
                time.sleep(1.5)  # those above it follow within a second
                check("one " + state)
            ip("link", "del", "sw1")
            ip("link", "del", "sw2")
            check("two less")

    def test_links_that_come_and_go_disturb_nobody(self):
        stop = threading.Event()
        names = ("netclass", "netdev", "arp")
        flags = [*COMMON, *("--collector." + name for name in names)]

        def churn():
            while not stop.is_set():
                ip("link", "add", "ch0", "type", "veth", "peer", "name", "ch1")
                ip("link", "set", "ch0", "name", "ch2")
                ip("link", "del", "ch2")

        @contextlib.contextmanager
        def churn_of_names():
            """Thousands a second, none twice: each listing of sysfs is out of date at once."""
            self.assertTrue(ip("link", "add", "rn0", "type", "veth", "peer", "name", "rn"))
            lines = "".join(f"link set rn{i} name rn{i + 1}\n" for i in range(500_000))
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(lines)
                file.flush()
                renamer = subprocess.Popen([find_program("ip"), "-batch", file.name])
                try:
                    yield
                    self.assertIsNone(renamer.poll())
                finally:
                    renamer.kill()
                    renamer.wait()
                    ip("link", "del", "rn")

        def check(text):
            seen = samples(text)
            for name in names:
                key = f'node_scrape_collector_success{{collector="{name}"}}'
                self.assertEqual((key, seen[key]), (key, "1"))
            self.assertIn('node_network_up{device="lo"}', seen)
            self.assertIn('node_network_receive_bytes_total{device="br0"}', seen)

        thread = threading.Thread(target=churn)
        thread.start()
        try:
            with Agent(*flags) as agent:
                for _ in range(40):
                    check(agent.metrics())
        finally:
            stop.set()
            thread.join()
        with churn_of_names():
            for _ in range(20):  # where links change during the first pass, it reads them as files
                check(run("collect", *flags).stdout)

    def test_arp_counts_all_but_entries_without_resolution(self):
        ip("addr", "add", "198.51.100.1/24", "dev", "ifb6")
        ip("link", "set", "ifb6", "up", "arp", "on")
        for address, state in (("7", "permanent"), ("8", "stale"), ("9", "noarp")):
            self.assertTrue(ip("neigh", "add", "198.51.100." + address, "lladdr",
                               "02:00:00:00:01:0" + address, "nud", state, "dev", "ifb6"))
        seen = collect("--collector.arp")
        self.assertEqual(seen['node_arp_entries{device="ifb6"}'], "2")
        self.assertNotIn('node_arp_entries{device="lo"}', seen)

    def test_routes_have_a_series_for_each_hop(self):
        ip("addr", "add", "203.0.113.1/24", "dev", "br0")
        self.assertTrue(ip("route", "add", "default", "via", "203.0.113.254", "metric", "50"))
        self.assertTrue(ip("route", "add", "10.77.0.0/16", "nexthop", "via", "203.0.113.2",
                           "nexthop", "via", "203.0.113.3", "weight", "3"))
        seen = collect("--collector.network_route")
        for labels in ('dest="default",device="br0",gw="203.0.113.254",priority="50",proto="boot",'
                       'src="",weight=""',
                       'dest="10.77.0.0/16",device="br0",gw="203.0.113.2",priority="0",proto="boot",'
                       'src="",weight="1"',
                       'dest="10.77.0.0/16",device="br0",gw="203.0.113.3",priority="0",proto="boot",'
                       'src="",weight="3"',
                       'dest="203.0.113.0/24",device="br0",gw="",priority="0",proto="kernel",'
                       'src="203.0.113.1",weight=""'):
            self.assertIn("node_network_route_info{" + labels + "}", seen)
        self.assertGreaterEqual(int(seen['node_network_routes{device="br0"}']), 4)

    def test_tcp_sockets_are_counted_by_state(self):
        def state(name):
            return int(seen.get(f'node_tcp_connection_states{{state="{name}"}}', 0))

        with socket.create_server(("127.0.0.1", 0), backlog=5) as server, \
                socket.create_connection(server.getsockname()) as client, server.accept()[0]:
            client.sendall(b"x" * 1000)
            time.sleep(0.1)
            seen = collect("--collector.tcpstat")
            self.assertEqual((state("listen"), state("established")), (1, 2))
            self.assertEqual(state("rx_queued_bytes"), 1000)
            self.assertEqual(state("tx_queued_bytes"), 5)  # the room of the one that listens


def enter():
    """Makes the namespace what the tests want: its own sysfs, the outer one beside it, and links."""
    global OUTSIDE, OUTSIDE_LINKS
    OUTSIDE = tempfile.mkdtemp()
    mounted = all(subprocess.run(["mount", *arguments]).returncode == 0 for arguments in (
        ("--bind", "/sys", OUTSIDE), ("-t", "sysfs", "none", "/sys")))
    if not mounted:
        skip("cannot mount sysfs")
    OUTSIDE_LINKS = os.listdir(OUTSIDE + "/class/net")
    for name in ("all", "default"):
        path = f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6"
        if os.path.exists(path):
            with open(path, "w") as file:
                file.write("1")
    ip("link", "set", "lo", "up")
    made = 0
    for line in LINKS.strip().splitlines():  # a kernel need not have all kinds
        made += subprocess.run(f"{find_program('ip')} {line}", shell=True, capture_output=True).returncode == 0
    if made < 10:
        skip("this kernel makes no links")
    time.sleep(1.5)  # carriers settle within a second


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        enter()
        program = unittest.main(argv=sys.argv[:1], verbosity=2, exit=False)
        subprocess.run(["umount", OUTSIDE])
        os.rmdir(OUTSIDE)
        sys.exit(not program.result.wasSuccessful())
    elif os.geteuid() != 0 or not find_program("ip") or not find_program("unshare"):
        skip("needs root, ip and unshare")
    elif subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True).returncode:
        skip("no namespaces to be had")
    else:
        os.execvp("unshare", ["unshare", "-n", "-m", "--propagation", "private", sys.executable, __file__,
                              "inside"])
