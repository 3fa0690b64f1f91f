import { useParams } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { useApi } from "../../api/queries";
import "../../shared/explore.css";
import { Page } from "../../shell/Page";
import { usePageSearch } from "../../shell/search";
import type { TraceAnswer } from "./model/answer";
import { parseState } from "./state";
import { t } from "./strings";
import "./trace.css";
import "./views/details.css";
import { Actions } from "./views/Actions";
import { TraceBody } from "./views/TraceBody";

/** Milliseconds between two readings of a trace that is in progress. */
const IN_PROGRESS = 5_000;

/** One trace: where its time went, and every span of it. */
export default function TracePage(): ReactNode {
  const { trace: id } = useParams({ from: "/traces/$trace" });
  const [state, change] = usePageSearch(parseState);
  const [open, setOpen] = useState(false);
  const { data, error, isPlaceholderData } = useApi<TraceAnswer>(`/api/v1/traces/${id}`, {}, { ranged: false, every: open ? IN_PROGRESS : false });
  const answer = isPlaceholderData ? undefined : data?.body;
  useEffect(() => setOpen(answer?.trace === null), [answer]);
  const title = useMemo(() => titleOf(answer), [answer]);
  return (
    <Page title={title} aside={<Actions id={id} />}>
      {error && (
        <p role="alert" className="trouble">
          {error.status === 404 ? t("trace.not-found", { id }) : error.message}
        </p>
      )}
      {!answer && !error && (
        <p role="status" className="quiet">
          {t("trace.loading")}
        </p>
      )}
      {answer && <TraceBody key={id} id={id} answer={answer} state={state} change={change} />}
    </Page>
  );
}

function titleOf(answer: TraceAnswer | undefined): string {
  if (!answer) return t("trace");
  const root = answer.trace?.root;
  if (root) return `${root.service} ${root.operation}`.trim() || t("trace.root-missing");
  const top = answer.spans.find((span) => !span.parent_span_id);
  return top ? top.name : t("trace.root-missing");
}
