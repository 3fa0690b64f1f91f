/** What an answer depends on: which event of the server says that it has changed. */

import type { Params } from "./client";

/**
 * `alerts` and `incidents` change by what happens or is done, `acts` by either, `data` by what is received. `freshness` comes
 * with the event itself.
 */
export type Topic = "alerts" | "incidents" | "acts" | "data" | "freshness";

const ALERT_KINDS: readonly unknown[] = ["alert", "notification"];
const INCIDENT_KINDS: readonly unknown[] = ["incident", "audit"];

const PATHS: readonly [string, Topic][] = [
  ["/api/v1/incidents", "incidents"],
  ["/api/v1/healing", "incidents"],
  ["/api/v1/alerts", "alerts"],
  ["/api/v1/notifications", "alerts"],
  ["/api/v2/alerts", "acts"],
  ["/api/v2/silences", "acts"],
  ["/api/v1/anomalies", "data"],
  ["/api/v1/find", "data"],
  ["/api/v1/freshness", "data"],
  ["/api/v1/logs", "data"],
  ["/api/v1/map", "data"],
  ["/api/v1/marks", "incidents"],
  ["/api/v1/rankings", "data"],
  ["/api/v1/red", "data"],
  ["/api/v1/services", "data"],
  ["/api/v1/traces", "data"],
];

/** The topic of what a path answers; null: no event says when it changes, or data that is wanted at a pace of its own. */
export function topicOf(path: string, params: Params = {}, pace?: number): Topic | null {
  if (path === "/api/v1/find" && ALERT_KINDS.includes(params["kind"])) return "alerts";
  if (path === "/api/v1/find" && INCIDENT_KINDS.includes(params["kind"])) return "incidents";
  if (path === "/api/v1/freshness" && params["environment"] !== undefined) return "freshness"; // of the environment that is followed
  const topic = PATHS.find(([each]) => path.startsWith(each))?.[1] ?? null;
  return topic === "data" && pace !== undefined ? null : topic;
}

/** Whether it is polled even while events come: a silence ends by the clock, which no event says. */
export function alsoPolled(topic: Topic | null): boolean {
  return topic === null || topic === "acts";
}
