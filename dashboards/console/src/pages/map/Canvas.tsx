import { useCallback, useMemo, useRef, useState, type KeyboardEvent } from "react";

import { count, duration, rate } from "../../shared/format";
import { step, UNUSUAL, type Graph, type Link, type Vertex } from "./graph/graph";
import { middleOf, nearest, pathOf, shortened, type Layout } from "./graph/layout";
import { t } from "./strings";
import { useViewport } from "./viewport";

interface Props {
  graph: Graph;
  layout: Layout;
  /** Vertices that a search found, or the focus: their names are shown at any size. */
  marked: ReadonlySet<string>;
  /** Whether what is marked comes into the middle. */
  centred: boolean;
  picked: string;
  pick: (id: string) => void;
  busy: boolean;
}

/** From this size of letters on, in pixels, every name is shown. */
const READABLE = 7.5;
const LETTER = 12;

const NOTHING: ReadonlySet<string> = new Set();

const DIRECTIONS: Record<string, "left" | "right" | "up" | "down"> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
};

/** The map itself: an SVG that is dragged and zoomed. One node at a time is in the tab order; arrow keys go to the next one. */
export function Canvas({ graph, layout, marked, centred, picked, pick, busy }: Props) {
  const [over, setOver] = useState("");
  const [current, setCurrent] = useState("");
  const svg = useRef<SVGSVGElement>(null);
  const view = useViewport(svg, layout, centred ? marked : NOTHING);
  const links = useMemo(() => new Map(graph.links.map((link) => [link.id, link])), [graph]);
  const near = useMemo(() => neighbours(graph, over || picked), [graph, over, picked]);
  const first = layout.boxes.has(current) ? current : (graph.vertices[0]?.id ?? "");
  const readable = LETTER * view.scale >= READABLE;
  const busiest = useMemo(() => graph.links.reduce((most, each) => Math.max(most, each.rate), 0), [graph]);
  const splines = graph.vertices.length <= 60;

  const press = useCallback(
    (event: KeyboardEvent, id: string) => {
      const direction = DIRECTIONS[event.key];
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        pick(id);
      } else if (direction !== undefined) {
        const next = nearest(layout.boxes, id, direction);
        event.preventDefault();
        if (next === undefined) return;
        setCurrent(next);
        svg.current?.querySelector<SVGElement>(`[data-id="${CSS.escape(next)}"]`)?.focus();
      }
    },
    [layout, pick],
  );

  return (
    <div className={`map-canvas${busy ? " old" : ""}`}>
      <div className="map-tools">
        <button type="button" className="button" onClick={() => view.zoom(1.4)} aria-label={t("zoomIn")}>
          +
        </button>
        <button type="button" className="button" onClick={() => view.zoom(1 / 1.4)} aria-label={t("zoomOut")}>
          −
        </button>
        <button type="button" className="button" onClick={view.fit}>
          {t("fit")}
        </button>
      </div>
      <svg ref={svg} className={splines ? "" : "many"} role="group" aria-label={t("mapLabel")} {...view.handlers}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto-start-reverse">
            <path d="M0 0L8 4L0 8z" fill="context-stroke" />
          </marker>
        </defs>
        <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
          {[...layout.lines].map(([id, points]) => {
            const link = links.get(id);
            if (link === undefined || points.length === 0) return null;
            const strong = id === picked || near.links.has(id);
            const labelled = strong || link.deviation >= UNUSUAL;
            return (
              <g key={id} className={`link s${step(link.deviation)}${strong ? " strong" : ""}${near.any && !strong ? " faint" : ""}`}>
                <path className="hit" d={pathOf(points, splines)} onClick={() => pick(id)} onPointerEnter={() => setOver(id)} onPointerLeave={() => setOver("")} />
                <path className="line" d={pathOf(points, splines)} markerEnd="url(#arrow)" style={{ strokeWidth: width(link, busiest) / Math.max(view.scale, 0.35) }} />
                {labelled && <LinkLabel link={link} at={middleOf(points)} scale={view.scale} />}
              </g>
            );
          })}
          {graph.vertices.map((vertex) => {
            const box = layout.boxes.get(vertex.id);
            if (box === undefined) return null;
            const strong = vertex.id === picked || vertex.id === over || near.vertices.has(vertex.id);
            const named = readable || strong || marked.has(vertex.id) || vertex.deviation >= UNUSUAL;
            const size = readable ? LETTER : 10.5 / view.scale;
            return (
              <g
                key={vertex.id}
                data-id={vertex.id}
                className={classes(vertex, { strong, picked: vertex.id === picked, marked: marked.has(vertex.id), faint: near.any && !strong })}
                transform={`translate(${box.x} ${box.y})`}
                role="button"
                tabIndex={vertex.id === first ? 0 : -1}
                aria-label={described(vertex)}
                aria-pressed={vertex.id === picked}
                onClick={() => pick(vertex.id)}
                onFocus={() => {
                  setCurrent(vertex.id);
                  setOver(vertex.id);
                }}
                onBlur={() => setOver("")}
                onKeyDown={(event) => press(event, vertex.id)}
                onPointerEnter={() => setOver(vertex.id)}
                onPointerLeave={() => setOver("")}
              >
                <Shape kind={vertex.kind} width={box.width} height={box.height} />
                {named && (
                  <text x={box.width / 2} y={box.height / 2} fontSize={size} textAnchor="middle" dominantBaseline="central">
                    {shortened(vertex.name)}
                    {vertex.kind === "group" ? ` (${vertex.members.length})` : ""}
                  </text>
                )}
              </g>
            );
          })}
        </g>
      </svg>
    </div>
  );
}

function LinkLabel({ link, at, scale }: { link: Link; at: { x: number; y: number }; scale: number }) {
  const text = `${rate(link.rate)} · ${duration(link.p95)}`;
  return (
    <text className="link-label" x={at.x} y={at.y} fontSize={10.5 / Math.min(scale, 1)} textAnchor="middle" dominantBaseline="central">
      {text}
    </text>
  );
}

/** A box for services, a drum for databases, a slanted one for queues, a dashed one for what is outside, a stack for groups. */
function Shape({ kind, width, height }: { kind: string; width: number; height: number }) {
  const slant = 10;
  if (kind === "queue") return <path className="box" d={`M${slant} 0H${width}L${width - slant} ${height}H0z`} />;
  if (kind === "database") {
    return <path className="box" d={`M0 5C0 -1 ${width} -1 ${width} 5V${height - 5}C${width} ${height + 1} 0 ${height + 1} 0 ${height - 5}zM0 5C0 11 ${width} 11 ${width} 5`} />;
  }
  return (
    <>
      {kind === "group" && <rect className="box" x={4} y={-4} width={width} height={height} rx={5} />}
      <rect className={`box${kind === "service" || kind === "group" ? "" : " outside"}`} width={width} height={height} rx={kind === "user" ? height / 2 : 5} />
    </>
  );
}

function classes(vertex: Vertex, state: Record<string, boolean>): string {
  const set = Object.entries(state).flatMap(([name, holds]) => (holds ? [name] : []));
  return ["vertex", `s${step(vertex.deviation)}`, ...set].join(" ");
}

function described(vertex: Vertex): string {
  const errors = vertex.failures > 0 ? `, ${count(vertex.failures)} ${t("errors")}` : "";
  const unusual = vertex.deviation >= UNUSUAL ? `, ${t("farFromUsual")}` : "";
  return `${vertex.name}, ${vertex.kind}, ${rate(vertex.rate)}${errors}${unusual}`;
}

function width(link: Link, busiest: number): number {
  return 1 + (busiest > 0 ? 2.5 * Math.sqrt(link.rate / busiest) : 0);
}

/** What stands next to a vertex, or at the ends of a link. */
function neighbours(graph: Graph, id: string) {
  const links = new Set<string>();
  const vertices = new Set<string>();
  for (const link of graph.links) {
    if (id && (link.id === id || link.source === id || link.target === id)) {
      links.add(link.id);
      vertices.add(link.source);
      vertices.add(link.target);
    }
  }
  return { links, vertices, any: vertices.size > 0 };
}

