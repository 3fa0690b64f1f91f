import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function FleetPage() {
  return (
    <Page title={t("fleet")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
