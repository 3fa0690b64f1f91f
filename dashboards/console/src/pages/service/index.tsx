import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function ServicePage() {
  return (
    <Page title={t("service")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
