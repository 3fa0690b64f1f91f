import { Link as RouterLink } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { count, duration, percent, rate } from "../../shared/format";
import { t as shared } from "../../shared/strings";
import type { MapAnswer, MapEdge, MapNode, Stats } from "./api";
import { Series } from "./Series";
import { t } from "./strings";
import { whyOf } from "./why";

interface Props {
  answer: MapAnswer;
  /** Of the address: a node, an edge, a group, or a bundle of edges between groups. */
  id: string;
  members: readonly string[];
  group: string;
  pick: (id: string) => void;
  focus: (id: string) => void;
  open: (group: string) => void;
  close: () => void;
}

/** What is known of the picked node or edge, beside the map. */
export function Panel({ answer, id, members, group, pick, focus, open, close }: Props) {
  const node = answer.nodes.find((each) => each.id === id);
  const edge = answer.edges.find((each) => each.id === id);
  const title = node?.name ?? (edge ? `${edge.caller.name} → ${edge.callee.name}` : group || id);
  return (
    <aside className="map-panel panel" aria-label={title}>
      <div className="map-panel-head">
        <h2>{title}</h2>
        <button type="button" className="button small" onClick={close} aria-label={`${shared("close")}: ${title}`}>
          ✕
        </button>
      </div>
      {node !== undefined && <NodePanel answer={answer} node={node} pick={pick} focus={focus} />}
      {edge !== undefined && <EdgePanel edge={edge} />}
      {node === undefined && edge === undefined && (
        <GroupPanel answer={answer} members={members} group={group} pick={pick} open={open} />
      )}
    </aside>
  );
}

function NodePanel({ answer, node, pick, focus }: { answer: MapAnswer; node: MapNode; pick: (id: string) => void; focus: (id: string) => void }) {
  const received = answer.edges.filter((edge) => edge.target === node.id);
  const sent = answer.edges.filter((edge) => edge.source === node.id);
  const why = [...new Set(received.flatMap(whyOf))];
  return (
    <>
      <p className="quiet">
        {node.kind} · {node.environment}
      </p>
      <p className="map-actions">
        <button type="button" className="button" onClick={() => focus(node.id)}>
          {t("focus")}
        </button>
        {node.kind === "service" && (
          <>
            <RouterLink to={"/services/$" as never} params={{ _splat: node.name } as never}>
              {t("service")}
            </RouterLink>
            <RouterLink to={"/traces" as never} search={{ q: `service=${quoted(node.name)}` } as never}>
              {t("tracesOf")}
            </RouterLink>
          </>
        )}
      </p>
      <StatsTable stats={node.stats} usual={null} />
      {node.kind === "service" && <Series params={{ service: node.name }} />}
      <Why texts={why} known={received.some((edge) => edge.usual !== null)} />
      <Neighbours title={t("receivesFrom")} edges={received} name={(edge) => edge.caller.name} pick={pick} />
      <Neighbours title={t("calls_to")} edges={sent} name={(edge) => edge.callee.name} pick={pick} />
    </>
  );
}

function EdgePanel({ edge }: { edge: MapEdge }) {
  return (
    <>
      <p className="quiet">
        {edge.protocols.join(", ")} {edge.protocols.length > 0 && "·"} {edge.environment}
      </p>
      <StatsTable stats={edge.stats} usual={edge.usual} />
      <Series params={{ caller: edge.caller.name, callee: edge.callee.name }} />
      <dl className="facts">
        <dt>{t("selfTime")}</dt>
        <dd>{duration(edge.self_time)}</dd>
        <dt>{t("criticalPath")}</dt>
        <dd>{percent(edge.critical_path_share)}</dd>
      </dl>
      <Why texts={whyOf(edge)} known={edge.usual !== null} />
      <Traces title={t("slowest")} ids={edge.exemplars} />
      <h3>{t("operations")}</h3>
      <ul className="plain-list">
        {edge.operations.map((each) => (
          <li key={each.operation}>
            <span className="mono">{each.operation}</span> <span className="quiet">{count(each.calls)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function GroupPanel({ answer, members, group, pick, open }: { answer: MapAnswer; members: readonly string[]; group: string; pick: (id: string) => void; open: (group: string) => void }) {
  const nodes = answer.nodes.filter((node) => members.includes(node.id));
  const edges = answer.edges.filter((edge) => members.includes(edge.id));
  return (
    <>
      {nodes.length > 0 && (
        <>
          <p className="quiet">{t("groupOf", { n: nodes.length })}</p>
          <p>
            <button type="button" className="button" onClick={() => open(group)}>
              {t("open")}
            </button>
          </p>
          <h3>{t("members")}</h3>
          <ul className="plain-list">
            {nodes.map((node) => (
              <li key={node.id}>
                {node.name}{" "}
                <span className="quiet">
                  {rate(node.stats.rate)} · {percent(node.stats.error_rate)} {t("errors")}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      {edges.length > 0 && (
        <Neighbours title={t("edges")} edges={edges} name={(edge) => `${edge.caller.name} → ${edge.callee.name}`} pick={pick} />
      )}
    </>
  );
}

function StatsTable({ stats, usual }: { stats: Stats; usual: MapEdge["usual"] }) {
  const rows: [string, string, string][] = [
    [t("rate"), rate(stats.rate), rate(usual?.rate)],
    [t("calls"), count(stats.calls), ""],
    [t("errorRate"), percent(stats.error_rate), percent(usual?.error_rate)],
    [t("p50"), duration(stats.p50), ""],
    [t("p95"), duration(stats.p95), duration(usual?.p95)],
    [t("p99"), duration(stats.p99), ""],
  ];
  return (
    <table className="stats">
      <thead>
        <tr>
          <td />
          <th scope="col">{t("now")}</th>
          {usual !== null && <th scope="col">{t("usual")}</th>}
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, now, before]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{now}</td>
            {usual !== null && <td>{before}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** `known`: whether there is anything to compare with. */
function Why({ texts, known }: { texts: readonly string[]; known: boolean }) {
  return (
    <>
      <h3>{t("why")}</h3>
      {texts.length === 0 ? (
        <p className="quiet">{t(known ? "notUnusual" : "usualUnknown")}</p>
      ) : (
        <ul className="plain-list">
          {texts.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
    </>
  );
}

function Traces({ title, ids }: { title: string; ids: readonly string[] }): ReactNode {
  if (ids.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul className="plain-list">
        {ids.slice(0, 8).map((id) => (
          <li key={id}>
            <RouterLink className="mono" to={"/traces/$trace" as never} params={{ trace: id } as never}>
              {id.slice(0, 16)}
            </RouterLink>
          </li>
        ))}
      </ul>
    </>
  );
}

function Neighbours({ title, edges, name, pick }: { title: string; edges: readonly MapEdge[]; name: (edge: MapEdge) => string; pick: (id: string) => void }) {
  if (edges.length === 0) return null;
  const sorted = [...edges].sort((a, b) => b.deviation - a.deviation || b.stats.calls - a.stats.calls);
  return (
    <>
      <h3>{title}</h3>
      <ul className="plain-list">
        {sorted.map((edge) => (
          <li key={edge.id}>
            <button type="button" className="link-button" onClick={() => pick(edge.id)}>
              {name(edge)}
            </button>{" "}
            <span className="quiet">
              {rate(edge.stats.rate)} · p95 {duration(edge.stats.p95)} · {percent(edge.stats.error_rate)} {t("errors")}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** A name as the query box reads it. */
export function quoted(name: string): string {
  return /^[\w./-]+$/u.test(name) ? name : JSON.stringify(name);
}

