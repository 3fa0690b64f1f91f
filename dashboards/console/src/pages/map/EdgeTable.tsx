import { useMemo } from "react";

import { duration, percent, rate } from "../../shared/format";
import { Table, type Column } from "../../shared/Table";
import type { MapAnswer, MapEdge } from "./api";
import { step, type Graph } from "./graph/graph";
import { t } from "./strings";
import { whyOf } from "./why";

/** The same as the graph, for those who read rather than look: every edge, what is unusual first. */
export function EdgeTable({ answer, graph, pick }: { answer: MapAnswer; graph: Graph; pick: (id: string) => void }) {
  const edges = useMemo(() => {
    const shown = new Set(graph.links.flatMap((link) => link.members));
    return answer.edges
      .filter((edge) => shown.has(edge.id))
      .sort((a, b) => b.deviation - a.deviation || b.stats.calls - a.stats.calls);
  }, [answer, graph]);
  const columns: Column<MapEdge>[] = [
    { key: "caller", header: t("caller"), cell: (edge) => edge.caller.name, sort: (edge) => edge.caller.name },
    {
      key: "callee",
      header: t("callee"),
      primary: true,
      cell: (edge) => (
        <button type="button" className="link-button" onClick={() => pick(edge.id)}>
          {edge.callee.name}
        </button>
      ),
      sort: (edge) => edge.callee.name,
    },
    { key: "rate", header: t("rate"), right: true, cell: (edge) => rate(edge.stats.rate), sort: (edge) => edge.stats.rate },
    { key: "errors", header: t("errorRate"), right: true, cell: (edge) => percent(edge.stats.error_rate), sort: (edge) => edge.stats.error_rate },
    { key: "p50", header: t("p50"), right: true, cell: (edge) => duration(edge.stats.p50), sort: (edge) => edge.stats.p50 },
    { key: "p95", header: t("p95"), right: true, cell: (edge) => duration(edge.stats.p95), sort: (edge) => edge.stats.p95 },
    {
      key: "deviation",
      header: t("deviation"),
      cell: (edge) => (
        <span>
          <i className={`swatch s${step(edge.deviation)}`} aria-hidden="true" /> {whyOf(edge)[0] ?? words(edge)}
        </span>
      ),
      sort: (edge) => edge.deviation,
    },
    { key: "environment", header: t("environment"), cell: (edge) => edge.environment, sort: (edge) => edge.environment },
  ];
  return <Table label={t("edges")} columns={columns} rows={edges} rowKey={(edge) => edge.id} />;
}

function words(edge: MapEdge): string {
  if (step(edge.deviation) >= 2) return t("farFromUsual");
  return edge.usual === null ? t("notKnown") : t("asUsual");
}
