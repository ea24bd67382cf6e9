/*
 * explore.tsx - any expression, as a graph and as a table; all of it in the address.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, now, query, queryRange, type Labels, type Result } from "./api";
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
    fields: URLSearchParams;
    onZoom: (from: number, to: number) => void;
    onReset: () => void;
}

const LINES_MAX = 60; /* drawn at once */
const ROWS_MAX = 500;
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
    graph: Result | null;
    table: Result | null;
    error: string;
    from: number;
    to: number;
    step: number;
    time: number;
    took: number;
}

async function answer(expr: string, span: Span, points: number, interval: number, kind: string, signal: AbortSignal): Promise<Answer> {
    const [from, to] = ends(span, now());
    const step = stepFor(to - from, points, interval);
    const first = Math.floor(from / step) * step;
    const last = Math.floor(to / step) * step;
    const begun = performance.now();
    const base: Answer = { graph: null, table: null, error: "", from: first, to: last, step, time: to, took: 0 };
    try {
        if (kind === "table") base.table = await query(expr, to, signal, true);
        else base.graph = await queryRange(expr, first, last, step, signal, true);
    } catch (reason) {
        if (signal.aborted) throw reason;
        base.error = reason instanceof ApiError ? reason.message : String(reason);
    }
    base.took = (performance.now() - begun) / 1000;
    return base;
}

function toLines(result: Result, first: number, step: number, n: number): Line[] {
    return result.series.slice(0, LINES_MAX).map((series) => {
        const values = new Array<number | null>(n).fill(null);
        for (const [time, value] of series.values ?? []) {
            const at = Math.round((time - first) / step);
            if (at >= 0 && at < n) values[at] = Number(value);
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

function save(result: Result): void {
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
    const rows = props.result.series.slice(0, ROWS_MAX);
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
            {props.result.series.length > rows.length ? (
                <p class="note">
                    {props.result.series.length} series; the first {rows.length} are shown.
                </p>
            ) : null}
        </div>
    );
}

export function Explore(props: ExploreProps) {
    const expr = props.fields.get("q") ?? "";
    const kind = props.fields.get("show") === "table" ? "table" : "graph";
    const only = props.fields.get("only");
    const [got, setGot] = useState<Answer | null>(null);
    const [busy, setBusy] = useState(false);
    const spanText = writeSpan(props.span);

    const show = (fields: Record<string, string>) => go("explore", { q: expr, show: kind === "table" ? "table" : "", span: props.fields.get("span") ?? "", ...fields });

    useEffect(() => {
        if (!expr) {
            setGot(null);
            return undefined;
        }
        const end = new AbortController();
        setBusy(true);
        answer(expr, props.span, props.points, props.interval, kind, end.signal)
            .then((value) => {
                setGot(value);
                setBusy(false);
            })
            .catch(() => undefined);
        return () => end.abort();
    }, [expr, spanText, kind, props.points, props.interval]);

    const n = got?.graph ? Math.round((got.to - got.from) / got.step) + 1 : 0;
    const times = useMemo(() => Array.from({ length: n }, (_, i) => (got?.from ?? 0) + i * (got?.step ?? 1)), [got]);
    const lines = useMemo(() => (got?.graph ? toLines(got.graph, got.from, got.step, n) : []), [got]);
    const shown = useMemo(() => (only ? new Set(only.split("\u0001")) : undefined), [only]);
    const pick = (name: string, alone: boolean) => {
        const now = shown ?? new Set<string>();
        const isOnly = now.size === 1 && now.has(name);
        const next = alone ? (isOnly ? [] : [name]) : now.has(name) ? [...now].filter((other) => other !== name) : [...now, name];
        show({ only: next.join("\u0001") });
    };
    const result = got?.graph ?? got?.table ?? null;
    return (
        <>
            <Expression text={expr} onRun={(text) => (text.trim() === expr ? show({ q: expr, only: "" }) : show({ q: text.trim(), only: "" }))} />
            <div class="tools">
                <div role="group" aria-label="shown as">
                    <button type="button" aria-pressed={kind === "graph"} onClick={() => show({ show: "" })}>
                        Graph
                    </button>
                    <button type="button" aria-pressed={kind === "table"} onClick={() => show({ show: "table" })}>
                        Table
                    </button>
                </div>
                <p class="cost" role="status">
                    {busy ? "asking …" : result ? `${result.series.length} series, ${format(result.samples, "count")} samples read, ${format(got!.took, "seconds")}${got!.graph ? `, every ${format(got!.step, "seconds")}` : ""}` : ""}
                </p>
                <button type="button" disabled={!result?.series.length} onClick={() => result && save(result)}>
                    CSV
                </button>
            </div>
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
            {got?.graph && !got.error ? (
                lines.length ? (
                    <section class="card wide">
                        <Graph
                            title={expr}
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
                        {got.graph.series.length > LINES_MAX ? (
                            <p class="note">
                                {got.graph.series.length} series; the first {LINES_MAX} are drawn. An aggregation such as topk() chooses better.
                            </p>
                        ) : null}
                    </section>
                ) : (
                    <p class="empty">Nothing fits in this span.</p>
                )
            ) : null}
            {got?.table && !got.error ? (
                got.table.series.length ? (
                    <section class="card wide">
                        <Table result={got.table} utc={props.utc} />
                    </section>
                ) : (
                    <p class="empty">Nothing fits at this time.</p>
                )
            ) : null}
        </>
    );
}
