/*
 * inside.tsx - the agent itself: what it reads and asks, and what its store holds.
 */
import { get, now, query, toNumber } from "./api";
import { useRepeated } from "./live";
import { MARK, union } from "./panels";
import { writeTime } from "./time";
import { duration, format } from "./units";

interface Target {
    scrapePool: string;
    scrapeUrl: string;
    labels: Record<string, string>;
    lastError: string;
    lastScrape: string;
    lastScrapeDuration: number;
    health: string;
    scrapeInterval: string;
}
interface Count {
    name: string;
    value: number;
}
interface Tsdb {
    headStats: { numSeries: number; numLabelPairs: number; chunkCount: number; minTime: number; maxTime: number };
    seriesCountByMetricName: Count[];
    labelValueCountByLabelName: Count[];
    memoryInBytesByLabelName: Count[];
    seriesCountByLabelValuePair: Count[];
}
interface Build {
    version: string;
    revision: string;
}

/* ---- collectors ----------------------------------------------------------------------------- */

interface Collector {
    name: string;
    health: string;
    lastError: string;
    duration: number;
    age: number;
    series: number;
}

const byHealth = ["err", "ok", "nothing"];

function stateOf(collector: Collector) {
    if (collector.health === "err") return <span class="bad-text">{collector.lastError}</span>;
    return collector.health === "ok" ? "fine" : <span class="dim">nothing here</span>;
}

/* Those that fail first, then those that take longest. */
function Collectors() {
    const collectors = useRepeated(async (signal) => (await get<{ collectors: Collector[] }>("api/v1/status/collectors", signal)).collectors, 5, "collectors");
    const sorted = (collectors ?? []).sort((a, b) => byHealth.indexOf(a.health) - byHealth.indexOf(b.health) || b.duration - a.duration);
    const most = Math.max(...sorted.map((one) => one.duration), 1e-9);
    return (
        <section class="card">
            <h3>Collectors</h3>
            <div class="scroll tall" tabIndex={0} role="region" aria-label="table">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">collector</th>
                            <th scope="col" class="bar-cell">
                                took
                            </th>
                            <th scope="col" class="number">
                                age
                            </th>
                            <th scope="col">state</th>
                        </tr>
                    </thead>
                    <tbody>
                        {sorted.map((one) => (
                            <tr key={one.name}>
                                <th scope="row">{one.name}</th>
                                <td class="bar-cell">
                                    <span class="bar">
                                        <i style={{ width: `${(100 * one.duration) / most}%` }} />
                                    </span>
                                    <span class="percent">{format(one.duration, "seconds")}</span>
                                </td>
                                <td class="number">{one.health === "nothing" ? "–" : format(one.age, "seconds")}</td>
                                <td>{stateOf(one)}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
        </section>
    );
}

/* ---- targets -------------------------------------------------------------------------------- */

function Targets(props: { utc: boolean }) {
    const targets = useRepeated(async (signal) => (await get<{ activeTargets: Target[] }>("api/v1/targets?state=active", signal)).activeTargets, 5, "targets");
    return (
        <section class="card wide">
            <h3>Targets</h3>
            <div class="scroll" tabIndex={0} role="region" aria-label="table">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">target</th>
                            <th scope="col" class="less">
                                job
                            </th>
                            <th scope="col">state</th>
                            <th scope="col" class="number">
                                took
                            </th>
                            <th scope="col" class="number">
                                last
                            </th>
                            <th scope="col" class="number less">
                                every
                            </th>
                        </tr>
                    </thead>
                    <tbody>
                        {(targets ?? [])
                            .sort((a, b) => a.health.localeCompare(b.health))
                            .slice(0, 500)
                            .map((target) => (
                                <tr key={target.scrapeUrl + JSON.stringify(target.labels)}>
                                    <th scope="row">{target.scrapeUrl}</th>
                                    <td class="less">{target.labels["job"]}</td>
                                    <td>
                                        <span class={`state ${target.health === "down" ? "firing" : ""}`}>{target.health}</span> <span class="bad-text">{target.lastError}</span>
                                    </td>
                                    <td class="number">{format(target.lastScrapeDuration, "seconds")}</td>
                                    <td class="number" title={writeTime(Date.parse(target.lastScrape) / 1000, props.utc)}>
                                        {target.lastScrape.startsWith("0001") ? "–" : `${duration(Math.max(0, Math.round(now() - Date.parse(target.lastScrape) / 1000)))} ago`}
                                    </td>
                                    <td class="number less">{target.scrapeInterval}</td>
                                </tr>
                            ))}
                    </tbody>
                </table>
            </div>
        </section>
    );
}

/* ---- the store ------------------------------------------------------------------------------ */

function Counts(props: { title: string; counts: Count[]; bytes?: boolean }) {
    const most = props.counts[0]?.value ?? 1;
    if (!props.counts.length) return null;
    return (
        <section class="card">
            <h3>{props.title}</h3>
            <div class="scroll tall" tabIndex={0} role="region" aria-label="table">
                <table>
                    <tbody>
                        {props.counts.map((count) => (
                            <tr key={count.name}>
                                <th scope="row" class="code">
                                    {count.name}
                                </th>
                                <td class="bar-cell">
                                    <span class="bar">
                                        <i style={{ width: `${(100 * count.value) / (most || 1)}%` }} />
                                    </span>
                                    <span class="percent">{format(count.value, props.bytes ? "bytes" : "count")}</span>
                                </td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
        </section>
    );
}

const growthParts = [
    "nodevitals_tsdb_series",
    'sum(nodevitals_tsdb_bytes{kind="blocks"})',
    'sum(nodevitals_tsdb_bytes{kind="log"})',
    'process_resident_memory_bytes{job="node-exporter"}',
    'rate(process_cpu_seconds_total{job="node-exporter"}[1m]) * 100',
    "rate(nodevitals_tsdb_samples_appended_total[1m])",
    "sum(increase(nodevitals_tsdb_samples_dropped_total[1h]))",
    "nodevitals_tsdb_series - nodevitals_tsdb_series offset 1h",
    "24 * (sum(nodevitals_tsdb_bytes) - sum(nodevitals_tsdb_bytes offset 1h))",
];
const growthNames = ["series in memory", "in blocks", "log", "resident memory", "CPU, of one core", "samples taken", "samples dropped in an hour", "series more than an hour ago", "grows in a day, as in the last hour"];

function Growth() {
    const series = useRepeated(async (signal) => (await query(union(growthParts), now(), signal)).series, 10, "growth");
    const units = ["count", "bytes", "bytes", "bytes", "percent", "per second", "count", "count", "bytes"] as const;
    return (
        <dl class="tiles">
            {growthNames.map((name, i) => {
                const found = series?.find((one) => one.metric[MARK] === String(i));
                if (series && !found) return null;
                return (
                    <div class="tile" key={name}>
                        <dt>{name}</dt>
                        <dd>{format(found?.value ? toNumber(found.value[1]) : null, units[i]!)}</dd>
                    </div>
                );
            })}
        </dl>
    );
}

/* Families that have more series than before: an hour ago, in a younger store at half its age. */
function Growing(props: { begin: number }) {
    const back = Math.max(60, Math.min(3600, Math.floor((now() - props.begin) / 120) * 60));
    const counts = useRepeated(
        async (signal) => {
            const by = (offset: string) => `label_replace(count by (__name__) ({__name__!=""}${offset}), "family", "$1", "__name__", "(.+)")`;
            const then = `(${by(` offset ${back}s`)} or on (family) 0 * ${by("")})`;
            const { series } = await query(`topk(20, ${by("")} - on (family) ${then} > 0)`, now(), signal);
            return series.map((one) => ({ name: one.metric["family"] ?? "", value: toNumber(one.value?.[1]) })).sort((a, b) => b.value - a.value);
        },
        60,
        `growing ${back}`,
    );
    if (!counts) return null;
    const title = `What grows: series more than ${duration(back)} ago`;
    return counts.length ? (
        <Counts title={title} counts={counts} />
    ) : (
        <section class="card short">
            <h3>{title}</h3>
            <p class="empty">No family has more.</p>
        </section>
    );
}

export function Inside(props: { utc: boolean }) {
    const tsdb = useRepeated(async (signal) => get<Tsdb>("api/v1/status/tsdb?limit=20", signal), 30, "tsdb");
    const build = useRepeated(async (signal) => get<Build>("api/v1/status/buildinfo", signal), 3600, "build");
    const runtime = useRepeated(async (signal) => get<{ startTime: string; storageRetention: string }>("api/v1/status/runtimeinfo", signal), 60, "runtime");
    const head = tsdb?.headStats;
    return (
        <>
            <Growth />
            <p class="dim">
                {runtime ? `started ${duration(Math.round(now() - Date.parse(runtime.startTime) / 1000))} ago, keeps ${runtime.storageRetention}` : ""}
                {head ? `; in memory ${format(head.numSeries, "count")} series from ${writeTime(head.minTime / 1000, props.utc)} on` : ""}
                {build ? `; revision ${build.revision}` : ""}
            </p>
            <div class="grid">
                <Targets utc={props.utc} />
                <Collectors />
                {head ? <Growing begin={head.minTime / 1000} /> : null}
                {tsdb ? (
                    <>
                        <Counts title="Series by family" counts={tsdb.seriesCountByMetricName} />
                        <Counts title="Values by label" counts={tsdb.labelValueCountByLabelName} />
                        <Counts title="Bytes by label" counts={tsdb.memoryInBytesByLabelName} bytes />
                        <Counts title="Series by label and value" counts={tsdb.seriesCountByLabelValuePair} />
                    </>
                ) : null}
            </div>
        </>
    );
}
