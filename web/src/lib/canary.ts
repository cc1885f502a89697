// A canary's verdict in a sentence, and its evidence as a position between nothing and the threshold.
import type { Canary } from "../api/types";
import { integer, quantity } from "./format";

/** log e against log threshold, 0…1: an e-value of 1 says nothing, the threshold decides. */
export function evidence_position(e_value: number | null, threshold: number): number {
  if (e_value === null || !(threshold > 1)) return 0;
  if (e_value === Number.POSITIVE_INFINITY) return 1;
  if (!(e_value > 1)) return 0;
  return Math.min(1, Math.log(e_value) / Math.log(threshold));
}

export function canary_sentence(canary: Canary): string {
  const verdict = canary.verdict;
  const evidence = verdict
    ? `e-value ${quantity(verdict.e_value)} of ${quantity(verdict.threshold)} after ${integer(verdict.n)} labelled answers`
    : "";
  if (canary.state === "rolled_back") {
    return verdict ? `Rolled back: ${evidence}.` : "Rolled back before any evidence was needed.";
  }
  if (canary.state === "promoted") return verdict ? `Promoted; ${evidence}.` : "Promoted.";
  if (!verdict || verdict.n === 0)
    return "Running: no labels have joined yet, so nothing is known.";
  return `Running: ${evidence}; not enough to call the canary worse.`;
}
