import { milliseconds, send } from "../../api/client";
import { ActButton } from "../../shared/ActButton";
import { Badge, type Tone } from "../../shared/Badge";
import { ago, dateTime } from "../../shared/format";
import { Table } from "../../shared/Table";
import { deliveryActions, deliveryPath, type Delivery } from "./model";
import { t } from "./strings";

const STATES: Record<Delivery["state"], Tone> = { advancing: "accent", paused: "warn", completed: "good", "rolled-back": "bad" };

/** Calls that move to new instances step by step; nothing where no route does that. */
export function Deliveries({ deliveries, changes }: { deliveries: readonly Delivery[]; changes: readonly string[] }) {
  if (deliveries.length === 0) return null;
  return (
    <>
      <h2>{t("deliveries")}</h2>
      <Table
        label={t("deliveries")}
        sortKey="deliveries"
        rows={[...deliveries]}
        rowKey={(row) => row.service}
        columns={[
          { key: "service", header: t("service"), primary: true, cell: (row) => row.service, sort: (row) => row.service },
          { key: "state", header: t("status"), cell: (row) => <Badge tone={STATES[row.state]}>{t(row.state)}</Badge> },
          { key: "calls", header: t("newCalls"), right: true, cell: (row) => `${row.share}%`, sort: (row) => row.share },
          { key: "since", header: t("since"), cell: (row) => <time title={dateTime(milliseconds(row.since))}>{ago(milliseconds(row.since))}</time> },
          { key: "why", header: t("why"), cell: (row) => row.why },
          {
            key: "actions",
            header: t("actions"),
            cell: (row) => (
              <>
                {deliveryActions(row).map((action) => (
                  <ActButton
                    key={action}
                    small
                    label={t(action)}
                    tone={action === "abort" ? "danger" : "plain"}
                    question={t(`${action}Question`)}
                    act={() => send(deliveryPath(row, action))}
                    changes={changes}
                  />
                ))}
              </>
            ),
          },
        ]}
      />
    </>
  );
}
