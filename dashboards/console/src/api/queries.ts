import { QueryClient, keepPreviousData, useQuery } from "@tanstack/react-query";

import { resolve, type Between } from "../shell/range";
import { useRefresh } from "../shell/refresh";
import { now } from "../shell/serverClock";
import { useShellState } from "../shell/useRange";
import { ApiError, get, nanoseconds, type Params } from "./client";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // One more try where no answer came; what was asked wrongly stays wrong.
      retry: (failures, error) => error instanceof ApiError && error.away && failures < 1,
      refetchOnWindowFocus: false,
      staleTime: 2_000,
      gcTime: 120_000,
      placeholderData: keepPreviousData,
    },
  },
});

/** An answer, and the range that was asked when it came: the axis of its charts. */
export interface Answer<T> {
  body: T;
  asked: Between;
}

export interface Options {
  /** False: asks later, when something that it needs is known. */
  enabled?: boolean;
  /** False: the answer does not depend on range and environment. */
  ranged?: boolean;
  /** Milliseconds between two times; default: as chosen in the top bar; false: once. */
  every?: number | false;
}

/**
 * What GET `path` answers for the range and environment of the address, asked again as the top bar says.
 * While a new range loads, `data` is the old answer and `isPlaceholderData` is true.
 */
export function useApi<T>(path: string, params: Params = {}, options: Options = {}) {
  const { from, to, environment, live } = useShellState();
  const refresh = useRefresh();
  const ranged = options.ranged ?? true;
  const every = options.every ?? (ranged && !live ? false : refresh);
  return useQuery<Answer<T>, ApiError>({
    queryKey: [path, params, ranged ? { from, to, environment } : null],
    queryFn: async ({ signal }) => {
      const asked = resolve({ from, to }, now());
      const shared = ranged ? { since: nanoseconds(asked.since), until: nanoseconds(asked.until), environment } : {};
      return { body: await get<T>(path, { ...shared, ...params }, signal), asked };
    },
    enabled: options.enabled ?? true,
    refetchInterval: every,
  });
}
