/** What happened around an incident, in lanes: metric, alert, repair, notification. Times in milliseconds. */

import type { AlertChange, Notification } from "../alerts/model";
import { outcomeOf, timeOf, whyOf } from "../alerts/notice";
import type { Incident } from "../incidents/model";
import { sentence, type AuditRecord } from "./audit";

export type LaneName = "metric" | "alert" | "repair" | "notification";

export interface Event {
  lane: LaneName;
  start: number;
  /** null: an instant, or it has not ended. */
  end: number | null;
  open: boolean;
  title: string;
  tone: "plain" | "good" | "warn" | "bad" | "accent";
}

export interface AnomalyBody {
  _id: string;
  kind: string;
  service: string;
  start: number;
  end: number;
  score: number;
  why: string;
  trace_ids: string[];
}

const ms = (ns: number) => ns / 1e6;

/** The events of all lanes, by time. */
export function eventsOf(
  incident: Incident,
  anomalies: readonly AnomalyBody[],
  changes: readonly AlertChange[],
  audit: readonly AuditRecord[],
  notifications: readonly Notification[],
): Event[] {
  return [...merged(anomalies), ...alertEvents(changes), ...stepEvents(incident), ...acts(audit), ...sent(notifications)].sort(
    (a, b) => a.start - b.start,
  );
}

/** Anomalies of one kind that follow each other are one bar. */
function merged(anomalies: readonly AnomalyBody[]): Event[] {
  const found: (Event & { key: string })[] = [];
  for (const each of [...anomalies].sort((a, b) => a.start - b.start)) {
    const key = `${each.service} ${each.kind}`;
    const before = found.findLast((event) => event.key === key);
    if (before !== undefined && before.end !== null && ms(each.start) - before.end <= 30_000) {
      before.end = Math.max(before.end, ms(each.end));
    } else {
      found.push({ key, lane: "metric", start: ms(each.start), end: ms(each.end), open: false, title: `${each.service}: ${each.why}`, tone: "warn" });
    }
  }
  return found;
}

/** Each time that the alert was pending, and that it fired. */
function alertEvents(changes: readonly AlertChange[]): Event[] {
  const ordered = [...changes].sort((a, b) => a.time - b.time);
  return ordered.flatMap((change, i): Event[] => {
    if (change.state !== "pending" && change.state !== "firing") return [];
    const next = ordered.slice(i + 1).find((other) => other.fingerprint === change.fingerprint);
    const name = change.labels["alertname"] ?? change.fingerprint;
    return [
      {
        lane: "alert",
        start: ms(change.time),
        end: next === undefined ? null : ms(next.time),
        open: next === undefined,
        title: `${name}: ${change.state}`,
        tone: change.state === "firing" ? "bad" : "warn",
      },
    ];
  });
}

function stepEvents(incident: Incident): Event[] {
  return incident.steps
    .filter((step) => step.started > 0)
    .map((step) => ({
      lane: "repair" as const,
      start: ms(step.started),
      end: step.ended > 0 ? ms(step.ended) : null,
      open: step.ended === 0,
      title: [`${step.name} (${step.call.action}): ${step.progress}`, step.detail].filter(Boolean).join(", "),
      tone: step.progress === "done" ? ("good" as const) : ["failed", "unknown", "not-undone"].includes(step.progress) ? ("bad" as const) : ("accent" as const),
    }));
}

const SHOWN = new Set(["matched", "approval-requested", "approved", "denied", "acknowledged", "verification-started", "verified", "verification-failed", "closed", "escalated", "released", "rolling-back", "rerun"]);

/** What was decided, as instants. */
function acts(audit: readonly AuditRecord[]): Event[] {
  return audit
    .filter((record) => SHOWN.has(record.event))
    .map((record) => ({
      lane: "repair" as const,
      start: ms(record.time),
      end: null,
      open: false,
      title: sentence(record),
      tone: record.event === "verified" || record.event === "closed" ? ("good" as const) : record.event === "escalated" || record.event === "verification-failed" ? ("bad" as const) : ("plain" as const),
    }));
}

function sent(notifications: readonly Notification[]): Event[] {
  return notifications.map((each) => ({
    lane: "notification" as const,
    start: timeOf(each),
    end: null,
    open: false,
    title: [each.receiver ?? "", outcomeOf(each), whyOf(each)].filter(Boolean).join(" "),
    tone: outcomeOf(each) === "delivered" ? ("good" as const) : outcomeOf(each) === "failed" ? ("bad" as const) : ("plain" as const),
  }));
}

/** The time that the lanes cover: all events, with a little room, and until now while it is open. */
export function axisOf(events: readonly Event[], opened: number, ended: number | null, now: number): { since: number; until: number } {
  const begin = Math.min(opened, ...events.map((event) => event.start));
  const end = Math.max(ended ?? now, ...events.map((event) => event.end ?? event.start));
  const room = Math.max(5_000, (end - begin) * 0.04);
  return { since: begin - room, until: end + room };
}

/** Events of a lane in rows in which none overlaps: a bar needs its own room, an instant as much as its mark. */
export function rowsOf(events: readonly Event[], axis: { since: number; until: number }, now: number): Event[][] {
  const mark = (axis.until - axis.since) * 0.012;
  const rows: { events: Event[]; free: number }[] = [];
  for (const event of [...events].sort((a, b) => a.start - b.start)) {
    const end = Math.max(event.end ?? (event.open ? now : event.start), event.start + mark);
    const row = rows.find((each) => each.free <= event.start);
    if (row === undefined) rows.push({ events: [event], free: end });
    else {
      row.events.push(event);
      row.free = end;
    }
  }
  return rows.map((row) => row.events);
}
