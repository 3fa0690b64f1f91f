import { expect, test } from "vitest";

import { alsoPolled, topicOf } from "./topics";

test("an answer follows the events that are about what it is made of", () => {
  expect(topicOf("/api/v1/find", { kind: "alert" })).toBe("alerts");
  expect(topicOf("/api/v1/alerts/f")).toBe("alerts");
  expect(topicOf("/api/v1/notifications")).toBe("alerts");
  expect(topicOf("/api/v1/find", { kind: "audit" })).toBe("incidents");
  expect(topicOf("/api/v1/find", { kind: "metric" })).toBe("data");
  expect(topicOf("/api/v1/incidents/a.1")).toBe("incidents");
  expect(topicOf("/api/v1/services/payment")).toBe("data");
  expect(topicOf("/api/v1/freshness", { environment: "" })).toBe("freshness");
});

test("what no event is about is polled, and so is what a clock ends", () => {
  expect(topicOf("/api/v1/fleet")).toBeNull();
  expect(topicOf("/api/v1/traces/1", {}, 2_000)).toBeNull();
  expect(alsoPolled(null)).toBe(true);
  expect(alsoPolled(topicOf("/api/v2/silences"))).toBe(true);
  expect(alsoPolled(topicOf("/api/v1/red"))).toBe(false);
});
