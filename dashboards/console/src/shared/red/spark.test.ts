import { expect, test } from "vitest";

import { sparkPath } from "./spark";

test("a line breaks where nothing is known, and one value alone is a dash", () => {
  expect(sparkPath([0, 2, null, 1])).toBe("M0.0 19.0L33.3 1.0M100.0 10.0h2");
  expect(sparkPath([])).toBe("");
});
