import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { milliseconds } from "../../../api/client";
import { useApi } from "../../../api/queries";
import { compact, dateTime } from "../../../shared/format";
import { t } from "../strings";

interface MetricDocument {
  _id: string;
  unit?: string;
  exemplars?: { time: number; value: number; trace_id?: string; span_id?: string }[];
}

/** Points that are read for their exemplars, and exemplars that are shown. */
const POINTS = 200;
const MOST = 20;

/** Measurements of a metric that name the trace in which they were taken; nothing where there are none. */
export function Exemplars({ metric }: { metric: string }): ReactNode {
  const asked = useApi<MetricDocument[]>("/api/v1/find", { kind: "metric", where: `name:${metric}`, descending: true, limit: POINTS }, { enabled: metric !== "" });
  if (metric === "" || !asked.data) return null;
  const found = asked.data.body
    .flatMap(({ exemplars = [], unit = "" }) => exemplars.map((exemplar) => ({ ...exemplar, unit })))
    .filter((exemplar) => exemplar.trace_id);
  if (found.length === 0) return null;
  const slowest = found.sort((a, b) => b.value - a.value).slice(0, MOST);
  return (
    <section aria-label={t("exemplars")}>
      <h2>{t("exemplars")}</h2>
      <ul className="series">
        {slowest.map((exemplar) => (
          <li key={`${exemplar.trace_id} ${exemplar.span_id} ${exemplar.time}`}>
            <span>
              {compact(exemplar.value)} {exemplar.unit}
            </span>
            <span className="quiet">{dateTime(milliseconds(exemplar.time), true)}</span>
            <Link className="mono" to="/traces/$trace" params={{ trace: exemplar.trace_id ?? "" }} search={{ span: exemplar.span_id ?? "" } as never}>
              {exemplar.trace_id}
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
