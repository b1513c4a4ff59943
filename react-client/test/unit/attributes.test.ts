// UPDATE_GOLDEN=1 writes golden/images.json anew; tests/contract/test_react_client.py holds its URLs to be canonical.
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createAttributes } from "../../src/attributes/index.js";
import type { PictureAttributes, PictureOptions } from "../../src/attributes/index.js";
import { WIDTHS } from "../../src/url/index.js";
import type { Config } from "../../src/url/index.js";

const BASE: Config = { baseUrl: "https://img.example/imaginary" };
const CAT = "https://origin.example/cat.jpg";
const GOLDEN = new URL("../../golden/images.json", import.meta.url);

const CASES: { config: Partial<Config>; options: PictureOptions }[] = [
  { config: {}, options: { src: CAT, width: 800, height: 600 } },
  { config: {}, options: { src: CAT, width: 801, height: 600, fit: "contain", priority: true } },
  { config: { quality: 40 }, options: { src: CAT, width: 300, aspectRatio: 1.5, fit: "smart" } },
  { config: {}, options: { src: CAT, height: 300, aspectRatio: 1.5, loading: "eager" } },
  { config: {}, options: { src: CAT, width: 640 } },
  { config: { maxDpr: 3 }, options: { src: CAT, layout: "fixed", width: 48, height: 48 } },
  { config: {}, options: { src: CAT, layout: "fullWidth", aspectRatio: 16 / 9 } },
  { config: { saveData: true }, options: { src: CAT, layout: "fullWidth" } },
  { config: { widths: [100, 200, 400] }, options: { src: CAT, layout: "fill", sourceWidth: 250 } },
  { config: { version: "3f2c1a9" }, options: { src: CAT, width: 200, height: 100, sourceWidth: 40 } },
  {
    config: { sourceBase: "https://origin.example/photos/", quality: 60, format: "webp" },
    options: { src: "cat 1.jpg", width: 320, height: 320, version: "2", sizes: "50vw" },
  },
  {
    config: {},
    options: {
      src: "photos/cat.jpg",
      width: 320,
      height: 320,
      format: "png",
      params: { gravity: "north", flip: false, background: [255, 255, 255] },
    },
  },
  { config: {}, options: { src: "data:image/gif;base64,R0lGODlhAQABAAAAACw=", width: 1, height: 1 } },
  { config: {}, options: { src: CAT, width: 800, height: 600, formats: ["avif", "webp"] } },
  {
    config: {},
    options: {
      src: CAT,
      width: 800,
      height: 600,
      formats: ["avif", "webp"],
      format: "jpeg",
      sources: [{ media: "(max-width: 600px)", width: 400, height: 600, src: "https://origin.example/tall.jpg" }],
    },
  },
  {
    config: {},
    options: {
      src: CAT,
      layout: "fullWidth",
      aspectRatio: 3,
      sources: [{ media: "(max-width: 600px)", width: 1, height: 1, fit: "smart" }],
    },
  },
];

const made = (): string =>
  `[\n${CASES.map(({ config, options }) =>
    JSON.stringify({ config, options, attributes: createAttributes({ ...BASE, ...config }).picture(options) }),
  ).join(",\n")}\n]\n`;

test("attributes are those of the golden file", () => {
  if (process.env.UPDATE_GOLDEN) writeFileSync(GOLDEN, made());
  expect(made().split("\n")).toEqual(readFileSync(GOLDEN, "utf8").split("\n"));
});

const widthsOf = (srcSet = ""): number[] =>
  srcSet.split(", ").map((candidate) => Number(/ (\d+)w$/.exec(candidate)?.[1]));
const image = (options: PictureOptions, config: Partial<Config> = {}): PictureAttributes["img"] =>
  createAttributes({ ...BASE, ...config }).image(options);

describe("srcset", () => {
  const side = fc.integer({ min: 1, max: 5000 });
  const layout = fc.constantFrom("constrained" as const, "fixed" as const);

  test("offers widths of the ladder only, rising, each once, none more than one step above twice the width", () => {
    fc.assert(
      fc.property(side, side, layout, fc.option(side, { nil: undefined }), (width, height, layout, sourceWidth) => {
        const widths = widthsOf(image({ src: CAT, width, height, layout, sourceWidth }).srcSet);
        expect(widths.length).toBeGreaterThan(0);
        expect(widths).toEqual([...new Set(widths)].sort((a, b) => a - b));
        expect(WIDTHS).toEqual(expect.arrayContaining(widths));
        const below = widths.slice(0, -1);
        for (const step of below) expect(step).toBeLessThan(Math.min(2 * width, sourceWidth ?? Infinity));
      }),
    );
  });

  test("keeps the shape on every width", () => {
    fc.assert(
      fc.property(side, fc.integer({ min: 100, max: 5000 }), (width, height) => {
        fc.pre(width / height > 0.1 && width / height < 10);
        for (const [, tall, wide] of (image({ src: CAT, width, height }).srcSet ?? "").matchAll(
          /height=(\d+)&type=auto&url=[^&]+&width=(\d+)/g,
        ))
          expect(Math.abs(Number(tall) - (Number(wide) * height) / width)).toBeLessThanOrEqual(0.5);
      }),
    );
  });

  test("leaves the ladder as it was", () => {
    const before = [...WIDTHS];
    image({ src: CAT, layout: "fullWidth" });
    expect(WIDTHS).toEqual(before);
  });

  test("agrees with the address in src", () => {
    const { src, srcSet } = image({ src: CAT, width: 800, height: 600 });
    expect(srcSet?.split(", ").map((it) => it.split(" ")[0])).toContain(src);
  });
});

describe("sizes", () => {
  test("measure themselves when lazy and the box is known", () => {
    expect(image({ src: CAT, width: 800, height: 600 }).sizes).toBe(
      "auto, (min-width: 800px) 800px, (min-resolution: 2.5dppx) 67vw, 100vw",
    );
    expect(image({ src: CAT, width: 800 }).sizes).not.toContain("auto"); // no height: it would be 150 pixels
    expect(image({ src: CAT, width: 800, height: 600, priority: true }).sizes).not.toContain("auto");
    expect(image({ src: CAT, layout: "fullWidth", aspectRatio: 2 }).sizes).toBe(
      "auto, (min-resolution: 2.5dppx) 67vw, 100vw",
    );
  });

  test("cap the density at one when data is to be saved", () => {
    const { sizes, srcSet } = image({ src: CAT, width: 320, height: 320 }, { saveData: true });
    expect(sizes).toContain("(min-resolution: 1.5dppx) 50vw");
    expect(widthsOf(srcSet).at(-1)).toBe(320);
  });
});

test("image passes on what is no option, and has src last", () => {
  const attributes = createAttributes(BASE).image({ src: CAT, width: 9, height: 9, alt: "", id: "cat" });
  expect(attributes).toMatchObject({ alt: "", id: "cat" });
  expect(Object.keys(attributes).at(-1)).toBe("src");
  expect(attributes).not.toHaveProperty("fit");
});
