import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function SystemPage() {
  return (
    <Page title={t("system")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
