/** What the server says in sentences: the English text, and its parts (a code and values), which readers of other languages see made whole. */

import type { components } from "../api/schema";
import { CHINESE } from "./chinese";
import { languageStore } from "./index";

export type Parts = components["schemas"]["SentenceParts"];

const LANGUAGES: Record<string, Record<string, string>> = { zh: CHINESE };

/** A sentence in the reader's language; the text itself where it has no parts, or has some that are not known here. */
export function said(text: string, parts: Parts | null | undefined): string {
  const words = LANGUAGES[languageStore.get()];
  return words === undefined || !parts ? text : (whole(parts, words) ?? text);
}

/** One of a document that the API gives as it is stored: `unknown` may be anything. */
export function saidOf(text: string, parts: unknown): string {
  return said(text, isParts(parts) ? parts : null);
}

/** Several codes without values, as one text: the reasons of a decision. */
export function saidAll(text: string, codes: readonly string[]): string {
  const texts = codes.map((code) => said("", { code, values: {} }));
  return texts.length > 0 && texts.every(Boolean) ? texts.join("；") : text;
}

function whole({ code, values }: Parts, words: Record<string, string>): string | null {
  const own = Object.hasOwn(words, code) ? words[code] : undefined;
  if (own === undefined) return null;
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    const text = Array.isArray(value) ? joined(value.map((each) => one(each, words))) : one(value, words);
    if (text === null) return null;
    texts[name] = text;
  }
  return own.replace(/\{(\w+)\}/gu, (place, name: string) => (Object.hasOwn(texts, name) ? (texts[name] ?? "") : place));
}

function one(value: string | Parts, words: Record<string, string>): string | null {
  return typeof value === "string" ? value : whole(value, words);
}

function joined(texts: readonly (string | null)[]): string | null {
  return texts.includes(null) ? null : texts.join("；");
}

function isParts(value: unknown): value is Parts {
  if (typeof value !== "object" || value === null) return false;
  const { code, values } = value as Record<string, unknown>;
  return typeof code === "string" && typeof values === "object" && values !== null && Object.values(values).every(isValue);
}

function isValue(value: unknown): boolean {
  return typeof value === "string" || isParts(value) || (Array.isArray(value) && value.every((each) => typeof each === "string" || isParts(each)));
}
