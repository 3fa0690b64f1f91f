import { useCallback } from "react";
import type { ReactNode } from "react";
import { useApi } from "../../api/queries";
import "../../shared/explore.css";
import { QueryBox } from "../../shared/query/QueryBox";
import { withCondition } from "../../shared/query/query";
import { LOG_QUERIES } from "../../shared/query/suggest";
import { Answered } from "../../shared/States";
import { Page } from "../../shell/Page";
import { usePageSearch } from "../../shell/search";
import "./logs.css";
import type { FoundLogs, LogHistogram, Templates } from "./model/answers";
import { parseState, VIEWS } from "./state";
import { t } from "./strings";
import { Histogram } from "./views/Histogram";
import { Lines } from "./views/Lines";
import { LiveTail } from "./views/LiveTail";
import { TemplateList } from "./views/TemplateList";

const PAGE = 100;

/** Logs: full text and filters, what occurs how often, and what arrives now. */
export default function LogsPage(): ReactNode {
  const [state, change] = usePageSearch(parseState);
  const { query, view } = state;
  const search = useCallback((q: string) => change({ q, cursor: undefined, skipped: undefined }, true), [change]);
  const narrow = useCallback((condition: string) => search(withCondition(query, condition)), [search, query]);
  return (
    <Page title={t("logs")}>
      <div className="logs-page">
        <div className="logs-bar">
          <QueryBox label={t("query")} placeholder={t("query.example")} value={query} language={LOG_QUERIES} onSearch={search} />
        </div>
        <div className="logs-bar">
          <div role="group" aria-label={t("view")} className="segments">
            {VIEWS.map((name) => (
              <button key={name} type="button" aria-pressed={view === name} onClick={() => change({ view: name === "lines" ? undefined : name }, true)}>
                {t(name)}
              </button>
            ))}
          </div>
          <div role="group" aria-label={t("severity")} className="segments">
            {(["error", "warn"] as const).map((name) => (
              <button key={name} type="button" onClick={() => narrow(`severity>=${name}`)}>
                {t(`severity.${name}`)}
              </button>
            ))}
          </div>
        </div>
        {view === "live" && <LiveTail key={query} query={query} onCondition={narrow} />}
        {view === "templates" && <FoundTemplates query={query} onQuery={(q) => change({ q, view: undefined, cursor: undefined, skipped: undefined }, true)} />}
        {view === "lines" && (
          <>
            <FoundHistogram query={query} />
            <FoundLines state={state} change={change} onCondition={narrow} />
          </>
        )}
      </div>
    </Page>
  );
}

function FoundHistogram({ query }: { query: string }): ReactNode {
  const { data } = useApi<LogHistogram>("/api/v1/logs/histogram", { q: query });
  return data && <Histogram data={data.body} />;
}

function FoundTemplates({ query, onQuery }: { query: string; onQuery: (query: string) => void }): ReactNode {
  const asked = useApi<Templates>("/api/v1/logs/templates", { q: query });
  return <Answered query={asked}>{(found) => <TemplateList found={found} query={query} onQuery={onQuery} />}</Answered>;
}

interface FoundProps {
  state: ReturnType<typeof parseState>;
  change: (change: Record<string, string | undefined>, push?: boolean) => void;
  onCondition: (condition: string) => void;
}

function FoundLines({ state, change, onCondition }: FoundProps): ReactNode {
  const { query, order, cursor, skipped } = state;
  const asked = useApi<FoundLogs>("/api/v1/logs", { q: query, order, cursor, limit: PAGE });
  return (
    <Answered query={asked} lines={8}>
      {(found) => (
        <Lines
          {...{ found, order, skipped, onCondition }}
          onOrder={(to) => change({ order: to === "newest" ? undefined : to, cursor: undefined, skipped: undefined })}
          onPage={(to, before) => change({ cursor: to, skipped: before ? String(before) : undefined }, true)}
        />
      )}
    </Answered>
  );
}
