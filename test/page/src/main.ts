/*
 * main.ts - the page in a real browser, beside the API it shows.
 *
 * Each check is a sentence. Screenshots of every view go to SCREENSHOTS, to be looked at.
 */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { Agent, importText, unpack, until } from "./agent";
import { browser, complaints, folder, launch, legend, mustBeAccessible, open, shared, shots, slow, source } from "./browser";
import * as days from "./days";

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

async function everyViewIn(agent: Agent, name: string, theme: "dark" | "light", width: number): Promise<void> {
    const { page, context } = await open(agent.url + "#overview?span=2m", { theme, width });
    for (const view of ["overview", "explore", "alerts", "inside"]) {
        const hash = view === "explore" ? "#explore?q=rate(node_cpu_seconds_total[10s])&span=2m" : `#${view}?span=2m`;
        await page.evaluate((to) => (location.hash = to), hash);
        if (view === "overview") await page.locator(".card canvas").first().waitFor();
        if (view === "explore") await page.locator(".editor:not([hidden])").waitFor();
        if (view === "alerts") await page.locator("h2", { hasText: "Rules" }).waitFor();
        if (view === "inside") await page.locator("h3", { hasText: "Collectors" }).waitFor();
        await page.waitForTimeout(400);
        await mustBeAccessible(page, `${name} ${view} ${theme} ${width}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${name} ${view} at ${width}: ${wide} pixels too wide`);
        await page.screenshot({ path: join(shots, `${name}-${view}-${theme}-${width}.png`), fullPage: width < 500 });
    }
    await context.close();
}

async function everyViewInBothThemesAndOnAPhone(agent: Agent, name: string): Promise<void> {
    for (const width of [2560, 1280, 375]) await Promise.all([everyViewIn(agent, name, "dark", width), everyViewIn(agent, name, "light", width)]);
}

/* Of the span that is shown unless another is asked for. */
async function theOverviewIsLiveAtASecond(agent: Agent): Promise<void> {
    const { page, context } = await open("about:blank", { origin: agent.url });
    const times: number[] = [];
    page.on("request", (request) => {
        const fields = new URLSearchParams(request.postData() ?? "");
        if (/"nv_part", "25"/.test(fields.get("query") ?? "")) times.push(Number(fields.get("time") ?? fields.get("end")));
    });
    await page.goto(agent.url);
    await page.locator("#cpu canvas").waitFor();
    await until("six ticks", () => times.length >= 7);
    for (let i = 1; i < times.length; i++) assert.ok(times[i]! - times[i - 1]! >= 1 && times[i]! - times[i - 1]! < 5, times.join(" "));
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    assert.equal(Math.min(...gaps), 1, `seconds between ticks: ${gaps.join(" ")}`);
    await context.close();
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
    const seen = await page.locator("#cpu .u-select").evaluate((select) => [getComputedStyle(select).backgroundColor, select.clientWidth] as const);
    assert.match(seen[0], /^rgb\(/, "what is chosen is seen");
    assert.ok(seen[1] > box.width * 0.08, `${seen[1]} of ${box.width}`);
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

const addressOf = (page: Page) => decodeURIComponent(new URL(page.url()).hash);

async function theKeyboardIsEnough(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#overview?span=2m");
    await page.locator("#cpu canvas").waitFor();
    const focused = () =>
        page.evaluate(() => {
            const at = document.activeElement as HTMLElement;
            const style = getComputedStyle(at);
            return { name: at.getAttribute("aria-label") ?? at.innerText.split("\n")[0]!.trim(), seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
        });
    const walked: string[] = [];
    for (let i = 0; i < 14; i++) {
        await page.keyboard.press("Tab");
        const { name, seen } = await focused();
        assert.ok(seen, `${name} has no visible focus`);
        walked.push(name);
    }
    for (const name of ["Overview", "Explore", "Inside", "earlier", "span of time", "from … to", "local time", "keys", "1 firing"]) assert.ok(walked.includes(name), `${name} is not among ${walked.join(", ")}`);
    await page.getByRole("button", { name: "from … to" }).focus();
    await page.keyboard.press("Enter");
    await until("the first time to be asked for", () => page.evaluate(() => document.activeElement?.getAttribute("name") === "from"));
    await page.keyboard.press("Escape");
    await until("the button again", async () => (await focused()).name === "from … to");
    await page.keyboard.press("Enter");
    await page.locator("input[name=from]").fill("2026-01-02T03:04:05");
    await page.locator("input[name=to]").fill("2026-01-02T04:04:05");
    await page.keyboard.press("Enter");
    const from = Date.UTC(2026, 0, 2, 2, 4, 5) / 1000; /* in Berlin */
    await until("those times", () => addressOf(page).includes(`span=${from}-${from + 3600}`));
    for (const [key, state] of [["l", "span=15m"], ["-", "span=1800s"], ["+", "span=15m"], ["ArrowLeft", "span=\\d+-\\d+"], ["l", "span=15m"]] as const) {
        await page.keyboard.press(key);
        await until(`${state} by ${key}`, () => new RegExp(state).test(addressOf(page)));
    }
    await page.keyboard.press("t");
    await page.locator("html[data-theme=light]").waitFor();
    await page.keyboard.press("u");
    await page.getByRole("button", { name: "UTC" }).waitFor();
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "paused" }).waitFor();
    await page.keyboard.press("3");
    await page.locator(".alert.firing button").first().focus();
    await page.keyboard.press("Enter");
    await until("the silence to be filled in", () => page.evaluate(() => document.activeElement?.getAttribute("name") === "hours"));
    await page.keyboard.press("Escape");
    await page.locator("form.silence").waitFor({ state: "detached" });
    await page.keyboard.press("2");
    await page.locator(".editor:not([hidden])").waitFor();
    const leave = () =>
        until("the keys to be the page's again", async () => {
            await page.keyboard.press("Escape"); /* the first may close what completes */
            return page.evaluate(() => document.activeElement === document.body);
        });
    await leave();
    await page.keyboard.press("/");
    await page.keyboard.type("vector(7) ");
    await page.keyboard.press("Enter");
    await until("what was typed", () => /q=vector\(7\)(&|$)/.test(addressOf(page)));
    await leave();
    await page.keyboard.press("4");
    await page.locator("h3", { hasText: "Targets" }).waitFor();
    await context.close();
}

/* What was chosen is there again after a reload, for whoever has the link, and one step back. */
async function theAddressIsTheState(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#explore?q=node_load1 or node_load5 or node_load15&span=5m");
    const names = page.locator(".legend li:not(.off) .name");
    await page.evaluate(() => (location.hash = '#explore?q={__name__=~"node_load.%2B"}&span=5m'));
    await until("three lines", async () => (await names.count()) === 3);
    const first = await names.first().innerText();
    await page.locator(".legend button").first().click();
    await until("one alone", async () => (await names.count()) === 1);
    await page.reload();
    await until("one alone after a reload", async () => (await names.count()) === 1 && (await names.first().innerText()) === first);
    const other = await open(page.url());
    await until("one alone by the link", async () => (await other.page.locator(".legend li:not(.off) .name").count()) === 1);
    await other.context.close();
    await page.goBack();
    await until("three lines one step back", async () => (await names.count()) === 3);
    await page.selectOption("select[aria-label='span of time']", "all");
    await until("all that is kept", () => /span=\d+-\d+/.test(addressOf(page)));
    const [, from, to] = /span=(\d+)-(\d+)/.exec(addressOf(page))!;
    let begin = NaN;
    await until("its own metrics", async () => !Number.isNaN((begin = await agent.value("nodevitals_tsdb_lowest_timestamp_seconds"))));
    assert.ok(Math.abs(Number(from) - begin) <= 60 && Number(to) > begin, `${from} to ${to}, and the store begins at ${begin}`);
    await page.reload();
    await until("the same span", () => page.url().includes(from!));
    await page.goBack();
    await until("live one step back", () => addressOf(page).includes("span=5m"));
    await context.close();
}

async function alertsAreShownAndSilenced(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#alerts?span=5m");
    await page.locator(".alert.firing h3", { hasText: "AlwaysHere" }).waitFor();
    await page.locator("nav .badge").waitFor();
    await page.locator(".timeline-track i").first().waitFor();
    const way = page.locator(".ways tr", { hasText: "nobody: webhook" });
    await way.locator(".bad-text", { hasText: "cannot connect" }).waitFor(); /* why nobody was told */
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
    importText(`${folder}/recorded`, unpack(record));
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
        const agent = await Agent.start([...flags, `--storage.tsdb.path=${folder}/kube`, `--path.procfs=${root}/proc`, `--path.sysfs=${root}/sys`, `--path.rootfs=${root}`, "--collector.disable-defaults", "--collector.container", "--collector.kube-pods", "--collector.netstat", "--no-kube.annotations", "--kube.scrape-interval=1s"]);
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
    await page.evaluate(() => (location.hash = "#inside"));
    await page.locator("tr", { hasText: "netstat" }).locator(".bad-text", { hasText: "proc/net/netstat: No such file or directory" }).waitFor();
    await page.locator("tr", { hasText: "kube-pods" }).locator("td", { hasText: "fine" }).waitFor();
    await context.close();
    await agent.stop();
}

/* ---- all ------------------------------------------------------------------------------------ */

type Check = [string, () => Promise<void>];

/* How many failed. Of what a page complained, its address tells who opened it. */
async function run(checks: Check[]): Promise<number> {
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
            console.log(`FAILED ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
        }
    }
    return failed;
}

async function main(): Promise<void> {
    mkdirSync(shots, { recursive: true });
    writeFileSync(join(folder, "rules.yml"), "groups:\n- name: tests\n  interval: 1s\n  rules:\n  - alert: AlwaysHere\n    expr: vector(1)\n    labels: {severity: page}\n    annotations: {summary: 'It is <b>here</b>'}\n");
    writeFileSync(join(folder, "config.yml"), "rule_files: [rules.yml]\nnotify:\n  receivers: [{name: nobody, webhook_configs: [{url: \"http://127.0.0.1:1/\"}]}]\n  route: {receiver: nobody, group_wait: 1s}\n");
    await launch();
    const kubernetes = await beginKubernetesNode();
    const agent = await Agent.start([`--storage.tsdb.path=${folder}/live`, `--config.file=${folder}/config.yml`, "--web.enable-admin-api"]);
    await until("some history", async () => (await agent.value("count_over_time(node_load1[1m])")) >= 8);
    /* The two lists run beside each other: much of a check is waiting. */
    const ofLive: Check[] = [
        ["the overview is live at a second", () => theOverviewIsLiveAtASecond(agent)],
        ["what is shown is what the API says", () => whatIsShownIsWhatTheApiSays(agent)],
        ["the editor completes and tells mistakes", () => theEditorCompletesAndTellsMistakes(agent)],
        ["hostile answers are shown as text", () => days.hostileAnswersAreShownAsText(agent)],
        ["a drag zooms and a cursor is everywhere", () => aDragZoomsAndACursorIsEverywhere(agent)],
        ["the keyboard is enough", () => theKeyboardIsEnough(agent)],
        ["the address is the state", () => theAddressIsTheState(agent)],
        ["alerts are shown and silenced", () => alertsAreShownAndSilenced(agent)],
        ["every view, in both themes and on a phone", () => everyViewInBothThemesAndOnAPhone(agent, "live")],
        ["a browser whose clock is wrong", () => days.aBrowserWhoseClockIsWrong(agent)],
        ["an agent that goes and comes back", () => days.anAgentThatGoesAndComesBack(agent)],
    ];
    const ofOthers: Check[] = [
        ["refusals and slowness are said", () => days.refusalsAndSlownessAreSaid(agent)],
        ["answers that are none", () => days.answersThatAreNone(agent)],
        ["a store with nothing in it", days.aStoreWithNothingInIt],
        ["one sample, NaN, Inf and labels that are HTML", days.oneSampleNaNInfAndLabelsThatAreHtml],
        ["ten thousand series", days.tenThousandSeries],
        ["those who may not ask get the landing page", days.thoseWhoMayNotAskGetTheLandingPage],
        ["a recorded node", aRecordedNode],
        ["a Kubernetes node", () => aKubernetesNode(kubernetes)],
    ];
    let failed = await run([["the first view is small and quick", () => theFirstViewIsSmallAndQuick(agent)]]);
    for (const of of await Promise.all([run(ofLive), run(ofOthers)])) failed += of;
    kubernetes?.end();
    await Agent.stopAll();
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
    process.exitCode = failed ? 1 : 0;
}

await main();
