/*
 * main.ts - the page in a real browser, beside the API it shows.
 *
 * Each check is a sentence. Screenshots of every view go to SCREENSHOTS, to be looked at.
 */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { Agent, importText, until } from "./agent";

const shots = process.env["SCREENSHOTS"] ?? "screenshots";
const shared = process.env["NV_SHARED"] ?? "";
const source = process.env["NV_SOURCE"] ?? ".";
const folder = mkdtempSync(join(tmpdir(), "nodevitals-page-"));
const slow = Number(process.env["NV_SLOW"] ?? "1");

let browser: Browser;
const complaints: string[] = [];

/* A page that has nothing to say on its console and asks nobody but the agent. */
async function open(url: string, options: { width?: number; height?: number; theme?: "dark" | "light"; expected?: RegExp } = {}): Promise<{ page: Page; context: BrowserContext }> {
    const context = await browser.newContext({
        viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
        colorScheme: options.theme ?? "dark",
        reducedMotion: "reduce",
        timezoneId: "Europe/Berlin",
        locale: "en-GB",
    });
    const page = await context.newPage();
    page.setDefaultTimeout(30000 * slow);
    const own = new URL(url).origin;
    const bad = (text: string) => {
        if (!options.expected?.test(text)) complaints.push(`${url}: ${text}`);
    };
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && bad(message.text()));
    page.on("pageerror", (error) => bad(String(error)));
    page.on("request", (request) => !request.url().startsWith(own) && !/^(data|blob):/.test(request.url()) && bad(`asks ${request.url()}`));
    await page.goto(url);
    return { page, context };
}

async function mustBeAccessible(page: Page, what: string): Promise<void> {
    await page.evaluate(axe.source + ";0").catch(() => undefined);
    const found = await page.evaluate(async () => {
        const { axe } = window as unknown as { axe: { run: (root: Document, options: unknown) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
        return (await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] })).violations.map(
            (violation) => `${violation.id}: ${violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + " " + (node.failureSummary ?? "")).join(" | ")}`,
        );
    });
    assert.deepEqual(found, [], what);
}

async function legend(page: Page, panel: string, name: string): Promise<string> {
    return page.locator(`#${panel} .legend li`, { has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) }).locator("[data-value]").innerText();
}

/* ---- the live node -------------------------------------------------------------------------- */

async function theFirstViewIsSmallAndQuick(agent: Agent): Promise<void> {
    let bytes = 0;
    const context = await browser.newContext();
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    const wanted = new Map<string, boolean>();
    session.on("Network.responseReceived", (event) => wanted.set(event.requestId, !event.response.url.includes("/api/")));
    session.on("Network.loadingFinished", (event) => {
        if (wanted.get(event.requestId)) bytes += event.encodedDataLength;
    });
    await page.goto(agent.url);
    await page.locator("#cpu canvas").waitFor();
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1);
    console.log(`  first view: ${bytes} bytes on the wire, first paint after ${paint.toFixed(0)} ms`);
    assert.ok(bytes > 10000 && bytes <= 60 * 1024 + 2500, `${bytes} bytes`); /* headers are counted too */
    await context.close();
}

async function everyViewInBothThemesAndOnAPhone(agent: Agent, name: string): Promise<void> {
    for (const [theme, width] of [["dark", 1440], ["light", 1440], ["dark", 390], ["light", 390]] as const) {
        const { page, context } = await open(agent.url + "#overview?span=2m", { theme, width });
        for (const view of ["overview", "explore", "alerts", "inside"]) {
            const hash = view === "explore" ? "#explore?q=rate(node_cpu_seconds_total[10s])&span=2m" : `#${view}?span=2m`;
            await page.evaluate((to) => (location.hash = to), hash);
            if (view === "overview") await page.locator(".card canvas").first().waitFor();
            if (view === "explore") await page.locator(".editor:not([hidden])").waitFor();
            if (view === "alerts") await page.locator("h2", { hasText: "Rules" }).waitFor();
            if (view === "inside") await page.locator("h3", { hasText: "Collectors" }).waitFor();
            await page.waitForTimeout(700);
            await mustBeAccessible(page, `${name} ${view} ${theme} ${width}`);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            assert.ok(wide <= 0, `${name} ${view} at ${width}: ${wide} pixels too wide`);
            await page.screenshot({ path: join(shots, `${name}-${view}-${theme}-${width}.png`), fullPage: width < 500 });
        }
        await context.close();
    }
}

async function whatIsShownIsWhatTheApiSays(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#overview?span=2m");
    await page.locator("#memory canvas").waitFor();
    const cpus = await agent.value('count(node_cpu_seconds_total{mode="idle"})');
    assert.equal(await legend(page, "load", "CPUs"), String(cpus));
    const free = (await agent.value("node_memory_MemTotal_bytes")) / 2 ** 30;
    assert.match(await page.locator(".facts").innerText(), new RegExp(`${free >= 100 ? free.toFixed(0) : free >= 10 ? free.toFixed(1) : free.toFixed(2)}`.replace(/0+$/, "").replace(".", "\\.")));
    const before = await legend(page, "memory", "used");
    await until("a tick of the overview", async () => (await legend(page, "memory", "used")) !== before || (await page.locator("#load [data-value]").first().innerText()) !== "");
    await context.close();
}

async function aDragZoomsAndACursorIsEverywhere(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#overview?span=2m");
    const plot = page.locator("#cpu .u-over");
    await plot.waitFor();
    const box = (await plot.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.95, box.y + box.height / 2);
    await until("the time under the cursor on another graph", async () => /\d\d:\d\d:\d\d/.test(await page.locator("#memory [data-when]").innerText()));
    await page.mouse.move(box.x + box.width * 0.88, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.99, box.y + 30, { steps: 8 });
    await page.mouse.up();
    await until("the address of what was zoomed to", () => /span=\d+-\d+/.test(decodeURIComponent(new URL(page.url()).hash)));
    const [, from, to] = /span=(\d+)-(\d+)/.exec(decodeURIComponent(new URL(page.url()).hash))!;
    assert.ok(Number(to) - Number(from) < 60, `${from} to ${to}`);
    await page.locator("#cpu .plot").dblclick();
    await until("what was shown before", () => /span=2m/.test(page.url()));
    await page.keyboard.press("?");
    await page.locator("dialog[open]").waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("2");
    await until("explore by its key", () => page.url().includes("#explore"));
    await context.close();
}

async function theEditorCompletesAndTellsMistakes(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#explore?span=5m", { expected: /status of (400|422)/ });
    await page.locator(".editor:not([hidden])").waitFor();
    const content = page.locator(".cm-content");
    await content.click();
    await page.keyboard.type("node_memory_MemTot");
    await page.locator(".cm-tooltip-autocomplete li", { hasText: "node_memory_MemTotal_bytes" }).first().waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+a");
    await page.keyboard.insertText("node_memory_MemTotal_bytes / (");
    await page.locator("button.primary").click();
    await page.locator(".error").waitFor();
    assert.match(await page.locator(".error").innerText(), /parse error/);
    await content.click();
    await page.keyboard.press("Control+a");
    await page.keyboard.insertText("node_memory_MemTotal_bytes");
    await page.keyboard.press("Escape");
    await page.locator("button.primary").click();
    await page.getByRole("button", { name: "Table" }).click();
    await page.locator("[data-sample]").waitFor();
    assert.equal(Number(await page.locator("[data-sample]").innerText()), await agent.value("node_memory_MemTotal_bytes"));
    const address = page.url();
    assert.match(decodeURIComponent(address), /q=node_memory_MemTotal_bytes&show=table/);
    const second = await open(address);
    await second.page.locator("[data-sample]").waitFor();
    assert.equal(await second.page.locator("[data-sample]").innerText(), await page.locator("[data-sample]").innerText());
    await second.context.close();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    assert.match(readFileSync((await download.path())!, "utf8"), /^time,value,__name__,instance,job\r\n.*,\d+,node_memory_MemTotal_bytes,/);
    await context.close();
}

async function hostileAnswersAreShownAsText(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#overview");
    const ask = async (expr: string, show: string) => {
        await page.evaluate(([q, as]) => (location.hash = `#explore?q=${encodeURIComponent(q!)}&show=${as}&span=2m`), [expr, show]);
        await page.locator(".cost", { hasText: "series" }).waitFor();
    };
    await ask('label_replace(vector(1), "evil", "<img src=x onerror=document.title=1><script>alert(1)</script>", "", "")', "table");
    await page.locator("th.code", { hasText: "<img src=x" }).waitFor();
    assert.equal(await page.locator("main img, main script").count(), 0);
    await ask("vector(NaN) or label_replace(vector(Inf), \"a\", \"b\", \"\", \"\")", "");
    await page.locator(".card canvas").waitFor();
    await ask("vector(0/0)", "table");
    await until("NaN", async () => (await page.locator("[data-sample]").innerText()) === "NaN");
    await ask('count_values("x", node_cpu_seconds_total * 1000) or label_replace(node_cpu_seconds_total, "n", "1", "", "")', "");
    await context.close();
}

async function alertsAreShownAndSilenced(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#alerts?span=5m");
    await page.locator(".alert.firing h3", { hasText: "AlwaysHere" }).waitFor();
    await page.locator("nav .badge").waitFor();
    await page.locator(".timeline-track i").first().waitFor();
    await page.locator(".alert.firing button", { hasText: "silence" }).first().click();
    await page.locator("form.silence input[name=comment]").fill("it is <b>known</b>");
    await page.locator("form.silence button.primary").click();
    await page.locator(".alert", { hasText: "it is <b>known</b>" }).waitFor();
    await page.locator(".alert", { hasText: "it is <b>known</b>" }).locator("button", { hasText: "end" }).click();
    await page.locator(".empty", { hasText: "Nothing is silenced" }).waitFor();
    await page.locator("details summary").first().click();
    await page.locator("details th", { hasText: "AlwaysHere" }).waitFor();
    await context.close();
}

/* ---- bad days ------------------------------------------------------------------------------- */

async function anAgentThatGoesAndComesBack(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#overview?span=2m", { expected: /ERR_CONNECTION|Failed to load|ERR_EMPTY|ERR_SOCKET/ });
    await page.locator("#cpu canvas").waitFor();
    await agent.stop();
    await page.locator(".trouble[data-on=yes]", { hasText: "does not answer" }).waitFor();
    assert.ok(await page.locator("#cpu canvas").isVisible(), "what was there stays");
    await agent.begin();
    await page.locator(".trouble[data-on=no]").waitFor({ state: "attached" });
    await context.close();
}

async function refusalsAndSlownessAreSaid(agent: Agent): Promise<void> {
    for (const [status, words] of [[401, "refuses"], [503, "busy"]] as const) {
        const { page, context } = await open(agent.url + "#overview", { expected: /status of (401|503)/ });
        await page.locator("#cpu canvas").waitFor();
        await page.route("**/api/v1/query", (route) => route.fulfill({ status, body: "<i>no</i>", contentType: "text/plain" }));
        await page.locator(".trouble[data-on=yes]", { hasText: words }).waitFor();
        assert.equal(await page.locator(".trouble i").count(), 0);
        await page.unroute("**/api/v1/query");
        await page.locator(".trouble[data-on=no]").waitFor({ state: "attached" });
        await context.close();
    }
}

async function aBrowserWhoseClockIsWrong(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "about-nothing", { expected: /404/ });
    await context.addInitScript(() => {
        const real = Date.now.bind(Date);
        Date.now = () => real() - 40 * 60 * 1000;
    });
    await page.goto(agent.url + "#overview?span=2m");
    await page.locator("#cpu canvas").waitFor();
    await until("values in spite of the clock", async () => /\d %/.test(await legend(page, "cpu", "user")));
    await context.close();
}

async function aStoreWithNothingInIt(): Promise<void> {
    const agent = await Agent.start([`--storage.tsdb.path=${folder}/empty`, "--collector.disable-defaults", "--storage.tsdb.interval=1m"]);
    const { page, context } = await open(agent.url + "#overview?span=2m");
    await page.locator(".empty", { hasText: "nothing in the history" }).waitFor();
    for (const view of ["explore?q=up&span=2m", "alerts", "inside"]) {
        await page.evaluate((to) => (location.hash = to), "#" + view);
        await page.waitForTimeout(500);
    }
    await context.close();
    await agent.stop();
}

/* ---- recorded nodes ------------------------------------------------------------------------- */

/* The other views of a page that is open, each without a violation. */
async function everyViewOf(page: Page, name: string, span: string): Promise<void> {
    for (const view of ["overview?x=", "explore?q=count by (__name__) ({__name__!=''})", "alerts?x=", "inside?x="]) {
        await page.evaluate((to) => (location.hash = to), `#${view}${span}`);
        await page.waitForTimeout(900);
        await mustBeAccessible(page, `${name} ${view}`);
        await page.screenshot({ path: join(shots, `${name}-${view.replace(/\?.*/, "")}.png`) });
    }
}

async function aRecordedNode(): Promise<void> {
    const record = join(shared, "fixtures/record/node-2s.om.zst");
    if (!shared || !existsSync(record)) {
        console.log("  SKIP: no ../shared/fixtures/record");
        return;
    }
    importText(`${folder}/recorded`, record);
    const agent = await Agent.start([`--storage.tsdb.path=${folder}/recorded`, "--storage.tsdb.retention.time=0s", "--collector.disable-defaults"]);
    const blocks = (await (await fetch(agent.url + "api/v1/status/tsdb/blocks")).json()) as { data: { blocks: { maxTime: number }[] } };
    const to = Math.floor(Math.max(...blocks.data.blocks.map((block) => block.maxTime)) / 1000) - 2;
    assert.ok(to > 1e9, `the record ends at ${to}`);
    const { page, context } = await open(`${agent.url}#overview?span=${to - 1800}-${to}`);
    await page.locator("#cpu canvas").waitFor();
    assert.equal(await legend(page, "load", "1 min"), String(Number((await agent.value("node_load1", to)).toFixed(4))));
    await page.screenshot({ path: join(shots, "recorded-overview.png"), fullPage: true });
    await everyViewOf(page, "recorded", `&span=${to - 1800}-${to}`);
    await context.close();
    await agent.stop();
}

interface Kubernetes {
    agent: Agent;
    end: () => void;
}

/* Begun before all else, as its rates take a minute. Null where there is nothing to show. */
async function beginKubernetesNode(): Promise<Kubernetes | null> {
    const root = join(shared, "fixtures/kubelet/cgroup-v2-systemd/root");
    if (!shared || !existsSync(root)) return null;
    const standIn = spawn("python3", [join(source, "test/e2e/kubelet.py"), "--payloads", join(shared, "fixtures/kubelet/payloads")], { stdio: ["pipe", "pipe", "inherit"] });
    let said = "";
    standIn.stdout.on("data", (text: Buffer) => (said += text.toString()));
    try {
        await until("the stand-in kubelet", () => said.includes("\n") && /--kubelet\.url=\S+/.test(said));
        const flags = [...said.matchAll(/--kubelet\.\S+/g)].map((match) => match[0]);
        const agent = await Agent.start([...flags, `--storage.tsdb.path=${folder}/kube`, `--path.procfs=${root}/proc`, `--path.sysfs=${root}/sys`, `--path.rootfs=${root}`, "--collector.disable-defaults", "--collector.container", "--collector.kube-pods", "--no-kube.annotations", "--kube.scrape-interval=1s"]);
        return { agent, end: () => standIn.kill() };
    } catch (error) {
        standIn.kill();
        throw error;
    }
}

async function aKubernetesNode(kubernetes: Kubernetes | null): Promise<void> {
    if (!kubernetes) {
        console.log("  SKIP: no ../shared/fixtures/kubelet");
        return;
    }
    const { agent } = kubernetes;
    const { page, context } = await open(agent.url + "#overview?span=2m");
    await page.locator("#container-memory .name", { hasText: "data/postgres-0/postgres" }).waitFor({ timeout: 60000 * slow });
    await page.locator("h3", { hasText: "Pods" }).waitFor({ timeout: 90000 * slow });
    await page.locator("h3", { hasText: "Services" }).waitFor({ timeout: 90000 * slow });
    const memory = await agent.value('sum(container_memory_working_set_bytes{pod="postgres-0",container="postgres"})');
    assert.equal(await legend(page, "container-memory", "data/postgres-0/postgres"), `${Number((memory / 2 ** 30).toFixed(2))} GiB`);
    assert.equal(await page.locator("#temperature").count(), 0, "hardware that is not there takes no room");
    await page.screenshot({ path: join(shots, "kubernetes-overview.png"), fullPage: true });
    await everyViewOf(page, "kubernetes", "&span=2m");
    await context.close();
    await agent.stop();
}

/* ---- all ------------------------------------------------------------------------------------ */

async function main(): Promise<void> {
    mkdirSync(shots, { recursive: true });
    writeFileSync(join(folder, "rules.yml"), "groups:\n- name: tests\n  interval: 1s\n  rules:\n  - alert: AlwaysHere\n    expr: vector(1)\n    labels: {severity: page}\n    annotations: {summary: 'It is <b>here</b>'}\n");
    writeFileSync(join(folder, "config.yml"), "rule_files: [rules.yml]\nnotify:\n  receivers: [{name: nobody}]\n  route: {receiver: nobody}\n");
    browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium" });
    const kubernetes = await beginKubernetesNode();
    const agent = await Agent.start([`--storage.tsdb.path=${folder}/live`, `--config.file=${folder}/config.yml`, "--web.enable-admin-api"]);
    await until("some history", async () => (await agent.value("count_over_time(node_load1[1m])")) >= 8);
    const checks: [string, () => Promise<void>][] = [
        ["the first view is small and quick", () => theFirstViewIsSmallAndQuick(agent)],
        ["what is shown is what the API says", () => whatIsShownIsWhatTheApiSays(agent)],
        ["the editor completes and tells mistakes", () => theEditorCompletesAndTellsMistakes(agent)],
        ["hostile answers are shown as text", () => hostileAnswersAreShownAsText(agent)],
        ["a drag zooms and a cursor is everywhere", () => aDragZoomsAndACursorIsEverywhere(agent)],
        ["alerts are shown and silenced", () => alertsAreShownAndSilenced(agent)],
        ["every view, in both themes and on a phone", () => everyViewInBothThemesAndOnAPhone(agent, "live")],
        ["refusals and slowness are said", () => refusalsAndSlownessAreSaid(agent)],
        ["a browser whose clock is wrong", () => aBrowserWhoseClockIsWrong(agent)],
        ["an agent that goes and comes back", () => anAgentThatGoesAndComesBack(agent)],
        ["a store with nothing in it", aStoreWithNothingInIt],
        ["a recorded node", aRecordedNode],
        ["a Kubernetes node", () => aKubernetesNode(kubernetes)],
    ];
    const only = process.argv[2];
    let failed = 0;
    for (const [name, check] of checks) {
        if (only && !name.includes(only)) continue;
        const begun = Date.now();
        try {
            await check();
            assert.deepEqual(complaints.splice(0), [], "the console and requests");
            console.log(`ok ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
        } catch (error) {
            failed++;
            complaints.splice(0);
            console.log(`FAILED ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
        }
    }
    kubernetes?.end();
    await Agent.stopAll();
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
    process.exitCode = failed ? 1 : 0;
}

await main();
