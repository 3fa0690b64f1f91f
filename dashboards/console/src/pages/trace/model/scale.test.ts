import { describe, expect, it } from "vitest";
import { formatZoom, parseZoom, placed, ticks } from "./scale";

it("marks round times, never more than asked", () => {
  expect(ticks({ start: 0, end: 100 }, 5)).toEqual([0, 20, 40, 60, 80, 100]);
  expect(ticks({ start: 37, end: 61 }, 5)).toEqual([40, 45, 50, 55, 60]);
  expect(ticks({ start: 0, end: 0 }, 5)).toEqual([]);
  expect(ticks({ start: 0, end: 1_342_000_000 }, 6)).toEqual([0, 5e8, 1e9]);
});

describe("a bar", () => {
  const view = { start: 100, end: 200 };
  it("is cut to what is in sight", () => {
    expect(placed({ start: 50, end: 150 }, view)).toEqual({ left: 0, width: 50 });
    expect(placed({ start: 120, end: 130 }, view)).toEqual({ left: 20, width: 10 });
    expect(placed({ start: 0, end: 90 }, view)).toBeNull();
    expect(placed({ start: 210, end: 220 }, view)).toBeNull();
  });
  it("is wide enough to be seen, and stays inside", () => {
    expect(placed({ start: 200, end: 200 }, view, 0.5)).toEqual({ left: 99.5, width: 0.5 });
  });
});

it("keeps the zoom in the URL, and takes the whole for what is none", () => {
  expect(formatZoom({ start: 125, end: 400 }, 1000)).toBe("12.5-40");
  expect(parseZoom("12.5-40", 1000)).toEqual({ start: 125, end: 400 });
  expect(formatZoom({ start: 0, end: 1000 }, 1000)).toBeUndefined();
  expect(formatZoom({ start: 5, end: 5 }, 1000)).toBeUndefined();
  for (const wrong of [undefined, "", "40-12", "0-101", "a-b", "1-2-3"]) expect(parseZoom(wrong, 1000)).toEqual({ start: 0, end: 1000 });
});
