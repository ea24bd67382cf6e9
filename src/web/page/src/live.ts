/*
 * live.ts - the data of the overview: whole where the span changes, then second by second.
 *
 * One question a tick for all panels. A tab that nobody sees asks nothing, and begins anew when it is seen. While the
 * agent does not answer, what was there stays, and time goes on: the gap is shown as a gap. Once it answers again all is
 * asked anew, for what it has of that time.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { now, query, queryRange, synced, toNumber, type Series } from "./api";
import type { Line } from "./graph";
import { fill, panels, partOf, strongest, union, type Panel } from "./panels";
import { ends, stepFor, windowFor, type Span } from "./time";

export interface PanelData {
    panel: Panel;
    lines: Line[];
    total: number; /* lines there are; those with the highest values are shown */
}

export interface Picture {
    times: number[];
    from: number;
    to: number;
    step: number;
    spacing: number; /* seconds between samples */
    panels: PanelData[];
    loaded: boolean;
}

const parts = panels.flatMap((panel) => panel.parts.map((part) => ({ panel, part })));
const POINTS_MAX = 1200;
const CLOSE = 900; /* live spans up to this are followed second by second */
const AGAIN = 5; /* seconds after a failure */
const TICK_MAX_MS = 60000; /* clocks are set */

interface Store {
    times: number[];
    lines: Map<string, Map<string, Line>>; /* by panel, by name */
    step: number;
    spacing: number;
    window: number;
}

function expression(window: number): string {
    return union(parts.map(({ part }) => fill(part.expr, window)));
}

function lineOf(store: Store, series: Series): Line | null {
    const found = parts[partOf(series)];
    if (!found) return null;
    const name = found.part.name(series.metric);
    let of = store.lines.get(found.panel.id);
    if (!of) store.lines.set(found.panel.id, (of = new Map<string, Line>()));
    let line = of.get(name);
    if (!line) {
        line = { name, part: found.panel.parts.indexOf(found.part), values: new Array<number | null>(store.times.length).fill(null) };
        if (found.part.color) line.color = found.part.color;
        if (found.part.dashed) line.dashed = true;
        if (found.part.below) line.below = true;
        of.set(name, line);
    }
    return line;
}

const PROBES = '{__name__=~"node_load1|node_memory_MemFree_bytes|node_boot_time_seconds|process_start_time_seconds"}[5m]';

/*
 * How far apart the samples of that time are, in seconds; null where there are none. What was imported or thinned was not
 * sampled as the agent samples now.
 */
async function spacingAt(time: number, signal: AbortSignal): Promise<number | null> {
    const times = (await query(PROBES, time, signal)).series.map((one) => (one.values ?? []).map(([at]) => at)).sort((a, b) => b.length - a.length)[0] ?? [];
    const gaps = times.slice(1).map((at, i) => at - times[i]!).sort((a, b) => a - b);
    return gaps[gaps.length >> 1] ?? null;
}

async function load(span: Span, points: number, interval: number, signal: AbortSignal): Promise<Store> {
    await synced();
    const [from, to] = ends(span, now());
    const found = await Promise.all([spacingAt(Math.min(from + 300, to), signal), spacingAt(to, signal)]);
    const spacing = Math.max(found[0] ?? found[1] ?? interval, found[1] ?? found[0] ?? interval);
    const most = span.kind === "live" && span.seconds <= CLOSE ? CLOSE : points;
    const step = stepFor(to - from, Math.min(most, POINTS_MAX), interval);
    const first = Math.floor(from / step) * step;
    const last = Math.floor(to / step) * step;
    const window = windowFor(step, spacing);
    const store: Store = { times: [], lines: new Map(), step, spacing, window };
    for (let time = first; time <= last; time += step) store.times.push(time);
    put(store, (await queryRange(expression(window), first, last, step, signal)).series);
    return store;
}

/* Time goes on by whole steps, answered or not. Arrays are new, so that who draws sees it. */
function advance(store: Store, to: number, keep: number): void {
    let time = (store.times[store.times.length - 1] ?? to) + store.step;
    const more: number[] = [];
    for (; time <= to && more.length < keep; time += store.step) more.push(time);
    if (!more.length) return;
    const drop = Math.max(0, store.times.length + more.length - keep);
    store.times = store.times.concat(more).slice(drop);
    for (const [panel, of] of store.lines) {
        for (const [name, line] of of) {
            line.values = line.values.concat(more.map(() => null)).slice(drop);
            if (line.values.every((value) => value === null)) of.delete(name);
        }
        if (!of.size) store.lines.delete(panel);
    }
}

function put(store: Store, series: Series[]): void {
    for (const one of series) {
        const line = lineOf(store, one);
        for (const [time, value] of one.values ?? (one.value ? [one.value] : [])) {
            const at = Math.round((time - store.times[0]!) / store.step);
            if (line && at >= 0 && at < store.times.length) line.values[at] = toNumber(value);
        }
    }
}

function picture(store: Store, span: Span): Picture {
    const [from, to] = span.kind === "fixed" ? ends(span, 0) : [store.times[0] ?? 0, store.times[store.times.length - 1] ?? 1];
    const seen: PanelData[] = [];
    for (const panel of panels) {
        const of = store.lines.get(panel.id);
        if (!of) continue;
        const all = [...of.values()].sort((a, b) => (a.part ?? 0) - (b.part ?? 0) || (a.name < b.name ? -1 : 1));
        const lines = strongest(all, panel.most ?? 32);
        if (panel.id === "network-loss" && !lines.some((line) => line.values.some((value) => value))) continue;
        seen.push({ panel, lines, total: all.length });
    }
    return { times: store.times, from, to, step: store.step, spacing: store.spacing, panels: seen, loaded: true };
}

const empty: Picture = { times: [], from: 0, to: 1, step: 1, spacing: 1, panels: [], loaded: false };

function sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
        const done = () => {
            clearTimeout(timer);
            signal.removeEventListener("abort", done); /* or they would gather, one a tick */
            resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener("abort", done);
    });
}

/* Until it is called off: whole, then on. */
async function follow(span: Span, points: number, interval: number, paused: boolean, show: (picture: Picture) => void, signal: AbortSignal): Promise<void> {
    let store: Store | null = null;
    while (!signal.aborted && !store) {
        try {
            store = await load(span, points, interval, signal);
        } catch {
            await sleep(2000, signal);
        }
    }
    if (!store || signal.aborted) return;
    show(picture(store, span));
    if (span.kind === "fixed" || paused) return;
    const keep = Math.max(store.times.length, 2);
    let missed = false;
    while (!signal.aborted) {
        const next = (store.times[store.times.length - 1] ?? now()) + store.step;
        await sleep(Math.max(50, Math.min((next - now() + 0.15) * 1000, TICK_MAX_MS)), signal);
        if (signal.aborted) return;
        const time = Math.floor((now() - 0.1) / store.step) * store.step;
        if (time < next - 0.001) continue;
        const asleep = (time - next) / store.step > keep; /* the computer was */
        if (!asleep) advance(store, time, keep);
        try {
            if (asleep || missed) store = await load(span, points, interval, signal);
            else if (time < next + store.step / 2) put(store, (await query(expression(store.window), time, signal)).series);
            else put(store, (await queryRange(expression(store.window), next, time, store.step, signal)).series); /* the browser was busy */
            missed = false;
        } catch {
            missed = true; /* told by the one who watches the agent */
            if (asleep) await sleep(AGAIN * 1000, signal);
        }
        if (!signal.aborted) show(picture(store, span));
    }
}

export function usePicture(span: Span, points: number, interval: number, paused: boolean): Picture {
    const [shown, setShown] = useState<Picture>(empty);
    const [visible, setVisible] = useState(!document.hidden);
    const kept = useRef(shown);
    kept.current = shown;

    useEffect(() => {
        const changed = () => setVisible(!document.hidden);
        document.addEventListener("visibilitychange", changed);
        return () => document.removeEventListener("visibilitychange", changed);
    }, []);
    useEffect(() => {
        if (!visible) return undefined;
        const end = new AbortController();
        void follow(span, points, interval, paused, setShown, end.signal);
        return () => end.abort();
    }, [span.kind === "fixed" ? `${span.from}-${span.to}` : span.seconds, points, interval, paused, visible]);
    return shown;
}

/* Asks again and again, every so many seconds while the tab is seen; what was there stays while there is no answer. */
export function useRepeated<T>(ask: (signal: AbortSignal) => Promise<T>, seconds: number, key: string): T | null {
    const [value, setValue] = useState<T | null>(null);
    useEffect(() => {
        const end = new AbortController();
        const run = async () => {
            await synced();
            while (!end.signal.aborted) {
                let wait = seconds;
                if (!document.hidden) {
                    try {
                        const got = await ask(end.signal);
                        if (!end.signal.aborted) setValue(() => got);
                    } catch {
                        wait = Math.min(wait, AGAIN); /* told by the one who watches the agent */
                    }
                }
                await sleep(wait * 1000, end.signal);
            }
        };
        void run();
        return () => end.abort();
    }, [key]);
    return value;
}
