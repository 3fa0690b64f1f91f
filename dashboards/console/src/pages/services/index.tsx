import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function ServicesPage() {
  return (
    <Page title={t("services")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
