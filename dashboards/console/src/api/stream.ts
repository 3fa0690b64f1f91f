/** The one stream of server-sent events of this page: connects again with growing pauses, and knows whether it is alive. */

export const EVENTS = ["freshness", "alerts", "incidents", "store"] as const;
export type EventName = (typeof EVENTS)[number];

/** The server breaks its silence every 15 s: after three times that, the connection is dead, whatever the browser believes. */
export const SILENCE_MS = 45_000;

export const FIRST_PAUSE_MS = 1_000;
export const LONGEST_PAUSE_MS = 60_000;

/** The part of EventSource that is used. */
export interface Source {
  addEventListener: (name: string, listener: (event: MessageEvent<string>) => void) => void;
  close: () => void;
}

/**
 * Args: `open` makes a source of an environment; `heard` gets each event, `first` where it is the first of its name since the
 * connection began: it says how things are.
 */
export class Stream {
  #source: Source | null = null;
  #environment: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pause = FIRST_PAUSE_MS;
  #alive = false;
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly open: (environment: string) => Source,
    private readonly heard: (name: EventName, data: unknown, first: boolean) => void,
  ) {}

  /** Listen to this environment, or to all; again with the same one changes nothing. */
  follow(environment: string): void {
    if (this.#environment === environment) return;
    this.stop();
    this.#environment = environment;
    this.#connect();
  }

  /** Listen no more. */
  stop(): void {
    this.#environment = null;
    this.#pause = FIRST_PAUSE_MS;
    this.#drop();
  }

  /** Whether events come, so that nobody needs to poll. */
  readonly alive = (): boolean => this.#alive;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #connect(): void {
    const environment = this.#environment;
    if (environment === null) return;
    const source = this.open(environment);
    const seen = new Set<EventName>();
    this.#source = source;
    const current = (listener: (event: MessageEvent<string>) => void) => (event: MessageEvent<string>) => {
      if (this.#source === source) listener(event);
    };
    source.addEventListener("open", current(() => this.#lives()));
    source.addEventListener("heartbeat", current(() => this.#lives()));
    source.addEventListener("error", current(() => this.#again(this.#pause)));
    source.addEventListener("bye", current(() => this.#again(FIRST_PAUSE_MS)));
    for (const name of EVENTS) {
      source.addEventListener(
        name,
        current((event) => {
          this.#pause = FIRST_PAUSE_MS; // a connection that opens and breaks at once is no success
          this.#lives();
          const first = !seen.has(name);
          seen.add(name);
          this.heard(name, JSON.parse(event.data), first);
        }),
      );
    }
    this.#wait(SILENCE_MS, () => this.#again(this.#pause));
  }

  #lives(): void {
    this.#wait(SILENCE_MS, () => this.#again(this.#pause));
    this.#set(true);
  }

  #again(pause: number): void {
    this.#drop();
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    // Half of it by chance, so that the browsers of all viewers do not come back at once.
    this.#wait(pause * (0.5 + Math.random() / 2), () => this.#connect());
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.#set(false);
  }

  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }

  #set(alive: boolean): void {
    if (this.#alive === alive) return;
    this.#alive = alive;
    for (const listener of this.#listeners) listener();
  }
}
