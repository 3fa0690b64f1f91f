/** Asks this server, below wherever a proxy has put it. Errors carry the server's words, in the reader's language where it sent parts. */

import { saidOf } from "../i18n/sentences";
import { t } from "../shared/strings";

export class ApiError extends Error {
  constructor(
    /** 0 where no answer came. */
    readonly status: number,
    message: string,
  ) {
    super(message);
  }

  /** No answer, or the server says that it cannot answer now. */
  get away(): boolean {
    return this.status === 0 || this.status >= 502;
  }
}

export type Params = Record<string, string | number | boolean | undefined>;

/** The API's address, relative to the root of the server, below the console's own prefix. */
export function address(path: string, params: Params = {}): string {
  const asked = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) if (value !== undefined && value !== "") asked.set(key, String(value));
  const query = asked.toString();
  return `${API_BASE}${path.replace(/^\//, "")}${query && `?${query}`}`;
}

/** Nanoseconds, as the API has times, of milliseconds. As text: they exceed what a number holds exactly. */
export function nanoseconds(milliseconds: number): string {
  return `${Math.round(milliseconds)}000000`;
}

/** Milliseconds of the API's nanoseconds; what is lost is below a microsecond. */
export function milliseconds(ns: number): number {
  return ns / 1e6;
}

export async function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  return request<T>(address(path, params), { signal: signal ?? null });
}

/** A POST (or DELETE, PUT) of JSON; the browser sends the origin, which the server checks. */
export async function send<T>(path: string, body?: object, method: "POST" | "PUT" | "DELETE" = "POST"): Promise<T> {
  const content = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return request<T>(address(path), { method, ...content });
}

async function request<T>(url: string, init: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, error instanceof Error ? error.message : String(error));
  }
  const text = await answer.text();
  if (answer.ok) return (text ? parsed(text) : null) as T;
  throw new ApiError(answer.status, reason(text) || `${answer.status} ${answer.statusText}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** `error` of our own answers, `message` or `detail` of others. */
function reason(text: string): string {
  const body = parsed(text);
  if (typeof body === "object" && body !== null) {
    const { error, message, detail, parts } = body as Record<string, unknown>;
    const words = error ?? message ?? detail;
    // A route that this process does not have: consoles, workers and control planes each serve their own.
    if (words === "Not Found") return t("notServed");
    if (typeof words === "string") return saidOf(words, parts);
  }
  return typeof body === "string" ? body.slice(0, 500) : "";
}

/** The root of the server, as its <base> says. */
const API_BASE = typeof document === "undefined" ? "/" : new URL(document.baseURI).pathname;
