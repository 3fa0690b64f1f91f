/** Two traces side by side: their trees merged by call path, and what differs. */

import type { Span, Trace } from "../../trace/model/trace";

/** The spans of one trace that have the same operations above them. */
export interface Side {
  count: number;
  errors: number;
  /** Nanoseconds, summed. */
  duration: number;
  self: number;
  /** The longest of them. */
  span: string;
}

export interface Compared {
  /** Distinct among the rows. */
  path: number;
  depth: number;
  service: string;
  name: string;
  a: Side | null;
  b: Side | null;
  /** `same`: as often in both, and about as long. */
  differs: "same" | "only-a" | "only-b" | "count" | "slower" | "faster" | "errors";
}

interface Node {
  path: number;
  depth: number;
  service: string;
  name: string;
  sides: [Side | null, Side | null];
  children: Map<string, Node>;
}

/** A duration differs from this ratio on, and from this share of the longer trace on: less is noise. */
const RATIO = 1.5;
const SHARE = 0.02;

/** Call paths in the order of the first trace's tree; what only the second has stands where its parent is. */
export function compared(a: Trace, b: Trace): Compared[] {
  const roots = new Map<string, Node>();
  merge(roots, a, 0);
  merge(roots, b, 1);
  const least = Math.max(a.duration, b.duration) * SHARE;
  const rows: Compared[] = [];
  const waiting = [...roots.values()].reverse();
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    const { path, depth, service, name, sides } = node;
    rows.push({ path, depth, service, name, a: sides[0], b: sides[1], differs: difference(sides[0], sides[1], least) });
    waiting.push(...[...node.children.values()].reverse());
  }
  return rows;
}

function merge(roots: Map<string, Node>, trace: Trace, side: 0 | 1): void {
  const nodes = new Map<Span, Node>();
  for (const span of trace.spans) {
    const above = span.parent ? nodes.get(span.parent) : undefined;
    const among = above?.children ?? roots;
    const key = `${span.service}\u0000${span.name}\u0000${span.kind}`;
    let node = among.get(key);
    if (!node) {
      node = { path: 2 * span.index + side, depth: span.depth, service: span.service, name: span.name, sides: [null, null], children: new Map() };
      among.set(key, node);
    }
    nodes.set(span, node);
    const known = node.sides[side];
    if (!known) node.sides[side] = { count: 1, errors: span.failed ? 1 : 0, duration: span.duration, self: span.selfTime, span: span.id };
    else {
      if (span.duration > (trace.byId.get(known.span)?.duration ?? 0)) known.span = span.id;
      known.count += 1;
      known.errors += span.failed ? 1 : 0;
      known.duration += span.duration;
      known.self += span.selfTime;
    }
  }
}

function difference(a: Side | null, b: Side | null, least: number): Compared["differs"] {
  if (!a) return "only-b";
  if (!b) return "only-a";
  if (a.errors !== b.errors) return "errors";
  if (a.count !== b.count) return "count";
  if (Math.abs(a.duration - b.duration) < least) return "same";
  if (b.duration > a.duration * RATIO) return "slower";
  return a.duration > b.duration * RATIO ? "faster" : "same";
}
