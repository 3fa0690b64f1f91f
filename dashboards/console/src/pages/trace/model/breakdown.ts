/** Where the time of a trace went: its critical path, by what each stretch was spent on. */

import type { HopDocument } from "./answer";
import type { Span, Stretch, Trace } from "./trace";

/**
 * `self`: `who` worked in `operation`. `gap`: a request or its answer was between `who` and `to`. `queue`: a message
 * waited for `to`. `call`: `who` waited for `to`, which sends no spans. `late`: `who` had ended, and what follows began later.
 */
export interface Part {
  kind: "self" | "gap" | "queue" | "call" | "late";
  who: string;
  to: string;
  operation: string;
  /** Nanoseconds. */
  time: number;
  /** Of the trace's duration, 0..1. */
  share: number;
  /** The span that has most of it. */
  span: string;
}

/** The parts of the critical path, the largest first; empty while it is not known. */
export function breakdown(trace: Trace, hops: readonly HopDocument[]): Part[] {
  const servers = new Map<string, HopDocument[]>();
  for (const hop of hops) {
    if (!hop.client_span_id) continue;
    const known = servers.get(hop.client_span_id);
    if (known) known.push(hop);
    else servers.set(hop.client_span_id, [hop]);
  }
  const parts = new Map<string, Part & { most: number }>();
  for (const span of trace.spans) {
    for (const segment of span.critical) {
      for (const [stretch, inside] of split(segment, span)) {
        const time = stretch.end - stretch.start;
        if (time <= 0) continue;
        const part = partOf(span, stretch, inside, servers.get(span.id) ?? [], trace);
        const key = [part.kind, part.who, part.to, part.operation].join("\u0000");
        const known = parts.get(key);
        if (!known) parts.set(key, { ...part, time, share: 0, span: span.id, most: time });
        else {
          known.time += time;
          if (time > known.most) {
            known.most = time;
            known.span = span.id;
          }
        }
      }
    }
  }
  const whole = Math.max(1, trace.duration);
  return [...parts.values()]
    .map(({ most: _, ...part }) => ({ ...part, share: part.time / whole }))
    .sort((a, b) => b.time - a.time || (a.who < b.who ? -1 : 1));
}

/** A segment's time inside its span, and that after the span's end. */
function split(segment: Stretch, span: Span): [Stretch, boolean][] {
  const end = Math.min(segment.end, Math.max(segment.start, span.end));
  return [
    [{ start: segment.start, end }, true],
    [{ start: end, end: segment.end }, false],
  ];
}

type Kind = Pick<Part, "kind" | "who" | "to" | "operation">;

function partOf(span: Span, stretch: Stretch, inside: boolean, hops: readonly HopDocument[], trace: Trace): Kind {
  const own: Kind = { kind: "self", who: span.service, to: "", operation: span.name };
  if (!inside) {
    const next = startingAt(span, stretch.end, hops, trace);
    return next ? { kind: "queue", who: span.service, to: next, operation: "" } : { ...own, kind: "late" };
  }
  const hop = hops[0];
  if (!hop || hop.queue_wait !== null || span.kind !== "Client") return own;
  if (!trace.byId.has(hop.server_span_id)) return { kind: "call", who: span.service, to: hop.callee.name, operation: span.name };
  return { kind: "gap", who: span.service, to: hop.callee.name, operation: "" };
}

/** The service whose message the span sent and that began to work at the end of a wait. */
function startingAt(span: Span, end: number, hops: readonly HopDocument[], trace: Trace): string | null {
  const near = (other: Span): boolean => Math.abs(other.start - end) <= ROUNDING;
  for (const hop of hops) {
    const server = trace.byId.get(hop.server_span_id);
    if (hop.queue_wait !== null && server && near(server)) return hop.callee.name;
  }
  const child = span.children.find((other) => other.kind === "Consumer" && near(other));
  return child ? child.service : null;
}

/** Nanoseconds by which two times may differ that were equal before JSON numbers rounded them. */
const ROUNDING = 1024;
