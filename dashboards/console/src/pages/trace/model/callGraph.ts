/** Who called whom within one trace. */

import type { HopDocument } from "./answer";
import type { Trace } from "./trace";

export interface GraphNode {
  name: string;
  kind: string;
  spans: number;
  errors: number;
  /** Nanoseconds. */
  self: number;
  longest: string | null;
}

export interface GraphEdge {
  key: string;
  from: string;
  to: string;
  calls: number;
  failed: number;
  /** Nanoseconds: the longest call, the sum of gaps and waits, the part of the critical path. */
  most: number;
  waiting: number;
  critical: number;
  span: string;
  inferred: boolean;
}

export interface CallGraph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

export function callGraph(trace: Trace, hops: readonly HopDocument[]): CallGraph {
  const nodes = new Map<string, GraphNode>();
  const node = (name: string, kind: string): GraphNode => {
    let known = nodes.get(name);
    if (!known) nodes.set(name, (known = { name, kind, spans: 0, errors: 0, self: 0, longest: null }));
    return known;
  };
  const most = new Map<string, number>();
  for (const span of trace.spans) {
    const own = node(span.service, "service");
    own.spans += 1;
    own.errors += span.failed ? 1 : 0;
    own.self += span.selfTime;
    if (span.duration > (most.get(span.service) ?? -1)) {
      most.set(span.service, span.duration);
      own.longest = span.id;
    }
  }
  const edges = new Map<string, GraphEdge>();
  for (const hop of hops) {
    const from = node(hop.caller.name, hop.caller.kind ?? "service").name;
    const to = node(hop.callee.name, hop.callee.kind ?? "service").name;
    const key = `${from}\u0000${to}`;
    let edge = edges.get(key);
    if (!edge) {
      edge = { ...{ key, from, to, calls: 0, failed: 0, most: -1, waiting: 0, critical: 0, span: "" }, inferred: true };
      edges.set(key, edge);
    }
    edge.calls += 1;
    edge.failed += hop.failed ? 1 : 0;
    edge.waiting += Math.max(0, hop.queue_wait ?? hop.gap ?? 0);
    edge.critical += hop.critical_path_time;
    edge.inferred &&= hop.inferred;
    const duration = hop.client_duration ?? hop.server_duration ?? 0;
    if (duration > edge.most) {
      edge.most = duration;
      edge.span = hop.server_span_id || hop.client_span_id;
    }
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}
