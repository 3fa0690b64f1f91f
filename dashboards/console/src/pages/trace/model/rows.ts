/** Which rows of the waterfall are in sight: what is collapsed or filtered away is not. */

import type { Span, Trace } from "./trace";

export interface Filter {
  /** Words that the service, operation, ids or attributes contain; all must hold. */
  text: string;
  /** Least duration in nanoseconds. */
  atLeast: number;
  errors: boolean;
  critical: boolean;
}

export const NO_FILTER: Filter = { text: "", atLeast: 0, errors: false, critical: false };

export function isFiltering(filter: Filter): boolean {
  return filter.text.trim() !== "" || filter.atLeast > 0 || filter.errors || filter.critical;
}

/** The spans that the filter means; null where there is no filter. */
export function matches(trace: Trace, filter: Filter): Set<Span> | null {
  if (!isFiltering(filter)) return null;
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return new Set(
    trace.spans.filter(
      (span) =>
        span.duration >= filter.atLeast &&
        (!filter.errors || span.failed) &&
        (!filter.critical || span.critical.length > 0) &&
        words.every((word) => textOf(span).includes(word)),
    ),
  );
}

const texts = new WeakMap<Span, string>();

function textOf(span: Span): string {
  let text = texts.get(span);
  if (text === undefined) {
    const { attributes, status } = span.document;
    const named = Object.entries(attributes).map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
    text = [span.service, span.name, span.id, span.kind, status.message ?? "", ...named].join("\n").toLowerCase();
    texts.set(span, text);
  }
  return text;
}

/** Rows from top to bottom: of a filter its matches with the spans above them, of a collapsed span the span alone. */
export function visibleRows(trace: Trace, collapsed: ReadonlySet<string>, matching: ReadonlySet<Span> | null): Span[] {
  const wanted = matching && withAncestors(matching);
  const rows: Span[] = [];
  for (let place = 0; place < trace.spans.length; place++) {
    const span = trace.spans[place] as Span;
    if (wanted && !wanted.has(span)) continue;
    rows.push(span);
    if (collapsed.has(span.id)) place += span.descendants;
  }
  return rows;
}

function withAncestors(spans: ReadonlySet<Span>): Set<Span> {
  const all = new Set<Span>();
  for (const span of spans) {
    for (let above: Span | null = span; above && !all.has(above); above = above.parent) all.add(above);
  }
  return all;
}

/** The ids to collapse so that spans deeper than `depth` are out of sight. */
export function collapsedBelow(trace: Trace, depth: number): Set<string> {
  return new Set(trace.spans.filter((span) => span.depth === depth && span.children.length > 0).map((span) => span.id));
}

/** What must not be collapsed for a span to be in sight. */
export function revealed(collapsed: ReadonlySet<string>, span: Span | undefined): ReadonlySet<string> {
  let changed: Set<string> | null = null;
  for (let above = span?.parent ?? null; above; above = above.parent) {
    if (collapsed.has(above.id)) (changed ??= new Set(collapsed)).delete(above.id);
  }
  return changed ?? collapsed;
}
