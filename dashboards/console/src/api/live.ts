/** Live views: an event of the server makes what it concerns be asked for again. Without a stream, queries poll. */

import { useEffect, useSyncExternalStore } from "react";

import { refreshStore, REFRESH } from "../shell/refresh";
import { now } from "../shell/serverClock";
import { address } from "./client";
import { queryClient } from "./queryClient";
import { Stream, type EventName } from "./stream";
import type { Topic } from "./topics";

/** A tab that nobody sees needs no connection, of which a browser has six for a server. */
const HIDDEN_MS = 30_000;

/** Ranges that end now move on even where nothing is received: a gap must be seen. */
const MOVES_ON_MS = 60_000;

/** The key of the answer about the age of the data, which events replace. */
export function freshnessKey(environment: string): readonly unknown[] {
  return ["/api/v1/freshness", { environment }, null];
}

let environment = "";
let asked = Date.now();
let due: ReturnType<typeof setTimeout> | undefined;

const stream = new Stream((of) => new EventSource(address("/api/v1/events", { environment: of })), heard);

function heard(name: EventName, data: unknown, first: boolean): void {
  if (name === "freshness") {
    const moment = now();
    const body = { ...(data as object), now: moment * 1e6 };
    queryClient.setQueryData(freshnessKey(environment), { body, asked: { since: moment, until: moment } });
    dataCame();
  } else if (name === "store") {
    if (!(data as { readable: boolean }).readable) again((key) => key === "/api/v1/freshness");
    else if (!first) again(() => true);
  } else {
    // The first one too: what happened between the page's first question and the connection would be missed.
    askAgain(name, "acts");
  }
}

/** Ask again for answers about these topics. */
function askAgain(...topics: Topic[]): void {
  void queryClient.invalidateQueries({ predicate: ({ meta }) => topics.includes(meta?.["topic"] as Topic) });
}

function again(of: (path: unknown) => boolean): void {
  void queryClient.invalidateQueries({ predicate: ({ queryKey: [path] }) => of(path) });
}

/** Data is asked for again as often as the top bar says, however often it comes. */
function dataCame(pause: number | false = REFRESH[refreshStore.get()]): void {
  if (pause === false) return;
  clearTimeout(due);
  due = setTimeout(
    () => {
      asked = Date.now();
      askAgain("data");
      dataCame(Math.max(pause, MOVES_ON_MS));
    },
    Math.max(0, asked + pause - Date.now()),
  );
}

/** Whether events come. */
export function useStreaming(): boolean {
  return useSyncExternalStore(stream.subscribe, stream.alive);
}

/** Follow the events of an environment while the page is seen. Once in the application. */
export function useEvents(of: string): void {
  useEffect(() => {
    let hiding: ReturnType<typeof setTimeout> | undefined;
    environment = of;
    const stop = () => {
      stream.stop();
      clearTimeout(due);
    };
    const look = () => {
      clearTimeout(hiding);
      if (document.hidden) hiding = setTimeout(stop, HIDDEN_MS);
      else stream.follow(of);
    };
    // Where the stream breaks, whether the server is away is known at once.
    const broken = stream.subscribe(() => {
      document.documentElement.dataset.live = stream.alive() ? "stream" : "poll";
      if (stream.alive()) dataCame();
      else if (!document.hidden) again((path) => path === "/api/v1/freshness");
    });
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      clearTimeout(hiding);
      broken();
      stop();
    };
  }, [of]);
}
