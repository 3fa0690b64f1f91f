import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import type { ExceptionGroup, ServiceAnswer } from "../../api/numbers";
import { ago, count } from "../../shared/format";
import { EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { now } from "../../shell/serverClock";
import { t } from "./strings";

function columns(): Column<ExceptionGroup>[] {
  return [
    { key: "exception", header: t("exception"), primary: true, sort: (row) => row.type, cell: (row) => <b>{row.type}</b> },
    {
      key: "message",
      header: t("message"),
      cell: (row) => (
        <>
          {row.message}
          {row.stacktrace && (
            <details>
              <summary>{t("stack")}</summary>
              <pre className="service-stack" tabIndex={0}>
                {row.stacktrace}
              </pre>
            </details>
          )}
        </>
      ),
    },
    { key: "operation", header: t("operation"), sort: (row) => row.operation, cell: (row) => row.operation },
    { key: "times", header: t("times"), right: true, sort: (row) => row.count, cell: (row) => count(row.count) },
    { key: "seen", header: t("seen"), right: true, sort: (row) => row.last_seen, cell: (row) => ago(milliseconds(row.last_seen), now()) },
    {
      key: "trace",
      header: t("trace"),
      cell: (row) => (
        <Link className="mono" to="/traces/$trace" params={{ trace: row.trace_id }} search={{ span: row.span_id }}>
          {row.trace_id.slice(0, 8)}
        </Link>
      ),
    },
  ];
}

/** Exceptions grouped by what they say, newest example of each. */
export function Errors({ service }: { service: ServiceAnswer }) {
  const shown = useMemo(columns, []);
  const { exceptions, exceptions_examined: examined, error_spans: total } = service;
  if (exceptions.length === 0) return <EmptyState title={total > 0 ? t("noExceptionsBut", { count: count(total) }) : t("noExceptions")} />;
  return (
    <>
      {examined < total && <p className="quiet">{t("examined", { examined: count(examined), count: count(total) })}</p>}
      <Table label={t("exceptions")} columns={shown} rows={exceptions} rowKey={(row) => `${row.type}\n${row.message}\n${row.operation}`} />
    </>
  );
}
