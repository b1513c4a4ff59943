import { afterEach, beforeEach, expect, vi } from "vitest";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

// Server and browser are one process here; nowhere else.
const BOTH_RENDERERS = /Detected multiple renderers concurrently rendering the same context provider/;

// React reports its own complaints, hydration mismatches among them, in the console only.
const said: unknown[][] = [];

/** What was said in the console since the last call; a test that expects nothing fails on anything. */
export function consoleOutput(): string[] {
  return said.splice(0).map((parts) => parts.join(" "));
}

beforeEach(() => {
  for (const method of ["error", "warn"] as const)
    vi.spyOn(console, method).mockImplementation((...parts) => {
      if (!BOTH_RENDERERS.test(String(parts[0]))) said.push(parts);
    });
});

afterEach(() => {
  vi.restoreAllMocks();
  expect(consoleOutput()).toEqual([]);
});
