// What each entry adds to a page that has React: all that it exports, as Vite builds it, gzipped.
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const BUDGET = { index: 2500, server: 1500, "url/index": 900 }; // bytes

for (const [entry, most] of Object.entries(BUDGET)) {
  const { output } = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      modulePreload: false,
      target: "es2022",
      rollupOptions: {
        input: fileURLToPath(new URL(`../dist/${entry}.js`, import.meta.url)),
        external: /^react/,
        preserveEntrySignatures: "strict",
      },
    },
  });
  const bytes = gzipSync(output[0].code, { level: 9 }).length;
  console.log(`${entry}: ${bytes} of ${most} bytes gzipped`);
  if (bytes > most) process.exitCode = 1;
}
