/** What `GET /api/v1/map` and `GET /api/v1/red` answer, typed by the description of the API. Durations and times in nanoseconds. */

import type { components } from "../../api/schema";

type Schemas = components["schemas"];

export type NodeKind = Schemas["NodeKind"];
export type NodeRef = Schemas["NodeRef"];
export type Stats = Schemas["Stats"];
export type MapNode = Schemas["MapNode"];
export type MapEdge = Schemas["MapEdge"];
export type MapAnswer = Schemas["ServiceGraph"];
export type RedAnswer = Schemas["Red"];
export type Anomaly = Schemas["AnomalyBody"];
