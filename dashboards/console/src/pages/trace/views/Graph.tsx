import { useQuery } from "@tanstack/react-query";
import type { ElkNode } from "elkjs";
import { useMemo } from "react";
import type { ReactNode } from "react";
import { count as amount, duration, percent } from "../../../shared/format";
import type { HopDocument } from "../model/answer";
import { callGraph } from "../model/callGraph";
import type { CallGraph, GraphEdge, GraphNode } from "../model/callGraph";
import type { Trace } from "../model/trace";
import { t } from "../strings";

interface Props {
  trace: Trace;
  hops: readonly HopDocument[];
  colors: ReadonlyMap<string, string>;
  onPick: (id: string) => void;
}

const BOX = { width: 204, height: 52 };

/** Who called whom in this trace: services from left to right, each with its own time. */
export function Graph({ trace, hops, colors, onPick }: Props): ReactNode {
  const graph = useMemo(() => callGraph(trace, hops), [trace, hops]);
  const { data: layout, isError } = useQuery({ queryKey: ["trace-graph", trace.id, graph], queryFn: () => arrange(graph), staleTime: Infinity });
  if (isError) return <p className="bad">{t("trace.graph.failed")}</p>;
  if (!layout) return <p className="quiet">{t("trace.graph.arranging")}</p>;
  const nodes = new Map((layout.children ?? []).map((node) => [node.id, node]));
  const edges = new Map((layout.edges ?? []).map((edge) => [edge.id, edge]));
  return (
    <div className="table-box" role="region" aria-label={t("trace.graph")} tabIndex={0}>
      <svg className="call-graph" width={(layout.width ?? 0) + 2} height={(layout.height ?? 0) + 2} role="group" aria-label={t("trace.graph")}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" orient="auto-start-reverse">
            <path d="M0 0L8 4L0 8z" />
          </marker>
        </defs>
        {graph.edges.map((edge) => (
          <Edge key={edge.key} edge={edge} points={pointsOf(edges.get(edge.key))} onPick={onPick} />
        ))}
        {graph.nodes.map((node) => {
          const place = nodes.get(node.name);
          return <Node key={node.name} node={node} x={place?.x ?? 0} y={place?.y ?? 0} color={colors.get(node.name)} whole={trace.duration} onPick={onPick} />;
        })}
      </svg>
    </div>
  );
}

interface NodeProps {
  node: GraphNode;
  x: number;
  y: number;
  color: string | undefined;
  whole: number;
  onPick: (id: string) => void;
}

function Node({ node, x, y, color, whole, onPick }: NodeProps): ReactNode {
  const facts = node.spans
    ? t("trace.graph.node", { count: node.spans, spans: amount(node.spans), self: duration(node.self), share: percent(node.self / Math.max(1, whole)) })
    : t("trace.graph.peer", { kind: node.kind });
  const { longest } = node;
  return (
    <g
      className="graph-node"
      transform={`translate(${x} ${y})`}
      {...(longest === null ? {} : act(() => onPick(longest)))}
    >
      <rect {...BOX} rx={6} className={node.errors ? "failed" : ""} />
      <rect width={5} height={BOX.height} rx={2} style={{ fill: color ?? "var(--muted)", stroke: "none" }} />
      <text x={14} y={21} className="title">
        {node.name.length > 24 ? `${node.name.slice(0, 23)}…` : node.name}
      </text>
      <text x={14} y={40}>{facts}</text>
    </g>
  );
}

function Edge({ edge, points, onPick }: { edge: GraphEdge; points: { x: number; y: number }[]; onPick: (id: string) => void }): ReactNode {
  if (points.length === 0) return null;
  const path = points.map(({ x, y }, place) => `${place ? "L" : "M"}${x} ${y}`).join("");
  const facts = { from: edge.from, to: edge.to, count: amount(edge.calls), failed: amount(edge.failed), most: duration(edge.most), waiting: duration(edge.waiting) };
  const label = t("trace.graph.edge", facts);
  const middle = points[Math.floor((points.length - 1) / 2)];
  const marks = ["graph-edge", edge.failed ? "failed" : "", edge.critical > 0 ? "critical" : ""].join(" ");
  return (
    <g className={marks} {...act(() => onPick(edge.span))} aria-label={edge.calls > 1 ? `×${amount(edge.calls)} ${label}` : label}>
      <title>{label}</title>
      <path d={path} className="hit" />
      <path d={path} markerEnd="url(#arrow)" />
      {edge.calls > 1 && middle && (
        <text x={middle.x + 4} y={middle.y - 4}>
          ×{amount(edge.calls)}
        </text>
      )}
    </g>
  );
}

/** What makes a part of a drawing a button. */
function act(run: () => void): Pick<React.SVGProps<SVGGElement>, "role" | "tabIndex" | "onClick" | "onKeyDown"> {
  return {
    role: "button",
    tabIndex: 0,
    onClick: run,
    onKeyDown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      run();
    },
  };
}

async function arrange(graph: CallGraph): Promise<ElkNode> {
  const { elkInWorker } = await import("../../../shared/elk");
  const elk = elkInWorker();
  try {
    return await elk.layout({
      id: "trace",
      layoutOptions: { "elk.algorithm": "layered", "elk.direction": "RIGHT", "elk.layered.spacing.nodeNodeBetweenLayers": "56", "elk.spacing.nodeNode": "22" },
      children: graph.nodes.map((node) => ({ id: node.name, ...BOX })),
      edges: graph.edges.map((edge) => ({ id: edge.key, sources: [edge.from], targets: [edge.to] })),
    });
  } finally {
    elk.terminateWorker();
  }
}

function pointsOf(edge: NonNullable<ElkNode["edges"]>[number] | undefined): { x: number; y: number }[] {
  const section = edge?.sections?.[0];
  return section ? [section.startPoint, ...(section.bendPoints ?? []), section.endPoint] : [];
}
