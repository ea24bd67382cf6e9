"""Beside Debian's prometheus-node-exporter on the same machine: every series of the peer, with its type and value.

The peer is 1.5, we are what 1.12 is. What 1.12 changed stands in the tables below, and nothing else may differ.
"""
import re
import time
import unittest

from harness import Agent, Process, find_program, free_port, get, parse_series, samples, skip, types

PEER = find_program("prometheus-node-exporter")

# Not compared: the Go runtime, its handler, and who answers.
NOT_OURS = re.compile("go_|promhttp_|node_exporter_build_info")

# Collectors that both have and that are off by default (Debian switches systemd on).
OPTIONAL = ("buddyinfo", "cgroups", "cpu.info", "drm", "ethtool", "interrupts", "ksmd", "lnstat", "meminfo_numa",
            "mountstats", "network_route", "processes", "qdisc", "slabinfo",
            "systemd", "tcpstat", "wifi", "zoneinfo")

# Values that are each exporter's own.
ABOUT_ITSELF = re.compile("go_|process_|promhttp_|node_exporter_build_info|node_scrape_collector_duration|"
                          "node_processes_threads")  # who counts does not sleep meanwhile
ROUNDS = 5  # a value may change between the scrapes, but hardly every time

# Series that come and go from one moment to the next.
PASSING = re.compile("node_(processes|tcp_connection)_.*state")

# Labels that 1.12 added to a family of 1.5.
ADDED_LABELS = {
    "node_disk_info": {"rotational"},
    "node_filesystem_avail_bytes": {"device_error"},
    "node_filesystem_device_error": {"device_error"},
    "node_filesystem_files": {"device_error"},
    "node_filesystem_files_free": {"device_error"},
    "node_filesystem_free_bytes": {"device_error"},
    "node_filesystem_readonly": {"device_error"},
    "node_filesystem_size_bytes": {"device_error"},
    "node_network_info": {"adminstate"},
}

# Series of 1.5 that 1.12 no longer has: disks it excludes, and keys of meminfo outside its list.
GONE = re.compile(r'node_disk_.*device="zram\d+"|'
                  r"node_memory_(Balloon|FileHugePages|FilePmdMapped|Hugetlb|KReclaimable|SecPageTables|"
                  r"Unaccepted|Zswap|Zswapped)_bytes")


def reduced(series):
    """A series without the labels that were added."""
    name, labels = parse_series(series)
    kept = {k: v for k, v in labels.items() if k not in ADDED_LABELS.get(name, ())}
    return name, tuple(sorted(kept.items()))


class Peer(unittest.TestCase):
    def compare(self, *flags):
        port = free_port()
        with Agent(*flags) as agent, Process(
                PEER, f"--web.listen-address=127.0.0.1:{port}", *flags) as peer:
            peer.line_with("[Ll]istening on")

            def ask():
                return get(f"http://127.0.0.1:{port}/metrics")[2].decode()

            theirs, ours = ask(), agent.metrics()
            self.assert_series({reduced(s) for s in samples(ours)},
                               {s for s in samples(theirs) if not NOT_OURS.match(s)})
            self.assert_types(types(ours), types(theirs))
            different = None
            for _ in range(ROUNDS):
                found = self.different(ask(), agent.metrics(), ask())
                different = found if different is None else different & found
                if not different:
                    break
                time.sleep(0.1)  # lest all rounds meet the peer with the same files open
        self.assertEqual(sorted(different), [], "values that always differ")

    @staticmethod
    def different(before, ours, after):
        """Series with another value than the peer gave both before and after."""
        ours = {reduced(s): value for s, value in samples(ours).items()}
        after = samples(after)
        return {(s, value, ours[reduced(s)]) for s, value in samples(before).items()
                if after.get(s) == value and ours.get(reduced(s), value) != value and
                not ABOUT_ITSELF.match(s)}

    def assert_series(self, ours, theirs):
        self.assertGreater(len(theirs), 200)
        missing = sorted(s for s in theirs if reduced(s) not in ours and
                         not GONE.match(s) and not PASSING.match(s))
        self.assertEqual(len(missing), 0, "\n".join(missing[:80]))

    def assert_types(self, ours, theirs):
        other = {name: (kind, ours.get(name)) for name, kind in theirs.items()
                 if ours.get(name) != kind and not NOT_OURS.match(name) and not GONE.match(name)}
        self.assertEqual(other, {})

    def test_by_default_every_series_of_the_peer_is_there_with_its_type_and_value(self):
        self.compare("--no-collector.systemd")

    def test_with_all_collectors_on_as_well(self):
        self.compare(*(f"--collector.{name}" for name in OPTIONAL))


if __name__ == "__main__":
    if not PEER:
        skip("prometheus-node-exporter is not installed")
    unittest.main(verbosity=2)
