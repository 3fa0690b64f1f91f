/** What a box for queries must know of its language. */

import type { Place } from "./query";

export interface Suggestion {
  text: string;
  /** What it is, or how often it occurs. */
  note: string;
}

export interface Language {
  name: string;
  /** What is expected at the cursor. */
  placeAt: (text: string, cursor: number) => Place;
  /** The text with a completion put in, and where the cursor is then. */
  completed: (text: string, place: Place, choice: string) => { text: string; cursor: number };
  /** What may be written at a place; `shared` has range and environment. */
  suggest: (place: Place, shared: Record<string, string>, abort: AbortSignal) => Promise<Suggestion[]>;
}
