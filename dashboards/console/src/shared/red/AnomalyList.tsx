import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import type { Anomaly } from "../../api/numbers";
import { around } from "../../shell/range";
import { Badge } from "../Badge";
import { dateTime, moment } from "../format";
import { Table, type Column } from "../Table";
import { UNUSUAL } from "./ServiceTable";
import { t } from "./anomalyStrings";
import { anomalyText } from "./anomalyText";
import { MarkButtons } from "./MarkButtons";
import { t as markText } from "./markStrings";

function columns(): Column<Anomaly>[] {
  return [
    {
      key: "time",
      header: t("time"),
      sort: (row) => row.start,
      cell: (row) => {
        const start = milliseconds(row.start);
        return (
          <Link to="/services/$" params={{ _splat: row.service }} search={around(start) as never} title={`${dateTime(start)}: ${t("around")}`}>
            {moment(start)}
          </Link>
        );
      },
    },
    {
      key: "score",
      header: t("score"),
      right: true,
      sort: (row) => row.score,
      cell: (row) => <Badge tone={row.score >= UNUSUAL ? "bad" : "warn"}>{row.score.toFixed(2)}</Badge>,
    },
    {
      key: "where",
      header: t("where"),
      primary: true,
      sort: (row) => row.service,
      cell: (row) => (
        <>
          {row.service ? (
            <Link to="/services/$" params={{ _splat: row.service }}>
              {row.service}
            </Link>
          ) : null}{" "}
          <span className="quiet">{[row.operation, row.instance === row.service ? "" : row.instance].filter(Boolean).join(" · ")}</span>
        </>
      ),
    },
    { key: "why", header: t("what"), cell: anomalyText },
    {
      key: "traces",
      header: t("traces"),
      cell: (row) =>
        row.trace_ids.slice(0, 3).map((id) => (
          <Link key={id} className="mono" to="/traces/$trace" params={{ trace: id }}>
            {id.slice(0, 8)}{" "}
          </Link>
        )),
    },
    { key: "mark", header: markText("mark"), cell: (row) => <MarkButtons subject="anomaly" id={row.id} verdicts={["right", "wrong", "expected"]} /> },
  ];
}

/** Anomalies, each in its own words, with a link to its time and to traces that show it. */
export function AnomalyList({ anomalies, total }: { anomalies: Anomaly[]; total: number }) {
  const shown = useMemo(columns, []);
  return <Table label={t("anomalies")} columns={shown} rows={anomalies} rowKey={(row) => row.id} sortKey="anomalies" total={total} />;
}
