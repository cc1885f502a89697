// The address space: /p/PROJECT/KIND/NAME, everything else about a view in typed search params.
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Navigate,
  redirect,
} from "@tanstack/react-router";
import { base_path } from "../api/client";
import { kRequestStates, kWhose, type RequestState, type Whose } from "../api/releases";
import { CrashPanel, NotFound, Shell } from "./shell";
import { tracking_routes } from "./tracking_routes";

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== ""
    ? value
    : typeof value === "number"
      ? String(value)
      : undefined;

const count = (value: unknown): number | undefined => {
  const n = Number(value);
  return value !== undefined && value !== "" && Number.isSafeInteger(n) && n >= 0 ? n : undefined;
};

const one_of = <T extends string>(value: unknown, known: readonly T[]): T | undefined =>
  known.find((k) => k === value);

const root = createRootRoute({ notFoundComponent: NotFound });

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/p/$project", params: { project: "default" }, replace: true });
  },
  component: () => <Navigate to="/p/$project" params={{ project: "default" }} />,
});

const project = createRoute({
  getParentRoute: () => root,
  path: "/p/$project",
  component: Shell,
  errorComponent: CrashPanel,
});

const overview = createRoute({
  getParentRoute: () => project,
  path: "/",
  component: lazyRouteComponent(() => import("../pages/overview"), "Overview"),
});

const models = createRoute({
  getParentRoute: () => project,
  path: "models",
  component: lazyRouteComponent(() => import("../pages/models"), "Models"),
});

const model = createRoute({
  getParentRoute: () => project,
  path: "models/$name",
  validateSearch: (search: Record<string, unknown>): { v?: number; at?: number } => ({
    v: count(search.v),
    at: count(search.at),
  }),
  component: lazyRouteComponent(() => import("../pages/model"), "Model"),
});

export interface ApprovalsSearch {
  whose?: Whose;
  state?: RequestState;
  after?: string;
}

const approvals = createRoute({
  getParentRoute: () => project,
  path: "approvals",
  validateSearch: (search: Record<string, unknown>): ApprovalsSearch => ({
    whose: one_of(search.whose, kWhose),
    state: one_of(search.state, kRequestStates),
    after: text(search.after),
  }),
  component: lazyRouteComponent(() => import("../pages/approvals"), "Approvals"),
});

const deployments = createRoute({
  getParentRoute: () => project,
  path: "deployments",
  component: lazyRouteComponent(() => import("../pages/deployments"), "Deployments"),
});

const kMeasures = ["psi", "js"] as const;
const kAxes = ["window", "time"] as const;
const kViews = ["chart", "table"] as const;

export interface DeploymentSearch {
  measure?: (typeof kMeasures)[number];
  axis?: (typeof kAxes)[number];
  view?: (typeof kViews)[number];
}

export interface LedgerSearch {
  verb?: string;
  uid?: string;
  before?: number;
  seq?: number;
}

const deployment = createRoute({
  getParentRoute: () => project,
  path: "deployments/$name",
  validateSearch: (search: Record<string, unknown>): DeploymentSearch => ({
    measure: one_of(search.measure, kMeasures),
    axis: one_of(search.axis, kAxes),
    view: one_of(search.view, kViews),
  }),
  component: lazyRouteComponent(() => import("../pages/deployment"), "DeploymentPage"),
});

const datasets = createRoute({
  getParentRoute: () => project,
  path: "datasets",
  component: lazyRouteComponent(() => import("../pages/datasets"), "Datasets"),
});

const dataset = createRoute({
  getParentRoute: () => project,
  path: "datasets/$name",
  validateSearch: (search: Record<string, unknown>): { v?: number } => ({ v: count(search.v) }),
  component: lazyRouteComponent(() => import("../pages/dataset"), "Dataset"),
});

const features = createRoute({
  getParentRoute: () => project,
  path: "features",
  component: lazyRouteComponent(() => import("../pages/features"), "Features"),
});

const feature = createRoute({
  getParentRoute: () => project,
  path: "features/$name",
  component: lazyRouteComponent(() => import("../pages/feature"), "Feature"),
});

const ledger = createRoute({
  getParentRoute: () => project,
  path: "ledger",
  validateSearch: (search: Record<string, unknown>): LedgerSearch => ({
    verb: text(search.verb),
    uid: text(search.uid),
    before: count(search.before),
    seq: count(search.seq),
  }),
  component: lazyRouteComponent(() => import("../pages/ledger"), "Ledger"),
});

const run_reproductions = createRoute({
  getParentRoute: () => project,
  path: "runs/$runId/reproductions",
  component: lazyRouteComponent(() => import("../pages/run_reproductions"), "RunReproductions"),
});

const tree = root.addChildren([
  home,
  project.addChildren([
    overview,
    ...tracking_routes(project),
    models,
    model,
    approvals,
    deployments,
    deployment,
    datasets,
    dataset,
    features,
    feature,
    ledger,
    run_reproductions,
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  basepath: base_path || "/",
  defaultPreload: "intent",
  defaultNotFoundComponent: NotFound,
  defaultErrorComponent: CrashPanel,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
