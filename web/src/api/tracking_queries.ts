// What the tracking pages read. Runs that are still running are asked again, because what a run logs
// reaches the ledger once a minute only.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { ApiError, api_url, auth_headers, call, problem_of, query } from "./client";
import type {
  ArtifactFile,
  CurveWire,
  Experiment,
  GroupPage,
  Reproduction,
  RunDetail,
  RunKeys,
  RunModelVersion,
  RunPage,
  RunRow,
} from "./tracking_types";
import type { Page } from "./types";

const enc = encodeURIComponent;
export const kRunPoll_ms = 3_000;
const kIdlePoll_ms = 15_000;
const kPagesFollowed = 3;
const kRowsAtOnce = 200;
const kGroupsAtOnce = 100;
const kExperimentsMax = 1_000;

/** Below the server's MLflow API, for what only that has a word for. */
async function mlflow<T>(project: string, path: string, signal?: AbortSignal, body?: unknown) {
  const url = api_url(project, "").replace(/\/api\/slipway\/v1$/, `/api/2.0/mlflow/${path}`);
  const response = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      Accept: "application/json",
      ...auth_headers(),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
  });
  if (!response.ok) throw await problem_of(response);
  return (await response.json()) as T;
}

export const experiments_query = (project: string) =>
  queryOptions({
    queryKey: [project, "experiments"],
    queryFn: async ({ signal }) => {
      const items: Experiment[] = [];
      let page_token: string | undefined;
      do {
        const tail = query({ limit: 200, page_token });
        const page = await call<Page<Experiment>>(project, `/experiments${tail}`, { signal });
        items.push(...page.items);
        page_token = page.next_page_token || undefined;
      } while (page_token && items.length < kExperimentsMax);
      return items;
    },
    refetchInterval: (q) => (q.state.data?.some((e) => e.running > 0) ? kRunPoll_ms * 2 : false),
  });

export const experiment_query = (project: string, id: string) =>
  queryOptions({
    queryKey: [project, "experiments", id],
    queryFn: ({ signal }) => call<Experiment>(project, `/experiments/${enc(id)}`, { signal }),
  });

export interface RunsAsked {
  experiment_ids: string[];
  filter: string;
  order_by: string[];
  nested?: true; // Tops of trees, and who has children.
  parent_id?: string; // Children of this run.
  group?: { by: string; id: string };
}

export interface GroupsAsked {
  experiment_ids: string[];
  filter: string;
  by: string;
  buckets?: number;
  order: string;
  metrics: string[];
}

export interface Chosen {
  metrics: string[];
  params: string[];
  tags: string[];
}

// Not of the family "runs": an event would ask anew for every page that was scrolled past.
export const run_rows_query = (project: string, asked: RunsAsked, chosen: Chosen) =>
  infiniteQueryOptions({
    queryKey: [project, "run-rows", asked, chosen],
    queryFn: ({ signal, pageParam }) =>
      call<RunPage>(project, "/runs/search", {
        method: "POST",
        body: {
          ...asked,
          ...chosen,
          limit: kRowsAtOnce,
          page_token: pageParam,
          count: pageParam === "",
        },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_page_token || undefined,
    placeholderData: keepPreviousData,
    retry: false,
    refetchInterval: (q) => {
      const pages = q.state.data?.pages ?? [];
      if (pages.length > kPagesFollowed) return false;
      const running = pages.some((p) => p.items.some((r) => r.status === "RUNNING"));
      return running ? kRunPoll_ms : kIdlePoll_ms;
    },
  });

export const run_groups_query = (project: string, asked: GroupsAsked) =>
  infiniteQueryOptions({
    queryKey: [project, "run-groups", asked],
    queryFn: ({ signal, pageParam }) =>
      call<GroupPage>(project, "/runs/groups", {
        method: "POST",
        body: { ...asked, limit: kGroupsAtOnce, page_token: pageParam },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_page_token || undefined,
    placeholderData: keepPreviousData,
    retry: false,
    refetchInterval: (q) =>
      (q.state.data?.pages.length ?? 0) > kPagesFollowed ? false : kIdlePoll_ms,
  });

/** The first pages of what one line of the table opens to. */
export const branch_query = (project: string, asked: RunsAsked, chosen: Chosen, pages: number) =>
  queryOptions({
    queryKey: [project, "run-branch", asked, chosen, pages],
    queryFn: async ({ signal }) => {
      const rows: RunRow[] = [];
      let page_token = "";
      let total = 0;
      for (let page = 0; page < pages; page++) {
        const got = await call<RunPage>(project, "/runs/search", {
          method: "POST",
          body: { ...asked, ...chosen, limit: kRowsAtOnce, page_token, count: page === 0 },
          signal,
        });
        rows.push(...got.items);
        total = got.total ?? total;
        page_token = got.next_page_token ?? "";
        if (!page_token) break;
      }
      return { rows, left: page_token ? Math.max(1, total - rows.length) : 0 };
    },
    retry: false,
    refetchInterval: (q) => {
      if (pages > kPagesFollowed) return false;
      const running = q.state.data?.rows.some((r) => r.status === "RUNNING");
      return running ? kRunPoll_ms : kIdlePoll_ms;
    },
  });

export const run_keys_query = (project: string, asked: RunsAsked) =>
  queryOptions({
    queryKey: [project, "runs", "keys", asked],
    queryFn: ({ signal }) =>
      call<RunKeys>(project, "/runs/columns", { method: "POST", body: asked, signal }),
    placeholderData: keepPreviousData,
    retry: false,
  });

export const run_query = (project: string, id: string) =>
  queryOptions({
    queryKey: [project, "runs", id],
    queryFn: ({ signal }) => call<RunDetail>(project, `/runs/${enc(id)}`, { signal }),
    refetchInterval: (q) => (q.state.data?.status === "RUNNING" ? kRunPoll_ms : false),
  });

export const run_list_query = (project: string, ids: string[]) =>
  queryOptions({
    queryKey: [project, "runs", "list", ids],
    queryFn: ({ signal }) =>
      Promise.all(ids.map((id) => call<RunDetail>(project, `/runs/${enc(id)}`, { signal }))),
    refetchInterval: (q) =>
      q.state.data?.some((r) => r.status === "RUNNING") ? kRunPoll_ms : false,
  });

export interface CurvesAsked {
  run_ids: string[];
  keys: string[];
  x: "step" | "time";
  points: number;
  from?: number; // Both counted.
  to?: number;
  relative?: true; // From and to count from each curve's own first x.
}

export const curves_query = (project: string, asked: CurvesAsked, live: boolean) =>
  queryOptions({
    queryKey: [project, "runs", "curves", asked],
    queryFn: async ({ signal }) => {
      if (asked.run_ids.length === 0 || asked.keys.length === 0) return [];
      const body = await call<{ items: CurveWire[] }>(project, "/curves", {
        method: "POST",
        body: asked,
        signal,
      });
      return body.items;
    },
    placeholderData: keepPreviousData,
    refetchInterval: live ? kRunPoll_ms : false,
  });

export const reproductions_query = (project: string, id: string) =>
  queryOptions({
    queryKey: [project, "runs", id, "reproductions"],
    queryFn: async ({ signal }) =>
      (await call<Page<Reproduction>>(project, `/runs/${enc(id)}/reproductions`, { signal })).items,
  });

export const artifacts_query = (project: string, id: string, path: string) =>
  queryOptions({
    queryKey: [project, "runs", id, "artifacts", path],
    queryFn: async ({ signal }) => {
      const tail = query({ run_id: id, path });
      try {
        const found = await mlflow<{ files?: ArtifactFile[] }>(
          project,
          `artifacts/list${tail}`,
          signal,
        );
        return found.files ?? [];
      } catch (error) {
        // A run whose files lie elsewhere, or that has none.
        if (error instanceof ApiError && error.status < 500) return [];
        throw error;
      }
    },
  });

export const run_models_query = (project: string, id: string) =>
  queryOptions({
    queryKey: [project, "models", "of-run", id],
    queryFn: async ({ signal }) => {
      const tail = query({ filter: `run_id='${id.replaceAll("'", "")}'`, max_results: 100 });
      const found = await mlflow<{ model_versions?: RunModelVersion[] }>(
        project,
        `model-versions/search${tail}`,
        signal,
      );
      return found.model_versions ?? [];
    },
  });

/** A named view is a tag of its experiment, so everybody who sees the runs sees it. */
export const kViewTag = "slipway.view.";

export const save_view = (project: string, experiment_id: string, name: string, search: string) =>
  mlflow(project, "experiments/set-experiment-tag", undefined, {
    experiment_id,
    key: kViewTag + name,
    value: search,
  });

export const drop_view = (project: string, experiment_id: string, name: string) =>
  mlflow(project, "experiments/delete-experiment-tag", undefined, {
    experiment_id,
    key: kViewTag + name,
  });
