/** Alerts in groups: those of one incident together, the others by a label. */

import type { AlertRow } from "./model";

/** What the page needs of an incident. Times in ns. */
export interface IncidentOf {
  id: string;
  environment: string;
  playbook: string;
  service: string;
  fingerprint: string;
  state: string;
  open: boolean;
  opened: number;
  blast_radius: { services?: string[] };
}

export interface AlertGroup {
  key: string;
  /** Set for a group of one incident. */
  incident: IncidentOf | null;
  /** The label's value; empty where the alerts have none. */
  value: string;
  rows: AlertRow[];
}

/** Why an alert belongs to an incident: the nearest reason first. */
function belonging(row: AlertRow, incident: IncidentOf): number {
  if (row.fingerprint === incident.fingerprint) return 0;
  if (row.environment && incident.environment && row.environment !== incident.environment) return Number.POSITIVE_INFINITY;
  if (row.inhibitedBy.includes(incident.fingerprint)) return 1;
  if (row.service && row.service === incident.service) return 2;
  if (row.service && incident.blast_radius.services?.includes(row.service)) return 3;
  return Number.POSITIVE_INFINITY;
}

/** Groups of open incidents first, in their order; then by the label, the group with the most urgent alert first. */
export function groupsOf(rows: readonly AlertRow[], incidents: readonly IncidentOf[], label: string): AlertGroup[] {
  const open = incidents.filter((incident) => incident.open);
  const ofIncident = new Map<string, AlertRow[]>();
  const ofLabel = new Map<string, AlertRow[]>();
  for (const row of rows) {
    let best: IncidentOf | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const incident of open) {
      const near = belonging(row, incident);
      if (near < least) [best, least] = [incident, near];
    }
    const [groups, key] = best === null ? [ofLabel, labelValue(row, label)] : [ofIncident, best.id];
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const first = open.flatMap((incident) => {
    const found = ofIncident.get(incident.id);
    return found === undefined ? [] : [{ key: `incident ${incident.id}`, incident, value: incident.service, rows: found }];
  });
  const others = [...ofLabel].map(([value, found]) => ({ key: `${label}=${value}`, incident: null, value, rows: found }));
  return [...first, ...others];
}

export function labelValue(row: AlertRow, label: string): string {
  if (label === "service") return row.service;
  return row.labels[label] ?? "";
}

/** The labels by which rows can be grouped or filtered, the most common first. */
export function labelNames(rows: readonly AlertRow[]): string[] {
  const counts = new Map<string, number>();
  for (const row of rows) {
    for (const name of Object.keys(row.labels)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([name]) => name);
}
