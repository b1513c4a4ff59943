// What each entry weighs in a page: all that it exports, bundled without React, minified, gzipped.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const BUDGET = { index: 2500, server: 1500, "url/index": 900 }; // bytes

let over = false;
for (const [entry, most] of Object.entries(BUDGET)) {
  const { outputFiles } = await build({
    entryPoints: [`dist/${entry}.js`],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["react", "react-dom", "react/jsx-runtime"],
    define: { "process.env.NODE_ENV": '"production"' },
    write: false,
  });
  const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  over ||= bytes > most;
  console.log(`${entry}: ${bytes} of ${most} bytes gzipped`);
}
process.exitCode = over ? 1 : 0;
