import { expect, test } from "vitest";

import { ofOperation, ofService } from "./query";

test("names with signs of the query language are quoted", () => {
  expect(ofService("shop/payment-1")).toBe("service=shop/payment-1");
  expect(ofService('odd "name" and more')).toBe('service="odd \\"name\\" and more"');
  expect(ofOperation("payment", "POST /charge")).toBe('service=payment and operation="POST /charge"');
});
