/** The service map as data: what the API gives, and what is shown of it. */

import type { MapEdge, MapNode, Stats } from "../api";

/** What is drawn: a node of the API, or several of one namespace or prefix. */
export interface Vertex {
  id: string;
  name: string;
  kind: string;
  environment: string;
  /** Nodes that it stands for: itself, or those of the group. */
  members: string[];
  /** The group's key; empty for a node by itself. */
  group: string;
  calls: number;
  failures: number;
  rate: number;
  error_rate: number | null;
  p95: number | null;
  anomaly: number;
  /** 0..1: how far it is from what is usual. */
  deviation: number;
}

/** What is drawn between two vertices: an edge of the API, or all of those between two groups. */
export interface Link {
  id: string;
  source: string;
  target: string;
  members: string[];
  calls: number;
  failures: number;
  rate: number;
  error_rate: number | null;
  p95: number | null;
  deviation: number;
}

export interface Graph {
  vertices: Vertex[];
  links: Link[];
}

export type GroupBy = "none" | "namespace" | "prefix";

/** From this on something is called unusual. */
export const UNUSUAL = 0.5;

/** Past so many vertices a map shows what is unusual with its neighbours, unless all is asked for. */
export const MANY = 60;

/** The graph of single nodes and edges. An edge that names a node which is not there is left out. */
export function graphOf(nodes: readonly MapNode[], edges: readonly MapEdge[]): Graph {
  const known = new Set(nodes.map((node) => node.id));
  const links = edges
    .filter((edge) => known.has(edge.source) && known.has(edge.target))
    .map((edge) => ({
      id: edge.id,
      source: edge.source,
      target: edge.target,
      members: [edge.id],
      ...red(edge.stats),
      deviation: edge.deviation,
    }));
  const received = new Map<string, number>();
  for (const link of links) {
    received.set(link.target, Math.max(received.get(link.target) ?? 0, link.deviation));
  }
  const vertices = nodes.map((node) => ({
    id: node.id,
    name: node.name,
    kind: node.kind,
    environment: node.environment,
    members: [node.id],
    group: "",
    ...red(node.stats),
    anomaly: node.anomaly,
    deviation: Math.max(node.anomaly, received.get(node.id) ?? 0),
  }));
  return { vertices, links };
}

function red(stats: Stats) {
  const { calls, failures, rate, error_rate, p95 } = stats;
  return { calls, failures, rate, error_rate, p95 };
}

/** The key under which a node is grouped; empty for none. Databases, queues and outside peers stay by themselves. */
export function groupKey(node: Pick<MapNode, "name" | "namespace" | "kind">, by: GroupBy): string {
  if (by === "none" || node.kind !== "service") return "";
  if (by === "namespace") return node.namespace;
  const bare = node.namespace ? node.name.slice(node.namespace.length + 1) : node.name;
  const prefix = /^[^-._\s]+(?=[-._])/u.exec(bare)?.[0] ?? "";
  return prefix && node.namespace ? `${node.namespace}/${prefix}` : prefix;
}

/**
 * The graph with each group of two or more nodes as one vertex, but those that are open.
 * Latencies of several edges cannot be added: they are null there. Calls within a group are not drawn.
 */
export function grouped(graph: Graph, keys: ReadonlyMap<string, string>, open: ReadonlySet<string>): Graph {
  const groups = new Map<string, Vertex[]>();
  for (const vertex of graph.vertices) {
    const key = keys.get(vertex.id) ?? "";
    if (!key || open.has(key)) continue;
    const id = groupId(vertex.environment, key);
    groups.set(id, [...(groups.get(id) ?? []), vertex]);
  }
  const place = new Map<string, string>();
  const vertices: Vertex[] = [];
  for (const [id, members] of groups) {
    const first = members[0];
    if (first === undefined || members.length < 2) continue;
    for (const member of members) place.set(member.id, id);
    const key = keys.get(first.id) ?? "";
    vertices.push({ ...sum(members), id, name: key, kind: "group", group: key, environment: first.environment });
  }
  vertices.unshift(...graph.vertices.filter((vertex) => !place.has(vertex.id)));
  const bundles = new Map<string, Link[]>();
  for (const link of graph.links) {
    const source = place.get(link.source) ?? link.source;
    const target = place.get(link.target) ?? link.target;
    if (source === target && (place.has(link.source) || place.has(link.target))) continue;
    const id = place.has(link.source) || place.has(link.target) ? `${source} → ${target}` : link.id;
    bundles.set(id, [...(bundles.get(id) ?? []), { ...link, source, target }]);
  }
  const links = [...bundles].flatMap(([id, members]) => {
    const first = members[0];
    if (first === undefined) return [];
    const { calls, failures, rate, error_rate, deviation } = totals(members);
    const p95 = members.length === 1 ? first.p95 : null;
    const ids = members.flatMap((member) => member.members);
    return [{ ...first, id, members: ids, calls, failures, rate, error_rate, p95, deviation }];
  });
  return { vertices, links };
}

export function groupId(environment: string, key: string): string {
  return `group ${environment} ${key}`;
}

function totals(members: readonly { calls: number; failures: number; rate: number; deviation: number }[]) {
  const calls = members.reduce((all, each) => all + each.calls, 0);
  const failures = members.reduce((all, each) => all + each.failures, 0);
  return {
    calls,
    failures,
    rate: members.reduce((all, each) => all + each.rate, 0),
    error_rate: calls > 0 ? failures / calls : null,
    deviation: members.reduce((most, each) => Math.max(most, each.deviation), 0),
  };
}

function sum(members: readonly Vertex[]) {
  return {
    ...totals(members),
    p95: null,
    anomaly: members.reduce((most, each) => Math.max(most, each.anomaly), 0),
    members: members.flatMap((member) => member.members),
  };
}

/** The vertices within so many hops of these, either way, and the links between them. */
export function around(graph: Graph, from: Iterable<string>, hops: number): Graph {
  const next = new Map<string, string[]>();
  const add = (a: string, b: string) => {
    const known = next.get(a);
    if (known) known.push(b);
    else next.set(a, [b]);
  };
  for (const link of graph.links) {
    add(link.source, link.target);
    add(link.target, link.source);
  }
  const seen = new Set(from);
  let edge = [...seen];
  for (let hop = 0; hop < hops && edge.length > 0; hop += 1) {
    const found: string[] = [];
    for (const id of edge) {
      for (const other of next.get(id) ?? []) {
        if (!seen.has(other)) {
          seen.add(other);
          found.push(other);
        }
      }
    }
    edge = found;
  }
  return {
    vertices: graph.vertices.filter((vertex) => seen.has(vertex.id)),
    links: graph.links.filter((link) => seen.has(link.source) && seen.has(link.target)),
  };
}

/** What is unusual, and what stands next to it; so is what is `picked`, where anything is unusual. */
export function unusual(graph: Graph, picked = ""): Graph {
  const ids = graph.vertices.filter((vertex) => vertex.deviation >= UNUSUAL).map((vertex) => vertex.id);
  for (const link of graph.links) {
    if (link.deviation >= UNUSUAL) ids.push(link.source, link.target);
  }
  if (ids.length > 0 && picked !== "") {
    if (graph.vertices.some((vertex) => vertex.id === picked)) ids.push(picked);
    const link = graph.links.find((each) => each.id === picked);
    if (link !== undefined) ids.push(link.source, link.target);
  }
  return around(graph, ids, 1);
}

/** The vertices whose name, or a member's name, has the text; in the order of how well it fits. */
export function found(graph: Graph, names: ReadonlyMap<string, string>, text: string): Vertex[] {
  const asked = text.trim().toLowerCase();
  if (!asked) return [];
  const rank = (name: string) => {
    const at = name.toLowerCase().indexOf(asked);
    return at < 0 ? Number.POSITIVE_INFINITY : at === 0 ? (name.length === asked.length ? 0 : 1) : 2;
  };
  return graph.vertices
    .map((vertex) => ({
      vertex,
      rank: Math.min(rank(vertex.name), ...vertex.members.map((id) => rank(names.get(id) ?? ""))),
    }))
    .filter((each) => Number.isFinite(each.rank))
    .sort((a, b) => a.rank - b.rank || b.vertex.calls - a.vertex.calls || a.vertex.name.localeCompare(b.vertex.name))
    .map((each) => each.vertex);
}

/** In five steps, by how far something is from what is usual; the colours are those of map.css. */
export function step(deviation: number): 0 | 1 | 2 | 3 | 4 {
  if (deviation >= 0.9) return 4;
  if (deviation >= 0.7) return 3;
  if (deviation >= UNUSUAL) return 2;
  return deviation >= 0.2 ? 1 : 0;
}

/** The same for all graphs that are laid out alike: which vertices there are, and which links. */
export function shapeOf(graph: Graph): string {
  const vertices = graph.vertices.map((vertex) => `${vertex.id}\u0000${vertex.name}`).sort();
  const links = graph.links.map((link) => `${link.source}\u0000${link.target}`).sort();
  return `${vertices.join("\u0001")}\u0002${links.join("\u0001")}`;
}
