import type { ReactNode } from "react";
import { duration } from "../../../shared/format";
import type { LogDocument } from "../model/answer";
import { severityOf } from "../model/trace";
import { textOf } from "./AttributeList";
import { t } from "../strings";

/** Log records of a span, with their time since the start of the trace. */
export function LogLines({ logs, start }: { logs: readonly LogDocument[]; start: number }): ReactNode {
  if (logs.length === 0) return <p className="quiet">{t("trace.logs.none")}</p>;
  return (
    <ul className="log-lines">
      {logs.map((log) => (
        <li key={log._id} className={severityOf(log)}>
          <span className="quiet">+{duration(log["@timestamp"] - start)}</span>{" "}
          <span className={`tag ${severityOf(log)}`}>{log.severity_text || t("trace.log.no-severity")}</span> <span className="mono">{textOfLog(log)}</span>
        </li>
      ))}
    </ul>
  );
}

function textOfLog(log: LogDocument): string {
  return log.body?.text ?? textOf(log.body?.structured ?? null);
}
