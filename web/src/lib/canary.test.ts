import { expect, test } from "vitest";
import type { Canary } from "../api/types";
import { canary_sentence, evidence_position, follows } from "./canary";

test("evidence runs on a log scale from 1 to the threshold", () => {
  const rows: [number | null, number, number][] = [
    [null, 100, 0],
    [0, 100, 0],
    [1, 100, 0],
    [10, 100, 0.5],
    [100, 100, 1],
    [1e9, 100, 1],
    [Number.POSITIVE_INFINITY, 100, 1],
    [Number.NaN, 100, 0],
    [5, 1, 0],
  ];
  for (const [e, threshold, want] of rows)
    expect(evidence_position(e, threshold)).toBeCloseTo(want, 12);
});

test("every state has its sentence", () => {
  const verdict = { decision: "rollback", n: 64, e_value: 131.2, threshold: 100, reason: "" };
  const base = { started_ms: 0, version: 3 };
  const guard = { kind: "label_errors", alpha: 0.01 };
  const rows: [Canary, string][] = [
    [
      { ...base, state: "rolled_back", verdict },
      "Rolled back v3: e-value 131 of 100 after 64 labelled answers.",
    ],
    [{ ...base, state: "rolled_back" }, "Rolled back v3 by hand."],
    [
      { ...base, state: "running", guard },
      "Running v3: taken back by itself once its errors give an e-value of 100.",
    ],
    [{ ...base, state: "running" }, "Running v3, without a guard."],
    [
      { ...base, state: "running", verdict: { ...verdict, n: 0 } },
      "Running v3: no labels have joined yet, so nothing is known.",
    ],
    [
      { ...base, state: "running", verdict: { ...verdict, e_value: 2 } },
      "Running v3: e-value 2 of 100 after 64 labelled answers; not enough to call the canary worse.",
    ],
    [{ started_ms: 0, state: "promoted" }, "Promoted."],
  ];
  for (const [canary, sentence] of rows) expect(canary_sentence(canary)).toBe(sentence);
});

test("what a deployment follows", () => {
  expect([
    follows("@champion"),
    follows("stage:Production"),
    follows("3"),
    follows(undefined),
  ]).toEqual(["@champion", "Production", null, null]);
});
