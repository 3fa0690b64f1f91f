import { expect, it } from "vitest";
import { breakdown } from "./breakdown";
import { answer, hop, MS, segment, span } from "./made";
import { buildTrace } from "./trace";
import type { HopDocument, Segment, SpanDocument } from "./answer";

function parts(spans: SpanDocument[], path: Segment[], hops: HopDocument[] = []): unknown[] {
  const given = answer(spans, { path, hops });
  return breakdown(buildTrace("t", given), given.hops).map(({ kind, who, to, operation, time, share, span: most }) => [
    ...[kind, who, to, operation, time / MS, Math.round(share * 100), most],
  ]);
}

it("adds up an operation's own time over all its spans, and leads to the longest", () => {
  const spans = [span("a", "", 0, 10, { name: "GET /" }), span("b", "a", 1, 2, { name: "load" }), span("c", "a", 4, 5, { name: "load" })];
  const path = [segment("a", 0, 1), segment("b", 1, 2), segment("a", 3, 1), segment("c", 4, 5), segment("a", 9, 1)];
  expect(parts(spans, path)).toEqual([
    ["self", "shop", "", "load", 7, 70, "c"],
    ["self", "shop", "", "GET /", 3, 30, "a"],
  ]);
});

it("tells a queue from the work of who sent the message", () => {
  const spans = [
    span("a", "", 0, 5, { service: "checkout", kind: "Server" }),
    span("p", "a", 4, 1, { service: "checkout", kind: "Producer" }),
    span("q", "p", 95, 5, { service: "shipping", kind: "Consumer", name: "ship" }),
  ];
  const path = [segment("a", 0, 4), segment("p", 4, 91), segment("q", 95, 5)];
  const hops = [hop("p", "q", { callee: { name: "shipping" }, queue_wait: 90 * MS })];
  expect(parts(spans, path, hops)[0]).toEqual(["queue", "checkout", "shipping", "", 90, 90, "p"]);
  expect(parts(spans, path)[0]).toEqual(["queue", "checkout", "shipping", "", 90, 90, "p"]);
});

it("tells the way of a request from the work at its end, and a callee that sends no spans from the caller", () => {
  const spans = [
    span("a", "", 0, 30, { service: "web", kind: "Client" }),
    span("b", "a", 10, 10, { service: "api", kind: "Server", name: "GET" }),
    span("d", "b", 12, 6, { service: "api", kind: "Client", name: "SELECT" }),
  ];
  const path = [segment("a", 0, 10), segment("b", 10, 2), segment("d", 12, 6), segment("b", 18, 2), segment("a", 20, 10)];
  const hops = [hop("a", "b", { callee: { name: "api" }, gap: 20 * MS }), hop("d", "", { callee: { name: "postgresql" }, inferred: true })];
  expect(parts(spans, path, hops)).toEqual([
    ["gap", "web", "api", "", 20, 67, "a"],
    ["call", "api", "postgresql", "SELECT", 6, 20, "d"],
    ["self", "api", "", "GET", 4, 13, "b"],
  ]);
});

it("says that something began late where no message was sent", () => {
  const spans = [span("a", "", 0, 5), span("b", "a", 20, 5)];
  expect(parts(spans, [segment("a", 0, 20), segment("b", 20, 5)])[0]).toEqual(["late", "shop", "", "op a", 15, 60, "a"]);
});

it("knows nothing of a trace that is in progress", () => {
  expect(breakdown(buildTrace("t", answer([span("a", "", 0, 5)])), [])).toEqual([]);
});
