import { useState } from "react";

import { milliseconds, send } from "../../api/client";
import { useApi } from "../../api/queries";
import { useSession } from "../../api/session";
import { ActButton } from "../../shared/ActButton";
import { Drawer } from "../../shared/Drawer";
import { ago, dateTime } from "../../shared/format";
import { Answered } from "../../shared/States";
import { Table } from "../../shared/Table";
import { blocked, lineTone, type DifferenceAnswer, type Draft, type DraftsAnswer } from "./draftModel";
import { t } from "./strings";

const CHANGES = ["/api/v1/fleet", "/api/v1/policies"];

/** Revisions that wait, each with what it would change; nothing where none waits. */
export function Drafts() {
  const asked = useApi<DraftsAnswer>("/api/v1/policies/drafts", {}, { ranged: false });
  const [shown, setShown] = useState("");
  const answer = asked.data?.body;
  const waiting = answer?.drafts ?? [];
  if (answer === undefined || waiting.length === 0) return null;
  const draft = waiting.find((each) => each.number === shown);
  return (
    <>
      <h2>{t("drafts")}</h2>
      <Table
        label={t("drafts")}
        sortKey="drafts"
        rows={waiting}
        rowKey={(row) => row.number}
        columns={[
          { key: "revision", header: t("revision"), primary: true, cell: (row) => row.number },
          { key: "author", header: t("author"), cell: (row) => row.author, sort: (row) => row.author },
          { key: "expires", header: t("expires"), cell: (row) => <time>{dateTime(milliseconds(row.expires))}</time>, sort: (row) => row.expires },
          { key: "approvals", header: t("approvals"), cell: (row) => row.approvals.map((each) => each.by).join(", ") || t("missing", { n: row.missing }) },
          { key: "comment", header: t("comment"), cell: (row) => row.comment },
          {
            key: "actions",
            header: t("actions"),
            cell: (row) => (
              <button type="button" className="button small" onClick={() => setShown(row.number)} aria-label={`${t("review")} ${row.number}`}>
                {t("review")}
              </button>
            ),
          },
        ]}
      />
      {draft !== undefined && (
        <Drawer title={t("draftOf", { revision: draft.number, author: draft.author })} onClose={() => setShown("")}>
          <Review draft={draft} required={answer.required} onDone={() => setShown("")} />
        </Drawer>
      )}
    </>
  );
}

function Review({ draft, required, onDone }: { draft: Draft; required: number; onDone: () => void }) {
  const path = `/api/v1/policies/${encodeURIComponent(draft.number)}`;
  const asked = useApi<DifferenceAnswer>(`${path}/diff`, {}, { ranged: false });
  const session = useSession();
  const [why, setWhy] = useState("");
  const own = blocked(draft, required, session?.name);
  return (
    <Answered query={asked}>
      {(body) => (
        <>
          <p className="quiet">
            {ago(milliseconds(draft.created))} · {t("missing", { n: draft.missing })} {draft.comment}
          </p>
          <pre className="config" tabIndex={0} aria-label={t("difference", { revision: body.against })}>
            {body.lines.length === 0
              ? t("changesNothing", { revision: body.against })
              : body.lines.map((line, at) => (
                  <span key={at} className={`diff-${lineTone(line)}`}>
                    {line}
                    {"\n"}
                  </span>
                ))}
          </pre>
          <p className="incident-actions">
            <ActButton
              label={t("approve")}
              tone="primary"
              question={t(draft.missing <= 1 ? "approveQuestion" : "approveOneOf")}
              blocked={own ? t("ownDraft") : undefined}
              act={() => send(`${path}/approve?against=${encodeURIComponent(body.against)}`, {})}
              changes={CHANGES}
              onDone={onDone}
            />
            <input value={why} onChange={(event) => setWhy(event.target.value)} aria-label={t("reason")} placeholder={t("reason")} maxLength={500} />
            <ActButton
              label={t("reject")}
              tone="danger"
              blocked={why.trim() === "" ? t("sayWhy") : undefined}
              act={() => send(`${path}/reject?why=${encodeURIComponent(why)}`, {})}
              changes={CHANGES}
              onDone={onDone}
            />
          </p>
        </>
      )}
    </Answered>
  );
}
