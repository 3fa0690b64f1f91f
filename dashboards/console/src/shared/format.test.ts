import { expect, test } from "vitest";

import { ago, bytes, compact, count, duration, percent, rate } from "./format";

test.each([
  [null, "—"],
  [0, "0 ns"],
  [512, "512 ns"],
  [64_000, "64 µs"],
  [999_700, "1 ms"],
  [5_230_000, "5.23 ms"],
  [1_300_000_000, "1.3 s"],
  [59_960_000_000, "1m 00s"],
  [125_000_000_000, "2m 05s"],
  [12_000_000_000_000, "3h 20m"],
  [190_000_000_000_000, "2d 4h"],
  [-150_000_000, "-150 ms"],
])("%s nanoseconds are %s", (ns, text) => expect(duration(ns)).toBe(text));

test.each([
  [null, "—"],
  [0, "0%"],
  [0.0136, "1.36%"],
  [0.5, "50%"],
  [0.00000001, "<0.01%"],
  [1, "100%"],
])("a share of %s is %s", (share, text) => expect(percent(share)).toBe(text));

test("rates, counts and sizes are short", () => {
  expect([rate(0), rate(0.001), rate(12.345), rate(4567)]).toEqual(["0/s", "<0.01/s", "12.3/s", "4.57k/s"]);
  expect([count(1234567), compact(1234567), compact(999), compact(999_600)]).toEqual(["1,234,567", "1.23M", "999", "1M"]);
  expect([bytes(0), bytes(512), bytes(4_404_019)]).toEqual(["0 B", "512 B", "4.2 MiB"]);
});

test("ages are in words", () => {
  const now = 1_000_000_000_000;
  expect(ago(now - 5_000, now)).toBe("5 sec. ago");
  expect(ago(now - 80_000, now)).toBe("80 sec. ago");
  expect(ago(now - 600_000, now)).toBe("10 min. ago");
  expect(ago(now - 2 * 86_400_000, now)).toBe("2 days ago");
});
