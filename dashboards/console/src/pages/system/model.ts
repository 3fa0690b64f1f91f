/** What the server says of itself. */

import type { components } from "../../api/schema";
import { byUrgency, openRows, type AlertRow, type GettableAlert } from "../alerts/model";

export interface DeadLetter {
  number: number;
  time: number;
  topic: string;
  partition: number | null;
  offset: number | null;
  bytes: number;
  whole: boolean;
  reason: string;
}

export interface Stalled {
  topic: string;
  partition: number;
  offset: number;
  cause: string;
}

/** Of `GET /api/v1/status`: counters, and these. */
export type Status = Record<string, unknown> & { lag?: Record<string, number>; stalled?: Stalled[]; held_records?: number };

/** Of `GET /api/v1/system`. */
export type SystemAnswer = components["schemas"]["System"];

const OWN_NAME = /^(?:Spanloom|Repair)/u;

/** The open alerts about Spanloom itself, of the Alertmanager and of the store: each once. Silenced ones are the Alertmanager's. */
export function ownRows(active: readonly GettableAlert[], stored: SystemAnswer["own_alerts"]): AlertRow[] {
  const own = active.filter(({ labels }) => OWN_NAME.test(labels["alertname"] ?? "") || labels["service"] === "spanloom" || labels["component"] === "spanloom");
  const rows = openRows(own, []);
  const there = new Set(rows.map((row) => row.fingerprint));
  const more = stored
    .filter((each) => !there.has(each.fingerprint))
    .map((each): AlertRow => ({
      fingerprint: each.fingerprint,
      name: each.name,
      state: each.state === "pending" ? "pending" : "firing",
      severity: each.labels["severity"] ?? "",
      service: each.labels["service"] ?? "",
      environment: each.environment,
      summary: each.summary,
      labels: each.labels,
      since: each.since / 1e6,
      ended: null,
      value: null,
      silencedBy: [],
      inhibitedBy: [],
      receivers: [],
    }));
  return [...rows, ...more].sort(byUrgency);
}

/** Lines of JSON, as the dead letters come: one line alone is read as an object already, none as null. */
export function jsonLines<T>(answer: unknown): T[] {
  if (typeof answer === "string") {
    return answer.split("\n").flatMap((line) => (line.trim() ? [JSON.parse(line) as T] : []));
  }
  return answer === null || answer === undefined ? [] : [answer as T];
}

/** How many letters have each reason, the most common first. Numbers in reasons differ from letter to letter. */
export function byReason(letters: readonly DeadLetter[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { reason } of letters) {
    const kind = reason.replace(/\d+/gu, "N").slice(0, 120);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

const WRONG = /(?:^|_)(?:failed|failures|dropped|refused|rejected|ignored|truncated|missed|cut|stalled|retries|crowded|dead_letters)(?:_|$)/u;

/** All counters, by name; nested ones with dots. */
export function counters(status: Status): [string, number][] {
  const found: [string, number][] = [];
  const walk = (prefix: string, value: unknown) => {
    if (typeof value === "number") found.push([prefix, value]);
    else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [name, inner] of Object.entries(value)) walk(prefix ? `${prefix}.${name}` : name, inner);
    }
  };
  const { lag: _lag, stalled: _stalled, ...rest } = status;
  walk("", rest);
  return found.sort(([a], [b]) => a.localeCompare(b));
}

/** Counters of what went wrong that are above zero. */
export function wrong(all: readonly [string, number][]): [string, number][] {
  return all.filter(([name, value]) => value > 0 && WRONG.test(name.split(".").at(-1) ?? ""));
}

/** What a replay sent, in words. */
export function sentWords(sent: Record<string, number>): string {
  return Object.entries(sent)
    .filter(([, count]) => count > 0)
    .map(([topic, count]) => `${count} → ${topic}`)
    .join(", ");
}
