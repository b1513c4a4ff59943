import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { clientScript, serverModule } from "../page/bundle.js";
import { png } from "../page/png.js";
import type { Gallery } from "./gallery.js";

const HERE = import.meta.dirname;
const SHEET = ".grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 8px }";

/** Kept in the page before anything is painted. */
const WATCH = `window.shift = 0;
new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.shift += entry.value })
  .observe({ type: "layout-shift", buffered: true });`;

export interface Origin {
  url: string;
  /** How often each original was downloaded, by its path. */
  downloads: Map<string, number>;
  /** What the page shows, and the grey of the originals from now on: 0 to 255. */
  gallery: Gallery;
  grey: number;
  close(): Promise<void>;
}

/** The site: originals of 1600 × 1066 pixels, and a page of them that was rendered here. */
export async function openOrigin(gallery: Gallery): Promise<Origin> {
  const [script, { html }, sheet] = await Promise.all([
    clientScript(join(HERE, "client.tsx")),
    serverModule<{ html: (shown: Gallery) => string }>(join(HERE, "server.tsx")),
    readFile(join(HERE, "../../src/styles.css"), "utf8"),
  ]);
  const downloads = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const send = (type: string, body: string | Buffer): void =>
      void response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
    if (path.startsWith("/photo-")) {
      downloads.set(path, (downloads.get(path) ?? 0) + 1);
      send("image/png", png(1600, 1066, origin.grey));
    } else if (path === "/page.js") send("text/javascript", script);
    else if (path === "/page.css") send("text/css", SHEET + sheet);
    else if (path === "/favicon.ico") response.writeHead(204).end();
    else send("text/html", page(origin.gallery, html(origin.gallery)));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const origin: Origin = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    downloads,
    gallery,
    grey: 64,
    close: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
  return origin;
}

function page(gallery: Gallery, html: string): string {
  const data = JSON.stringify(gallery).replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Gallery</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><script>${WATCH}</script>
<link rel="stylesheet" href="/page.css"></head>
<body><div id="root" data-gallery="${data}">${html}</div><script src="/page.js" async></script></body></html>`;
}
