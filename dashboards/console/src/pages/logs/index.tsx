import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function LogsPage() {
  return (
    <Page title={t("logs")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
