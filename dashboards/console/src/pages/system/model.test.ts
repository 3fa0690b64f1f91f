import { expect, it } from "vitest";

import { byReason, counters, jsonLines, sentWords, wrong, type DeadLetter } from "./model";

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
