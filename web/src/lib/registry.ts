// What the registry's rules allow next, said before the server has to say no.
import type { ModelDetail, ModelVersion, StageSpan } from "../api/types";

export interface Allowed {
  ok: boolean;
  why: string; // Why not; "" when ok.
}

const yes: Allowed = { ok: true, why: "" };
const no = (why: string): Allowed => ({ ok: false, why });

/** The newest decision of each actor, in the order in which they were taken. */
export function standing_approvals(version: ModelVersion): ModelVersion["approvals"] {
  const newest = new Map<string, ModelVersion["approvals"][number]>();
  for (const approval of [...version.approvals].sort((a, b) => a.created_ms - b.created_ms)) {
    newest.delete(approval.actor);
    newest.set(approval.actor, approval);
  }
  return [...newest.values()];
}

export function is_approved(version: ModelVersion): boolean {
  const standing = standing_approvals(version);
  return (
    standing.some((a) => a.decision === "approved") &&
    standing.every((a) => a.decision !== "rejected")
  );
}

export function may_promote(version: ModelVersion): Allowed {
  if (version.stage === "Production") return no("Already in production");
  if (!version.gate) return no("Its gate hasn't run");
  if (!version.gate.passed) {
    const failed = version.gate.checks.filter((c) => !c.passed).map((c) => c.name);
    return no(`Its gate failed: ${failed.join(", ")}`);
  }
  if (!is_approved(version)) return no("Needs the approval of a second person");
  return yes;
}

export function may_approve(version: ModelVersion, actor: string | undefined): Allowed {
  if (version.stage === "Production") return no("Already in production");
  if (actor !== undefined && actor === version.created_by)
    return no("You registered it: somebody else decides");
  const own = standing_approvals(version).find((a) => a.actor === actor);
  if (own?.decision === "approved") return no("You approved it");
  return yes;
}

/**
 * The span that a rollback would bring back. Where the server says which (`back_n`) that chain is
 * followed, past versions equal to the current one; else it is the last holder before this one.
 */
export function previous_holder(history: readonly StageSpan[]): StageSpan | null {
  const held = history
    .filter((span) => span.stage === "Production")
    .sort((a, b) => (a.n ?? a.from_ms) - (b.n ?? b.from_ms));
  const now = held.findLast((span) => !span.to_ms) ?? held.at(-1);
  if (!now) return null;
  if (now.back_n !== undefined) {
    let at = held.find((span) => span.n === now.back_n);
    while (at && at.version === now.version) {
      const next: number | undefined = at.back_n;
      at = held.find((span) => span.n === next);
    }
    return at ?? null;
  }
  return held.slice(0, held.indexOf(now)).findLast((span) => span.version !== now.version) ?? null;
}

export function waiting_for_approval(model: ModelDetail): ModelVersion[] {
  const live = model.stages.Production ?? 0;
  return model.versions.filter(
    (v) =>
      v.version > live &&
      (v.stage === "None" || v.stage === "Staging") &&
      v.gate?.passed === true &&
      v.approvals.length === 0,
  );
}

export interface Bar {
  version: number;
  x0: number; // 0…1 of the drawn range.
  x1: number;
  open: boolean;
  span: StageSpan;
}

/** Production spans laid out on [first start, now]. */
export function production_bars(history: readonly StageSpan[], now_ms: number): Bar[] {
  const spans = history
    .filter((s) => s.stage === "Production")
    .sort((a, b) => a.from_ms - b.from_ms);
  const first = spans[0]?.from_ms;
  if (first === undefined) return [];
  const last = Math.max(now_ms, ...spans.map((s) => s.to_ms ?? s.from_ms));
  const width = Math.max(1, last - first);
  return spans.map((span) => ({
    version: span.version,
    x0: (span.from_ms - first) / width,
    x1: ((span.to_ms ?? last) - first) / width,
    open: !span.to_ms,
    span,
  }));
}
