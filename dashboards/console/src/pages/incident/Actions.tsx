import { Link } from "@tanstack/react-router";

import { send } from "../../api/client";
import { ActButton } from "../../shared/ActButton";
import { Badge } from "../../shared/Badge";
import { canRelease, isOpen, type Incident } from "../incidents/model";
import type { AuditRecord } from "./audit";
import { t } from "./strings";

const CHANGES = ["/api/v1/find", "/api/v1/healing", "/api/v1/incidents"];

/** What a person may do to the incident as it stands. */
export function Actions({ incident, audit }: { incident: Incident; audit: readonly AuditRecord[] }) {
  const act = (name: string, body: object = {}) => () => send(`/api/v1/incidents/${encodeURIComponent(incident.id)}/${name}`, body);
  const acknowledged = audit.findLast((record) => record.event === "acknowledged");
  const open = isOpen(incident);
  return (
    <div className="incident-actions">
      {incident.state === "approving" && (
        <>
          <ActButton label={t("approve")} tone="primary" question={t("approveQuestion")} act={act("decision", { decision: "approve" })} changes={CHANGES} />
          <ActButton label={t("deny")} tone="danger" question={t("denyQuestion")} act={act("decision", { decision: "deny" })} changes={CHANGES} />
        </>
      )}
      {acknowledged !== undefined ? (
        <Badge tone="accent">{t("acknowledged", { who: String(acknowledged.data["who"]) })}</Badge>
      ) : (
        open && <ActButton label={t("acknowledge")} act={act("acknowledge")} changes={CHANGES} />
      )}
      {canRelease(incident) && <ActButton label={t("release")} question={t("releaseQuestion")} act={act("release")} changes={CHANGES} />}
      {!open && incident.source === "alert" && (
        <ActButton label={t("rerun")} question={t("rerunQuestion")} act={act("rerun", { fingerprint: incident.fingerprint })} changes={CHANGES} />
      )}
      {incident.source === "alert" && (
        <Link to="/alerts/$fingerprint" params={{ fingerprint: incident.fingerprint }}>
          {t("silence")}
        </Link>
      )}
    </div>
  );
}
