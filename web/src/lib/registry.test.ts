import { expect, test } from "vitest";
import type { ModelVersion, StageSpan } from "../api/types";
import {
  is_approved,
  may_approve,
  may_promote,
  previous_holder,
  production_bars,
} from "./registry";

function version(changes: Partial<ModelVersion> = {}): ModelVersion {
  return {
    model: "m",
    version: 2,
    uid: "u",
    stage: "None",
    status: "READY",
    created_ms: 0,
    created_by: "ann",
    aliases: [],
    tags: {},
    gate: { passed: true, evaluated_ms: 1, checks: [] },
    approvals: [],
    ...changes,
  };
}

const say = (actor: string, decision: "approved" | "rejected", created_ms: number) => ({
  actor,
  decision,
  created_ms,
});

test("promotion needs a gate that passed and a second person", () => {
  const failed = {
    passed: false,
    evaluated_ms: 1,
    checks: [
      {
        name: "accuracy ≥ 0.75",
        kind: "floor" as const,
        metric: "accuracy",
        value: 0.7,
        passed: false,
        detail: "",
      },
    ],
  };
  const rows: [ModelVersion, string][] = [
    [version({ gate: null }), "Its gate hasn't run"],
    [version({ gate: failed }), "Its gate failed: accuracy ≥ 0.75"],
    [version(), "Needs the approval of a second person"],
    [version({ approvals: [say("bob", "rejected", 1)] }), "Needs the approval of a second person"],
    [version({ stage: "Production" }), "Already in production"],
    [version({ approvals: [say("bob", "approved", 1)] }), ""],
  ];
  for (const [v, why] of rows) expect(may_promote(v)).toEqual({ ok: why === "", why });
});

test("the newest word of each actor stands", () => {
  expect(
    is_approved(version({ approvals: [say("b", "rejected", 1), say("b", "approved", 2)] })),
  ).toBe(true);
  expect(
    is_approved(version({ approvals: [say("b", "approved", 1), say("c", "rejected", 2)] })),
  ).toBe(false);
});

test("nobody approves their own work, or twice", () => {
  expect(may_approve(version(), "ann").ok).toBe(false);
  expect(may_approve(version(), "bob").ok).toBe(true);
  expect(may_approve(version({ approvals: [say("bob", "approved", 1)] }), "bob").ok).toBe(false);
});

const span = (v: number, from_ms: number, to_ms?: number): StageSpan => ({
  stage: "Production",
  version: v,
  from_ms,
  to_ms,
  actor: "ann",
});

test("rollback returns to the previous holder", () => {
  expect(previous_holder([])).toBeNull();
  expect(previous_holder([span(1, 0)])).toBeNull();
  expect(previous_holder([span(1, 0, 5), span(2, 5)])?.version).toBe(1);
  expect(previous_holder([span(2, 5), span(1, 0, 5)])?.version).toBe(1);
});

test("where the server names the way back, that is followed", () => {
  const chain = (n: number, v: number, back_n: number, to_ms?: number) => ({
    ...span(v, n, to_ms),
    n,
    back_n,
  });
  const rows: [StageSpan[], number | undefined][] = [
    [[chain(1, 1, 0, 5), chain(2, 2, 1)], 1],
    [[chain(1, 1, 0, 5), chain(2, 2, 1, 6), chain(3, 1, 0)], undefined],
    [[chain(1, 1, 0, 5), chain(2, 2, 1, 6), chain(3, 2, 2)], 1],
  ];
  for (const [history, version] of rows) expect(previous_holder(history)?.version).toBe(version);
});

test("bars fill the range from the first start to now", () => {
  const bars = production_bars([span(1, 0, 50), span(2, 50)], 100);
  expect(bars.map(({ version: v, x0, x1, open }) => [v, x0, x1, open])).toEqual([
    [1, 0, 0.5, false],
    [2, 0.5, 1, true],
  ]);
  expect(production_bars([], 100)).toEqual([]);
  expect(production_bars([span(1, 100)], 100)[0]?.x1).toBe(0);
});
