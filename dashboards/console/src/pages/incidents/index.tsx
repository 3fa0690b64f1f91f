import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function IncidentsPage() {
  return (
    <Page title={t("incidents")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
