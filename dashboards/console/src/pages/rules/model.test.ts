import { expect, it } from "vitest";

import { chosen, ruleNamed, type Rule, type RuleGroup } from "./model";

const rule = (name: string, health: Rule["health"] = "ok"): Rule => ({ name, query: `${name.toLowerCase()} > 1`, type: "alerting", health, lastError: "", lastEvaluation: "", labels: { severity: "page" } });
const groups: RuleGroup[] = [
  { name: "shop", file: "a.yml", interval: 1, environment: "default", rules: [rule("Slow"), rule("Failing", "err")] },
  { name: "shop", file: "a.yml", interval: 1, environment: "staging", rules: [rule("Slow")] },
  { name: "other", file: "b.yml", interval: 1, environment: "default", rules: [rule("Slow")] },
];

it("rules are found by name, expression and labels; groups without any are left out", () => {
  const names = (found: RuleGroup[]) => found.map((group) => [group.name, group.environment, group.rules.map((each) => each.name)]);
  expect(names(chosen(groups, "fail", false, ""))).toEqual([["shop", "default", ["Failing"]]]);
  expect(names(chosen(groups, "slow > 1", false, "staging"))).toEqual([["shop", "staging", ["Slow"]]]);
  expect(names(chosen(groups, "PAGE", true, ""))).toEqual([["shop", "default", ["Failing"]]]);
  expect(chosen(groups, "", false, "")).toHaveLength(3);
});

it("the rule of an address is found in its group, else in the first that has it", () => {
  expect(ruleNamed(groups, "Slow", "other")?.file).toBe("b.yml");
  expect(ruleNamed(groups, "Slow", "")?.group).toBe("shop");
  expect(ruleNamed(groups, "None", "")).toBeNull();
  expect(ruleNamed(groups, "", "shop")).toBeNull();
});
