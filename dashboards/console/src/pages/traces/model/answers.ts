/** What the API answers about traces. Times are nanoseconds since the epoch, durations nanoseconds. */

export interface TraceRow {
  trace_id: string;
  start: number;
  duration: number;
  /** Null: the root span is missing. */
  root: { service: string; operation: string } | null;
  services: string[];
  span_count: number;
  errors: number;
  environment: string;
  completeness: number;
  /** It is in progress: numbers are those of the spans that are stored so far. */
  open: boolean;
  matched: { spans: number; newest: number; slowest: number };
}

export interface Found {
  traces: TraceRow[];
  total: number;
  total_exact: boolean;
  cursor: string | null;
}

export interface Facets {
  spans: number;
  facets: { field: string; values: { value: string; spans: number }[]; more: boolean }[];
}

export interface TraceHeatmap {
  since: number;
  until: number;
  step: number;
  durations: number[];
  counts: number[][];
  spans: number;
}

export interface Common {
  /** Nanoseconds from which on a span counts as slow; null where failed ones were asked for. */
  threshold: number | null;
  test: string;
  /** Attributes, counted in spans. */
  values: Sides;
  /** Operations that are in their traces, counted in traces. */
  calls: Sides;
}

export interface Sides {
  picked: number;
  rest: number;
  tested: number;
  found: { field: string; value: string; picked: number; rest: number; lift: number | null; p: number }[];
}
