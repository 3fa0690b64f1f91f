import { expect, test } from "vitest";

import { measures, slowest, type ExemplarAnswer } from "./exemplars";

test("the largest with a trace are shown", () => {
  const exemplar = (trace: string, value: string) => ({ labels: (trace ? { trace_id: trace } : {}) as Record<string, string>, value, timestamp: 1.5 });
  const answer: ExemplarAnswer = { data: [{ seriesLabels: { job: "a" }, exemplars: [exemplar("t1", "0.1"), exemplar("", "9"), exemplar("t2", "3")] }] };
  expect(slowest(answer, 1)).toEqual([{ series: { job: "a" }, value: 3, time: 1500, trace: "t2", span: "" }]);
  expect(slowest(answer, 9).map(({ trace }) => trace)).toEqual(["t2", "t1"]);
});

test("exemplars share the axis of quantiles, and not that of counts", () => {
  expect(measures("histogram_quantile(0.95, sum by (le) (rate(requests_bucket[5m])))")).toBe(true);
  expect(measures("histogram_avg(rate(requests[5m]))")).toBe(true);
  expect(measures("sum(rate(requests_total[5m]))")).toBe(false);
  expect(measures("my_histogram_quantile")).toBe(false);
});
