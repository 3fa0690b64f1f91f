import { useMemo } from "react";
import { useQuery } from "@tanstack/react-query";

import { get } from "../../../api/client";
import type { ApiError } from "../../../api/client";
import type { Between } from "../../../shell/range";
import { useShellState } from "../../../shell/useRange";
import { slowest } from "./exemplars";
import type { ExemplarAnswer, Shown } from "./exemplars";

const MOST = 20;
const NONE: ExemplarAnswer = { data: [] };

/** Measurements of an expression's series that name the trace in which they were taken, the largest first. */
export function useExemplars(expression: string, asked: Between): Shown[] {
  const { environment } = useShellState();
  const start = Math.floor(asked.since / 1000);
  const end = Math.ceil(asked.until / 1000);
  const { data } = useQuery<ExemplarAnswer, ApiError>({
    queryKey: ["query_exemplars", expression, environment, start, end],
    queryFn: ({ signal }) => get("/prometheus/api/v1/query_exemplars", { query: expression, start, end, environment }, signal),
    staleTime: 30_000,
  });
  return useMemo(() => slowest(data ?? NONE, MOST), [data]);
}
