import { expect, it } from "vitest";
import { callGraph } from "./callGraph";
import { answer, hop, MS, span } from "./made";
import { buildTrace } from "./trace";

it("has a node for each service and peer, and one edge for all calls between two", () => {
  const spans = [span("a", "", 0, 9, { service: "web" }), span("b", "a", 1, 2, { service: "api" }), span("c", "a", 4, 3, { service: "api" })];
  const between = { caller: { name: "web" }, callee: { name: "api" } };
  const hops = [
    hop("a", "b", { ...between, server_duration: 2 * MS, gap: MS, failed: true }),
    hop("a", "c", { ...between, server_duration: 3 * MS, gap: -MS, critical_path_time: MS }),
    hop("c", "", { caller: { name: "api" }, callee: { name: "orders", kind: "database" }, client_duration: MS, inferred: true }),
  ];
  const { nodes, edges } = callGraph(buildTrace("t", answer(spans)), hops);
  expect(nodes.map((node) => [node.name, node.kind, node.spans, node.self / MS, node.longest])).toEqual([
    ["web", "service", 1, 4, "a"],
    ["api", "service", 2, 5, "c"],
    ["orders", "database", 0, 0, null],
  ]);
  expect(edges.map((edge) => [edge.from, edge.to, edge.calls, edge.failed, edge.most / MS, edge.waiting / MS, edge.critical / MS, edge.span, edge.inferred])).toEqual([
    ["web", "api", 2, 1, 3, 1, 1, "c", false],
    ["api", "orders", 1, 0, 1, 0, 0, "c", true],
  ]);
});
