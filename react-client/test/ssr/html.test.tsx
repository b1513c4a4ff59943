import { PassThrough } from "node:stream";
import { StrictMode, version, type ReactElement } from "react";
import { renderToPipeableStream, renderToString } from "react-dom/server";
import { describe, expect, it, vi } from "vitest";
import { Image, Picture } from "../../src/index.js";
import { createImage } from "../../src/server.js";
import { BASE, become, hydrate, imgIn, mount, provided } from "../mount.js";

const CAT = { src: "cat.jpg", alt: "A cat", width: 800, height: 600 };
const SOURCES = [{ media: "(max-width: 600px)", width: 400, height: 400 }];
const REACT_18 = version.startsWith("18");

const PAGES: [string, ReactElement][] = [
  ["a lazy picture", <Image {...CAT} />],
  ["a priority picture", <Image {...CAT} priority />],
  ["art direction and formats", <Picture {...CAT} sources={SOURCES} formats={["avif", "webp"]} />],
  ["a tiny placeholder", <Image {...CAT} placeholder="tiny" />],
  ["a colour and a fallback", <Image {...CAT} placeholder={{ color: "#abc" }} fallback={<b>none</b>} />],
  ["a picture that fills", <Image src="cat.jpg" alt="" layout="fill" />],
];

async function streamed(element: ReactElement): Promise<string> {
  const body = new PassThrough();
  const { pipe } = renderToPipeableStream(element, { onShellReady: () => void pipe(body) });
  let html = "";
  for await (const part of body) html += String(part);
  return html;
}

// React 19 puts its preload links before the markup that it renders.
const withoutLinks = (html: string): string => html.replace(/<link rel="preload"[^>]*>/g, "");

describe("HTML from a server", () => {
  it.each(PAGES)("is the same in one piece, streamed and in the browser: %s", async (_, page) => {
    const html = renderToString(provided(page));
    expect(await streamed(provided(page))).toBe(html);
    const { box } = await mount(provided(page));
    const parsed = document.createElement("div");
    parsed.innerHTML = withoutLinks(html);
    expect(parsed.innerHTML).toBe(box.innerHTML);
  });

  // A mismatch is said in the console, which fails the test.
  it.each(PAGES)("hydrates without a word: %s", async (_, page) => {
    await hydrate(withoutLinks(renderToString(provided(page))), <StrictMode>{provided(page)}</StrictMode>);
  });

  it("has no style attribute", () => {
    for (const [, page] of PAGES) expect(renderToString(provided(page))).not.toMatch(/ style=|<style/);
  });

  it.skipIf(REACT_18)("begins a priority picture by a link with the same candidates", () => {
    const html = renderToString(provided(<Image {...CAT} priority crossOrigin="anonymous" />));
    const parsed = document.createElement("div");
    parsed.innerHTML = html;
    const [link, image] = [parsed.querySelector("link"), imgIn(parsed)];
    expect(link?.getAttribute("imagesrcset")).toBe(image.getAttribute("srcset"));
    expect(link?.getAttribute("imagesizes")).toBe(image.getAttribute("sizes"));
    expect(link?.getAttribute("fetchpriority")).toBe("high");
    expect(link?.hasAttribute("crossorigin")).toBe(true);
    expect(link?.hasAttribute("href")).toBe(false);
  });

  it("puts loading, sizes and srcset before src", () => {
    // Some browsers request src as soon as they read it.
    const [image = ""] = /<img[^>]*>/.exec(renderToString(provided(<Image {...CAT} />))) ?? [];
    const names = [...image.matchAll(/ ([a-z-]+)="/gi)].map(([, name]) => name?.toLowerCase());
    expect(names.at(-1)).toBe("src");
    expect(names).toEqual(expect.arrayContaining(["loading", "sizes", "srcset"]));
  });

  it("begins no picture that is lazy", () => {
    expect(renderToString(provided(<Image {...CAT} />))).not.toContain("<link");
  });
});

describe("a picture that was settled before hydration", () => {
  const html = (page: ReactElement): string => withoutLinks(renderToString(provided(page)));

  it("shows its fallback when it failed", async () => {
    const page = <Image {...CAT} fallback="/none.svg" />;
    const box = await hydrate(html(page), provided(page), (before) => become(imgIn(before), "error"));
    expect(imgIn(box).getAttribute("src")).toBe("/none.svg");
  });

  it("calls onError once", async () => {
    const onError = vi.fn();
    const page = <Image {...CAT} onError={onError} />;
    await hydrate(html(page), provided(page), (before) => become(imgIn(before), "error"));
    expect(onError).toHaveBeenCalledTimes(1);
  });

  it("drops its placeholder and calls onLoad once when it loaded", async () => {
    const onLoad = vi.fn();
    const page = <Image {...CAT} placeholder="tiny" onLoad={onLoad} />;
    const box = await hydrate(html(page), <StrictMode>{provided(page)}</StrictMode>, (before) =>
      become(imgIn(before), "loaded"),
    );
    expect(box.querySelector("[data-imcaxy-under]")).toBeNull();
    expect(onLoad).toHaveBeenCalledTimes(1);
  });
});

describe("stateless components", () => {
  const { Image: Plain, Picture: PlainPicture, urlAt } = createImage({ baseUrl: BASE });

  it("render what the interactive ones render", () => {
    expect(renderToString(<Plain {...CAT} priority />)).toBe(renderToString(provided(<Image {...CAT} priority />)));
    expect(renderToString(<PlainPicture {...CAT} sources={SOURCES} formats={["webp"]} />)).toBe(
      renderToString(provided(<Picture {...CAT} sources={SOURCES} formats={["webp"]} />)),
    );
  });

  it("come with the functions below them", () => {
    expect(urlAt({ src: "cat.jpg", layout: "fill" }, 100)).toBe(`${BASE}/resize?file=cat.jpg&type=auto&width=128`);
  });
});
