import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";

import { CHINESE } from "./chinese";
import { languageStore } from "./index";
import { said, saidAll, saidOf } from "./sentences";

const described = JSON.parse(readFileSync(new URL("../../../api/openapi.json", import.meta.url), "utf8")) as {
  components: { schemas: { SentenceParts: { "x-sentences": Record<string, string> } } };
};
const english = described.components.schemas.SentenceParts["x-sentences"];

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/gu)].map((match) => match[1]).sort();

afterEach(() => languageStore.set("en"));

test.each(Object.entries(english))("%s is a sentence in both languages", (code, text) => {
  const own = CHINESE[code];
  expect(own, `no Chinese sentence of ${code}`).toBeDefined();
  expect(places(own ?? "")).toEqual(places(text));
  const values = Object.fromEntries(places(text).map((name) => [name, `<${name}>`]));
  const words = text.replace(/\{(\w+)\}/gu, "<$1>");
  expect(said(words, { code, values })).toBe(words);
  languageStore.set("zh");
  const shown = said(words, { code, values });
  for (const value of Object.values(values)) expect(shown).toContain(value);
  expect(shown).not.toMatch(/[{}]/u);
  // What only names a thing and what is wrong with it needs no word of its own.
  if (!["request_failed", "store_failed", "docker_failed"].includes(code)) expect(shown).toMatch(/\p{Script=Han}/u);
});

test("no Chinese sentence is of a code that the server does not have", () => {
  expect(Object.keys(CHINESE).filter((code) => !(code in english))).toEqual([]);
});

test("sentences stand within sentences, and several one after the other", () => {
  languageStore.set("zh");
  const detail = { code: "exit_code", values: { command: "restart", exit: "3" } };
  const failed = { code: "step_failed", values: { step: "restart", detail } };
  expect(said("in English", { code: "still_in_effect", values: { why: failed, steps: "isolate" } })).toBe(
    "步骤“restart”失败：restart：退出码 3；仍然生效：isolate",
  );
  const part = { code: "part_duration", values: { seen: "3 s", usual: "20 ms" } };
  expect(said("", { code: "trace_odd", values: { root: "shop GET /", parts: [part, part] } })).toBe(
    "shop GET / 的一条链路：整条链路耗时 3 s，平时为 20 ms；整条链路耗时 3 s，平时为 20 ms",
  );
});

test("what has no parts, or some that are not known here, is the text that is stored", () => {
  languageStore.set("zh");
  expect(said("in English", null)).toBe("in English");
  expect(said("in English", { code: "of a newer server", values: {} })).toBe("in English");
  expect(said("in English", { code: "constructor", values: {} })).toBe("in English");
  expect(said("in English", { code: "visits", values: { seen: "1", total: "2", why: { code: "newer", values: {} } } })).toBe("in English");
  for (const wrong of [undefined, "text", [], { code: 3 }, { code: "dry_run" }, { code: "dry_run", values: { a: 3 } }]) {
    expect(saidOf("in English", wrong)).toBe("in English");
  }
  expect(saidOf("in English", { code: "dry_run", values: {} })).toBe("演练");
  expect(saidAll("in English", ["rule_called", "rule_newer"])).toBe("in English");
  expect(saidAll("in English", ["rule_local_root", "rule_caller"])).toContain("链路从这里开始；调用的发起方");
});
