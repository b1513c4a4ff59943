import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const CLIENT_ONLY = ["context.ts", "frame.ts", "hooks.ts", "image.ts", "warnings.ts"];

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(ROOT, "node_modules/.server-component-"));
});
afterAll(() => rm(directory, { recursive: true }));

/** The entry for Node with React left outside, and the files of ours that are in it. */
async function bundled(entry: string): Promise<{ file: string; files: string[] }> {
  const file = join(directory, `${entry.replaceAll("/", "-")}.mjs`);
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [`src/${entry}`],
    outfile: file,
    bundle: true,
    format: "esm",
    jsx: "automatic",
    external: ["react", "react/jsx-runtime"],
    metafile: true,
  });
  return { file, files: Object.keys(metafile.inputs).map((path) => relative("src", path)) };
}

/** What a program prints where React is the one for Server Components: it has no state, effect or context. */
async function printed(program: string): Promise<unknown> {
  const file = join(directory, "program.mjs");
  await writeFile(file, program);
  const { stdout } = await promisify(execFile)("node", ["--conditions", "react-server", file]);
  return JSON.parse(stdout);
}

describe.each(["server.ts", "url/index.ts", "next.ts"])("%s", (entry) => {
  it("contains nothing that runs in a browser only", async () => {
    const { files } = await bundled(entry);
    expect(files.filter((file) => CLIENT_ONLY.includes(file))).toEqual([]);
  });

  it("loads where React has no client functions", async () => {
    const { file } = await bundled(entry);
    const probe = `import * as react from "react"; import * as it from ${JSON.stringify(file)};
      console.log(JSON.stringify([typeof react.createContext, typeof react.useState, Object.keys(it).length > 0]));`;
    expect(await printed(probe)).toEqual(["undefined", "undefined", true]);
  });
});

describe("a Server Component", () => {
  it("is plain elements without functions", async () => {
    const { file } = await bundled("server.ts");
    const probe = `import { createImage } from ${JSON.stringify(file)};
      const { Image, Picture } = createImage({ baseUrl: "https://img.example.com/imaginary" });
      const cat = { src: "cat.jpg", alt: "A cat", width: 800, height: 600 };
      console.log(JSON.stringify([Image({ ...cat, priority: true }), Picture({ ...cat, formats: ["avif"] })]));`;
    const [image, picture] = (await printed(probe)) as { type: string; props: Record<string, unknown> }[];
    expect(image).toMatchObject({ type: "img", props: { alt: "A cat", fetchPriority: "high" } });
    expect(picture).toMatchObject({ type: "picture" });
  });
});
