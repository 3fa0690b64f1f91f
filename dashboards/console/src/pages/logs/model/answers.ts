/** What the API answers about logs. Times are nanoseconds since the epoch. */

export interface LogRow {
  id: string;
  time: number;
  severity: string;
  severity_number: number | null;
  service: string;
  text: string;
  trace_id: string | null;
  span_id: string | null;
  environment: string;
  attributes: Record<string, unknown>;
  resource: Record<string, unknown>;
}

export interface FoundLogs {
  logs: LogRow[];
  total: number;
  cursor: string | null;
}

export interface LogHistogram {
  since: number;
  until: number;
  step: number;
  series: { severity: string; counts: number[] }[];
}

export interface Templates {
  templates: {
    template: string;
    count: number;
    share: number;
    severity: string;
    services: string[];
    first: number;
    last: number;
    example: LogRow;
  }[];
  /** Lines that were looked at, the newest, of those that match. */
  examined: number;
  total: number;
}

/** How bad a record is, by its severity's number. */
export function toneOf(number: number | null): "bad" | "warn" | "" {
  return (number ?? 0) >= 17 ? "bad" : (number ?? 0) >= 13 ? "warn" : "";
}
