// What a release rests on, as the server tells it: conditions, checks, requests, reproductions.
import { queryOptions } from "@tanstack/react-query";
import { call, query } from "./client";
import type { Page } from "./types";

const enc = encodeURIComponent;

export interface Condition {
  condition: string;
  ok: boolean;
  detail: string;
  reason?: string;
}

export interface ReleaseCheck {
  kind: string;
  passed: boolean;
  detail: string;
  evidence?: unknown;
  waiver?: { uid: string; reason: string; actor: string; expires_ms: number };
}

export interface RequestApproval {
  actor: string;
  decision: "approved" | "rejected";
  comment: string;
  created_ms: number;
  binding: string;
  digest: string;
  void: boolean;
  voided_ms?: number;
}

export interface ReleaseRequest {
  uid: string;
  model: string;
  version: number;
  to: string;
  state: string;
  requester: string;
  comment: string;
  created_ms: number;
  expires_ms: number;
  closed_by?: string;
  closed_reason?: string;
  rollback_plan?: {
    version: number;
    digest: string;
    owner: string;
    valid: boolean;
    detail: string;
    checked_ms: number;
  };
  approvals: RequestApproval[];
}

export const kRequestStates = ["open", "applied", "rejected", "cancelled", "expired"] as const;
export type RequestState = (typeof kRequestStates)[number];
export const kWhose = ["waiting", "mine", "all"] as const;
export type Whose = (typeof kWhose)[number];

export interface ListedRequest extends ReleaseRequest {
  state: RequestState;
  approvals_count: number; // That count.
  approvals_needed?: number; // Of an open one.
}

const kInboxPage = 50;

// Under "models", so that whatever happens to a model refreshes it.
export const inbox_query = (
  project: string,
  whose: Whose,
  state: RequestState | undefined,
  after: string | undefined,
) =>
  queryOptions({
    queryKey: [project, "models", "", "requests", whose, state ?? "", after ?? ""],
    queryFn: ({ signal }) =>
      call<Page<ListedRequest>>(
        project,
        `/requests${query({ whose, state, limit: kInboxPage, page_token: after })}`,
        { signal },
      ),
  });

export interface Explanation {
  to: string;
  ready: boolean;
  approvals: number;
  conditions: Condition[];
  checks: ReleaseCheck[];
}

export const explain_query = (project: string, name: string, version: number, to: string) =>
  queryOptions({
    queryKey: [project, "models", name, "explain", version, to],
    queryFn: ({ signal }) =>
      call<Explanation>(project, `/models/${enc(name)}/versions/${version}/explain?to=${enc(to)}`, {
        signal,
      }),
  });

export const requests_query = (project: string, name: string, version: number) =>
  queryOptions({
    queryKey: [project, "models", name, "requests", version],
    queryFn: async ({ signal }) =>
      (
        await call<Page<ReleaseRequest>>(
          project,
          `/models/${enc(name)}/requests?version=${version}`,
          { signal },
        )
      ).items,
  });

export interface Reproduction {
  uid: string;
  run_id: string;
  again_run_id: string;
  verdict: string;
  same_status: boolean;
  environment: string;
  outputs: { path: string; was: string; now: string; same: boolean }[];
  metrics: { key: string; was: number | null; now: number | null; same: boolean }[];
  actor: string;
  created_ms: number;
}

export const reproductions_query = (project: string, run_id: string, after: string) =>
  queryOptions({
    queryKey: [project, "runs", run_id, "reproductions", after],
    queryFn: ({ signal }) =>
      call<Page<Reproduction>>(
        project,
        `/runs/${enc(run_id)}/reproductions${after ? `?page_token=${enc(after)}` : ""}`,
        { signal },
      ),
  });
