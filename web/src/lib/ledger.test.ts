import { expect, test } from "vitest";
import { subject_of, target_of, tone_of } from "./ledger";

test("events lead to the page of their subject", () => {
  expect(target_of({ kind: "model_version", name: "fraud", version: 3 })).toEqual({
    page: "model",
    name: "fraud",
    version: 3,
  });
  expect(target_of({ kind: "model_version", name: "fraud", version: "3" })).toMatchObject({
    version: 3,
  });
  expect(target_of({ kind: "alert", name: "docs" })).toEqual({ page: "deployment", name: "docs" });
  expect(target_of({ kind: "dataset", name: "d" })).toEqual({ page: "dataset", name: "d" });
  expect(target_of({ kind: "principal", name: "ann" })).toBeNull();
  expect(target_of({ kind: "model" })).toBeNull();
});

test("a subject falls back to its uid", () => {
  expect(subject_of({ kind: "x", uid: "0190", name: "fraud", version: 2 })).toBe("fraud v2");
  expect(subject_of({ kind: "x", uid: "0190" })).toBe("0190");
});

test("tones", () => {
  const rows: [string, string | undefined, string][] = [
    ["model_version.promoted", undefined, "good"],
    ["canary.decided", "rolled_back", "bad"],
    ["alert.fired", undefined, "warn"],
    ["run.created", undefined, "plain"],
    ["alert.resolved", undefined, "good"],
    ["model_version.gated", "fail", "bad"],
    ["model_version.gate", "failed", "bad"],
  ];
  for (const [verb, decision, tone] of rows) expect(tone_of({ verb, decision })).toBe(tone);
});
