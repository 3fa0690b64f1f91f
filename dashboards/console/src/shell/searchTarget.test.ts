import { expect, test } from "vitest";

import { searchTarget } from "./searchTarget";

const SERVICES = ["payment", "pricing", "shop/cart"];

test.each([
  ["4BF92F3577B34DA6A3CE929D0E0E4736", { to: "/traces/$trace", trace: "4bf92f3577b34da6a3ce929d0e0e4736" }],
  [" 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 ", { to: "/traces/$trace", trace: "4bf92f3577b34da6a3ce929d0e0e4736" }],
  ["http.route=/buy", { to: "/traces", q: "http.route=/buy" }],
  ["duration>1s", { to: "/traces", q: "duration>1s" }],
  ["Payment", { to: "/services/$", service: "payment" }],
  ["pay", { to: "/services/$", service: "payment" }],
  ["cart", { to: "/services/$", service: "shop/cart" }],
  ["p", { to: "/traces", q: "p" }],
  ["declined", { to: "/traces", q: "declined" }],
  ["  ", null],
])("%s leads where it says", (typed, target) => expect(searchTarget(typed, SERVICES)).toEqual(target));
