import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { get, type ApiError } from "../api/client";
import { useRefresh } from "../shell/refresh";
import type { Between } from "../shell/range";
import { Chart, type Series } from "./Chart";
import type { Band, Marker } from "./chartOptions";
import { compact } from "./format";
import { matrixSeries, stepOf, type Matrix } from "./matrix";
import { splitThreshold } from "./promqlThreshold";
import { EmptyState, ErrorState, Loading } from "./States";

interface Props {
  title: string;
  expression: string;
  environment: string;
  /** Whole seconds of both are asked, so that an open page asks for the same while its range stands. */
  axis: Between;
  /** Only series that do not contradict these labels: those of one alert. */
  labels?: Record<string, string>;
  markers?: readonly Marker[];
  bands?: readonly Band[];
  /** What is said where nothing was found. */
  empty: string;
  live?: boolean;
}

const COLORS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];

/** A PromQL expression over a range, with the threshold that it is compared with as a line. */
export function ExpressionGraph({ title, expression, environment, axis, labels, markers, bands, empty, live = false }: Props) {
  const refresh = useRefresh();
  const parted = useMemo(() => splitThreshold(expression), [expression]);
  const start = Math.floor(axis.since / 1_000);
  const end = Math.ceil(axis.until / 1_000);
  const step = stepOf(end - start);
  const asked = useQuery<{ data: { result: Matrix } }, ApiError>({
    queryKey: ["/prometheus/api/v1/query_range", parted.expression, environment, Math.floor(start / step), Math.floor(end / step), step],
    queryFn: ({ signal }) => get("/prometheus/api/v1/query_range", { query: parted.expression, start, end, step, environment }, signal),
    refetchInterval: live ? refresh : false,
  });
  const drawn = useMemo(() => matrixSeries(asked.data?.data.result ?? [], start, end, step, labels), [asked.data, start, end, step, labels]);
  // This process has no query API: that is no trouble, and trying again changes nothing.
  if (asked.data === undefined && asked.error?.status === 404) return <p className="quiet">{asked.error.message}</p>;
  if (asked.data === undefined) return asked.error ? <ErrorState error={asked.error} retry={() => void asked.refetch()} /> : <Loading lines={4} />;
  if (drawn.series.length === 0) return <EmptyState title={empty} />;
  const series: Series[] = drawn.series.map((each, i) => ({ label: each.name, color: COLORS[i % COLORS.length] ?? "--c1", values: each.values }));
  return (
    <Chart
      title={title}
      times={drawn.times}
      series={series}
      axis={axis}
      step={step * 1_000}
      format={compact}
      {...(parted.threshold === null ? {} : { threshold: parted.threshold })}
      {...(markers ? { markers } : {})}
      {...(bands ? { bands } : {})}
      aside={drawn.more > 0 ? <span className="quiet">+{drawn.more}</span> : undefined}
    />
  );
}
