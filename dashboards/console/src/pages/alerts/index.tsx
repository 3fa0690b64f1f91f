import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function AlertsPage() {
  return (
    <Page title={t("alerts")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
