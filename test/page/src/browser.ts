/*
 * browser.ts - what the checks share: a browser, and a page in it that must not complain.
 */
import { strict as assert } from "node:assert";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

export const shots = process.env["SCREENSHOTS"] ?? "screenshots";
export const shared = process.env["NV_SHARED"] ?? "";
export const source = process.env["NV_SOURCE"] ?? ".";
export const folder = mkdtempSync(join(tmpdir(), "nodevitals-page-"));
export const slow = Number(process.env["NV_SLOW"] ?? "1");

export let browser: Browser;
export async function launch(): Promise<void> {
    browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium" });
}

export const complaints: string[] = [];

/* A page that has nothing to say on its console and asks nobody but the agent. */
export async function open(url: string, options: { width?: number; height?: number; theme?: "dark" | "light"; expected?: RegExp; origin?: string } = {}): Promise<{ page: Page; context: BrowserContext }> {
    const context = await browser.newContext({
        viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
        colorScheme: options.theme ?? "dark",
        reducedMotion: "reduce",
        timezoneId: "Europe/Berlin",
        locale: "en-GB",
    });
    const page = await context.newPage();
    page.setDefaultTimeout(30000 * slow);
    const own = new URL(options.origin ?? url).origin;
    const bad = (text: string) => {
        if (!options.expected?.test(text)) complaints.push(`${url}: ${text}`);
    };
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && bad(message.text()));
    page.on("pageerror", (error) => bad(String(error)));
    page.on("request", (request) => !request.url().startsWith(own) && !/^(data|blob|about):/.test(request.url()) && bad(`asks ${request.url()}`));
    await page.goto(url);
    return { page, context };
}

export async function mustBeAccessible(page: Page, what: string): Promise<void> {
    await page.evaluate(axe.source + ";0").catch(() => undefined);
    const found = await page.evaluate(async () => {
        const { axe } = window as unknown as { axe: { run: (root: Document, options: unknown) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
        return (await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] })).violations.map(
            (violation) => `${violation.id}: ${violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + " " + (node.failureSummary ?? "")).join(" | ")}`,
        );
    });
    assert.deepEqual(found, [], what);
}

export async function legend(page: Page, panel: string, name: string): Promise<string> {
    return page.locator(`#${panel} .legend li`, { has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) }).locator("[data-value]").innerText();
}
