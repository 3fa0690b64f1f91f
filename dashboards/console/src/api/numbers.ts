/** Answers about services and incidents. Durations and times in nanoseconds; null: nothing was measured. */

export interface Stats {
  calls: number;
  failures: number;
  rate: number;
  error_rate: number | null;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  mean: number | null;
}

export interface Covered {
  since: number;
  until: number;
}

export interface Service extends Stats {
  name: string;
  environment: string;
  /** Own spans of any kind: a service may have spans and receive no call. */
  spans: number;
  error_spans: number;
  instances: number | null;
  versions: string[];
  last_seen: number | null;
  /** The highest score of an anomaly in the range; 0: none. */
  anomaly: number;
  anomalies: number;
  sparkline: { start: number; step: number; calls: (number | null)[]; failures: (number | null)[] };
}

export interface ServicesAnswer extends Covered {
  services: Service[];
}

export interface NodeRef {
  kind: string;
  name: string;
}

export interface Operation extends Stats {
  operation: string;
  protocol: string;
  critical_path_time: number;
  self_time: number | null;
}

export interface Dependency extends Stats {
  node: NodeRef;
  environment: string;
  /** What the client measured less what the server did, a call. */
  gap: number | null;
  self_time: number | null;
  critical_path_time: number;
  exemplars: string[];
}

export interface Instance {
  name: string;
  version: string;
  spans: number;
  error_spans: number;
  last_seen: number;
}

export interface Version {
  version: string;
  spans: number;
  first_seen: number;
  last_seen: number;
}

export interface ExceptionGroup {
  type: string;
  message: string;
  operation: string;
  count: number;
  last_seen: number;
  trace_id: string;
  span_id: string;
  stacktrace: string | null;
}

export interface ServiceAnswer extends Covered {
  name: string;
  environments: string[];
  stats: Stats;
  spans: number;
  error_spans: number;
  last_seen: number | null;
  operations: Operation[];
  operations_total: number;
  upstream: Dependency[];
  downstream: Dependency[];
  instances: Instance[];
  instances_total: number;
  versions: Version[];
  exceptions: ExceptionGroup[];
  exceptions_examined: number;
}

export interface RedAnswer extends Covered {
  step: number;
  times: number[];
  calls: (number | null)[];
  failures: (number | null)[];
  rate: (number | null)[];
  error_rate: (number | null)[];
  p50: (number | null)[];
  p95: (number | null)[];
  p99: (number | null)[];
  total: Stats;
  heatmap: { bounds: number[]; counts: number[][]; most: number } | null;
}

export interface Anomaly {
  id: string;
  kind: string;
  service: string;
  operation: string;
  instance: string;
  environment: string;
  start: number;
  end: number;
  score: number;
  expected: number;
  seen: number;
  unit: string;
  why: string;
  trace_ids: string[];
}

export interface AnomaliesAnswer extends Covered {
  total: number;
  anomalies: Anomaly[];
}

export interface IncidentSummary {
  id: string;
  environment: string;
  playbook: string;
  service: string;
  instance: string;
  state: string;
  open: boolean;
  opened: number;
  ended: number | null;
  why: string;
  approve_by: number | null;
  can_approve: boolean;
  fingerprint: string;
  cause: { service: string; instance: string; score: number; sentence: { text: string; signal: string } | null } | null;
  blast_radius: { instances: number; traffic_share: number; /** Absent where callers are not known. */ services?: string[] };
  acknowledged_by: string;
}

export interface IncidentsAnswer extends Covered {
  total: number;
  incidents: IncidentSummary[];
}
