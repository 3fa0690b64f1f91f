import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { get } from "../../../api/client";
import type { ApiError } from "../../../api/client";
import { compact, dateTime } from "../../../shared/format";
import type { Between } from "../../../shell/range";
import { useShellState } from "../../../shell/useRange";
import { slowest } from "../model/exemplars";
import type { ExemplarAnswer } from "../model/exemplars";
import { nameOf } from "../model/matrix";
import { t } from "../strings";

const MOST = 20;

/** Measurements of an expression's series that name the trace in which they were taken; nothing where there are none. */
export function Exemplars({ expression, asked }: { expression: string; asked: Between }): ReactNode {
  const { environment } = useShellState();
  const start = Math.floor(asked.since / 1000);
  const end = Math.ceil(asked.until / 1000);
  const { data } = useQuery<ExemplarAnswer, ApiError>({
    queryKey: ["query_exemplars", expression, environment, start, end],
    queryFn: ({ signal }) => get("/prometheus/api/v1/query_exemplars", { query: expression, start, end, environment }, signal),
    staleTime: 30_000,
  });
  const found = data ? slowest(data, MOST) : [];
  if (found.length === 0) return null;
  return (
    <section aria-label={t("exemplars")}>
      <h2>{t("exemplars")}</h2>
      <ul className="series">
        {found.map(({ series, value, time, trace, span }) => (
          <li key={`${trace} ${span} ${time}`}>
            <span>{compact(value)}</span>
            <span className="quiet">{dateTime(time, true)}</span>
            <Link className="mono" to="/traces/$trace" params={{ trace }} search={(span ? { span } : {}) as never}>
              {trace}
            </Link>
            <span className="mono quiet">{nameOf(series)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
