import ELK from "elkjs/lib/elk.bundled.js";
import { describe, expect, it } from "vitest";

import { graphOf } from "./graph";
import { generatedMap } from "./generated";
import { boxWidth, fromElk, middleOf, nearest, pathOf, shortened, toElk } from "./layout";

describe("a map of 200 services", async () => {
  const { nodes, edges } = generatedMap(200);
  const graph = graphOf(nodes, edges);
  const layout = fromElk(await new ELK().layout(toElk(graph)));

  it("has a place for every node, and no two overlap", () => {
    expect(layout.boxes.size).toBe(200);
    const boxes = [...layout.boxes.values()];
    for (const [i, a] of boxes.entries()) {
      for (const b of boxes.slice(i + 1)) {
        const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
        expect(apart).toBe(true);
      }
    }
  });

  it("lies within its own size, with a line for every edge that ends at its nodes", () => {
    for (const box of layout.boxes.values()) {
      expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= layout.width && box.y + box.height <= layout.height).toBe(true);
    }
    for (const link of graph.links) {
      const line = layout.lines.get(link.id) ?? [];
      const [start, end] = [line[0], line.at(-1)];
      const [source, target] = [layout.boxes.get(link.source), layout.boxes.get(link.target)];
      expect(start?.x).toBeCloseTo((source?.x ?? 0) + (source?.width ?? 0), 3);
      expect(end?.x).toBeCloseTo(target?.x ?? 0, 3);
    }
  });

  it("leads every call from left to right, where no circle of calls forbids it", () => {
    const backwards = graph.links.filter((link) => (layout.boxes.get(link.source)?.x ?? 0) >= (layout.boxes.get(link.target)?.x ?? 0));
    expect(backwards).toEqual([]);
  });
});

describe("pathOf", () => {
  const points = [0, 1, 2, 3].map((x) => ({ x: x * 10, y: x }));
  it("draws splines and straight lines", () => {
    expect(pathOf(points, true)).toBe("M0 0C10 1 20 2 30 3");
    expect(pathOf(points, false)).toBe("M0 0L10 1L20 2L30 3");
    expect(pathOf(points.slice(0, 3), true)).toBe("M0 0L10 1L20 2");
    expect(pathOf([], true)).toBe("");
  });
});

it("a label stands in the middle of its line", () => {
  expect(middleOf([{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 30 }])).toEqual({ x: 10, y: 10 });
  expect(middleOf([{ x: 5, y: 5 }])).toEqual({ x: 5, y: 5 });
});

it("a long name keeps its end", () => {
  const name = `team-with-a-long-name-${"x".repeat(40)}-worker`;
  expect(shortened(name).endsWith("-worker")).toBe(true);
  expect(boxWidth(shortened(name))).toBeLessThanOrEqual(230);
  expect(shortened("cart")).toBe("cart");
});

it("an arrow key goes to the nearest node in its direction", () => {
  const box = (x: number, y: number) => ({ x, y, width: 10, height: 10 });
  const boxes = new Map([["a", box(0, 0)], ["b", box(100, 0)], ["c", box(50, 80)], ["d", box(100, 40)]]);
  expect(nearest(boxes, "a", "right")).toBe("b");
  expect(nearest(boxes, "b", "down")).toBe("d");
  expect(nearest(boxes, "b", "left")).toBe("a");
  expect(nearest(boxes, "a", "left")).toBeUndefined();
  expect(nearest(boxes, "nowhere", "left")).toBeUndefined();
});
