import { useSyncExternalStore } from "react";

import { stored } from "./stored";

/** Milliseconds between two readings, by the name that is stored; false: only when asked. */
export const REFRESH = { off: false, "5s": 5_000, "10s": 10_000, "30s": 30_000, "1m": 60_000 } as const;
export type RefreshName = keyof typeof REFRESH;

export const refreshStore = stored<RefreshName>("refresh", "30s", (text): text is RefreshName => text in REFRESH);

export function useRefresh(): number | false {
  return REFRESH[useSyncExternalStore(refreshStore.subscribe, refreshStore.get)];
}
