import { Link } from "@tanstack/react-router";

import { send } from "../../api/client";
import type { IncidentSummary } from "../../api/numbers";
import { ActButton } from "../../shared/ActButton";
import { Badge } from "../../shared/Badge";
import { t } from "./strings";

const CHANGES = ["/api/v1/find", "/api/v1/healing", "/api/v1/incidents"];

/** What a person may do to the incident as it stands. */
export function Actions({ incident, small = false }: { incident: IncidentSummary; small?: boolean }) {
  const act = (name: string, body: object = {}) => () => send(`/api/v1/incidents/${encodeURIComponent(incident.id)}/${name}`, body);
  const { acknowledged_by: acknowledged, open } = incident;
  return (
    <div className="incident-actions">
      {incident.can_approve && (
        <>
          <ActButton small={small} label={t("approve")} tone="primary" question={t("approveQuestion")} act={act("decision", { decision: "approve" })} changes={CHANGES} />
          <ActButton small={small} label={t("deny")} tone="danger" question={t("denyQuestion")} act={act("decision", { decision: "deny" })} changes={CHANGES} />
        </>
      )}
      {acknowledged ? (
        <Badge tone="accent">{t("acknowledged", { who: acknowledged })}</Badge>
      ) : (
        open && <ActButton small={small} label={t("acknowledge")} act={act("acknowledge")} changes={CHANGES} />
      )}
      {incident.can_release && <ActButton small={small} label={t("release")} question={t("releaseQuestion")} act={act("release")} changes={CHANGES} />}
      {!open && incident.source === "alert" && (
        <ActButton small={small} label={t("rerun")} question={t("rerunQuestion")} act={act("rerun", { fingerprint: incident.fingerprint })} changes={CHANGES} />
      )}
      {incident.source === "alert" && (
        <Link to="/alerts/$fingerprint" params={{ fingerprint: incident.fingerprint }}>
          {t("silence")}
        </Link>
      )}
    </div>
  );
}
