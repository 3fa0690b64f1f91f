/** Cells of a heatmap of durations over time. */

export interface HeatmapData {
  /** Nanoseconds since the epoch, and nanoseconds of a column. */
  since: number;
  step: number;
  /** Nanoseconds: one more than there are rows, ascending. */
  bounds: readonly number[];
  /** By column, then row. */
  counts: readonly (readonly number[])[];
}

/** A rectangle of cells; both ends belong to it. */
export interface Cells {
  left: number;
  right: number;
  low: number;
  high: number;
}

/** Times in nanoseconds since the epoch, durations in nanoseconds; null: open at that end. */
export interface Picked {
  since: number;
  until: number;
  low: number | null;
  high: number | null;
}

export function between(a: { column: number; row: number }, b: { column: number; row: number }): Cells {
  return {
    ...{ left: Math.min(a.column, b.column), right: Math.max(a.column, b.column) },
    ...{ low: Math.min(a.row, b.row), high: Math.max(a.row, b.row) },
  };
}

/** What a rectangle of cells means. The lowest row has all that is shorter, the highest all that is longer. */
export function pickedOf(data: HeatmapData, { left, right, low, high }: Cells): Picked {
  const rows = data.bounds.length - 1;
  return {
    since: data.since + left * data.step,
    until: data.since + (right + 1) * data.step,
    low: low <= 0 ? null : (data.bounds[low] ?? null),
    high: high >= rows - 1 ? null : (data.bounds[high + 1] ?? null),
  };
}

/** How strong a cell is drawn, 0..1: by the logarithm, so that the few slow ones are seen beside the many quick ones. */
export function strength(count: number, most: number): number {
  return count <= 0 ? 0 : 0.15 + 0.85 * (Math.log1p(count) / Math.log1p(Math.max(1, most)));
}

export function mostOf(data: HeatmapData): number {
  return data.counts.reduce((most, column) => column.reduce((found, count) => Math.max(found, count), most), 0);
}
