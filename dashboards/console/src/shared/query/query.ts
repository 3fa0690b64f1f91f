/** The query language of the search boxes, as far as completion and clicks need it; the server parses it for good. */

export type Token = { kind: "word" | "string" | "operator" | "paren"; text: string; from: number; to: number };

const PATTERN = /\s+|"(?:[^"\\]|\\.)*"?|!=|=~|!~|<=|>=|&&|\|\||[=<>!]|[()]|[^\s"=<>!()&|]+|./gy;
const OPERATORS = new Set(["=", "!=", "=~", "!~", "<", "<=", ">", ">="]);
const JOINERS = new Set(["and", "or", "not", "&&", "||", "!"]);

export function tokens(text: string): Token[] {
  const found: Token[] = [];
  PATTERN.lastIndex = 0;
  for (let match = PATTERN.exec(text); match; match = PATTERN.exec(text)) {
    const [token] = match;
    if (/^\s/.test(token)) continue;
    const kind = token.startsWith('"') ? "string" : OPERATORS.has(token) ? "operator" : /^[()]$/.test(token) ? "paren" : "word";
    found.push({ kind, text: token, from: match.index, to: match.index + token.length });
  }
  return found;
}

/** What a person is writing: `from` to `to` is what a completion replaces, `prefix` what of it is there already. */
export interface Place {
  expects: "name" | "operator" | "value" | "joiner";
  /** Of a value: whose. */
  name: string;
  prefix: string;
  from: number;
  to: number;
}

/** What is expected at the cursor. */
export function placeAt(text: string, cursor: number): Place {
  const before = tokens(text.slice(0, cursor));
  const last = before.at(-1);
  const touches = last !== undefined && last.to === cursor && (last.kind === "word" || last.kind === "string");
  const done = touches ? before.slice(0, -1) : before;
  const prefix = touches ? last.text.replace(/^"/, "") : "";
  const from = touches ? last.from : cursor;
  const end = touches ? (tokens(text).find((token) => token.from === from)?.to ?? cursor) : cursor;
  const place = { name: "", prefix, from, to: end };
  const previous = done.at(-1);
  if (!previous || (previous.kind === "word" && JOINERS.has(previous.text.toLowerCase())) || previous.text === "(") {
    return { ...place, expects: "name" };
  }
  if (previous.kind === "operator") return { ...place, expects: "value", name: done.at(-2)?.text ?? "" };
  if (previous.text === ")" || isValue(done)) return { ...place, expects: "joiner" };
  return { ...place, expects: "operator", name: previous.text };
}

/** Whether the last of these tokens is the value of a condition. */
function isValue(done: readonly Token[]): boolean {
  return done.at(-2)?.kind === "operator";
}

/** The text with a completion put in, and where the cursor is then. */
export function completed(text: string, place: Place, choice: string): { text: string; cursor: number } {
  const written = place.expects === "value" ? quoted(choice) : choice;
  const after = place.expects === "name" ? "" : " ";
  const rest = text.slice(place.to);
  const gap = after && rest.startsWith(" ") ? "" : after;
  return { text: text.slice(0, place.from) + written + gap + rest, cursor: place.from + written.length + (after ? 1 : 0) };
}

const BARE = /^[A-Za-z0-9_./:@*+-]+$/;
const NAME = /^[A-Za-z_][A-Za-z0-9_./@-]*$/;
/** Words that would be read as something else than a value. */
const RESERVED = new Set(["and", "or", "not", "nil"]);

/** A value as it stands in a query: bare where that is read as the same. */
export function quoted(value: string): string {
  if (BARE.test(value) && !RESERVED.has(value.toLowerCase())) return value;
  return `"${value.replace(/[\\"]/g, "\\$&")}"`;
}

/** The condition that an attribute has this value; null for values that no query can compare. */
export function conditionFor(name: string, value: unknown): string | null {
  if (!NAME.test(name)) return null;
  if (typeof value === "string") return `${name}=${quoted(value)}`;
  return typeof value === "number" || typeof value === "boolean" ? `${name}=${String(value)}` : null;
}

/** A query with one more condition that must hold; as it is where that stands in it already. */
export function withCondition(query: string, condition: string): string {
  const text = query.trim();
  if (text === "") return condition;
  if (text === condition || text.endsWith(` and ${condition}`) || text.startsWith(`${condition} and `) || text.includes(` and ${condition} and `)) return text;
  const mixed = tokens(text).some((token) => token.kind === "word" && ["or", "||"].includes(token.text.toLowerCase()));
  return `${mixed ? `(${text})` : text} and ${condition}`;
}
