# node.awk - four minutes of a node that never was, as OpenMetrics: what top shows, and label values that want to harm it.
function sample(name, labels, value, i) { printf "%s{%s} %.3f %d\n", name, labels, value, begun + 2 * i }
function gauge(name, labels, value,   i) {
    for (i = 0; i < n; i++) sample(name, labels, value, i)
}
function counter(name, labels, rate,   i, sum) {
    for (i = 0; i < n; i++) { sample(name "_total", labels, 1000 + sum, i); sum += 2 * rate * (1 + (i % 30) / 30) / 1.5 }
}
function family(name, type) { printf "# TYPE %s %s\n", name, type }
BEGIN {
    begun = 1767322800; n = 120
    family("node_uname_info", "gauge"); gauge("node_uname_info", "nodename=\"web-3\"", 1)
    family("node_boot_time_seconds", "gauge"); gauge("node_boot_time_seconds", "", begun - 1000000)
    family("node_load1", "gauge"); gauge("node_load1", "", 2.5)
    family("node_load5", "gauge"); gauge("node_load5", "", 1.75)
    family("node_load15", "gauge"); gauge("node_load15", "", 1.25)
    family("node_cpu_seconds", "counter")
    for (c = 0; c < 4; c++) {
        counter("node_cpu_seconds", "cpu=\"" c "\",mode=\"user\"", 0.2 * c)
        counter("node_cpu_seconds", "cpu=\"" c "\",mode=\"system\"", 0.05)
        counter("node_cpu_seconds", "cpu=\"" c "\",mode=\"iowait\"", 0.01)
        counter("node_cpu_seconds", "cpu=\"" c "\",mode=\"idle\"", 0.3)
    }
    family("node_memory_MemTotal_bytes", "gauge"); gauge("node_memory_MemTotal_bytes", "", 16 * 2 ^ 30)
    family("node_memory_MemAvailable_bytes", "gauge"); gauge("node_memory_MemAvailable_bytes", "", 5 * 2 ^ 30)
    family("node_memory_Buffers_bytes", "gauge"); gauge("node_memory_Buffers_bytes", "", 2 ^ 28)
    family("node_memory_Cached_bytes", "gauge"); gauge("node_memory_Cached_bytes", "", 4 * 2 ^ 30)
    family("node_memory_SwapTotal_bytes", "gauge"); gauge("node_memory_SwapTotal_bytes", "", 2 ^ 31)
    family("node_memory_SwapFree_bytes", "gauge"); gauge("node_memory_SwapFree_bytes", "", 2 ^ 30)
    split("cpu memory io", kinds, " ")
    for (k = 1; k <= 3; k++) {
        family("node_pressure_" kinds[k] "_waiting_seconds", "counter")
        counter("node_pressure_" kinds[k] "_waiting_seconds", "", 0.15 * k / 3)
        if (k > 1) {
            family("node_pressure_" kinds[k] "_stalled_seconds", "counter")
            counter("node_pressure_" kinds[k] "_stalled_seconds", "", 0.02 * k)
        }
    }
    split("node_disk_read_bytes node_disk_written_bytes node_disk_io_time_seconds node_disk_read_time_seconds " \
        "node_disk_write_time_seconds node_disk_reads_completed node_disk_writes_completed", disks, " ")
    split("3000000 12000000 0.4 0.05 0.2 20 100", rates, " ")
    for (k = 1; k <= 7; k++) {
        family(disks[k], "counter")
        counter(disks[k], "device=\"nvme0n1\"", rates[k])
        counter(disks[k], "device=\"sda\"", rates[k] / 10)
        counter(disks[k], "device=\"loop0\"", 1)
    }
    family("node_network_receive_bytes", "counter")
    counter("node_network_receive_bytes", "device=\"eth0\"", 2500000)
    counter("node_network_receive_bytes", "device=\"e\033[2J\342\200\256\346\227\245\"", 1)
    family("node_network_transmit_bytes", "counter"); counter("node_network_transmit_bytes", "device=\"eth0\"", 800000)
    family("node_filesystem_size_bytes", "gauge")
    gauge("node_filesystem_size_bytes", "device=\"/dev/nvme0n1p2\",fstype=\"ext4\",mountpoint=\"/\"", 100 * 2 ^ 30)
    gauge("node_filesystem_size_bytes", "device=\"/dev/sda1\",fstype=\"xfs\",mountpoint=\"/srv\"", 2 ^ 42)
    gauge("node_filesystem_size_bytes", "device=\"tmpfs\",fstype=\"tmpfs\",mountpoint=\"/run\"", 2 ^ 30)
    family("node_filesystem_avail_bytes", "gauge")
    gauge("node_filesystem_avail_bytes", "device=\"/dev/nvme0n1p2\",fstype=\"ext4\",mountpoint=\"/\"", 3 * 2 ^ 30)
    gauge("node_filesystem_avail_bytes", "device=\"/dev/sda1\",fstype=\"xfs\",mountpoint=\"/srv\"", 2 ^ 41)
    split("/|/system.slice|/system.slice/ssh.service|/system.slice/nginx.service|/kubepods|/kubepods/pod1|/kubepods/pod1/c1", ids, "|")
    split("0.9 0.3 0.01 0.29 0.5 0.5 0.45", used, " ")
    for (k = 1; k <= 7; k++) names[k] = "id=\"" ids[k] "\"" (k >= 6 ? ",namespace=\"default\",pod=\"shop-7d9f\"" : "") (k == 7 ? ",container=\"shop\"" : "")
    family("container_cpu_usage_seconds", "counter")
    for (k = 1; k <= 7; k++) counter("container_cpu_usage_seconds", names[k], used[k])
    family("container_memory_working_set_bytes", "gauge")
    for (k = 1; k <= 7; k++) gauge("container_memory_working_set_bytes", names[k], (8 - k) * 2 ^ 28)
    family("ALERTS", "gauge")
    gauge("ALERTS", "alertname=\"DiskFillsUp\",alertstate=\"firing\",device=\"/dev/nvme0n1p2\"", 1)
    gauge("ALERTS", "alertname=\"Later\",alertstate=\"pending\"", 1)
    print "# EOF"
}
