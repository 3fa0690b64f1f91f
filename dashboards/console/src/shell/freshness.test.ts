import { expect, test } from "vitest";

import { ageOf, LATE_MS, OLD_MS } from "./freshness";

test("the age of data is said by what is known", () => {
  expect(ageOf(null, 1_000)).toEqual({ state: "none" });
  expect(ageOf(1_000, 6_000)).toEqual({ state: "fresh", ms: 5_000 });
  expect(ageOf(0, LATE_MS + 1).state).toBe("late");
  expect(ageOf(0, OLD_MS + 1).state).toBe("old");
});

test("data that is ahead of the clock is not older than nothing", () => expect(ageOf(9_000, 1_000)).toEqual({ state: "fresh", ms: 0 }));
