import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { milliseconds, send } from "../../api/client";
import { useApi } from "../../api/queries";
import { ActButton } from "../../shared/ActButton";
import { Badge, type Tone } from "../../shared/Badge";
import { Drawer } from "../../shared/Drawer";
import { ago, dateTime, duration, UNKNOWN } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { Page } from "../../shell/Page";
import { Deliveries } from "./Deliveries";
import { Drafts } from "./Drafts";
import { byNeed, canRollBack, current, refusalOf, type Agent, type FleetAnswer, type PoliciesAnswer, type Revision, type Rollout } from "./model";
import { t } from "./strings";
import "../../shared/ops.css";
import "../incident/incident.css";
import "./drafts.css";

const CHANGES = ["/api/v1/fleet", "/api/v1/policies"];

const STATUS: Record<Revision["status"], Tone> = { draft: "plain", released: "accent", stable: "good", "rolled-back": "warn", refused: "bad", rejected: "warn", expired: "plain" };
const STATES: Record<Rollout["state"], Tone> = { applying: "accent", soaking: "accent", done: "good", "rolled-back": "warn" };

export default function FleetPage() {
  const fleet = useApi<FleetAnswer>("/api/v1/fleet", {}, { ranged: false });
  const policies = useApi<PoliciesAnswer>("/api/v1/policies", { limit: 100 }, { ranged: false });
  if (fleet.error?.status === 404) {
    return (
      <Page title={t("title")}>
        <EmptyState title={t("notHere", { reason: fleet.error.message })} />
      </Page>
    );
  }
  return (
    <Page title={t("title")}>
      <Answered query={fleet} lines={6}>
        {(body) => (
          <>
            <RolloutPanel stable={body.stable} rollout={body.rollout} />
            <Deliveries deliveries={body.deliveries} changes={CHANGES} />
            <h2>{t("agents")}</h2>
            {body.agents.length === 0 ? (
              <p className="quiet">{t("noAgents")}</p>
            ) : (
              <>
                <p className="quiet">{t("current", current(body.agents))}</p>
                <Table label={t("agents")} sortKey="agents" rows={byNeed(body.agents)} rowKey={(row) => row.id} columns={agentColumns()} />
              </>
            )}
          </>
        )}
      </Answered>
      <Drafts />
      <h2>{t("revisions")}</h2>
      <Answered query={policies}>{(body) => <Revisions revisions={body.revisions} />}</Answered>
    </Page>
  );
}

function RolloutPanel({ stable, rollout }: { stable: string; rollout: Rollout | null }) {
  if (rollout === null) return <p className="lead">{t("nothing", { stable })}</p>;
  const { revision, state, wave, waves } = rollout;
  return (
    <div className="panel">
      <div className="lane-head">
        <h2>{t("rollout")}</h2>
        <Badge tone={STATES[state]}>{t(state)}</Badge>
      </div>
      <p>{t("onItsWay", { revision, state: t(state), wave: wave + 1, waves: waves.length })}</p>
      <p>
        <span className="quiet">{t("why")}:</span> {rollout.why}
      </p>
      <Table
        label={t("waves")}
        sortKey="waves"
        rows={waves.map((each, i) => ({ ...each, number: i + 1 }))}
        rowKey={(row) => String(row.number)}
        columns={[
          { key: "wave", header: t("wave"), primary: true, cell: (row) => row.number },
          { key: "share", header: t("share"), right: true, cell: (row) => `${row.share}%` },
          { key: "only", header: t("only"), cell: (row) => pairs(row.labels) || UNKNOWN },
          { key: "soak", header: t("soak"), right: true, cell: (row) => duration(row.soak_seconds * 1e9) },
          { key: "state", header: t("status"), cell: (row) => (row.number <= wave + 1 ? <Badge tone="accent">{t("released")}</Badge> : <span className="quiet">{t("toCome")}</span>) },
        ]}
      />
      {canRollBack(rollout) && (
        <ActButton label={t("back")} tone="danger" question={t("backQuestion")} act={() => send("/api/v1/policies/rollback", {})} changes={CHANGES} />
      )}
    </div>
  );
}

function agentColumns(): Column<Agent>[] {
  return [
    { key: "agent", header: t("agent"), primary: true, cell: (row) => <code>{row.id}</code>, sort: (row) => row.id },
    {
      key: "service",
      header: t("service"),
      cell: (row) => (
        <Link to="/services/$" params={{ _splat: row.service }}>
          {row.service}
        </Link>
      ),
      sort: (row) => row.service,
    },
    { key: "connection", header: t("connection"), cell: (row) => <Badge tone={row.connected ? "good" : "warn"}>{t(row.connected ? "connected" : "away")}</Badge> },
    {
      key: "has",
      header: t("has"),
      cell: (row) => {
        const refused = refusalOf(row);
        return (
          <>
            {row.revision || UNKNOWN} {refused && <Badge tone="bad">{t("refuses", refused)}</Badge>}
          </>
        );
      },
      sort: (row) => row.revision,
    },
    { key: "wants", header: t("wants"), cell: (row) => row.wanted || UNKNOWN, sort: (row) => row.wanted },
    { key: "seen", header: t("seen"), cell: (row) => <time title={dateTime(milliseconds(row.seen))}>{ago(milliseconds(row.seen))}</time>, sort: (row) => row.seen },
    { key: "labels", header: t("labels"), cell: (row) => <code>{pairs(row.labels)}</code> },
  ];
}

function pairs(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function Revisions({ revisions }: { revisions: readonly Revision[] }) {
  const [shown, setShown] = useState("");
  if (revisions.length === 0) return <p className="quiet">{t("noRevisions")}</p>;
  return (
    <>
      <Table
        label={t("revisions")}
        sortKey="revisions"
        rows={[...revisions]}
        rowKey={(row) => row.number}
        columns={[
          { key: "revision", header: t("revision"), primary: true, cell: (row) => row.number },
          { key: "status", header: t("status"), cell: (row) => <Badge tone={STATUS[row.status]}>{t(row.status)}</Badge> },
          { key: "author", header: t("author"), cell: (row) => row.author, sort: (row) => row.author },
          { key: "created", header: t("created"), cell: (row) => <time title={dateTime(milliseconds(row.created))}>{ago(milliseconds(row.created))}</time>, sort: (row) => row.created },
          { key: "comment", header: t("comment"), cell: (row) => [row.comment, row.why].filter(Boolean).join(" · ") },
          {
            key: "actions",
            header: t("actions"),
            cell: (row) => (
              <span className="incident-actions">
                <button type="button" className="button small" onClick={() => setShown(row.number)} aria-label={`${t("show")} ${row.number}`}>
                  {t("show")}
                </button>
                {(row.status === "stable" || row.status === "rolled-back") && (
                  <ActButton
                    small
                    label={t("again")}
                    question={t("againQuestion")}
                    act={() => send(`/api/v1/policies/rollback?to=${encodeURIComponent(row.number)}`, {})}
                    changes={CHANGES}
                  />
                )}
              </span>
            ),
          },
        ]}
      />
      {shown !== "" && (
        <Drawer title={t("document", { revision: shown })} onClose={() => setShown("")}>
          <Document number={shown} />
        </Drawer>
      )}
    </>
  );
}

function Document({ number }: { number: string }) {
  const asked = useApi<unknown>(`/api/v1/policies/${encodeURIComponent(number)}`, {}, { ranged: false, every: false });
  return (
    <Answered query={asked}>
      {(text) => (
        <pre className="config" tabIndex={0}>
          {typeof text === "string" ? text : JSON.stringify(text, null, 2)}
        </pre>
      )}
    </Answered>
  );
}
