import { describe, expect, test } from "vitest";

import { rowsOf, sloQuery, type Sample } from "./slos";

function sample(name: string, value: string, slo = "answers", objective = "0.999"): Sample {
  return { metric: { __name__: name, slo, objective, service: "checkout" }, value: [0, value] };
}

describe("objectives of a service", () => {
  test("a row has the budget that is left, and how fast it is spent", () => {
    const rows = rowsOf([
      sample("slo:objective:ratio", "0.999"),
      sample("slo:time_period:days", "30"),
      sample("slo:sli_error:ratio_rate30d", "0.0004"),
      sample("slo:error_budget_remaining:ratio", "0.6"),
      sample("slo:sli_error:ratio_rate1h", "0.0144"),
    ]);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ name: "answers", objective: 0.999, days: 30, left: 0.6, failed: 0.0004 });
    expect(rows[0]?.burn).toBeCloseTo(14.4);
  });

  test("what is not known yet is null, and so is what nobody asked for", () => {
    expect(rowsOf([sample("slo:objective:ratio", "0.999"), sample("slo:sli_error:ratio_rate1h", "NaN")])).toEqual([
      { name: "answers", objective: 0.999, days: null, left: null, failed: null, burn: null },
    ]);
  });

  test("the one with the least budget is first", () => {
    const left = (slo: string, value: string) => sample("slo:error_budget_remaining:ratio", value, slo);
    expect(rowsOf([left("a", "0.9"), left("b", "-0.5"), sample("slo:objective:ratio", "0.99", "c")]).map((row) => row.name)).toEqual(["b", "a", "c"]);
  });

  test("quotes in a name stay inside of the query", () => {
    expect(sloQuery('a"b\\')).toBe('{__name__=~"slo:.*",service="a\\"b\\\\"}');
  });
});
