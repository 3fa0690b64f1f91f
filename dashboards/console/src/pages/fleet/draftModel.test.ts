import { expect, test } from "vitest";

import { blocked, lineTone, type Draft } from "./draftModel";

const draft: Draft = { number: "7", author: "Ann", comment: "", created: 0, expires: 1, against: "6", missing: 1, approvals: [] };

test("nobody approves what they wrote where others have to", () => {
  expect(blocked(draft, 1, "ann")).toBe(true);
  expect(blocked(draft, 0, "ann")).toBe(false);
  expect(blocked(draft, 1, "ben")).toBe(false);
  expect(blocked(draft, 1, undefined)).toBe(false);
});

test("a line of a difference is added, removed, a head, or the same", () => {
  expect(["--- revision 6", "+++ revision 7", "@@ -1 +1 @@", "-a", "+b", " c"].map(lineTone)).toEqual(["head", "head", "head", "removed", "added", "same"]);
});
