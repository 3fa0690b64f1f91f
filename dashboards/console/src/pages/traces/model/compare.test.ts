import { expect, it } from "vitest";
import { answer, MS, span } from "../../trace/model/made";
import { buildTrace } from "../../trace/model/trace";
import { compared } from "./compare";

const made = (...spans: ReturnType<typeof span>[]): ReturnType<typeof buildTrace> => buildTrace("t", answer(spans));
const failed = { status: { code: "Error" } };

it("merges two traces by call path and names what differs", () => {
  const a = made(
    span("1", "", 0, 100, { name: "GET" }),
    span("2", "1", 1, 10, { name: "pay" }),
    span("3", "1", 20, 10, { name: "load" }),
    span("4", "1", 40, 10, { name: "cache" }),
    span("5", "1", 60, 1, { name: "tiny" }),
    span("6", "1", 70, 9, { name: "mail" }),
  );
  const b = made(
    span("1", "", 0, 110, { name: "GET" }),
    span("2", "1", 1, 40, { name: "pay" }),
    span("3", "1", 20, 10, { name: "load" }),
    span("7", "1", 40, 10, { name: "load" }),
    span("5", "1", 60, 2, { name: "tiny" }),
    span("6", "1", 70, 9, { name: "mail", ...failed }),
    span("8", "2", 3, 20, { name: "retry" }),
  );
  expect(compared(a, b).map((row) => [row.depth, row.name, row.a?.count ?? 0, row.b?.count ?? 0, row.differs])).toEqual([
    [0, "GET", 1, 1, "same"],
    [1, "pay", 1, 1, "slower"],
    [2, "retry", 0, 1, "only-b"],
    [1, "load", 1, 2, "count"],
    [1, "cache", 1, 0, "only-a"],
    [1, "tiny", 1, 1, "same"],
    [1, "mail", 1, 1, "errors"],
  ]);
  expect(compared(b, a).find((row) => row.name === "pay")).toMatchObject({ differs: "faster", a: { duration: 40 * MS }, b: { duration: 10 * MS } });
});

it("holds traces as deep as they are long", () => {
  const chain = Array.from({ length: 12_000 }, (_, place) => span(String(place), place ? String(place - 1) : "", place, 12_000 - place, { name: "next" }));
  expect(compared(made(...chain), made(...chain)).length).toBe(12_000);
});
