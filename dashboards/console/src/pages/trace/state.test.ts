import { expect, it } from "vitest";
import { parseDuration, parseState } from "./state";

it("reads durations with and without a unit", () => {
  expect(["1.5s", "20ms", "3", "7 us", "2m", "", "fast", "-1ms"].map(parseDuration)).toEqual([1.5e9, 2e7, 3e6, 7e3, 12e10, null, null, null]);
});

it("takes what it can from an address, and defaults for the rest", () => {
  expect(parseState({})).toEqual({ view: "waterfall", span: "", zoom: "", clock: "recorded", filter: { text: "", atLeast: 0, errors: false, critical: false } });
  expect(parseState({ view: "no", span: "<b>", clock: "x", min: "fast", errors: "1" })).toEqual(parseState({}));
  expect(parseState({ view: "flame", span: "0a", clock: "root", zoom: "1-2", find: "pay", min: "5ms", errors: "yes", path: "yes" })).toEqual({
    ...{ view: "flame", span: "0a", zoom: "1-2", clock: "root" },
    filter: { text: "pay", atLeast: 5e6, errors: true, critical: true },
  });
});
