import { describe, expect, it } from "vitest";

import { groupsOf, labelNames, type IncidentOf } from "./groups";
import { byUrgency, endedRows, openRows, severityRank, standing, type AlertChange, type AlertRow, type GettableAlert } from "./model";

function change(fingerprint: string, state: AlertChange["state"], time: number, more: Partial<AlertChange> = {}): AlertChange {
  return {
    id: `${fingerprint}${state}${time}`,
    fingerprint,
    state,
    labels: { alertname: "Slow", service: "payment", severity: "page" },
    annotations: { summary: "payment is slow" },
    service: "payment",
    environment: "default",
    value: 0.4,
    time: time * 1e9,
    active_at: 1e9,
    starts_at: 2e9,
    ends_at: state === "resolved" ? time * 1e9 : 0,
    group: "shop",
    expr: "p95 > 0.2",
    ...more,
  };
}

function active(fingerprint: string, labels: Record<string, string>, status: Partial<GettableAlert["status"]> = {}): GettableAlert {
  return {
    fingerprint,
    labels: { alertname: "Slow", ...labels },
    annotations: {},
    startsAt: "2026-01-01T00:00:00Z",
    endsAt: "2026-01-01T01:00:00Z",
    updatedAt: "2026-01-01T00:00:00Z",
    generatorURL: "",
    receivers: [{ name: "on-call" }],
    status: { state: "active", silencedBy: [], inhibitedBy: [], ...status },
  };
}

describe("standing", () => {
  it("is the last change of each life of an alert, in whatever order they come", () => {
    const life = [change("a", "pending", 1), change("a", "firing", 2), change("a", "resolved", 9)];
    const again = [change("a", "firing", 20, { active_at: 19e9 })];
    const found = standing([...life, ...again].reverse());
    expect(found.map((each) => each.state).sort()).toEqual(["firing", "resolved"]);
  });

  it("of two at one time is the later stage", () => {
    expect(standing([change("a", "firing", 2), change("a", "pending", 2)])[0]?.state).toBe("firing");
  });
});

describe("openRows", () => {
  it("has what the Alertmanager has, and pending ones of the store", () => {
    const rows = openRows([active("a", { service: "payment", severity: "page" })], [change("a", "firing", 2), change("b", "pending", 3)]);
    expect(rows.map((row) => [row.fingerprint, row.state])).toEqual([["a", "firing"], ["b", "pending"]]);
    expect(rows[0]?.value).toBe(0.4);
    expect(rows[0]?.receivers).toEqual(["on-call"]);
  });

  it("shows no alert as firing that the Alertmanager no longer has", () => {
    expect(openRows([], [change("a", "firing", 2)])).toEqual([]);
  });

  it("takes the store's word where there is no Alertmanager", () => {
    expect(openRows(null, [change("a", "firing", 2), change("c", "resolved", 3)]).map((row) => row.fingerprint)).toEqual(["a"]);
  });

  it("says what is silenced or inhibited", () => {
    const rows = openRows([active("a", {}, { silencedBy: ["s"] }), active("b", {}, { inhibitedBy: ["a"] }), active("c", {})], []);
    expect(rows.map((row) => [row.fingerprint, row.state])).toEqual([["c", "firing"], ["b", "inhibited"], ["a", "silenced"]]);
  });

  it("names a service with its namespace", () => {
    expect(openRows([active("a", { service: "cart", service_namespace: "eu" })], [])[0]?.service).toBe("eu/cart");
    expect(openRows([active("a", { service: "eu/cart", service_namespace: "eu" })], [])[0]?.service).toBe("eu/cart");
  });
});

it("ended alerts are those that resolved in the range, the newest first", () => {
  const changes = [change("a", "resolved", 5), change("b", "resolved", 9), change("c", "resolved", 99), change("d", "firing", 6), change("e", "inactive", 6)];
  expect(endedRows(changes, 4_000, 10_000).map((row) => row.fingerprint)).toEqual(["b", "a"]);
});

describe("groupsOf", () => {
  const row = (fingerprint: string, service: string, more: Partial<AlertRow> = {}): AlertRow => ({
    fingerprint,
    name: "Slow",
    state: "firing",
    severity: "page",
    service,
    environment: "default",
    summary: "",
    labels: { alertname: "Slow", service, team: service === "mail" ? "b" : "a" },
    since: 1,
    ended: null,
    value: null,
    silencedBy: [],
    inhibitedBy: [],
    receivers: [],
    ...more,
  });
  const incident: IncidentOf = {
    id: "i1",
    environment: "default",
    playbook: "restart",
    service: "payment",
    fingerprint: "f",
    state: "repairing",
    open: true,
    opened: 1,
    blast_radius: { services: ["checkout"] },
  };

  it("puts the alerts of one fault together: of the alert, the service, its callers, and what it inhibits", () => {
    const rows = [row("f", "payment"), row("g", "payment"), row("h", "checkout"), row("i", "frontend", { inhibitedBy: ["f"] }), row("j", "mail")];
    const groups = groupsOf(rows, [incident], "team");
    expect(groups.map((group) => [group.incident?.id ?? group.value, group.rows.map((each) => each.fingerprint)])).toEqual([
      ["i1", ["f", "g", "h", "i"]],
      ["b", ["j"]],
    ]);
  });

  it("gives an alert to the incident that is nearest", () => {
    const other = { ...incident, id: "i2", service: "checkout", fingerprint: "h", blast_radius: { services: [] } };
    const groups = groupsOf([row("h", "checkout")], [incident, other], "service");
    expect(groups.map((group) => group.incident?.id)).toEqual(["i2"]);
  });

  it("leaves to other environments what is theirs, and closed incidents alone", () => {
    const elsewhere = row("x", "payment", { environment: "staging" });
    expect(groupsOf([elsewhere], [incident], "service").map((group) => group.incident)).toEqual([null]);
    expect(groupsOf([row("f", "payment")], [{ ...incident, open: false }], "service").map((group) => group.incident)).toEqual([null]);
  });

  it("does without callers where the API names none", () => {
    const bare = { ...incident, blast_radius: {} };
    expect(groupsOf([row("h", "checkout")], [bare], "service").map((group) => group.incident)).toEqual([null]);
  });

  it("knows the labels, the most common first", () => {
    expect(labelNames([row("a", "x"), { ...row("b", "y"), labels: { alertname: "Slow", zone: "1" } }])).toEqual(["alertname", "service", "team", "zone"]);
  });
});

it("is sorted by state, then severity, then the newest", () => {
  expect(severityRank("critical")).toBeLessThan(severityRank("warning"));
  expect(severityRank("whatever")).toBeGreaterThan(severityRank("info"));
  const rows = openRows([active("a", { severity: "warning" }), active("b", { severity: "critical" })], []);
  expect([...rows].sort(byUrgency).map((row) => row.fingerprint)).toEqual(["b", "a"]);
});
