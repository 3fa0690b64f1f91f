/** The newest lines of a live tail: a bounded list. */

import type { LogRow } from "./answers";

export interface Tail {
  /** The newest first. */
  rows: LogRow[];
  /** Lines that came and are not shown any more. */
  forgotten: number;
  /** Lines that the server did not send, since this page was too slow. */
  dropped: number;
}

export const MOST = 500;
export const NOTHING: Tail = { rows: [], forgotten: 0, dropped: 0 };

/** The list with lines that came one after the other; one that is there already, after a reconnect, is not added. */
export function withRows(tail: Tail, came: readonly LogRow[]): Tail {
  const known = new Set(tail.rows.map((row) => row.id));
  const added = came.filter((row) => !known.has(row.id) && known.add(row.id));
  if (added.length === 0) return tail;
  const rows = [...added].reverse().concat(tail.rows);
  return { ...tail, rows: rows.slice(0, MOST), forgotten: tail.forgotten + Math.max(0, rows.length - MOST) };
}

/** A template in pieces: what is fixed, and null where it varies. */
export function pieces(template: string): (string | null)[] {
  return template.split(/(<\*>)/).flatMap((piece) => (piece === "" ? [] : [piece === "<*>" ? null : piece]));
}

/** A query for lines of a template: the longest of what is fixed in it must be in the text. */
export function queryOf(template: string): string {
  const longest = pieces(template).reduce<string>((found, piece) => (piece !== null && piece.trim().length > found.length ? piece.trim() : found), "");
  return longest && `"${longest.replace(/[\\"]/g, "\\$&")}"`;
}
