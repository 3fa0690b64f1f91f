import { send } from "../../api/client";
import { useApi } from "../../api/queries";
import { ActButton } from "../../shared/ActButton";
import { Badge } from "../../shared/Badge";
import { ago, dateTime } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { matchersText } from "./matchers";
import type { GettableSilence } from "./model";
import { draftOf, type Draft } from "./SilenceDrawer";
import { t } from "./strings";

/** Silences: active ones first, as the API sorts them. */
export function Silences({ edit }: { edit: (draft: Draft) => void }) {
  const asked = useApi<GettableSilence[]>("/api/v2/silences", {}, { ranged: false });
  const columns: Column<GettableSilence>[] = [
    {
      key: "state",
      header: t("state"),
      cell: (silence) => (
        <Badge tone={silence.status.state === "active" ? "accent" : "plain"}>{t(silence.status.state)}</Badge>
      ),
    },
    { key: "matchers", header: t("matchers"), primary: true, cell: (silence) => <code>{matchersText(silence.matchers)}</code> },
    { key: "comment", header: t("comment"), cell: (silence) => silence.comment },
    { key: "by", header: t("by"), cell: (silence) => silence.createdBy, sort: (silence) => silence.createdBy },
    {
      key: "ends",
      header: t("ends"),
      cell: (silence) => <time title={dateTime(Date.parse(silence.endsAt))}>{ago(Date.parse(silence.endsAt))}</time>,
      sort: (silence) => silence.endsAt,
    },
    {
      key: "actions",
      header: t("actions"),
      cell: (silence) => (
        <span className="row-actions">
          <button type="button" className="button small" onClick={() => edit(draftOf(silence, Date.now()))}>
            {t("edit")}
          </button>
          {silence.status.state !== "expired" && (
            <ActButton
              small
              label={t("expire")}
              tone="danger"
              question={t("expireQuestion")}
              act={() => send(`/api/v2/silence/${encodeURIComponent(silence.id)}`, undefined, "DELETE")}
              changes={["/api/v2/"]}
            />
          )}
        </span>
      ),
    },
  ];
  return (
    <>
      <p>
        <button type="button" className="button" onClick={() => edit({ id: "", matchers: [{ name: "", value: "", isEqual: true, isRegex: false }], comment: "", minutes: 120 })}>
          {t("newSilence")}
        </button>
      </p>
      <Answered query={asked}>
        {(silences) =>
          silences.length === 0 ? (
            <EmptyState title={t("noneSilences")} />
          ) : (
            <Table label={t("silences")} columns={columns} rows={silences} rowKey={(silence) => silence.id} />
          )
        }
      </Answered>
    </>
  );
}
