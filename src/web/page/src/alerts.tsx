/*
 * alerts.tsx - what is wrong, what was, which rules say so, and who was told.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, change, get, now, plain, query, queryRange, toNumber, type Labels, type Series } from "./api";
import { nameOf } from "./explore";
import { useRepeated } from "./live";
import { partOf, union } from "./panels";
import { ends, stepFor, writeTime, type Span } from "./time";
import { duration, format } from "./units";

interface AlertState {
    labels: Labels;
    annotations: Labels;
    state: string;
    activeAt?: string;
    value: string;
}
interface Rule {
    type: string;
    name: string;
    query: string;
    state?: string;
    health: string;
    lastError?: string;
    duration?: number;
    labels: Labels;
    annotations?: Labels;
    alerts?: AlertState[];
    evaluationTime: number;
    lastEvaluation: string;
}
interface Group {
    name: string;
    file: string;
    interval: number;
    evaluationTime: number;
    lastEvaluation: string;
    rules: Rule[];
}
interface Silence {
    id: string;
    status: { state: string };
    matchers: { name: string; value: string; isRegex: boolean; isEqual: boolean }[];
    startsAt: string;
    endsAt: string;
    createdBy: string;
    comment: string;
}
interface Sent {
    fingerprint: string;
    labels: Labels;
    status: { state: string; silencedBy: string[]; inhibitedBy: string[] };
    receivers: { name: string }[];
    startsAt: string;
}

const order = ["firing", "pending", "unknown", "inactive"];

function age(time: string | undefined): string {
    const seconds = now() - Date.parse(time ?? "") / 1000;
    return Number.isNaN(seconds) || seconds > 1e9 ? "never" : `${duration(Math.max(0, Math.round(seconds)))} ago`;
}

function safeLink(text: string): boolean {
    return /^https?:\/\//i.test(text);
}

/* ---- now ------------------------------------------------------------------------------------ */

function Active(props: { groups: Group[]; utc: boolean; onSilence: (labels: Labels) => void }) {
    const active = props.groups.flatMap((group) => group.rules.flatMap((rule) => rule.alerts ?? [])).sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || (a.activeAt ?? "").localeCompare(b.activeAt ?? ""));
    if (!active.length) return <p class="empty">No alert is active.</p>;
    return (
        <ul class="alerts">
            {active.slice(0, 200).map((alert) => (
                <li key={nameOf(alert.labels)} class={`alert ${alert.state}`}>
                    <div class="alert-head">
                        <span class={`state ${alert.state}`}>{alert.state}</span>
                        <h3>{alert.labels["alertname"]}</h3>
                        <span class="since" title={alert.activeAt ? writeTime(Date.parse(alert.activeAt) / 1000, props.utc) : ""}>
                            since {age(alert.activeAt).replace(" ago", "")}
                        </span>
                        <button type="button" onClick={() => props.onSilence(alert.labels)}>
                            silence
                        </button>
                    </div>
                    <p>{alert.annotations["summary"] ?? alert.annotations["description"] ?? alert.annotations["message"] ?? ""}</p>
                    {alert.annotations["summary"] && alert.annotations["description"] ? <p class="dim">{alert.annotations["description"]}</p> : null}
                    {safeLink(alert.annotations["runbook_url"] ?? "") ? (
                        <p>
                            <a href={alert.annotations["runbook_url"]} rel="noreferrer noopener" target="_blank">
                                what to do
                            </a>
                        </p>
                    ) : null}
                    <p class="labels">
                        {Object.entries(alert.labels)
                            .filter(([name]) => name !== "alertname")
                            .map(([name, value]) => (
                                <span class="label" key={name}>
                                    {name}={value}
                                </span>
                            ))}
                    </p>
                </li>
            ))}
        </ul>
    );
}

/* ---- before --------------------------------------------------------------------------------- */

interface Stretch {
    from: number;
    to: number;
    firing: boolean;
}

function stretches(series: Series, step: number): Stretch[] {
    const firing = series.metric["alertstate"] === "firing";
    const out: Stretch[] = [];
    for (const [time] of series.values ?? []) {
        const last = out[out.length - 1];
        if (last && time - last.to <= step * 1.5) last.to = time;
        else out.push({ from: time, to: time, firing });
    }
    return out;
}

function Timeline(props: { span: Span; points: number; utc: boolean }) {
    const [from, to] = ends(props.span, now());
    const step = stepFor(to - from, props.points, 5);
    const series = useRepeated(async (signal) => (await queryRange("ALERTS", Math.floor(from / step) * step, Math.floor(to / step) * step, step, signal)).series, 30, `${props.span.kind === "fixed" ? `${from} ${to}` : props.span.seconds} ${step}`);
    if (!series) return null;
    const rows = new Map<string, { name: string; labels: string; stretches: Stretch[] }>();
    for (const one of series) {
        const { __name__: _, alertstate: __, alertname = "", ...labels } = one.metric;
        const key = `${alertname} ${nameOf(labels)}`;
        let row = rows.get(key);
        if (!row) rows.set(key, (row = { name: alertname, labels: nameOf(labels), stretches: [] }));
        row.stretches.push(...stretches(one, step));
    }
    if (!rows.size) return <p class="empty">No alert was active in this span.</p>;
    const left = (time: number) => Math.max(0, Math.min(100, ((time - from) / (to - from)) * 100));
    return (
        <div class="timeline">
            {[...rows.values()].slice(0, 100).map((row) => (
                <div class="timeline-row" key={row.name + row.labels}>
                    <span class="timeline-name" title={row.labels}>
                        {row.name} <span class="dim">{row.labels === "{}" ? "" : row.labels}</span>
                    </span>
                    <span class="timeline-track" role="img" aria-label={row.stretches.map((stretch) => `${stretch.firing ? "firing" : "pending"} from ${writeTime(stretch.from, props.utc)} to ${writeTime(stretch.to, props.utc)}`).join("; ")}>
                        {row.stretches.map((stretch) => (
                            <i
                                key={`${stretch.from} ${stretch.firing}`}
                                class={stretch.firing ? "firing" : "pending"}
                                title={`${stretch.firing ? "firing" : "pending"} ${writeTime(stretch.from, props.utc)} – ${writeTime(stretch.to, props.utc)}`}
                                style={{ left: `${left(stretch.from)}%`, width: `${Math.max(0.4, left(stretch.to + step) - left(stretch.from))}%` }}
                            />
                        ))}
                    </span>
                </div>
            ))}
            <p class="timeline-ends dim">
                <span>{writeTime(from, props.utc)}</span>
                <span>{writeTime(to, props.utc)}</span>
            </p>
        </div>
    );
}

/* ---- silences and who was told -------------------------------------------------------------- */

function SilenceForm(props: { labels: Labels; onDone: () => void }) {
    const [error, setError] = useState("");
    const form = useRef<HTMLFormElement>(null);

    useEffect(() => form.current?.querySelector("input")?.focus(), [props.labels]);
    const submit = async (event: Event) => {
        event.preventDefault();
        const data = new FormData(event.currentTarget as HTMLFormElement);
        const hours = Number(data.get("hours"));
        const begin = now();
        try {
            await change("api/v2/silences", "POST", {
                matchers: Object.entries(props.labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true })),
                startsAt: new Date(begin * 1000).toISOString(),
                endsAt: new Date((begin + hours * 3600) * 1000).toISOString(),
                createdBy: String(data.get("by") || "page"),
                comment: String(data.get("comment") || "silenced on the page"),
            });
            props.onDone();
        } catch (reason) {
            setError(reason instanceof ApiError ? reason.message : String(reason));
        }
    };
    return (
        <form class="card wide silence" ref={form} onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && props.onDone()}>
            <h3>Silence</h3>
            <p class="labels">
                {Object.entries(props.labels).map(([name, value]) => (
                    <span class="label" key={name}>
                        {name}={value}
                    </span>
                ))}
            </p>
            <label>
                for <input type="number" name="hours" min="0.1" max="8760" step="0.1" defaultValue="2" required /> hours
            </label>
            <label>
                by <input type="text" name="by" maxLength={100} />
            </label>
            <label>
                because <input type="text" name="comment" maxLength={500} required />
            </label>
            <button type="submit" class="primary">
                Silence
            </button>
            <button type="button" onClick={props.onDone}>
                close
            </button>
            {error ? (
                <p class="error" role="alert">
                    {error}
                    {/admin/i.test(error) ? " Start the agent with --web.enable-admin-api to silence from here." : ""}
                </p>
            ) : null}
        </form>
    );
}

function Silences(props: { utc: boolean; again: number }) {
    const [error, setError] = useState("");
    const [ended, setEnded] = useState(0);
    const silences = useRepeated(async (signal) => plain<Silence[]>("api/v2/silences", signal), 15, `silences ${props.again} ${ended}`);
    const shown = (silences ?? []).filter((silence) => silence.status.state !== "expired");
    const end = async (id: string) => {
        try {
            await change(`api/v2/silence/${encodeURIComponent(id)}`, "DELETE");
            setEnded(ended + 1);
            setError("");
        } catch (reason) {
            setError(reason instanceof ApiError ? reason.message : String(reason));
        }
    };
    if (!silences) return <p class="empty">{"\u00a0"}</p>; /* its room */
    return (
        <>
            {error ? (
                <p class="error" role="alert">
                    {error}
                </p>
            ) : null}
            {!shown.length ? <p class="empty">Nothing is silenced.</p> : null}
            <ul class="alerts">
                {shown.map((silence) => (
                    <li class="alert" key={silence.id}>
                        <div class="alert-head">
                            <span class="state">{silence.status.state}</span>
                            <span class="since">until {writeTime(Date.parse(silence.endsAt) / 1000, props.utc)}</span>
                            <button type="button" onClick={() => void end(silence.id)}>
                                end
                            </button>
                        </div>
                        <p>
                            {silence.comment} <span class="dim">({silence.createdBy})</span>
                        </p>
                        <p class="labels">
                            {silence.matchers.map((matcher) => (
                                <span class="label" key={matcher.name}>
                                    {matcher.name}
                                    {matcher.isEqual ? (matcher.isRegex ? "=~" : "=") : matcher.isRegex ? "!~" : "!="}
                                    {matcher.value}
                                </span>
                            ))}
                        </p>
                    </li>
                ))}
            </ul>
        </>
    );
}

interface Receiver {
    name: string;
    integrations?: { name: string; lastNotifyAttempt: string; lastNotifyAttemptError?: string; told: number; failed: number }[];
}

/* To Alertmanagers: their counters, by URL. */
const managerParts = ["sent", "errors", "dropped"].map((what) => `prometheus_notifications_${what}_total`).concat("prometheus_notifications_queue_length");

interface Way {
    to: string;
    error: string;
    told: number;
    failed: number;
    last: string;
}

function waysOf(receivers: Receiver[], managers: string[], counters: Series[]): Way[] {
    const count = (part: number, url: string) => toNumber(counters.find((one) => partOf(one) === part && one.metric["alertmanager"] === url)?.value?.[1] ?? "0");
    return [
        ...receivers.flatMap((receiver): Way[] =>
            receiver.integrations?.length
                ? receiver.integrations.map((way) => ({ to: `${receiver.name}: ${way.name}`, error: way.lastNotifyAttemptError ?? "", told: way.told, failed: way.failed, last: age(way.lastNotifyAttempt) }))
                : [{ to: receiver.name, error: "", told: 0, failed: 0, last: "never" }],
        ),
        ...managers.map((url) => {
            const waiting = count(3, url);
            return { to: url, error: waiting ? `${waiting} wait` : "", told: count(0, url), failed: count(1, url) + count(2, url), last: "" };
        }),
    ];
}

function Ways() {
    const ways = useRepeated(
        async (signal) => {
            const [receivers, managers, counters] = await Promise.all([
                plain<Receiver[]>("api/v2/receivers", signal),
                get<{ activeAlertmanagers: { url: string }[] }>("api/v1/alertmanagers", signal),
                query(union(managerParts), now(), signal),
            ]);
            return waysOf(receivers, managers.activeAlertmanagers.map((manager) => manager.url), counters.series);
        },
        5,
        "ways",
    );
    if (!ways?.length) return null;
    return (
        <div class="card scroll ways" tabIndex={0} role="region" aria-label="notifiers">
            <table>
                <thead>
                    <tr>
                        <th scope="col">notifier</th>
                        <th scope="col">state</th>
                        <th scope="col" class="number">
                            told
                        </th>
                        <th scope="col" class="number">
                            failed
                        </th>
                        <th scope="col">last try</th>
                    </tr>
                </thead>
                <tbody>
                    {ways.slice(0, 200).map((way, i) => (
                        <tr key={i}>
                            <th scope="row">{way.to}</th>
                            <td>{way.error ? <span class="bad-text">{way.error}</span> : way.last === "never" ? <span class="dim">not used yet</span> : "fine"}</td>
                            <td class="number">{format(way.told, "count")}</td>
                            <td class="number">{format(way.failed, "count")}</td>
                            <td>{way.last}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

function Told() {
    const sent = useRepeated(async (signal) => plain<Sent[]>("api/v2/alerts", signal), 15, "sent");
    return (
        <>
            <Ways />
            {sent?.length ? (
                <div class="card scroll" tabIndex={0} role="region" aria-label="table">
                    <table>
                        <thead>
                            <tr>
                                <th scope="col">alert</th>
                                <th scope="col">state</th>
                                <th scope="col">receivers</th>
                                <th scope="col">fires</th>
                            </tr>
                        </thead>
                        <tbody>
                            {sent.slice(0, 200).map((one) => (
                                <tr key={one.fingerprint}>
                                    <th scope="row">{one.labels["alertname"] ?? nameOf(one.labels)}</th>
                                    <td>{one.status.silencedBy.length ? "silenced" : one.status.inhibitedBy.length ? "inhibited" : one.status.state}</td>
                                    <td>{one.receivers.map((receiver) => receiver.name).join(", ")}</td>
                                    <td>{age(one.startsAt)}</td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            ) : (
                <p class="empty">Nothing is on its way to anybody.</p>
            )}
        </>
    );
}

/* ---- rules ---------------------------------------------------------------------------------- */

function Rules(props: { groups: Group[] }) {
    return (
        <>
            {props.groups.map((group) => (
                <details class="card wide" key={group.file + group.name} open={group.rules.some((rule) => rule.health === "err")}>
                    <summary>
                        <b>{group.name}</b> <span class="dim">{group.file}</span>{" "}
                        <span class="dim">
                            every {duration(group.interval)}, {group.rules.length} {group.rules.length === 1 ? "rule" : "rules"}, took {format(group.evaluationTime, "seconds")}, {age(group.lastEvaluation)}
                        </span>
                        {group.rules.some((rule) => rule.health === "err") ? <span class="tag bad">errors</span> : null}
                    </summary>
                    <div class="scroll" tabIndex={0} role="region" aria-label="table">
                        <table>
                            <thead>
                                <tr>
                                    <th scope="col">rule</th>
                                    <th scope="col">state</th>
                                    <th scope="col" class="number">
                                        took
                                    </th>
                                    <th scope="col" class="number less">
                                        last
                                    </th>
                                    <th scope="col">expression</th>
                                </tr>
                            </thead>
                            <tbody>
                                {group.rules.map((rule) => (
                                    <tr key={rule.name + rule.query}>
                                        <th scope="row">{rule.name}</th>
                                        <td>
                                            {rule.health === "err" ? (
                                                <span class="bad-text">{rule.lastError}</span>
                                            ) : (
                                                <span class={`state ${rule.state ?? ""}`}>{rule.state ?? rule.health}</span>
                                            )}
                                        </td>
                                        <td class="number">{format(rule.evaluationTime, "seconds")}</td>
                                        <td class="number less">{age(rule.lastEvaluation)}</td>
                                        <td>
                                            <a class="code" href={`#explore?q=${encodeURIComponent(rule.query)}`}>
                                                {rule.query}
                                            </a>
                                        </td>
                                    </tr>
                                ))}
                            </tbody>
                        </table>
                    </div>
                </details>
            ))}
        </>
    );
}

export function Alerts(props: { span: Span; points: number; utc: boolean }) {
    const [silencing, setSilencing] = useState<Labels | null>(null);
    const [again, setAgain] = useState(0);
    const groups = useRepeated(async (signal) => (await get<{ groups: Group[] }>("api/v1/rules", signal)).groups, 5, "rules");

    return (
        <>
            <h2>Now</h2>
            {groups ? <Active groups={groups} utc={props.utc} onSilence={setSilencing} /> : null}
            {silencing ? (
                <SilenceForm
                    labels={silencing}
                    onDone={() => {
                        setSilencing(null);
                        setAgain(again + 1);
                    }}
                />
            ) : null}
            <h2>History</h2>
            <Timeline span={props.span} points={props.points} utc={props.utc} />
            <h2>Silences</h2>
            <Silences utc={props.utc} again={again} />
            <h2>Who is told</h2>
            <Told />
            <h2>Rules</h2>
            {groups && !groups.length ? <p class="empty">No rules are loaded: --config.file names them.</p> : null}
            {groups ? <Rules groups={groups} /> : null}
        </>
    );
}
