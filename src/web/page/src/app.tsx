/*
 * app.tsx - the frame: who the node is, which view, which span of time, how the agent is.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Alerts } from "./alerts";
import { get, now, query, toNumber, watchAgent, type Labels, type Series, type Trouble } from "./api";
import { Explore } from "./explore";
import { Inside } from "./inside";
import { useRepeated } from "./live";
import { Overview } from "./overview";
import { MARK, union } from "./panels";
import { go, readAddress, useAddress, useKept, type Address } from "./state";
import { presets, readSpan, writeSpan, writeTime, ends, type Span } from "./time";
import { duration, format } from "./units";

const views: [string, string][] = [
    ["overview", "Overview"],
    ["explore", "Explore"],
    ["alerts", "Alerts"],
    ["inside", "Inside"],
];
const keys: [string, string][] = [
    ["1 – 4", "the views"],
    ["← →", "earlier, later"],
    ["+ −", "a shorter, a longer span"],
    ["l", "live: up to now"],
    ["drag", "on a graph: zoom into it"],
    ["double click", "on a graph: back to before"],
    ["space", "pause, go on"],
    ["t", "dark, light"],
    ["u", "local time, UTC"],
    ["/", "to the expression"],
    ["Esc", "out of it"],
    ["?", "these keys"],
];
const troubles: Record<Trouble, string> = {
    gone: "The agent does not answer. What is shown is what it said last; the page goes on by itself.",
    refused: "The agent refuses to answer this browser. Open the page under the name localhost on the node itself, or log in.",
    busy: "The agent is busy and will be asked again.",
    slow: "The agent answers too slowly; what is shown may be old.",
    wrong: "",
};

/* ---- who the node is ------------------------------------------------------------------------ */

const facts = ["node_uname_info", "node_os_info", "node_boot_time_seconds", "node_load1", "node_load5", "node_load15", 'count(node_cpu_seconds_total{mode="idle"})', "node_memory_MemTotal_bytes"];

interface Node {
    name: string;
    system: string;
    kernel: string;
    boot: number | null;
    load: string;
    size: string;
}

function readNode(series: Series[]): Node {
    const at = (i: number) => series.find((one) => one.metric[MARK] === String(i));
    const value = (i: number) => {
        const found = at(i)?.value;
        return found ? toNumber(found[1]) : null;
    };
    const cpus = value(6);
    const memory = value(7);
    return {
        name: at(0)?.metric["nodename"] ?? location.hostname,
        system: at(1)?.metric["pretty_name"] ?? "",
        kernel: at(0)?.metric["release"] ?? "",
        boot: value(2),
        load: value(3) === null ? "" : [3, 4, 5].map((i) => format(value(i), "plain")).join("  "),
        size: [cpus === null ? "" : `${cpus} CPUs`, memory === null ? "" : format(memory, "bytes")].filter(Boolean).join(", "),
    };
}

/* Of the alerts that fire, the labels; as of the time that is shown: `time`, or null for now. */
function useFiring(time: number | null): Labels[] | null {
    return useRepeated(
        async (signal) => {
            if (time !== null) return (await query('ALERTS{alertstate="firing"}', time, signal)).series.map((one) => one.metric);
            const { alerts } = await get<{ alerts: { state: string; labels: Labels }[] }>("api/v1/alerts", signal);
            return alerts.filter((alert) => alert.state === "firing").map((alert) => alert.labels);
        },
        time === null ? 5 : 3600,
        `alerts ${time}`,
    );
}

function Header(props: { view: string; fields: URLSearchParams; time: number | null; firing: number }) {
    const { firing } = props;
    const series = useRepeated(async (signal) => (await query(union(facts), props.time ?? now(), signal)).series, props.time === null ? 5 : 3600, `facts ${props.time}`);
    const node = useMemo(() => (series ? readNode(series) : null), [series]);

    useEffect(() => {
        document.title = `${firing ? `(${firing}) ` : ""}${node?.name ?? "nodevitals"}`;
    }, [node?.name, firing]);
    return (
        <header>
            <div class="who">
                <h1>{node?.name ?? "\u00a0"}</h1>
                <p class="facts">
                    <span>{node?.system}</span>
                    <span>{node?.kernel}</span>
                    <span>{node?.size}</span>
                    <span>{node?.boot ? `up ${duration((props.time ?? now()) - node.boot)}` : ""}</span>
                    <span class="load">{node?.load ? `load ${node.load}` : ""}</span>
                </p>
            </div>
            <nav aria-label="views">
                {views.map(([id, title]) => (
                    <a key={id} href={`#${id}${keep(props.fields)}`} aria-current={props.view === id ? "page" : undefined}>
                        {title}
                        {id === "alerts" && firing ? (
                            <span class="badge" aria-label={`${firing} firing`}>
                                {firing}
                            </span>
                        ) : null}
                    </a>
                ))}
            </nav>
        </header>
    );
}

/* The span goes from view to view. */
function keep(fields: URLSearchParams): string {
    const span = fields.get("span");
    return span ? `?span=${encodeURIComponent(span)}` : "";
}

/* ---- the span ------------------------------------------------------------------------------- */

function toInput(seconds: number, utc: boolean): string {
    return writeTime(seconds, utc).replace(" UTC", "").replace(" ", "T");
}

function fromInput(text: string, utc: boolean): number {
    return Date.parse(utc ? text + "Z" : text) / 1000;
}

/* From the oldest sample that is kept. */
async function wholeHistory(): Promise<Span> {
    const [tsdb, blocks] = await Promise.all([
        get<{ headStats: { minTime: number } }>("api/v1/status/tsdb?limit=1"),
        get<{ blocks: { minTime: number }[] }>("api/v1/status/tsdb/blocks"),
    ]);
    const to = Math.ceil(now());
    const times = [tsdb.headStats.minTime, ...blocks.blocks.map((block) => block.minTime)].map((ms) => Math.floor(ms / 1000));
    return { kind: "fixed", from: Math.min(to - 60, ...times.filter((time) => time > 0 && time < to)), to };
}

function SpanPicker(props: { span: Span; utc: boolean; paused: boolean; pauses: boolean; onSpan: (span: Span) => void; onPause: () => void }) {
    const [open, setOpen] = useState(false);
    const [from, to] = ends(props.span, now());
    const form = useRef<HTMLFormElement>(null);
    const times = useRef<HTMLButtonElement>(null);

    const close = () => {
        setOpen(false);
        times.current?.focus();
    };
    useEffect(() => {
        if (open) form.current?.querySelector("input")?.focus();
    }, [open]);
    const submit = (event: Event) => {
        event.preventDefault();
        const data = new FormData(form.current!);
        const start = fromInput(String(data.get("from")), props.utc);
        const end = fromInput(String(data.get("to")), props.utc);
        if (end > start) {
            props.onSpan({ kind: "fixed", from: start, to: end });
            close();
        }
    };
    const move = (by: number) => {
        const length = to - from;
        const end = Math.min(to + by * length, now());
        props.onSpan({ kind: "fixed", from: end - length, to: end });
    };
    return (
        <div class="span">
            <button type="button" onClick={() => move(-0.5)} aria-label="earlier" title="earlier (←)">
                ‹
            </button>
            <select
                aria-label="span of time"
                value={props.span.kind === "live" ? String(props.span.seconds) : "fixed"}
                onChange={(event) => {
                    const value = event.currentTarget.value;
                    if (value === "all") wholeHistory().then(props.onSpan, () => undefined);
                    else if (value !== "fixed") props.onSpan({ kind: "live", seconds: Number(value) });
                }}
            >
                {presets.map(([name, seconds]) => (
                    <option key={name} value={seconds}>
                        last {name}
                    </option>
                ))}
                {props.span.kind === "live" && !presets.some(([, seconds]) => seconds === (props.span as { seconds: number }).seconds) ? (
                    <option value={props.span.seconds}>last {writeSpan(props.span)}</option>
                ) : null}
                <option value="all">all that is kept</option>
                {props.span.kind === "fixed" ? <option value="fixed">{`${writeTime(from, props.utc)} – ${writeTime(to, props.utc, to - from > 43200)}`}</option> : null}
            </select>
            <button type="button" ref={times} aria-expanded={open} onClick={() => setOpen(!open)}>
                from … to
            </button>
            <button type="button" onClick={() => move(0.5)} aria-label="later" title="later (→)" disabled={props.span.kind === "live"}>
                ›
            </button>
            {props.span.kind === "live" ? (
                <button type="button" class="live" hidden={!props.pauses} aria-pressed={!props.paused} onClick={props.onPause} title="space">
                    {props.paused ? "paused" : "live"}
                </button>
            ) : (
                <button type="button" class="live" onClick={() => props.onSpan({ kind: "live", seconds: 900 })} title="l">
                    to live
                </button>
            )}
            {open ? (
                <form ref={form} class="popup" onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && close()}>
                    <label>
                        from <input type="datetime-local" step="1" name="from" required defaultValue={toInput(from, props.utc)} />
                    </label>
                    <label>
                        to <input type="datetime-local" step="1" name="to" required defaultValue={toInput(to, props.utc)} />
                    </label>
                    <p>{props.utc ? "UTC" : "local time"}</p>
                    <button type="submit">show</button>
                    <button type="button" onClick={close}>
                        close
                    </button>
                </form>
            ) : null}
        </div>
    );
}

/* ---- all ------------------------------------------------------------------------------------ */

function Keys(props: { onClose: () => void }) {
    const dialog = useRef<HTMLDialogElement>(null);
    useEffect(() => dialog.current?.showModal(), []);
    return (
        <dialog ref={dialog} onClose={props.onClose} aria-label="keys">
            <h2>Keys</h2>
            <dl class="keys">
                {keys.map(([key, what]) => (
                    <div key={key}>
                        <dt>
                            <kbd>{key}</kbd>
                        </dt>
                        <dd>{what}</dd>
                    </div>
                ))}
            </dl>
            <form method="dialog">
                <button>close</button>
            </form>
        </dialog>
    );
}

function useTheme(): [string, () => void] {
    const [chosen, choose] = useKept("theme", "");
    const [system, setSystem] = useState(() => (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
    useEffect(() => {
        const media = matchMedia("(prefers-color-scheme: light)");
        const changed = () => setSystem(media.matches ? "light" : "dark");
        media.addEventListener("change", changed);
        return () => media.removeEventListener("change", changed);
    }, []);
    const theme = chosen || system;
    document.documentElement.dataset["theme"] = theme;
    return [theme, () => choose(theme === "dark" ? "light" : "dark")];
}

/* How often the node's own series are sampled, in seconds. */
function useInterval(): number {
    const targets = useRepeated(
        async (signal) => (await get<{ activeTargets: { scrapeInterval: string; labels: Record<string, string> }[] }>("api/v1/targets?state=active", signal)).activeTargets,
        600,
        "targets",
    );
    const text = targets?.find((target) => target.labels["job"] === "node-exporter")?.scrapeInterval ?? targets?.[0]?.scrapeInterval ?? "1s";
    const found = /^(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text);
    return found ? Math.max(1, Number(found[1] ?? 0) * 60 + Number(found[2] ?? 0)) : 1;
}

function spanOf(address: Address): Span {
    return readSpan(address.fields.get("span")) ?? { kind: "live", seconds: address.view === "explore" ? 3600 : 900 };
}

export function App() {
    const address = useAddress();
    const [theme, toggleTheme] = useTheme();
    const [zone, setZone] = useKept("zone", "local");
    const [paused, setPaused] = useState(false);
    const [help, setHelp] = useState(false);
    const [trouble, setTrouble] = useState<{ trouble: Trouble; message: string } | null>(null);
    const interval = useInterval();
    const span = spanOf(address);
    const view = views.some(([id]) => id === address.view) ? address.view : "overview";
    const utc = zone === "utc";
    const points = Math.max(200, Math.min(1000, Math.round((window.innerWidth > 1200 ? window.innerWidth / 2 : window.innerWidth) / 100) * 100));

    useEffect(() => watchAgent((what, message) => setTrouble(what ? { trouble: what, message } : null)), []);

    /* By the address of the moment: keys are pressed faster than a page is rendered. */
    const show = (next: Span) => {
        const { view: at, fields } = readAddress(location.hash);
        go(at, { ...Object.fromEntries(fields), span: writeSpan(next) });
    };
    const shown = () => spanOf(readAddress(location.hash));
    const fix = (from: number, to: number) => show({ kind: "fixed", from: Math.floor(from), to: Math.max(Math.ceil(to), Math.floor(from) + 10) });
    const scale = (by: number) => {
        const at = shown();
        const [from, to] = ends(at, now());
        const length = Math.max(30, (to - from) * by);
        if (at.kind === "live") show({ kind: "live", seconds: Math.round(length) });
        else fix((from + to - length) / 2, Math.min((from + to + length) / 2, now()));
    };
    const shift = (by: number) => {
        const [from, to] = ends(shown(), now());
        const end = Math.min(to + by * (to - from), now());
        fix(end - (to - from), end);
    };
    const before = useRef<Span[]>([]); /* what was shown before each drag that zoomed */
    const zoom = (from: number, to: number) => {
        before.current.push(shown());
        fix(from, to);
    };
    const back = () => show(before.current.pop() ?? { kind: "live", seconds: 900 });
    const choose = (next: Span) => {
        before.current = [];
        show(next);
    };

    useEffect(() => {
        const pressed = (event: KeyboardEvent) => {
            const target = event.composedPath()[0] as HTMLElement;
            if (event.ctrlKey || event.metaKey || event.altKey || target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
            const number = Number(event.key);
            if (number >= 1 && number <= views.length) go(views[number - 1]![0], { span: address.fields.get("span") ?? "" });
            else if (event.key === "ArrowLeft") shift(-0.5);
            else if (event.key === "ArrowRight") shift(0.5);
            else if (event.key === "+") scale(0.5);
            else if (event.key === "-") scale(2);
            else if (event.key === "l") show({ kind: "live", seconds: 900 });
            else if (event.key === " " && target.tagName !== "BUTTON") setPaused(!paused);
            else if (event.key === "t") toggleTheme();
            else if (event.key === "u") setZone(utc ? "local" : "utc");
            else if (event.key === "?") setHelp(true);
            else return;
            event.preventDefault();
        };
        addEventListener("keydown", pressed);
        return () => removeEventListener("keydown", pressed);
    });

    const time = span.kind === "fixed" ? span.to : null;
    const firing = useFiring(time);
    const common = { span, theme, utc, interval, points, onZoom: zoom, onReset: back };
    return (
        <>
            <Header view={view} fields={address.fields} time={time} firing={firing?.length ?? 0} />
            <div class="bar-line">
                {view === "inside" ? <span /> : <SpanPicker span={span} utc={utc} paused={paused} pauses={view !== "alerts"} onSpan={choose} onPause={() => setPaused(!paused)} />}
                <div class="switches">
                    <button type="button" onClick={() => setZone(utc ? "local" : "utc")} title="u">
                        {utc ? "UTC" : "local time"}
                    </button>
                    <button type="button" onClick={toggleTheme} title="t">
                        {theme === "dark" ? "light" : "dark"}
                    </button>
                    <button type="button" onClick={() => setHelp(true)} aria-label="keys" title="?">
                        ?
                    </button>
                </div>
            </div>
            <div class="trouble" role="status" data-on={trouble ? "yes" : "no"}>
                {trouble ? `${troubles[trouble.trouble]} (${trouble.message})` : ""}
            </div>
            <main>
                {view === "overview" ? <Overview {...common} paused={paused} firing={firing} /> : null}
                {view === "explore" ? <Explore {...common} paused={paused} fields={address.fields} /> : null}
                {view === "alerts" ? <Alerts {...common} /> : null}
                {view === "inside" ? <Inside utc={utc} /> : null}
            </main>
            {help ? <Keys onClose={() => setHelp(false)} /> : null}
        </>
    );
}
