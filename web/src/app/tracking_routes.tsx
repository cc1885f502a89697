// Addresses of experiments, runs and their comparison; every setting of a view is a search param.
import { type AnyRoute, createRoute, lazyRouteComponent } from "@tanstack/react-router";

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== ""
    ? value
    : typeof value === "number"
      ? String(value)
      : undefined;
const flag = (value: unknown): 1 | undefined => (Number(value) === 1 ? 1 : undefined);
const within = (value: unknown, low: number, high: number): number | undefined => {
  const number = Number(value);
  return Number.isInteger(number) && number >= low && number <= high ? number : undefined;
};
const one_of = <T extends string>(value: unknown, known: readonly T[]): T | undefined =>
  known.find((k) => k === value);

export interface RunsSearch {
  filter?: string;
  order?: string;
  cols?: string; // Ids joined by commas, each percent-encoded.
  diff?: 1;
  sel?: string;
  nest?: 1; // Children below their parents.
  group?: string; // A column's id.
  buckets?: number; // Of a metric: about so many groups.
  gorder?: string; // "value ASC": of the groups.
  open?: string; // Keys of opened lines, as cols.
}

const kGroupOrders = ["value ASC", "value DESC", "runs ASC", "runs DESC"] as const;

const kAxes = ["step", "time", "relative"] as const;
const kTabs = ["curves", "parallel", "scatter", "table"] as const;

export interface CompareSearch {
  runs?: string;
  tab?: (typeof kTabs)[number];
  keys?: string; // As RunsSearch.cols, without the kind.
  x?: (typeof kAxes)[number];
  logx?: 1;
  logy?: 1;
  smooth?: number;
  band?: 0;
  zoom?: string; // "100..250": what is seen of the horizontal axis.
  axes?: string; // Parallel coordinates: column ids.
  log?: string; // Those of them that are logarithmic.
  brush?: string; // "metrics.loss:0.1..0.2" each, encoded as cols: only runs inside count.
  sx?: string;
  sy?: string;
  all?: 1; // Table: what is the same too.
}

export interface RunSearch {
  path?: string;
  x?: (typeof kAxes)[number];
  logy?: 1;
  zoom?: string;
}

export function tracking_routes<Parent extends AnyRoute>(parent: Parent) {
  return [
    createRoute({
      getParentRoute: () => parent,
      path: "experiments",
      component: lazyRouteComponent(() => import("../pages/experiments"), "Experiments"),
    }),
    createRoute({
      getParentRoute: () => parent,
      path: "experiments/$id",
      validateSearch: (s: Record<string, unknown>): RunsSearch => ({
        filter: text(s.filter),
        order: text(s.order),
        cols: text(s.cols),
        diff: flag(s.diff),
        sel: text(s.sel),
        nest: flag(s.nest),
        group: text(s.group),
        buckets: within(s.buckets, 1, 100),
        gorder: one_of(s.gorder, kGroupOrders),
        open: text(s.open),
      }),
      component: lazyRouteComponent(() => import("../pages/experiment"), "ExperimentPage"),
    }),
    createRoute({
      getParentRoute: () => parent,
      path: "runs/$id",
      validateSearch: (s: Record<string, unknown>): RunSearch => ({
        path: text(s.path),
        x: one_of(s.x, kAxes),
        logy: flag(s.logy),
        zoom: text(s.zoom),
      }),
      component: lazyRouteComponent(() => import("../pages/run"), "RunPage"),
    }),
    createRoute({
      getParentRoute: () => parent,
      path: "compare",
      validateSearch: (s: Record<string, unknown>): CompareSearch => {
        const smooth = Number(s.smooth);
        return {
          runs: text(s.runs),
          tab: one_of(s.tab, kTabs),
          keys: text(s.keys),
          x: one_of(s.x, kAxes),
          logx: flag(s.logx),
          logy: flag(s.logy),
          smooth: smooth > 0 && smooth < 1 ? smooth : undefined,
          band: s.band === 0 || s.band === "0" ? 0 : undefined,
          zoom: text(s.zoom),
          axes: text(s.axes),
          log: text(s.log),
          brush: text(s.brush),
          sx: text(s.sx),
          sy: text(s.sy),
          all: flag(s.all),
        };
      },
      component: lazyRouteComponent(() => import("../pages/compare"), "Compare"),
    }),
  ] as const;
}
