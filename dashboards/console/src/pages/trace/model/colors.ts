/** Colours of services: the same service has the same one everywhere on a page. */

const PALETTE = ["#4c78a8", "#59a14f", "#b07aa1", "#d99a2b", "#3ba3a0", "#d1717b", "#8c6d4f", "#6f63b6", "#94a03a", "#c26fa8"];
const GOLDEN_ANGLE = 137.508;

/** A colour for each service, by its place among them; beyond the palette hues are spread evenly. */
export function colorsOf(services: readonly string[]): ReadonlyMap<string, string> {
  return new Map(services.map((service, place) => [service, PALETTE[place] ?? `hsl(${Math.round((place * GOLDEN_ANGLE) % 360)} 42% 52%)`]));
}
