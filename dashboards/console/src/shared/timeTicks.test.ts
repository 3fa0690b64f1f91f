import { expect, test } from "vitest";

import { timeTicks } from "./timeTicks";

const at = (...parts: [number, number, number, number?, number?, number?]) => new Date(...parts).getTime();
const texts = (since: number, until: number, most = 6) => timeTicks(since, until, most).map(({ text }) => text);

test("a quarter of an hour is marked at round minutes", () => {
  expect(texts(at(2026, 0, 2, 7, 44, 58), at(2026, 0, 2, 7, 59, 58))).toEqual(["07:45", "07:50", "07:55"]);
});

test("some seconds are marked with their seconds", () => {
  expect(texts(at(2026, 0, 2, 7, 59, 50), at(2026, 0, 2, 8, 0, 2))).toEqual(["07:59:50", "07:59:52", "07:59:54", "07:59:56", "07:59:58", "08:00:00", "08:00:02"]);
});

test("midnight is marked with its date, and a week by its days", () => {
  expect(texts(at(2026, 0, 2, 18), at(2026, 0, 3, 6), 5)).toEqual(["18:00", "21:00", "01-03", "03:00", "06:00"]);
  expect(texts(at(2026, 0, 2, 12), at(2026, 0, 9, 12), 7)).toEqual(["01-03", "01-04", "01-05", "01-06", "01-07", "01-08", "01-09"]);
});

test("nothing has no marks", () => {
  expect(timeTicks(5, 5, 6)).toEqual([]);
});
