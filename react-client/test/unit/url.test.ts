import { expect, test } from "vitest";
import { createImcaxy, parse } from "../../src/url/index.js";

const imcaxy = createImcaxy({ baseUrl: "https://img.example.com/imaginary" });

test("url sorts parameters and leaves out what changes nothing", () => {
  const url = imcaxy.url("https://origin.example/a b.jpg", "crop", {
    width: 640,
    quality: 75,
    height: 360,
    flip: false,
  });
  expect(url).toBe(
    "https://img.example.com/imaginary/crop?height=360&url=https%3A%2F%2Forigin.example%2Fa%2520b.jpg&width=640",
  );
  expect(parse(url)).toEqual({
    operation: "crop",
    params: { height: "360", width: "640" },
    src: "https://origin.example/a%20b.jpg",
    version: undefined,
  });
});
