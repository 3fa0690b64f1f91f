import { expect, test } from "vitest";

import { nearest, topOfDots, type Dot } from "./chartDots";

const dot = (value: number | null): Dot => ({ time: 0, value, text: "", open: () => undefined });

test("the pointer means the nearest dot, and none that is out of reach", () => {
  const places = [
    { x: 10, y: 10 },
    { x: 14, y: 10 },
    { x: 90, y: 10 },
  ];
  expect(nearest(places, { x: 13, y: 10 })).toBe(1);
  expect(nearest(places, { x: 10, y: 19 })).toBe(0);
  expect(nearest(places, { x: 50, y: 10 })).toBeNull();
  expect(nearest([], { x: 0, y: 0 })).toBeNull();
});

test("the axis reaches to the highest dot, but lines keep half of it", () => {
  expect(topOfDots([dot(3), dot(null)], 2)).toBe(3);
  expect(topOfDots([dot(100)], 2)).toBe(4);
  expect(topOfDots([dot(100)], 0)).toBe(100);
  expect(topOfDots([dot(null)], 2)).toBe(0);
});
