/** What the map's address holds. */

import type { Search } from "../../shell/search";
import type { GroupBy } from "./graph/graph";

export interface MapSearch {
  focus: string;
  hops: number;
  group: GroupBy;
  /** Groups that are open. */
  open: string[];
  /** The node or edge in the side panel. */
  pick: string;
  /** `all`, or `unusual`; empty: as the number of nodes suggests. */
  show: "" | "all" | "unusual";
  view: "graph" | "table";
}

export const MOST_HOPS = 6;

const GROUPS: readonly string[] = ["none", "namespace", "prefix"];

export function parseMapSearch(search: Search): MapSearch {
  const hops = Number(search.hops);
  const group = search.group ?? "";
  const show = search.show ?? "";
  return {
    focus: search.focus ?? "",
    hops: Number.isInteger(hops) && hops >= 1 && hops <= MOST_HOPS ? hops : 1,
    group: GROUPS.includes(group) ? (group as GroupBy) : "none",
    open: (search.open ?? "").split(",").filter(Boolean),
    pick: search.pick ?? "",
    show: show === "all" || show === "unusual" ? show : "",
    view: search.view === "table" ? "table" : "graph",
  };
}
