import { useSearch } from "@tanstack/react-router";
import { useMemo } from "react";

import { isLive, parseRange, resolve, type Between, type Range } from "./range";
import { now } from "./serverClock";
import { usePageSearch, type Search } from "./search";

export interface ShellState extends Range {
  environment: string;
  /** Whether the end of the range moves with the clock. */
  live: boolean;
  /** The address had a range that cannot be read. */
  wrong: boolean;
}

/** The range and environment of the address. */
export function useShellState(): ShellState {
  const search = useSearch({ strict: false }) as Search;
  return useMemo(() => {
    const range = parseRange(search.from, search.to);
    return { ...range, environment: search.env ?? "", live: isLive(range) };
  }, [search.from, search.to, search.env]);
}

/** Sets the range of the address: drag a chart, choose a preset. Goes into the browser's history. */
export function useSetRange(): (range: Range) => void {
  const [, change] = usePageSearch(() => null);
  return (range) => change({ from: range.from, to: range.to }, true);
}

/** The range in milliseconds, as of now. Queries resolve it themselves, when they ask. */
export function useBetween(): Between {
  const { from, to } = useShellState();
  return resolve({ from, to }, now());
}
