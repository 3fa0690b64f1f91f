/** The spans of a trace by operation, and by call path. */

import type { Span, Trace } from "./trace";

export interface OperationRow {
  key: string;
  service: string;
  name: string;
  count: number;
  errors: number;
  /** Nanoseconds, summed over its spans. */
  total: number;
  self: number;
  critical: number;
  most: number;
  /** Nanoseconds that are usual for it (median); null where unknown. */
  usual: number | null;
  /** The longest of its spans. */
  longest: string;
}

export function byOperation(trace: Trace): OperationRow[] {
  const rows = new Map<string, OperationRow>();
  for (const span of trace.spans) {
    const key = `${span.service}\u0000${span.name}`;
    let row = rows.get(key);
    if (!row) {
      row = {
        ...{ key, service: span.service, name: span.name, count: 0, errors: 0, total: 0, self: 0, critical: 0, most: -1 },
        ...{ usual: span.document.usual?.duration ?? null, longest: span.id },
      };
      rows.set(key, row);
    }
    row.count += 1;
    row.errors += span.failed ? 1 : 0;
    row.total += span.duration;
    row.self += span.selfTime;
    for (const stretch of span.critical) row.critical += stretch.end - stretch.start;
    if (span.duration > row.most) {
      row.most = span.duration;
      row.longest = span.id;
    }
  }
  return [...rows.values()].sort((a, b) => b.self - a.self || (a.key < b.key ? -1 : 1));
}

/** Spans that have the same operations above them, merged. `left` and `width` are shares of the whole, 0..1. */
export interface FlameBox {
  /** Distinct among the boxes. */
  path: number;
  service: string;
  name: string;
  depth: number;
  count: number;
  failed: number;
  self: number;
  /** Its own time and that of all below it. */
  weight: number;
  left: number;
  width: number;
  longest: Span;
}

interface FlameNode extends Omit<FlameBox, "left" | "width"> {
  children: Map<string, FlameNode>;
}

/** The flame graph: what is wide has the most self time in it and below it. Boxes by depth, then from left to right. */
export function flame(trace: Trace): FlameBox[] {
  const top: FlameNode[] = [];
  const roots = new Map<string, FlameNode>();
  const nodes = new Map<Span, FlameNode>();
  const all: FlameNode[] = [];
  for (const span of trace.spans) {
    const above = span.parent ? nodes.get(span.parent) : undefined;
    const among = above ? above.children : roots;
    const key = `${span.service}\u0000${span.name}`;
    let node = among.get(key);
    if (!node) {
      node = {
        ...{ path: span.index, service: span.service, name: span.name, depth: span.depth },
        ...{ count: 0, failed: 0, self: 0, weight: 0, longest: span, children: new Map() },
      };
      among.set(key, node);
      all.push(node);
      if (!above) top.push(node);
    }
    node.count += 1;
    node.failed += span.failed ? 1 : 0;
    node.self += span.selfTime;
    if (span.duration > node.longest.duration) node.longest = span;
    nodes.set(span, node);
  }
  for (let place = all.length - 1; place >= 0; place--) {
    const node = all[place] as FlameNode;
    node.weight = node.self;
    for (const child of node.children.values()) node.weight += child.weight;
  }
  const whole = Math.max(1, top.reduce((sum, node) => sum + node.weight, 0));
  const boxes: FlameBox[] = [];
  let level: [FlameNode, number][] = [];
  let cursor = 0;
  for (const node of top) {
    level.push([node, cursor]);
    cursor += node.weight;
  }
  while (level.length > 0) {
    const next: [FlameNode, number][] = [];
    for (const [{ children, ...node }, left] of level) {
      boxes.push({ ...node, left: left / whole, width: node.weight / whole });
      let at = left;
      for (const child of children.values()) {
        next.push([child, at]);
        at += child.weight;
      }
    }
    level = next;
  }
  return boxes;
}
