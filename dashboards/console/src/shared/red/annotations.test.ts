import { expect, test } from "vitest";

import type { Anomaly, Deploy, IncidentSummary, Version } from "../../api/numbers";
import { bandsOf, deploysOf, repairsOf, rolloutsOf } from "./annotations";

const MS = 1e6;
const axis = { since: 1_000, until: 2_000 };
const incident = (opened: number, ended: number | null, state: string) =>
  ({ service: "payment", playbook: "restart", opened: opened * MS, ended: ended === null ? null : ended * MS, state }) as IncidentSummary;

test("a repair is marked where it began and where it ended, inside the axis only", () => {
  const marks = repairsOf([incident(1_100, 1_500, "closed"), incident(500, 1_800, "escalated"), incident(1_900, null, "repairing")], axis);
  expect(marks.map((mark) => [mark.time, mark.tone])).toEqual([
    [1_100, "accent"],
    [1_500, "good"],
    [1_800, "bad"],
    [1_900, "accent"],
  ]);
});

test("a version is a deploy if another was there before", () => {
  const version = (name: string, first: number) => ({ version: name, first_seen: first * MS }) as Version;
  expect(deploysOf([version("1", 1_100)], axis)).toEqual([]);
  expect(deploysOf([version("1", 1_100), version("2", 1_500)], axis).map((mark) => mark.time)).toEqual([1_500]);
});

test("a deploy says which service went to which version, inside the axis only", () => {
  const deploy = (service: string, first: number) => ({ service, environment: "", version: "2.0", first_seen: first * MS }) as Deploy;
  const marks = rolloutsOf([deploy("cart", 2_100), deploy("payment", 1_500)], axis);
  expect(marks.map((mark) => [mark.time, mark.tone])).toEqual([[1_500, "accent"]]);
  expect(marks[0]?.text).toMatch(/payment.*2\.0.*\d\d:\d\d:01/u);
});

test("an anomaly stands behind the lines from its beginning to its end", () => {
  const [band] = bandsOf([{ start: 1_100 * MS, end: 1_200 * MS, score: 0.95, service: "payment", why: "slow" } as Anomaly]);
  expect(band).toMatchObject({ since: 1_100, until: 1_200, tone: "bad" });
  expect(band?.text).toContain("payment");
});
