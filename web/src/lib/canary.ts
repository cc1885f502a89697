// A canary's verdict in a sentence, and its evidence as a position between nothing and the threshold.
import type { Canary } from "../api/types";
import { integer, quantity } from "./format";

/** What a deployment follows, in words; null when it stays on one version. */
export function follows(target: string | undefined): string | null {
  if (target?.startsWith("@")) return target;
  if (target?.startsWith("stage:")) return target.slice("stage:".length);
  return null;
}

/** log e against log threshold, 0…1: an e-value of 1 says nothing, the threshold decides. */
export function evidence_position(e_value: number | null, threshold: number): number {
  if (e_value === null || !(threshold > 1)) return 0;
  if (e_value === Number.POSITIVE_INFINITY) return 1;
  if (!(e_value > 1)) return 0;
  return Math.min(1, Math.log(e_value) / Math.log(threshold));
}

export function canary_sentence(canary: Canary): string {
  const verdict = canary.verdict;
  const who = canary.version === undefined ? "" : ` v${canary.version}`;
  const evidence = verdict
    ? `e-value ${quantity(verdict.e_value)} of ${quantity(verdict.threshold)} after ${integer(verdict.n)} labelled answers`
    : "";
  if (canary.state === "rolled_back") {
    return verdict ? `Rolled back${who}: ${evidence}.` : `Rolled back${who} by hand.`;
  }
  if (canary.state === "promoted") {
    return verdict ? `Promoted${who}; ${evidence}.` : `Promoted${who}.`;
  }
  if (!verdict) {
    return canary.guard
      ? `Running${who}: taken back by itself once its errors give an e-value of ${quantity(1 / canary.guard.alpha)}.`
      : `Running${who}, without a guard.`;
  }
  if (verdict.n === 0) return `Running${who}: no labels have joined yet, so nothing is known.`;
  return `Running${who}: ${evidence}; not enough to call the canary worse.`;
}
