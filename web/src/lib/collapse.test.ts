import { expect, test } from "vitest";
import type { LedgerEvent } from "../api/types";
import { collapse } from "./collapse";

const event = (seq: number, verb: string, name: string, version?: number): LedgerEvent => ({
  seq,
  ts_us: seq,
  id: String(seq),
  actor: "ann",
  verb,
  kind: "model_version",
  uid: `u${seq}`,
  name,
  version,
});

test("only neighbours of one kind fold", () => {
  const runs = collapse([
    event(6, "a", "x"),
    event(5, "a", "x"),
    event(4, "b", "x"),
    event(3, "a", "x"),
    event(2, "a", "x", 1),
    event(1, "a", "y"),
  ]);
  expect(runs.map((r) => [r.first.seq, r.count])).toEqual([
    [6, 2],
    [4, 1],
    [3, 1],
    [2, 1],
    [1, 1],
  ]);
  expect(collapse([])).toEqual([]);
});
