import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { ReactNode } from "react";

import { milliseconds } from "../../../api/client";
import { count as amount, dateTime, duration } from "../../../shared/format";
import { Tabs } from "../../../shared/Tabs";
import type { HopDocument, LogDocument, SpanEvent, SpanLink } from "../model/answer";
import type { Span } from "../model/trace";
import { AttributeList } from "./AttributeList";
import { LogLines } from "./LogLines";
import { Why } from "./Why";
import { signed } from "./Waterfall";
import { t } from "../strings";

interface Props {
  span: Span;
  hops: readonly HopDocument[];
  logs: readonly LogDocument[];
  /** Nanoseconds since the epoch at which the trace starts. */
  start: number;
  onClose: () => void;
  onPick: (id: string) => void;
}

type Tab = "attributes" | "events" | "links" | "logs" | "why";

/** All that is known of a span, beside its row. */
export function SpanDrawer({ span, hops, logs, start, onClose, onPick }: Props): ReactNode {
  const [tab, setTab] = useState<Tab>("attributes");
  const { document } = span;
  const events = document.events ?? [];
  const links = document.links ?? [];
  const tabs: [Tab, number | null][] = [
    ["attributes", Object.keys(document.attributes).length],
    ["events", events.length],
    ["links", links.length],
    ["logs", logs.length],
    ["why", null],
  ];
  return (
    <aside className="span-drawer" aria-label={t("trace.drawer")}>
      <header>
        <h2>
          {span.service} <span className="quiet">{span.name}</span>
        </h2>
        <button type="button" className="close" aria-label={t("trace.drawer.close")} onClick={onClose}>
          ×
        </button>
      </header>
      <Facts span={span} start={start} />
      <Tabs label={t("trace.drawer")} tabs={tabs.map(([key, number]) => ({ key, text: tabText(key, number) }))} value={tab} onChange={setTab}>
        {tab === "attributes" && (
          <>
            <AttributeList attributes={document.attributes} where="span" />
            <h3>{t("trace.resource")}</h3>
            <AttributeList attributes={document.resource.attributes} where="resource" />
          </>
        )}
        {tab === "events" && <Events events={events} start={document.start} />}
        {tab === "links" && <Links links={links} />}
        {tab === "logs" && <LogLines logs={logs} start={start} />}
        {tab === "why" && <Why span={span} hops={hops} onPick={onPick} />}
      </Tabs>
    </aside>
  );
}

function tabText(key: Tab, number: number | null): string {
  const name = t(`trace.tab.${key}`);
  return number === null ? name : `${name} ${amount(number)}`;
}

function Facts({ span, start }: { span: Span; start: number }): ReactNode {
  const { document } = span;
  const { adjusted, scope, status, usual } = document;
  const facts: [string, ReactNode][] = [
    [t("trace.fact.duration"), duration(span.duration)],
    [t("trace.fact.self"), duration(span.selfTime)],
    [t("trace.fact.start"), `${dateTime(milliseconds(start + span.start), true)} (+${duration(span.start)})`],
    [t("trace.fact.kind"), span.kind],
    [t("trace.fact.id"), <code key="id">{span.id}</code>],
  ];
  if (usual) facts.push([t("trace.fact.usual"), t("trace.fact.usual.value", { time: duration(usual.duration), p95: duration(usual.p95), calls: usual.calls })]);
  if (status.message || span.failed) facts.push([t("trace.fact.status"), <span key="status" className={span.failed ? "bad" : ""}>{`${status.code} ${status.message ?? ""}`.trim()}</span>]);
  if (scope.name) facts.push([t("trace.fact.scope"), `${scope.name} ${scope.version ?? ""}`.trim()]);
  if (adjusted?.shift) facts.push([t("trace.fact.clock"), t("trace.fact.clock.value", { shift: signed(adjusted.shift), error: duration(adjusted.error ?? 0) })]);
  return (
    <dl className="span-facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const STACK_TRACE = "exception.stacktrace";

function Events({ events, start }: { events: readonly SpanEvent[]; start: number }): ReactNode {
  if (events.length === 0) return <p className="quiet">{t("trace.events.none")}</p>;
  return events.map((event, place) => {
    const { [STACK_TRACE]: stack, ...attributes } = event.attributes;
    return (
      <section key={place} className="event">
        <h3>
          {event.name} <span className="quiet">+{duration(event.time - start)}</span>
        </h3>
        <AttributeList attributes={attributes} where="none" />
        {typeof stack === "string" && (
          <pre className="stack" tabIndex={0} aria-label={t("trace.stack")}>
            {stack}
          </pre>
        )}
      </section>
    );
  });
}

function Links({ links }: { links: readonly SpanLink[] }): ReactNode {
  if (links.length === 0) return <p className="quiet">{t("trace.links.none")}</p>;
  return links.map((link, place) => (
    <section key={place} className="event">
      <h3>
        <Link className="mono" to="/traces/$trace" params={{ trace: link.trace_id }} search={{ span: link.span_id } as never}>
          {link.trace_id} {link.span_id}
        </Link>
      </h3>
      <AttributeList attributes={link.attributes} where="none" />
    </section>
  ));
}
