/** Where the vertices and links of a map stand: by ELK's layered algorithm, which runs in a worker. */

import type { ElkEdgeSection, ElkExtendedEdge, ElkNode } from "elkjs/lib/elk-api";
import type { Graph } from "./graph";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  width: number;
  height: number;
  boxes: ReadonlyMap<string, Box>;
  /** The points of each link's line, from source to target. */
  lines: ReadonlyMap<string, readonly Point[]>;
}

export interface Point {
  x: number;
  y: number;
}

const HEIGHT = 34;
const LEAST = 90;
const MOST = 230;
/** Nodes of a column of a large map, for each square root of all: about as wide as a screen then. */
const COLUMN = 1.6;

/** As wide as the name needs; a longer one is shortened. */
export function boxWidth(name: string): number {
  return Math.min(MOST, Math.max(LEAST, 34 + name.length * 7.2));
}

/** The name as it fits into the widest box, its end kept: services of one team begin alike. */
export function shortened(name: string): string {
  const letters = Math.floor((MOST - 34) / 7.2);
  return name.length <= letters ? name : `…${name.slice(name.length - letters + 1)}`;
}

/** The graph as ELK wants it. */
export function toElk(graph: Graph): ElkNode {
  const many = graph.vertices.length > 60;
  return {
    id: "root",
    layoutOptions: {
      "elk.algorithm": "layered",
      "elk.direction": "RIGHT",
      "elk.edgeRouting": many ? "POLYLINE" : "SPLINES",
      "elk.layered.spacing.nodeNodeBetweenLayers": many ? "100" : "110",
      "elk.spacing.nodeNode": many ? "10" : "26",
      "elk.spacing.edgeNode": many ? "2" : "12",
      "elk.spacing.edgeEdge": many ? "1" : "6",
      "elk.layered.spacing.edgeEdgeBetweenLayers": "6",
      // Most of many services call no other: in one column they would be a line that nobody can read.
      "elk.layered.layering.strategy": many ? "COFFMAN_GRAHAM" : "NETWORK_SIMPLEX",
      "elk.layered.layering.coffmanGraham.layerBound": String(Math.ceil(COLUMN * Math.sqrt(graph.vertices.length))),
      // Straight lines make columns that are twice to four times as high.
      "elk.layered.nodePlacement.strategy": many ? "SIMPLE" : "BRANDES_KOEPF",
      "elk.layered.cycleBreaking.strategy": "GREEDY",
      "elk.layered.thoroughness": many ? "3" : "7",
      "elk.separateConnectedComponents": "true",
      "elk.spacing.componentComponent": "40",
      "elk.aspectRatio": "1.6",
    },
    children: graph.vertices.map((vertex) => ({
      id: vertex.id,
      width: boxWidth(vertex.name),
      height: HEIGHT,
    })),
    edges: graph.links.map((link) => ({ id: link.id, sources: [link.source], targets: [link.target] })),
  };
}

/** What ELK answered, with one line a link. */
export function fromElk(root: ElkNode): Layout {
  const boxes = new Map<string, Box>();
  for (const child of root.children ?? []) {
    boxes.set(child.id, {
      x: child.x ?? 0,
      y: child.y ?? 0,
      width: child.width ?? LEAST,
      height: child.height ?? HEIGHT,
    });
  }
  const lines = new Map<string, Point[]>();
  for (const edge of (root.edges ?? []) as ElkExtendedEdge[]) {
    lines.set(edge.id, (edge.sections ?? []).flatMap(pointsOf));
  }
  return { width: root.width ?? 0, height: root.height ?? 0, boxes, lines };
}

function pointsOf(section: ElkEdgeSection): Point[] {
  return [section.startPoint, ...(section.bendPoints ?? []), section.endPoint];
}

/** An SVG path through the points: Bézier pieces where ELK gave splines (3n + 1 points), else straight ones. */
export function pathOf(points: readonly Point[], splines: boolean): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  const at = (point: Point) => `${round(point.x)} ${round(point.y)}`;
  let path = `M${at(first)}`;
  if (splines && rest.length > 2 && rest.length % 3 === 0) {
    for (let i = 0; i < rest.length; i += 3) {
      path += `C${rest.slice(i, i + 3).map(at).join(" ")}`;
    }
    return path;
  }
  for (const point of rest) path += `L${at(point)}`;
  return path;
}

/** Where along a line its label stands: the middle of its length. */
export function middleOf(points: readonly Point[]): Point {
  const lengths = points.slice(1).map((point, i) => distance(points[i] ?? point, point));
  let left = lengths.reduce((all, each) => all + each, 0) / 2;
  for (const [i, length] of lengths.entries()) {
    const a = points[i];
    const b = points[i + 1];
    if (a !== undefined && b !== undefined && left <= length) {
      const share = length > 0 ? left / length : 0;
      return { x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share };
    }
    left -= length;
  }
  return points[0] ?? { x: 0, y: 0 };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(b.x - a.x, b.y - a.y);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Of all boxes, the nearest one in a direction: for arrow keys. */
export function nearest(boxes: ReadonlyMap<string, Box>, from: string, direction: "left" | "right" | "up" | "down") {
  const start = boxes.get(from);
  if (start === undefined) return undefined;
  const [sx, sy] = centre(start);
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const [id, box] of boxes) {
    const [x, y] = centre(box);
    const along = direction === "left" ? sx - x : direction === "right" ? x - sx : direction === "up" ? sy - y : y - sy;
    const across = direction === "left" || direction === "right" ? Math.abs(y - sy) : Math.abs(x - sx);
    if (id === from || along <= 1) continue;
    const cost = along + across * 2;
    if (cost < least) [best, least] = [id, cost];
  }
  return best;
}

function centre(box: Box): [number, number] {
  return [box.x + box.width / 2, box.y + box.height / 2];
}
