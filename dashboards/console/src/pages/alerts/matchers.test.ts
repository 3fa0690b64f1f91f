import { describe, expect, it } from "vitest";

import { matchersFor, matchersText, parseMatcher, parseMatchers, passes, silenceFault } from "./matchers";
import { openRows, type Matcher } from "./model";

const equal = (name: string, value: string): Matcher => ({ name, value, isRegex: false, isEqual: true });

describe("parseMatcher", () => {
  it.each([
    ["service=payment", equal("service", "payment")],
    [' service = "payment" ', equal("service", "payment")],
    ['service!="a b"', { ...equal("service", "a b"), isEqual: false }],
    ['service=~"pay|cart"', { ...equal("service", "pay|cart"), isRegex: true }],
    ["service!~pay.*", { name: "service", value: "pay.*", isRegex: true, isEqual: false }],
    ['x="a\\"b\\\\c\\nd"', equal("x", 'a"b\\c\nd')],
    ['x=""', equal("x", "")],
  ])("%s", (text, wanted) => {
    expect(parseMatcher(text)).toEqual(wanted);
  });

  it.each(["", "service", "=x", "a b=c"])("'%s' is none", (text) => {
    expect(parseMatcher(text)).toBeNull();
  });
});

it.each([
  [[equal("a", "b")]],
  [[equal("a", 'x,"y"'), { ...equal("c", "\\d+\n"), isRegex: true }]],
  [[]],
])("what is written is read again: %j", (matchers) => {
  expect(parseMatchers(matchersText(matchers))).toEqual(matchers);
});

it("braces and spaces do not matter, and what is no matcher is left out", () => {
  expect(parseMatchers('{a="b", nothing , c="d"}')).toEqual([equal("a", "b"), equal("c", "d")]);
  expect(parseMatchers("a=b")).toEqual([equal("a", "b")]);
});

describe("passes", () => {
  const [row] = openRows(
    [{ fingerprint: "a", labels: { alertname: "Slow", service: "cart", service_namespace: "eu" }, annotations: {}, startsAt: "", endsAt: "", updatedAt: "", generatorURL: "", receivers: [], status: { state: "active", silencedBy: [], inhibitedBy: [] } }],
    [],
  );
  it.each([
    ["alertname=Slow", true],
    ["alertname!=Slow", false],
    ['alertname=~"Sl.*"', true],
    ['alertname=~"Sl"', false],
    ['alertname!~"("', false],
    ["missing=", false],
    ['missing=""', true],
    ["service=eu/cart", true],
  ])("%s: %s", (text, wanted) => {
    const matcher = parseMatcher(text);
    expect(row !== undefined && matcher !== null && passes(row, matcher)).toBe(wanted);
  });
});

describe("silenceFault", () => {
  const one = [equal("a", "b")];
  it.each([
    [one, "reason", 60, null],
    [[], "reason", 60, "no_matchers"],
    [[equal("a", "")], "reason", 60, "matches_all"],
    [[{ ...equal("a", ".*"), isRegex: true }], "reason", 60, "matches_all"],
    [[{ ...equal("a", "x"), isEqual: false }], "reason", 60, "matches_all"],
    [one, "  ", 60, "no_comment"],
    [one, "reason", 0, "no_duration"],
    [one, "reason", Number.NaN, "no_duration"],
    [[equal("", "b")], "reason", 60, "bad_name"],
  ])("%j, '%s', %d minutes: %s", (matchers, comment, minutes, wanted) => {
    expect(silenceFault(matchers, comment, minutes)).toBe(wanted);
  });
});

it("a silence of an alert begins with all its labels, its name first", () => {
  expect(matchersFor({ service: "cart", alertname: "Slow", env: "x" }).map((matcher) => matcher.name)).toEqual(["alertname", "env", "service"]);
});
