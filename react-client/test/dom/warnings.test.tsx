import type { ReactElement } from "react";
import { describe, expect, it, vi } from "vitest";
import { Image, Picture } from "../../src/index.js";
import { acting, imgIn, mount, provided } from "../mount.js";
import { consoleOutput } from "../setup.js";

const BOX = { alt: "", width: 800, height: 600 };

interface Figures {
  clientWidth?: number;
  naturalHeight?: number;
  currentSrc?: string;
  styled?: boolean;
}

/** What is said once the picture has loaded. jsdom lays nothing out: the figures are the test's. */
async function saidOf(picture: ReactElement, { styled = true, ...figures }: Figures): Promise<string[]> {
  const image = imgIn((await mount(provided(picture))).box);
  if (styled) image.style.setProperty("--imcaxy", "1");
  const known = { complete: true, naturalWidth: 640, naturalHeight: 480, currentSrc: image.src, ...figures };
  for (const [name, value] of Object.entries(known)) Object.defineProperty(image, name, { value });
  await acting(async () => void image.dispatchEvent(new Event("load")));
  return consoleOutput();
}

describe("a warning", () => {
  it("is not given for a picture that is right", async () => {
    expect(await saidOf(<Image {...BOX} src="right.jpg" />, { clientWidth: 500 })).toEqual([]);
  });

  it("names a picture whose attributes have another ratio", async () => {
    const [said] = await saidOf(<Image {...BOX} src="crooked.jpg" />, { naturalHeight: 640 });
    expect(said).toMatch(/crooked\.jpg.*800 × 600.*640 × 640/);
  });

  it.each([{ fit: "contain" }, { sourceWidth: 640 }] as const)("allows another ratio with %o", async (props) => {
    expect(await saidOf(<Image {...BOX} {...props} src="other.jpg" />, { naturalHeight: 640 })).toEqual([]);
  });

  it("compares with the case of art direction that is shown", async () => {
    const square = { media: "(min-width: 1px)", width: 400, height: 400 };
    const never = { media: "print", width: 100, height: 400 };
    vi.stubGlobal("matchMedia", (media: string) => ({ matches: media !== "print" }));
    const picture = <Picture {...BOX} src="square.jpg" sources={[never, square]} />;
    expect(await saidOf(picture, { naturalHeight: 640 })).toEqual([]);
    vi.unstubAllGlobals();
  });

  it("names a file of more than twice the pixels shown", async () => {
    const [said] = await saidOf(<Image {...BOX} src="large.jpg" />, { clientWidth: 300 });
    expect(said).toMatch(/large\.jpg: 828 pixels.*300/);
  });

  it("says that the style sheet is missing", async () => {
    const [said] = await saidOf(<Image {...BOX} src="bare.jpg" />, { clientWidth: 500, styled: false });
    expect(said).toMatch(/@imcaxy\/react\/styles\.css/);
  });

  it("says that a width is above the ladder", async () => {
    await mount(provided(<Image src="huge.jpg" alt="" width={5000} height={10} />));
    expect(consoleOutput()).toEqual([expect.stringMatching(/huge\.jpg: width 5000.*3840/)]);
  });

  it("says when more than two pictures have priority, and counts those that left", async () => {
    const pictures = (names: string[]): ReactElement =>
      provided(names.map((name) => <Image key={name} {...BOX} src={name} priority />));
    const { again } = await mount(pictures(["p1", "p2"]));
    await again(pictures(["p3", "p4"]));
    expect(consoleOutput()).toEqual([]);
    await again(pictures(["p3", "p4", "p5"]));
    expect(consoleOutput()).toEqual([expect.stringMatching(/p5: 3 pictures have priority/)]);
  });

  it("is given once for each picture", async () => {
    const picture = <Image {...BOX} src="twice.jpg" />;
    expect(await saidOf(picture, { naturalHeight: 640 })).toHaveLength(1);
    await acting(async () => document.body.replaceChildren());
    expect(await saidOf(picture, { naturalHeight: 640 })).toEqual([]);
  });
});
