import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const oldest = (name: string): string =>
  fileURLToPath(new URL(`./test/react18/node_modules/${name}`, import.meta.url));

// Every test of components runs with the newest React and with the oldest that is promised.
const REACT_18 = { alias: { react: oldest("react"), "react-dom": oldest("react-dom") } };
const COMPONENTS = { setupFiles: ["test/setup.ts"], include: ["test/{dom,ssr}/**/*.test.{ts,tsx}"] };

const PATIENT = { environment: "node", testTimeout: 60_000, hookTimeout: 60_000 }; // milliseconds

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", environment: "node", include: ["test/unit/**/*.test.ts"] } },
      { test: { name: "react19", environment: "jsdom", ...COMPONENTS } },
      { test: { name: "react18", environment: "jsdom", ...COMPONENTS }, resolve: REACT_18 },
      { test: { name: "page", include: ["test/page/**/*.test.ts"], ...PATIENT } },
      // Needs Python with imcaxy: the .venv that make sets up, or IMCAXY_PYTHON.
      { test: { name: "served", include: ["test/served/**/*.test.ts"], ...PATIENT } },
    ],
  },
});
