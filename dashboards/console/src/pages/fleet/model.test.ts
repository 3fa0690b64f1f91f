import { expect, it } from "vitest";

import { byNeed, canRollBack, current, deliveryActions, deliveryPath, refusalOf, type Agent, type Delivery, type Rollout } from "./model";

const agent = (id: string, more: Partial<Agent> = {}): Agent => ({ id, service: id, labels: {}, connected: true, wanted: "2", revision: "2", seen: 0, history: [], ...more });

it("an agent refuses until it has taken something after", () => {
  const refused = { revision: "2", at: 1, refusal: "no such cluster" };
  expect(refusalOf(agent("a", { history: [refused] }))?.refusal).toBe("no such cluster");
  expect(refusalOf(agent("a", { history: [refused, { revision: "3", at: 2, refusal: "" }] }))).toBeNull();
  expect(refusalOf(agent("a"))).toBeNull();
});

it("what needs a look comes first, and who is away counts for nothing", () => {
  const agents = [agent("d"), agent("c", { connected: false, revision: "1" }), agent("b", { revision: "1" }), agent("a", { history: [{ revision: "2", at: 1, refusal: "x" }], revision: "" })];
  expect(byNeed(agents).map((each) => each.id)).toEqual(["a", "b", "c", "d"]);
  expect(current(agents)).toEqual({ n: 1, all: 3 });
});

it("only what is on its way is taken back", () => {
  const rollout = (state: Rollout["state"]): Rollout => ({ revision: "2", before: "1", waves: [], wave: 0, since: 0, state, why: "" });
  expect([rollout("applying"), rollout("soaking"), rollout("done"), rollout("rolled-back"), null].map(canRollBack)).toEqual([true, true, false, false, false]);
});

it("a delivery offers what its state allows, and names its service whatever is in it", () => {
  const delivery = (state: Delivery["state"]): Delivery => ({ service: "shop/pay&x", steps: 1, since: 0, share: 5, state, why: "" });
  expect(deliveryActions(delivery("advancing"))).toContain("pause");
  expect(deliveryActions(delivery("paused"))).not.toContain("pause");
  expect(deliveryActions(delivery("rolled-back"))).toEqual(["resume"]);
  expect(deliveryPath(delivery("completed"), "abort")).toBe("/api/v1/policies/deliveries?service=shop%2Fpay%26x&do=abort");
});
