import { describe, expect, it } from "vitest";

import type { IncidentDetail, LaneEvent } from "../../api/numbers";
import { byUrgency } from "../incidents/model";
import { sentence, whoOf } from "./audit";
import { axisOf, eventsOf, rowsOf, type Event, type LaneName } from "./lanes";

const S = 1e9;

function incident(more: Partial<IncidentDetail> = {}): IncidentDetail {
  return {
    id: "i",
    revision: 1,
    environment: "default",
    playbook: "repair",
    service: "payment",
    instance: "",
    state: "closed",
    open: false,
    opened: 10 * S,
    ended: 20 * S,
    why: "recovered",
    why_parts: null,
    attempt: 1,
    source: "alert",
    fingerprint: "f",
    can_approve: false,
    can_release: false,
    approve_by: null,
    approved_by: "",
    acknowledged_by: "",
    acknowledged_at: null,
    cause: null,
    blast_radius: { instances: 1, traffic_share: 0.1 },
    labels: {},
    trace_ids: [],
    steps: [],
    check: { expression: "up", hold: S, within: S, deadline: null, since: null, settled: false },
    since: 0,
    until: 100 * S,
    alert: null,
    lanes: [],
    ranking: null,
    callers: [],
    audit: [],
    ...more,
  };
}

describe("incidents", () => {
  it("that wait for a person come first, then open ones, then those that hold their target", () => {
    const open = { open: true, ended: null } as const;
    const all = [
      incident({ id: "before" }),
      incident({ id: "after", opened: 11 * S }),
      incident({ id: "held", state: "escalated", can_release: true }),
      incident({ id: "open", state: "repairing", ...open }),
      incident({ id: "asked", state: "approving", can_approve: true, opened: S, ...open }),
    ];
    expect(byUrgency(all).map((each) => each.id)).toEqual(["asked", "open", "held", "after", "before"]);
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
  const at = (start: number, end: number | null, more: Partial<LaneEvent> = {}): LaneEvent => ({
    start: start * S, end: end === null ? null : end * S, kind: "", title: "", text: "", state: "", about: "", ...more,
  });
  const lane = (name: LaneName, ...events: LaneEvent[]) => ({ lane: name, events });

  it("have what happened, by time; anomalies of a kind that follow each other are one bar", () => {
    const slow = { kind: "latency", text: "slow" };
    const events = eventsOf(
      incident({
        lanes: [
          lane("metric", at(1, 6, slow), at(6, 11, slow), at(7, 8, { kind: "errors" }), at(80, 85, slow)),
          lane("alert", at(3, 5, { title: "Slow", state: "pending" }), at(5, 30, { title: "Slow", state: "firing" })),
          lane("repair", at(12, 14, { title: "restart", state: "not-undone", text: "exit code 1" })),
          lane("notification", at(90, null, { title: "on-call", state: "failed 90", text: "refused" })),
        ],
      }),
    );
    expect(events.map((event) => [event.lane, event.start / 1e3, event.end === null ? null : event.end / 1e3, event.title, event.tone])).toEqual([
      ["metric", 1, 11, "payment: slow", "warn"],
      ["alert", 3, 5, "Slow: pending", "warn"],
      ["alert", 5, 30, "Slow: firing", "bad"],
      ["metric", 7, 8, "payment: ", "warn"],
      ["repair", 12, 14, "restart: not undone, exit code 1", "bad"],
      ["metric", 80, 85, "payment: slow", "warn"],
      ["notification", 90, null, "on-call failed refused", "bad"],
    ]);
  });

  it("an alert that has not ended is open", () => {
    expect(eventsOf(incident({ lanes: [lane("alert", at(5, null, { state: "firing" }))] }))[0]).toMatchObject({ open: true, end: null });
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
