/*
 * panels.ts - what the overview shows: for each graph its expressions, and how their series are called.
 *
 * $w stands for the window of rates, and for how long a value counts as there: a gap is to be seen where one is; $c for
 * that of what is collected more seldom. A panel without series takes no room. Expressions are asked in one question, put
 * together by `or`, each told by a label of its own; so none may fail by what a node happens to have.
 */
import type { Labels, Series } from "./api";
import type { Line } from "./graph";
import type { Unit } from "./units";

export interface Part {
    expr: string;
    name: (labels: Labels) => string;
    color?: string;
    dashed?: boolean;
    below?: boolean; /* drawn below zero */
}

export interface Panel {
    id: string;
    title: string;
    unit: Unit;
    parts: Part[];
    stacked?: boolean;
    max?: number;
    most?: number; /* lines; those with the highest values stay */
    group: string;
}

const DISKS = 'device!~"(loop|ram|zram|sr|fd|nbd)[0-9]+.*|dm-[0-9]+"';
const LINKS = 'device!~"lo|veth.*|cali.*|cilium.*|lxc.*|tunl.*|flannel.*|cni.*|docker.*|br-.*|virbr.*|tap.*|kube-ipvs.*|dummy.*|ifb.*"';
const CPUS = 'scalar(count(node_cpu_seconds_total{mode="idle"}))';
const CONTAINER = 'container!="",container!="POD"';
const CONTAINER_NAME = (labels: Labels) => `${labels["namespace"] ?? ""}/${labels["pod"] ?? ""}/${labels["container"] ?? ""}`;
const always = (name: string) => () => name;
const last = (selector: string) => `last_over_time(${selector}[$w])`;
const device = (after: string) => (labels: Labels) => `${labels["device"] ?? ""}${after}`;
const CACHED = `(${last("node_memory_Buffers_bytes")} + ${last("node_memory_Cached_bytes")})`;
const RECLAIMABLE = `(${last("node_memory_SReclaimable_bytes")} or 0 * ${last("node_memory_MemTotal_bytes")})`;

export const panels: Panel[] = [
    {
        id: "cpu",
        title: "CPU by mode",
        unit: "percent",
        group: "CPU",
        stacked: true,
        max: 100,
        parts: ["user", "system", "iowait", "irq", "softirq", "steal", "nice"].map((mode, i) => ({
            expr: `sum(rate(node_cpu_seconds_total{mode="${mode}"}[$w])) * 100 / ${CPUS}`,
            name: always(mode),
            color: `--line-${i}`,
        })),
    },
    {
        id: "load",
        title: "Load",
        unit: "plain",
        group: "CPU",
        parts: [
            { expr: last("node_load1"), name: always("1 min") },
            { expr: last("node_load5"), name: always("5 min") },
            { expr: last("node_load15"), name: always("15 min"), color: "--line-8" },
            { expr: last("node_procs_running"), name: always("running") },
            { expr: last("node_procs_blocked"), name: always("blocked"), color: "--bad" },
            { expr: `count(${last('node_cpu_seconds_total{mode="idle"}')})`, name: always("CPUs"), color: "--text-dim", dashed: true },
        ],
    },
    {
        id: "memory",
        title: "Memory",
        unit: "bytes",
        group: "Memory",
        stacked: true,
        parts: [
            {
                expr: `${last("node_memory_MemTotal_bytes")} - ${last("node_memory_MemFree_bytes")} - ${CACHED} - ${RECLAIMABLE}`,
                name: always("used"),
            },
            { expr: CACHED, name: always("page cache") },
            { expr: last("node_memory_SReclaimable_bytes"), name: always("reclaimable") },
            { expr: last("node_memory_MemFree_bytes"), name: always("free"), color: "--free" },
        ],
    },
    {
        id: "swap",
        title: "Swap",
        unit: "bytes",
        group: "Memory",
        parts: [
            { expr: `(${last("node_memory_SwapTotal_bytes")} > 0) - ${last("node_memory_SwapFree_bytes")}`, name: always("used") },
            { expr: `${last("node_memory_SwapTotal_bytes")} > 0`, name: always("in all"), color: "--text-dim", dashed: true },
        ],
    },
    {
        id: "pressure",
        title: "Pressure: time that work had to wait",
        unit: "percent",
        group: "Pressure",
        parts: [
            { expr: "rate(node_pressure_cpu_waiting_seconds_total[$w]) * 100", name: always("CPU") },
            { expr: "rate(node_pressure_memory_waiting_seconds_total[$w]) * 100", name: always("memory") },
            { expr: "rate(node_pressure_io_waiting_seconds_total[$w]) * 100", name: always("I/O") },
            { expr: "rate(node_pressure_memory_stalled_seconds_total[$w]) * 100", name: always("memory, all"), dashed: true },
            { expr: "rate(node_pressure_io_stalled_seconds_total[$w]) * 100", name: always("I/O, all"), dashed: true },
        ],
    },
    {
        id: "disk-bytes",
        title: "Disk throughput (written below)",
        unit: "bytes/s",
        group: "Disks",
        most: 10,
        parts: [
            { expr: `rate(node_disk_read_bytes_total{${DISKS}}[$w])`, name: device(" read") },
            { expr: `-rate(node_disk_written_bytes_total{${DISKS}}[$w])`, name: device(" written"), below: true },
        ],
    },
    {
        id: "disk-latency",
        title: "Disk latency",
        unit: "seconds",
        group: "Disks",
        most: 10,
        parts: [
            {
                expr: `rate(node_disk_read_time_seconds_total{${DISKS}}[$w]) / (rate(node_disk_reads_completed_total{${DISKS}}[$w]) > 0)`,
                name: device(" read"),
            },
            {
                expr: `rate(node_disk_write_time_seconds_total{${DISKS}}[$w]) / (rate(node_disk_writes_completed_total{${DISKS}}[$w]) > 0)`,
                name: device(" write"),
            },
        ],
    },
    {
        id: "disk-busy",
        title: "Disks busy",
        unit: "percent",
        group: "Disks",
        max: 100,
        most: 10,
        parts: [{ expr: `rate(node_disk_io_time_seconds_total{${DISKS}}[$w]) * 100`, name: device("") }],
    },
    {
        id: "network",
        title: "Network (sent below)",
        unit: "bytes/s",
        group: "Network",
        most: 10,
        parts: [
            { expr: `rate(node_network_receive_bytes_total{${LINKS}}[$w])`, name: device(" received") },
            { expr: `-rate(node_network_transmit_bytes_total{${LINKS}}[$w])`, name: device(" sent"), below: true },
        ],
    },
    {
        id: "network-loss",
        title: "Network errors and drops",
        unit: "per second",
        group: "Network",
        most: 8,
        parts: [
            { expr: `rate(node_network_receive_errs_total{${LINKS}}[$w]) + rate(node_network_transmit_errs_total{${LINKS}}[$w])`, name: device(" errors") },
            { expr: `rate(node_network_receive_drop_total{${LINKS}}[$w]) + rate(node_network_transmit_drop_total{${LINKS}}[$w])`, name: device(" drops") },
        ],
    },
    {
        id: "tcp",
        title: "TCP",
        unit: "count",
        group: "Network",
        parts: [
            { expr: last("node_netstat_Tcp_CurrEstab"), name: always("established") },
            { expr: last("node_sockstat_TCP_tw"), name: always("time wait") },
            { expr: "rate(node_netstat_Tcp_ActiveOpens[$w]) + rate(node_netstat_Tcp_PassiveOpens[$w])", name: always("opened each second"), color: "--line-8" },
            { expr: "rate(node_netstat_Tcp_RetransSegs[$w])", name: always("sent again each second"), color: "--bad" },
        ],
    },
    {
        id: "temperature",
        title: "Temperatures",
        unit: "celsius",
        group: "Hardware",
        most: 12,
        parts: [
            { expr: "last_over_time(node_hwmon_temp_celsius[$c])", name: (labels) => `${labels["chip"] ?? ""} ${labels["sensor"] ?? ""}` },
            { expr: "last_over_time(node_thermal_zone_temp[$c])", name: (labels) => `${labels["type"] ?? "zone"} ${labels["zone"] ?? ""}` },
        ],
    },
    {
        id: "container-cpu",
        title: "Busiest containers",
        unit: "cores",
        group: "Containers",
        most: 10,
        parts: [{ expr: `topk(10, sum by (namespace, pod, container) (rate(container_cpu_usage_seconds_total{${CONTAINER}}[$c])))`, name: CONTAINER_NAME }],
    },
    {
        id: "container-memory",
        title: "Largest containers",
        unit: "bytes",
        group: "Containers",
        most: 10,
        parts: [{ expr: `topk(10, sum by (namespace, pod, container) (last_over_time(container_memory_working_set_bytes{${CONTAINER}}[$c])))`, name: CONTAINER_NAME }],
    },
];

export const MARK = "nv_part";

/* One question for all parts; `first` tells them from those of another question. */
export function union(parts: string[]): string {
    return parts.map((expr, i) => `label_replace(${expr}, "${MARK}", "${i}", "", "")`).join(" or ");
}

export function fill(expr: string, window: number): string {
    return expr.replaceAll("$w", `${window}s`).replaceAll("$c", `${Math.max(window, 60)}s`);
}

export function partOf(series: Series): number {
    return Number(series.metric[MARK] ?? -1);
}

/* Of more lines than a graph can tell apart those with the greatest values. */
export function strongest(lines: Line[], most: number): Line[] {
    if (lines.length <= most) return lines;
    const weight = new Map(lines.map((line) => [line, line.values.reduce<number>((sum, value) => sum + (Number.isFinite(value) ? Math.abs(value!) : 0), 0)]));
    const kept = new Set([...lines].sort((a, b) => weight.get(b)! - weight.get(a)!).slice(0, most));
    return lines.filter((line) => kept.has(line));
}
