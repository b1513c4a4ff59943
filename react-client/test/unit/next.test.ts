import { expect, test } from "vitest";
import { createLoader, nextImageConfig } from "../../src/next.js";
import { WIDTHS } from "../../src/url/index.js";

test("the loader asks for the width that next/image names", () => {
  const loader = createLoader({ baseUrl: "https://img.example/imaginary", quality: 60, version: "7" });
  expect(loader({ src: "/cat.jpg", width: 640 })).toBe(
    "https://img.example/imaginary/resize?file=cat.jpg&quality=60&type=auto&v=7&width=640",
  );
  expect(loader({ src: "/cat.jpg", width: 640, quality: 75 })).not.toContain("quality");
});

test("the configuration of next/image has every width of the ladder once, those below the first screen apart", () => {
  const { imageSizes, deviceSizes } = nextImageConfig();
  expect([...imageSizes, ...deviceSizes]).toEqual(WIDTHS);
  expect(deviceSizes[0]).toBe(640);
  expect(nextImageConfig([100, 700])).toEqual({ imageSizes: [100], deviceSizes: [700] });
});
