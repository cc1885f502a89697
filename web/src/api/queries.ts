// One row per thing the console reads. Keys are the keys that the server's invalidate events name.
import { queryOptions } from "@tanstack/react-query";
import { ApiError, call, query } from "./client";
import type {
  Alert,
  DatasetSummary,
  DatasetVersion,
  Deployment,
  DriftWindow,
  LedgerEvent,
  ModelDetail,
  ModelSummary,
  Page,
  Performance,
  ServerStatus,
  WhoAmI,
} from "./types";

const enc = encodeURIComponent;

/** A thing that isn't there yet (no monitor, no history) is an empty answer, not a broken page. */
async function or_empty<T>(answer: Promise<T>, empty: T): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return empty;
    throw error;
  }
}

/** Follows page tokens up to `max` items, so that a list never hides what a second page holds. */
export async function all<T>(
  project: string,
  path: string,
  signal: AbortSignal,
  max = 1000,
): Promise<T[]> {
  const items: T[] = [];
  let page_token: string | undefined;
  do {
    const join = path.includes("?") ? "&" : "?";
    const tail = query({ limit: 200, page_token }).slice(1);
    const page = await call<Page<T>>(project, `${path}${join}${tail}`, { signal });
    items.push(...page.items);
    page_token = page.next_page_token || undefined;
  } while (page_token && items.length < max);
  return items;
}

export const kCounterPoll_ms = 2_000;

export const models_query = (project: string) =>
  queryOptions({
    queryKey: [project, "models"],
    queryFn: ({ signal }) => all<ModelSummary>(project, "/models", signal),
  });

export const model_query = (project: string, name: string) =>
  queryOptions({
    queryKey: [project, "models", name],
    queryFn: ({ signal }) => call<ModelDetail>(project, `/models/${enc(name)}`, { signal }),
  });

export const deployments_query = (project: string) =>
  queryOptions({
    queryKey: [project, "deployments"],
    queryFn: ({ signal }) => all<Deployment>(project, "/deployments", signal),
    refetchInterval: kCounterPoll_ms,
  });

// Request counters aren't ledger events, so the split is asked for while somebody looks at it.
export const deployment_query = (project: string, name: string) =>
  queryOptions({
    queryKey: [project, "deployments", name],
    queryFn: ({ signal }) => call<Deployment>(project, `/deployments/${enc(name)}`, { signal }),
    refetchInterval: kCounterPoll_ms,
  });

export const drift_query = (project: string, name: string) =>
  queryOptions({
    queryKey: [project, "deployments", name, "drift"],
    queryFn: ({ signal }) =>
      or_empty(
        call<Page<DriftWindow>>(project, `/deployments/${enc(name)}/drift?limit=500`, { signal }),
        { items: [] },
      ),
    refetchInterval: kCounterPoll_ms * 2,
  });

export const performance_query = (project: string, name: string) =>
  queryOptions({
    queryKey: [project, "deployments", name, "performance"],
    queryFn: ({ signal }) =>
      or_empty(call<Performance>(project, `/deployments/${enc(name)}/performance`, { signal }), {
        items: [],
      }),
    refetchInterval: kCounterPoll_ms * 2,
  });

export const alerts_query = (project: string, deployment?: string) =>
  queryOptions({
    queryKey: [project, "alerts", deployment ?? ""],
    queryFn: ({ signal }) =>
      or_empty(all<Alert>(project, `/alerts${query({ deployment })}`, signal, 200), []),
  });

export const datasets_query = (project: string) =>
  queryOptions({
    queryKey: [project, "datasets"],
    queryFn: ({ signal }) => all<DatasetSummary>(project, "/datasets", signal),
  });

export const dataset_versions_query = (project: string, name: string) =>
  queryOptions({
    queryKey: [project, "datasets", name],
    queryFn: ({ signal }) =>
      all<DatasetVersion>(project, `/datasets/${enc(name)}/versions`, signal),
  });

export interface LedgerFilter {
  verb?: string;
  uid?: string;
  before?: number;
}

export const kLedgerPage = 50;

export const ledger_query = (project: string, filter: LedgerFilter, limit = kLedgerPage) =>
  queryOptions({
    queryKey: [project, "ledger", filter, limit],
    queryFn: ({ signal }) =>
      call<Page<LedgerEvent>>(
        project,
        `/ledger${query({ order: "desc", limit, verb: filter.verb, uid: filter.uid, before: filter.before })}`,
        { signal },
      ),
  });

export const status_query = (project: string) =>
  queryOptions({
    queryKey: [project, "status"],
    queryFn: ({ signal }) => call<ServerStatus>(project, "/status", { signal }),
    refetchInterval: 10_000,
  });

export const whoami_query = (project: string) =>
  queryOptions({
    queryKey: [project, "whoami"],
    queryFn: ({ signal }) => call<WhoAmI>(project, "/whoami", { signal }),
    staleTime: 60_000,
  });
