import { describe, expect, it } from "vitest";

import { canRelease, leftBehind, newestOf, shownIn, type Incident, type Step } from "../incidents/model";
import { sentence, whoOf } from "./audit";
import { axisOf, eventsOf, rowsOf, type Event } from "./lanes";
import { rankingOf, type RankingBody } from "./Ranking";

const S = 1e9;

function step(more: Partial<Step> = {}): Step {
  return { name: "restart", phase: "repair", call: { action: "restart", arguments: {} }, inverse: null, undoes: "", progress: "done", started: 12 * S, ended: 14 * S, detail: "", ...more };
}

function incident(more: Partial<Incident> = {}): Incident {
  return {
    id: "i",
    playbook: "repair",
    revision: 1,
    environment: "default",
    service: "payment",
    instance: "",
    fingerprint: "f",
    source: "alert",
    labels: {},
    trace_ids: [],
    instances: 1,
    traffic_share: 0.1,
    steps: [step()],
    check: { expression: "up", hold: S, within: S, deadline: 0, since: 0, settled: false },
    state: "closed",
    opened: 10 * S,
    approve_by: 0,
    approved_by: "",
    ended: 20 * S,
    why: "recovered",
    released: false,
    ...more,
  };
}

describe("incidents", () => {
  it("are their newest revision, in whatever order they come", () => {
    const bodies = [incident({ revision: 3 }), incident({ revision: 1, state: "repairing" }), incident({ id: "j", revision: 2, opened: 50 * S })];
    expect(newestOf(bodies).map((each) => [each.id, each.revision])).toEqual([["j", 2], ["i", 3]]);
  });

  it("of a range are those that were open in it: what waits for a person first", () => {
    const all = [
      incident({ id: "old", ended: 11 * S }),
      incident({ id: "within" }),
      incident({ id: "held", state: "escalated", steps: [step({ phase: "isolate" })] }),
      incident({ id: "open", state: "repairing", ended: 0, opened: 1 * S }),
      incident({ id: "asked", state: "approving", ended: 0 }),
      incident({ id: "later", opened: 90 * S, ended: 99 * S }),
    ];
    expect(shownIn(all, 15_000, 60_000).map((each) => each.id)).toEqual(["asked", "open", "held", "within"]);
  });

  it.each([
    [step({ phase: "isolate" }), true],
    [step({ phase: "isolate", progress: "waiting" }), false],
    [step({ phase: "isolate", progress: "undone" }), false],
    [step({ call: { action: "isolate", arguments: {} } }), true],
    [step({ undoes: "x", phase: "isolate" }), false],
    [step({ inverse: { action: "undo", arguments: {} }, progress: "failed" }), true],
    [step({ inverse: { action: "undo", arguments: {} } }), false],
    [step({ progress: "failed" }), false],
  ])("a step is left behind as the product says: %#", (given, wanted) => {
    expect(leftBehind(given)).toBe(wanted);
  });

  it("can be released once, when they have ended and hold something", () => {
    const steps = [step({ phase: "isolate" })];
    expect(canRelease(incident({ state: "escalated", steps }))).toBe(true);
    expect(canRelease(incident({ state: "escalated", steps, released: true }))).toBe(false);
    expect(canRelease(incident({ state: "repairing", steps }))).toBe(false);
    expect(canRelease(incident())).toBe(false);
  });
});

describe("sentence", () => {
  it.each([
    ["matched", { source: "alert", playbook: "repair", target: { service: "cart", instance: "a" } }, "alert started repair on cart/a"],
    ["approved", { who: "ann" }, "ann approved"],
    ["approved", { who: "automatic" }, "approved by the playbook itself"],
    ["acknowledged", { who: "ann", text: "" }, "ann acknowledged"],
    ["acknowledged", { who: "ann", text: "I  look\nnow" }, "ann acknowledged: I look now"],
    ["step-intended", { step: "out", action: "isolate", arguments: { name: "cart", empty: "", n: 2 } }, "out starts: isolate name=cart n=2"],
    ["verified", { subject: "recovery", held: 15 * S }, "recovery: verified, it held for 15 s"],
    ["escalated", { why: "not verified" }, "escalated to on-call: not verified"],
    ["alert", { state: "resolved" }, "the alert resolved"],
    ["something-new", { who: "x", list: [] }, "something-new: who=x"],
  ])("of %s", (event, data, wanted) => {
    expect(sentence({ event, data })).toBe(wanted);
  });

  it("names a person, and nobody for the product itself", () => {
    expect(whoOf({ data: { who: "ann" } })).toBe("ann");
    expect(whoOf({ data: { who: "automatic" } })).toBe("");
    expect(whoOf({ data: {} })).toBe("");
  });
});

describe("lanes", () => {
  const anomaly = (start: number, end: number) => ({ _id: `${start}`, kind: "latency", service: "payment", start: start * S, end: end * S, score: 0.9, why: "slow", trace_ids: [] });
  const change = (state: "firing" | "resolved" | "pending", time: number) => ({
    _id: state, fingerprint: "f", state, labels: { alertname: "Slow" }, annotations: {}, service: "payment", value: 1, time: time * S, active_at: 0, starts_at: 0, ends_at: 0, group: "", expr: "",
  });

  it("have what happened, by time; anomalies that follow each other are one bar", () => {
    const events = eventsOf(incident(), [anomaly(1, 6), anomaly(6, 11), anomaly(80, 85)], [change("pending", 3), change("firing", 5), change("resolved", 30)], [], []);
    expect(events.map((event) => [event.lane, event.start / 1e3, event.end === null ? null : event.end / 1e3])).toEqual([
      ["metric", 1, 11],
      ["alert", 3, 5],
      ["alert", 5, 30],
      ["repair", 12, 14],
      ["metric", 80, 85],
    ]);
  });

  it("an alert that has not ended is open", () => {
    expect(eventsOf(incident({ steps: [] }), [], [change("firing", 5)], [], [])[0]).toMatchObject({ open: true, end: null });
  });

  const event = (start: number, end: number | null, open = false): Event => ({ lane: "repair", start, end, open, title: `${start}`, tone: "plain" });

  it("cover all events, until now while the incident is open", () => {
    const axis = axisOf([event(5_000, 900_000)], 10_000, null, 2_000_000);
    expect(axis.since).toBeLessThan(5_000);
    expect(axis.until).toBeGreaterThan(2_000_000);
    expect(axisOf([event(5_000, 6_000)], 10_000, 20_000, 2_000_000).until).toBeLessThan(30_000);
  });

  it("put no two that overlap into one row, and lose none", () => {
    const events = [event(0, 50), event(10, 20), event(60, 70), event(15, null, true), event(90, null)];
    const rows = rowsOf(events, { since: 0, until: 100 }, 95);
    expect(rows.flat()).toHaveLength(events.length);
    for (const row of rows) {
      const spans = row.map((each) => [each.start, each.end ?? (each.open ? 95 : each.start)] as const);
      for (const [i, a] of spans.entries()) for (const b of spans.slice(i + 1)) expect(a[1] <= b[0] || b[1] <= a[0]).toBe(true);
    }
  });
});

it("the ranking is the last before the incident, else the first after it", () => {
  const ranking = (id: string): RankingBody => ({ _id: id, "@timestamp": 0, opened_by: "", ranking: [] });
  expect(rankingOf([ranking("a")], [ranking("b")])?._id).toBe("a");
  expect(rankingOf([], [ranking("b")])?._id).toBe("b");
  expect(rankingOf([], [])).toBeNull();
});
