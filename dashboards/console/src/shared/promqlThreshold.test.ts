import { describe, expect, it } from "vitest";

import { splitThreshold } from "./promqlThreshold";

describe("splitThreshold", () => {
  it.each([
    ["p95 > 0.2", "p95", ">", 0.2],
    ["rate(x[5m]) >= 1e3", "rate(x[5m])", ">=", 1000],
    ['sum by (server) (x{server=~"a|b"}) > 0', 'sum by (server) (x{server=~"a|b"})', ">", 0],
    ["5 < x", "x", ">", 5],
    ["x == (1)", "x", "==", 1],
    ["x < -3", "x", "<", -3],
    ["rate(a[1m]) / rate(b[1m]) > 0.05", "rate(a[1m]) / rate(b[1m])", ">", 0.05],
    ["orders_total != 4", "orders_total", "!=", 4],
    ["x > 1 # never > 2", "x > 1 # never > 2", "", null],
    ["x # more than > 3\n > 2", "x # more than > 3", ">", 2],
  ])("%s", (text, expression, operator, threshold) => {
    expect(splitThreshold(text)).toEqual({ expression, operator, threshold });
  });

  it.each([
    "up",
    "vector(1)",
    "a > b",
    "a > bool 1",
    "(a > 1)",
    "a > 1 and b > 2",
    "a > 1 unless b",
    'x{a="b > 1"}',
    "sum(a > 1)",
    "a > 1 > 2",
    "1 > 2 or x",
    "x{a='>'}",
    "> 3",
    "3 >",
    "",
  ])("%s has no threshold that is one number", (text) => {
    expect(splitThreshold(text)).toEqual({ expression: text, operator: "", threshold: null });
  });
});
