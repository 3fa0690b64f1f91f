/** What of the page is in its address. */

import type { Search } from "../../shell/search";

export interface TracesState {
  query: string;
  order: "newest" | "slowest";
  cursor: string;
  /** How many traces are on the pages before this one. */
  skipped: number;
  /** Traces that were chosen to compare: two at most. */
  compare: string[];
  common: "" | "slow" | "failed";
}

const TRACE_ID = /^[0-9a-f]{32}$/;

export function parseState(search: Search): TracesState {
  const skipped = Number(search.skipped ?? 0);
  const cursor = search.cursor ?? "";
  return {
    query: (search.q ?? "").slice(0, 2000),
    order: search.order === "slowest" ? "slowest" : "newest",
    cursor,
    skipped: cursor && Number.isSafeInteger(skipped) && skipped > 0 ? skipped : 0,
    compare: [...new Set((search.compare ?? "").split(","))].filter((id) => TRACE_ID.test(id)).slice(0, 2),
    common: search.common === "slow" || search.common === "failed" ? search.common : "",
  };
}

/** Chosen ones after one more click: a third takes the place of the second. */
export function toggled(chosen: readonly string[], id: string): string[] {
  return chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen.slice(0, 1), id];
}
