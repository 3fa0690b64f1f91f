import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";

import type { Anomaly } from "../../api/numbers";
import { languageStore } from "../../i18n";
import { anomalyText, traceAnomalyText } from "./anomalyText";

const described = JSON.parse(readFileSync(new URL("../../../../api/openapi.json", import.meta.url), "utf8")) as {
  components: { schemas: { AnomalyKind: { enum: Anomaly["kind"][] } } };
};
const kinds = described.components.schemas.AnomalyKind.enum;

function anomaly(more: Partial<Anomaly>): Anomaly {
  return {
    id: "a", kind: "latency", service: "payment", operation: "", instance: "", environment: "default", start: 0, end: 1, score: 0.97,
    expected: 0.02, seen: 0.4, unit: "s", why: "in English", why_parts: null, series: { name: "latency", labels: {} }, trace_ids: [], ...more,
  };
}

afterEach(() => languageStore.set("en"));

test.each(kinds)("%s has a sentence in both languages", (kind) => {
  const given = anomaly({ kind, series: { name: "some.series", labels: {} } });
  expect(anomalyText(given)).toBe("in English");
  languageStore.set("zh");
  const words = anomalyText(given);
  expect(words).toMatch(/\p{Script=Han}/u);
  expect(words).not.toMatch(/[{}_]|undefined|NaN/u);
});

test("parts are a whole sentence to a Chinese reader", () => {
  languageStore.set("zh");
  const calls = { name: "spanloom_edge_latency_p95_seconds", labels: { client: "cart", server: "payment", operation: "Charge" } };
  expect(anomalyText(anomaly({ series: calls }))).toBe("cart → payment Charge 的 p95：400 ms，平时为 20 ms（20 倍）；分数 0.97");
  expect(anomalyText(anomaly({ kind: "errors", unit: "1", seen: 0.25, expected: 0, series: { name: "errors", labels: {} } }))).toBe("payment 的错误率：25%，平时为 0%；分数 0.97");
  expect(anomalyText(anomaly({ kind: "metric", unit: "By", seen: 2048, expected: 1024, series: { name: "heap", labels: {} } }))).toBe("payment 的 heap：2 KiB，平时为 1 KiB（2 倍）；分数 0.97");
  expect(anomalyText(anomaly({ kind: "throughput", unit: "{call}/s", seen: 3, expected: 6, series: { name: "calls", labels: {} } }))).toBe("payment 的吞吐量：3 call/s，平时为 6 call/s（0.5 倍）；分数 0.97");
  // What has no value keeps the words that are stored.
  expect(anomalyText(anomaly({ kind: "log" }))).toBe("日志：in English");
  expect(anomalyText(anomaly({ seen: null }))).toBe("延迟：in English");
  const parts = { code: "log_new", values: { lines: "7", line: "'no stock'" } };
  expect(anomalyText(anomaly({ kind: "log", why_parts: parts }))).toBe("出现 7 行从未见过的日志：'no stock'");
  expect(traceAnomalyText("in English", parts)).toBe("出现 7 行从未见过的日志：'no stock'");
  expect(traceAnomalyText("in English", null)).toBe("链路：in English");
});
