import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function HomePage() {
  return (
    <Page title={t("home")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
