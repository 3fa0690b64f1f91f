import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import { useApi } from "../../api/queries";
import { Badge, type Tone } from "../../shared/Badge";
import { count, moment, UNKNOWN } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { ofService } from "./query";
import { t } from "./strings";

interface Line {
  id: string;
  time: number;
  severity: string;
  severity_number: number | null;
  text: string;
  trace_id: string | null;
}

function tone(line: Line): Tone {
  const number = line.severity_number ?? 9;
  return number >= 17 ? "bad" : number >= 13 ? "warn" : "plain";
}

function columns(): Column<Line>[] {
  return [
    { key: "time", header: t("time"), cell: (row) => moment(milliseconds(row.time)) },
    { key: "severity", header: t("severity"), cell: (row) => <Badge tone={tone(row)}>{row.severity || UNKNOWN}</Badge> },
    { key: "text", header: t("text"), primary: true, cell: (row) => <span className="mono">{row.text}</span> },
    {
      key: "trace",
      header: t("trace"),
      cell: (row) =>
        row.trace_id && (
          <Link className="mono" to="/traces/$trace" params={{ trace: row.trace_id }}>
            {row.trace_id.slice(0, 8)}
          </Link>
        ),
    },
  ];
}

/** Its newest log lines, and the way to all of them. */
export function Logs({ name }: { name: string }) {
  const query = useApi<{ logs: Line[]; total: number }>("/api/v1/logs", { q: ofService(name), limit: 50 });
  const shown = useMemo(columns, []);
  return (
    <Answered query={query} lines={6}>
      {({ logs, total }) =>
        logs.length === 0 ? (
          <EmptyState title={t("noLogs")} />
        ) : (
          <>
            <p>
              <Link to="/logs" search={{ q: ofService(name) }}>
                {t("allLogs", { count: count(total) })}
              </Link>
            </p>
            <Table label={t("logLines")} columns={shown} rows={logs} rowKey={(row) => row.id} />
          </>
        )
      }
    </Answered>
  );
}
