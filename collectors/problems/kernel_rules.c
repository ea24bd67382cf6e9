/*
 * kernel_rules.c - what the kernel says when something is wrong, in the words of many versions of it.
 *
 * Reasons and conditions are node-problem-detector's where it has one. An event of several lines counts by its first;
 * a line that may come alone, or second, is NV_RULE_LATER_LINE.
 */
#include "problems.h"

#define HEAD  0
#define LATER NV_RULE_LATER_LINE
#define ENDS  NV_RULE_ENDS
#define NOTES NV_RULE_NOTES
#define FLAPS NV_RULE_FLAPS

#define READ_ONLY "ReadonlyFilesystem"

/* A device in parentheses, "(sda1): " or "(device sda1 state EA): " or "(device sda1: state EA) in ". */
#define IN_PARENTHESES "\\((?:device )?([^): ]+)[^)]*\\)"

// clang-format off
#define RULE(reason, condition, literals, pattern, groups, options) \
    {reason, condition, literals, pattern, groups, options, NULL, NULL, NULL}

const struct nv_problem_rule nv_kernel_rules[] = {
    /* Since 4.19 a line before tells the cgroup by process id; before that one of the cgroup alone. Where all
     * of a cgroup are killed (memory.oom.group), only the first has such a line. Up to 5.0 a line "Kill
     * process ... or sacrifice child" came before, of other words. */
    RULE("OOMKilling", NULL, "oom-kill:constraint=", "task_memcg=(.*),task=.*,pid=(\\d+),uid=\\d+", "cp", NOTES),
    RULE("OOMKilling", NULL, "due to memory.oom.group", "^Tasks in (\\S+) are going to be killed", "g", NOTES),
    RULE("OOMKilling", NULL, "killed as a result of limit of", "^Task in (\\S+) killed as a result of limit of ", "c", NOTES),
    RULE("OOMKilling", NULL, "Killed process ", "Killed process (\\d+)[ ,]", "p", HEAD),

    RULE("TaskHung", NULL, "INFO: task ", "INFO: task .+ blocked .*for more than \\d+ seconds", NULL, HEAD),
    RULE("DockerHung", "KernelDeadlock", "INFO: task docker:", "INFO: task docker:\\d+ blocked .*for more than \\d+ seconds", NULL, HEAD),
    RULE("UnregisterNetDevice", NULL, "unregister_netdevice: waiting for ", "waiting for (\\S+) to become free", "d", HEAD),

    /* Of a user's process the kernel says "traps: NAME[PID] general protection fault ip:", which must not do here. */
    RULE("KernelOops", NULL, "BUG: unable to handle |BUG: kernel NULL pointer dereference", "^BUG: ", NULL, HEAD),
    RULE("KernelOops", NULL, "nable to handle kernel ", "^(?:BUG: )?Unable to handle kernel ", NULL, HEAD),
    RULE("KernelOops", NULL, "ernel BUG at ", "(?:^|\\W)[kK]ernel BUG at \\S+:\\d+", NULL, HEAD),
    RULE("KernelOops", NULL, "general protection fault", "^(?:Oops: )?general protection fault[:,]", NULL, LATER),
    RULE("KernelOops", NULL, "divide error: |invalid opcode: |stack segment: |double fault: |stack guard page was hit", "^(?:PANIC: |Oops: |BUG: )*(?:divide error: |invalid opcode: |stack segment: |double fault: |\\w+ stack guard page was hit)", NULL, LATER),
    RULE("KernelOops", NULL, "Oops", "^Oops(?:: | - | \\[#\\d+\\])", NULL, LATER),
    RULE("KernelOops", NULL, "Internal error: ", "^Internal error: .*\\[#\\d+\\]", NULL, LATER),
    RULE("KernelPanic", NULL, "Kernel panic - not syncing", "^Kernel panic - not syncing", NULL, HEAD), /* not "---[ end Kernel panic" */

    RULE("SoftLockup", NULL, "soft lockup - CPU#", NULL, NULL, HEAD),
    RULE("HardLockup", NULL, "hard LOCKUP", NULL, NULL, HEAD),
    RULE("RCUStall", NULL, "self-detected stall on CPU|detected stalls on |detected expedited stalls on ", NULL, NULL, HEAD),

    RULE("Ext4Error", NULL, "EXT4-fs error", "EXT4-fs error(?: " IN_PARENTHESES ")?", "d", HEAD),
    RULE("Ext4Warning", NULL, "EXT4-fs warning", "EXT4-fs warning(?: " IN_PARENTHESES ")?", "d", HEAD),
    RULE("XfsHasShutdown", "XfsShutdown", "hutting down filesystem|has been shut down", "XFS(?: " IN_PARENTHESES ")?.*(?:[Ss]hutting down filesystem|has been shut down)", "d", HEAD),
    RULE("XfsHasShutdown", "XfsShutdown", "XFS (", "XFS " IN_PARENTHESES ": (?:Mounting V|Ending clean mount|Unmounting Filesystem)", "d", ENDS),
    RULE("XfsCorruption", NULL, "Metadata corruption detected|Metadata CRC error detected|Internal error", "XFS(?: " IN_PARENTHESES ")?: (?:Metadata (?:corruption|CRC error) detected|Internal error)", "d", HEAD),
    RULE("BtrfsError", NULL, "BTRFS error|BTRFS critical|BTRFS: error|BTRFS: critical|BTRFS: Transaction aborted", "BTRFS:? \\w+(?: " IN_PARENTHESES ")?", "d", HEAD),
    RULE("FilesystemIsReadOnly", READ_ONLY, "emounting filesystem read-only|forced readonly|has been set read-only|switched to read-only mode", "^[^(]*(?:" IN_PARENTHESES ")?", "d", HEAD),
    RULE("FilesystemIsReadOnly", READ_ONLY, ": re-mounted", IN_PARENTHESES ": re-mounted.* r/w", "d", ENDS),
    RULE("FilesystemIsReadOnly", READ_ONLY, "mounted filesystem |mounting filesystem|unmount of filesystem", IN_PARENTHESES ": (?:mounted filesystem |unmounting filesystem|last unmount of filesystem)", "d", ENDS),

    RULE("IOError", NULL, "Buffer I/O error", "Buffer I/O error(?: on dev(?:ice)? ([^\\s,]+))?", "d", HEAD),
    /* The block layer's names of errors, but for what a device does not support and what is tried again. */
    RULE("BlockDeviceError", NULL, " error, dev ", "(?:I/O|timeout|allocation|transport|target|conflict|nexus|medium|protection|resource|integrity|exceeded|offline|limit) error, dev ([^\\s,]+)", "d", HEAD),
    RULE("NvmeTimeout", NULL, "nvme", "nvme (\\S+):.* QID \\d+ timeout", "d", HEAD),
    RULE("NvmeTimeout", NULL, "nvme", "nvme (\\S+): (?:.*timeout, (?:aborting|reset|disable|completion)|queue \\d+: timeout|controller is down|Device not ready; aborting)", "d", HEAD),
    RULE("ScsiTimeout", NULL, "DID_TIME_OUT|timing out command|attempting task abort|Device offlined", "^[^\\[]*(?:\\[(\\w+)\\])?", "d", HEAD),
    RULE("ScsiTimeout", NULL, "imed out", "^(?:sd|sr|scsi) [^\\[]*(?:\\[(\\w+)\\])?.*[tT]imed out", "d", HEAD),
    RULE("AtaError", NULL, ": exception Emask", "^(ata[\\d.]+): exception Emask", "d", HEAD),
    RULE("AtaError", NULL, ": failed command: |: error: {|COMRESET failed|: status: {|qc timeout|reset failed", "^(ata[\\d.]+): ", "d", LATER),

    RULE("MachineCheck", NULL, "mce: [Hardware Error]|achine Check Exception|achine check exception", NULL, NULL, LATER),
    RULE("MemoryReadError", NULL, "CE memory read error|UE memory read error", NULL, NULL, HEAD),
    RULE("MemoryReadError", NULL, "EDAC MC", "EDAC (MC\\d+): \\d+ [CU]E ", "d", HEAD),
    RULE("CperHardwareErrorCorrected", NULL, "event severity: corrected", "\\[Hardware Error\\]: event severity: corrected\\s*$", NULL, HEAD),
    RULE("CperHardwareErrorRecoverable", NULL, "event severity: recoverable", "\\[Hardware Error\\]: event severity: recoverable\\s*$", NULL, HEAD),
    RULE("CperHardwareErrorFatal", "CperHardwareErrorFatal", "event severity: fatal", "\\[Hardware Error\\]: event severity: fatal\\s*$", NULL, HEAD),
    RULE("PCIeAER", NULL, "AER: ", "^(?:\\S+ ([0-9a-f:.]+): )?AER: (?:Multiple )?(?:Corr|Uncorr|corr|uncorr)\\w+ .*(?:error|message)", "d", HEAD),
    RULE("PCIeAER", NULL, "PCIe Bus Error: severity=", "^(?:\\S+ ([0-9a-f:.]+): )?", "d", LATER),
    RULE("ThermalThrottle", NULL, " above threshold", "temperature (?:is )?above threshold", NULL, HEAD),
    RULE("GpuXid", NULL, "NVRM: Xid", "NVRM: Xid \\((?:PCI:)?([^)]+)\\)", "d", HEAD),

    /* Not "ata1: SATA link down", which every empty port says. */
    RULE("LinkDown", NULL, "ink is Down|ink is down|: Link down|: link down|mlx4_en: |link status definitely down", "mlx4_en: (\\S+): Link Down|([^\\s:()]+)(?:\\)?: (?:\\S+: \\S+ )?(?:NIC )?| NIC )(?:[Ll]ink is [Dd]own|[Ll]ink down|link status definitely down)", "dd", FLAPS),
    RULE("ConntrackFull", NULL, "table full", "conntrack: .*table full.*dropping packet", NULL, HEAD),
    RULE("NeighbourTableOverflow", NULL, "table overflow", "[Nn]eighbou?r table overflow", NULL, HEAD),
    RULE("TcpMemoryPressure", NULL, "TCP: out of memory|TCP: Out of memory", NULL, NULL, HEAD),
    /* Nothing in the kernel says so outright but for its own clients (NFS): EADDRNOTAVAIL, 99. */
    RULE("PortExhaustion", NULL, "xhaust|o free port|ut of ports|error -99|assign requested address", "(?:[Pp]orts? (?:range )?exhaust|exhaust\\w* (?:of )?(?:\\w+ )?ports?\\b|[Nn]o free ports?\\b|[Oo]ut of ports\\b|unhandled error -99\\b|assign requested address)", NULL, HEAD),

    RULE("UserProcessCrash", NULL, "segfault at |segfault (|general protection|unhandled |] trap ", "^(?:traps: )?[^\\n]*\\[\\d+\\]:? (?:segfault |general protection |trap |unhandled )", NULL, HEAD),
    RULE("UserProcessCrash", NULL, "potentially unexpected fatal signal", NULL, NULL, LATER),
    RULE("OutOfFileDescriptors", NULL, "VFS: file-max limit", NULL, NULL, HEAD),
    RULE("ForkRejected", NULL, "fork rejected by pids controller in ", "fork rejected by pids controller in (\\S+)", "c", HEAD),
};
const size_t nv_n_kernel_rules = NV_LEN(nv_kernel_rules);
// clang-format on
