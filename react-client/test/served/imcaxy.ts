import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../../..");
const BOOT = 30_000; // milliseconds until /readyz must say yes
const POLL = 50; // milliseconds

export const TOKEN = "a-token-of-the-tests";

export interface Imcaxy {
  url: string;
  stop(): Promise<void>;
}

/** The real server on an empty data directory; sources on this machine are allowed. */
export async function serveImcaxy(): Promise<Imcaxy> {
  const data = await mkdtemp(join(tmpdir(), "imcaxy-react-"));
  const port = await freePort();
  const python = process.env.IMCAXY_PYTHON ?? join(ROOT, ".venv/bin/python");
  if (!existsSync(python)) throw new Error(`no Python with imcaxy at ${python}: run make, or set IMCAXY_PYTHON`);
  const server = spawn(python, ["-m", "imcaxy", "serve", "--host", "127.0.0.1", "--port", `${port}`], {
    cwd: data,
    env: {
      PATH: process.env.PATH,
      PYTHONPATH: process.env.PYTHONPATH ?? ROOT,
      IMCAXY_DATA_DIR: join(data, "data"),
      IMCAXY_ALLOWED_NETWORKS: "127.0.0.0/8",
      IMCAXY_WIDTH_RULE: "strict",
      IMCAXY_INVALIDATE_SECURITY_TOKEN: TOKEN,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (part) => (output += String(part)));
  const ended = new Promise<void>((resolve) => server.on("exit", () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + BOOT;
  while (!(await ready(url))) {
    if (server.exitCode !== null || Date.now() > deadline) throw new Error(`imcaxy did not start:\n${output}`);
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
  return {
    url,
    async stop() {
      server.kill("SIGTERM");
      await ended;
      await rm(data, { recursive: true, force: true });
    },
  };
}

async function ready(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).ok;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
