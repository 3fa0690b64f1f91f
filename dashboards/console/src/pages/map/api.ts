/** What `GET /api/v1/map` and `GET /api/v1/red` answer. Durations and times in nanoseconds; null: nothing was measured. */

export type NodeKind = "service" | "database" | "queue" | "external" | "user" | "unknown";

export interface NodeRef {
  kind: NodeKind;
  name: string;
}

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

export interface MapNode extends NodeRef {
  id: string;
  environment: string;
  namespace: string;
  stats: Stats;
  anomaly: number;
  spans: number;
}

export interface MapEdge {
  id: string;
  source: string;
  target: string;
  caller: NodeRef;
  callee: NodeRef;
  environment: string;
  protocols: string[];
  stats: Stats;
  self_time: number | null;
  critical_path_time: number;
  critical_path_share: number;
  operations: { operation: string; calls: number }[];
  exemplars: string[];
  failed_traces: string[];
  usual: { p95: number | null; error_rate: number | null; rate: number | null } | null;
  deviation: number;
  why: string[];
}

export interface MapAnswer {
  since: number;
  until: number;
  accuracy: number;
  nodes: MapNode[];
  edges: MapEdge[];
}

export interface RedAnswer {
  since: number;
  until: number;
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
}

export interface Anomaly {
  id: string;
  kind: string;
  service: string;
  operation: string;
  environment: string;
  start: number;
  end: number;
  score: number;
  why: string;
  trace_ids: string[];
}
