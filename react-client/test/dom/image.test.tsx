import { createRef, StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { Image, ImcaxyProvider, Picture } from "../../src/index.js";
import { BASE, imgIn, mount, provided } from "../mount.js";

const CAT = { src: "cat.jpg", alt: "A cat", width: 800, height: 600 };

const widthsOf = (srcSet: string): number[] =>
  [...srcSet.matchAll(/ (\d+)w/g)].map(([, width]) => Number(width));

describe("<Image>", () => {
  it("reserves its box by attributes and is lazy", async () => {
    const image = imgIn((await mount(provided(<Image {...CAT} />))).box);
    expect(image.getAttribute("width")).toBe("800");
    expect(image.getAttribute("height")).toBe("600");
    expect(image.getAttribute("loading")).toBe("lazy");
    expect(image.getAttribute("decoding")).toBe("async");
    expect(image.dataset.imcaxy).toBe("constrained cover");
    expect(image.src.startsWith(`${BASE}/crop?`)).toBe(true);
  });

  it("offers each width once and ends at twice the box", async () => {
    // unpic offers `640w` twice, and the caller's exact width.
    for (const width of [640, 641, 800]) {
      const image = imgIn((await mount(provided(<Image {...CAT} width={width} />))).box);
      const widths = widthsOf(image.srcset);
      expect(new Set(widths).size).toBe(widths.length);
      expect(widths).toEqual([...widths].sort((a, b) => a - b));
      expect(widths.at(-1)).toBe(width === 640 ? 1280 : width === 641 ? 1536 : 1920);
    }
  });

  it("leaves the shared ladder as it is", async () => {
    // unpic sorts it in place, and one picture reverses it for all.
    const widths = [320, 640, 1280];
    await mount(
      <ImcaxyProvider baseUrl={BASE} widths={Object.freeze(widths)}>
        <Image src="cat.jpg" alt="" layout="fullWidth" />
      </ImcaxyProvider>,
    );
    expect(widths).toEqual([320, 640, 1280]);
  });

  it("gives each candidate a height of its own ratio", async () => {
    // oh-image gives all of them the original height.
    const image = imgIn((await mount(provided(<Image {...CAT} />))).box);
    for (const address of image.srcset.split(", ")) {
      const query = new URL(address.split(" ")[0] as string).searchParams;
      expect(Number(query.get("width")) / Number(query.get("height"))).toBeCloseTo(4 / 3, 1);
    }
  });

  it("puts loading, sizes and srcset before src", async () => {
    const names = imgIn((await mount(provided(<Image {...CAT} />))).box).getAttributeNames();
    const [src, ...before] = ["src", "loading", "sizes", "srcset"].map((name) => names.indexOf(name));
    expect(Math.min(...before)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...before)).toBeLessThan(src as number);
  });

  it("takes a width in the middle of the ladder for src", async () => {
    // next/image takes the largest.
    const image = imgIn((await mount(provided(<Image src="cat.jpg" alt="" layout="fullWidth" />))).box);
    expect(new URL(image.src).searchParams.get("width")).toBe("1280");
  });

  it("keeps an empty alt", async () => {
    // react-imgix drops it.
    expect(imgIn((await mount(provided(<Image {...CAT} alt="" />))).box).getAttribute("alt")).toBe("");
  });

  it("keeps options that are 0 or false", async () => {
    // next-cloudinary drops them.
    const image = imgIn(
      (await mount(provided(<Image {...CAT} tabIndex={0} draggable={false} quality={1} />))).box,
    );
    expect(image.tabIndex).toBe(0);
    expect(image.getAttribute("draggable")).toBe("false");
    expect(new URL(image.src).searchParams.get("quality")).toBe("1");
  });

  it("escapes its source once", async () => {
    // oh-image does not escape it; another proxy takes the extension of my.photo.jpg for photo.
    const src = "a b/my.photo & friends?.jpg";
    const image = imgIn((await mount(provided(<Image {...CAT} src={src} />))).box);
    expect(new URL(image.src).searchParams.get("file")).toBe(src);
  });

  it("never has a style attribute", async () => {
    const pictures = (["constrained", "fixed", "fullWidth", "fill"] as const).map((layout) => {
      const box = layout === "fullWidth" || layout === "fill" ? {} : { width: 800, height: 600 };
      return <Image key={layout} src="cat.jpg" alt="" placeholder={{ color: "red" }} fallback={<b />} {...({ layout, ...box } as object as { layout: "fill" })} />;
    });
    const { box } = await mount(provided(pictures));
    expect(box.querySelectorAll("[data-imcaxy-frame]")).toHaveLength(4);
    expect(box.querySelectorAll("[style], style")).toHaveLength(0);
  });

  it("passes on what <img> takes, and nothing else", async () => {
    const image = imgIn(
      (
        await mount(
          provided(
            <Image {...CAT} id="cat" className="round" crossOrigin="anonymous" sourceWidth={900} fit="smart" params={{ sigma: 2 }} version="7" />,
          ),
        )
      ).box,
    );
    expect(image.getAttributeNames().sort()).toEqual(
      ["alt", "class", "crossorigin", "data-imcaxy", "decoding", "height", "id", "loading", "sizes", "src", "srcset", "width"],
    );
    expect(image.src).toContain("/smartcrop?");
    expect(image.src).toContain("&v=7");
    expect(image.src).toContain("sigma=2");
    expect(widthsOf(image.srcset).at(-1)).toBeLessThanOrEqual(960);
  });

  it("leaves data: and blob: sources alone", async () => {
    const src = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
    const image = imgIn((await mount(provided(<Image {...CAT} src={src} />))).box);
    expect(image.getAttribute("src")).toBe(src);
    expect(image.hasAttribute("srcset")).toBe(false);
  });

  it("is asked for first with priority, in the spelling of this React", async () => {
    const image = imgIn((await mount(provided(<Image {...CAT} priority />))).box);
    expect(image.getAttribute("fetchpriority")).toBe("high");
    expect(image.getAttribute("loading")).toBe("eager");
    expect(image.sizes).not.toContain("auto");
  });

  it("leaves the mark of the style sheet out when unstyled", async () => {
    const { box } = await mount(provided(<Image {...CAT} unstyled formats={["avif"]} />));
    expect(box.querySelectorAll("[data-imcaxy]")).toHaveLength(0);
  });

  it("gives its <img> to the ref, an object or a function", async () => {
    const object = createRef<HTMLImageElement>();
    const seen: unknown[] = [];
    const { box, gone } = await mount(
      provided(
        <>
          <Image {...CAT} ref={object} />
          <Image {...CAT} src="other.jpg" ref={(image) => void seen.push(image)} />
        </>,
      ),
    );
    const images = [...box.querySelectorAll("img")];
    expect([object.current, seen[0]]).toEqual(images);
    await gone();
    expect([object.current, seen.at(-1)]).toEqual([null, null]);
  });

  it("renders the same in StrictMode", async () => {
    const plain = await mount(provided(<Image {...CAT} placeholder="tiny" />));
    const strict = await mount(<StrictMode>{provided(<Image {...CAT} placeholder="tiny" />)}</StrictMode>);
    expect(strict.box.innerHTML).toBe(plain.box.innerHTML);
  });
});

describe("<Picture>", () => {
  const SOURCES = [{ media: "(max-width: 600px)", src: "cat-face.jpg", width: 400, height: 400 }];

  it("gives each case of art direction its own size and address", async () => {
    const { box } = await mount(provided(<Picture {...CAT} sources={SOURCES} />));
    const source = box.querySelector("picture > source") as HTMLSourceElement;
    expect(source.media).toBe("(max-width: 600px)");
    expect([source.getAttribute("width"), source.getAttribute("height")]).toEqual(["400", "400"]);
    expect(source.srcset).toContain("file=cat-face.jpg");
    expect(imgIn(box).src).toContain("file=cat.jpg");
  });

  it("offers every case in every format, best first", async () => {
    const { box } = await mount(provided(<Picture {...CAT} sources={SOURCES} formats={["avif", "webp"]} />));
    const offered = [...box.querySelectorAll("source")].map(({ media, type }) => [media, type]);
    expect(offered).toEqual([
      ["(max-width: 600px)", "image/avif"],
      ["(max-width: 600px)", "image/webp"],
      ["", "image/avif"],
      ["", "image/webp"],
    ]);
  });

  it("needs no <picture> for a single source", async () => {
    const { box } = await mount(provided(<Picture {...CAT} />));
    expect(box.firstElementChild?.tagName).toBe("IMG");
  });
});

describe("without a provider", () => {
  it("fails with a sentence that says what is missing", () => {
    expect(() => renderToString(<Image {...CAT} />)).toThrow(/ImcaxyProvider/);
  });
});
