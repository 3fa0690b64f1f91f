/** What happened around an incident, in lanes: metric, alert, repair, notification. Times in milliseconds. */

import type { IncidentDetail, LaneEvent } from "../../api/numbers";
import { said } from "../../i18n/sentences";
import { STATE_TONES, type IncidentState } from "../incidents/model";
import { t as incidentText } from "../incidents/strings";
import { sentence, type AuditRecord } from "./audit";
import { t } from "./strings";

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

const ms = (ns: number) => ns / 1e6;

/** The events of all lanes of an incident, and what was decided about it, by time. */
export function eventsOf(incident: IncidentDetail): Event[] {
  return [...laneEvents(incident.service, incident.lanes), ...acts(incident.audit)].sort(byStart);
}

/** The events of lanes, by time. */
export function laneEvents(service: string, lanes: IncidentDetail["lanes"]): Event[] {
  const of = (name: LaneName) => lanes.find((each) => each.lane === name)?.events ?? [];
  return [...merged(service, of("metric")), ...of("alert").map(alertEvent), ...of("repair").map(stepEvent), ...of("notification").map(sent)].sort(byStart);
}

const byStart = (a: Event, b: Event) => a.start - b.start;

/** Anomalies of one kind that follow each other are one bar. */
function merged(service: string, anomalies: readonly LaneEvent[]): Event[] {
  const found: (Event & { key: string })[] = [];
  for (const each of [...anomalies].sort((a, b) => a.start - b.start)) {
    const end = ms(each.end ?? each.start);
    const before = found.findLast((event) => event.key === each.kind);
    if (before !== undefined && before.end !== null && ms(each.start) - before.end <= 30_000) {
      before.end = Math.max(before.end, end);
    } else {
      found.push({ key: each.kind, lane: "metric", start: ms(each.start), end, open: false, title: of(service, said(each.text, each.text_parts)), tone: "warn" });
    }
  }
  return found;
}

/** What is said of a service, with its name where that does not stand in it. */
function of(service: string, text: string): string {
  return service === "" || text.includes(service) ? text : `${service}: ${text}`;
}

/** A time that the alert was pending, or that it fired. */
function alertEvent(each: LaneEvent): Event {
  return {
    lane: "alert",
    start: ms(each.start),
    end: each.end === null ? null : ms(each.end),
    open: each.end === null,
    title: `${each.title}: ${word(each.state)}`,
    tone: each.state === "firing" ? "bad" : "warn",
  };
}

const BAD = new Set(["failed", "unknown", "not-undone", "escalated"]);

function stepEvent(each: LaneEvent): Event {
  return {
    lane: "repair",
    start: ms(each.start),
    end: each.end === null ? null : ms(each.end),
    open: each.end === null,
    title: `${each.title}: ${word(each.state)}${each.text && each.text !== each.state ? `, ${said(each.text, each.text_parts)}` : ""}`,
    tone: each.state === "done" || each.state === "closed" ? "good" : BAD.has(each.state) ? "bad" : "accent",
  };
}

const WORDS = {
  pending: "pending",
  firing: "firing",
  delivered: "delivered",
  suppressed: "suppressed",
  failed: "failed",
  waiting: "waiting",
  intended: "intended",
  done: "done",
  unknown: "unknown",
  undoing: "undoing",
  undone: "undone",
  "not-undone": "notUndone",
} as const;

/** A state in the reader's language; one that a newer server says is its own word. */
export function word(state: string): string {
  if (state in STATE_TONES) return incidentText(state as IncidentState);
  const key = (WORDS as Record<string, (typeof WORDS)[keyof typeof WORDS] | undefined>)[state];
  return key === undefined ? state : t(key);
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

/** What failed once and was given up has its time beside that word. */
function sent(each: LaneEvent): Event {
  const outcome = each.state === "delivered" || each.state === "suppressed" ? each.state : "failed";
  return {
    lane: "notification",
    start: ms(each.start),
    end: null,
    open: false,
    title: [each.title, word(outcome), said(each.text, each.text_parts)].filter(Boolean).join(" "),
    tone: outcome === "delivered" ? "good" : outcome === "failed" ? "bad" : "plain",
  };
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
