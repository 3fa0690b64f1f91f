import { describe, expect, test } from "vitest";

import { absolute, around, isLive, parseRange, parseTime, resolve, shift, zoomOut } from "./range";

const NOW = Date.UTC(2026, 0, 2, 12);
const MINUTE = 60_000;

describe("times of an address", () => {
  test.each([
    ["now", NOW],
    ["now-15m", NOW - 15 * MINUTE],
    ["now-90m", NOW - 90 * MINUTE],
    ["now-7d", NOW - 7 * 24 * 60 * MINUTE],
    ["2026-01-02T11:30:00Z", NOW - 30 * MINUTE],
    ["2026-01-02T12:30:00+01:00", NOW - 30 * MINUTE],
    ["2026-01-02T11:30:00.250Z", NOW - 30 * MINUTE + 250],
  ])("%s", (text, moment) => expect(parseTime(text, NOW)).toBe(moment));

  test.each(["", "yesterday", "now+1h", "now-1y", "now-", "2026-13-01T00:00:00Z", "15m", "<script>"])("not %s", (text) =>
    expect(parseTime(text, NOW)).toBeNull(),
  );
});

describe("ranges", () => {
  test("of an address without one are the default", () => {
    expect(parseRange(undefined, undefined)).toEqual({ from: "now-15m", to: "now", wrong: false });
  });
  test("that cannot be read say so and become the default", () => {
    expect(parseRange("nonsense", "now").wrong).toBe(true);
    expect(parseRange("2026-01-02T12:00:00Z", "2026-01-02T11:00:00Z").wrong).toBe(true);
    expect(parseRange("now-5m", "now-1h").wrong).toBe(true);
  });
  test("are never empty", () => {
    const { since, until } = resolve({ from: new Date(NOW + MINUTE).toISOString(), to: "now" }, NOW);
    expect(until).toBeGreaterThan(since);
  });
  test("of two moments read back as they were", () => {
    const range = absolute(NOW - MINUTE, NOW);
    expect(resolve(parseRange(range.from, range.to), NOW + 999)).toEqual({ since: NOW - MINUTE, until: NOW });
    expect(isLive(range)).toBe(false);
  });
  test("around a moment hold it in the middle", () => {
    expect(resolve(around(NOW), 0)).toEqual({ since: NOW - 15 * MINUTE, until: NOW + 15 * MINUTE });
  });
  test("zoomed out are twice as long; a live one stays live", () => {
    expect(zoomOut({ from: "now-15m", to: "now" }, NOW)).toEqual({ from: "now-1800s", to: "now" });
    expect(resolve(zoomOut(absolute(NOW - 2 * MINUTE, NOW), NOW), NOW)).toEqual({ since: NOW - 3 * MINUTE, until: NOW + MINUTE });
  });
  test("shifted lie beside", () => {
    expect(resolve(shift({ from: "now-15m", to: "now" }, NOW, -1), NOW)).toEqual({ since: NOW - 30 * MINUTE, until: NOW - 15 * MINUTE });
  });
});
