import { join } from "node:path";
import { build } from "esbuild";
import { expect, it } from "vitest";

/** The components as a page's bundler takes them in. */
async function bundled(mode: "development" | "production"): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "../../src/index.ts")],
    bundle: true,
    minify: true,
    format: "esm",
    external: ["react"],
    define: { "process.env.NODE_ENV": JSON.stringify(mode) },
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

it("warns in development only: nothing of it is in a production build", async () => {
  expect(await bundled("development")).toContain("console.warn");
  const production = await bundled("production");
  expect(production).not.toContain("console.warn");
  expect(production).not.toContain("PerformanceObserver");
});
