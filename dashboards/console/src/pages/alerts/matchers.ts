/** Matchers, as Alertmanager writes them: in filters of the page, and in silences. */

import type { AlertRow, Matcher } from "./model";

const PART = /^\s*(?<name>[^\s=!~{}",]+)\s*(?<operator>=~|!~|!=|=)\s*(?<value>"(?:[^"\\]|\\.)*"|\S.*?)\s*$/u;

/** `service="payment"` or `service=payment` as a matcher; null if it is none. */
export function parseMatcher(text: string): Matcher | null {
  const parts = PART.exec(text)?.groups;
  if (parts === undefined) return null;
  const { name = "", operator = "", value = "" } = parts;
  return {
    name,
    value: value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/gu, (_, letter: string) => (letter === "n" ? "\n" : letter)) : value,
    isRegex: operator.endsWith("~"),
    isEqual: operator.startsWith("="),
  };
}

/** A matcher as Alertmanager writes it: what its API takes as `filter`. */
export function matcherText(matcher: Matcher): string {
  const operator = matcher.isRegex ? (matcher.isEqual ? "=~" : "!~") : matcher.isEqual ? "=" : "!=";
  const value = matcher.value.replace(/\\/gu, "\\\\").replace(/"/gu, '\\"').replace(/\n/gu, "\\n");
  return `${matcher.name}${operator}"${value}"`;
}

/** `{service="payment",severity=~"page|critical"}` as matchers; what is none is left out. */
export function parseMatchers(text: string): Matcher[] {
  const inner = text.trim().replace(/^\{/u, "").replace(/\}$/u, "");
  return parts(inner).flatMap((part) => parseMatcher(part) ?? []);
}

/** Matchers in one text, for an address. */
export function matchersText(matchers: readonly Matcher[]): string {
  return matchers.length === 0 ? "" : `{${matchers.map(matcherText).join(",")}}`;
}

/** The parts between commas that stand outside of quotes. */
function parts(text: string): string[] {
  const found: string[] = [];
  let begin = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i];
    if (quoted && letter === "\\") i += 1;
    else if (letter === '"') quoted = !quoted;
    else if (letter === "," && !quoted) {
      found.push(text.slice(begin, i));
      begin = i + 1;
    }
  }
  return [...found, text.slice(begin)];
}

/** Whether rows that carry the label pass a filter chip. A regular expression that is none passes nothing. */
export function passes(row: AlertRow, matcher: Matcher): boolean {
  const value = matcher.name === "service" ? row.service || (row.labels["service"] ?? "") : (row.labels[matcher.name] ?? "");
  let holds = value === matcher.value;
  if (matcher.isRegex) {
    try {
      holds = new RegExp(`^(?:${matcher.value})$`, "u").test(value);
    } catch {
      return false;
    }
  }
  return holds === matcher.isEqual;
}

/** The matchers with which the drawer opens: all labels of the alert. */
export function matchersFor(labels: Record<string, string>): Matcher[] {
  return Object.entries(labels)
    .sort(([a], [b]) => (a === "alertname" ? -1 : b === "alertname" ? 1 : a.localeCompare(b)))
    .map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));
}

/** Why a silence cannot be made of this, or null: Alertmanager wants a matcher that does not match the empty text. */
export type SilenceFault = "no_matchers" | "matches_all" | "no_comment" | "no_duration" | "bad_name";

export function silenceFault(matchers: readonly Matcher[], comment: string, minutes: number): SilenceFault | null {
  if (matchers.length === 0) return "no_matchers";
  if (matchers.some((matcher) => !/^[^\s"={}~!,]+$/u.test(matcher.name))) return "bad_name";
  if (matchers.every(matchesEmpty)) return "matches_all";
  if (!Number.isFinite(minutes) || minutes <= 0) return "no_duration";
  return comment.trim() ? null : "no_comment";
}

function matchesEmpty(matcher: Matcher): boolean {
  if (!matcher.isRegex) return (matcher.value === "") === matcher.isEqual;
  try {
    return new RegExp(`^(?:${matcher.value})$`, "u").test("") === matcher.isEqual;
  } catch {
    return false;
  }
}
