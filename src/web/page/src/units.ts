/*
 * units.ts - numbers as people read them.
 */
export type Unit = "percent" | "bytes" | "bytes/s" | "seconds" | "count" | "per second" | "celsius" | "cores" | "plain";

const decimal = ["", "k", "M", "G", "T", "P", "E"];
const binary = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

function trim(value: number, digits: number): string {
    const text = value.toFixed(digits);
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function scaled(value: number, base: number, names: string[]): string {
    let size = Math.abs(value);
    let i = 0;
    while (size >= base * 0.9995 && i + 1 < names.length) {
        size /= base;
        i++;
    }
    const digits = size >= 100 || (i === 0 && Number.isInteger(value)) ? 0 : size >= 10 ? 1 : 2;
    return `${value < 0 ? "-" : ""}${trim(size, digits)} ${names[i]}`;
}

/* "3d 4h", "12 min", "350 ms". */
export function duration(seconds: number): string {
    const size = Math.abs(seconds);
    const sign = seconds < 0 ? "-" : "";
    if (size < 1e-6) return seconds === 0 ? "0 s" : sign + trim(size * 1e9, 0) + " ns";
    if (size < 1e-3) return sign + trim(size * 1e6, size < 1e-5 ? 1 : 0) + " µs";
    if (size < 1) return sign + trim(size * 1e3, size < 0.01 ? 2 : size < 0.1 ? 1 : 0) + " ms";
    if (size < 60) return sign + trim(size, size < 10 ? 1 : 0) + " s";
    const parts: [number, string][] = [
        [86400 * 365, "y"],
        [86400, "d"],
        [3600, "h"],
        [60, "min"],
        [1, "s"],
    ];
    const first = parts.findIndex(([length]) => size >= length);
    const [length, name] = parts[first]!;
    const whole = Math.floor(size / length);
    const next = parts[first + 1];
    const rest = next ? Math.floor((size - whole * length) / next[0]) : 0;
    return `${sign}${whole} ${name}` + (rest && next && whole < 10 ? ` ${rest} ${next[1]}` : "");
}

export function format(value: number | null | undefined, unit: Unit): string {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    switch (unit) {
        case "percent":
            return trim(value, Math.abs(value) < 10 ? 1 : 0) + " %";
        case "bytes":
            return scaled(value, 1024, binary) + "B";
        case "bytes/s":
            return scaled(value, 1000, decimal) + "B/s";
        case "seconds":
            return duration(value);
        case "celsius":
            return trim(value, 0) + " °C";
        case "cores":
            return trim(value, value < 0.1 ? 3 : 2) + (value === 1 ? " core" : " cores");
        case "per second":
            return scaled(value, 1000, decimal).trim() + "/s";
        case "count":
            return scaled(value, 1000, decimal).trim();
        default:
            return Math.abs(value) >= 1e15 || (value !== 0 && Math.abs(value) < 1e-4) ? value.toExponential(3) : trim(value, 4);
    }
}
