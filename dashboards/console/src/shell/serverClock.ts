/** The server's clock: ranges that end now must end where its data does, whatever the reader's clock says. */

/** Below it the browser's own clock is as good. */
const TOLERATED = 2_000;

function offsetAtLoad(): number {
  if (typeof document === "undefined") return 0;
  const said = Number(document.querySelector('meta[name="server-time"]')?.getAttribute("content"));
  const offset = said - (performance.timeOrigin + performance.now());
  return said > 0 && Math.abs(offset) > TOLERATED ? offset : 0;
}

const offset = offsetAtLoad();

/** Milliseconds since the epoch, by the server's clock as it was when the page was loaded. */
export function now(): number {
  return Date.now() + offset;
}
