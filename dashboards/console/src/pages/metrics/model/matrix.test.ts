import { expect, it } from "vitest";
import { linesOf, MOST_LINES, nameOf, stepFor } from "./matrix";

const answer = (result: { metric: Record<string, string>; values: [number, string][] }[]): Parameters<typeof linesOf>[0] => ({
  ...{ status: "success", data: { resultType: "matrix", result } },
});

it("puts series on common times, with nothing where there is nothing", () => {
  const { times, lines, more } = linesOf(
    answer([
      { metric: { __name__: "up", job: "a" }, values: [[1, "1"], [3, "NaN"]] },
      { metric: {}, values: [[2, "+Inf"], [3, "4.5"]] },
    ]),
  );
  expect(times).toEqual([1000, 2000, 3000]);
  expect(lines.map(({ name, values }) => [name, values])).toEqual([
    ['up{job="a"}', [1, null, null]],
    ["{}", [null, null, 4.5]],
  ]);
  expect(more).toBe(0);
  expect(linesOf(answer(Array.from({ length: 30 }, () => ({ metric: {}, values: [] })))).more).toBe(30 - MOST_LINES);
});

it("names series as PromQL does, and takes round steps", () => {
  expect(nameOf({ __name__: "up" })).toBe("up");
  expect(nameOf({ b: "2", a: "1" })).toBe('{a="1", b="2"}');
  expect([900_000, 86_400_000, 10 * 365 * 86_400_000].map(stepFor)).toEqual([5, 600, 86_400 * 16]);
});
