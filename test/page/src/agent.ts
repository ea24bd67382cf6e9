/*
 * agent.ts - an agent under test, and what its API says.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";

const program = process.env["NODEVITALS"] ?? "nodevitals";

async function freePort(): Promise<number> {
    return new Promise((resolve, reject) => {
        const server = createServer();
        server.once("error", reject);
        server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
        });
    });
}

export async function until(what: string, check: () => Promise<boolean> | boolean, seconds = 60): Promise<void> {
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
        try {
            if (await check()) return;
        } catch {
            /* not yet */
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`in vain waited for: ${what}`);
}

export class Agent {
    private static readonly all: Agent[] = [];
    private process: ChildProcess | null = null;
    log = "";

    private constructor(
        readonly port: number,
        private readonly flags: string[],
    ) {}

    static async start(flags: string[]): Promise<Agent> {
        const agent = new Agent(await freePort(), flags);
        Agent.all.push(agent);
        await agent.begin();
        return agent;
    }

    static async stopAll(): Promise<void> {
        for (const agent of Agent.all) await agent.stop();
    }

    get url(): string {
        return `http://127.0.0.1:${this.port}/`;
    }

    get pid(): number {
        return this.process?.pid ?? 0;
    }

    async begin(): Promise<void> {
        const child = spawn(program, [`--web.listen-address=127.0.0.1:${this.port}`, ...this.flags], { stdio: ["ignore", "ignore", "pipe"] });
        child.stderr.on("data", (text: Buffer) => (this.log += text.toString()));
        this.process = child;
        await until("an agent that is ready", async () => {
            if (child.exitCode !== null) throw new Error(this.log);
            return (await fetch(this.url + "-/ready")).ok;
        });
    }

    async stop(): Promise<void> {
        const child = this.process;
        this.process = null;
        if (!child || child.exitCode !== null) return;
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGTERM");
        await ended;
    }

    async value(expr: string, time?: number): Promise<number> {
        const body = new URLSearchParams({ query: expr });
        if (time !== undefined) body.set("time", String(time));
        const answer = (await (await fetch(this.url + "api/v1/query", { method: "POST", body })).json()) as {
            data: { result: { value: [number, string] }[] };
        };
        return Number(answer.data.result[0]?.value[1]);
    }
}

/* Fills a store from OpenMetrics text, before an agent opens it. */
export function importText(path: string, text: string | Buffer): void {
    const done = spawnSync(program, ["tsdb", "import", "-", `--storage.tsdb.path=${path}`], { input: text, maxBuffer: 1 << 24 });
    if (done.status !== 0) throw new Error(`import: ${done.stderr}`);
}

export function unpack(path: string): Buffer {
    const done = spawnSync("zstd", ["-dc", "--long=27", path], { maxBuffer: 1 << 28 });
    if (done.status !== 0) throw new Error(`zstd: ${done.stderr}`);
    return done.stdout;
}
