/** What `GET /api/v1/traces/{id}` answers. Times are nanoseconds since the epoch; JSON numbers round them to 256 ns. */

export type Value = string | number | boolean | null | Value[] | { [name: string]: Value };
export type Attributes = Record<string, Value>;

export interface SpanEvent {
  time: number;
  name: string;
  attributes: Attributes;
}

export interface SpanLink {
  trace_id: string;
  span_id: string;
  attributes: Attributes;
}

export interface SpanDocument {
  span_id: string;
  parent_span_id?: string;
  name: string;
  kind: string;
  start: number;
  duration: number;
  environment?: string;
  status: { code: string; message?: string };
  attributes: Attributes;
  resource: { attributes: Attributes };
  scope: { name: string; version?: string };
  events?: SpanEvent[];
  links?: SpanLink[];
  /** By the clock of the trace's root. `error` is null where nothing is known of the host's clock. */
  adjusted?: { start: number; shift: number; error: number | null };
  /** What is usual for this service and operation, where the store knows it. */
  usual?: { duration: number; p95: number; calls: number } | null;
  /** Why the span made an edge of the service map, or not; `rules` are names, `text` their English. */
  why?: { edge: boolean; rules: string[]; text: string } | null;
}

export interface Segment {
  span_id: string;
  service: string;
  operation: string;
  start: number;
  duration: number;
}

export interface HopDocument {
  id: string;
  caller: { name: string; kind?: string };
  callee: { name: string; kind?: string };
  operation: string;
  protocol: string;
  start: number;
  client_span_id: string;
  server_span_id: string;
  client_duration: number | null;
  server_duration: number | null;
  gap: number | null;
  self_time: number | null;
  queue_wait: number | null;
  critical_path_time: number;
  critical_path_share: number;
  skew: number | null;
  failed: boolean;
  inferred: boolean;
  link: boolean;
}

export interface LogDocument {
  _id: string;
  "@timestamp": number;
  span_id?: string;
  severity_number: number;
  severity_text: string;
  body?: { text?: string; structured?: Value };
  attributes: Attributes;
  resource: { attributes: Attributes };
}

export interface TraceDocument {
  trace_id: string;
  environment?: string;
  start: number;
  duration: number;
  span_count: number;
  root: { span_id: string; service: string; operation: string };
  errors: number;
  completeness: number;
  missing_parents: string[];
  cut?: boolean | string;
  critical_path: Segment[];
}

export interface TraceAnswer {
  /** Null while the trace is in progress: its call graph is stored when it closes. */
  trace: TraceDocument | null;
  spans: SpanDocument[];
  hops: HopDocument[];
  logs: LogDocument[];
  truncated: boolean;
  /** Spans that the store has; more than `spans` where the answer is truncated. */
  span_total?: number;
  critical_path_adjusted?: Segment[] | null;
}
