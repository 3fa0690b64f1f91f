import { expect, it } from "vitest";
import type { LogRow } from "./answers";
import { MOST, NOTHING, pieces, queryOf, withRows } from "./tail";

const row = (id: number): LogRow => ({
  ...{ id: String(id), time: id, severity: "INFO", severity_number: 9, service: "s", text: "t", trace_id: null, span_id: null },
  ...{ environment: "", attributes: {}, resource: {} },
});

it("keeps the newest lines, each once, and counts what it forgets", () => {
  const first = withRows(NOTHING, [row(1), row(2), row(2)]);
  expect(first.rows.map((each) => each.id)).toEqual(["2", "1"]);
  expect(withRows(first, [row(2)])).toBe(first);
  const full = withRows(first, Array.from({ length: MOST }, (_, at) => row(at + 3)));
  expect([full.rows.length, full.rows[0]?.id, full.forgotten]).toEqual([MOST, String(MOST + 2), 2]);
});

it("finds lines of a template by the longest of what is fixed in it", () => {
  expect(pieces("card of order <*> declined <*>")).toEqual(["card of order ", null, " declined ", null]);
  expect(queryOf("card of order <*> declined <*>")).toBe('"card of order"');
  expect(queryOf('<*> said "no"')).toBe('"said \\"no\\""');
  expect(queryOf("<*>")).toBe("");
});
