// Features: their definitions with what is known of them, and one entity's values now or as of a
// moment.
import { queryOptions } from "@tanstack/react-query";
import {
  ApiError,
  api_url,
  auth_headers,
  base_path,
  call,
  idempotency_key,
  problem_of,
} from "./client";
import { all } from "./queries";

export interface Field {
  name: string;
  type: string;
}

export interface Spread {
  count: number;
  sum_s: number;
  max_us: number;
  p50_us?: number;
  p99_us?: number;
}

export interface Freshness {
  event_us: number; // 0: no event yet.
  received_us: number;
  visible_us: number;
  age_us?: number;
  sla_us?: number;
  within_sla?: boolean;
  lateness: Spread;
  lag: Spread;
  age_at_serve: Spread;
  served: Record<string, number>;
}

export interface Definition {
  kind: string;
  name: string;
  version: number;
  digest: string;
  created_ms: number;
  created_by: string;
  definition: {
    description?: string;
    owner?: string;
    ttl?: string;
    contract?: string;
    retention?: string;
    features?: unknown[];
    log?: { sample_by_key?: number };
    [key: string]: unknown;
  };
  features?: Field[]; // Of a view.
  join_keys?: Field[];
  source?: string;
  freshness?: Freshness;
  versions?: Definition[];
}

export interface Parity {
  service: string;
  holds: boolean;
  vectors: number;
  unsettled: number;
  redefined: number;
  values: number;
  equal: number;
  broken: number;
  features: {
    feature: string;
    view: string;
    values: number;
    equal: number;
    differ: Record<string, number>;
  }[];
}

export interface Value {
  feature: string;
  value: unknown;
  status: string | null;
  event_ms: number | null;
}

export const features_query = (project: string) =>
  queryOptions({
    queryKey: [project, "features"],
    queryFn: ({ signal }) => all<Definition>(project, "/features", signal),
  });

export const feature_query = (project: string, kind: string, name: string) =>
  queryOptions({
    queryKey: [project, "features", kind, name],
    queryFn: ({ signal }) =>
      call<Definition>(project, `/features/${kind}/${encodeURIComponent(name)}`, { signal }),
    refetchInterval: 5_000,
  });

/** Served vectors of the last hour, replayed. */
export const verify_service = (project: string, service: string) =>
  call<Parity>(project, `/feature-services/${encodeURIComponent(service)}/verify`, {
    method: "POST",
    body: { since: "1h", limit: 10_000 },
  });

async function post_text(url: string, body: string): Promise<string> {
  const headers = { ...auth_headers(), "Idempotency-Key": idempotency_key() };
  let response: Response;
  try {
    response = await fetch(url, { method: "POST", headers, body });
  } catch {
    throw new ApiError(0, "unreachable", "The server can't be reached", undefined, undefined);
  }
  if (!response.ok) throw await problem_of(response);
  return response.text();
}

type Keys = Record<string, string | number>;

interface OnlineReply {
  metadata: { feature_names: string[] };
  results: { values: unknown[]; statuses: string[]; event_timestamps: string[] }[];
}

/** As they are served now. */
export async function read_now(project: string, refs: string[], keys: Keys): Promise<Value[]> {
  const prefix = project === "default" ? "" : `/~${encodeURIComponent(project)}`;
  const entities = Object.fromEntries(Object.entries(keys).map(([k, v]) => [k, [v]]));
  const text = await post_text(
    `${base_path}${prefix}/get-online-features`,
    JSON.stringify({ entities, features: refs }),
  );
  const reply = JSON.parse(text) as OnlineReply;
  return reply.metadata.feature_names
    .map((feature, i) => {
      const at = reply.results[i]?.event_timestamps[0];
      const ms = at ? Date.parse(at) : 0;
      return {
        feature,
        value: reply.results[i]?.values[0] ?? null,
        status: reply.results[i]?.statuses[0] ?? null,
        event_ms: ms > 0 ? ms : null,
      };
    })
    .filter((v) => !(v.feature in keys));
}

/** As they could be served at a moment. */
export async function read_at(
  project: string,
  refs: string[],
  keys: Keys,
  at: string,
): Promise<Value[]> {
  const query = new URLSearchParams({
    format: "jsonl",
    out: "jsonl",
    mode: "as_known",
    features: refs.join(","),
  });
  const text = await post_text(
    api_url(project, `/features:join?${query}`),
    `${JSON.stringify({ ...keys, event_timestamp: at })}\n`,
  );
  const row = JSON.parse(text.split("\n")[0] ?? "{}") as Record<string, unknown>;
  return Object.entries(row)
    .filter(([name]) => !(name in keys) && name !== "event_timestamp")
    .map(([feature, value]) => ({ feature, value, status: null, event_ms: null }));
}
