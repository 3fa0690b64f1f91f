import { expect, it } from "vitest";

import { agrees, matrixSeries, nameOf, stepOf } from "./matrix";

it("lines stand at their times, and a missing sample is a gap", () => {
  const found = matrixSeries([{ metric: { __name__: "up", a: "b" }, values: [[10, "1"], [30, "2.5"], [40, "NaN"]] }], 10, 40, 10);
  expect(found.times).toEqual([10_000, 20_000, 30_000, 40_000]);
  expect(found.series).toEqual([{ name: 'up{a="b"}', values: [1, null, 2.5, null] }]);
});

it("of many series those of the alert are drawn, else the first eight", () => {
  const matrix = Array.from({ length: 10 }, (_, i) => ({ metric: { service: `s${i}` }, values: [[0, "1"]] as [number, string][] }));
  expect(matrixSeries(matrix, 0, 10, 10, { service: "s3", severity: "page" }).series.map((each) => each.name)).toEqual(['{service="s3"}']);
  expect(matrixSeries(matrix, 0, 10, 10, { service: "none" })).toMatchObject({ more: 2 });
  expect(agrees({ service: "a", le: "1" }, { service: "a" })).toBe(true);
  expect(agrees({ service: "a" }, { service: "b" })).toBe(false);
  expect(nameOf({})).toBe("value");
});

it.each([[60, 1], [900, 5], [86_400, 600], [604_800, 3_600], [1e9, 86_400]])("a range of %d s has a point every %d s", (seconds, step) => {
  expect(stepOf(seconds)).toBe(step);
});
