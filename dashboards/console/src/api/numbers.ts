/** Answers about services and incidents, typed by the description of the API. Durations and times in nanoseconds; null: not measured. */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Stats = Schemas["Stats"];
export type Service = Schemas["Service"];
export type ServicesAnswer = Schemas["Services"];
export type Deploy = Schemas["Deploy"];
export type ServiceAnswer = Schemas["ServiceDetail"];
export type NodeRef = Schemas["NodeRef"];
export type Operation = Schemas["Operation"];
export type Dependency = Schemas["Dependency"];
export type Instance = Schemas["RunningInstance"];
export type Version = Schemas["Version"];
export type ExceptionGroup = Schemas["ExceptionKind"];
export type RedAnswer = Schemas["Red"];
export type Anomaly = Schemas["AnomalyBody"];
export type AnomaliesAnswer = Schemas["Anomalies"];
export type IncidentSummary = Schemas["IncidentSummary"];
export type IncidentsAnswer = Schemas["Incidents"];
export type IncidentDetail = Schemas["IncidentDetail"];
export type LaneEvent = Schemas["LaneEvent"];
export type AlertDetail = Schemas["AlertDetail"];
export type AlertChange = Schemas["AlertChanged"];
export type AlertChangesAnswer = Schemas["AlertChanges"];
export type Notification = Schemas["NotificationBody"];
export type NotificationsAnswer = Schemas["Notifications"];
export type Caller = Schemas["Caller"];
export type RankingAnswer = Schemas["Ranking"];
export type RankingsAnswer = Schemas["Rankings"];
