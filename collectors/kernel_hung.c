/*
 * kernel_hung - tasks found hanging in the kernel.
 *
 * Source: /proc/sys/kernel/hung_task_detect_count, Linux 6.13, a number.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_kernel_hung_tasks_total", NV_COUNTER, NV_AS_IS,
     "Tasks that slept uninterruptibly for longer than the kernel's limit."},
};

static const struct nv_table tasks = {NV_NO_LABELS, columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0);
    uint64_t count;

    if (!nv_str_to_u64(nv_scan_rest(&file), &count))
        return nv_error(pass, -EBADMSG, "proc/sys/kernel/hung_task_detect_count is no number");
    nv_emit_row(pass, &tasks, NULL, &count, 1);
    return 0;
}

NV_COLLECTOR(kernel_hung) = {
    NV_ABI_STAMP,
    .name = "kernel_hung",
    .summary = "Tasks hung in the kernel.",
    .options = NV_ABSENT_IS_NO_DATA,
    .sources = NV_SOURCES("proc/sys/kernel/hung_task_detect_count"),
    .tables = NV_TABLES(&tasks),
    .collect = collect,
};
