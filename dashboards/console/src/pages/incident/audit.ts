/** The audit trail of an incident as sentences, in the reader's language: records hold the parts. */

import type { IncidentDetail } from "../../api/numbers";
import { saidOf } from "../../i18n/sentences";
import { clock, duration } from "../../shared/format";
import { t } from "./strings";

export type AuditRecord = IncidentDetail["audit"][number];

/** Who it was by the record; empty for the product itself. */
export function whoOf(record: Pick<AuditRecord, "data">): string {
  const who = record.data["who"];
  return typeof who === "string" && who !== "automatic" ? who : "";
}

const EVENTS = {
  matched: "ev_matched",
  "approval-requested": "ev_asked",
  approved: "ev_approved",
  denied: "ev_denied",
  acknowledged: "ev_acknowledged",
  rerun: "ev_rerun",
  released: "ev_released",
  "approval-refused": "ev_noroom",
  "step-intended": "ev_step",
  "step-done": "ev_done",
  "step-failed": "ev_failed",
  "step-unknown": "ev_unknown",
  "step-asked": "ev_stepasked",
  "step-repeated": "ev_repeated",
  "verification-started": "ev_verify",
  "verification-holds": "ev_holds",
  "verification-broken": "ev_broken",
  verified: "ev_verified",
  "verification-failed": "ev_notverified",
  "still-firing": "ev_still",
  "rolling-back": "ev_rollback",
  "rollback-intended": "ev_undo",
  "rollback-done": "ev_undone",
  "rollback-failed": "ev_notundone",
  closed: "ev_closed",
  escalated: "ev_escalated",
  refused: "ev_refused",
  "dry-run": "ev_dryrun",
} as const;

/** One record in a sentence; one that is not known here is its name with its parts. */
export function sentence(record: Pick<AuditRecord, "event" | "data">): string {
  const { event, data } = record;
  if (event === "approved" && data["who"] === "automatic") return t("ev_automatic");
  if (event === "alert") return t(data["state"] === "firing" ? "ev_fires" : "ev_resolved");
  const key = (EVENTS as Record<string, (typeof EVENTS)[keyof typeof EVENTS] | undefined>)[event];
  if (key === undefined) return [event, parts(data)].filter(Boolean).join(": ");
  return t(key, values(data)).replace(/[:：]?\s*$/u, "");
}

/** The parts of a record as texts, by the names that sentences use. */
function values(data: Record<string, unknown>): Record<string, string> {
  const found: Record<string, string> = {};
  const own = record(data["parts"]);
  for (const name of ["who", "text", "step", "action", "detail", "why", "reason", "subject", "playbook", "source", "expression", "code"]) {
    found[name] = word(typeof data[name] === "string" ? saidOf(data[name], own[name]) : data[name]);
  }
  const { target } = data as { target?: { service?: string; instance?: string } };
  found["target"] = [target?.service, target?.instance].filter(Boolean).join("/");
  found["arguments"] = parts(record(data["arguments"]));
  found["until"] = typeof data["until"] === "number" ? clock(data["until"] / 1e6) : "";
  found["held"] = typeof data["held"] === "number" ? duration(data["held"]) : "";
  return found;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function parts(data: Record<string, unknown>): string {
  return Object.entries(data)
    .filter(([name, value]) => name !== "parts" && value !== "" && value !== null && value !== undefined && JSON.stringify(value) !== "{}" && JSON.stringify(value) !== "[]")
    .map(([name, value]) => `${name}=${word(value)}`)
    .join(" ");
}

function word(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value.split(/\s+/u).join(" ").trim() : JSON.stringify(value);
}
