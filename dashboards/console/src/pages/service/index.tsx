import { Link, useParams } from "@tanstack/react-router";

import type { ServiceAnswer } from "../../api/numbers";
import { milliseconds } from "../../api/client";
import { useApi } from "../../api/queries";
import { ago, count, duration, percent, rate } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Tabs } from "../../shared/Tabs";
import { Page } from "../../shell/Page";
import { usePageSearch, type Search } from "../../shell/search";
import { now } from "../../shell/serverClock";
import { Anomalies } from "./Anomalies";
import { Dependencies } from "./Dependencies";
import { Errors } from "./Errors";
import { Instances } from "./Instances";
import { Logs } from "./Logs";
import { Operations } from "./Operations";
import { Overview } from "./Overview";
import { ofService } from "./query";
import { Repairs } from "./Repairs";
import { Slos } from "./Slos";
import { t } from "./strings";
import "./service.css";

const TABS = ["overview", "operations", "dependencies", "instances", "errors", "logs", "anomalies", "repairs", "slos"] as const;
type Tab = (typeof TABS)[number];

const parse = (search: Search): Tab => TABS.find((tab) => tab === search.tab) ?? "overview";

/** One service: how it does, what it offers and calls, what failed, what was found and done. */
export default function ServicePage() {
  const { _splat: name = "" } = useParams({ strict: false });
  const [tab, change] = usePageSearch(parse);
  const query = useApi<ServiceAnswer>(`/api/v1/services/${encodeURIComponent(name).replaceAll("%2F", "/")}`);
  if (query.error?.status === 404) {
    return (
      <Page title={name}>
        <EmptyState title={t("notFound", { name })}>
          <p>{t("notFoundText")}</p>
          <Link className="button" to="/services">
            {t("toServices")}
          </Link>
        </EmptyState>
      </Page>
    );
  }
  return (
    <Page
      title={name}
      aside={
        <nav className="row" aria-label={name}>
          <Link to="/traces" search={{ q: ofService(name) }}>
            {t("tracesOf")}
          </Link>
          <Link to="/map" search={{ focus: name }}>
            {t("mapOf")}
          </Link>
          <Link to="/explore">{t("metricsOf")}</Link>
        </nav>
      }
    >
      <Answered query={query} lines={10}>
        {(service) => (
          <>
            <Health service={service} />
            <Tabs label={t("tabs")} tabs={TABS.map((key) => ({ key, text: t(key) }))} value={tab} onChange={(key) => change({ tab: key })}>
              {tab === "overview" && <Overview service={service} />}
              {tab === "operations" && <Operations service={service} />}
              {tab === "dependencies" && <Dependencies service={service} />}
              {tab === "instances" && <Instances service={service} />}
              {tab === "errors" && <Errors service={service} />}
              {tab === "logs" && <Logs name={name} />}
              {tab === "anomalies" && <Anomalies name={name} />}
              {tab === "repairs" && <Repairs name={name} />}
              {tab === "slos" && <Slos name={name} />}
            </Tabs>
          </>
        )}
      </Answered>
    </Page>
  );
}

function Health({ service }: { service: ServiceAnswer }) {
  const { stats } = service;
  const said =
    stats.calls > 0
      ? t("health", { rate: rate(stats.rate), errors: percent(stats.error_rate), p95: duration(stats.p95) })
      : t("noCalls", { spans: count(service.spans) });
  return (
    <p>
      {said}
      {service.last_seen !== null && <span className="quiet"> · {t("lastSeen", { time: ago(milliseconds(service.last_seen), now()) })}</span>}
    </p>
  );
}
