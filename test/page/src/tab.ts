/*
 * tab.ts - a tab that stays open: what the overview at 1 s costs the agent, and whether the tab grows.
 *
 *   tab.mjs [MINUTES]    60 by default
 *
 * One agent with a store of its own, one Chromium that shows the last 15 minutes. Twelve times in all, after two
 * collections of garbage: the script's heap, the elements of the page, all nodes and listeners that the browser holds for
 * it, and the agent's CPU since the last time. Before the page is opened the agent is measured by
 * itself for a minute, so that what the page adds can be told. The tab has grown where, in the second half, the heap
 * rises by more than GROWTH an hour, or elements or listeners do at all; less than ENOUGH minutes tell nothing of that, as
 * a browser's compilers fill the heap at first.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type CDPSession, type Page } from "playwright-core";
import { Agent } from "./agent";

const minutes = Math.max(2, Number(process.argv[2] ?? "60"));
const TIMES = 12;
const SPAN = Math.max(1, Math.min(15, Math.floor(minutes / 4))); /* minutes that are shown */
const GROWTH = 0.05;
const ENOUGH = 60;
const TICK = 100; /* of CPU time, a second: as Linux tells it everywhere */

interface Mark {
    minute: number;
    heap: number;
    elements: number;
    nodes: number;
    listeners: number;
}

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/* Seconds of CPU the process has had. */
function cpuOf(pid: number): number {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICK;
}

async function markOf(page: Page, session: CDPSession, minute: number): Promise<Mark> {
    await page.evaluate(() => {
        const { gc } = globalThis as unknown as { gc: () => void };
        gc();
        gc();
    });
    const metrics = new Map((await session.send("Performance.getMetrics")).metrics.map((metric) => [metric.name, metric.value]));
    return {
        minute,
        heap: metrics.get("JSHeapUsedSize") ?? NaN,
        elements: await page.evaluate(() => document.querySelectorAll("*").length),
        nodes: metrics.get("Nodes") ?? NaN,
        listeners: metrics.get("JSEventListeners") ?? NaN,
    };
}

/* By how much the values rise each hour: the slope of the line that fits them best. */
function slope(marks: Mark[], of: (mark: Mark) => number): number {
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const x = marks.map((mark) => mark.minute / 60);
    const y = marks.map(of);
    const [atX, atY] = [mean(x), mean(y)];
    const above = x.reduce((sum, value, i) => sum + (value - atX) * (y[i]! - atY), 0);
    return above / x.reduce((sum, value) => sum + (value - atX) ** 2, 0);
}

async function main(): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "nodevitals-tab-"));
    const agent = await Agent.start([`--storage.tsdb.path=${folder}/store`]);
    const browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--js-flags=--expose-gc", "--enable-precise-memory-info"] });
    try {
        const rest = Math.min(60, minutes * 5);
        await sleep(5);
        let cpu = cpuOf(agent.pid);
        await sleep(rest);
        const alone = ((cpuOf(agent.pid) - cpu) * 100) / rest;
        console.log(`the agent alone: ${alone.toFixed(2)} % of a core`);

        const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } });
        const session = await page.context().newCDPSession(page);
        await session.send("Performance.enable");
        await page.goto(`${agent.url}#overview?span=${SPAN}m`);
        await page.locator("#cpu canvas").waitFor();
        const begun = performance.now();
        const begin = cpuOf(agent.pid);
        const marks: Mark[] = [];
        let before = begun;
        cpu = begin;
        console.log("minute      heap  elements   nodes  listeners  agent's CPU");
        for (let i = 0; i <= TIMES; i++) {
            await sleep(i ? (begun + (i * minutes * 60000) / TIMES - performance.now()) / 1000 : Math.min(20, minutes));
            const mark = await markOf(page, session, (performance.now() - begun) / 60000);
            const [time, used] = [performance.now(), cpuOf(agent.pid)];
            const share = ((used - cpu) * 100) / ((time - before) / 1000);
            [before, cpu] = [time, used];
            marks.push(mark);
            console.log(`${mark.minute.toFixed(1).padStart(6)}  ${String(mark.heap).padStart(8)}  ${String(mark.elements).padStart(8)}  ${String(mark.nodes).padStart(6)}  ${String(mark.listeners).padStart(9)}  ${share.toFixed(2).padStart(9)} %`);
        }
        const all = ((cpu - begin) * 100) / ((before - begun) / 1000);
        const full = marks.filter((mark) => mark.minute >= minutes / 2);
        const heap = slope(full, (mark) => mark.heap) / full[0]!.heap;
        const elements = slope(full, (mark) => mark.elements);
        const listeners = slope(full, (mark) => mark.listeners);
        console.log(`with the page: ${all.toFixed(2)} % of a core, ${(all - alone).toFixed(2)} % of it for the page`);
        console.log(`in an hour, by the second half: heap ${(heap * 100).toFixed(1)} %, elements ${elements.toFixed(0)}, listeners ${listeners.toFixed(0)}`);
        const grows = minutes >= ENOUGH && (heap > GROWTH || elements > 20 || listeners > 20);
        const bad = grows || all - alone > 2;
        console.log(bad ? "FAILED: the tab grows, or costs the agent more than 2 %" : minutes < ENOUGH ? "ok, but too short to tell whether it grows" : "ok");
        process.exitCode = bad ? 1 : 0;
    } finally {
        await browser.close();
        await Agent.stopAll();
        rmSync(folder, { recursive: true, force: true });
    }
}

await main();
