import { describe, expect, test } from "vitest";

import type { MapEdge } from "./api";
import { generatedMap } from "./graph/generated";
import { whyOf } from "./why";

function edge(changed: Partial<MapEdge>): MapEdge {
  const [first] = generatedMap(3).edges;
  if (first === undefined) throw new Error("no edge");
  return { ...first, deviation: 1, ...changed };
}

const STATS = { calls: 100, failures: 10, rate: 1, error_rate: 0.1, p50: 1e6, p95: 400e6, p99: 1e6, mean: 1e6 };

describe("why an edge is unusual", () => {
  test("its latency and its failures stand beside what was usual", () => {
    const texts = whyOf(edge({ stats: STATS, usual: { p95: 20e6, error_rate: 0, rate: 1 } }));
    expect(texts).toHaveLength(2);
    expect(texts[0]).toContain("400 ms");
    expect(texts[0]).toContain("20");
    expect(texts[1]).toContain("10");
  });

  test("what is as usual, or has no usual yet, says nothing", () => {
    expect(whyOf(edge({ stats: STATS, usual: null }))).toEqual([]);
    expect(whyOf(edge({ stats: STATS, usual: { p95: 20e6, error_rate: 0, rate: 1 }, deviation: 0 }))).toEqual([]);
    expect(whyOf(edge({ stats: STATS, usual: { p95: 390e6, error_rate: 0.09, rate: 1 } }))).toEqual([]);
  });
});
