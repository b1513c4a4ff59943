import type { Browser, BrowserContext, BrowserContextOptions, Page, Response } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createImage, getPlaceholder } from "../../src/server.js";
import { launch } from "../page/browser.js";
import { serveImcaxy, TOKEN, type Imcaxy } from "./imcaxy.js";
import { openOrigin, type Origin } from "./origin.js";

const PICTURES = 30;
const DESKTOP: BrowserContextOptions = { viewport: { width: 1300, height: 900 } };
const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 780 }, deviceScaleFactor: 3 };

let browser: Browser;
let imcaxy: Imcaxy;
let origin: Origin;
beforeAll(async () => {
  [browser, imcaxy] = await Promise.all([launch(), serveImcaxy()]);
  origin = await openOrigin({ baseUrl: `${imcaxy.url}/imaginary`, version: "1", sources: [] });
  origin.gallery.sources = Array.from({ length: PICTURES }, (_, place) => `${origin.url}/photo-${place}.png`);
});
afterAll(async () => {
  await browser.close();
  await origin.close();
  await imcaxy.stop();
});

interface Visit {
  page: Page;
  /** Every answer of the image server. */
  answers: Response[];
}

/** The whole page as somebody sees it who scrolls to its end. */
async function visit(context: BrowserContext): Promise<Visit> {
  const page = await context.newPage();
  const answers: Response[] = [];
  page.on("response", (answer) => {
    if (answer.url().startsWith(imcaxy.url)) answers.push(answer);
  });
  await page.goto(origin.url);
  await page.waitForSelector("html[data-hydrated]");
  await seeAll(page);
  return { page, answers };
}

async function seeAll(page: Page): Promise<void> {
  for (const image of await page.locator("img").all()) {
    await image.scrollIntoViewIfNeeded();
    await image.evaluate((element: HTMLImageElement) => element.decode());
  }
}

const cacheStatus = (answer: Response): string => answer.headers()["cache-status"] ?? "";

/** The middle pixel of the first picture, as it is on the screen. */
function pixel(page: Page): Promise<number | undefined> {
  return page.evaluate(() => {
    const image = document.images[0] as HTMLImageElement;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [1, 1];
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    context.drawImage(image, 0, 0, 1, 1);
    return context.getImageData(0, 0, 1, 1).data[0];
  });
}

const around = (grey: number, seen: number | undefined): boolean => Math.abs((seen ?? -999) - grey) <= 3; // lossy

describe(`a page of ${PICTURES} pictures before a real server with a strict ladder`, () => {
  it("warms the cache: each picture is made once, and each original downloaded once", async () => {
    const context = await browser.newContext(DESKTOP);
    const { page, answers } = await visit(context);
    expect(answers.map((answer) => answer.status())).toEqual(Array(PICTURES).fill(200));
    expect(answers.filter((answer) => cacheStatus(answer).includes("fwd=miss"))).toHaveLength(PICTURES);
    expect([...origin.downloads.values()]).toEqual(Array(PICTURES).fill(1));
    expect(await page.evaluate(() => (window as unknown as { shift: number }).shift)).toBe(0);
    await context.close();
  });

  it("is all hits for the next visitor", async () => {
    const context = await browser.newContext(DESKTOP);
    const { page, answers } = await visit(context);
    expect(answers).toHaveLength(PICTURES);
    for (const answer of answers) expect(cacheStatus(answer)).toContain("; hit");
    expect(await page.evaluate(() => (window as unknown as { shift: number }).shift)).toBe(0);
    await context.close();
  });

  it("asks once for its priority picture, although a link begins it", async () => {
    const context = await browser.newContext(DESKTOP);
    const { page, answers } = await visit(context);
    expect(await page.locator('link[rel="preload"][imagesrcset]').count()).toBe(1);
    expect(answers.filter((answer) => answer.url().includes("photo-0.png"))).toHaveLength(1);
    await context.close();
  });

  it("costs a visitor who returns no bytes of pictures", async () => {
    const context = await browser.newContext(DESKTOP);
    const { page } = await visit(context);
    await page.reload();
    await page.waitForSelector("html[data-hydrated]");
    await seeAll(page);
    const seen = await page.evaluate(
      (server) =>
        (performance.getEntriesByType("resource") as PerformanceResourceTiming[])
          .filter(({ name }) => name.startsWith(server))
          .map(({ transferSize, encodedBodySize }) => transferSize < encodedBodySize),
      imcaxy.url,
    );
    expect(seen).toEqual(Array(PICTURES).fill(true)); // from its own cache, or a 304 of some 300 bytes
    await context.close();
  });

  it("gives a phone of density 3 the files of density 2", async () => {
    const context = await browser.newContext(PHONE);
    const { page } = await visit(context);
    const chosen = await page.$eval("img", (image: HTMLImageElement) => image.currentSrc);
    expect(new URL(chosen).searchParams.get("width")).toBe("750"); // 360 × 2, and the ladder's next
    expect(await page.evaluate(() => (window as unknown as { shift: number }).shift)).toBe(0);
    await context.close();
  });

  it("gives a placeholder as a data URL, and says so when there is none", async () => {
    const images = createImage(origin.gallery);
    const { dataUrl } = await getPlaceholder(images, origin.gallery.sources[0] as string);
    const [kind, text = ""] = dataUrl.split(",");
    expect(kind).toBe("data:image/webp;base64");
    expect(Buffer.from(text, "base64").subarray(8, 12).toString()).toBe("WEBP");
    await expect(getPlaceholder(images, "/no-such-file.png")).rejects.toThrow(/no-such-file.*40[034]/);
  });

  it("shows new pixels after an invalidation and with a new version, and not before", async () => {
    const context = await browser.newContext(DESKTOP);
    const { page } = await visit(context);
    expect(await pixel(page)).toSatisfy((seen: number) => around(64, seen));

    origin.grey = 200;
    origin.gallery = { ...origin.gallery, version: "2" };
    await page.reload();
    await seeAll(page);
    expect(await pixel(page)).toSatisfy((seen: number) => around(64, seen)); // a version does not clear a cache

    const cleared = await fetch(`${imcaxy.url}/invalidate`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({ urls: origin.gallery.sources }),
    });
    expect(cleared.status, await cleared.text()).toBe(200);
    origin.gallery = { ...origin.gallery, version: "3" };
    await page.reload();
    await seeAll(page);
    expect(await pixel(page)).toSatisfy((seen: number) => around(200, seen));
    await context.close();
  });
});
