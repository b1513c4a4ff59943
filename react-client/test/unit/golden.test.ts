// The server's grammar wrote golden/urls.json and holds to it in tests/contract/test_react_client.py.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createImcaxy, parse, WIDTHS } from "../../src/url/index.js";
import type { OperationName, Operations } from "../../src/url/index.js";

interface Case {
  src: string;
  operation: OperationName;
  params: Operations[OperationName];
  version?: string;
  url: string;
}

const golden = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../golden/${name}`, import.meta.url), "utf8"));
const cases = golden("urls.json") as Case[];
const { url } = createImcaxy({ baseUrl: "" });

test("the ladder is the server's", () => {
  expect(WIDTHS).toEqual(golden("ladder.json"));
});

describe("urls are the server's canonical ones", () => {
  test.each(cases)("$operation $src $params", (one) => {
    expect(url(one.src, one.operation, one.params, one.version)).toBe(one.url);
  });
});

describe("parse is the inverse of url", () => {
  test.each(cases)("$url", (one) => {
    const { operation, src, params, version } = parse(one.url);
    const again = { ...params, ...(params.operations && { operations: JSON.parse(params.operations) }) };
    expect(url(src, operation, again as Operations[OperationName], version)).toBe(one.url);
  });
});
