/** What a stored notification says. */

import { milliseconds } from "../../api/client";
import { said, saidOf } from "../../i18n/sentences";
import type { Notification } from "./model";

/** What a notification is about: its group, or the alert that was not in one. */
export function aboutOf(body: Notification): string {
  const labels = body.outcome === "suppressed" ? pick(body.labels, ["alertname", "service"]) : Object.values(body.group_labels);
  return labels.join(" ");
}

/** How it went: what failed once and was given up is stored as `failed` with its time. */
export function outcomeOf(body: Notification): "delivered" | "failed" | "suppressed" {
  return body.outcome === "delivered" || body.outcome === "suppressed" ? body.outcome : "failed";
}

/** The sentences of what suppresses, by its name in documents. */
const SUPPRESSED: Record<string, string> = { inhibition: "suppressed_by_inhibition", silence: "suppressed_by_silence", "time interval": "suppressed_by_time" };

/** Why it failed, or by what the alert was suppressed. */
export function whyOf(body: Notification): string {
  if (body.outcome !== "suppressed") return said(body.error, body.error_parts);
  const reason = body.path.join(" → ") || said(body.reason, body.reason_parts);
  const { by } = body;
  return saidOf(`${by}: ${reason}`, { code: SUPPRESSED[by], values: { reason } });
}

function pick(labels: Record<string, string>, names: readonly string[]): string[] {
  return names.flatMap((name) => labels[name] ?? []);
}

export function timeOf(body: Notification): number {
  return milliseconds(body.time);
}
