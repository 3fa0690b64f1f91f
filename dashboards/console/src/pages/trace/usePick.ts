import { useEffect, useRef, useState } from "react";

/** Milliseconds without another pick after which the address names the span: browsers ignore addresses that change too often. */
const SETTLED = 150;

/** The picked span, at once on the page and a moment later in the address, so that an arrow key may be held. */
export function usePick(addressed: string, write: (span: string) => void): [string, (span: string) => void] {
  const [picked, setPicked] = useState(addressed);
  const written = useRef(addressed);
  // What comes from elsewhere is followed: a link, the way back. What was written here is old news by the time it arrives.
  useEffect(() => {
    if (addressed === written.current) return;
    written.current = addressed;
    setPicked(addressed);
  }, [addressed]);
  useEffect(() => {
    if (picked === written.current) return;
    const timer = setTimeout(() => {
      written.current = picked;
      write(picked);
    }, SETTLED);
    return () => clearTimeout(timer);
  }, [picked, write]);
  return [picked, setPicked];
}
