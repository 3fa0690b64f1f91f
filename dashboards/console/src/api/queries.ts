import { useQuery } from "@tanstack/react-query";

import { resolve, type Between } from "../shell/range";
import { useRefresh } from "../shell/refresh";
import { now } from "../shell/serverClock";
import { useShellState } from "../shell/useRange";
import { type ApiError, get, nanoseconds, type Params } from "./client";
import { useStreaming } from "./live";
import { alsoPolled, topicOf } from "./topics";

export { queryClient } from "./queryClient";

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
  /** Milliseconds between two times where no stream says what changes; default: as chosen in the top bar; false: once. */
  every?: number | false;
}

/**
 * What GET `path` answers for the range and environment of the address. It is asked for again when an event says that it has
 * changed; without a stream, or where no event is about it, as often as the top bar says.
 * While a new range loads, `data` is the old answer and `isPlaceholderData` is true.
 */
export function useApi<T>(path: string, params: Params = {}, options: Options = {}) {
  const { from, to, environment, live } = useShellState();
  const refresh = useRefresh();
  const streaming = useStreaming();
  const ranged = options.ranged ?? true;
  const every = options.every ?? (ranged && !live ? false : refresh);
  const topic = options.every === false || (ranged && !live) ? null : topicOf(path, params, options.every);
  const followed = streaming && !alsoPolled(topic);
  return useQuery<Answer<T>, ApiError>({
    queryKey: [path, params, ranged ? { from, to, environment } : null],
    queryFn: async ({ signal }) => {
      const asked = resolve({ from, to }, now());
      const shared = ranged ? { since: nanoseconds(asked.since), until: nanoseconds(asked.until), environment } : {};
      return { body: await get<T>(path, { ...shared, ...params }, signal), asked };
    },
    enabled: options.enabled ?? true,
    // What failed is tried again even so: the end of what was wrong may be no event.
    refetchInterval: ({ state }) => (followed && state.status !== "error" ? false : every),
    meta: { topic },
  });
}
