import { expect, test } from "vitest";
import { canary_sentence, evidence_position } from "./canary";

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
  const base = { started_ms: 0 };
  expect(canary_sentence({ ...base, state: "rolled_back", verdict })).toBe(
    "Rolled back: e-value 131 of 100 after 64 labelled answers.",
  );
  expect(canary_sentence({ ...base, state: "running" })).toContain("nothing is known");
  expect(
    canary_sentence({ ...base, state: "running", verdict: { ...verdict, e_value: 2 } }),
  ).toContain("not enough");
  expect(canary_sentence({ ...base, state: "promoted" })).toBe("Promoted.");
  expect(canary_sentence({ ...base, state: "rolled_back" })).toContain("Rolled back");
});
