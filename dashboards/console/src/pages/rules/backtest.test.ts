import { expect, test } from "vitest";

import { firingBands, labelText, type BacktestResult } from "./backtest";

const result = (...times: [number, number][]): BacktestResult => ({
  firings: times.map(([fired, resolved]) => ({ alert: "A", labels: {}, fired_at: fired * 1e6, resolved_at: resolved * 1e6 })),
  fired: times.length,
  ...{ never_fired: 0, evaluations: 0, points: 0, errors: {}, unseen: {}, notes: [] },
});

test("firings that overlap are one stretch, and one that goes on ends with the chart", () => {
  const bands = firingBands(result([10, 20], [15, 30], [40, 0]), { since: 0, until: 100 }, "fires");
  expect(bands.map(({ since, until }) => [since, until])).toEqual([
    [10, 30],
    [40, 100],
  ]);
});

test("one within another does not end it", () => {
  expect(firingBands(result([10, 50], [20, 30]), { since: 0, until: 100 }, "fires")).toHaveLength(1);
});

test("an alert is told by its labels without its name", () => {
  expect(labelText({ service: "b", alertname: "A", area: "x" })).toBe("area=x, service=b");
});
