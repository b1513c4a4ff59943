import { createRequire } from "node:module";
import { join } from "node:path";
import { build, type BuildOptions } from "esbuild";

export type ReactVersion = "18" | "19";

function options(entry: string, react: ReactVersion): BuildOptions {
  const oldest = join(import.meta.dirname, "../react18/node_modules");
  return {
    entryPoints: [entry],
    bundle: true,
    jsx: "automatic",
    write: false,
    define: { "process.env.NODE_ENV": '"development"' },
    ...(react === "18" && { alias: { react: join(oldest, "react"), "react-dom": join(oldest, "react-dom") } }),
  };
}

/** The script of a page. */
export async function clientScript(entry: string, react: ReactVersion = "19"): Promise<string> {
  const { outputFiles } = await build({ ...options(entry, react), format: "iife" });
  return outputFiles?.[0]?.text ?? "";
}

/** What a module exports when it is run here, with a React of its own. */
export async function serverModule<Exports>(entry: string, react: ReactVersion = "19"): Promise<Exports> {
  const { outputFiles } = await build({ ...options(entry, react), format: "cjs", platform: "node" });
  const module = { exports: {} as Exports };
  new Function("module", "exports", "require", outputFiles?.[0]?.text ?? "")(
    module,
    module.exports,
    createRequire(import.meta.url),
  );
  return module.exports;
}
