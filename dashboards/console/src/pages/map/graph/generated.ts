/** A map of many services for tests: teams of services in layers, each calling some of the next layers. */

import type { MapAnswer, MapEdge, MapNode, Stats } from "../api";

const TEAMS = ["shop", "pay", "search", "ship", "stock", "user", "mail", "risk", "data", "edge"];
const PARTS = ["gateway", "api", "worker", "cache", "index", "queue-reader", "scheduler", "store", "sync", "audit"];

/** Numbers of a fixed seed. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function stats(calls: number, failures: number, p95: number): Stats {
  return { calls, failures, rate: calls / 900, error_rate: calls > 0 ? failures / calls : null, p50: p95 / 3, p95, p99: p95 * 2, mean: p95 / 2.5 };
}

export function generatedMap(services: number, seed = 1): MapAnswer {
  const next = chance(seed);
  const nodes: MapNode[] = [];
  for (let i = 0; i < services; i += 1) {
    const team = TEAMS[i % TEAMS.length] ?? "";
    const part = PARTS[Math.floor(i / TEAMS.length) % PARTS.length] ?? "";
    const round = Math.floor(i / (TEAMS.length * PARTS.length));
    const name = `${team}-${part}${round > 0 ? `-${round + 1}` : ""}`;
    nodes.push({ id: `default service ${name}`, kind: "service", name, environment: "default", namespace: "", stats: stats(0, 0, 0), anomaly: 0, spans: 10 });
  }
  const edges: MapEdge[] = [];
  const layers = 6;
  const layerOf = (i: number) => Math.floor((i / services) * layers);
  for (let i = 0; i < services; i += 1) {
    const wanted = 1 + Math.floor(next() * 4);
    for (let j = 0; j < wanted; j += 1) {
      const target = Math.min(services - 1, Math.floor(((layerOf(i) + 1 + next() * 1.5) / layers) * services));
      const source = nodes[i];
      const callee = nodes[target];
      if (source === undefined || callee === undefined || target <= i || edges.some((edge) => edge.source === source.id && edge.target === callee.id)) continue;
      const calls = Math.ceil(next() * 5_000);
      const bad = i % 67 === 7;
      edges.push({
        id: `${source.id} → ${callee.id}`,
        source: source.id,
        target: callee.id,
        caller: { kind: source.kind, name: source.name },
        callee: { kind: callee.kind, name: callee.name },
        environment: "default",
        protocols: ["http"],
        stats: stats(calls, bad ? Math.ceil(calls / 10) : 0, (5 + next() * 200) * 1e6),
        self_time: 1e6,
        critical_path_time: calls * 1e6,
        critical_path_share: 0.01,
        operations: [{ operation: `GET /${callee.name}`, calls }],
        exemplars: ["0".repeat(31) + (i % 10)],
        usual: { p95: 20e6, error_rate: 0, rate: calls / 900 },
        deviation: bad ? 0.95 : next() * 0.15,
      });
    }
  }
  for (const node of nodes) {
    const received = edges.filter((edge) => edge.target === node.id);
    const calls = received.reduce((all, edge) => all + edge.stats.calls, 0);
    const failures = received.reduce((all, edge) => all + edge.stats.failures, 0);
    node.stats = stats(calls, failures, 50e6);
  }
  return { since: 0, until: 900e9, accuracy: 0.09, nodes, edges };
}
