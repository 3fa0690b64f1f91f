import { expect, it } from "vitest";
import { between, mostOf, pickedOf, strength } from "./heatmap";

const data = { since: 1000, step: 10, bounds: [1, 10, 100, 1000], counts: [[0, 5, 0], [], [1, 0, 9]] };

it("means times and durations by a rectangle of cells, open at its outer rows", () => {
  expect(pickedOf(data, between({ column: 2, row: 1 }, { column: 1, row: 1 }))).toEqual({ since: 1010, until: 1030, low: 10, high: 100 });
  expect(pickedOf(data, between({ column: 0, row: 0 }, { column: 0, row: 2 }))).toEqual({ since: 1000, until: 1010, low: null, high: null });
});

it("draws what is rare so that it can be seen", () => {
  expect(mostOf(data)).toBe(9);
  expect(strength(0, 9)).toBe(0);
  expect(strength(1, 10_000)).toBeGreaterThan(0.15);
  expect(strength(9, 9)).toBe(1);
});
