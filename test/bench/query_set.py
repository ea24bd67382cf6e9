"""What query.py asks: every expression of the real rules, and those that dashboards of a node are made of."""
import glob
import os
import re

DASHBOARD = [
    # processor
    '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5m]))',
    'sum by (mode) (rate(node_cpu_seconds_total[1m]))',
    'sum by (cpu, mode) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))',
    'avg without (cpu) (irate(node_cpu_seconds_total{mode="user"}[5m])) * 100',
    '100 * (1 - sum by (instance) (rate(node_cpu_seconds_total{mode=~"idle|iowait"}[5m])) '
    '/ sum by (instance) (rate(node_cpu_seconds_total[5m])))',
    'node_load1',
    'node_load5 / count by (instance) (node_cpu_seconds_total{mode="idle"})',
    'rate(node_context_switches_total[5m])',
    'irate(node_intr_total[5m])',
    'max_over_time(node_procs_running[5m])',
    # memory
    'node_memory_MemTotal_bytes - node_memory_MemFree_bytes - node_memory_Buffers_bytes - node_memory_Cached_bytes',
    '100 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes * 100',
    'rate(node_vmstat_pgmajfault[5m])',
    'avg_over_time(node_memory_MemAvailable_bytes[1h])',
    'quantile_over_time(0.95, node_memory_Active_bytes[30m])',
    # disks and file systems
    'rate(node_disk_read_bytes_total[5m])',
    'sum by (device) (rate(node_disk_written_bytes_total[5m]))',
    'rate(node_disk_io_time_seconds_total{device=~"[a-z]+|nvme[0-9]+n[0-9]+"}[5m])',
    'rate(node_disk_read_time_seconds_total[5m]) / rate(node_disk_reads_completed_total[5m])',
    'node_filesystem_avail_bytes / node_filesystem_size_bytes * 100',
    'predict_linear(node_filesystem_avail_bytes[1h], 4 * 3600) < 0',
    'topk(3, 1 - node_filesystem_files_free / node_filesystem_files)',
    # network
    'rate(node_network_receive_bytes_total{device!="lo"}[5m]) * 8',
    'sum by (device) (increase(node_network_transmit_bytes_total[1h]))',
    'label_replace(rate(node_network_receive_packets_total[5m]), "interface", "$1", "device", "(.*)")',
    'rate(node_netstat_Tcp_RetransSegs[5m]) / rate(node_netstat_Tcp_OutSegs[5m])',
    'node_network_up * on (device) group_left (operstate) node_network_info',
    # scraping
    'count by (collector) (node_scrape_collector_success == 1)',
    'topk(5, node_scrape_collector_duration_seconds)',
    'max by (job) (time() - node_boot_time_seconds)',
    # containers
    'sum by (namespace) (rate(container_cpu_usage_seconds_total{container!=""}[5m]))',
    'sum by (namespace, pod) (container_memory_working_set_bytes{container!="",image!=""})',
    'topk(5, sum by (pod) (rate(container_cpu_usage_seconds_total{container!=""}[5m])))',
    'sum by (pod) (rate(container_network_receive_bytes_total[5m]))',
    'sum by (pod, container) (increase(container_cpu_cfs_throttled_periods_total[5m])) '
    '/ sum by (pod, container) (increase(container_cpu_cfs_periods_total[5m]))',
    'sum by (namespace) (kube_pod_container_resource_requests{resource="cpu"})',
    'sum by (pod) (container_memory_rss{container!=""}) '
    '/ on (pod) sum by (pod) (kube_pod_container_resource_limits{resource="memory"})',
    'quantile(0.9, rate(container_fs_writes_bytes_total[5m]))',
    # of histograms, and what takes long
    'histogram_quantile(0.9, sum by (le) (label_replace(rate(node_cpu_seconds_total[5m]), "le", "$1", "cpu", "(.*)")))',
    'max_over_time(sum(rate(node_network_receive_bytes_total[5m]))[1h:5m])',
]


def rule_expressions(folder):
    """Texts behind `expr:`, on its line or in the block below it."""
    out = []
    for path in sorted(glob.glob(os.path.join(folder, "*.yaml"))):
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
        for i, line in enumerate(lines):
            found = re.match(r"(\s*(?:- )?)expr:\s*(.*)$", line)
            if not found:
                continue
            text = found.group(2)
            if text[:1] in ("|", ">"):
                block = []
                for below in lines[i + 1:]:
                    if below.strip() and len(below) - len(below.lstrip()) <= len(found.group(1)):
                        break
                    block.append(below)
                text = "\n".join(block)
            out.append(text.strip().strip("'"))
    return out


def expressions(shared):
    return rule_expressions(os.path.join(shared, "fixtures/rules-real")) + DASHBOARD


def in_one_line(text):
    return " ".join(re.sub(r"#.*", "", line).strip() for line in text.split("\n")).strip()
