/** A choice that a browser keeps: a value with listeners, in localStorage where the browser allows it. */
export interface Stored<T extends string> {
  get: () => T;
  set: (value: T) => void;
  subscribe: (listener: () => void) => () => void;
}

export function stored<T extends string>(name: string, initial: T, known: (text: string) => text is T): Stored<T> {
  const key = `spanloom.${name}`;
  const listeners = new Set<() => void>();
  let value = initial;
  try {
    const kept = localStorage.getItem(key);
    if (kept !== null && known(kept)) value = kept;
  } catch {
    // A browser may refuse it: the choice then lasts as long as the page.
  }
  return {
    get: () => value,
    set: (next) => {
      value = next;
      try {
        localStorage.setItem(key, next);
      } catch {
        // as above
      }
      for (const listener of listeners) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
