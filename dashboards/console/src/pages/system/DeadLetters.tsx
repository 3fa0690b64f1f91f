import { useState } from "react";

import { milliseconds, send } from "../../api/client";
import { useApi } from "../../api/queries";
import { ActButton } from "../../shared/ActButton";
import { ago, bytes, count, dateTime, UNKNOWN } from "../../shared/format";
import { Answered } from "../../shared/States";
import { Table } from "../../shared/Table";
import { byReason, jsonLines, sentWords, type DeadLetter, type Stalled } from "./model";
import { t } from "./strings";

const CHANGES = ["/api/v1/dead-letters", "/api/v1/status", "/api/v1/system"];

/** Records that could not be processed: why, and a way back once the fault is fixed. */
export function DeadLetters() {
  const asked = useApi<unknown>("/api/v1/dead-letters", {}, { ranged: false });
  const [said, setSaid] = useState<string | null>(null);
  const replay = (again: boolean) => async () => {
    const sent = await send<Record<string, number>>("/api/v1/dead-letters/replay", { again });
    const what = sentWords(sent);
    setSaid(what ? t("replayed", { what }) : t("replayedNothing"));
  };
  if (asked.error?.status === 404) {
    return (
      <div className="panel">
        <h2>{t("deadLetters")}</h2>
        <p className="quiet">{t("deadNotHere", { reason: asked.error.message })}</p>
      </div>
    );
  }
  return (
    <div className="panel">
      <h2>{t("deadLetters")}</h2>
      {said !== null && <p role="status">{said}</p>}
      <Answered query={asked}>
        {(answer) => {
          const letters = jsonLines<DeadLetter>(answer).reverse();
          return letters.length === 0 ? (
            <p className="quiet">{t("noDeadLetters")}</p>
          ) : (
            <>
              <p className="incident-actions">
                <ActButton label={t("replay")} question={t("replayQuestion")} act={replay(false)} changes={CHANGES} />
                <ActButton label={t("replayAgain")} question={t("replayQuestion")} act={replay(true)} changes={CHANGES} />
              </p>
              <h3>{t("byReason")}</h3>
              <ul className="plain-list">
                {byReason(letters)
                  .slice(0, 8)
                  .map(([reason, times]) => (
                    <li key={reason}>
                      <b>{count(times)}</b> {reason}
                    </li>
                  ))}
              </ul>
              <Table
                label={t("deadLetters")}
                sortKey="letters"
                rows={letters}
                rowKey={(row) => String(row.number)}
                columns={[
                  { key: "time", header: t("time"), cell: (row) => <time title={dateTime(milliseconds(row.time))}>{ago(milliseconds(row.time))}</time>, sort: (row) => row.time },
                  {
                    key: "from",
                    header: t("from"),
                    primary: true,
                    cell: (row) => <code>{row.offset === null ? row.topic || UNKNOWN : `${row.topic}[${row.partition ?? 0}] @ ${row.offset}`}</code>,
                    sort: (row) => row.topic,
                  },
                  { key: "reason", header: t("reason"), cell: (row) => row.reason },
                  { key: "size", header: t("size"), right: true, cell: (row) => bytes(row.bytes), sort: (row) => row.bytes },
                ]}
              />
            </>
          );
        }}
      </Answered>
    </div>
  );
}

/** Partitions that a record holds, with the button that lets them go on. */
export function StalledPartitions({ stalled }: { stalled: readonly Stalled[] }) {
  if (stalled.length === 0) return null;
  return (
    <div className="trouble">
      <h2>{t("stalled")}</h2>
      <p>{t("stalledText")}</p>
      <ul className="plain-list">
        {stalled.map((each) => (
          <li key={`${each.topic} ${each.partition}`}>
            <code>
              {each.topic}[{each.partition}] @ {each.offset}
            </code>{" "}
            {each.cause}{" "}
            <ActButton
              small
              label={t("skip")}
              tone="danger"
              question={t("skipQuestion")}
              act={() => send("/api/v1/dead-letters/skip", { topic: each.topic, partition: each.partition, offset: each.offset })}
              changes={CHANGES}
            />
          </li>
        ))}
      </ul>
    </div>
  );
}
