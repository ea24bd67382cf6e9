/*
 * overview.tsx - how the node is: its graphs, its file systems, who is busiest.
 */
import { now, query, toNumber, type Labels, type Series } from "./api";
import { Graph } from "./graph";
import { usePicture, useRepeated } from "./live";
import { fill, MARK, partOf, union } from "./panels";
import { windowFor, writeSpan, type Span } from "./time";
import { duration, format, type Unit } from "./units";

export interface OverviewProps {
    span: Span;
    points: number;
    interval: number;
    paused: boolean;
    theme: string;
    utc: boolean;
    onZoom: (from: number, to: number) => void;
    onReset: () => void;
    firing: Labels[] | null;
}

const FILE_SYSTEMS_MAX = 24;
const AT_ONCE = 6; /* panels whose room is taken before the first answer */

/* ---- file systems --------------------------------------------------------------------------- */

const REAL = 'fstype!~"tmpfs|devtmpfs|overlay|squashfs|ramfs|proc|sysfs|cgroup.*|autofs|fuse.lxcfs|nsfs|efivarfs|rpc_pipefs|iso9660|tracefs|debugfs"';
const fsParts = [
    `node_filesystem_size_bytes{${REAL}} > 0`,
    `node_filesystem_avail_bytes{${REAL}}`,
    `node_filesystem_readonly{${REAL}}`,
    `node_filesystem_device_error{${REAL}}`,
    /* By the trend of the last hour, where it has ten minutes of it at least: less is noise. */
    `node_filesystem_avail_bytes{${REAL}} / -(deriv(node_filesystem_avail_bytes{${REAL}}[1h]) < -64) and node_filesystem_avail_bytes{${REAL}} offset 10m`,
    `node_filesystem_files_free{${REAL}} / (node_filesystem_files{${REAL}} > 0)`,
];

interface FileSystem {
    mount: string;
    device: string;
    size: number;
    free: number;
    readOnly: boolean;
    broken: boolean;
    full: number | null; /* seconds to it */
    inodes: number | null;
}

function fileSystems(series: Series[]): FileSystem[] {
    const by = new Map<string, FileSystem>();
    for (const one of series) {
        const mount = one.metric["mountpoint"] ?? "";
        const value = toNumber(one.value?.[1]);
        let fs = by.get(mount);
        if (!fs) by.set(mount, (fs = { mount, device: one.metric["device"] ?? "", size: 0, free: 0, readOnly: false, broken: false, full: null, inodes: null }));
        const part = partOf(one);
        if (part === 0) fs.size = value;
        else if (part === 1) fs.free = value;
        else if (part === 2) fs.readOnly = value === 1;
        else if (part === 3) fs.broken = value === 1;
        else if (part === 4) fs.full = value;
        else if (part === 5) fs.inodes = value;
    }
    const seen = new Map<string, FileSystem>(); /* a device that is mounted in many places: the shortest */
    for (const fs of [...by.values()].sort((a, b) => a.mount.length - b.mount.length)) {
        const key = `${fs.device} ${fs.size}`;
        if ((fs.size || fs.broken) && (!seen.has(key) || fs.broken)) seen.set(key, fs);
    }
    return [...seen.values()].sort((a, b) => a.free / (a.size || 1) - b.free / (b.size || 1));
}

function FileSystems(props: { time: number | null }) {
    const series = useRepeated(async (signal) => (await query(union(fsParts), props.time ?? now(), signal)).series, props.time === null ? 10 : 3600, `fs ${props.time}`);
    const all = series ? fileSystems(series) : [];
    const rows = all.slice(0, FILE_SYSTEMS_MAX);
    if (series && !rows.length) return null;
    return (
        <section class="card wide">
            <h3>File systems{all.length > rows.length ? `: the ${rows.length} fullest of ${all.length}` : ""}</h3>
            <div class="scroll" tabIndex={0} role="region" aria-label="table">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">mounted at</th>
                            <th scope="col" class="bar-cell">
                                used
                            </th>
                            <th scope="col" class="number">
                                free
                            </th>
                            <th scope="col" class="number less">
                                size
                            </th>
                            <th scope="col" class="number" title="by the trend of the last hour">
                                full in
                            </th>
                        </tr>
                    </thead>
                    <tbody>
                        {rows.map((fs) => {
                            const used = fs.size ? 1 - fs.free / fs.size : 0;
                            const soon = fs.full !== null && fs.full < 86400;
                            return (
                                <tr key={fs.mount}>
                                    <th scope="row" title={fs.device}>
                                        {fs.mount}
                                        {fs.readOnly ? <span class="tag">read only</span> : null}
                                        {fs.broken ? <span class="tag bad">does not answer</span> : null}
                                        {fs.inodes !== null && fs.inodes < 0.1 ? <span class="tag bad">{format(fs.inodes * 100, "percent")} of inodes left</span> : null}
                                    </th>
                                    <td class="bar-cell">
                                        <span class={"bar" + (used > 0.95 ? " bad" : used > 0.85 ? " warn" : "")}>
                                            <i style={{ width: `${Math.max(0, Math.min(100, used * 100))}%` }} />
                                        </span>
                                        <span class="percent">{fs.size ? format(used * 100, "percent") : "–"}</span>
                                    </td>
                                    <td class="number">{fs.size ? format(fs.free, "bytes") : "–"}</td>
                                    <td class="number less">{fs.size ? format(fs.size, "bytes") : "–"}</td>
                                    <td class={"number" + (soon ? " bad-text" : "")}>{fs.full === null || fs.full > 90 * 86400 ? "–" : duration(fs.full)}</td>
                                </tr>
                            );
                        })}
                    </tbody>
                </table>
            </div>
        </section>
    );
}

/* ---- who is busiest ------------------------------------------------------------------------- */

const CONTAINER = 'container!="",container!="POD"';
const OUTSIDE = 'container="",pod="",name!=""';
const UNIT = 'container="",name="",id=~".*[.]service"';

interface Kind {
    title: string;
    cpu: string;
    memory: string;
    name: (labels: Labels) => string;
}
const kinds: Kind[] = [
    {
        title: "Pods",
        cpu: `topk(8, sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{${CONTAINER}}[$c])))`,
        memory: `sum by (namespace, pod) (container_memory_working_set_bytes{${CONTAINER}})`,
        name: (labels) => `${labels["namespace"] ?? ""}/${labels["pod"] ?? ""}`,
    },
    {
        title: "Containers",
        cpu: `topk(8, sum by (name) (rate(container_cpu_usage_seconds_total{${OUTSIDE}}[$c])))`,
        memory: `sum by (name) (container_memory_working_set_bytes{${OUTSIDE}})`,
        name: (labels) => labels["name"] ?? "",
    },
    {
        title: "Services",
        cpu: `topk(8, sum by (id) (rate(container_cpu_usage_seconds_total{${UNIT}}[$c])))`,
        memory: `sum by (id) (container_memory_working_set_bytes{${UNIT}})`,
        name: (labels) => (labels["id"] ?? "").replace(/^.*\//, ""),
    },
];
const kindParts = kinds.flatMap((kind) => [kind.cpu, kind.memory]);
const ID = /^[0-9a-f]{64}$/;

function Busiest(props: { time: number | null; window: number }) {
    const series = useRepeated(
        async (signal) => (await query(fill(union(kindParts), props.window), props.time ?? now(), signal)).series,
        props.time === null ? 10 : 3600,
        `busy ${props.time} ${props.window}`,
    );
    if (!series) return null;
    return (
        <>
            {kinds.map((kind, i) => {
                const cpu = series.filter((one) => partOf(one) === 2 * i);
                if (!cpu.length) return null;
                const memory = new Map(series.filter((one) => partOf(one) === 2 * i + 1).map((one) => [kind.name(one.metric), toNumber(one.value?.[1])]));
                const most = Math.max(...cpu.map((one) => toNumber(one.value?.[1])), 1e-9);
                return (
                    <section class="card" key={kind.title}>
                        <h3>{kind.title}</h3>
                        <table>
                            <thead>
                                <tr>
                                    <th scope="col">busiest first</th>
                                    <th scope="col" class="bar-cell">
                                        CPU
                                    </th>
                                    <th scope="col" class="number">
                                        memory
                                    </th>
                                </tr>
                            </thead>
                            <tbody>
                                {cpu
                                    .sort((a, b) => toNumber(b.value?.[1]) - toNumber(a.value?.[1]))
                                    .map((one) => {
                                        const name = kind.name(one.metric);
                                        const value = toNumber(one.value?.[1]);
                                        return (
                                            <tr key={name}>
                                                <th scope="row" title={name}>
                                                    {ID.test(name) ? name.slice(0, 12) : name}
                                                </th>
                                                <td class="bar-cell">
                                                    <span class="bar">
                                                        <i style={{ width: `${(100 * value) / most}%` }} />
                                                    </span>
                                                    <span class="percent">{format(value, "cores")}</span>
                                                </td>
                                                <td class="number">{format(memory.get(name), "bytes")}</td>
                                            </tr>
                                        );
                                    })}
                            </tbody>
                        </table>
                    </section>
                );
            })}
        </>
    );
}

/* ---- at a glance ---------------------------------------------------------------------------- */

interface Tile {
    title: string;
    expr: string;
    unit: Unit;
    warn: number;
    bad: number;
}
const tiles: Tile[] = [
    { title: "CPU", expr: 'sum(rate(node_cpu_seconds_total{mode!="idle"}[$w])) * 100 / scalar(count(node_cpu_seconds_total{mode="idle"}))', unit: "percent", warn: 80, bad: 95 },
    { title: "Memory", expr: "100 - 100 * node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", unit: "percent", warn: 85, bad: 95 },
    { title: "Memory pressure", expr: "rate(node_pressure_memory_waiting_seconds_total[$w]) * 100", unit: "percent", warn: 10, bad: 40 },
    { title: "I/O pressure", expr: "rate(node_pressure_io_waiting_seconds_total[$w]) * 100", unit: "percent", warn: 30, bad: 70 },
    { title: "Fullest file system", expr: `max(100 - 100 * node_filesystem_avail_bytes{${REAL}} / (node_filesystem_size_bytes{${REAL}} > 0))`, unit: "percent", warn: 85, bad: 95 },
    { title: "Hottest", expr: "max(node_hwmon_temp_celsius or node_thermal_zone_temp)", unit: "celsius", warn: 80, bad: 95 },
];

/* What fires, by name: how many of each. */
function Firing(props: { firing: Labels[] | null; span: Span }) {
    const counts = new Map<string, number>();
    for (const labels of props.firing ?? []) counts.set(labels["alertname"] ?? "", (counts.get(labels["alertname"] ?? "") ?? 0) + 1);
    const names = [...counts].map(([name, n]) => (n > 1 ? `${name} (${n})` : name)).join(", ");
    return (
        <div class={"tile names" + (counts.size ? " bad" : "")}>
            <dt>Alerts</dt>
            <dd>
                {props.firing === null ? "–" : counts.size ? <a href={`#alerts?span=${writeSpan(props.span)}`}>{props.firing.length} firing</a> : "none fires"}
                <small title={names}>{names}</small>
            </dd>
        </div>
    );
}

function Tiles(props: { time: number | null; window: number; firing: Labels[] | null; span: Span }) {
    const series = useRepeated(
        async (signal) => (await query(fill(union(tiles.map((tile) => tile.expr)), props.window), props.time ?? now(), signal)).series,
        props.time === null ? 1 : 3600,
        `tiles ${props.time} ${props.window}`,
    );
    const value = (i: number) => {
        const one = series?.find((found) => found.metric[MARK] === String(i));
        return one?.value ? toNumber(one.value[1]) : null;
    };
    return (
        <dl class="tiles">
            <Firing firing={props.firing} span={props.span} />
            {tiles.map((tile, i) => {
                const at = value(i);
                if (series && at === null) return null;
                const state = at === null ? "" : at >= tile.bad ? " bad" : at >= tile.warn ? " warn" : "";
                return (
                    <div class={"tile" + state} key={tile.title}>
                        <dt>{tile.title}</dt>
                        <dd>{format(at, tile.unit)}</dd>
                    </div>
                );
            })}
        </dl>
    );
}

/* ---- all ------------------------------------------------------------------------------------ */

export function Overview(props: OverviewProps) {
    const shown = usePicture(props.span, props.points, props.interval, props.paused);
    const time = props.span.kind === "fixed" ? props.span.to : null;
    const window = Math.max(10, windowFor(1, shown.loaded ? shown.spacing : props.interval));

    return (
        <>
            <Tiles time={time} window={window} firing={props.firing} span={props.span} />
            {shown.loaded && !shown.panels.length ? (
                <p class="empty" role="status">
                    There is nothing in the history for this span yet.
                </p>
            ) : null}
            <div class="grid">
                {shown.loaded
                    ? shown.panels.map(({ panel, lines, total }) => (
                          <section class="card" key={panel.id} id={panel.id}>
                              <Graph
                                  title={panel.title + (total > lines.length ? `: ${lines.length} of ${total}` : "")}
                                  unit={panel.unit}
                                  times={shown.times}
                                  lines={lines}
                                  from={shown.from}
                                  to={shown.to}
                                  stacked={panel.stacked ?? false}
                                  {...(panel.max === undefined ? {} : { max: panel.max })}
                                  theme={props.theme}
                                  utc={props.utc}
                                  onZoom={props.onZoom}
                                  onReset={props.onReset}
                              />
                          </section>
                      ))
                    : Array.from({ length: AT_ONCE }, (_, i) => <section class="card waiting" key={i} aria-hidden="true" />)}
                <FileSystems time={time} />
                <Busiest time={time} window={window} />
            </div>
        </>
    );
}
