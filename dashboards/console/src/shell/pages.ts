/** The pages of the rail, in its order, each with the key that follows `g`. On phones those of `inBar` stand in the bar, the others behind "more". */
export const PAGES = [
  { path: "/", name: "home", letter: "h", inBar: true },
  { path: "/services", name: "services", letter: "s", inBar: true },
  { path: "/map", name: "map", letter: "m", inBar: false },
  { path: "/traces", name: "traces", letter: "t", inBar: true },
  { path: "/logs", name: "logs", letter: "l", inBar: false },
  { path: "/explore", name: "metrics", letter: "x", inBar: false },
  { path: "/incidents", name: "incidents", letter: "i", inBar: true },
  { path: "/alerts", name: "alerts", letter: "a", inBar: false },
  { path: "/rules", name: "rules", letter: "r", inBar: false },
  { path: "/fleet", name: "fleet", letter: "f", inBar: false },
  { path: "/system", name: "system", letter: "y", inBar: false },
] as const;
