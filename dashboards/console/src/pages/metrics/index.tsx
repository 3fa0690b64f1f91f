import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { useQuery } from "@tanstack/react-query";
import type { UseQueryResult } from "@tanstack/react-query";
import { get } from "../../api/client";
import type { ApiError } from "../../api/client";
import type { Answer } from "../../api/queries";
import { Chart } from "../../shared/Chart";
import "../../shared/explore.css";
import { compact, dateTime } from "../../shared/format";
import { QueryBox } from "../../shared/query/QueryBox";
import { quoted } from "../../shared/query/query";
import { Answered, EmptyState } from "../../shared/States";
import { Page } from "../../shell/Page";
import { resolve } from "../../shell/range";
import type { Between } from "../../shell/range";
import { useRefresh } from "../../shell/refresh";
import { now } from "../../shell/serverClock";
import { usePageSearch } from "../../shell/search";
import { useShellState } from "../../shell/useRange";
import "./metrics.css";
import { measures } from "./model/exemplars";
import { linesOf, MOST_LINES, stepFor } from "./model/matrix";
import type { Line, RangeAnswer } from "./model/matrix";
import { PROMQL } from "./model/promql";
import { useExemplars } from "./model/useExemplars";
import { t } from "./strings";
import { Exemplars } from "./views/Exemplars";

const COLORS = 8;
const EXAMPLES = [
  "sum by (server) (rate(traces_service_graph_request_total[5m]))",
  "sum by (server) (rate(traces_service_graph_request_failed_total[5m]))",
  "histogram_quantile(0.95, sum by (le, server) (rate(traces_service_graph_request_server_seconds_bucket[5m])))",
];

/** Metrics: a PromQL expression over the range, its series, and exemplars that lead to traces. */
export default function MetricsPage(): ReactNode {
  const [expression, change] = usePageSearch((search) => (search.q ?? "").slice(0, 4000));
  const search = useCallback((q: string) => change({ q }, true), [change]);
  return (
    <Page title={t("metrics")}>
      <div className="metrics-page">
        <QueryBox label={t("expression")} placeholder="rate(http_server_request_duration_seconds_count[5m])" value={expression} language={PROMQL} onSearch={search} />
        {expression ? (
          <Shown expression={expression} />
        ) : (
          <EmptyState title={t("empty")}>
            <ul>
              {EXAMPLES.map((example) => (
                <li key={example}>
                  <button type="button" className="link mono" onClick={() => search(example)}>
                    {example}
                  </button>
                </li>
              ))}
            </ul>
          </EmptyState>
        )}
      </div>
    </Page>
  );
}

interface RangeResult {
  answer: RangeAnswer;
  step: number;
}

function useRange(expression: string): UseQueryResult<Answer<RangeResult>, ApiError> {
  const { from, to, environment, live } = useShellState();
  const refresh = useRefresh();
  return useQuery<Answer<RangeResult>, ApiError>({
    queryKey: ["query_range", expression, from, to, environment],
    queryFn: async ({ signal }) => {
      const asked = resolve({ from, to }, now());
      const step = stepFor(asked.until - asked.since);
      const params = { query: expression, start: asked.since / 1000, end: asked.until / 1000, step, environment };
      return { body: { answer: await get<RangeAnswer>("/prometheus/api/v1/query_range", params, signal), step }, asked };
    },
    refetchInterval: live ? refresh : false,
  });
}

function Shown({ expression }: { expression: string }): ReactNode {
  return <Answered query={useRange(expression)}>{(body, asked) => <Series expression={expression} result={body} asked={asked} />}</Answered>;
}

function Series({ expression, result, asked }: { expression: string; result: RangeResult; asked: Between }): ReactNode {
  const { times, lines, more } = linesOf(result.answer);
  const [only, setOnly] = useState<string | null>(null);
  const shown = lines.some((line) => line.name === only) ? lines.filter((line) => line.name === only) : lines;
  const notes = [...(result.answer.warnings ?? []), ...(result.answer.infos ?? [])];
  const exemplars = useExemplars(expression, asked);
  const navigate = useNavigate();
  const dots = useMemo(
    () =>
      exemplars.map(({ value, time, trace, span }) => ({
        ...{ time, value: measures(expression) ? value : null },
        text: t("exemplar", { value: compact(value), time: dateTime(time, true), trace }),
        open: () => void navigate({ to: "/traces/$trace", params: { trace }, search: (span ? { span } : {}) as never }),
      })),
    [exemplars, expression, navigate],
  );
  const colorOf = (line: Line): string => `--c${(lines.indexOf(line) % COLORS) + 1}`;
  return (
    <>
      {notes.map((note) => (
        <p key={note} className="note">
          {note}
        </p>
      ))}
      {lines.length === 0 ? (
        <p role="status">{t("none")}</p>
      ) : (
        <>
          <Chart
            title={t("chart", { step: result.step })}
            {...{ times, axis: asked, format: compact, height: 280, step: result.step * 1000, dots }}
            series={shown.map((line) => ({ label: line.name, color: colorOf(line), values: line.values }))}
          />
          {more > 0 && <p className="note">{t("more", { shown: MOST_LINES, more })}</p>}
          <ul className="series" aria-label={t("series")}>
            {lines.map((line) => (
              <li key={line.name}>
                <button type="button" className="link mono" aria-pressed={only === line.name} onClick={() => setOnly(only === line.name ? null : line.name)}>
                  <span className="dot" style={{ background: `var(${colorOf(line)})` }} /> {line.name}
                </button>
                {line.labels.service && (
                  <Link to="/traces" search={{ q: `service=${quoted(line.labels.service)}` } as never}>
                    {t("traces", { service: line.labels.service })}
                  </Link>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
      <Exemplars found={exemplars} />
    </>
  );
}
