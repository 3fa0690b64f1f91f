import { expect, test } from "vitest";

import { dragged, lonely, summary, timeLabel, withGaps } from "./chartData";

test("a time without values is a gap and no line", () => {
  expect(withGaps([0, 10, 40, 50], [[1, 2, 3, 4]], 10)).toEqual([
    [0, 10, 20, 40, 50],
    [1, 2, null, 3, 4],
  ]);
  expect(withGaps([0, 10], [[null, 0]], 10)).toEqual([[0, 10], [null, 0]]);
});

test("a value without neighbours is found", () => expect(lonely([null, 1, null, 2, 3, null, 4])).toEqual([1, 6]));

test("the newest value is the newest that is known", () => {
  expect(summary([3, 1, null])).toEqual({ last: 1, min: 1, max: 3 });
  expect(summary([null])).toBeNull();
});

test("a drag stays inside the axis, whichever way it goes; a click is none", () => {
  const axis = { since: 100, until: 200 };
  expect(dragged(180.4, 90, axis)).toEqual({ since: 100, until: 181 });
  expect(dragged(150, 150, axis)).toBeNull();
});

test("labels have the date where the axis needs it", () => {
  const noon = new Date(2026, 0, 2, 12, 5, 9).getTime();
  const axis = (length: number) => ({ since: noon - length, until: noon });
  expect([60_000, 3_600_000, 2 * 86_400_000, 9 * 86_400_000].map((length) => timeLabel(noon, axis(length)))).toEqual([
    "12:05:09",
    "12:05",
    "01-02 12:05",
    "01-02",
  ]);
});
