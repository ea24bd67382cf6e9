/*
 * uname - the names of the kernel and of the machine, as uname(2) has them. They can change while the
 * agent runs, so it is asked every time.
 */
#include <nodevitals/collector.h>

#include <sys/utsname.h>

static const struct nv_family columns[] = {
    {"node_uname_info", NV_GAUGE, NV_AS_IS, "Kernel and host names, always 1."},
};

static const struct nv_table names = {
    NV_LABELS("sysname", "release", "version", "machine", "nodename", "domainname"), columns,
    NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct utsname uts;

    if (uname(&uts) < 0)
        return -errno;
    struct nv_str labels[] = {nv_str(uts.sysname), nv_str(uts.release),  nv_str(uts.version),
                              nv_str(uts.machine), nv_str(uts.nodename), nv_str(uts.domainname)};
    nv_emit_u64(pass, &names, labels, 0, 1);
    return 0;
}

NV_COLLECTOR(uname) = {
    NV_ABI_STAMP,
    .name = "uname",
    .summary = "Kernel release and host name.",
    .tables = NV_TABLES(&names),
    .cadence_ms = 15000,
    .collect = collect,
};
