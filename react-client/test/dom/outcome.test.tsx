import { useState } from "react";
import { describe, expect, it, vi } from "vitest";
import { Image, Picture } from "../../src/index.js";
import { acting, imgIn, mount, provided, settle } from "../mount.js";

const CAT = { src: "cat.jpg", alt: "A cat", width: 800, height: 600 };
const DOG = { ...CAT, src: "dog.jpg" };
const SOURCES = [{ media: "(max-width: 600px)", width: 400, height: 400 }];

describe("a fallback address", () => {
  it("replaces a picture that failed, without its candidates, in the same box", async () => {
    const { box } = await mount(provided(<Image {...CAT} fallback="/none.svg" />));
    const image = imgIn(box);
    await settle(image, "error");
    expect(imgIn(box)).toBe(image);
    expect(image.getAttribute("src")).toBe("/none.svg");
    expect(image.hasAttribute("srcset")).toBe(false);
    expect(image.hasAttribute("sizes")).toBe(false);
    expect([image.getAttribute("width"), image.getAttribute("height")]).toEqual(["800", "600"]);
    expect(image.alt).toBe("A cat");
  });

  it("is tried once, and stays when it loads", async () => {
    // A guard that is made anew by each render tries for ever.
    const onError = vi.fn();
    const { box } = await mount(provided(<Image {...CAT} fallback="/none.svg" onError={onError} />));
    const image = imgIn(box);
    await settle(image, "error");
    await settle(image, "error");
    expect(image.getAttribute("src")).toBe("/none.svg");
    expect(onError).toHaveBeenCalledTimes(2);
    await settle(image, "loaded", "https://img.example.com/late");
    expect(image.getAttribute("src")).toBe("/none.svg");
  });

  it("gives way to another source", async () => {
    const { box, again } = await mount(provided(<Image {...CAT} fallback="/none.svg" />));
    await settle(imgIn(box), "error");
    await again(provided(<Image {...DOG} fallback="/none.svg" />));
    expect(imgIn(box).src).toContain("file=dog.jpg");
    expect(imgIn(box).srcset).toContain("file=dog.jpg");
  });

  it("stands in every <source>, which keeps its size", async () => {
    const { box } = await mount(
      provided(<Picture {...CAT} sources={SOURCES} formats={["avif"]} fallback="/no picture.svg" />),
    );
    const image = imgIn(box);
    await settle(image, "error");
    expect(imgIn(box)).toBe(image);
    const [source] = box.querySelectorAll("source");
    expect(source?.getAttribute("srcset")).toBe("/no%20picture.svg");
    expect(source?.getAttribute("width")).toBe("400");
    expect(source?.hasAttribute("type")).toBe(false);
  });
});

describe("a fallback node", () => {
  it("appears over the picture's own box, and only when it failed", async () => {
    const { box } = await mount(provided(<Image {...CAT} fallback={<b>No picture</b>} />));
    const image = imgIn(box);
    expect(box.querySelector("b")).toBeNull();
    await settle(image, "error");
    const frame = image.parentElement as HTMLElement;
    expect(frame.dataset).toMatchObject({ imcaxyFrame: "constrained", imcaxyFailed: "" });
    expect(frame.querySelector("[data-imcaxy-over] > b")).not.toBeNull();
    expect(imgIn(box)).toBe(image);
  });

  it("goes when another source is shown", async () => {
    const { box, again } = await mount(provided(<Image {...CAT} fallback={<b />} />));
    await settle(imgIn(box), "error");
    await again(provided(<Image {...DOG} fallback={<b />} />));
    expect(box.querySelector("b")).toBeNull();
    expect(box.querySelector("[data-imcaxy-failed]")).toBeNull();
  });
});

describe("a placeholder", () => {
  const under = (box: HTMLElement): Element | null => box.querySelector("[data-imcaxy-under]");

  it("is the same picture in the smallest width of the ladder when tiny", async () => {
    const { box } = await mount(provided(<Image {...CAT} placeholder="tiny" />));
    const image = under(box) as HTMLImageElement;
    const asked = new URL(image.src).searchParams;
    expect([asked.get("width"), asked.get("height"), asked.get("file")]).toEqual(["64", "48", "cat.jpg"]);
    expect(image.getAttribute("alt")).toBe("");
    expect(image.getAttribute("aria-hidden")).toBe("true");
  });

  it("is drawn without a style attribute when it is a colour", async () => {
    const { box } = await mount(provided(<Image {...CAT} placeholder={{ color: "rgb(1 2 3)" }} />));
    expect(under(box)?.querySelector("rect")?.getAttribute("fill")).toBe("rgb(1 2 3)");
  });

  it("shows a data URL", async () => {
    const dataUrl = "data:image/webp;base64,AA==";
    const { box } = await mount(provided(<Image {...CAT} placeholder={{ dataUrl }} />));
    expect(under(box)?.getAttribute("src")).toBe(dataUrl);
  });

  it.each(["loaded", "error"] as const)("is gone once the picture has %s, so that nothing shows through", async (outcome) => {
    const { box } = await mount(provided(<Image {...CAT} placeholder="tiny" />));
    const image = imgIn(box);
    await settle(image, outcome);
    expect(under(box)).toBeNull();
    expect(imgIn(box)).toBe(image);
  });

  it("stays until the pixels are decoded", async () => {
    const { box } = await mount(provided(<Image {...CAT} placeholder="tiny" />));
    const image = imgIn(box);
    let decoded: () => void = () => undefined;
    image.decode = () => new Promise((resolve) => (decoded = resolve));
    await settle(image, "loaded");
    expect(under(box)).not.toBeNull();
    await acting(async () => decoded());
    expect(under(box)).toBeNull();
  });

  it("is back for another source", async () => {
    const { box, again } = await mount(provided(<Image {...CAT} placeholder="tiny" />));
    await settle(imgIn(box), "loaded");
    await again(provided(<Image {...DOG} placeholder="tiny" />));
    expect(under(box)?.getAttribute("src")).toContain("dog.jpg");
  });

  it("needs no box when there is none", async () => {
    const { box } = await mount(provided(<Image {...CAT} placeholder="none" />));
    expect(box.querySelector("span")).toBeNull();
  });
});

describe("onLoad", () => {
  it("is called once for a file, however often its event comes", async () => {
    const onLoad = vi.fn();
    const { box } = await mount(provided(<Image {...CAT} onLoad={onLoad} />));
    await settle(imgIn(box), "loaded");
    await settle(imgIn(box), "loaded");
    expect(onLoad).toHaveBeenCalledTimes(1);
    await settle(imgIn(box), "loaded", "https://img.example.com/larger");
    expect(onLoad).toHaveBeenCalledTimes(2);
  });

  it("may render the parent again", async () => {
    function Parent(): React.ReactElement {
      const [loads, setLoads] = useState(0);
      return (
        <>
          <i>{loads}</i>
          <Image {...CAT} onLoad={() => setLoads((before) => before + 1)} />
        </>
      );
    }
    const { box } = await mount(provided(<Parent />));
    await settle(imgIn(box), "loaded");
    expect(box.querySelector("i")?.textContent).toBe("1");
  });
});
