/*
 * time.ts - the span of time that is shown, and how it is written in the address.
 *
 *   live    the last so many seconds, up to now: "15m"
 *   fixed   from and to, in seconds since the epoch: "1767322800-1767326400"
 */
export interface Live {
    kind: "live";
    seconds: number;
}
export interface Fixed {
    kind: "fixed";
    from: number;
    to: number;
}
export type Span = Live | Fixed;

export const presets: [string, number][] = [
    ["2m", 120],
    ["5m", 300],
    ["15m", 900],
    ["1h", 3600],
    ["3h", 10800],
    ["12h", 43200],
    ["1d", 86400],
    ["3d", 259200],
    ["7d", 604800],
    ["15d", 1296000],
];

const lengths: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
const SHORTEST = 10;

export function readSpan(text: string | null): Span | null {
    const live = /^(\d+)([smhdw])$/.exec(text ?? "");
    if (live) {
        const seconds = Number(live[1]) * lengths[live[2]!]!;
        return seconds >= SHORTEST && seconds <= 10 * 365 * 86400 ? { kind: "live", seconds } : null;
    }
    const fixed = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text ?? "");
    if (!fixed) return null;
    const from = Number(fixed[1]);
    const to = Number(fixed[2]);
    return to - from >= 1 ? { kind: "fixed", from, to } : null;
}

export function writeSpan(span: Span): string {
    if (span.kind === "fixed") return `${Math.round(span.from)}-${Math.round(span.to)}`;
    const preset = presets.find(([, seconds]) => seconds === span.seconds);
    return preset ? preset[0] : `${span.seconds}s`;
}

export function ends(span: Span, now: number): [number, number] {
    return span.kind === "fixed" ? [span.from, span.to] : [now - span.seconds, now];
}

/* A step that gives about so many points, of those a clock is divided into. */
export function stepFor(seconds: number, points: number, least: number): number {
    const nice = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
    const wanted = Math.max(seconds / Math.max(points, 60), least);
    return nice.find((step) => step >= wanted) ?? Math.ceil(wanted / 86400) * 86400;
}

/* For rates, and for how long a value counts as there: several samples have to lie within. */
export function windowFor(step: number, spacing: number): number {
    return Math.max(Math.ceil(spacing * 4), Math.ceil(step), 4);
}

export function writeTime(seconds: number, utc: boolean, withDate = true): string {
    const date = new Date(seconds * 1000);
    if (Number.isNaN(date.getTime())) return "–";
    const options: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    if (withDate) Object.assign(options, { year: "numeric", month: "2-digit", day: "2-digit" });
    if (utc) options.timeZone = "UTC";
    return new Intl.DateTimeFormat("sv-SE", options).format(date) + (utc ? " UTC" : "");
}
