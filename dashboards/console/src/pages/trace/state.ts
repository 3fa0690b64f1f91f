/** What of the page is in its address. */

import type { Search } from "../../shell/search";
import type { Filter } from "./model/rows";
import type { Clock } from "./model/trace";

export const VIEWS = ["waterfall", "flame", "graph", "table"] as const;
export type View = (typeof VIEWS)[number];

export interface TraceState {
  view: View;
  span: string;
  zoom: string;
  clock: Clock;
  filter: Filter;
}

export function parseState(search: Search): TraceState {
  const least = parseDuration(search.min ?? "");
  return {
    view: VIEWS.find((view) => view === search.view) ?? "waterfall",
    span: /^[0-9a-f]{1,64}$/.test(search.span ?? "") ? (search.span as string) : "",
    zoom: search.zoom ?? "",
    clock: search.clock === "root" ? "root" : "recorded",
    filter: { text: (search.find ?? "").slice(0, 200), atLeast: least ?? 0, errors: search.errors === "yes", critical: search.path === "yes" },
  };
}

const UNITS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9 };

/** Nanoseconds of `1.5s` or `20ms`, of a bare number as milliseconds; null for what is no duration. */
export function parseDuration(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m)?\s*$/.exec(text);
  return found ? Number(found[1]) * (UNITS[found[2] ?? "ms"] as number) : null;
}
