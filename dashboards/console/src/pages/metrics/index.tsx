import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function MetricsPage() {
  return (
    <Page title={t("metrics")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
