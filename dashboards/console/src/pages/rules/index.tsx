import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function RulesPage() {
  return (
    <Page title={t("rules")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
