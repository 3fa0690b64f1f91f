/** Completion of PromQL: metric names and functions, label names in braces, label values in quotes. */

import { get } from "../../../api/client";
import type { Language, Suggestion } from "../../../shared/query/language";
import type { Place } from "../../../shared/query/query";

const WORD = /[a-zA-Z0-9_:.]/;

/** What is expected at the cursor; `name` is the metric before the braces, and `label` follows it where a value is meant. */
export function placeAt(text: string, cursor: number): Place {
  let quote = "";
  let quoted = 0;
  let braces = -1;
  let metric = "";
  let label = "";
  let word = -1;
  for (let at = 0; at < cursor; at++) {
    const char = text[at] as string;
    if (quote) {
      if (char === "\\") at++;
      else if (char === quote) quote = "";
      continue;
    }
    if (WORD.test(char)) {
      if (word < 0) word = at;
      continue;
    }
    const before = word < 0 ? "" : text.slice(word, at);
    word = -1;
    if (char === '"' || char === "'" || char === "`") {
      quote = char;
      quoted = at + 1;
    } else if (char === "{") {
      braces = at;
      metric = before;
    } else if (char === "}") braces = -1;
    else if (braces >= 0 && before && /[=!]/.test(char)) label = before;
  }
  if (quote) return { expects: braces >= 0 ? "value" : "operator", name: `${metric} ${label}`, prefix: text.slice(quoted, cursor), from: quoted, to: cursor };
  const from = word < 0 ? cursor : word;
  let to = cursor;
  while (word >= 0 && to < text.length && WORD.test(text[to] as string)) to++;
  return { expects: braces >= 0 ? "joiner" : "name", name: metric, prefix: text.slice(from, cursor), from, to };
}

export function completed(text: string, place: Place, choice: string): { text: string; cursor: number } {
  const written = place.expects === "value" ? choice.replace(/[\\"]/g, "\\$&") : choice;
  return { text: text.slice(0, place.from) + written + text.slice(place.to), cursor: place.from + written.length };
}

const FUNCTIONS = [
  ...["rate", "irate", "increase", "sum", "sum by", "avg", "avg by", "max", "max by", "min", "min by", "count", "count by", "topk", "bottomk"],
  ...["histogram_quantile", "quantile", "avg_over_time", "max_over_time", "min_over_time", "sum_over_time", "count_over_time", "delta", "deriv"],
  ...["predict_linear", "absent", "label_replace", "clamp_min", "clamp_max", "round", "ceil", "floor", "stddev", "offset"],
];
const MOST = 14;

interface Names {
  data: string[];
}

async function suggest(place: Place, shared: Record<string, string>, abort: AbortSignal): Promise<Suggestion[]> {
  const [metric = "", label = ""] = place.name.split(" ");
  const range = { start: String(Number(shared.since) / 1e9), end: String(Number(shared.until) / 1e9) };
  const within = metric ? { ...range, "match[]": metric } : range;
  if (place.expects === "operator") return [];
  if (place.expects === "value") return label ? pick(await names(`label/${encodeURIComponent(label)}/values`, within, abort), place.prefix, "") : [];
  if (place.expects === "joiner") return pick(await names("labels", within, abort), place.prefix, "");
  const metrics = pick(await names("label/__name__/values", range, abort), place.prefix, "");
  return [...metrics, ...pick(place.prefix ? FUNCTIONS : [], place.prefix, "()")].slice(0, MOST);
}

async function names(path: string, params: Record<string, string>, abort: AbortSignal): Promise<string[]> {
  return (await get<Names>(`/prometheus/api/v1/${path}`, params, abort)).data;
}

/** Those that begin with what is written, then those that contain it. */
export function pick(all: readonly string[], prefix: string, note: string): Suggestion[] {
  const wanted = prefix.toLowerCase();
  const begins = all.filter((name) => name.toLowerCase().startsWith(wanted));
  const contains = all.filter((name) => !name.toLowerCase().startsWith(wanted) && name.toLowerCase().includes(wanted));
  return [...begins, ...contains].slice(0, MOST).map((text) => ({ text, note }));
}

export const PROMQL: Language = { name: "promql", placeAt, completed, suggest };
