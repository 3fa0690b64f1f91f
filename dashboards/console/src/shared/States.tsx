import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";

import type { ApiError } from "../api/client";
import type { Answer } from "../api/queries";
import type { Between } from "../shell/range";
import { t } from "./strings";

export function Loading({ lines = 3 }: { lines?: number }) {
  return (
    <div className="loading" role="status">
      <span className="hidden">{t("loading")}…</span>
      {Array.from({ length: lines }, (_, index) => (
        <div key={index} className="skeleton" aria-hidden="true" />
      ))}
    </div>
  );
}

/** Says why something is not there, and offers to try again. `stale`: what is below is from before. */
export function ErrorState({ error, retry, stale }: { error: ApiError | Error; retry?: () => void; stale?: boolean }) {
  const unreachable = "status" in error && error.status === 0;
  return (
    <div className="trouble" role="alert">
      <strong>{t(stale ? "stale" : "failed")}</strong> {unreachable ? t("unreachable") : error.message}{" "}
      {retry && (
        <button type="button" className="button small" onClick={retry}>
          {t("retry")}
        </button>
      )}
    </div>
  );
}

/** What is said where there is nothing, and what to do about it. Only once that is known. */
export function EmptyState({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

interface AnsweredProps<T> {
  query: UseQueryResult<Answer<T>, ApiError>;
  /** Lines of the skeleton. */
  lines?: number;
  children: (body: T, asked: Between) => ReactNode;
}

/** The content of an answer: a skeleton before the first, greyed out while it may be old, with the reason when it is. */
export function Answered<T>({ query, lines, children }: AnsweredProps<T>) {
  if (query.data === undefined) {
    if (query.error) return <ErrorState error={query.error} retry={() => void query.refetch()} />;
    return <Loading {...(lines === undefined ? {} : { lines })} />;
  }
  const tone = query.error ? "answer stale" : query.isPlaceholderData ? "answer renewing" : "answer";
  return (
    <>
      {query.error && <ErrorState stale error={query.error} retry={() => void query.refetch()} />}
      <div className={tone} aria-busy={query.isPlaceholderData}>
        {children(query.data.body, query.data.asked)}
      </div>
    </>
  );
}
