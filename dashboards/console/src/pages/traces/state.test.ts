import { expect, it } from "vitest";
import { parseState, toggled } from "./state";

const [A, B, C] = ["a", "b", "c"].map((letter) => letter.repeat(32)) as [string, string, string];

it("takes what it can from an address", () => {
  expect(parseState({})).toEqual({ query: "", order: "newest", cursor: "", skipped: 0, compare: [], common: "" });
  expect(parseState({ q: "a=b", order: "slowest", cursor: "x", skipped: "50", compare: `${A},no,${A},${B},${C}`, common: "slow" })).toEqual({
    ...{ query: "a=b", order: "slowest", cursor: "x", skipped: 50, compare: [A, B], common: "slow" },
  });
  expect(parseState({ order: "x", skipped: "50", common: "x" })).toEqual(parseState({}));
});

it("chooses two traces at most", () => {
  expect(toggled([], A)).toEqual([A]);
  expect(toggled([A], B)).toEqual([A, B]);
  expect(toggled([A, B], C)).toEqual([A, C]);
  expect(toggled([A, B], A)).toEqual([B]);
});
