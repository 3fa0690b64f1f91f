import { expect, it } from "vitest";
import { answer, MS, segment, span } from "./made";
import { byOperation, flame } from "./operations";
import { buildTrace } from "./trace";

const trace = buildTrace(
  "t",
  answer(
    [
      span("a", "", 0, 10, { name: "GET" }),
      span("b", "a", 1, 2, { name: "load", status: { code: "Error" } }),
      span("c", "a", 4, 5, { name: "load" }),
      span("d", "c", 4, 1, { name: "GET" }),
    ],
    { path: [segment("c", 4, 5)] },
  ),
);

it("groups spans by operation, the most own time first", () => {
  const rows = byOperation(trace).map((row) => [row.name, row.count, row.errors, row.total / MS, row.self / MS, row.critical / MS, row.longest]);
  expect(rows).toEqual([
    ["load", 2, 1, 7, 6, 5, "c"],
    ["GET", 2, 0, 11, 4, 0, "a"],
  ]);
});

it("merges spans of one call path in the flame graph; a child lies within its parent", () => {
  const boxes = flame(trace).map((box) => [box.depth, box.name, box.count, box.self / MS, box.weight / MS, box.left, box.width]);
  expect(boxes).toEqual([
    [0, "GET", 1, 3, 10, 0, 1],
    [1, "load", 2, 6, 7, 0, 0.7],
    [2, "GET", 1, 1, 1, 0, 0.1],
  ]);
});
