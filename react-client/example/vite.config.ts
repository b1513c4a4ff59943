import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [react()],
  resolve: {
    // The package as it stands in this folder; an application installs it and needs none of this.
    alias: [
      { find: "@imcaxy/react/styles.css", replacement: here("../src/styles.css") },
      { find: /^@imcaxy\/react$/, replacement: here("../src/index.ts") },
    ],
  },
  server: {
    port: 5173,
    // `make run` serves samples/ there. In production, give the provider the server's own address.
    proxy: { "/imaginary": process.env.IMCAXY_URL ?? "http://127.0.0.1:8080" },
    fs: { allow: [here("../..")] },
  },
});
