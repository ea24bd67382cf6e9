/*
 * graph.tsx - one graph: lines or a stack over time, a cursor that all graphs share, a drag that zooms.
 *
 * Its room is taken before there is anything to draw. What is under the cursor is written into the legend without a
 * render, as it changes with each move of a mouse.
 */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { writeTime } from "./time";
import { format, type Unit } from "./units";

export interface Line {
    name: string;
    values: (number | null)[];
    color?: string; /* a custom property of the style sheet; else the next of the palette */
    dashed?: boolean;
    part?: number; /* which of the panel's expressions it is of */
    below?: boolean; /* drawn below zero, and not negative */
    turn?: number; /* how often the palette had been used up before it */
}

export interface GraphProps {
    title: string;
    unit: Unit;
    times: number[];
    lines: Line[];
    from: number;
    to: number;
    stacked?: boolean;
    max?: number; /* of the axis, at least */
    height?: number;
    theme: string;
    utc: boolean;
    shown?: ReadonlySet<string>; /* names; else all */
    onZoom?: (from: number, to: number) => void;
    onReset?: () => void;
    onPick?: (name: string, alone: boolean) => void;
}

const PALETTE = 12;
const DASHES = [[], [5, 4], [2, 3], [10, 3], [10, 3, 2, 3]]; /* once the colours are used up */
const NOTHING: (number | null)[] = [];
const cursor = uPlot.sync("page");

function colorOf(line: Line, i: number): string {
    return line.color ?? `--line-${i % PALETTE}`;
}

function resolve(property: string): string {
    return getComputedStyle(document.documentElement).getPropertyValue(property).trim() || "gray";
}

/* For a stack each line is drawn on top of the sum of those before it; what is not there adds nothing. */
function pile(lines: Line[], n: number): (number | null)[][] {
    const sums = new Array<number>(n).fill(0);
    return lines.map((line) =>
        sums.map((sum, i) => {
            const value = line.values[i];
            if (value === null || value === undefined || !Number.isFinite(value)) return null;
            sums[i] = sum + value;
            return sum + value;
        }),
    );
}

function finite(values: (number | null)[]): (number | null)[] {
    return values.some((value) => value !== null && !Number.isFinite(value))
        ? values.map((value) => (value !== null && Number.isFinite(value) ? value : null))
        : values;
}

/* "14:05", with seconds where ticks are that close, with the day where one begins. */
function writeTicks(splits: number[], utc: boolean): string[] {
    const close = splits.length > 1 && splits[1]! - splits[0]! < 60;
    let day = "";
    return splits.map((seconds, i) => {
        const text = writeTime(seconds, utc).replace(" UTC", "");
        const [date = "", time = ""] = text.split(" ");
        const changed = i > 0 && date !== day;
        day = date;
        return changed || time === "00:00:00" ? date.slice(5) : close ? time : time.slice(0, 5);
    });
}

const powers = Array.from({ length: 60 }, (_, i) => 2 ** i);

function axis(side: number, size: number): uPlot.Axis {
    const grid = resolve("--grid");
    return {
        side,
        size,
        stroke: resolve("--text-dim"),
        font: "11px system-ui, sans-serif",
        gap: 4,
        grid: { stroke: grid, width: 1 },
        ticks: { stroke: grid, width: 1, size: 4 },
    };
}

function options(props: GraphProps, lines: Line[], width: number, span: () => [number, number]): uPlot.Options {
    const { unit, stacked, utc } = props;
    const highest = props.max;
    const mirrored = lines.some((line) => line.below);
    return {
        width,
        height: props.height ?? 150,
        tzDate: (seconds) => (utc ? uPlot.tzDate(new Date(seconds * 1000), "UTC") : new Date(seconds * 1000)),
        legend: { show: false },
        padding: [8, 28, 0, 0], /* half of the last tick's text */
        cursor: { sync: { key: cursor.key, filters: { pub: () => true, sub: (type) => /^mouse(move|leave)$/.test(type) } }, drag: { x: true, y: false, setScale: false }, points: { size: 6 }, y: false },
        scales: {
            x: { time: true, range: () => span() },
            y: {
                range: (_u, least, most) => {
                    const top = Math.max(most ?? 0, highest ?? 0);
                    const bottom = Math.min(least ?? 0, 0);
                    return [bottom < 0 ? bottom * 1.05 : 0, top > 0 ? (top === highest ? top : top * 1.08) : bottom < 0 ? 0 : 1];
                },
            },
        },
        axes: [
            { ...axis(2, 26), space: 70, values: (_u, splits) => writeTicks(splits, utc) },
            {
                ...axis(3, 74),
                space: 28,
                values: (_u, splits) => splits.map((value) => format(mirrored ? Math.abs(value) : value, unit === "plain" && Math.abs(value) >= 1e5 ? "count" : unit)),
                ...(unit === "bytes" ? { incrs: powers } : {}),
            },
        ],
        series: [
            {},
            ...lines.map((line): uPlot.Series => {
                const color = resolve(colorOf(line, 0));
                return {
                    label: line.name,
                    stroke: color,
                    width: 1.4,
                    ...(line.dashed || line.turn ? { dash: DASHES[line.dashed ? 1 : line.turn! % DASHES.length]! } : {}),
                    ...(stacked ? { fill: color } : {}),
                    points: { show: false, size: 4, filter: (u, n) => alone(u.data[n] ?? NOTHING) },
                    spanGaps: false,
                };
            }),
        ],
    };
}

/* Samples without neighbours draw no line: they are shown as points. */
function alone(values: ArrayLike<number | null | undefined>): number[] | null {
    const there = (i: number) => values[i] !== null && values[i] !== undefined;
    const found: number[] = [];
    for (let i = 0; i < values.length; i++) if (there(i) && !there(i - 1) && !there(i + 1)) found.push(i);
    return found.length ? found : null;
}

function dataOf(props: GraphProps, lines: Line[]): uPlot.AlignedData {
    const columns = props.stacked ? pile(lines, props.times.length) : lines.map((line) => finite(line.values));
    return [props.times, ...columns.reverse()] as uPlot.AlignedData;
}

function lastOf(values: (number | null)[]): number | null {
    for (let i = values.length - 1; i >= 0 && i >= values.length - 3; i--) if (values[i] !== null) return values[i] ?? null;
    return null;
}

/* What the legend says: under the cursor, else last. */
function writeLegend(root: HTMLElement, lines: Line[], at: number | null | undefined, props: GraphProps): void {
    const cells = root.querySelectorAll<HTMLElement>("[data-value]");
    lines.forEach((line, i) => {
        const value = at === null || at === undefined ? lastOf(line.values) : (line.values[at] ?? null);
        const cell = cells[i];
        if (cell) cell.textContent = format(line.below && value !== null ? -value : value, props.unit);
    });
    const when = root.querySelector<HTMLElement>("[data-when]");
    const time = at === null || at === undefined ? undefined : props.times[at];
    if (when) when.textContent = time === undefined ? "" : writeTime(time, props.utc, false);
}

export function Graph(props: GraphProps) {
    const root = useRef<HTMLElement>(null);
    const holder = useRef<HTMLDivElement>(null);
    const plot = useRef<uPlot | null>(null);
    const latest = useRef(props);
    latest.current = props;

    const lines = props.shown ? props.lines.filter((line) => props.shown!.has(line.name)) : props.lines;
    const drawn = useRef(lines);
    drawn.current = lines;
    const shape = `${props.theme} ${props.unit} ${props.utc} ${!!props.stacked} ${props.max} ${props.height} ${lines.map((line) => line.name).join("\n")}`;

    useEffect(() => {
        const element = holder.current;
        if (!element) return undefined;
        const of = [...lines].reverse(); /* the first is drawn last, on top */
        const marked = of.map((line) => {
            const i = props.lines.indexOf(line);
            return { ...line, color: colorOf(line, i), turn: Math.floor(i / PALETTE) };
        });
        const u = new uPlot(options(props, marked, Math.max(element.clientWidth, 60), () => [latest.current.from, latest.current.to]), [[], ...lines.map(() => NOTHING)] as uPlot.AlignedData, element);
        u.hooks.setCursor = [(self) => root.current && writeLegend(root.current, drawn.current, self.cursor.idx, latest.current)];
        u.hooks.setSelect = [
            (self) => {
                const { left, width } = self.select;
                if (width > 4) latest.current.onZoom?.(self.posToVal(left, "x"), self.posToVal(left + width, "x"));
                self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
        ];
        plot.current = u;
        const resize = new ResizeObserver(() => {
            const width = element.clientWidth;
            if (width > 60 && Math.abs(width - u.width) > 1) u.setSize({ width, height: props.height ?? 150 });
        });
        resize.observe(element);
        return () => {
            resize.disconnect();
            u.destroy();
            plot.current = null;
        };
    }, [shape]);

    useEffect(() => {
        const u = plot.current;
        if (!u) return;
        u.setData(dataOf(props, lines));
        if (root.current) writeLegend(root.current, lines, u.cursor.idx, props);
    }, [shape, props.times, props.lines, props.from, props.to, lines.length]);

    return (
        <figure class="graph" ref={root} aria-label={`${props.title}: ${lines.map((line) => line.name).join(", ")}`}>
            <figcaption>
                <h3>{props.title}</h3>
                <span class="when" data-when />
            </figcaption>
            <div class="plot" ref={holder} style={{ height: `${props.height ?? 150}px` }} onDblClick={() => props.onReset?.()} />
            <ul class="legend" {...(!props.onPick && props.lines.length > 5 ? { tabIndex: 0, "aria-label": `legend of ${props.title}` } : {})}>
                {props.lines.map((line, i) => {
                    const off = props.shown && !props.shown.has(line.name);
                    const label = (
                        <>
                            <i class="dot" style={{ background: `var(${colorOf(line, i)})` }} />
                            <span class="name">{line.name}</span>
                            {off ? null : <b data-value />}
                        </>
                    );
                    return (
                        <li key={line.name} class={off ? "off" : ""}>
                            {props.onPick ? (
                                <button type="button" aria-pressed={!off} onClick={(event) => props.onPick!(line.name, !(event.ctrlKey || event.metaKey))}>
                                    {label}
                                </button>
                            ) : (
                                label
                            )}
                        </li>
                    );
                })}
            </ul>
        </figure>
    );
}
