import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { useApi } from "../../api/queries";
import { Badge, type Tone } from "../../shared/Badge";
import { Drawer } from "../../shared/Drawer";
import { ago, compact, dateTime, duration } from "../../shared/format";
import { splitThreshold } from "../../shared/promqlThreshold";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { Page } from "../../shell/Page";
import { usePageSearch, type Search } from "../../shell/search";
import { useBetween, useShellState } from "../../shell/useRange";
import { Backtest } from "./Backtest";
import { chosen, ruleNamed, type Placed, type Rule, type RuleGroup, type RulesAnswer } from "./model";
import { t } from "./strings";
import "../../shared/ops.css";
import "../alerts/alerts.css";

const HEALTH: Record<Rule["health"], Tone> = { ok: "good", err: "bad", unknown: "plain" };
const STATES: Record<"inactive" | "pending" | "firing", Tone> = { inactive: "plain", pending: "warn", firing: "bad" };

function parse(search: Search) {
  return { rule: search.rule ?? "", group: search.group ?? "", find: search.find ?? "", unhealthy: search.unhealthy === "yes" };
}

export default function RulesPage() {
  const asked = useApi<RulesAnswer>("/api/v1/rules", {}, { ranged: false });
  if (asked.error?.status === 404) {
    return (
      <Page title={t("title")}>
        <EmptyState title={t("notHere", { reason: asked.error.message })} />
      </Page>
    );
  }
  return (
    <Page title={t("title")}>
      <Answered query={asked} lines={6}>
        {({ data: { groups } }) => (groups.length === 0 ? <EmptyState title={t("none")}><p>{t("noneText")}</p></EmptyState> : <Rules groups={groups} />)}
      </Answered>
    </Page>
  );
}

function Rules({ groups }: { groups: readonly RuleGroup[] }) {
  const [search, change] = usePageSearch(parse);
  const { environment } = useShellState();
  const [text, setText] = useState(search.find);
  const picked = ruleNamed(groups, search.rule, search.group);
  const shown = chosen(groups, search.find, search.unhealthy, environment);
  return (
    <>
      <form
        className="alert-bar"
        onSubmit={(event) => {
          event.preventDefault();
          change({ find: text });
        }}
      >
        <label>
          {t("filter")}{" "}
          <input
            type="search"
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              change({ find: event.target.value });
            }}
          />
        </label>
        <label>
          <input type="checkbox" checked={search.unhealthy} onChange={(event) => change({ unhealthy: event.target.checked ? "yes" : "" })} /> {t("only")}
        </label>
      </form>
      {shown.map((group) => (
        <div key={`${group.environment} ${group.file} ${group.name}`} className="alert-group">
          <header>
            <h2>{t("group", { group: group.name, interval: duration(group.interval * 1e9) })}</h2>
            <span className="quiet">
              {group.environment} · {group.file}
            </span>
          </header>
          <Table
            label={`${group.name} ${group.environment} ${group.file}`}
            rows={group.rules}
            rowKey={(rule) => rule.name + rule.query}
            columns={columns((rule) => change({ rule: rule.name, group: group.name }, true))}
          />
        </div>
      ))}
      {picked !== null && <RuleDrawer rule={picked} close={() => change({ rule: "", group: "" })} />}
    </>
  );
}

function columns(open: (rule: Rule) => void): Column<Rule>[] {
  return [
    {
      key: "rule",
      header: t("rule"),
      primary: true,
      cell: (rule) => (
        <button type="button" className="link-button" onClick={() => open(rule)} aria-label={t("details", { rule: rule.name })}>
          {rule.name}
        </button>
      ),
      sort: (rule) => rule.name,
    },
    { key: "health", header: t("health"), cell: (rule) => <Badge tone={HEALTH[rule.health]}>{t(rule.health)}</Badge>, sort: (rule) => rule.health },
    { key: "state", header: t("state"), cell: (rule) => (rule.state ? <Badge tone={STATES[rule.state]}>{t(rule.state)}</Badge> : t("recording")), sort: (rule) => rule.state ?? "" },
    { key: "expression", header: t("expression"), cell: (rule) => <code>{rule.query}</code> },
    {
      key: "evaluated",
      header: t("evaluated"),
      cell: (rule) => (rule.health === "unknown" ? t("never") : <time title={dateTime(Date.parse(rule.lastEvaluation))}>{ago(Date.parse(rule.lastEvaluation))}</time>),
    },
    { key: "error", header: t("error"), cell: (rule) => rule.lastError },
  ];
}

function RuleDrawer({ rule, close }: { rule: Placed; close: () => void }) {
  const axis = useBetween();
  const pairs = (values: Record<string, string>) =>
    Object.entries(values).map(([name, value]) => (
      <div key={name}>
        <code>{name}</code> {value}
      </div>
    ));
  return (
    <Drawer title={rule.name} onClose={close}>
      <p>
        <code>{rule.query}</code>
      </p>
      {rule.lastError !== "" && <p className="trouble">{rule.lastError}</p>}
      <Backtest key={`${rule.environment} ${rule.file} ${rule.group} ${rule.name}`} rule={rule} axis={axis} />
      {rule.type === "alerting" && splitThreshold(rule.query).threshold === null && <p className="quiet">{t("noThreshold")}</p>}
      <dl className="facts">
        <dt>{t("file")}</dt>
        <dd>
          {rule.file}: {rule.group}
        </dd>
        {rule.duration !== undefined && (
          <>
            <dt>{t("holdFor")}</dt>
            <dd>{duration(rule.duration * 1e9)}</dd>
            {rule.keepFiringFor ? (
              <>
                <dt>{t("keepFiring")}</dt>
                <dd>{duration(rule.keepFiringFor * 1e9)}</dd>
              </>
            ) : null}
          </>
        )}
        {Object.keys(rule.labels).length > 0 && (
          <>
            <dt>{t("labels")}</dt>
            <dd>{pairs(rule.labels)}</dd>
          </>
        )}
        {rule.annotations !== undefined && Object.keys(rule.annotations).length > 0 && (
          <>
            <dt>{t("annotations")}</dt>
            <dd>{pairs(rule.annotations)}</dd>
          </>
        )}
        {rule.notes !== undefined && (
          <>
            <dt>{t("notes")}</dt>
            <dd>{rule.notes.join("; ")}</dd>
          </>
        )}
      </dl>
      {rule.alerts !== undefined && (
        <>
          <h3>{t("alerts")}</h3>
          {rule.alerts.length === 0 ? (
            <p className="quiet">{t("noAlerts")}</p>
          ) : (
            <ul className="plain-list">
              {rule.alerts.map((alert) => (
                <li key={JSON.stringify(alert.labels)}>
                  <Badge tone={STATES[alert.state]}>{t(alert.state)}</Badge> {alert.labels["service"]} {compact(Number(alert.value))}{" "}
                  <span className="quiet">{ago(Date.parse(alert.activeAt))}</span>
                </li>
              ))}
            </ul>
          )}
          <Link to="/alerts" search={{ filter: `{alertname="${rule.name}"}` } as never}>
            {t("onAlerts")}
          </Link>
        </>
      )}
    </Drawer>
  );
}
