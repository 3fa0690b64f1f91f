import { describe, expect, it } from "vitest";

import { around, found, graphOf, groupKey, grouped, shapeOf, step, unusual } from "./graph";
import { generatedMap } from "./generated";

const answer = generatedMap(200);
const graph = graphOf(answer.nodes, answer.edges);
const names = new Map(answer.nodes.map((node) => [node.id, node.name]));

/** The oracle of distances: Floyd's idea, one hop a round over a set of pairs. */
function within(from: string, hops: number): Set<string> {
  let seen = new Set([from]);
  for (let hop = 0; hop < hops; hop += 1) {
    const before = seen;
    seen = new Set(seen);
    for (const edge of answer.edges) {
      if (before.has(edge.source)) seen.add(edge.target);
      if (before.has(edge.target)) seen.add(edge.source);
    }
  }
  return seen;
}

describe("around", () => {
  it.each([0, 1, 2, 3])("has exactly the nodes within %d hops of the focus, and every edge between them", (hops) => {
    const focus = answer.nodes[57]?.id ?? "";
    const shown = around(graph, [focus], hops);
    const wanted = within(focus, hops);
    expect(new Set(shown.vertices.map((vertex) => vertex.id))).toEqual(wanted);
    const edges = answer.edges.filter((edge) => wanted.has(edge.source) && wanted.has(edge.target)).map((edge) => edge.id);
    expect(shown.links.map((link) => link.id).sort()).toEqual(edges.sort());
  });
});

describe("grouped", () => {
  const keys = new Map(answer.nodes.map((node) => [node.id, groupKey(node, "prefix")]));

  it("loses no call but those within a group", () => {
    const shown = grouped(graph, keys, new Set());
    expect(shown.vertices.map((vertex) => vertex.name).sort()).toEqual(["data", "edge", "mail", "pay", "risk", "search", "ship", "shop", "stock", "user"]);
    const across = answer.edges.filter((edge) => keys.get(edge.source) !== keys.get(edge.target));
    const calls = across.reduce((all, edge) => all + edge.stats.calls, 0);
    expect(shown.links.reduce((all, link) => all + link.calls, 0)).toBe(calls);
    expect(new Set(shown.links.flatMap((link) => link.members))).toEqual(new Set(across.map((edge) => edge.id)));
    expect(shown.links.every((link) => link.source !== link.target)).toBe(true);
  });

  it("shows the members of a group that is open, and never a quantile of several edges", () => {
    const shown = grouped(graph, keys, new Set(["pay"]));
    expect(shown.vertices.filter((vertex) => vertex.name.startsWith("pay-"))).toHaveLength(20);
    expect(shown.vertices.some((vertex) => vertex.kind === "group" && vertex.group === "pay")).toBe(false);
    for (const link of shown.links) if (link.members.length > 1) expect(link.p95).toBeNull();
  });

  it("is as unusual as the most unusual member", () => {
    const shown = grouped(graph, keys, new Set());
    for (const vertex of shown.vertices) {
      const own = graph.vertices.filter((each) => vertex.members.includes(each.id)).map((each) => each.deviation);
      expect(vertex.deviation).toBe(Math.max(...own));
    }
  });

  it("leaves alone what has no prefix, and what has nobody of its prefix", () => {
    const nodes = ["payment", "cart-api", "cart-db"].map((name) => ({ ...answer.nodes[0]!, id: name, name, namespace: "" }));
    const lone = new Map(nodes.map((node) => [node.id, groupKey(node, "prefix")]));
    const shown = grouped(graphOf(nodes.slice(0, 2), []), lone, new Set());
    expect(shown.vertices.map((vertex) => vertex.name)).toEqual(["payment", "cart-api"]);
  });
});

describe("groupKey", () => {
  it.each([
    ["eu/cart-api", "eu", "namespace", "eu"],
    ["eu/cart-api", "eu", "prefix", "eu/cart"],
    ["cart.api", "", "prefix", "cart"],
    ["cart", "", "prefix", ""],
    ["cart", "", "namespace", ""],
    ["cart-api", "", "none", ""],
  ] as const)("of %s in namespace '%s' by %s is '%s'", (name, namespace, by, key) => {
    expect(groupKey({ name, namespace, kind: "service" }, by)).toBe(key);
  });

  it("groups no database", () => {
    expect(groupKey({ name: "cart-db", namespace: "", kind: "database" }, "prefix")).toBe("");
  });
});

describe("unusual", () => {
  it("keeps what is unusual and its neighbours", () => {
    const shown = unusual(graph);
    const bad = answer.edges.filter((edge) => edge.deviation >= 0.5);
    expect(bad.length).toBeGreaterThan(2);
    const ids = new Set(shown.vertices.map((vertex) => vertex.id));
    for (const edge of bad) expect(ids.has(edge.source) && ids.has(edge.target)).toBe(true);
    expect(shown.vertices.length).toBeLessThan(graph.vertices.length / 2 + 1);
  });

  it("is empty where nothing is", () => {
    const calm = graphOf(answer.nodes, answer.edges.map((edge) => ({ ...edge, deviation: 0 })));
    expect(unusual(calm).vertices).toEqual([]);
  });
});

describe("found", () => {
  it("puts the same name first, then what begins with it, then what has it", () => {
    const hits = found(graph, names, "pay-api").map((vertex) => vertex.name);
    expect(hits.slice(0, 2)).toEqual(["pay-api", "pay-api-2"]);
    expect(found(graph, names, "PAY-API")[0]?.name).toBe("pay-api");
    expect(found(graph, names, " ")).toEqual([]);
    expect(found(graph, names, "nothing like it")).toEqual([]);
  });

  it("finds a group by the name of a member", () => {
    const keys = new Map(answer.nodes.map((node) => [node.id, groupKey(node, "prefix")]));
    expect(found(grouped(graph, keys, new Set()), names, "pay-cache")[0]?.name).toBe("pay");
  });
});

describe("shapeOf", () => {
  it("stays when only numbers change, and the order of the answer", () => {
    const moved = graphOf(
      [...answer.nodes].reverse(),
      [...answer.edges].reverse().map((edge) => ({ ...edge, deviation: 1, stats: { ...edge.stats, calls: 1 } })),
    );
    expect(shapeOf(moved)).toBe(shapeOf(graph));
    expect(shapeOf(graphOf(answer.nodes.slice(1), answer.edges))).not.toBe(shapeOf(graph));
  });
});

it("an edge to a node that is not there is not drawn", () => {
  expect(graphOf(answer.nodes.slice(0, 1), answer.edges).links).toEqual([]);
});

it.each([
  [0, 0],
  [0.2, 1],
  [0.5, 2],
  [0.7, 3],
  [0.9, 4],
  [1, 4],
])("a deviation of %d is step %d", (deviation, wanted) => {
  expect(step(deviation)).toBe(wanted);
});
