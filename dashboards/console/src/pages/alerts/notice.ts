/** What a stored notification says. */

import { milliseconds } from "../../api/client";
import type { Notification } from "./model";

/** What a notification is about: its group, or the alert that was not in one. */
export function aboutOf(body: Notification): string {
  const labels = body.outcome === "suppressed" ? pick(body.labels ?? {}, ["alertname", "service"]) : Object.values(body.group_labels ?? {});
  return labels.join(" ");
}

/** How it went: what failed once and was given up is stored as `failed` with its time. */
export function outcomeOf(body: Notification): "delivered" | "failed" | "suppressed" {
  return body.outcome === "delivered" || body.outcome === "suppressed" ? body.outcome : "failed";
}

/** Why it failed, or by what the alert was suppressed. */
export function whyOf(body: Notification): string {
  if (body.outcome !== "suppressed") return body.error ?? "";
  const path = (body.path ?? []).join(" → ");
  return `${body.by ?? ""}: ${path || (body.reason ?? "")}`;
}

function pick(labels: Record<string, string>, names: readonly string[]): string[] {
  return names.flatMap((name) => labels[name] ?? []);
}

export function timeOf(body: Notification): number {
  const time = body["@timestamp"];
  return typeof time === "number" ? milliseconds(time) : Date.parse(time);
}
