/** The query languages of traces and logs, with what may be written next. */

import { get } from "../../api/client";
import type { Language, Suggestion } from "./language";
import { completed, placeAt } from "./query";
import type { Place } from "./query";

type Signal = "span" | "log";

interface Attributes {
  attributes: { name: string; where: string; type: string }[];
}

interface Values {
  values: { value: string; count: number }[];
}

const MOST = 12;
const COMPARISONS = ["=", "!=", "=~", "!~", ">", ">=", "<", "<="];
const JOINERS = ["and", "or"];

export const SPAN_QUERIES = language("span");
export const LOG_QUERIES = language("log");

function language(signal: Signal): Language {
  return { name: signal, placeAt, completed, suggest: (place, shared, abort) => suggest(place, signal, shared, abort) };
}

/** Suggestions for a place, from the names and values that the store has in this range. */
async function suggest(place: Place, signal: Signal, shared: Record<string, string>, abort: AbortSignal): Promise<Suggestion[]> {
  const { expects, name, prefix } = place;
  if (expects === "operator") return begins(COMPARISONS, prefix, "");
  if (expects === "joiner") return begins(JOINERS, prefix, "");
  const asked = { ...shared, prefix, signal, limit: MOST };
  if (expects === "name") {
    const { attributes } = await get<Attributes>("/api/v1/attributes", asked, abort);
    return attributes.map((attribute) => ({ text: attribute.name, note: attribute.where }));
  }
  const { values } = await get<Values>(`/api/v1/attributes/${encodeURIComponent(name)}/values`, asked, abort);
  return values.map(({ value, count }) => ({ text: value, note: String(count) }));
}

function begins(words: readonly string[], prefix: string, note: string): Suggestion[] {
  return words.filter((word) => word.startsWith(prefix)).map((text) => ({ text, note }));
}
