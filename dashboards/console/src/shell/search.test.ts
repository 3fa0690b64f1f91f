import { expect, test } from "vitest";

import { parseSearch, stringifySearch } from "./search";

test("an address reads back as what it was written from", () => {
  const search = { q: "service=payment and duration>500ms", from: "2026-01-02T11:30:00.000Z", service: "shop/payment" };
  expect(parseSearch(stringifySearch(search))).toEqual(search);
});

test("an address stays readable, and leaves out what is empty", () => {
  expect(stringifySearch({ from: "2026-01-02T11:30:00Z", q: "", env: undefined })).toBe("?from=2026-01-02T11:30:00Z");
  expect(stringifySearch({})).toBe("");
});

test("addresses of an older console keep their time and environment", () => {
  expect(parseSearch("?range=6h&environment=staging")).toEqual({ from: "now-6h", env: "staging" });
  expect(parseSearch("?range=all")).toEqual({});
});
