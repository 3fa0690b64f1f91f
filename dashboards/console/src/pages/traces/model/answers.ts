/** What the API answers about traces, typed by its description. Times are nanoseconds since the epoch, durations nanoseconds. */

import type { components } from "../../../api/schema";

type Schemas = components["schemas"];

export type TraceRow = Schemas["TraceRow"];
export type Found = Schemas["TraceList"];
export type Facets = Schemas["Facets"];
export type TraceHeatmap = Schemas["HeatmapAnswer"];
export type Common = Schemas["CommonAnswer"];
export type Sides = Schemas["CommonSides"];
