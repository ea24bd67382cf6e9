"""What the peer and the agent said in the machine, scrape by scrape: compare.py FOLDER.

The same rules as in test_peer.py; besides, what the machine was made for must be among it.
"""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import test_peer  # noqa: E402
from harness import samples, types  # noqa: E402

FOLDER = sys.argv.pop()

# Families that show that a scenario was set up, in either's answer.
SCENARIOS = {
    "md": r'node_md_disks\{device="md7",state="failed"\}',
    "NFS client": r'node_nfs_requests_total\{method="Write",proto="3"\}',
    "NFS server": r'node_nfsd_requests_total\{method="Write",proto="3"\}',
    "mountstats": r"node_mountstats_nfs_operations_requests_total\{.*WRITE",
    "hwmon": r"node_hwmon_temp_celsius\{",
    "NUMA": r'node_memory_numa_MemTotal\{node="1"\}',
    "pressure": r"node_pressure_memory_waiting_seconds_total",
    "bonding": r'node_bonding_active\{master="bond0"\}',
    "ip_vs": r"node_ipvs_backend_weight\{",
    "wifi": r"node_wifi_interface_frequency_hertz\{",
    "wifi stations": r"node_wifi_station_.*\{",
    "nvme": r"node_nvme_info\{",
    "xfs": r"node_xfs_.*\{",
    "btrfs": r"node_btrfs_.*\{",
    "tape": r"node_tape_.*\{",
    "conntrack": r"node_nf_conntrack_entries",
    "systemd tasks": r'node_systemd_unit_tasks_current\{name="limited.service"\}',
}
# What 1.11 added besides.
test_peer.ADDED_LABELS["node_nvme_info"] = {"cntlid"}
for family in ("backlog_queue_total", "bad_transaction_ids_total", "bind_total", "connect_total", "idle_time_seconds",
               "maximum_rpc_slots", "pending_queue_total", "receives_total", "sending_queue_total", "sends_total"):
    test_peer.ADDED_LABELS["node_mountstats_nfs_transport_" + family] = {"transport"}

# Where 1.5 was wrong: it took the operation before WRITE for it; run.sh asks the kernel.
WRONG_THERE = {'node_nfsd_requests_total{method="Write",proto="4"}'}


def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


class Machine(test_peer.Peer):
    def setUp(self):
        self.rounds = range(1, 5)
        self.theirs = [read(f"peer.{i}") for i in range(5)]
        self.ours = [None] + [read(f"ours.{i}") for i in self.rounds]

    def test_every_series_of_the_peer_is_there_with_its_type(self):
        ours = {test_peer.reduced(s) for i in self.rounds for s in samples(self.ours[i])}
        theirs = {s for s in samples(self.theirs[4]) if not test_peer.NOT_OURS.match(s)}
        print(len(theirs), "series of the peer,", len(samples(self.ours[4])), "of ours", file=sys.stderr)
        self.assert_series(ours, theirs)
        self.assert_types(types(self.ours[4]), types(self.theirs[4]))

    def test_every_value_of_the_peer_that_stands_still_is_ours(self):
        different = None
        for i in self.rounds:
            found = self.different(self.theirs[i - 1], self.ours[i], self.theirs[i])
            different = found if different is None else different & found
        self.assertEqual(sorted(d for d in different if d[0] not in WRONG_THERE), [])

    def test_every_scenario_was_there(self):
        for what, expression in SCENARIOS.items():
            with self.subTest(what):
                self.assertTrue(re.search("^" + expression, self.ours[4], re.MULTILINE), f"we show no {what}")

    test_by_default_every_series_of_the_peer_is_there_with_its_type_and_value = None
    test_with_all_collectors_on_as_well = None


if __name__ == "__main__":
    unittest.main(verbosity=2, defaultTest="Machine")
