import { describe, expect, it } from "vitest";
import { answer, MS, segment, span } from "./made";
import { collapsedBelow, matches, NO_FILTER, revealed, visibleRows } from "./rows";
import { buildTrace } from "./trace";
import type { Filter } from "./rows";

const trace = buildTrace(
  "t",
  answer(
    [
      span("a", "", 0, 10, { service: "web" }),
      span("b", "a", 1, 3, { name: "Charge", status: { code: "Error", message: "card declined" } }),
      span("c", "b", 2, 1, { attributes: { "http.route": "/pay", n: 7 } }),
      span("d", "a", 5, 4),
    ],
    { path: [segment("d", 5, 4)] },
  ),
);
const shown = (filter: Partial<Filter>, collapsed: string[] = []): string =>
  visibleRows(trace, new Set(collapsed), matches(trace, { ...NO_FILTER, ...filter }))
    .map((item) => item.id)
    .join("");

describe("rows", () => {
  it("are all, less what is below a collapsed span", () => {
    expect(shown({})).toBe("abcd");
    expect(shown({}, ["b"])).toBe("abd");
    expect(shown({}, ["a", "c"])).toBe("a");
  });

  it("of a filter are its matches with what is above them", () => {
    expect(shown({ text: "/PAY" })).toBe("abc");
    expect(shown({ text: "n=7" })).toBe("abc");
    expect(shown({ text: "shop charge" })).toBe("ab");
    expect(shown({ text: "declined" })).toBe("ab");
    expect(shown({ errors: true })).toBe("ab");
    expect(shown({ critical: true })).toBe("ad");
    expect(shown({ atLeast: 4 * MS })).toBe("ad");
    expect(shown({ text: "no such" })).toBe("");
  });
});

it("collapses at a depth, and opens what hides a span", () => {
  const collapsed = collapsedBelow(trace, 1);
  expect([...collapsed]).toEqual(["b"]);
  expect([...revealed(collapsed, trace.byId.get("c"))]).toEqual([]);
  expect(revealed(collapsed, trace.byId.get("d"))).toBe(collapsed);
});
