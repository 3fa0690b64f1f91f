import { useEffect, useRef, type ReactNode } from "react";

import { t } from "./strings";

/** A panel at the right of the page, a whole screen on phones; Escape closes it and gives the focus back. */
export function Drawer({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const panel = useRef<HTMLElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const before = document.activeElement;
    panel.current?.focus();
    const key = (event: KeyboardEvent) => {
      if (event.key === "Escape") close.current();
    };
    addEventListener("keydown", key);
    return () => {
      removeEventListener("keydown", key);
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <aside className="drawer" aria-label={title} tabIndex={-1} ref={panel}>
      <header className="drawer-head">
        <h2>{title}</h2>
        <button type="button" className="button small" onClick={onClose} aria-label={`${t("close")}: ${title}`}>
          ✕
        </button>
      </header>
      {children}
    </aside>
  );
}
