import type { ReactNode } from "react";

export type Tone = "good" | "warn" | "bad" | "accent" | "plain";

/** A word of state. The tone adds to the word and never stands for it. */
export function Badge({ tone = "plain", title, children }: { tone?: Tone; title?: string; children: ReactNode }) {
  return (
    <span className={`badge ${tone}`} title={title}>
      {children}
    </span>
  );
}
