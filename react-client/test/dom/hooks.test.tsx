import { useEffect, type ReactElement } from "react";
import { describe, expect, it } from "vitest";
import { Image, ImcaxyProvider, useImageProps, useImageStatus, useImageUrl, useImcaxy } from "../../src/index.js";
import { acting, BASE, become, imgIn, mount, provided, settle } from "../mount.js";

const CAT = { src: "cat.jpg", alt: "A cat", width: 800, height: 600 };

describe("<ImcaxyProvider>", () => {
  it("adds to the one above it, key by key", async () => {
    const { box } = await mount(
      <ImcaxyProvider baseUrl={BASE} version="1" quality={60}>
        <ImcaxyProvider version="2">
          <Image {...CAT} />
        </ImcaxyProvider>
      </ImcaxyProvider>,
    );
    const { href, searchParams } = new URL(imgIn(box).src);
    expect(href.startsWith(BASE)).toBe(true);
    expect([searchParams.get("v"), searchParams.get("quality")]).toEqual(["2", "60"]);
  });

  it("keeps its core while its content is the same", async () => {
    const cores = new Set<unknown>();
    function Probe(): null {
      cores.add(useImcaxy());
      return null;
    }
    const tree = (): ReactElement => (
      <ImcaxyProvider baseUrl={BASE} widths={[320, 640]}>
        <Probe />
      </ImcaxyProvider>
    );
    const { again } = await mount(tree());
    await again(tree());
    expect(cores.size).toBe(1);
  });

  it("shows a new version with new addresses", async () => {
    const tree = (version: string): ReactElement => (
      <ImcaxyProvider baseUrl={BASE} version={version}>
        <Image {...CAT} />
      </ImcaxyProvider>
    );
    const { box, again } = await mount(tree("1"));
    const image = imgIn(box);
    await again(tree("2"));
    expect(imgIn(box)).toBe(image);
    expect(image.src).toContain("&v=2");
  });

  it("does not change its mind on saving data once it is there", async () => {
    const tree = (saveData: boolean): ReactElement => (
      <ImcaxyProvider baseUrl={BASE} saveData={saveData}>
        <Image {...CAT} />
      </ImcaxyProvider>
    );
    const { box, again } = await mount(tree(false));
    const before = imgIn(box).srcset;
    await again(tree(true));
    expect(imgIn(box).srcset).toBe(before);
  });
});

describe("useImageUrl and useImageProps", () => {
  it("give what the components use", async () => {
    function Own(): ReactElement {
      return (
        <>
          <a href={useImageUrl({ ...CAT, format: "png" }, 500)}>png</a>
          <img {...useImageProps({ ...CAT, priority: true })} />
        </>
      );
    }
    const { box } = await mount(provided(<Own />));
    expect(box.querySelector("a")?.href).toBe(`${BASE}/crop?file=cat.jpg&height=480&type=png&width=640`);
    expect(imgIn(box).srcset).toContain("1920w");
    expect(imgIn(box).getAttribute("fetchpriority")).toBe("high");
  });
});

describe("useImageStatus", () => {
  function Watched({ src }: { src: string }): ReactElement {
    const [ref, status] = useImageStatus();
    return <img ref={ref} src={src} alt="" title={status} />;
  }

  it.each(["loaded", "error"] as const)("follows the element to %s", async (outcome) => {
    const { box } = await mount(<Watched src="/a.png" />);
    expect(imgIn(box).title).toBe("loading");
    await settle(imgIn(box), outcome);
    expect(imgIn(box).title).toBe(outcome);
  });

  it("starts anew with another src", async () => {
    const { box, again } = await mount(<Watched src="/a.png" />);
    await settle(imgIn(box), "loaded");
    Object.defineProperty(imgIn(box), "complete", { value: false });
    await again(<Watched src="/b.png" />);
    await acting(async () => undefined);
    expect(imgIn(box).title).toBe("loading");
  });

  it("knows a picture that was there before", async () => {
    const image = document.createElement("img");
    image.src = "/a.png";
    become(image, "loaded");
    function Adopted(): ReactElement {
      const [ref, status] = useImageStatus();
      useEffect(() => ref(image), [ref]);
      return <i>{status}</i>;
    }
    const { box } = await mount(<Adopted />);
    expect(box.textContent).toBe("loaded");
  });

  it("stops watching an element that is gone", async () => {
    // One library's clean-up watches the element again.
    function Replaced({ src }: { src: string }): ReactElement {
      const [ref, status] = useImageStatus();
      return <img key={src} ref={ref} src={src} alt="" title={status} />;
    }
    const { box, again } = await mount(<Replaced src="/a.png" />);
    const before = imgIn(box);
    await again(<Replaced src="/b.png" />);
    await settle(before, "error");
    expect(imgIn(box).title).toBe("loading");
    before.src = "/c.png"; // it has failed, says the element
    await acting(async () => undefined);
    expect(imgIn(box).title).toBe("loading");
  });
});
