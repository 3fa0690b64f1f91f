import { expect, it } from "vitest";
import { completed, pick, placeAt } from "./promql";

/** The place at the bar in a text. */
const at = (marked: string): unknown[] => {
  const { expects, name, prefix, from, to } = placeAt(marked.replace("|", ""), marked.indexOf("|"));
  return [expects, name, prefix, from, to];
};

it("knows whether a metric, a label or a value is expected", () => {
  expect(at("|")).toEqual(["name", "", "", 0, 0]);
  expect(at("rate(http_req|uests[5m])")).toEqual(["name", "", "http_req", 5, 18]);
  expect(at("up{|}")).toEqual(["joiner", "up", "", 3, 3]);
  expect(at('up{job="a",ins|}')).toEqual(["joiner", "up", "ins", 11, 14]);
  expect(at('sum(up{job="sho|p"})')).toEqual(["value", "up job", "sho", 12, 15]);
  expect(at('up{job=~"a\\"b|"}')).toEqual(["value", "up job", 'a\\"b', 9, 13]);
  expect(at('up{job="a"} + |')).toEqual(["name", "up", "", 14, 14]);
  expect(at('label_replace(up, "x|"')[0]).toBe("operator");
});

it("puts a completion in place of what is there", () => {
  expect(completed("rate(http[5m])", placeAt("rate(http[5m])", 7), "http_requests_total").text).toBe("rate(http_requests_total[5m])");
  expect(completed('up{job="s"}', placeAt('up{job="s"}', 9), 'a"b')).toEqual({ text: 'up{job="a\\"b"}', cursor: 12 });
});

it("offers what begins with a prefix before what contains it", () => {
  expect(pick(["a_up", "up", "upper", "x"], "UP", "").map((each) => each.text)).toEqual(["up", "upper", "a_up"]);
});
