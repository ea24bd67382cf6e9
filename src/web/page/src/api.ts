/*
 * api.ts - the agent's HTTP API: questions, answers, and how the agent is while they are asked.
 *
 * Every question has a deadline and can be called off. What went wrong is one of a few words, so that the page can say it:
 * gone (nobody answers), refused (401, 403), busy (503), slow (the deadline), wrong (the question).
 */
export type Labels = Record<string, string>;
export type Point = [number, string];
export interface Series {
    metric: Labels;
    value?: Point;
    values?: Point[];
    histogram?: unknown;
    histograms?: unknown;
}

/* As the API writes numbers. */
export function toNumber(text: string | undefined): number {
    return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text ?? NaN);
}

export type Trouble = "gone" | "refused" | "busy" | "slow" | "wrong";

export class ApiError extends Error {
    constructor(
        readonly trouble: Trouble,
        message: string,
        readonly status = 0,
        readonly told = false /* by the API itself, about this question */,
    ) {
        super(message);
    }
}

const DEADLINE_MS = 15000;
const PATIENT_MS = 125000; /* for a question that somebody typed: a little more than the agent gives it */
const SLOW_MS = 4000; /* from here on the page says so */
const FORGET_MS = 60000;

/* Seconds the server's clock is ahead of the browser's. What the page calls now is the server's. */
let ahead = 0;

export function now(): number {
    return Date.now() / 1000 + ahead;
}

/* How the agent is, for whoever wants to show it. */
type Watcher = (trouble: Trouble | null, message: string) => void;
let watcher: Watcher = () => undefined;
export function watchAgent(watch: Watcher): void {
    watcher = watch;
}

/* 404: there is no API, for nobody. Where it has one to say, an answer of it tells. */
function troubleOf(status: number, told = false): Trouble {
    if (status === 401 || status === 403 || (status === 404 && !told)) return "refused";
    if (status === 503 || status === 429) return "busy";
    return status >= 500 ? "gone" : "wrong";
}

/* By what was asked: one question may be refused while others are answered. */
const open = new Map<string, { error: ApiError; at: number }>();

function tell(path: string, error: ApiError | null): void {
    const key = path.replace(/\?.*/, "");
    open.delete(key);
    if (error && error.trouble !== "wrong") open.set(key, { error, at: performance.now() });
    for (const [other, { error: one, at }] of open)
        if (performance.now() - at > FORGET_MS || (!error && (one.trouble === "gone" || one.trouble === "slow"))) open.delete(other);
    const last = [...open.values()].pop()?.error;
    watcher(last?.trouble ?? null, last?.message ?? "");
}

function noteClock(date: string | null): void {
    const server = date ? Date.parse(date) : NaN;
    if (Number.isNaN(server)) return;
    const difference = server / 1000 + 0.5 - Date.now() / 1000; /* the header has whole seconds */
    if (Math.abs(difference - ahead) > 2) ahead = Math.abs(difference) < 2 ? 0 : difference;
}

/* The answer with its whole text. */
async function ask(path: string, init: RequestInit, signal?: AbortSignal, deadlineMs = DEADLINE_MS): Promise<[Response, string]> {
    const deadline = AbortSignal.timeout(deadlineMs);
    const either = signal ? AbortSignal.any([signal, deadline]) : deadline;
    const slow = setTimeout(() => deadlineMs === DEADLINE_MS && tell(path, new ApiError("slow", `no answer within ${SLOW_MS / 1000} s`)), SLOW_MS);
    try {
        const response = await fetch(path, { ...init, signal: either, credentials: "same-origin", redirect: "error", cache: "no-store" });
        noteClock(response.headers.get("Date"));
        return [response, await response.text()];
    } catch (reason) {
        if (signal?.aborted) throw reason;
        throw deadline.aborted
            ? new ApiError("slow", `no answer within ${deadlineMs / 1000} s`)
            : new ApiError("gone", "the connection failed");
    } finally {
        clearTimeout(slow);
    }
}

let first: Promise<void> | null = null;

/* Resolves when the server's clock is known, so that now() is right from the first question on; or cannot be asked. */
export function synced(): Promise<void> {
    return (first ??= ask("-/healthy", { method: "HEAD" }).then(
        () => undefined,
        () => void (first = null),
    ));
}

interface Envelope<T> {
    status: string;
    data: T;
    error?: string;
    warnings?: string[];
    infos?: string[];
}

async function call<T>(path: string, init: RequestInit, signal?: AbortSignal, deadlineMs = DEADLINE_MS): Promise<Envelope<T>> {
    try {
        const [response, text] = await ask(path, init, signal, deadlineMs);
        let body: Envelope<T> | null = null;
        try {
            body = JSON.parse(text) as Envelope<T>;
        } catch {
            /* an error told as plain text, or an answer cut short */
        }
        if (!response.ok || !body)
            throw new ApiError(
                response.ok ? "gone" : troubleOf(response.status, !!body?.error),
                body?.error ?? (text.trim().slice(0, 300) || `status ${response.status}`),
                response.status,
                !!body?.error,
            );
        tell(path, null);
        return body;
    } catch (reason) {
        if (reason instanceof ApiError) tell(path, reason);
        throw reason;
    }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return (await call<T>(path, {}, signal)).data;
}

function form(fields: Record<string, string | number>): RequestInit {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(fields)) body.set(name, String(value));
    return { method: "POST", body };
}

export interface Result {
    type: string;
    series: Series[];
    notes: string[];
    samples: number; /* read for it; -1 where it was not asked */
}

interface Data {
    resultType: string;
    result: Series[] | Point;
    stats?: { samples?: { totalQueryableSamples?: number } };
}

function toResult(body: Envelope<Data>): Result {
    const { resultType: type, result } = body.data;
    const series = type === "scalar" || type === "string" ? [{ metric: {}, value: result as Point }] : (result as Series[]);
    return {
        type,
        series,
        notes: [...(body.warnings ?? []), ...(body.infos ?? [])],
        samples: body.data.stats?.samples?.totalQueryableSamples ?? -1,
    };
}

/* A question that somebody typed: what it costs is told, it may take long, and of its series at most `limit` come back. */
export interface Typed {
    limit: number; /* 0: all */
}

function ofQuery(fields: Record<string, string | number>, typed: Typed | undefined): RequestInit {
    if (typed) fields["stats"] = "true";
    if (typed?.limit) fields["limit"] = typed.limit;
    return form(fields);
}

export async function query(expr: string, time: number, signal?: AbortSignal, typed?: Typed): Promise<Result> {
    const init = ofQuery({ query: expr, time: time.toFixed(3) }, typed);
    return toResult(await call<Data>("api/v1/query", init, signal, typed ? PATIENT_MS : DEADLINE_MS));
}

export async function queryRange(expr: string, start: number, end: number, step: number, signal?: AbortSignal, typed?: Typed): Promise<Result> {
    const init = ofQuery({ query: expr, start: start.toFixed(3), end: end.toFixed(3), step }, typed);
    return toResult(await call<Data>("api/v1/query_range", init, signal, typed ? PATIENT_MS : DEADLINE_MS));
}

export async function change(path: string, method: string, body?: unknown): Promise<void> {
    const init: RequestInit = { method };
    if (body !== undefined) {
        init.body = JSON.stringify(body);
        init.headers = { "Content-Type": "application/json" };
    }
    const [response, text] = await ask(path, init);
    if (!response.ok) throw new ApiError(troubleOf(response.status), text.slice(0, 300), response.status);
}

/* Alertmanager's API has no envelope. */
export async function plain<T>(path: string, signal?: AbortSignal): Promise<T> {
    const [response, text] = await ask(path, {}, signal);
    if (!response.ok) throw new ApiError(troubleOf(response.status), text.slice(0, 300), response.status);
    return JSON.parse(text) as T;
}
