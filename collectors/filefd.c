/*
 * filefd - open files of the whole machine.
 *
 * Source: /proc/sys/fs/file-nr: allocated, free (0 since Linux 2.6) and maximum, with tabs between.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_filefd_allocated", NV_GAUGE, NV_AS_IS, "Open files."            },
    {"node_filefd_maximum",   NV_GAUGE, NV_AS_IS, "Files that may be open."},
};

static const struct nv_table files = {NV_NO_LABELS, columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0);
    struct nv_str rest = nv_str_trim(nv_scan_rest(&file));
    struct nv_str allocated = nv_str_cut(&rest, '\t');
    uint64_t value[NV_LEN(columns)];

    nv_str_cut(&rest, '\t');
    struct nv_str maximum = nv_str_cut(&rest, '\t');
    if (!nv_str_to_u64(allocated, &value[0]) || !nv_str_to_u64(maximum, &value[1]))
        return nv_error(pass, -EBADMSG, "proc/sys/fs/file-nr: expected three numbers");
    nv_emit_row(pass, &files, NULL, value, NV_LEN(columns));
    return 0;
}

NV_COLLECTOR(filefd) = {
    NV_ABI_STAMP,
    .name = "filefd",
    .summary = "Open files and their limit.",
    .sources = NV_SOURCES("proc/sys/fs/file-nr"),
    .tables = NV_TABLES(&files),
    .collect = collect,
};
