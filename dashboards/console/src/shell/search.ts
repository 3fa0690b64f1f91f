import { useRouter, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";

/** The query of an address: plain texts, as a person would type them. */
export type Search = Record<string, string>;

/** Of several of one name the last counts, as in most servers. */
export function parseSearch(text: string): Search {
  return renamed(Object.fromEntries(new URLSearchParams(text)));
}

/** What an older console named otherwise: `range=15m` and `environment=`, in links that people kept. */
function renamed({ range, environment, ...search }: Search): Search {
  const from: Search = range && /^\d+[mhd]$/.test(range) ? { from: `now-${range}` } : {};
  return { ...from, ...(environment ? { env: environment } : {}), ...search };
}

/** `?a=b`, without what is empty; colons, slashes and commas stay readable. */
export function stringifySearch(search: Record<string, unknown>): string {
  const entries = Object.entries(search).filter((entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== "");
  const text = new URLSearchParams(entries).toString().replaceAll("%3A", ":").replaceAll("%2F", "/").replaceAll("%2C", ",");
  return text && `?${text}`;
}

/**
 * A page's own keys of the address, checked by `parse`, and a function that changes some of them; `undefined` or an empty
 * text removes one. Changes replace the entry of the browser's history unless `push` is said.
 */
export function usePageSearch<T>(parse: (search: Search) => T): [T, (change: Record<string, string | undefined>, push?: boolean) => void] {
  const raw = useSearch({ strict: false }) as Search;
  const router = useRouter();
  const change = useCallback(
    (changed: Record<string, string | undefined>, push = false) => {
      // The keys that all pages share are put back by the router, even where they were removed: an empty text is not absent.
      // The path is named: `.` would be the root where no page matches.
      const to = router.state.location.pathname as never;
      void router.navigate({ to, search: ((before: Search) => ({ ...before, ...blank(changed) })) as never, replace: !push });
    },
    [router],
  );
  const parsed = useMemo(() => parse(raw), [raw]);
  return [parsed, change];
}

function blank(changed: Record<string, string | undefined>): Search {
  return Object.fromEntries(Object.entries(changed).map(([key, value]) => [key, value ?? ""]));
}
