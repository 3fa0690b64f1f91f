import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect, retainSearchParams } from "@tanstack/react-router";

import { parseSearch, stringifySearch, type Search } from "./shell/search";
import { NotFound, PageError, PagePending } from "./shell/fallbacks";
import { Shell } from "./shell/Shell";

/** What every address may have beside the page's own keys, and what goes along on every link. */
const SHELL_KEYS = ["from", "to", "env"];

const rootRoute = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: PageError,
  validateSearch: (search: Record<string, unknown>): Search => search as Search,
  search: { middlewares: [retainSearchParams(SHELL_KEYS)] },
});

type Module = { default: () => React.ReactNode };

function page<P extends string>(path: P, load: () => Promise<Module>) {
  return createRoute({ getParentRoute: () => rootRoute, path, component: lazyRouteComponent(load) });
}

function moved<P extends string>(path: P, to: "/" | "/incidents") {
  return createRoute({
    getParentRoute: () => rootRoute,
    path,
    beforeLoad: () => {
      throw redirect({ to, replace: true });
    },
  });
}

// A service's name may have a slash (namespace/name): it is the rest of the path.
const routeTree = rootRoute.addChildren([
  page("/", () => import("./pages/home")),
  page("/services/", () => import("./pages/services")),
  page("/services/$", () => import("./pages/service")),
  page("/map", () => import("./pages/map")),
  page("/traces", () => import("./pages/traces")),
  page("/traces/$trace", () => import("./pages/trace")),
  page("/logs", () => import("./pages/logs")),
  // `/metrics` is where a Prometheus reads this process's own.
  page("/explore", () => import("./pages/metrics")),
  page("/incidents", () => import("./pages/incidents")),
  page("/incidents/$incident", () => import("./pages/incident")),
  page("/alerts", () => import("./pages/alerts")),
  page("/alerts/$fingerprint", () => import("./pages/alert")),
  page("/rules", () => import("./pages/rules")),
  page("/fleet", () => import("./pages/fleet")),
  page("/system", () => import("./pages/system")),
  // Addresses of an older console, which stand in notifications that were sent.
  moved("/anomalies", "/"),
  moved("/repairs", "/incidents"),
]);

export const router = createRouter({
  routeTree,
  basepath: new URL(document.baseURI).pathname,
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  defaultPendingMs: 150,
  defaultPendingComponent: PagePending,
  defaultErrorComponent: PageError,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
