import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import type { AlertChangesAnswer } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { Badge } from "../../shared/Badge";
import { Answered, EmptyState } from "../../shared/States";
import { Tabs } from "../../shared/Tabs";
import { Page } from "../../shell/Page";
import { usePageSearch, type Search } from "../../shell/search";
import { useShellState } from "../../shell/useRange";
import { AlertTable } from "./AlertTable";
import { groupsOf, labelNames, type AlertGroup } from "./groups";
import { matchersFor, matchersText, matcherText, parseMatcher, parseMatchers, passes } from "./matchers";
import { endedRows, type AlertRow, type Matcher } from "./model";
import { Notifications, Receivers } from "./Notifications";
import { SilenceDrawer, type Draft } from "./SilenceDrawer";
import { Silences } from "./Silences";
import { t } from "./strings";
import { MAX_CHANGES, useAlerts } from "./useAlerts";
import "../../shared/ops.css";
import "./alerts.css";

const TABS = ["open", "ended", "silences", "notifications", "receivers"] as const;
type Tab = (typeof TABS)[number];

interface AlertsSearch {
  tab: Tab;
  group: string;
  filter: Matcher[];
}

function parse(search: Search): AlertsSearch {
  const tab = TABS.find((each) => each === search.tab) ?? "open";
  return { tab, group: search.group || "service", filter: parseMatchers(search.filter ?? "") };
}

export default function AlertsPage() {
  const [search, change] = usePageSearch(parse);
  const [draft, setDraft] = useState<Draft | null>(null);
  const [made, setMade] = useState("");
  const alerts = useAlerts();
  const tabs = TABS.map((key) => ({
    key,
    text: key === "open" && alerts.changes.data !== undefined ? `${t(key)} (${alerts.rows.length})` : t(key),
  }));
  const silence = (labels: Record<string, string>) => setDraft({ id: "", matchers: matchersFor(labels), comment: "", minutes: 120 });
  return (
    <Page title={t("title")}>
      {alerts.absent && <p className="quiet">{t("notHere")}</p>}
      {made !== "" && (
        <p className="done" role="status">
          {t("created", { id: made })}
        </p>
      )}
      <Tabs label={t("tabs")} tabs={tabs} value={search.tab} onChange={(tab) => change({ tab }, true)}>
        {search.tab === "open" && (
          <Answered query={alerts.changes}>
            {() => {
              const open = <Open alerts={alerts} search={search} change={change} silence={silence} />;
              return alerts.absent ? open : <Answered query={alerts.active}>{() => open}</Answered>;
            }}
          </Answered>
        )}
        {search.tab === "ended" && <Ended filter={search.filter} change={change} />}
        {search.tab === "silences" && <Silences edit={setDraft} />}
        {search.tab === "notifications" && <Notifications />}
        {search.tab === "receivers" && <Receivers alerts={alerts.active.data?.body ?? []} />}
      </Tabs>
      {draft !== null && (
        <SilenceDrawer
          key={draft.id + matchersText(draft.matchers)}
          draft={draft}
          close={(id) => {
            setDraft(null);
            setMade(id ?? "");
          }}
        />
      )}
    </Page>
  );
}

type Change = (change: Record<string, string | undefined>, push?: boolean) => void;

interface OpenProps {
  alerts: ReturnType<typeof useAlerts>;
  search: AlertsSearch;
  change: Change;
  silence: (labels: Record<string, string>) => void;
}

function Open({ alerts, search, change, silence }: OpenProps) {
  const { rows } = alerts;
  const incidents = alerts.incidents.data?.body.incidents;
  const shown = useMemo(() => rows.filter((row) => search.filter.every((matcher) => passes(row, matcher))), [rows, search.filter]);
  const groups = useMemo(() => groupsOf(shown, incidents ?? [], search.group), [shown, incidents, search.group]);
  const labels = useMemo(() => [...new Set(["service", search.group, ...labelNames(rows)])], [rows, search.group]);
  if (rows.length === 0) {
    return (
      <EmptyState title={t("noneOpen")}>
        <p>{t("noneOpenText")}</p>
      </EmptyState>
    );
  }
  return (
    <>
      <div className="alert-bar">
        <Filters filter={search.filter} change={change} labels={labels} />
        <label>
          {t("groupBy")}{" "}
          <select value={search.group} onChange={(event) => change({ group: event.target.value })}>
            {labels.map((label) => (
              <option key={label}>{label}</option>
            ))}
          </select>
        </label>
      </div>
      {shown.length === 0 && <EmptyState title={t("noneFiltered")} />}
      {groups.map((group) => (
        <div key={group.key} className="alert-group">
          <header>
            <h2>
              {group.incident ? (
                <Link to="/incidents/$incident" params={{ incident: group.incident.id }}>
                  {headingOf(group, search.group)}
                </Link>
              ) : (
                headingOf(group, search.group)
              )}
            </h2>
            {group.incident && <Badge tone="accent">{group.incident.state}</Badge>}
            <span className="quiet">{t("count", { count: group.rows.length })}</span>
            {group.rows.length > 1 && !alerts.absent && (
              <button type="button" className="button small" onClick={() => silence(shared(group.rows))}>
                {t("silenceGroup")}
              </button>
            )}
          </header>
          <AlertTable
            label={headingOf(group, search.group)}
            rows={group.rows}
            {...(alerts.absent
              ? {}
              : {
                  actions: (row: AlertRow) => (
                    <button type="button" className="button small" onClick={() => silence(row.labels)} aria-label={`${t("silence")}: ${row.name} ${row.service}`}>
                      {t("silence")}
                    </button>
                  ),
                })}
          />
        </div>
      ))}
    </>
  );
}

function headingOf(group: AlertGroup, label: string): string {
  if (group.incident) return t("incidentOf", { playbook: group.incident.playbook, service: group.incident.service });
  return group.value || t("without", { label });
}

/** The labels that all alerts of a group have alike. */
function shared(rows: readonly AlertRow[]): Record<string, string> {
  const [first, ...rest] = rows;
  return Object.fromEntries(Object.entries(first?.labels ?? {}).filter(([name, value]) => rest.every((row) => row.labels[name] === value)));
}

function Filters({ filter, change, labels }: { filter: readonly Matcher[]; change: Change; labels: readonly string[] }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const set = (next: readonly Matcher[]) => change({ filter: matchersText(next) }, true);
  return (
    <form
      className="filters"
      onSubmit={(event) => {
        event.preventDefault();
        const matcher = parseMatcher(text);
        setWrong(matcher === null);
        if (matcher === null) return;
        set([...filter, matcher]);
        setText("");
      }}
    >
      <label>
        {t("filter")}{" "}
        <input value={text} list="alert-labels" placeholder={t("filterHint")} aria-invalid={wrong} onChange={(event) => setText(event.target.value)} />
      </label>
      <datalist id="alert-labels">
        {labels.map((label) => (
          <option key={label} value={`${label}=`} />
        ))}
      </datalist>
      <button className="button small">{t("addFilter")}</button>
      {wrong && <span role="alert">{t("wrongFilter")}</span>}
      {filter.map((matcher, at) => (
        <button
          key={matcherText(matcher)}
          type="button"
          className="chip"
          aria-label={t("removeFilter", { filter: matcherText(matcher) })}
          onClick={() => set(filter.filter((_, i) => i !== at))}
        >
          {matcherText(matcher)} ✕
        </button>
      ))}
    </form>
  );
}

function Ended({ filter, change }: { filter: readonly Matcher[]; change: Change }) {
  const { environment } = useShellState();
  const asked = useApi<AlertChangesAnswer>("/api/v1/alerts", { limit: MAX_CHANGES });
  return (
    <Answered query={asked}>
      {({ alerts: changes }, { since, until }) => {
        const rows = endedRows(changes, since, until).filter((row) => filter.every((matcher) => passes(row, matcher)));
        const here = environment ? rows.filter((row) => (row.environment || "default") === environment) : rows;
        return (
          <>
            <div className="alert-bar">
              <Filters filter={filter} change={change} labels={labelNames(rows)} />
            </div>
            {here.length === 0 ? <EmptyState title={t("noneEnded")} /> : <AlertTable label={t("ended")} rows={here} ended />}
          </>
        );
      }}
    </Answered>
  );
}
