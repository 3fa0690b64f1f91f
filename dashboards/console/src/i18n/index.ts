import { useSyncExternalStore } from "react";

import { stored } from "../shell/stored";

export type Language = "en" | "zh";

function preferred(): Language {
  return typeof navigator !== "undefined" && navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const languageStore = stored<Language>("language", preferred(), (text): text is Language => text === "en" || text === "zh");

export function useLanguage(): Language {
  return useSyncExternalStore(languageStore.subscribe, languageStore.get);
}

type Values = Record<string, string | number>;

/**
 * The texts of a page or part, beside it and loaded with it: `export const t = strings(en, zh)`, then `t("key", {n: 3})`.
 * `{n}` in a text is replaced. `key` and `key_one` are plural and singular: `t("spans", {count: 1})` gives `spans_one`.
 */
export function strings<K extends string>(en: Record<K, string>, zh: Record<NoInfer<K>, string>) {
  return (key: K, values: Values = {}): string => {
    const texts: Record<string, string> = languageStore.get() === "zh" ? zh : en;
    const text = (values.count === 1 ? texts[`${key}_one`] : undefined) ?? texts[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
  };
}
