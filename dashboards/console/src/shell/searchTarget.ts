/** Where what was typed into the search leads. */
export type Target = { to: "/traces/$trace"; trace: string } | { to: "/services/$"; service: string } | { to: "/traces"; q: string };

/**
 * A trace id leads to the trace, a condition such as `http.route=/buy` or `duration>1s` to the traces that meet it, a service's
 * name (or the only one that begins so) to the service, and anything else to the traces that have the word.
 */
export function searchTarget(typed: string, services: readonly string[]): Target | null {
  const text = typed.trim();
  if (!text) return null;
  const id = text.replaceAll("-", "").toLowerCase();
  if (/^[0-9a-f]{32}$/.test(id)) return { to: "/traces/$trace", trace: id };
  if (/[=<>~]/.test(text)) return { to: "/traces", q: text };
  const lower = text.toLowerCase();
  const exact = services.find((name) => name.toLowerCase() === lower);
  const beginning = services.filter((name) => name.toLowerCase().startsWith(lower) || name.toLowerCase().split("/")[1]?.startsWith(lower));
  const service = exact ?? (beginning.length === 1 ? beginning[0] : undefined);
  return service === undefined ? { to: "/traces", q: text } : { to: "/services/$", service };
}
