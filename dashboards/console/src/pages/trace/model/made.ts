/** Answers of the API for tests. */

import type { HopDocument, LogDocument, Segment, SpanDocument, TraceAnswer } from "./answer";

/** About a millisecond, and a time: powers of two, so that sums with them are exact numbers. */
export const MS = 2 ** 20;
export const ZERO = 2 ** 60;

type Given = Partial<SpanDocument> & { service?: string };

/** A span from `at` for `took` milliseconds after the trace began. */
export function span(id: string, parent: string, at: number, took: number, given: Given = {}): SpanDocument {
  const { service = "shop", ...rest } = given;
  return {
    span_id: id,
    ...(parent ? { parent_span_id: parent } : {}),
    name: `op ${id}`,
    kind: "Internal",
    start: ZERO + at * MS,
    duration: took * MS,
    status: { code: "Unset" },
    attributes: {},
    resource: { attributes: { "service.name": service } },
    scope: { name: "" },
    ...rest,
  };
}

export function segment(id: string, at: number, took: number): Segment {
  return { span_id: id, service: "", operation: "", start: ZERO + at * MS, duration: took * MS };
}

export function hop(client: string, server: string, given: Partial<HopDocument> = {}): HopDocument {
  return {
    id: `${client}-${server}`,
    caller: { name: "caller" },
    callee: { name: "callee" },
    operation: "op",
    protocol: "http",
    start: ZERO,
    client_span_id: client,
    server_span_id: server,
    client_duration: null,
    server_duration: null,
    gap: null,
    self_time: null,
    queue_wait: null,
    critical_path_time: 0,
    critical_path_share: 0,
    skew: null,
    failed: false,
    inferred: false,
    link: false,
    ...given,
  };
}

export function log(id: string, at: number, severity: number): LogDocument {
  return {
    ...{ _id: `log ${id} ${at}`, "@timestamp": ZERO + at * MS, span_id: id, severity_number: severity, severity_text: "" },
    ...{ body: { text: "said" }, attributes: {}, resource: { attributes: {} } },
  };
}

export function answer(spans: SpanDocument[], given: { path?: Segment[]; hops?: HopDocument[]; logs?: LogDocument[] } = {}): TraceAnswer {
  const { path, hops = [], logs = [] } = given;
  const trace = {
    ...{ trace_id: "t", start: ZERO, duration: 0, span_count: spans.length, root: { span_id: "", service: "", operation: "" } },
    ...{ errors: 0, completeness: 1, missing_parents: [], critical_path: path ?? [] },
  };
  return { trace: path ? trace : null, spans, hops, logs, truncated: false };
}

/** A trace of `count` spans, each with up to `fan` below it, always the same. */
export function large(count: number, fan = 6): TraceAnswer {
  const spans = [span("0", "", 0, count, { service: "s0" })];
  for (let place = 1; place < count; place++) {
    const parent = Math.floor((place - 1) / fan);
    const service = `s${place % 12}`;
    spans.push(span(String(place), String(parent), place % (count / 2), 1 + ((place * 7919) % 50), { service }));
  }
  return answer(spans);
}
