import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import { SEARCH_ID } from "./GlobalSearch";
import { PAGES } from "./pages";

/** How long `g` waits for the second key. */
const SECOND_KEY_MS = 1_500;

/** Whether keys are text here: then none of them is ours. */
function isText(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

/** `/` goes to the search, `g` and a letter to a page, `?` shows the keys. */
export function useKeys(showKeys: () => void): void {
  const navigate = useNavigate();
  const began = useRef(0);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isText(event.target)) return;
      const page = PAGES.find((each) => each.letter === event.key);
      if (performance.now() - began.current < SECOND_KEY_MS && page) void navigate({ to: page.path });
      else if (event.key === "/") document.getElementById(SEARCH_ID)?.focus();
      else if (event.key === "?") showKeys();
      else {
        began.current = event.key === "g" ? performance.now() : 0;
        return;
      }
      began.current = 0;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [navigate, showKeys]);
}
