import { describe, expect, it } from "vitest";
import { completed, conditionFor, placeAt, quoted, tokens, withCondition } from "./query";

/** The place at the bar in a text. */
const at = (marked: string): unknown[] => {
  const cursor = marked.indexOf("|");
  const { expects, name, prefix, from, to } = placeAt(marked.replace("|", ""), cursor);
  return [expects, name, prefix, from, to];
};

it("finds tokens, those that are not finished, too", () => {
  expect(tokens('service=pay and (duration>=1.5s or x!="a \\" b").').map((token) => token.text)).toEqual([
    ...["service", "=", "pay", "and", "(", "duration", ">=", "1.5s", "or", "x", "!=", '"a \\" b"', ")", "."],
  ]);
  expect(tokens('a="open').at(-1)).toEqual({ kind: "string", text: '"open', from: 2, to: 7 });
});

describe("a completion", () => {
  it("knows what is expected", () => {
    expect(at("|")).toEqual(["name", "", "", 0, 0]);
    expect(at("ser|")).toEqual(["name", "", "ser", 0, 3]);
    expect(at("ser|vice=x")).toEqual(["name", "", "ser", 0, 7]);
    expect(at("service |")).toEqual(["operator", "service", "", 8, 8]);
    expect(at("service=|")).toEqual(["value", "service", "", 8, 8]);
    expect(at('http.route="/p|')).toEqual(["value", "http.route", "/p", 11, 14]);
    expect(at("service=pay |")).toEqual(["joiner", "", "", 12, 12]);
    expect(at("service=pay an|")).toEqual(["joiner", "", "an", 12, 14]);
    expect(at("service=pay and |")).toEqual(["name", "", "", 16, 16]);
    expect(at("not (du|")).toEqual(["name", "", "du", 5, 7]);
    expect(at("(a=b) |")).toEqual(["joiner", "", "", 6, 6]);
  });

  it("is put in place of what is there", () => {
    expect(completed("ser=x", placeAt("ser=x", 2), "service")).toEqual({ text: "service=x", cursor: 7 });
    expect(completed("a=b", placeAt("a=b", 3), "b c")).toEqual({ text: 'a="b c" ', cursor: 8 });
    expect(completed("a=b and c=d", placeAt("a=b and c=d", 3), "be")).toEqual({ text: "a=be and c=d", cursor: 5 });
  });
});

it("quotes what would be read as something else", () => {
  expect(["pay", "1.5s", "/a/b", "a b", 'say "x"', "back\\slash", "or", ""].map(quoted)).toEqual([
    ...["pay", "1.5s", "/a/b", '"a b"', '"say \\"x\\""', '"back\\\\slash"', '"or"', '""'],
  ]);
});

it("makes conditions of clicks", () => {
  expect(conditionFor("http.route", "/buy")).toBe("http.route=/buy");
  expect(conditionFor("db.query.text", "SELECT 1")).toBe('db.query.text="SELECT 1"');
  expect(conditionFor("retry", true)).toBe("retry=true");
  expect(conditionFor("list", ["a"])).toBeNull();
  expect(conditionFor("odd name", "a")).toBeNull();
  expect(withCondition("", "a=1")).toBe("a=1");
  expect(withCondition("b=2", "a=1")).toBe("b=2 and a=1");
  expect(withCondition("b=2 or c=3", "a=1")).toBe("(b=2 or c=3) and a=1");
  expect(withCondition("b=2 and a=1", "a=1")).toBe("b=2 and a=1");
});
