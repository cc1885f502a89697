// What a release rests on, as the server tells it: conditions, checks, requests, reproductions.
import { queryOptions } from "@tanstack/react-query";
import { call, query } from "./client";
import type { ModelVersion, Page } from "./types";

const enc = encodeURIComponent;

export interface Condition {
  condition: string;
  ok: boolean;
  detail: string;
  reason?: string;
}

/** What a comparison found, of a whole check and of one slice. */
export interface Compared {
  value?: number | null;
  champion_value?: number;
  difference?: number;
  lower?: number;
  upper?: number;
  p?: number;
  n?: number;
}

export interface CheckSlice extends Compared {
  slice: string;
  state: string;
}

export interface CheckFile {
  role: string;
  dataset: string;
  version: number;
  digest: string;
}

export interface CheckWaiver {
  uid: string;
  reason: string;
  actor: string;
  expires_ms: number;
  in_force: boolean;
}

export interface CheckSignature {
  keyid: string;
  payload_type: string;
  digest: string; // Of the envelope.
  verified: boolean; // By the server.
  reason?: string;
  envelope_url: string;
}

export interface ReleaseCheck extends Compared {
  name: string;
  kind: string;
  threshold?: number;
  champion_version?: number;
  test?: string;
  alpha?: number;
  slice_alpha?: number; // Of each slice.
  passed: boolean;
  detail: string;
  slices?: CheckSlice[];
  files?: CheckFile[];
  waiver?: CheckWaiver;
  signature?: CheckSignature;
}

export const kActions = ["request", "approve", "reject", "cancel", "promote", "rollback"] as const;
export type ActionName = (typeof kActions)[number];

/** What the caller may do next, as the server says. */
export interface Action {
  action: ActionName;
  to: string;
  allowed: boolean;
  detail: string;
  reason?: string; // Why not.
  who?: string[]; // Who could instead.
  back_to?: number; // Of a rollback.
}

export interface VersionDetail extends ModelVersion {
  actions: Action[];
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
  actions: Action[];
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

export const version_query = (project: string, name: string, version: number) =>
  queryOptions({
    queryKey: [project, "models", name, "version", version],
    queryFn: ({ signal }) =>
      call<VersionDetail>(project, `/models/${enc(name)}/versions/${version}`, { signal }),
  });

export interface Policy {
  target: string;
  approvals: number;
  approvers: string[];
  gate: boolean;
  rollback_plan: boolean;
  review: boolean;
  is_default: boolean;
}

/** A version held a stage or an alias, or a policy was in force. */
export interface TimelineSpan {
  kind: "stage" | "alias" | "policy";
  n: number;
  target: string;
  version?: number; // Not of a policy.
  policy?: Policy;
  from_ms: number;
  from_known: boolean; // False: it began at some time from then on.
  to_ms?: number;
  actor?: string;
  reason?: string;
}

const kTimelinePage = 200;
export const kTimelineMax = 1_000;

/** Newest first; with `at_ms` what was so at that moment. */
export const timeline_query = (project: string, name: string, at_ms?: number) =>
  queryOptions({
    queryKey: [project, "models", name, "timeline", at_ms ?? ""],
    queryFn: async ({ signal }) => {
      const spans: TimelineSpan[] = [];
      let page_token: string | undefined;
      do {
        const page = await call<Page<TimelineSpan>>(
          project,
          `/models/${enc(name)}/timeline${query({ at: at_ms, limit: kTimelinePage, page_token })}`,
          { signal },
        );
        spans.push(...page.items);
        page_token = page.next_page_token || undefined;
      } while (page_token && spans.length < kTimelineMax);
      return { spans, more: page_token !== undefined };
    },
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
