import { send } from "../../api/client";
import { useApi } from "../../api/queries";
import { ActButton } from "../../shared/ActButton";
import { Badge } from "../../shared/Badge";
import type { Healing } from "./model";
import { t } from "./strings";

const CHANGES = ["/api/v1/healing", "/api/v1/incidents", "/api/v1/find"];

/** The stop switch of all repairs, and how it stands. `quiet`: nothing where it cannot be known here. */
export function StopSwitch({ quiet = false }: { quiet?: boolean }) {
  const asked = useApi<Healing>("/api/v1/healing", {}, { ranged: false });
  const healing = asked.data?.body;
  if (healing === undefined) {
    return asked.error && !quiet ? <p className="quiet">{t("switchUnknown", { reason: asked.error.message })}</p> : null;
  }
  const stopped = Object.entries(healing.environments).filter(([, who]) => who !== "");
  const all = stopped.length === Object.keys(healing.environments).length;
  const who = healing.stopped_by;
  return (
    <p className="switch">
      {stopped.length > 0 ? (
        <>
          <Badge tone="bad">{all ? t("stopped", { who }) : t("stoppedHere", { who, environments: stopped.map(([name]) => name).join(", ") })}</Badge>
          <ActButton
            label={t("resume")}
            question={t("resumeQuestion")}
            act={() => send("/api/v1/healing/resume", {})}
            changes={CHANGES}
          />
        </>
      ) : (
        <>
          <Badge tone="good">{t("running")}</Badge>
          <ActButton
            label={t("stop")}
            tone="danger"
            question={t("stopQuestion")}
            act={() => send("/api/v1/healing/stop", {})}
            changes={CHANGES}
          />
        </>
      )}
    </p>
  );
}
