import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Relative addresses: the server writes <base href> of wherever a proxy has put it. No file inlined: the policy allows files only.
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    outDir: "static",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    target: "es2022",
    chunkSizeWarningLimit: 2000,
  },
  worker: { format: "es" },
  server: { proxy: { "/api": "http://127.0.0.1:8080", "/prometheus": "http://127.0.0.1:8080" } },
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node", pool: "threads", maxWorkers: 1 },
});
