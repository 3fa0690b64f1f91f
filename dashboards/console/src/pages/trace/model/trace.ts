/** A trace as the page needs it: spans in the order of their tree, with times relative to the first start. */

import type { HopDocument, LogDocument, SpanDocument, TraceAnswer } from "./answer";

/** A stretch of time in nanoseconds since the start of the trace. */
export interface Stretch {
  start: number;
  end: number;
}

/** Time in which a call or message was on its way: the gap of a request, or the wait in a queue. */
export interface Wait extends Stretch {
  kind: "gap" | "queue";
}

export interface Span {
  /** Place in the tree's order; the spans below it follow directly, `descendants` of them. */
  index: number;
  descendants: number;
  depth: number;
  id: string;
  parent: Span | null;
  children: Span[];
  parentMissing: boolean;
  service: string;
  name: string;
  kind: string;
  start: number;
  end: number;
  duration: number;
  /** Time in which no span below it ran. */
  selfTime: number;
  failed: boolean;
  /** Nanoseconds by which its times were moved to the root's clock. */
  shift: number;
  critical: Stretch[];
  waits: Wait[];
  logs: { at: number; severity: Severity }[];
  /** Nanoseconds that are usual for its operation (median), where the span took clearly longer; else null. */
  usual: number | null;
  document: SpanDocument;
}

export type Severity = "bad" | "warn" | "";
export type Clock = "recorded" | "root";

export interface Trace {
  id: string;
  /** Nanoseconds since the epoch. */
  start: number;
  duration: number;
  spans: Span[];
  byId: ReadonlyMap<string, Span>;
  services: string[];
  /** Whether the critical path is known by this clock. */
  pathKnown: boolean;
}

const NONE: readonly never[] = [];

export function serviceOf(document: { resource: { attributes: Record<string, unknown> } }): string {
  const { attributes } = document.resource;
  const name = String(attributes["service.name"] ?? "unknown_service");
  const namespace = attributes["service.namespace"];
  return namespace ? `${String(namespace)}/${name}` : name;
}

export function severityOf(log: LogDocument): Severity {
  const number = log.severity_number || 0;
  return number >= 17 ? "bad" : number >= 13 ? "warn" : "";
}

/** The trace of an answer. A span whose parent is missing, or is below it in a cycle, stands at the left. */
export function buildTrace(id: string, answer: TraceAnswer, clock: Clock = "recorded"): Trace {
  const startOf = (span: SpanDocument): number => (clock === "root" && span.adjusted ? span.adjusted.start : span.start);
  let start = Infinity;
  let end = -Infinity;
  for (const span of answer.spans) {
    start = Math.min(start, startOf(span));
    end = Math.max(end, startOf(span) + span.duration);
  }
  if (answer.spans.length === 0) start = end = 0;
  const spans = inOrder(answer.spans, startOf, start, clock);
  const byId = new Map(spans.map((span) => [span.id, span]));
  for (const span of spans) span.selfTime = selfTime(span);
  const path = clock === "root" && hasShifts(answer) ? answer.critical_path_adjusted : answer.trace?.critical_path;
  for (const segment of path ?? NONE) {
    const at = segment.start - start;
    byId.get(segment.span_id)?.critical.push({ start: at, end: at + segment.duration });
  }
  for (const hop of answer.hops) addWaits(hop, byId);
  for (const log of answer.logs) {
    const span = byId.get(log.span_id ?? "");
    span?.logs.push({ at: log["@timestamp"] - start + span.shift, severity: severityOf(log) });
  }
  const services = [...new Set(spans.map((span) => span.service))];
  return { id, start, duration: end - start, spans, byId, services, pathKnown: path != null };
}

/** Whether the clocks of hosts are known to differ. */
export function hasShifts(answer: TraceAnswer): boolean {
  return answer.spans.some((span) => (span.adjusted?.shift ?? 0) !== 0);
}

function inOrder(documents: SpanDocument[], startOf: (span: SpanDocument) => number, zero: number, clock: Clock): Span[] {
  const known = new Map(documents.map((document) => [document.span_id, document]));
  const sorted = [...known.values()].sort((a, b) => startOf(a) - startOf(b) || (a.span_id < b.span_id ? -1 : 1));
  const below = new Map<string, SpanDocument[]>();
  const tops: SpanDocument[] = [];
  for (const document of sorted) {
    const parent = document.parent_span_id ?? "";
    if (!known.has(parent)) tops.push(document);
    else if (below.has(parent)) below.get(parent)?.push(document);
    else below.set(parent, [document]);
  }
  const spans: Span[] = [];
  const seen = new Set<string>();
  // What no top leads to is in a cycle of parents: it begins at its earliest span.
  for (const top of [...tops, ...sorted]) {
    const waiting: [SpanDocument, Span | null][] = [[top, null]];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const [document, parent] = next;
      if (seen.has(document.span_id)) continue;
      seen.add(document.span_id);
      const span = spanOf(document, parent, spans.length, startOf(document) - zero, clock);
      span.parentMissing = Boolean(document.parent_span_id) && parent === null;
      parent?.children.push(span);
      spans.push(span);
      const children = below.get(document.span_id) ?? [];
      for (let place = children.length - 1; place >= 0; place--) waiting.push([children[place] as SpanDocument, span]);
    }
  }
  for (let place = spans.length - 1; place >= 0; place--) {
    const span = spans[place] as Span;
    if (span.parent) span.parent.descendants += span.descendants + 1;
  }
  return spans;
}

function spanOf(document: SpanDocument, parent: Span | null, index: number, start: number, clock: Clock): Span {
  return {
    index,
    descendants: 0,
    depth: parent ? parent.depth + 1 : 0,
    id: document.span_id,
    parent,
    children: [],
    parentMissing: false,
    service: serviceOf(document),
    name: document.name,
    kind: document.kind,
    start,
    end: start + document.duration,
    duration: document.duration,
    selfTime: 0,
    failed: document.status.code === "Error",
    shift: clock === "root" ? (document.adjusted?.shift ?? 0) : 0,
    critical: [],
    waits: [],
    logs: [],
    usual: clearlyLonger(document) ? (document.usual?.duration ?? null) : null,
    document,
  };
}

/** Slower than nearly all of its operation, and by more than its usual spread. */
function clearlyLonger({ duration, usual }: SpanDocument): boolean {
  return usual != null && duration > usual.p95 && duration > usual.duration * UNUSUAL;
}

/** How many times as long as the median a span is at least, for its row to say so. */
const UNUSUAL = 1.5;

/** A span's duration less the union of its children's times. */
function selfTime(span: Span): number {
  let busy = 0;
  let cursor = span.start;
  for (const child of span.children) {
    const from = Math.max(cursor, child.start);
    const to = Math.min(span.end, child.end);
    if (to > from) {
      busy += to - from;
      cursor = to;
    }
  }
  return Math.max(0, span.duration - busy);
}

/** The hatched stretches of a call, on the row of the side that was waited for. */
function addWaits(hop: HopDocument, byId: ReadonlyMap<string, Span>): void {
  const client = byId.get(hop.client_span_id);
  const server = byId.get(hop.server_span_id);
  if (!server) return;
  if (hop.queue_wait !== null) {
    if (hop.queue_wait > 0) server.waits.push({ kind: "queue", start: server.start - hop.queue_wait, end: server.start });
  } else if (client && hop.gap !== null && hop.gap > 0) {
    if (client.start < server.start) server.waits.push({ kind: "gap", start: client.start, end: server.start });
    if (server.end < client.end) server.waits.push({ kind: "gap", start: server.end, end: client.end });
  }
}
