/** Alerts and silences as Alertmanager's API v2 gives them, joined with what Spanloom stores of its own alerts. */

import type { AlertChange, Notification } from "../../api/numbers";

export type { AlertChange, Notification };

export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual: boolean;
}

/** An alert of `GET /api/v2/alerts`. */
export interface GettableAlert {
  fingerprint: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  generatorURL: string;
  receivers: { name: string }[];
  status: { state: "active" | "suppressed" | "unprocessed"; silencedBy: string[]; inhibitedBy: string[] };
}

/** A silence of `GET /api/v2/silences`. */
export interface GettableSilence {
  id: string;
  status: { state: "active" | "pending" | "expired" };
  comment: string;
  createdBy: string;
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  matchers: Matcher[];
}

/** One row of the page: an alert as it stands. Times in milliseconds; null: not known. */
export interface AlertRow {
  fingerprint: string;
  name: string;
  state: "firing" | "pending" | "silenced" | "inhibited" | "resolved";
  severity: string;
  service: string;
  environment: string;
  summary: string;
  labels: Record<string, string>;
  since: number | null;
  ended: number | null;
  value: number | null;
  silencedBy: string[];
  inhibitedBy: string[];
  receivers: string[];
}

const STAGES: Record<AlertChange["state"], number> = { pending: 0, firing: 1, resolved: 2, inactive: 3 };

const millis = (ns: number): number | null => (ns > 0 ? ns / 1e6 : null);

/** The last change of each alert; one is a fingerprint from when its expression begins to hold until that ends. */
export function standing(changes: readonly AlertChange[]): AlertChange[] {
  const last = new Map<string, AlertChange>();
  for (const change of changes) {
    const key = `${change.fingerprint} ${change.active_at}`;
    const known = last.get(key);
    const later =
      known === undefined ||
      change.time > known.time ||
      (change.time === known.time && STAGES[change.state] >= STAGES[known.state]);
    if (later) last.set(key, change);
  }
  return [...last.values()];
}

/**
 * The alerts that fire or are about to, of both sources.
 * What the Alertmanager has counts: it knows alerts that others posted, and what is silenced. Pending ones only the store has.
 */
export function openRows(active: readonly GettableAlert[] | null, changes: readonly AlertChange[]): AlertRow[] {
  const newest = new Map<string, AlertChange>();
  for (const change of standing(changes)) {
    const known = newest.get(change.fingerprint);
    if (known === undefined || change.active_at > known.active_at) newest.set(change.fingerprint, change);
  }
  const rows: AlertRow[] = (active ?? []).map((alert) => fromActive(alert, newest.get(alert.fingerprint)));
  const there = new Set(rows.map((row) => row.fingerprint));
  for (const change of newest.values()) {
    const open = change.state === "pending" || (change.state === "firing" && active === null);
    if (open && !there.has(change.fingerprint)) rows.push(fromChange(change));
  }
  return rows.sort(byUrgency);
}

/** The alerts that ended in a time, the newest first. */
export function endedRows(changes: readonly AlertChange[], from: number, to: number): AlertRow[] {
  return standing(changes)
    .filter((change) => change.state === "resolved" && change.time / 1e6 >= from && change.time / 1e6 <= to)
    .map(fromChange)
    .sort((a, b) => (b.ended ?? 0) - (a.ended ?? 0));
}

function fromActive(alert: GettableAlert, change: AlertChange | undefined): AlertRow {
  const { silencedBy, inhibitedBy } = alert.status;
  const since = Date.parse(alert.startsAt);
  return {
    ...described(alert.labels, alert.annotations, change?.expr ?? ""),
    fingerprint: alert.fingerprint,
    state: silencedBy.length > 0 ? "silenced" : inhibitedBy.length > 0 ? "inhibited" : "firing",
    environment: change?.environment ?? alert.labels["deployment_environment_name"] ?? "",
    since: Number.isNaN(since) ? null : since,
    ended: null,
    value: change?.state === "firing" ? change.value : null,
    silencedBy,
    inhibitedBy,
    receivers: alert.receivers.map((receiver) => receiver.name),
  };
}

function fromChange(change: AlertChange): AlertRow {
  return {
    ...described(change.labels, change.annotations, change.expr),
    service: change.service,
    fingerprint: change.fingerprint,
    state: change.state === "inactive" ? "resolved" : change.state,
    environment: change.environment ?? "",
    since: millis(change.starts_at) ?? millis(change.active_at),
    ended: millis(change.ends_at),
    value: change.value,
    silencedBy: [],
    inhibitedBy: [],
    receivers: [],
  };
}

function described(labels: Record<string, string>, annotations: Record<string, string>, expr: string) {
  const service = labels["service"] || labels["service_name"] || "";
  const namespace = labels["service_namespace"] ?? "";
  return {
    labels,
    name: labels["alertname"] ?? "",
    severity: labels["severity"] ?? "",
    service: namespace && service && !service.startsWith(`${namespace}/`) ? `${namespace}/${service}` : service,
    summary: annotations["summary"] || annotations["description"] || expr,
  };
}

const STATE_ORDER: Record<AlertRow["state"], number> = { firing: 0, pending: 1, inhibited: 2, silenced: 3, resolved: 4 };
const SEVERITIES = ["critical", "page", "error", "high", "warning", "warn", "medium", "low", "info"];

/** Where a severity stands; those that nobody knows come after those that people use. */
export function severityRank(severity: string): number {
  const at = SEVERITIES.indexOf(severity.toLowerCase());
  return at < 0 ? SEVERITIES.length : at;
}

export function byUrgency(a: AlertRow, b: AlertRow): number {
  return (
    STATE_ORDER[a.state] - STATE_ORDER[b.state] ||
    severityRank(a.severity) - severityRank(b.severity) ||
    (b.since ?? 0) - (a.since ?? 0) ||
    a.name.localeCompare(b.name)
  );
}
