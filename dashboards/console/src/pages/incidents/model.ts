/** Incidents as they are stored: one document a change, the newest revision is what it came to. Times in ns, 0: not yet. */

import type { Tone } from "../../shared/Badge";

export interface Call {
  action: string;
  arguments: Record<string, unknown>;
}

export interface Check {
  expression: string;
  hold: number;
  within: number;
  deadline: number;
  since: number;
  settled: boolean;
}

export interface Step {
  name: string;
  phase: string;
  call: Call;
  inverse: Call | null;
  undoes: string;
  progress: "waiting" | "intended" | "done" | "failed" | "unknown" | "undoing" | "undone" | "not-undone";
  started: number;
  ended: number;
  detail: string;
}

export type IncidentState = "approving" | "isolating" | "repairing" | "verifying" | "rolling-back" | "closed" | "escalated";

export interface Incident {
  id: string;
  playbook: string;
  revision: number;
  environment: string;
  service: string;
  instance: string;
  fingerprint: string;
  source: "alert" | "anomaly";
  labels: Record<string, string>;
  trace_ids: string[];
  instances: number;
  traffic_share: number;
  steps: Step[];
  check: Check;
  state: IncidentState;
  opened: number;
  approve_by: number;
  approved_by: string;
  ended: number;
  why: string;
  released: boolean;
  attempt?: number;
}

/** Of each incident its newest revision, the one opened last first. */
export function newestOf(bodies: readonly Incident[]): Incident[] {
  const newest = new Map<string, Incident>();
  for (const body of bodies) {
    const known = newest.get(body.id);
    if (known === undefined || body.revision > known.revision) newest.set(body.id, body);
  }
  return [...newest.values()].sort((a, b) => b.opened - a.opened || a.id.localeCompare(b.id));
}

export function isOpen(incident: Pick<Incident, "state">): boolean {
  return incident.state !== "closed" && incident.state !== "escalated";
}

/** Whether its step left the target isolated, or in a state that should have been undone: as the product's `left_behind`. */
export function leftBehind(step: Step): boolean {
  if (step.undoes) return false;
  if (step.phase === "isolate" || step.call.action === "isolate") return step.progress !== "waiting" && step.progress !== "undone";
  return step.inverse !== null && ["failed", "unknown", "not-undone"].includes(step.progress);
}

/** Whether it counts against the blast radius until a person releases it. */
export function canRelease(incident: Incident): boolean {
  return !isOpen(incident) && !incident.released && incident.steps.some(leftBehind);
}

/** Open ones, those that wait for a person first; then what ended in a range, the newest first. */
export function shownIn(incidents: readonly Incident[], since: number, until: number): Incident[] {
  const within = incidents.filter((each) => each.opened / 1e6 <= until && (isOpen(each) || each.ended / 1e6 >= since));
  const rank = (each: Incident) => (each.state === "approving" ? 0 : isOpen(each) ? 1 : canRelease(each) ? 2 : 3);
  return [...within].sort((a, b) => rank(a) - rank(b) || b.opened - a.opened);
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

export const PROGRESS_TONES: Record<Step["progress"], Tone> = {
  waiting: "plain",
  intended: "accent",
  done: "good",
  failed: "bad",
  unknown: "bad",
  undoing: "warn",
  undone: "plain",
  "not-undone": "bad",
};

export function target(incident: Pick<Incident, "service" | "instance">): string {
  return incident.instance && incident.instance !== incident.service ? `${incident.service}/${incident.instance}` : incident.service;
}

/** What `GET /api/v1/healing` answers. */
export interface Healing {
  stopped_by: string;
  environments: Record<string, string>;
  incidents: { id: string }[];
}
