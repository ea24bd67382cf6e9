/*
 * days.ts - bad days: what the page does when the agent, its data or the browser are not as they should be.
 */
import { strict as assert } from "node:assert";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { Agent, importText, until } from "./agent";
import { folder, legend, mustBeAccessible, open, shots, slow } from "./browser";

const said = (page: Page, words: string) => page.locator(".trouble[data-on=yes]", { hasText: words }).waitFor();
const quiet = (page: Page) => page.locator(".trouble[data-on=no]").waitFor({ state: "attached" });

/* Where a time lies on a graph of the overview. */
async function hover(page: Page, panel: string, time: number, [from, to]: [number, number]): Promise<void> {
    const box = (await page.locator(`#${panel} .u-over`).boundingBox())!;
    await page.mouse.move(box.x + (box.width * (time - from)) / (to - from), box.y + box.height / 2);
}

/* How many pixels of a graph have the colour of its nth line. */
async function pixelsOf(page: Page, panel: string, n: number): Promise<number> {
    return page.locator(`#${panel} canvas`).evaluate((canvas: HTMLCanvasElement, line) => {
        const [r, g, b] = getComputedStyle(document.documentElement).getPropertyValue(`--line-${line}`).match(/[0-9a-f]{2}/g)!.map((hex) => parseInt(hex, 16));
        const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
        let found = 0;
        for (let i = 0; i < data.length; i += 4) if (Math.abs(data[i]! - r!) + Math.abs(data[i + 1]! - g!) + Math.abs(data[i + 2]! - b!) < 24 && data[i + 3]! > 200) found++;
        return found;
    }, n);
}

/* ---- the agent ------------------------------------------------------------------------------ */

/* What it shows of that time afterwards is a gap, in rates and in everything else. */
export async function anAgentThatGoesAndComesBack(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#overview?span=2m", { expected: /ERR_CONNECTION|Failed to load|ERR_EMPTY|ERR_SOCKET/ });
    const explore = await open(agent.url + "#explore?q=node_load1&span=2m", { expected: /ERR_CONNECTION|Failed to load|ERR_EMPTY|ERR_SOCKET/ });
    await page.locator("#cpu canvas").waitFor();
    await explore.page.locator(".card canvas").waitFor();
    const gone = Date.now() / 1000;
    await agent.stop();
    await said(page, "does not answer");
    await said(explore.page, "does not answer");
    assert.ok(await page.locator("#cpu canvas").isVisible(), "what was there stays");
    assert.ok(await explore.page.locator(".card canvas").isVisible(), "what was there stays");
    assert.ok(await page.locator("h1").isVisible(), "it lies over the page");
    await mustBeAccessible(page, "an agent that is gone");
    await page.screenshot({ path: join(shots, "agent-gone.png") });
    await page.waitForTimeout(Math.max(0, 8000 - (Date.now() - gone * 1000)));
    await agent.begin();
    const back = Date.now() / 1000;
    await quiet(page);
    await quiet(explore.page);
    await until("new values by itself", async () => /\d %/.test(await legend(page, "cpu", "user")) && /\d/.test(await legend(page, "load", "1 min")));
    await until("samples after the gap", async () => (await agent.value("count_over_time(node_load1[4s])")) >= 3);
    const span: [number, number] = [Math.floor(gone) - 8, Math.ceil(back) + 4];
    await page.evaluate((to) => (location.hash = to), `#overview?span=${span.join("-")}`);
    await until("the span around the gap", async () => {
        await hover(page, "load", gone + (back - gone) * 0.8, span);
        return (await page.locator("#load [data-when]").innerText()) !== "" && (await legend(page, "load", "1 min")) === "–";
    });
    for (const [panel, name] of [["memory", "used"], ["cpu", "user"], ["pressure", "CPU"]] as const)
        if (await page.locator(`#${panel}`).count()) assert.equal(await legend(page, panel, name), "–", `${panel} in the gap`);
    await hover(page, "load", gone - 3, span);
    await until("a value before the gap", async () => /\d/.test(await legend(page, "memory", "used")));
    await page.screenshot({ path: join(shots, "gap.png") });
    await explore.context.close();
    await context.close();
}

export async function refusalsAndSlownessAreSaid(agent: Agent): Promise<void> {
    for (const [status, words] of [[401, "refuses"], [403, "refuses"], [503, "busy"]] as const) {
        const { page, context } = await open(agent.url + "#overview", { expected: /status of (401|403|503)/ });
        await page.locator("#cpu canvas").waitFor();
        await page.route("**/api/v1/query", (route) => route.fulfill({ status, body: "<i>no</i>", contentType: "text/plain" }));
        await said(page, words);
        assert.equal(await page.locator(".trouble i").count(), 0);
        assert.ok(await page.locator("#cpu canvas").isVisible(), "what was there stays");
        await page.unroute("**/api/v1/query");
        await quiet(page);
        await context.close();
    }
    const { page, context } = await open(agent.url + "#overview");
    await page.locator("#cpu canvas").waitFor();
    await page.route("**/api/v1/**", async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 7000));
        await route.continue().catch(() => undefined);
    });
    await said(page, "too slowly");
    assert.ok(await page.locator("#cpu canvas").isVisible(), "what was there stays");
    await page.unroute("**/api/v1/**");
    await quiet(page);
    await context.close();
}

/* Answers come cut short, or from something that is no agent. */
export async function answersThatAreNone(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#overview");
    await page.locator("#cpu canvas").waitFor();
    await page.route("**/api/v1/**", (route) => route.fulfill({ status: 200, body: '{"status":"success","data":{"resu', contentType: "application/json" }));
    await said(page, "does not answer");
    await page.unroute("**/api/v1/**");
    await quiet(page);
    await context.close();
}

export async function thoseWhoMayNotAskGetTheLandingPage(): Promise<void> {
    const agent = await Agent.start([`--storage.tsdb.path=${folder}/refusing`, "--web.api-access=off"]);
    const { page, context } = await open(agent.url);
    await page.locator("h1", { hasText: "Node Exporter" }).waitFor();
    await page.locator("a", { hasText: "Metrics" }).first().waitFor();
    await page.locator("p", { hasText: "--web.api-access" }).waitFor();
    assert.equal(await page.locator("script").count(), 0);
    await mustBeAccessible(page, "the landing page");
    await context.close();
    await agent.stop();
}

/* ---- the browser ---------------------------------------------------------------------------- */

export async function aBrowserWhoseClockIsWrong(agent: Agent): Promise<void> {
    for (const minutes of [-40, 3 * 24 * 60]) {
        const { page, context } = await open(agent.url + "-/healthy", { expected: /404/ });
        await context.addInitScript((by) => {
            const real = Date.now.bind(Date);
            Date.now = () => real() + by * 60 * 1000;
        }, minutes);
        const asked: string[] = [];
        page.on("request", (request) => request.url().endsWith("/api/v1/query_range") && asked.push(request.postData() ?? ""));
        await page.goto(agent.url + "#overview?span=2m");
        await page.locator("#cpu canvas").waitFor();
        const values = async () => `${await legend(page, "cpu", "user")} ${await legend(page, "cpu", "system")} ${await legend(page, "memory", "used")}`;
        await until("values in spite of the clock", async () => /\d %/.test(await values()));
        const before = await values();
        await until("values that go on", async () => (await values()) !== before);
        for (const one of asked) assert.ok(Math.abs(Number(new URLSearchParams(one).get("end")) - Date.now() / 1000) < 60, `asks of the server's time: ${one}`);
        assert.ok(asked.length > 0);
        await page.evaluate(() => (location.hash = "#explore?q=node_load1&show=table"));
        await page.locator("[data-sample]").waitFor();
        await context.close();
    }
}

/* ---- the store ------------------------------------------------------------------------------ */

export async function aStoreWithNothingInIt(): Promise<void> {
    const agent = await Agent.start([`--storage.tsdb.path=${folder}/empty`, "--collector.disable-defaults", "--storage.tsdb.interval=1m"]);
    const { page, context } = await open(agent.url + "#overview?span=2m");
    await page.locator(".empty", { hasText: "nothing in the history" }).waitFor();
    await mustBeAccessible(page, "an empty store");
    await page.evaluate(() => (location.hash = "#explore?q=node_load1&span=2m"));
    await page.locator(".empty", { hasText: "Nothing fits in this span" }).waitFor();
    await page.evaluate(() => (location.hash = "#explore?q=node_load1&span=2m&show=table"));
    await page.locator(".empty", { hasText: "Nothing fits at this time" }).waitFor();
    await page.evaluate(() => (location.hash = "#alerts"));
    await page.locator(".empty", { hasText: "No alert is active" }).waitFor();
    await page.locator(".empty", { hasText: "No rules are loaded" }).waitFor();
    await page.evaluate(() => (location.hash = "#inside"));
    await page.locator("h3", { hasText: "Targets" }).waitFor();
    
    await context.close();
    await agent.stop();
}

const HTML = "<img src=x onerror=document.title=1><script>alert(1)</script>";

/* A node whose history is one sample, and whose names are what they should not be. */
export async function oneSampleNaNInfAndLabelsThatAreHtml(): Promise<void> {
    const at = Math.floor(Date.now() / 1000) - 3600;
    const rising = (n: number) => Array.from({ length: 1200 }, (_, i) => [at - 1200 + i, n - i * 1e6] as const);
    const label = HTML.replaceAll('"', '\\"');

    importText(
        `${folder}/one`,
        [
            "# TYPE node_load1 gauge",
            `node_load1 0.42 ${at}`,
            "# TYPE node_load5 gauge",
            `node_load5 NaN ${at}`,
            "# TYPE node_load15 gauge",
            `node_load15 +Inf ${at}`,
            "# TYPE node_uname gauge",
            `node_uname_info{nodename="${label}",release="1"} 1 ${at}`,
            "# TYPE node_hwmon_temp_celsius gauge",
            `node_hwmon_temp_celsius{chip="${label}",sensor="temp1"} 41 ${at}`,
            ...Array.from({ length: 20 }, (_, i) => `node_hwmon_temp_celsius{chip="c",sensor="temp${i}"} ${20 + i} ${at}`),
            "# TYPE node_filesystem_size_bytes gauge",
            ...Array.from({ length: 40 }, (_, i) => `node_filesystem_size_bytes{device="/dev/sd${i}",fstype="ext4",mountpoint="/data/${i}"} 1000 ${at}`),
            `node_filesystem_size_bytes{device="${label}",fstype="ext4",mountpoint="/${label}"} 10000000000 ${at}`,
            "# TYPE node_filesystem_avail_bytes gauge",
            ...rising(7.2e9).map(([time, value]) => `node_filesystem_avail_bytes{device="${label}",fstype="ext4",mountpoint="/${label}"} ${value} ${time}`),
            ...Array.from({ length: 40 }, (_, i) => `node_filesystem_avail_bytes{device="/dev/sd${i}",fstype="ext4",mountpoint="/data/${i}"} 900 ${at}`),
            "# EOF\n",
        ].join("\n"),
    );
    const agent = await Agent.start([`--storage.tsdb.path=${folder}/one`, "--storage.tsdb.retention.time=0s", "--collector.disable-defaults"]);
    const span: [number, number] = [at - 60, at + 1];
    const { page, context } = await open(`${agent.url}#overview?span=${span.join("-")}`);
    await page.locator("#load canvas").waitFor();
    await until("the one sample", async () => (await legend(page, "load", "1 min")) === "0.42");
    assert.equal(await legend(page, "load", "5 min"), "–");
    assert.equal(await legend(page, "load", "15 min"), "∞");
    assert.ok((await pixelsOf(page, "load", 0)) >= 4, "one sample is a point");
    await page.locator("h1", { hasText: "<img src=x" }).waitFor();
    await page.locator("#temperature .name", { hasText: "<img src=x" }).waitFor();
    const row = page.locator("tr", { hasText: "/<img src=x" });
    await row.waitFor();
    /* 6.0 GB are left, and go by 1 MB a second. */
    assert.match(await row.innerText(), /1 h 40 min/);
    assert.match(await row.innerText(), /40 %/);
    assert.equal(await page.locator("main img, main script, header img").count(), 0);
    await page.locator("#temperature h3", { hasText: "12 of 21" }).waitFor(); /* what is left out is said */
    await page.locator("h3", { hasText: "the 24 fullest of 41" }).waitFor();
    await mustBeAccessible(page, "one sample");
    await page.screenshot({ path: join(shots, "one-sample.png") });
    await page.evaluate((text) => (location.hash = `#explore?q={__name__=~"node_load.%2B|node_hwmon.%2B"}&span=${text}`), span.join("-"));
    await page.locator(".card .legend .name", { hasText: "<img src=x" }).waitFor();
    assert.equal(await page.locator("main img, main script").count(), 0);
    await page.evaluate((text) => (location.hash = `#explore?q={__name__=~"node_load.%2B"}&show=table&span=${text}`), span.join("-"));
    await until("their values as the API has them", async () => (await page.locator("[data-sample]").allInnerTexts()).sort().join(" ") === "+Inf 0.42 NaN");
    await context.close();
    await agent.stop();
}

/* Each is text: nothing of it becomes an element, and the console stays silent. */
export async function hostileAnswersAreShownAsText(agent: Agent): Promise<void> {
    const { page, context } = await open(agent.url + "#overview");
    const ask = async (expr: string, show: string) => {
        await page.evaluate(([q, as]) => (location.hash = `#explore?q=${encodeURIComponent(q!)}&show=${as}&span=2m`), [expr, show]);
        await page.locator(".cost", { hasText: "series" }).waitFor();
    };
    await ask(`label_replace(vector(1), "evil", "${HTML}", "", "")`, "table");
    await page.locator("th.code", { hasText: "<img src=x" }).waitFor();
    assert.equal(await page.locator("main img, main script").count(), 0);
    await ask('vector(NaN) or label_replace(vector(Inf), "a", "b", "", "")', "");
    await page.locator(".card canvas").waitFor();
    await ask("vector(0/0)", "table");
    await until("NaN", async () => (await page.locator("[data-sample]").innerText()) === "NaN");
    await ask('count_values("x", node_cpu_seconds_total * 1000) or label_replace(node_cpu_seconds_total, "n", "1", "", "")', "");
    await context.close();
}

/* So many are neither fetched nor drawn: the page says how many there are, and stays usable. */
export async function tenThousandSeries(): Promise<void> {
    const texts = join(folder, "texts");
    mkdirSync(texts);
    writeFileSync(join(texts, "many.prom"), "# TYPE many_things gauge\n" + Array.from({ length: 10000 }, (_, i) => `many_things{n="${i}"} ${i}\n`).join(""));
    const agent = await Agent.start([`--storage.tsdb.path=${folder}/many`, "--collector.disable-defaults", "--collector.textfile", `--collector.textfile.directory=${texts}`]);
    await until("ten thousand series", async () => (await agent.value("count(many_things)")) === 10000);
    const { page, context } = await open("about:blank", { origin: agent.url });
    let most = 0;
    page.on("response", (response) => void response.body().then((body) => (most = Math.max(most, body.length)), () => undefined));
    await page.addInitScript(() => {
        const all = window as unknown as { longest: number };
        all.longest = 0;
        new PerformanceObserver((list) => list.getEntries().forEach((entry) => (all.longest = Math.max(all.longest, entry.duration)))).observe({ type: "longtask" });
    });
    await page.goto(agent.url + "#explore?q=many_things&span=2m");
    await page.locator(".note", { hasText: "10,000 series; the first 60 are drawn" }).waitFor();
    await page.locator(".card canvas").waitFor();
    assert.equal(await page.locator(".legend li").count(), 60);
    await mustBeAccessible(page, "ten thousand series");
    await page.screenshot({ path: join(shots, "many-series.png") });
    await page.getByRole("button", { name: "Table" }).click();
    await page.locator(".note", { hasText: "10,000 series; the first 500 are shown" }).waitFor();
    assert.equal(await page.locator("[data-sample]").count(), 500);
    const longest = await page.evaluate(() => (window as unknown as { longest: number }).longest);
    console.log(`  the largest answer has ${most} bytes, the longest task took ${longest.toFixed(0)} ms`);
    assert.ok(most < 1 << 20, `an answer of ${most} bytes`);
    assert.ok(longest < 2000 * slow, `the page stood still for ${longest} ms`);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    assert.equal(readFileSync((await download.path())!, "utf8").trim().split("\r\n").length, 10001, "CSV has all");
    await page.evaluate(() => (location.hash = "#explore?q=topk(3, many_things)&span=2m"));
    await page.locator(".cost", { hasText: /^3 series/ }).waitFor();
    assert.equal(await page.locator(".legend li").count(), 3);
    await context.close();
    await agent.stop();
}
