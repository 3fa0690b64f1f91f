import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function IncidentPage() {
  return (
    <Page title={t("incident")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
