/** Incidents as the API has them: times in ns, null where it has not come to that. */

import type { IncidentDetail, IncidentSummary } from "../../api/numbers";
import type { Tone } from "../../shared/Badge";

export type IncidentState = IncidentSummary["state"];
export type Step = IncidentDetail["steps"][number];
export type Progress = "waiting" | "intended" | "done" | "failed" | "unknown" | "undoing" | "undone" | "not-undone";

/** What waits for a person first, then what is open, then what holds its target isolated; each the newest first. */
export function byUrgency(incidents: readonly IncidentSummary[]): IncidentSummary[] {
  const rank = (each: IncidentSummary) => (each.can_approve ? 0 : each.open ? 1 : each.can_release ? 2 : 3);
  return [...incidents].sort((a, b) => rank(a) - rank(b) || b.opened - a.opened || a.id.localeCompare(b.id));
}

export const STATE_TONES: Record<IncidentState, Tone> = {
  approving: "warn",
  isolating: "accent",
  repairing: "accent",
  verifying: "accent",
  "rolling-back": "warn",
  closed: "good",
  escalated: "bad",
};

export const PROGRESS_TONES: Record<Progress, Tone> = {
  waiting: "plain",
  intended: "accent",
  done: "good",
  failed: "bad",
  unknown: "bad",
  undoing: "warn",
  undone: "plain",
  "not-undone": "bad",
};

/** The tone of a step's progress; plain where a newer server says something else. */
export function progressTone(progress: string): Tone {
  return (PROGRESS_TONES as Record<string, Tone | undefined>)[progress] ?? "plain";
}

export function target(incident: Pick<IncidentSummary, "service" | "instance">): string {
  return incident.instance && incident.instance !== incident.service ? `${incident.service}/${incident.instance}` : incident.service;
}

/** What `GET /api/v1/healing` answers. */
export interface Healing {
  stopped_by: string;
  environments: Record<string, string>;
  incidents: { id: string }[];
}
