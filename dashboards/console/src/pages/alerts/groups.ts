/** Alerts in groups: those of one incident together, the others by a label. */

import type { AlertRow, Matcher } from "./model";

/** What the page needs of an incident. Times in ns. */
export interface IncidentOf {
  id: string;
  environment: string;
  playbook: string;
  service: string;
  fingerprint: string;
  state: string;
  open: boolean;
  opened: number;
  blast_radius: { services: string[] };
}

export interface AlertGroup {
  key: string;
  /** Set for a group of one incident. */
  incident: IncidentOf | null;
  /** The label's value; empty where the alerts have none. */
  value: string;
  rows: AlertRow[];
}

/** Why an alert belongs to an incident: the nearest reason first. */
function belonging(row: AlertRow, incident: IncidentOf): number {
  if (row.fingerprint === incident.fingerprint) return 0;
  if (row.environment && incident.environment && row.environment !== incident.environment) return Number.POSITIVE_INFINITY;
  if (row.inhibitedBy.includes(incident.fingerprint)) return 1;
  if (row.service && row.service === incident.service) return 2;
  if (row.service && incident.blast_radius.services.includes(row.service)) return 3;
  return Number.POSITIVE_INFINITY;
}

/** Groups of open incidents first, in their order; then by the label, the group with the most urgent alert first. */
export function groupsOf(rows: readonly AlertRow[], incidents: readonly IncidentOf[], label: string): AlertGroup[] {
  const open = incidents.filter((incident) => incident.open);
  const ofIncident = new Map<string, AlertRow[]>();
  const ofLabel = new Map<string, AlertRow[]>();
  for (const row of rows) {
    let best: IncidentOf | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const incident of open) {
      const near = belonging(row, incident);
      if (near < least) [best, least] = [incident, near];
    }
    const [groups, key] = best === null ? [ofLabel, labelValue(row, label)] : [ofIncident, best.id];
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const first = open.flatMap((incident) => {
    const found = ofIncident.get(incident.id);
    return found === undefined ? [] : [{ key: `incident ${incident.id}`, incident, value: incident.service, rows: found }];
  });
  const others = [...ofLabel].map(([value, found]) => ({ key: `${label}=${value}`, incident: null, value, rows: found }));
  return [...first, ...others];
}

export function labelValue(row: AlertRow, label: string): string {
  if (label === "service") return row.service;
  return row.labels[label] ?? "";
}

/** The labels by which rows can be grouped or filtered, the most common first. */
export function labelNames(rows: readonly AlertRow[]): string[] {
  const counts = new Map<string, number>();
  for (const row of rows) {
    for (const name of Object.keys(row.labels)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([name]) => name);
}

const PART = /^\s*(?<name>[^\s=!~{}",]+)\s*(?<operator>=~|!~|!=|=)\s*(?<value>"(?:[^"\\]|\\.)*"|\S.*?)\s*$/u;

/** `service="payment"` or `service=payment` as a matcher; null if it is none. */
export function parseMatcher(text: string): Matcher | null {
  const parts = PART.exec(text)?.groups;
  if (parts === undefined) return null;
  const { name = "", operator = "", value = "" } = parts;
  return {
    name,
    value: value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/gu, (_, letter: string) => (letter === "n" ? "\n" : letter)) : value,
    isRegex: operator.endsWith("~"),
    isEqual: operator.startsWith("="),
  };
}

/** A matcher as Alertmanager writes it: what its API takes as `filter`. */
export function matcherText(matcher: Matcher): string {
  const operator = matcher.isRegex ? (matcher.isEqual ? "=~" : "!~") : matcher.isEqual ? "=" : "!=";
  const value = matcher.value.replace(/\\/gu, "\\\\").replace(/"/gu, '\\"').replace(/\n/gu, "\\n");
  return `${matcher.name}${operator}"${value}"`;
}

/** Whether rows that carry the label pass a filter chip. A regular expression that is none passes nothing. */
export function passes(row: AlertRow, matcher: Matcher): boolean {
  const value = matcher.name === "service" ? row.service || (row.labels["service"] ?? "") : (row.labels[matcher.name] ?? "");
  let holds = value === matcher.value;
  if (matcher.isRegex) {
    try {
      holds = new RegExp(`^(?:${matcher.value})$`, "u").test(value);
    } catch {
      return false;
    }
  }
  return holds === matcher.isEqual;
}

/** The matchers with which the drawer opens: all labels of the alert. */
export function matchersFor(labels: Record<string, string>): Matcher[] {
  return Object.entries(labels)
    .sort(([a], [b]) => (a === "alertname" ? -1 : b === "alertname" ? 1 : a.localeCompare(b)))
    .map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));
}

/** Why a silence cannot be made of this, or null: Alertmanager wants a matcher that does not match the empty text. */
export type SilenceFault = "no_matchers" | "matches_all" | "no_comment" | "no_duration" | "bad_name";

export function silenceFault(matchers: readonly Matcher[], comment: string, minutes: number): SilenceFault | null {
  if (matchers.length === 0) return "no_matchers";
  if (matchers.some((matcher) => !/^[^\s"={}~!,]+$/u.test(matcher.name))) return "bad_name";
  if (matchers.every(matchesEmpty)) return "matches_all";
  if (!Number.isFinite(minutes) || minutes <= 0) return "no_duration";
  return comment.trim() ? null : "no_comment";
}

function matchesEmpty(matcher: Matcher): boolean {
  if (!matcher.isRegex) return (matcher.value === "") === matcher.isEqual;
  try {
    return new RegExp(`^(?:${matcher.value})$`, "u").test("") === matcher.isEqual;
  } catch {
    return false;
  }
}
