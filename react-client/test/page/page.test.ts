import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { launch } from "./browser.js";
import { openSite, type Site } from "./site.js";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

interface View {
  width?: number;
  height?: number;
  dpr?: number;
}

describe.each(["19", "18"] as const)("a page with React %s", (react) => {
  let site: Site;
  beforeAll(async () => {
    site = await openSite(react);
  });
  afterAll(() => site.close());
  beforeEach(() => void site.asked.splice(0));

  const complaints: string[] = [];
  afterEach(() => expect(complaints.splice(0)).toEqual([]));

  async function visit(scene: string, { width = 1300, height = 900, dpr = 1 }: View = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width, height }, deviceScaleFactor: dpr });
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      // Chromium reports every 404 there too.
      if (message.type() === "error" && !message.text().includes("Failed to load resource"))
        complaints.push(message.text());
    });
    await page.goto(`${site.url}/${scene}`, { waitUntil: "commit" });
    return page;
  }

  const hydrated = (page: Page): Promise<unknown> => page.waitForSelector("html[data-hydrated]");

  async function settled(page: Page): Promise<void> {
    await hydrated(page);
    await page.waitForFunction(() => [...document.images].every((image) => image.complete));
    await page.waitForLoadState("networkidle");
  }

  const boxes = (page: Page, selector = "img:not([data-imcaxy-under])"): Promise<number[][]> =>
    page.$$eval(selector, (found) =>
      found.map((element) => {
        const { width, height } = element.getBoundingClientRect();
        return [width, height].map(Math.round);
      }),
    );

  const widths = (): number[] => site.asked.map(({ searchParams }) => Number(searchParams.get("width")));

  it.each([
    ["constrained", 1300, 1, [828]],
    ["constrained", 1300, 2, [1536, 1920]],
    ["constrained", 400, 1, [384, 480]],
    ["constrained", 400, 2, [750, 828]],
    ["fullWidth", 1000, 1, [960, 1080]],
    ["fullWidth", 360, 2, [750]],
    ["fixed", 1300, 1, [320]],
    ["fixed", 1300, 2, [640]],
  ])("asks for the right file: %s in %i px at %i×", async (scene, width, dpr, accepted) => {
    const page = await visit(scene, { width, dpr });
    await settled(page);
    expect(accepted).toContain(widths()[0]);
    expect(site.asked).toHaveLength(1);
  });

  it("gives a phone of density 3 the file of density 2", async () => {
    const page = await visit("fullWidth", { width: 360, height: 800, dpr: 3 });
    await settled(page);
    expect(widths()).toEqual([750]);
  });

  it.each(["column", "lateral"])("takes the size of the layout when lazy: %s", async (scene) => {
    const page = await visit(scene, { width: 1000 });
    await settled(page);
    expect(widths()).toEqual([320]);
  });

  it.each(["constrained", "fullWidth", "picture"])("asks once for a priority picture: %s", async (scene) => {
    const page = await visit(scene);
    await settled(page);
    expect(site.asked).toHaveLength(1);
    expect(await page.evaluate(() => document.images[0]?.fetchPriority)).toBe("high");
  });

  it("says in development that the largest picture of the page loads late", async () => {
    const page = await visit("column");
    const said = await page.waitForEvent("console", (message) => message.type() === "warning");
    expect(said.text()).toMatch(/cat\.png: .*loads late/);
  });

  it("asks for nothing that is far away", async () => {
    const page = await visit("far");
    await hydrated(page);
    await page.waitForLoadState("networkidle");
    expect(site.asked).toEqual([]);
  });

  it("shows the picture of the matching medium in its own ratio", async () => {
    const narrow = await visit("picture", { width: 500 });
    await settled(narrow);
    expect(site.asked.map(({ searchParams }) => searchParams.get("file"))).toEqual(["face.png"]);
    expect(await boxes(narrow)).toEqual([[400, 400]]);
    const wide = await visit("picture", { width: 1000 });
    await settled(wide);
    expect(await boxes(wide)).toEqual([[800, 600]]);
  });

  it("keeps its box when the source is smaller than that and has another shape", async () => {
    const page = await visit("small", { width: 1000, height: 2000 });
    await settled(page);
    expect(await boxes(page)).toEqual([
      [800, 600],
      [800, 600],
      [1000, 250],
    ]);
    expect(await page.evaluate(() => (window as unknown as { shift: number }).shift)).toBe(0);
    const fits = await page.$$eval("img", (images) => images.map((image) => getComputedStyle(image).objectFit));
    expect(fits).toEqual(["cover", "contain", "cover"]);
  });

  it("is one item of a grid, also with several sources", async () => {
    const page = await visit("grid");
    await settled(page);
    expect((await page.locator(".grid").boundingBox())?.height).toBe(600);
  });

  it("fills a box", async () => {
    const page = await visit("fill");
    await settled(page);
    expect(await boxes(page)).toEqual([[300, 500]]);
  });

  it("never moves what it shows, and breaks no policy", async () => {
    const page = await visit("many", { width: 700, height: 800 });
    await hydrated(page);
    for (const image of await page.locator("img:not([data-imcaxy-under])").all()) {
      await image.scrollIntoViewIfNeeded();
      await image.evaluate((element: HTMLImageElement) => element.decode());
    }
    await page.waitForFunction(() => !document.querySelector("[data-imcaxy-under]"));
    const seen = await page.evaluate(() => {
      const { shift, violations } = window as unknown as { shift: number; violations: string[] };
      return { shift, violations, pictures: document.images.length };
    });
    expect(seen).toEqual({ shift: 0, violations: [], pictures: 13 });
  });

  it("keeps the box of a picture that failed, with and without text", async () => {
    const page = await visit("broken");
    await settled(page);
    expect(await boxes(page)).toEqual([
      [300, 225],
      [300, 225],
    ]);
  });

  it("shows a fallback address in the same box, also when it failed before hydration", async () => {
    site.holdScript();
    const page = await visit("replaced");
    await page.waitForFunction(() => document.images[0]?.complete);
    const before = await boxes(page, "img, p");
    site.release();
    await settled(page);
    await page.waitForFunction(() => document.images[0]?.src.includes("/none?"));
    await settled(page);
    expect(await boxes(page, "img, p")).toEqual(before);
    expect(site.asked.filter(({ pathname }) => pathname.endsWith("/none"))).toHaveLength(1);
  });

  it("shows a fallback node in the same box, also when it failed before hydration", async () => {
    site.holdScript();
    const page = await visit("node");
    await page.waitForFunction(() => document.images[0]?.complete);
    site.release();
    await page.waitForSelector("#instead");
    expect(await boxes(page, "img, [data-imcaxy-over]")).toEqual([
      [300, 225],
      [300, 225],
    ]);
    expect(await page.$eval("img", (image) => getComputedStyle(image).visibility)).toBe("hidden");
    const shift = await page.evaluate(() => (window as unknown as { shift: number }).shift);
    expect(shift).toBe(0);
  });

  it("shows placeholders as large as the pictures, until these are there", async () => {
    const page = await visit("waiting");
    await hydrated(page);
    const places = [
      [300, 225],
      [300, 225],
      [200, 100],
    ];
    expect(await boxes(page)).toEqual(places);
    expect(await boxes(page, "[data-imcaxy-frame]")).toEqual(places);
    expect(await page.locator("[data-imcaxy-under]").count()).toBe(3);
    site.release(); // the tiny one waits for the same source
    await page.waitForFunction(() => !document.querySelector("[data-imcaxy-under]"));
    site.release();
    expect(await boxes(page)).toEqual(places);
  });
});
