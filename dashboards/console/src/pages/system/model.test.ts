import { expect, it } from "vitest";

import type { GettableAlert } from "../alerts/model";
import { byReason, counters, jsonLines, ownRows, sentWords, wrong, type DeadLetter } from "./model";

it("dead letters come as lines: none, one, many", () => {
  expect(jsonLines(null)).toEqual([]);
  expect(jsonLines("")).toEqual([]);
  expect(jsonLines({ number: 1 })).toEqual([{ number: 1 }]);
  expect(jsonLines('{"number":1}\n{"number":2}\n')).toEqual([{ number: 1 }, { number: 2 }]);
});

it("reasons are counted whatever numbers they name", () => {
  const letters = ["bad byte at 17", "bad byte at 9", "too large"].map((reason) => ({ reason }) as DeadLetter);
  expect(byReason(letters)).toEqual([["bad byte at N", 2], ["too large", 1]]);
});

it("counters are flat and sorted, and what went wrong stands out", () => {
  const all = counters({ b: 2, a: { c: 1, spans_dropped: 3 }, files_refused: 0, alert_changes: 4, text: "x", lag: { t: 1 }, stalled: [] });
  expect(all).toEqual([["a.c", 1], ["a.spans_dropped", 3], ["alert_changes", 4], ["b", 2], ["files_refused", 0]]);
  expect(wrong(all)).toEqual([["a.spans_dropped", 3]]);
});

it("a replay says what went where", () => {
  expect(sentWords({ otlp_spans: 2, store: 0 })).toBe("2 → otlp_spans");
});

it("alerts about Spanloom itself are those of the Alertmanager and of the store, each once", () => {
  const active = (fingerprint: string, labels: Record<string, string>): GettableAlert => ({
    fingerprint, labels, annotations: {}, startsAt: "2026-01-01T00:00:00Z", endsAt: "", updatedAt: "", receivers: [], generatorURL: "",
    status: { state: "active", silencedBy: [], inhibitedBy: [] },
  });
  const stored = (fingerprint: string, name: string, state: string) => ({ fingerprint, name, state, environment: "default", labels: { alertname: name }, summary: "", since: 0 });
  const rows = ownRows(
    [active("a", { alertname: "SpanloomDrops" }), active("b", { alertname: "SlowService" }), active("c", { alertname: "Mine", component: "spanloom" })],
    [stored("a", "SpanloomDrops", "firing"), stored("d", "SpanloomLagGrows", "pending")],
  );
  expect(rows.map((row) => [row.name, row.state]).sort()).toEqual([["Mine", "firing"], ["SpanloomDrops", "firing"], ["SpanloomLagGrows", "pending"]]);
});
