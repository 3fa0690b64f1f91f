import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, SILENCE_MS, Stream, type Source } from "./stream";

type Listener = (event: MessageEvent<string>) => void;

class Fake implements Source {
  closed = false;
  readonly #listeners = new Map<string, Listener>();

  constructor(readonly environment: string) {}

  addEventListener(name: string, listener: Listener): void {
    this.#listeners.set(name, listener);
  }

  close(): void {
    this.closed = true;
  }

  say(name: string, data: object = {}): void {
    this.#listeners.get(name)?.({ data: JSON.stringify(data) } as MessageEvent<string>);
  }
}

const opened: Fake[] = [];
const heard = vi.fn();
let stream: Stream;

function last(): Fake {
  const found = opened.at(-1);
  if (found === undefined) throw new Error("nothing was opened");
  return found;
}

beforeEach(() => {
  vi.useFakeTimers();
  opened.length = 0;
  heard.mockClear();
  stream = new Stream((environment) => {
    const source = new Fake(environment);
    opened.push(source);
    return source;
  }, heard);
});

afterEach(() => {
  stream.stop();
  vi.useRealTimers();
});

test("the first event of a name says how it is, the next that it has changed", () => {
  stream.follow("");
  expect(stream.alive()).toBe(false);
  last().say("open");
  expect(stream.alive()).toBe(true);
  last().say("alerts", { firing: 1 });
  last().say("incidents", { open: 0 });
  last().say("alerts", { firing: 2 });
  expect(heard.mock.calls).toEqual([
    ["alerts", { firing: 1 }, true],
    ["incidents", { open: 0 }, true],
    ["alerts", { firing: 2 }, false],
  ]);
});

test("where it is refused it comes back ever later, but not later than a minute", () => {
  stream.follow("");
  const waited: number[] = [];
  for (let tries = 0; tries < 9; tries += 1) {
    last().say("error");
    expect(last().closed).toBe(true);
    const begun = Date.now();
    const before = opened.length;
    while (opened.length === before) vi.advanceTimersByTime(100);
    waited.push(Date.now() - begun);
  }
  expect(waited[0]).toBeLessThanOrEqual(FIRST_PAUSE_MS);
  expect(waited.at(-1)).toBeGreaterThanOrEqual(LONGEST_PAUSE_MS / 2);
  expect(Math.max(...waited)).toBeLessThanOrEqual(LONGEST_PAUSE_MS);
});

test("a connection that says nothing is dead, and one that has ended is followed by the next", () => {
  stream.follow("");
  last().say("alerts", {});
  vi.advanceTimersByTime(SILENCE_MS - 1);
  last().say("heartbeat");
  vi.advanceTimersByTime(SILENCE_MS - 1);
  expect(stream.alive()).toBe(true);
  vi.advanceTimersByTime(1);
  expect(stream.alive()).toBe(false);
  vi.advanceTimersByTime(FIRST_PAUSE_MS);
  expect(opened.length).toBe(2);
  last().say("alerts", {});
  last().say("bye");
  vi.advanceTimersByTime(FIRST_PAUSE_MS);
  expect(opened.length).toBe(3);
});

test("another environment is another connection, and what the old one says is not heard", () => {
  const changes = vi.fn();
  stream.subscribe(changes);
  stream.follow("production");
  const old = last();
  old.say("open");
  stream.follow("staging");
  expect([old.closed, last().environment, opened.length]).toEqual([true, "staging", 2]);
  old.say("alerts", {});
  expect(heard).not.toHaveBeenCalled();
  expect(changes.mock.calls.length).toBe(2);
  stream.follow("staging");
  expect(opened.length).toBe(2);
});
