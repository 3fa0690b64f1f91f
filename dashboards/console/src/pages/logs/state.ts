/** What of the page is in its address. */

import type { Search } from "../../shell/search";

export const VIEWS = ["lines", "templates", "live"] as const;
export type View = (typeof VIEWS)[number];

export interface LogsState {
  query: string;
  view: View;
  order: "newest" | "oldest";
  cursor: string;
  skipped: number;
}

export function parseState(search: Search): LogsState {
  const skipped = Number(search.skipped ?? 0);
  const cursor = search.cursor ?? "";
  return {
    query: (search.q ?? "").slice(0, 2000),
    view: VIEWS.find((view) => view === search.view) ?? "lines",
    order: search.order === "oldest" ? "oldest" : "newest",
    cursor,
    skipped: cursor && Number.isSafeInteger(skipped) && skipped > 0 ? skipped : 0,
  };
}
