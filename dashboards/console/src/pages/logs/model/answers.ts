/** What the API answers about logs, typed by its description. Times are nanoseconds since the epoch. */

import type { components } from "../../../api/schema";

type Schemas = components["schemas"];

export type LogRow = Schemas["LogRow"];
export type FoundLogs = Schemas["LogList"];
export type LogHistogram = Schemas["LogHistogram"];
export type Templates = Schemas["LogTemplateList"];

/** How bad a record is, by its severity's number. */
export function toneOf(number: number | null): "bad" | "warn" | "" {
  return (number ?? 0) >= 17 ? "bad" : (number ?? 0) >= 13 ? "warn" : "";
}
