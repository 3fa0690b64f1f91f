import { describe, expect, it } from "vitest";
import { answer, hop, large, log, MS, segment, span } from "./made";
import { buildTrace, hasShifts } from "./trace";

const drawn = (spans: ReturnType<typeof span>[]): string[] =>
  buildTrace("t", answer(spans)).spans.map((item) => `${" ".repeat(item.depth)}${item.id}+${item.descendants}`);

describe("the tree", () => {
  it("has parents before their children and siblings by start, in whatever order spans come", () => {
    const spans = [span("a", "", 0, 9), span("b", "a", 5, 2), span("c", "a", 1, 2), span("d", "c", 2, 1)];
    const wanted = ["a+3", " c+1", "  d+0", " b+0"];
    expect(drawn(spans)).toEqual(wanted);
    expect(drawn([...spans].reverse())).toEqual(wanted);
  });

  it("puts a span without its parent at the left, and says so", () => {
    const trace = buildTrace("t", answer([span("a", "", 0, 9), span("b", "gone", 5, 2)]));
    expect(trace.spans.map((item) => [item.id, item.depth, item.parentMissing])).toEqual([
      ["a", 0, false],
      ["b", 0, true],
    ]);
  });

  it("shows each span of a cycle of parents once", () => {
    expect(drawn([span("a", "b", 0, 2), span("b", "a", 1, 2), span("c", "c", 3, 1)])).toEqual(["a+1", " b+0", "c+0"]);
  });

  it("is empty without spans", () => {
    expect(buildTrace("t", answer([]))).toMatchObject({ spans: [], duration: 0, services: [] });
  });

  it("holds 20,000 spans, and paths as deep as they are many", () => {
    expect(buildTrace("t", large(20_000)).spans[0]?.descendants).toBe(19_999);
    expect(buildTrace("t", large(20_000, 1)).spans.at(-1)?.depth).toBe(19_999);
  });
});

describe("times", () => {
  it("are relative to the first start", () => {
    const trace = buildTrace("t", answer([span("a", "", 3, 10), span("b", "a", 5, 20)]));
    expect(trace.duration).toBe(22 * MS);
    expect(trace.spans[1]).toMatchObject({ start: 2 * MS, end: 22 * MS });
  });

  it("of a span's own work leave out the union of its children's", () => {
    const spans = [span("a", "", 0, 10), span("b", "a", 1, 4), span("c", "a", 3, 4), span("d", "a", 9, 5)];
    expect(buildTrace("t", answer(spans)).spans[0]?.selfTime).toBe(3 * MS);
  });

  it("go by the root's clock when asked, with logs moved along", () => {
    const adjusted = { start: span("b", "a", 4, 0).start, shift: 3 * MS, error: MS };
    const given = answer([span("a", "", 0, 10), span("b", "a", 1, 2, { adjusted })], { logs: [log("b", 2, 17)] });
    expect(hasShifts(given)).toBe(true);
    const trace = buildTrace("t", given, "root");
    expect(trace.spans[1]).toMatchObject({ start: 4 * MS, shift: 3 * MS, logs: [{ at: 5 * MS, severity: "bad" }] });
    expect(buildTrace("t", given).spans[1]).toMatchObject({ start: MS, shift: 0, logs: [{ at: 2 * MS, severity: "bad" }] });
  });
});

describe("what is drawn on a row", () => {
  it("is the critical path, and waits on the side that was waited for", () => {
    const spans = [span("a", "", 0, 10), span("b", "a", 2, 6), span("p", "a", 9, 1), span("q", "p", 15, 2)];
    const hops = [hop("a", "b", { gap: 4 * MS }), hop("p", "q", { queue_wait: 5 * MS })];
    const trace = buildTrace("t", answer(spans, { hops, path: [segment("a", 0, 2), segment("b", 2, 6)] }));
    expect(trace.byId.get("a")?.critical).toEqual([{ start: 0, end: 2 * MS }]);
    expect(trace.byId.get("b")?.waits).toEqual([
      { kind: "gap", start: 0, end: 2 * MS },
      { kind: "gap", start: 8 * MS, end: 10 * MS },
    ]);
    expect(trace.byId.get("q")?.waits).toEqual([{ kind: "queue", start: 10 * MS, end: 15 * MS }]);
  });

  it("has no critical path while the trace is in progress, nor by a clock of which none is known", () => {
    expect(buildTrace("t", answer([span("a", "", 0, 1)])).pathKnown).toBe(false);
    const adjusted = { start: span("b", "a", 4, 0).start, shift: 3 * MS, error: MS };
    const given = answer([span("a", "", 0, 9), span("b", "a", 1, 2, { adjusted })], { path: [segment("a", 0, 9)] });
    expect(buildTrace("t", given).pathKnown).toBe(true);
    expect(buildTrace("t", given, "root").pathKnown).toBe(false);
  });
});
