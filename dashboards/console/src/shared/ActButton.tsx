import { useMutation } from "@tanstack/react-query";
import { useId, useState, type ReactNode } from "react";

import { queryClient } from "../api/queries";
import { refusal, useSession } from "../api/session";
import { t } from "./actStrings";
import "./act.css";

interface Props {
  /** What the button says. */
  label: string;
  /** What is asked before it is done; absent: it is done at once. */
  question?: ReactNode;
  tone?: "plain" | "primary" | "danger";
  small?: boolean;
  /** Why it cannot be done now, whoever asks; absent: it can. */
  blocked?: string | undefined;
  /** Does it; its error is shown. */
  act: () => Promise<unknown>;
  /** Paths of the queries that it changes. */
  changes: readonly string[];
  onDone?: () => void;
}

/**
 * A button that changes something, for operators. For everybody else it is there, does nothing, and says why; a button that
 * only looked disabled would leave a person at night guessing.
 */
export function ActButton({ label, question, tone = "plain", small = false, blocked, act, changes, onDone }: Props) {
  const [asking, setAsking] = useState(false);
  const session = useSession();
  const id = useId();
  const why = refusal(session, "operate");
  const reason =
    why === undefined
      ? t("unknown")
      : why !== null
        ? t(why, { name: session?.name ?? "", role: session?.role ?? "" })
        : blocked;
  const done = useMutation({
    mutationFn: act,
    onSuccess: async () => {
      setAsking(false);
      onDone?.();
      await invalidate(changes);
    },
  });
  const press = () => {
    if (reason !== undefined || done.isPending) return;
    if (question !== undefined && !asking) setAsking(true);
    else done.mutate();
  };
  return (
    <span className="act">
      {asking && reason === undefined ? (
        <span className="act-question" role="group" aria-label={label}>
          <span>
            {question} <span className="quiet">{t("asNow", { name: session?.name ?? "" })}</span>
          </span>
          <button type="button" className={`button ${tone}${small ? " small" : ""}`} onClick={press} disabled={done.isPending} autoFocus>
            {done.isPending ? `${t("working")}…` : label}
          </button>
          <button type="button" className={small ? "button small" : "button"} onClick={() => setAsking(false)}>
            {t("cancel")}
          </button>
        </span>
      ) : (
        <button
          type="button"
          className={`button ${tone}${small ? " small" : ""}`}
          onClick={press}
          aria-disabled={reason !== undefined || done.isPending}
          aria-describedby={reason === undefined ? undefined : id}
          title={reason}
        >
          {done.isPending ? `${t("working")}…` : label}
        </button>
      )}
      {reason !== undefined && (
        <span id={id} className="act-reason">
          {reason}
        </span>
      )}
      {done.isError && (
        <span className="act-error" role="alert">
          {t("failed", { reason: done.error.message })}
        </span>
      )}
    </span>
  );
}

/** Ask again for all answers of these paths. */
export async function invalidate(paths: readonly string[]): Promise<void> {
  await queryClient.invalidateQueries({ predicate: ({ queryKey: [path] }) => typeof path === "string" && paths.some((each) => path.startsWith(each)) });
}
