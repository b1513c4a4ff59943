import { readFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { clientScript, serverModule, type ReactVersion } from "./bundle.js";
import { png } from "./png.js";

const HERE = import.meta.dirname;
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'";
const SHEET = `
body { margin: 0; font: 16px/1.5 sans-serif }
.column { width: 300px }
.tall { position: relative; width: 300px; height: 500px }
.grid { display: grid; gap: 40px }
.far { height: 20000px }
`;

/** Watches what a page cannot be asked for later; a file, because the policy forbids inline scripts. */
const WATCH = `
window.shift = 0; window.violations = [];
new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.shift += entry.value })
  .observe({ type: "layout-shift", buffered: true });
addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
`;

export interface Site {
  url: string;
  /** What was asked of the image server, in that order. */
  asked: URL[];
  /** Sends what requests for slow.png wait for. */
  release(): void;
  /** From now on the page's script waits, until `release`. */
  holdScript(): void;
  close(): Promise<void>;
}

/** Pages with pictures under a strict policy, and an image server that writes down what it is asked. */
export async function openSite(react: ReactVersion): Promise<Site> {
  const [script, { html }] = await Promise.all([
    clientScript(join(HERE, "client.tsx"), react),
    serverModule<{ html: (name: string) => string }>(join(HERE, "server.tsx"), react),
  ]);
  const sheet = SHEET + (await readFile(join(HERE, "../../src/styles.css"), "utf8"));
  const asked: URL[] = [];
  const waiting: (() => void)[] = [];
  let scriptWaits = false;

  const files: Record<string, [type: string, body: string]> = {
    "/watch.js": ["text/javascript", WATCH],
    "/page.js": ["text/javascript", script],
    "/page.css": ["text/css", sheet],
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
    const file = files[url.pathname];
    if (url.pathname.startsWith("/imaginary/")) {
      asked.push(url);
      const answer = (): void => picture(url, response);
      if (url.searchParams.get("file") === "slow.png") waiting.push(answer);
      else answer();
    } else if (file) {
      const answer = (): void => void response.writeHead(200, { "content-type": file[0] }).end(file[1]);
      if (url.pathname === "/page.js" && scriptWaits) waiting.push(answer);
      else answer();
    } else if (url.pathname === "/favicon.ico") {
      response.writeHead(204).end();
    } else {
      const name = url.pathname.slice(1);
      response.writeHead(200, { "content-type": "text/html", "content-security-policy": POLICY });
      response.end(page(name, html(name)));
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    release: () => {
      scriptWaits = false;
      for (const answer of waiting.splice(0)) answer();
    },
    holdScript: () => {
      scriptWaits = true;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}

function page(name: string, html: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/page.css"><script src="/watch.js"></script></head>
<body><div id="root" data-scene="${name}">${html}</div><script src="/page.js" async></script></body></html>`;
}

function picture(url: URL, response: ServerResponse): void {
  const [width, height] = ["width", "height"].map((name) => Number(url.searchParams.get(name)));
  if (url.searchParams.get("file") === "missing.png") {
    response.writeHead(404, { "content-type": "application/problem+json" }).end("{}");
    return;
  }
  if (url.searchParams.get("file") === "small.png") {
    response.writeHead(200, { "content-type": "image/png" }).end(png(300, 100));
    return;
  }
  response.writeHead(200, { "content-type": "image/png", "cache-control": "max-age=300" });
  response.end(png(width as number, height || Math.round((width as number) / 1.5)));
}
