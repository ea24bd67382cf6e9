/*
 * test_kmsg.c - the kernel's log: what counts, where, and what is remembered. Its records: test_kmsg_records.c.
 */
#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "support/fixture.h"
#include "support/machine.h"
#include "support/pods.h"

extern const struct nv_collector nv_collector_kmsg;

enum { PASS_MS = 20000, SUM_MAX = 4096 };

/* A machine whose log is a file that the test writes. */
struct node {
    char dir[256], log[512], flag[600]; /* flags are borrowed */
    struct nv_machine *machine;
    uint64_t sequence, stamp_us;
};

static struct node node_new(void)
{
    static int number;
    struct node node = {.sequence = 100, .stamp_us = 5000000};

    snprintf(node.dir, sizeof(node.dir), "%s/node-%d", nv_temp_dir(), number++);
    snprintf(node.log, sizeof(node.log), "%s/kmsg", node.dir);
    ck_assert_int_eq(mkdir(node.dir, 0755), 0);
    nv_write_file(node.dir, "kmsg", "");
    nv_write_file(node.dir, "proc/sys/kernel/random/boot_id",
                  "00000000-0000-4000-8000-000000000001\n");
    return node;
}

static void start_with(struct node *node, const char *flag)
{
    snprintf(node->flag, sizeof(node->flag), "--path.kmsg=%s", node->log);
    const char *const flags[] = {node->flag, flag, NULL};
    node->machine = nv_machine_new(&nv_collector_kmsg, node->dir, flags);
}

static void append_raw(struct node *node, const char *text)
{
    FILE *file = fopen(node->log, "ae");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void append_as(struct node *node, unsigned priority, const char *flag, const char *message)
{
    char record[4096];

    snprintf(record, sizeof(record), "%u,%llu,%llu,%s;%s\n", priority,
             (unsigned long long)node->sequence++, (unsigned long long)node->stamp_us, flag,
             message);
    node->stamp_us += 2000000;
    append_raw(node, record);
}

static void append(struct node *node, const char *message)
{
    append_as(node, 3, "-", message);
}

static const char *pass(struct node *node)
{
    return nv_machine_pass(node->machine, PASS_MS);
}

static void stop(struct node *node)
{
    nv_machine_free(node->machine);
    node->machine = NULL;
}

static double count(const char *text, const char *reason)
{
    char series[128];

    snprintf(series, sizeof(series), "problem_counter{reason=\"%s\"}", reason);
    return nv_sample_of(text, series);
}

static double gauge(const char *text, const char *type, const char *reason)
{
    char series[192];

    snprintf(series, sizeof(series), "problem_gauge{reason=\"%s\",type=\"%s\"}", reason, type);
    return nv_sample_of(text, series);
}

/* The value of a family's only line that has these words. */
static double event_of(const char *text, const char *a, const char *b)
{
    double value = NAN;

    for (const char *at = text; (at = strstr(at, "\nnode_problem_events_total{")); at++) {
        char line[2048];
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
        if (strstr(line, a) && strstr(line, b))
            value = strtod(strrchr(line, ' '), NULL);
    }
    return value;
}

/* The reasons counted, "Name N" with blanks between, sorted as they are told. */
static const char *reasons(const char *text)
{
    static char sum[SUM_MAX];
    size_t n = 0;

    sum[0] = '\0';
    for (const char *at = text; (at = strstr(at, "\nproblem_counter{reason=\"")); at++) {
        const char *name = at + strlen("\nproblem_counter{reason=\"");
        int length = (int)strcspn(name, "\"");
        double value = strtod(name + length + 2, NULL);
        if (value > 0)
            n += (size_t)snprintf(sum + n, sizeof(sum) - n, "%s%.*s %.0f", n ? " " : "", length,
                                  name, value);
    }
    return sum;
}

/* ---- the nodes of ../shared ----------------------------------------------------------------- */

static const char *const shared_nodes[] = {"cgroup-v1-cgroupfs", "cgroup-v2-systemd"};

START_TEST(a_nodes_log_gives_what_is_expected_and_nothing_else)
{
    const char *expected = nv_shared("fixtures/kubelet/expected-problems.txt");
    struct node node = node_new();
    char path[512], line[512];
    size_t n_expected = 0, n_counted = 0;

    if (!expected)
        return;
    FILE *file = fopen(expected, "re");
    ck_assert_ptr_nonnull(file);
    snprintf(path, sizeof(path), "fixtures/kubelet/%s/root/dev/kmsg.txt", shared_nodes[_i]);
    snprintf(node.log, sizeof(node.log), "%s", nv_shared(path));
    start_with(&node, NULL);
    const char *got = pass(&node);
    while (fgets(line, sizeof(line), file)) {
        char *value = strrchr(line, ' ');
        if (line[0] == '#' || !value)
            continue;
        *value = '\0';
        ck_assert_msg(nv_sample_of(got, line) == strtod(value + 1, NULL), "%s is %g", line,
                      nv_sample_of(got, line));
        n_expected++;
    }
    fclose(file);
    for (const char *at = got; (at = strstr(at, "\nproblem_")); at++)
        n_counted += strtod(at + 1 + strcspn(at + 1, " \n"), NULL) > 0;
    ck_assert_uint_eq(n_counted, n_expected);
    stop(&node);
}
END_TEST

START_TEST(a_killed_process_is_placed_where_the_kubelet_says)
{
    struct node node = node_new();
    char path[512], pods[512];

    if (!nv_shared("fixtures/kubelet/payloads/pods.json"))
        return;
    snprintf(pods, sizeof(pods), "%s", nv_shared("fixtures/kubelet/payloads/pods.json"));
    nv_test_pods_file(pods);
    snprintf(path, sizeof(path), "fixtures/kubelet/%s/root/dev/kmsg.txt", shared_nodes[_i]);
    snprintf(node.log, sizeof(node.log), "%s", nv_shared(path));
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_double_eq(
        event_of(got, "container=\"worker\"", "namespace=\"shop\",pod=\"worker-7b4c5d6f88-jm9ds\""),
        1);
    nv_test_pods_file(NULL);
    stop(&node);
}
END_TEST

/* ---- words ---------------------------------------------------------------------------------- */

/* What one record counts; "" for nothing. */
static const struct {
    const char *text, *counts;
} words[] = {
    {"Memory cgroup out of memory: Killed process 48812 (worker) total-vm:1204118kB, anon-rss:4kB",
     "OOMKilling 1"                                                                                                                 },
    {"Out of memory: Killed process 2 (a b) total-vm:1kB, anon-rss:1kB, file-rss:1kB",
     "OOMKilling 1"                                                                                                                 },
    {"Killed process 1234, UID 0, (python) total-vm:1kB",                                           "OOMKilling 1"                  },
    {"Out of memory: Kill process 2 (a) score 900 or sacrifice child",                              ""                              },
    {"oom_reaper: reaped process 48812 (worker), now anon-rss:0kB",                                 ""                              },
    {"worker invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=968",           ""                              },
    {"INFO: task kworker/u8:3:20118 blocked for more than 120 seconds.",                            "TaskHung 1"                    },
    {"INFO: task a:7 blocked in I/O wait for more than 120 seconds.",                               "TaskHung 1"                    },
    {"INFO: task docker:20744 blocked for more than 120 seconds.",                                  "DockerHung 1 TaskHung 1"       },
    {"INFO: task a:7 is blocked on a mutex likely owned by task b:8.",                              ""                              },
    {"\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.",                 ""                              },
    {"unregister_netdevice: waiting for lo to become free. Usage count = 1",
     "UnregisterNetDevice 1"                                                                                                        },
    {"BUG: unable to handle kernel NULL pointer dereference at 0000000000000008",                   "KernelOops 1"                  },
    {"BUG: kernel NULL pointer dereference, address: 0000000000000078",                             "KernelOops 1"                  },
    {"BUG: unable to handle page fault for address: ffffed1000000000",                              "KernelOops 1"                  },
    {"Unable to handle kernel paging request at virtual address dead000000000108",                  "KernelOops 1"                  },
    {"Internal error: Oops: 0000000096000004 [#1] SMP",                                             "KernelOops 1"                  },
    {"kernel BUG at mm/slub.c:4321!",                                                               "KernelOops 1"                  },
    {"general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
     "KernelOops 1"                                                                                                                 },
    {"general protection fault: 0000 [#1] SMP PTI",                                                 "KernelOops 1"                  },
    {"Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1]",
     "KernelOops 1"                                                                                                                 },
    {"divide error: 0000 [#1] SMP NOPTI",                                                           "KernelOops 1"                  },
    {"Oops: 0002 [#1] SMP NOPTI",                                                                   "KernelOops 1"                  },
    {"traps: node[912] general protection fault ip:7f2 sp:7ff error:0 in libc.so.6[7f+1]",
     "UserProcessCrash 1"                                                                                                           },
    {"node[912] general protection ip:7f2 sp:7ff error:0 in libc",                                  "UserProcessCrash 1"            },
    {"traps: a[1] trap invalid opcode ip:5 sp:7 error:0 in a[5+1]",                                 "UserProcessCrash 1"            },
    {"traps: a[1] trap divide error ip:5 sp:7 error:0 in a[5+1]",                                   "UserProcessCrash 1"            },
    {"Oops:[12]: segfault at 0 ip 5 sp 7 error 4 in a[5+1]",                                        "UserProcessCrash 1"            },
    {"a.out[77]: unhandled level 2 translation fault (11) at 0x0, esr 0x92000006",
     "UserProcessCrash 1"                                                                                                           },
    {"Kernel panic - not syncing: Fatal exception in interrupt",                                    "KernelPanic 1"                 },
    {"---[ end Kernel panic - not syncing: Fatal exception in interrupt ]---",                      ""                              },
    {"watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [java:4711]",                               "SoftLockup 1"                  },
    {"NMI watchdog: Watchdog detected hard LOCKUP on cpu 2",                                        "HardLockup 1"                  },
    {"rcu: INFO: rcu_sched self-detected stall on CPU",                                             "RCUStall 1"                    },
    {"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",                                       "RCUStall 1"                    },
    {"rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 3-... }",                   "RCUStall 1"                    },
    {"EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls: reading directory",
     "Ext4Error 1"                                                                                                                  },
    {"EXT4-fs warning (device sda1): ext4_end_bio:343: I/O error 10 writing to inode 9",
     "Ext4Warning 1"                                                                                                                },
    {"EXT4-fs (nvme0n1p1): mounted filesystem with ordered data mode. Quota mode: none.",           ""                              },
    {"XFS (dm-0): Corruption of in-memory data detected.  Shutting down filesystem",
     "XfsHasShutdown 1"                                                                                                             },
    {"XFS (sdb1): Filesystem has been shut down due to log error (0x2).",                           "XfsHasShutdown 1"              },
    {"XFS (dm-0): Metadata corruption detected at xfs_agf_read_verify+0x70/0x120",
     "XfsCorruption 1"                                                                                                              },
    {"XFS (dm-0): Unmount and run xfs_repair",                                                      ""                              },
    {"BTRFS error (device sda2): parent transid verify failed on 1 wanted 2 found 3",
     "BtrfsError 1"                                                                                                                 },
    {"BTRFS: error (device dm-1: state EA) in btrfs_commit_transaction:2444: errno=-5",
     "BtrfsError 1"                                                                                                                 },
    {"BTRFS info (device sda2): disk space caching is enabled",                                     ""                              },
    {"EXT4-fs (sda1): Remounting filesystem read-only",                                             "FilesystemIsReadOnly 1"        },
    {"BTRFS info (device sdb state E): forced readonly",                                            "FilesystemIsReadOnly 1"        },
    {"Buffer I/O error on dev sdb1, logical block 7, async page read",                              "IOError 1"                     },
    {"Buffer I/O error on device sdb1, logical block 7",                                            "IOError 1"                     },
    {"I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x80700 phys_seg 1",
     "BlockDeviceError 1"                                                                                                           },
    {"blk_update_request: critical medium error, dev sda, sector 2048",                             "BlockDeviceError 1"            },
    {"end_request: I/O error, dev sda, sector 2048",                                                "BlockDeviceError 1"            },
    {"blk_update_request: operation not supported error, dev loop1, sector 8 op 0x9",               ""                              },
    {"nvme nvme0: I/O 12 QID 3 timeout, aborting",                                                  "NvmeTimeout 1"                 },
    {"nvme nvme0: I/O tag 5 (1005) opcode 0x1 (I/O Cmd) QID 1 timeout, aborting req_op:WRITE(1)",
     "NvmeTimeout 1"                                                                                                                },
    {"nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0x10",
     "NvmeTimeout 1"                                                                                                                },
    {"nvme nvme0: Shutdown timeout set to 10 seconds",                                              ""                              },
    {"sd 0:0:0:0: [sda] tag#5 FAILED Result: hostbyte=DID_TIME_OUT driverbyte=DRIVER_OK",
     "ScsiTimeout 1"                                                                                                                },
    {"ata1.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen",                            "AtaError 1"                    },
    {"ata2: COMRESET failed (errno=-16)",                                                           "AtaError 1"                    },
    {"ata1: SATA link down (SStatus 0 SControl 300)",                                               ""                              },
    {"mce: [Hardware Error]: Machine check events logged",                                          "MachineCheck 1"                },
    {"EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1)",
     "MemoryReadError 1"                                                                                                            },
    {"EDAC MC0: Giving out device to module skx_edac controller Skylake",                           ""                              },
    {"{1}[Hardware Error]: event severity: corrected",                                              "CperHardwareErrorCorrected 1"  },
    {"{2}[Hardware Error]: event severity: recoverable",                                            "CperHardwareErrorRecoverable 1"},
    {"{3}[Hardware Error]: event severity: fatal",                                                  "CperHardwareErrorFatal 1"      },
    {"{3}[Hardware Error]: event severity: info",                                                   ""                              },
    {"pcieport 0000:00:1c.0: AER: Corrected error received: 0000:00:1c.0",                          "PCIeAER 1"                     },
    {"pcieport 0000:00:1c.0: AER: Multiple Uncorrected (Non-Fatal) error received: id=00e0",
     "PCIeAER 1"                                                                                                                    },
    {"pcieport 0000:00:1c.0: AER: Correctable error message received from 0000:02:00.0",
     "PCIeAER 1"                                                                                                                    },
    {"pcieport 0000:00:1c.0: AER: enabled with IRQ 122",                                            ""                              },
    {"CPU3: Core temperature above threshold, cpu clock throttled (total events = 7)",
     "ThermalThrottle 1"                                                                                                            },
    {"CPU3: Package temperature is above threshold, cpu clock is throttled (total events = 7)",
     "ThermalThrottle 1"                                                                                                            },
    {"e1000e 0000:00:1f.6 eno1: NIC Link is Down",                                                  "LinkDown 1"                    },
    {"igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Down",                                           "LinkDown 1"                    },
    {"e1000e: eth0 NIC Link is Down",                                                               "LinkDown 1"                    },
    {"mlx5_core 0000:3b:00.0 ens1f0: Link down",                                                    "LinkDown 1"                    },
    {"mlx4_en: eth1: Link Down",                                                                    "LinkDown 1"                    },
    {"bond0: (slave eth1): link status definitely down, disabling slave",                           "LinkDown 1"                    },
    {"e1000e 0000:00:1f.6 eno1: NIC Link is Up 1000 Mbps Full Duplex",                              ""                              },
    {"pcieport 0000:00:1c.4: pciehp: Slot(4): Link Down",                                           ""                              },
    {"nf_conntrack: nf_conntrack: table full, dropping packet",                                     "ConntrackFull 1"               },
    {"nf_conntrack: nf_conntrack: table full in netns 4026531840, dropping packet",
     "ConntrackFull 1"                                                                                                              },
    {"ip_conntrack: table full, dropping packet.",                                                  "ConntrackFull 1"               },
    {"neighbour: arp_cache: neighbor table overflow!",                                              "NeighbourTableOverflow 1"      },
    {"Neighbour table overflow.",                                                                   "NeighbourTableOverflow 1"      },
    {"TCP: out of memory -- consider tuning tcp_mem",                                               "TcpMemoryPressure 1"           },
    {"RPC: xs_tcp_setup_socket: connect returned unhandled error -99",                              "PortExhaustion 1"              },
    {"worker[48990]: segfault at 0 ip 00007f2a sp 00007ffd error 4 in libc.so.6[7f+1]",
     "UserProcessCrash 1"                                                                                                           },
    {"VFS: file-max limit 65536 reached",                                                           "OutOfFileDescriptors 1"        },
    {"cgroup: fork rejected by pids controller in /system.slice/a.service",                         "ForkRejected 1"                },
    {"NVRM: Xid (PCI:0000:65:00): 79, pid=1234, GPU has fallen off the bus.",                       "GpuXid 1"                      },
    {"audit: audit_backlog=65 > audit_backlog_limit=64",                                            ""                              },
};

START_TEST(a_line_counts_for_its_reason_and_for_no_other) /* looped: _i is one line */
{
    struct node node = node_new();

    append_as(&node, 6, "-", words[_i].text);
    start_with(&node, NULL);
    ck_assert_msg(strcmp(reasons(pass(&node)), words[_i].counts) == 0, "%s: counts '%s'",
                  words[_i].text, reasons(pass(&node)));
    stop(&node);
}
END_TEST

static const struct {
    const char *text, *label;
} devices[] = {
    {"EXT4-fs error (device dm-3): ext4_lookup:1",                              "device=\"dm-3\""        },
    {"BTRFS: error (device dm-1: state EA) in a:1: errno=-5",                   "device=\"dm-1\""        },
    {"Buffer I/O error on dev nvme1n1, logical block 4",                        "device=\"nvme1n1\""     },
    {"print_req_error: I/O error, dev sdc, sector 7",                           "device=\"sdc\""         },
    {"nvme nvme2: I/O 12 QID 3 timeout, aborting",                              "device=\"nvme2\""       },
    {"sd 0:0:0:0: [sda] tag#5 FAILED Result: hostbyte=DID_TIME_OUT",            "device=\"sda\""         },
    {"ata1.00: exception Emask 0x0 SAct 0x0",                                   "device=\"ata1.00\""     },
    {"pcieport 0000:00:1c.0: AER: Corrected error received: 1",                 "device=\"0000:00:1c.0\""},
    {"igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Down",                       "device=\"eth0\""        },
    {"e1000e: eth0 NIC Link is Down",                                           "device=\"eth0\""        },
    {"mlx4_en: eth1: Link Down",                                                "device=\"eth1\""        },
    {"NVRM: Xid (PCI:0000:65:00): 79, pid=1234",                                "device=\"0000:65:00\""  },
    {"unregister_netdevice: waiting for veth1 to become free. Usage count = 1", "device=\"veth1\""       },
    {"cgroup: fork rejected by pids controller in /a.slice/b.service",          "unit=\"b.service\""     },
    {"cgroup: fork rejected by pids controller in /a.slice/b.service",
     "cgroup=\"/a.slice/b.service\""                                                                     },
};

START_TEST(a_line_tells_where) /* looped */
{
    struct node node = node_new();

    append(&node, devices[_i].text);
    start_with(&node, NULL);
    ck_assert_msg(event_of(pass(&node), devices[_i].label, "source=\"kmsg\"") == 1, "%s",
                  devices[_i].text);
    stop(&node);
}
END_TEST

START_TEST(an_event_of_several_lines_counts_once)
{
    struct node node = node_new();

    append(&node, "BUG: unable to handle page fault for address: ffffed1000000000");
    node.stamp_us -= 1999000;
    append(&node, "#PF: supervisor read access in kernel mode");
    node.stamp_us -= 1999000;
    append(&node, "Oops: 0000 [#1] SMP NOPTI");
    node.stamp_us += 60000000;
    append(&node, "general protection fault: 0000 [#2] SMP");
    start_with(&node, NULL);
    ck_assert_double_eq(count(pass(&node), "KernelOops"), 2);
    stop(&node);
}
END_TEST

START_TEST(a_kill_is_placed_by_the_lines_before_it)
{
    struct node node = node_new();

    /* Two at once, as since 4.19; then one as before. */
    append(&node, "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
                  "oom_memcg=/one,task_memcg=/one/x,y,task=a,b,pid=11,uid=0");
    append(&node, "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
                  "oom_memcg=/two,task_memcg=/two,task=b,pid=12,uid=0");
    append(&node, "Memory cgroup out of memory: Killed process 11 (a,b) total-vm:1kB");
    append(&node, "Memory cgroup out of memory: Killed process 12 (b) total-vm:1kB");
    append(&node, "Task in /three killed as a result of limit of /three");
    append(&node, "Memory cgroup out of memory: Kill process 13 (c) score 1 or sacrifice child");
    append(&node, "Killed process 13 (c) total-vm:1kB, anon-rss:1kB, file-rss:1kB");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_double_eq(count(got, "OOMKilling"), 3);
    ck_assert_double_eq(event_of(got, "OOMKilling", "cgroup=\"/one/x,y\""), 1);
    ck_assert_double_eq(event_of(got, "OOMKilling", "cgroup=\"/two\""), 1);
    ck_assert_double_eq(event_of(got, "OOMKilling", "cgroup=\"/three\""), 1);
    stop(&node);
}
END_TEST

START_TEST(all_of_a_group_are_killed_where_the_first_is)
{
    struct node node = node_new();

    append(&node, "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
                  "oom_memcg=/pod,task_memcg=/pod/a,task=a,pid=11,uid=0");
    append(&node, "Memory cgroup out of memory: Killed process 11 (a) total-vm:1kB");
    append(&node, "Tasks in /pod/a are going to be killed due to memory.oom.group set");
    for (int i = 0; i < 3; i++) {
        node.stamp_us -= 1999000;
        append(&node, "Memory cgroup out of memory: Killed process 12 (b) total-vm:1kB");
    }
    node.stamp_us += 60000000;
    append(&node, "Out of memory: Killed process 13 (c) total-vm:1kB");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_double_eq(count(got, "OOMKilling"), 5);
    ck_assert_double_eq(event_of(got, "OOMKilling", "cgroup=\"/pod/a\""), 4);
    ck_assert_double_eq(event_of(got, "OOMKilling", "cgroup=\"\""), 1);
    stop(&node);
}
END_TEST

START_TEST(only_the_kernel_counts_and_not_what_it_says_for_debugging)
{
    struct node node = node_new();

    append_as(&node, 8 + 3, "-", "VFS: file-max limit 1 reached");
    append_as(&node, 30, "-", "VFS: file-max limit 1 reached");
    append_as(&node, 7, "-", "VFS: file-max limit 1 reached");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_str_eq(reasons(got), "");
    ck_assert_double_eq(nv_sample_of(got, "node_kmsg_records_total"), 3);
    stop(&node);
}
END_TEST

START_TEST(a_link_that_goes_down_thrice_in_five_minutes_flaps)
{
    struct node node = node_new();

    for (int i = 0; i < 3; i++)
        append(&node, "e1000e 0000:00:1f.6 eno1: NIC Link is Down");
    start_with(&node, NULL);
    ck_assert_str_eq(reasons(pass(&node)), "LinkDown 3 LinkFlap 1");
    node.stamp_us += 600000000;
    append(&node, "e1000e 0000:00:1f.6 eno1: NIC Link is Down");
    append(&node, "e1000e 0000:00:1f.6 eno2: NIC Link is Down");
    append(&node, "e1000e 0000:00:1f.6 eno1: NIC Link is Down");
    ck_assert_str_eq(reasons(pass(&node)), "LinkDown 6 LinkFlap 1");
    stop(&node);
}
END_TEST

/* ---- records -------------------------------------------------------------------------------- */

START_TEST(fragments_are_put_together_by_either_fashion)
{
    struct node node = node_new();

    /* Up to 4.8 'c' begins a line; later it continues one. */
    append(&node, "some line before");
    append_as(&node, 1, "c", "BUG: unable to handle kernel ");
    append_as(&node, 1, "+", "NULL pointer dereference");
    append_as(&node, 1, "+", " at (null)");
    append(&node, "divide er");
    append_as(&node, 4, "c", "ror: 0000 [#1] SMP");
    append(&node, "VFS: file-max limit 65536 reached");
    append_as(&node, 4, "c", " indeed");
    start_with(&node, NULL);
    ck_assert_str_eq(reasons(pass(&node)), "KernelOops 2 OutOfFileDescriptors 1");
    stop(&node);
}
END_TEST

START_TEST(escapes_are_resolved_and_begin_no_line)
{
    struct node node = node_new();

    append(&node, "Buffer I\\x2fO error on dev s\\x64a, logical block 1");
    append(&node, "a\\x0aKernel panic - not syncing: x");
    append(&node, "neighbour: arp_cache: neighbor table overflow\\x");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_str_eq(reasons(got), "IOError 1 NeighbourTableOverflow 1");
    ck_assert_double_eq(event_of(got, "IOError", "device=\"sda\""), 1);
    stop(&node);
}
END_TEST

START_TEST(the_dictionary_names_a_device_that_the_text_does_not)
{
    struct node node = node_new();

    append(&node, "mce: [Hardware Error]: Machine check events logged\n SUBSYSTEM=pci\n"
                  " DEVICE=+pci:0000:00:1f.6");
    append(&node, "VFS: file-max limit 65536 reached");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_str_eq(reasons(got), "MachineCheck 1 OutOfFileDescriptors 1");
    ck_assert_double_eq(event_of(got, "MachineCheck", "device=\"pci:0000:00:1f.6\""), 1);
    stop(&node);
}
END_TEST

/* ---- reading -------------------------------------------------------------------------------- */

START_TEST(a_gap_in_the_numbers_is_what_was_lost)
{
    struct node node = node_new();

    append(&node, "one");
    node.sequence += 41;
    append(&node, "two");
    append_raw(&node, "what is this\n");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_double_eq(nv_sample_of(got, "node_kmsg_lost_records_total"), 41);
    ck_assert_double_eq(nv_sample_of(got, "node_kmsg_records_total"), 2);
    ck_assert_double_eq(nv_sample_of(got, "node_kmsg_unreadable_records_total"), 1);
    stop(&node);
}
END_TEST

START_TEST(a_log_that_goes_away_is_opened_again)
{
    struct node node = node_new();
    char away[600];

    snprintf(away, sizeof(away), "%s.away", node.log);
    append(&node, "VFS: file-max limit 65536 reached");
    ck_assert_int_eq(rename(node.log, away), 0);
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_double_eq(nv_sample_of(got, "node_scrape_collector_success{collector=\"kmsg\"}"), 0);
    ck_assert_double_eq(count(got, "OutOfFileDescriptors"), 0); /* and not absent */
    ck_assert_int_eq(rename(away, node.log), 0);
    got = pass(&node);
    ck_assert_double_eq(nv_sample_of(got, "node_scrape_collector_success{collector=\"kmsg\"}"), 1);
    ck_assert_double_eq(count(got, "OutOfFileDescriptors"), 1);
    nv_write_file(node.dir, "kmsg", ""); /* cut */
    pass(&node);
    append(&node, "VFS: file-max limit 65536 reached");
    ck_assert_double_eq(count(pass(&node), "OutOfFileDescriptors"), 2);
    stop(&node);
}
END_TEST

/* ---- what is remembered --------------------------------------------------------------------- */

START_TEST(a_restart_counts_nothing_twice)
{
    struct node node = node_new();

    append(&node, "VFS: file-max limit 65536 reached");
    start_with(&node, NULL);
    ck_assert_double_eq(count(pass(&node), "OutOfFileDescriptors"), 1);
    stop(&node);
    append(&node, "VFS: file-max limit 65536 reached");
    node.sequence += 5;
    append(&node, "VFS: file-max limit 65536 reached");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_double_eq(count(got, "OutOfFileDescriptors"), 2);
    ck_assert_double_eq(nv_sample_of(got, "node_kmsg_lost_records_total"), 5);
    stop(&node);
}
END_TEST

START_TEST(another_boot_begins_anew)
{
    struct node node = node_new();

    append(&node, "VFS: file-max limit 65536 reached");
    append(&node, "EXT4-fs (sda1): Remounting filesystem read-only");
    start_with(&node, NULL);
    ck_assert_double_eq(gauge(pass(&node), "ReadonlyFilesystem", "FilesystemIsReadOnly"), 1);
    stop(&node);
    nv_write_file(node.dir, "proc/sys/kernel/random/boot_id", "another\n");
    nv_write_file(node.dir, "kmsg", "3,0,9,-;VFS: file-max limit 65536 reached\n");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_double_eq(count(got, "OutOfFileDescriptors"), 1);
    ck_assert_double_eq(gauge(got, "ReadonlyFilesystem", "FilesystemIsReadOnly"), 0);
    stop(&node);
}
END_TEST

START_TEST(a_condition_lasts_over_a_restart)
{
    struct node node = node_new();

    append(&node, "EXT4-fs (sda1): Remounting filesystem read-only");
    start_with(&node, NULL);
    ck_assert_double_eq(count(pass(&node), "FilesystemIsReadOnly"), 1);
    stop(&node);
    append(&node, "EXT4-fs (sda1): Remounting filesystem read-only");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_double_eq(gauge(got, "ReadonlyFilesystem", "FilesystemIsReadOnly"), 1);
    ck_assert_double_eq(count(got, "FilesystemIsReadOnly"), 0); /* it is no other than before */
    stop(&node);
}
END_TEST

START_TEST(a_state_that_is_garbled_is_as_good_as_none)
{
    static const char *const states[] = {
        "", "position\n", "position\t00000000-0000-4000-8000-000000000001\tx\t/dev/kmsg\n",
        "condition\tReadonlyFilesystem\tFilesystemIsReadOnly\tsda1\t1\t2\n", "\xff\t\t\t\t\n\n\n"};
    struct node node = node_new();

    append(&node, "VFS: file-max limit 65536 reached");
    for (size_t i = 0; i < NV_LEN(states); i++) {
        nv_write_file(node.dir, "state/kmsg", states[i]);
        start_with(&node, NULL);
        ck_assert_double_eq(count(pass(&node), "OutOfFileDescriptors"), 1);
        stop(&node);
    }
}
END_TEST

START_TEST(a_condition_counts_when_it_begins_and_ends_by_a_line_of_its_device)
{
    struct node node = node_new();

    append(&node, "EXT4-fs (sda1): Remounting filesystem read-only");
    append(&node, "EXT4-fs (sda1): Remounting filesystem read-only");
    append(&node, "EXT4-fs (sdb1): Remounting filesystem read-only");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_double_eq(count(got, "FilesystemIsReadOnly"), 1);
    ck_assert_double_eq(gauge(got, "ReadonlyFilesystem", "FilesystemIsReadOnly"), 1);
    ck_assert_double_eq(event_of(got, "FilesystemIsReadOnly", "device=\"sdb1\""), 1);
    append(&node, "EXT4-fs (sda1): re-mounted 0000-11 r/w.");
    append(&node, "EXT4-fs (sdc1): unmounting filesystem 0000-12.");
    ck_assert_double_eq(gauge(pass(&node), "ReadonlyFilesystem", "FilesystemIsReadOnly"), 1);
    append(&node, "EXT4-fs (sdb1): unmounting filesystem 0000-12.");
    ck_assert_double_eq(gauge(pass(&node), "ReadonlyFilesystem", "FilesystemIsReadOnly"), 0);
    append(&node, "EXT4-fs (sdb1): Remounting filesystem read-only");
    got = pass(&node);
    ck_assert_double_eq(count(got, "FilesystemIsReadOnly"), 2);
    ck_assert_double_eq(gauge(got, "ReadonlyFilesystem", "FilesystemIsReadOnly"), 1);
    stop(&node);
}
END_TEST

START_TEST(a_condition_that_nobody_speaks_of_ends)
{
    struct node node = node_new();

    append(&node, "XFS (sdb1): Filesystem has been shut down due to log error (0x2).");
    start_with(&node, "--collector.kmsg.condition-timeout=1ms");
    ck_assert_double_eq(count(pass(&node), "XfsHasShutdown"), 1);
    usleep(20000);
    ck_assert_double_eq(gauge(pass(&node), "XfsShutdown", "XfsHasShutdown"), 0);
    stop(&node);
}
END_TEST

/* ---- bounds --------------------------------------------------------------------------------- */

START_TEST(a_flood_of_one_second_is_suppressed_and_counted_so)
{
    struct node node = node_new();

    for (int i = 0; i < 250; i++) {
        append(&node, "VFS: file-max limit 65536 reached");
        node.stamp_us -= 2000000;
    }
    append(&node, "neighbour: arp_cache: neighbor table overflow!");
    start_with(&node, NULL);
    const char *got = pass(&node);
    ck_assert_str_eq(reasons(got), "NeighbourTableOverflow 1 OutOfFileDescriptors 100");
    ck_assert_double_eq(nv_sample_of(got, "node_problem_suppressed_total{source=\"kmsg\"}"), 150);
    stop(&node);
}
END_TEST

START_TEST(a_flood_is_read_in_several_passes_and_not_lost)
{
    enum { RECORDS = 50000 };
    struct node node = node_new();
    FILE *file = fopen(node.log, "we");
    double records = 0;

    for (int i = 0; i < RECORDS; i++)
        fprintf(file, "6,%d,%d,-;a line that says nothing at all, number %d\n", i, i, i);
    fclose(file);
    start_with(&node, NULL);
    for (int i = 0; i < 100 && records < RECORDS; i++) {
        records = nv_sample_of(pass(&node), "node_kmsg_records_total");
        ck_assert(i > 0 || records < RECORDS);
    }
    ck_assert_double_eq(records, RECORDS);
    stop(&node);
}
END_TEST

START_TEST(the_places_told_are_bounded_and_the_count_is_whole)
{
    struct node node = node_new();
    double sum = 0;
    size_t n = 0;

    for (int i = 0; i < 1000; i++) {
        char text[128];
        snprintf(text, sizeof(text), "EXT4-fs error (device dm-%d): ext4_lookup:1", i);
        append(&node, text);
    }
    start_with(&node, NULL);
    const char *got = pass(&node);
    for (const char *at = got; (at = strstr(at, "\nnode_problem_events_total{")); at++, n++)
        sum += strtod(at + 1 + strcspn(at + 1, " "), NULL);
    ck_assert_uint_le(n, 513);
    ck_assert_double_eq(sum, 1000);
    ck_assert_double_eq(count(got, "Ext4Error"), 1000);
    stop(&node);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kmsg");
    TCase *tests = tcase_create("kmsg");

    nv_quiet();
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_nodes_log_gives_what_is_expected_and_nothing_else, 0,
                        NV_LEN(shared_nodes));
    tcase_add_loop_test(tests, a_killed_process_is_placed_where_the_kubelet_says, 0,
                        NV_LEN(shared_nodes));
    tcase_add_loop_test(tests, a_line_counts_for_its_reason_and_for_no_other, 0, NV_LEN(words));
    tcase_add_loop_test(tests, a_line_tells_where, 0, NV_LEN(devices));
    tcase_add_test(tests, an_event_of_several_lines_counts_once);
    tcase_add_test(tests, a_kill_is_placed_by_the_lines_before_it);
    tcase_add_test(tests, all_of_a_group_are_killed_where_the_first_is);
    tcase_add_test(tests, only_the_kernel_counts_and_not_what_it_says_for_debugging);
    tcase_add_test(tests, a_link_that_goes_down_thrice_in_five_minutes_flaps);
    tcase_add_test(tests, fragments_are_put_together_by_either_fashion);
    tcase_add_test(tests, escapes_are_resolved_and_begin_no_line);
    tcase_add_test(tests, the_dictionary_names_a_device_that_the_text_does_not);
    tcase_add_test(tests, a_gap_in_the_numbers_is_what_was_lost);
    tcase_add_test(tests, a_log_that_goes_away_is_opened_again);
    tcase_add_test(tests, a_restart_counts_nothing_twice);
    tcase_add_test(tests, another_boot_begins_anew);
    tcase_add_test(tests, a_condition_lasts_over_a_restart);
    tcase_add_test(tests, a_state_that_is_garbled_is_as_good_as_none);
    tcase_add_test(tests, a_condition_counts_when_it_begins_and_ends_by_a_line_of_its_device);
    tcase_add_test(tests, a_condition_that_nobody_speaks_of_ends);
    tcase_add_test(tests, a_flood_of_one_second_is_suppressed_and_counted_so);
    tcase_add_test(tests, a_flood_is_read_in_several_passes_and_not_lost);
    tcase_add_test(tests, the_places_told_are_bounded_and_the_count_is_whole);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
