/*
 * explore.tsx - any expression, as a graph and as a table; all of it in the address.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, now, query, queryRange, synced, toNumber, type Labels, type Result } from "./api";
import type { Editor } from "./editor";
import { Graph, type Line } from "./graph";
import { go } from "./state";
import { ends, stepFor, writeSpan, writeTime, type Span } from "./time";
import { format } from "./units";

export interface ExploreProps {
    span: Span;
    points: number;
    interval: number;
    theme: string;
    utc: boolean;
    paused: boolean;
    fields: URLSearchParams;
    onZoom: (from: number, to: number) => void;
    onReset: () => void;
}

/* More is not asked for: ten thousand series are what a browser chokes on, and nobody can read. CSV has them all. */
const LINES_MAX = 60;
const ROWS_MAX = 500;
const CUT = /truncated due to limit/;
const REST = 20; /* of what an answer took, before it is asked for again */
const LEAST_MS = 2000;
const examples = [
    "100 - avg(rate(node_cpu_seconds_total{mode=\"idle\"}[1m])) * 100",
    "topk(5, rate(node_disk_written_bytes_total[1m]))",
    "node_filesystem_avail_bytes / node_filesystem_size_bytes * 100",
    "increase(node_vmstat_oom_kill[1d])",
];

export function nameOf(metric: Labels): string {
    const { __name__: name, ...rest } = metric;
    const labels = Object.entries(rest)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([label, value]) => `${label}=${JSON.stringify(value)}`);
    return (name ?? "") + (labels.length || !name ? `{${labels.join(", ")}}` : "");
}

interface Answer {
    expr: string;
    table: boolean;
    result: Result | null;
    total: number; /* series there are, of which the result has the first; -1: more than those */
    error: string;
    from: number;
    to: number;
    step: number;
    took: number;
}

type Asked = Pick<Answer, "from" | "to" | "step">;

function ask(expr: string, table: boolean, { from, to, step }: Asked, limit: number, signal?: AbortSignal): Promise<Result> {
    return table ? query(expr, to, signal, { limit }) : queryRange(expr, from, to, step, signal, { limit });
}

async function answer(expr: string, span: Span, points: number, interval: number, table: boolean, signal: AbortSignal): Promise<Answer> {
    await synced();
    const [from, to] = ends(span, now());
    const step = stepFor(to - from, points, interval);
    const asked = table ? { from, to, step } : { from: Math.floor(from / step) * step, to: Math.floor(to / step) * step, step };
    const begun = performance.now();
    const base: Answer = { expr, table, result: null, total: 0, error: "", ...asked, took: 0 };
    try {
        base.result = await ask(expr, table, asked, table ? ROWS_MAX : LINES_MAX, signal);
        base.total = base.result.series.length;
        base.took = (performance.now() - begun) / 1000;
        if (base.result.notes.some((note) => CUT.test(note))) {
            base.result.notes = base.result.notes.filter((note) => !CUT.test(note));
            const count = await query(`count(${expr}\n)`, to, signal).catch(() => null);
            base.total = Math.max(Number(count?.series[0]?.value?.[1] ?? -1), -1);
            if (base.total <= base.result.series.length) base.total = -1; /* there were others before */
        }
    } catch (reason) {
        if (signal.aborted || (reason instanceof ApiError && !reason.told && reason.trouble !== "wrong")) throw reason;
        base.error = reason instanceof ApiError ? reason.message : String(reason);
    }
    return base;
}

/* "10,000 series", or "more than 60 series". */
function countOf(got: Answer): string {
    const n = got.result!.series.length;
    return got.total < 0 ? `more than ${n} series` : `${got.total.toLocaleString("en")} series`;
}

function toLines(result: Result, first: number, step: number, n: number): Line[] {
    return result.series.slice(0, LINES_MAX).map((series) => {
        const values = new Array<number | null>(n).fill(null);
        for (const [time, value] of series.values ?? []) {
            const at = Math.round((time - first) / step);
            if (at >= 0 && at < n) values[at] = toNumber(value);
        }
        return { name: nameOf(series.metric), values };
    });
}

function quote(text: string): string {
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/* One row a sample: time, value, then a column for each label there is. */
function toCsv(result: Result): string {
    const labels = [...new Set(result.series.flatMap((series) => Object.keys(series.metric)))].sort();
    const rows = [["time", "value", ...labels]];
    for (const series of result.series)
        for (const [time, value] of series.values ?? (series.value ? [series.value] : []))
            rows.push([new Date(time * 1000).toISOString(), value, ...labels.map((label) => series.metric[label] ?? "")]);
    return rows.map((row) => row.map(quote).join(",")).join("\r\n") + "\r\n";
}

function download(result: Result): void {
    const url = URL.createObjectURL(new Blob([toCsv(result)], { type: "text/csv" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = "nodevitals.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/* A line of text until the editor is there, and where it cannot be loaded. */
function Expression(props: { text: string; onRun: (text: string) => void }) {
    const host = useRef<HTMLDivElement>(null);
    const editor = useRef<Editor | null>(null);
    const [simple, setSimple] = useState(true);
    const [draft, setDraft] = useState(props.text);
    const run = useRef(props.onRun);
    run.current = props.onRun;

    useEffect(() => {
        let gone = false;
        import("./editor.js")
            .then((module) => {
                if (gone || !host.current) return;
                editor.current = module.open(host.current, props.text, () => run.current(editor.current!.text()));
                setSimple(false);
                editor.current.focus();
            })
            .catch(() => undefined);
        const slash = (event: KeyboardEvent) => {
            const target = event.composedPath()[0] as HTMLElement;
            if (event.key !== "/" || target.isContentEditable || target.tagName === "INPUT") return;
            event.preventDefault();
            editor.current?.focus();
        };
        addEventListener("keydown", slash);
        return () => {
            gone = true;
            removeEventListener("keydown", slash);
            editor.current?.destroy();
        };
    }, []);
    useEffect(() => {
        editor.current?.set(props.text);
        setDraft(props.text);
    }, [props.text]);
    return (
        <form
            class="expression"
            onSubmit={(event) => {
                event.preventDefault();
                props.onRun(editor.current?.text() ?? draft);
            }}
        >
            <div class="editor" ref={host} hidden={simple} />
            {simple ? <input type="text" value={draft} aria-label="expression in PromQL" spellcheck={false} onInput={(event) => setDraft(event.currentTarget.value)} /> : null}
            <button type="submit" class="primary">
                Run
            </button>
        </form>
    );
}

function Table(props: { result: Result; utc: boolean }) {
    const rows = props.result.series.slice(0, ROWS_MAX); /* a scalar's answer knows no limit */
    return (
        <div class="scroll" tabIndex={0} role="region" aria-label="table">
            <table>
                <thead>
                    <tr>
                        <th scope="col">series</th>
                        <th scope="col" class="number">
                            value
                        </th>
                    </tr>
                </thead>
                <tbody>
                    {rows.map((series) => (
                        <tr key={nameOf(series.metric)}>
                            <th scope="row" class="code">
                                {nameOf(series.metric)}
                            </th>
                            <td class="number code" data-sample>
                                {series.value ? series.value[1] : series.histogram ? "a histogram" : (series.values ?? []).map(([time, value]) => `${value} @ ${writeTime(time, props.utc, false)}`).join("\n")}
                            </td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

/* Asked when something changes; again and again while it is live, or the agent is away. What was there stays until there
 * is something new. */
function useAnswer(props: ExploreProps, expr: string, table: boolean): [Answer | null, boolean] {
    const [got, setGot] = useState<Answer | null>(null);
    const [busy, setBusy] = useState(false);
    const again = props.span.kind === "live" && !props.paused;

    useEffect(() => {
        if (!expr) {
            setGot(null);
            return undefined;
        }
        const end = new AbortController();
        let timer = 0;
        const run = async () => {
            let wait = LEAST_MS;
            let more = again;
            if (!document.hidden) {
                try {
                    const value = await answer(expr, props.span, props.points, props.interval, table, end.signal);
                    if (end.signal.aborted) return;
                    setGot(value);
                    setBusy(false);
                    wait = Math.max(LEAST_MS, value.took * REST * 1000, table ? 0 : value.step * 1000);
                    more = more && !value.error;
                } catch {
                    more = true; /* told by the one who watches the agent */
                }
            }
            if (more && !end.signal.aborted) timer = window.setTimeout(() => void run(), wait);
        };
        setBusy(true);
        void run();
        return () => {
            clearTimeout(timer);
            end.abort();
        };
    }, [expr, writeSpan(props.span), table, props.points, props.interval, again]);
    return [got, busy];
}

export function Explore(props: ExploreProps) {
    const expr = props.fields.get("q") ?? "";
    const table = props.fields.get("show") === "table";
    const only = props.fields.get("only");
    const [got, busy] = useAnswer(props, expr, table);
    const [saving, setSaving] = useState("");

    const show = (fields: Record<string, string>) => go("explore", { q: expr, show: table ? "table" : "", span: props.fields.get("span") ?? "", ...fields });
    const save = async () => {
        setSaving("asking for all …");
        try {
            download(got!.total === got!.result!.series.length ? got!.result! : await ask(expr, table, got!, 0));
            setSaving("");
        } catch (reason) {
            setSaving(reason instanceof ApiError ? reason.message : String(reason));
        }
    };

    const result = got?.table === table ? got.result : null;
    const isGraph = result !== null && !table;
    const n = isGraph ? Math.round((got!.to - got!.from) / got!.step) + 1 : 0;
    const times = useMemo(() => Array.from({ length: n }, (_, i) => (got?.from ?? 0) + i * (got?.step ?? 1)), [got, n]);
    const lines = useMemo(() => (isGraph ? toLines(result, got!.from, got!.step, n) : []), [got, n]);
    const shown = useMemo(() => (only ? new Set(only.split("\u0001")) : undefined), [only]);
    const pick = (name: string, alone: boolean) => {
        const now = shown ?? new Set<string>();
        const isOnly = now.size === 1 && now.has(name);
        const next = alone ? (isOnly ? [] : [name]) : now.has(name) ? [...now].filter((other) => other !== name) : [...now, name];
        show({ only: next.join("\u0001") });
    };
    return (
        <>
            <Expression text={expr} onRun={(text) => (text.trim() === expr ? show({ q: expr, only: "" }) : show({ q: text.trim(), only: "" }))} />
            <div class="tools">
                <div role="group" aria-label="shown as">
                    <button type="button" aria-pressed={!table} onClick={() => show({ show: "" })}>
                        Graph
                    </button>
                    <button type="button" aria-pressed={table} onClick={() => show({ show: "table" })}>
                        Table
                    </button>
                </div>
                <p class="cost" role="status">
                    {busy ? "asking …" : result ? `${countOf(got!)}, ${format(result.samples, "count")} samples read, ${format(got!.took, "seconds")}${isGraph ? `, every ${format(got!.step, "seconds")}` : ""}` : ""}
                </p>
                <button type="button" disabled={!result?.series.length} onClick={() => void save()}>
                    CSV
                </button>
            </div>
            {saving ? (
                <p class="note" role="status">
                    {saving}
                </p>
            ) : null}
            {result && got!.total !== result.series.length ? (
                <p class="note" role="status">
                    {countOf(got!)}; the first {result.series.length} are {table ? "shown" : "drawn"}. {table ? "" : "An aggregation such as topk() chooses better. "}CSV has all.
                </p>
            ) : null}
            {got?.error ? (
                <p class="error" role="alert">
                    {got.error}
                </p>
            ) : null}
            {result?.notes.map((note) => (
                <p class="note" key={note}>
                    {note}
                </p>
            ))}
            {!expr ? (
                <ul class="examples">
                    {examples.map((example) => (
                        <li key={example}>
                            <button type="button" class="code" onClick={() => show({ q: example })}>
                                {example}
                            </button>
                        </li>
                    ))}
                </ul>
            ) : null}
            {isGraph && got && !got.error ? (
                lines.length ? (
                    <section class="card wide">
                        <Graph
                            title={got.expr}
                            unit="plain"
                            times={times}
                            lines={lines}
                            from={got.from}
                            to={got.to}
                            height={360}
                            theme={props.theme}
                            utc={props.utc}
                            {...(shown ? { shown } : {})}
                            onZoom={props.onZoom}
                            onReset={props.onReset}
                            onPick={pick}
                        />
                    </section>
                ) : (
                    <p class="empty">Nothing fits in this span.</p>
                )
            ) : null}
            {result && table && !got?.error ? (
                result.series.length ? (
                    <section class="card wide">
                        <Table result={result} utc={props.utc} />
                    </section>
                ) : (
                    <p class="empty">Nothing fits at this time.</p>
                )
            ) : null}
        </>
    );
}
