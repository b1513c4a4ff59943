import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createImcaxy } from "../../src/url/index.js";
import type { OperationName, Operations } from "../../src/url/index.js";

const { url } = createImcaxy({ baseUrl: "" });
const LIMITS = JSON.parse(
  readFileSync(new URL("../../golden/limits.json", import.meta.url), "utf8"),
) as Record<string, number>;
const CAT = "https://origin.example/cat.jpg";
const asked = (operation: OperationName, params: object) => (): string =>
  url(CAT, operation, params as Operations[OperationName]);

afterEach(() => vi.unstubAllEnvs());

describe("in development, a TypeError names operation, parameter and value", () => {
  test.each<[OperationName, object, string]>([
    ["resize", { width: 300.4 }, "imcaxy: resize cannot take width=300.4: a whole number"],
    ["resize", { width: NaN }, "imcaxy: resize cannot take width=NaN: a whole number"],
    ["resize", { width: 1e9 + 1 }, "imcaxy: resize cannot take width=1000000001: 0 to 1000000000"],
    ["resize", { width: 300, top: -1 }, "imcaxy: resize cannot take top=-1: 0 to 1000000000"],
    ["blur", { sigma: 1000.5 }, "imcaxy: blur cannot take sigma=1000.5: 0 to 1000"],
    ["watermark", { text: "a", dpi: 65536 }, "imcaxy: watermark cannot take dpi=65536: 0 to 65535"],
    ["resize", {}, "imcaxy: resize needs width or height"],
    ["fit", { width: 300 }, "imcaxy: fit needs height"],
    ["zoom", { factor: 0 }, "imcaxy: zoom needs factor"],
    ["pipeline", { operations: [{ operation: "watermarkImage" }] }, "imcaxy: watermarkimage needs image"],
  ])("%s %o", (operation, params, message) => {
    expect(asked(operation, params)).toThrow(new TypeError(message));
  });

  // The server's grammar wrote it and holds to it in tests/contract/test_react_client.py.
  test.each(Object.entries(LIMITS))("%s is taken up to %d and no further", (name, largest) => {
    const values = (value: number): object => ({ width: 1, [name]: value });
    expect(asked("crop", values(largest))).not.toThrow();
    expect(asked("crop", values(largest > 1e300 ? Infinity : largest + 1))).toThrow(TypeError);
  });

  test("fractions are taken where they mean something", () => {
    expect(asked("blur", { sigma: 0.5 })()).toContain("sigma=0.5");
  });
});

test("in production the refusal is the server's", () => {
  vi.stubEnv("NODE_ENV", "production");
  expect(asked("resize", {})()).toBe("/resize?url=https%3A%2F%2Forigin.example%2Fcat.jpg");
});
