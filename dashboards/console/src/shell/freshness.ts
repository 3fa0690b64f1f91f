import { useEffect, useState } from "react";

import { milliseconds } from "../api/client";
import { useApi } from "../api/queries";
import { now } from "./serverClock";
import { useShellState } from "./useRange";

interface Freshness {
  now: number;
  newest: number | null;
  signals: { signal: string; newest: number | null; age: number | null }[];
}

/** Data older than this may be late; than the second, something is wrong. Spans come when their trace closes. */
export const LATE_MS = 60_000;
export const OLD_MS = 300_000;

export type Age = { state: "unknown" } | { state: "none" } | { state: "fresh" | "late" | "old"; ms: number };

/** How old data of that time is, at a moment. */
export function ageOf(newestMs: number | null, moment: number): Age {
  if (newestMs === null) return { state: "none" };
  const ms = Math.max(0, moment - newestMs);
  return { state: ms > OLD_MS ? "old" : ms > LATE_MS ? "late" : "fresh", ms };
}

/** The age of the newest data, and whether the server answers at all. */
export function useFreshness(): { age: Age; away: string | null; retry: () => void } {
  const { environment } = useShellState();
  const query = useApi<Freshness>("/api/v1/freshness", { environment }, { ranged: false, every: 10_000 });
  const [moment, setMoment] = useState(now());
  useEffect(() => {
    const timer = setInterval(() => setMoment(now()), 5_000);
    return () => clearInterval(timer);
  }, []);
  const body = query.data?.body;
  const age: Age = body === undefined ? { state: "unknown" } : ageOf(body.newest === null ? null : milliseconds(body.newest), Math.max(moment, milliseconds(body.now)));
  return { age, away: query.error?.away ? query.error.message : null, retry: () => void query.refetch() };
}
