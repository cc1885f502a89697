import { describe, expect, it } from "vitest";
import type { GroupMetric, RunGroup, RunRow } from "../api/tracking_types";
import {
  type Branch,
  group_key,
  group_lines,
  group_text,
  parent_of,
  run_key,
  run_lines,
  shown_branches,
  sum_texts,
} from "./run_lines";

const row = (run_id: string, has_children?: boolean) =>
  ({ run_id, has_children, metrics: {} }) as RunRow;
const group = (id: string, rest: Partial<RunGroup> = {}): RunGroup => ({
  id,
  kind: "text",
  runs: 1,
  metrics: {},
  ...rest,
});
const branches = (all: Record<string, Partial<Branch>>) =>
  new Map(Object.entries(all).map(([k, b]) => [k, { rows: [], left: 0, ...b }]));
const shape = (lines: { kind: string; depth: number; key: string }[]) =>
  lines.map((l) => `${l.depth} ${l.kind} ${l.key}`);

describe("lines", () => {
  const tree = branches({
    ra: { rows: [row("b", true), row("c")], left: 3 },
    rb: { rows: [row("d")] },
  });

  it("is one list of what is open, each below its own", () => {
    const open = new Set(["ra", "rb"]);
    expect(shape(run_lines([row("a", true), row("z")], open, tree))).toEqual([
      "0 run ra",
      "1 run rb",
      "2 run rd",
      "1 run rc",
      "1 more ra more",
      "0 run rz",
    ]);
    expect(run_lines([row("a", true)], new Set(), tree)).toHaveLength(1);
  });

  it("says leaves from closed ones", () => {
    const [a, z] = run_lines([row("a", true), row("z")], new Set(), tree);
    expect(a?.kind === "run" && a.open).toBe(false);
    expect(z?.kind === "run" && z.open).toBe(null);
  });

  it("does not open a leaf that an address names", () => {
    expect(run_lines([row("z", false)], new Set(["rz"]), tree)).toHaveLength(1);
  });

  it("says what it waits for, what failed and what is empty", () => {
    const open = new Set(["g=1", "g=2", "g=3"]);
    const lines = group_lines(
      [group("=1"), group("=2"), group("=3")],
      open,
      branches({ "g=2": { error: "no answer" }, "g=3": {} }),
    );
    expect(lines.filter((l) => l.kind === "note").map((l) => l.kind === "note" && l.text)).toEqual([
      "Loading …",
      "no answer",
      "No runs",
    ]);
  });

  it("ends even when a tree hangs on itself", () => {
    const ring = branches({ ra: { rows: [row("a", true)] } });
    expect(run_lines([row("a", true)], new Set(["ra"]), ring).length).toBeLessThan(30);
    expect(shown_branches([row("a", true)], new Set(["ra"]), (k) => ring.get(k))).toEqual(["ra"]);
  });

  it("knows whose child a line is", () => {
    const lines = run_lines([row("a", true), row("z")], new Set(["ra", "rb"]), tree);
    expect(lines.map((_, i) => parent_of(lines, i))).toEqual([-1, 0, 1, 0, 0, -1]);
  });

  it("reads only what is in sight of what an address names", () => {
    const open = new Set(["ra", "rb", "rq", "g=1"]);
    expect(shown_branches([row("a", true)], open, (k) => tree.get(k))).toEqual(["ra", "rb"]);
    expect(shown_branches([row("a", true)], open, () => undefined)).toEqual(["ra"]);
    expect(shown_branches([group("=1"), group("=2")], open, (k) => tree.get(k))).toEqual(["g=1"]);
    expect([run_key("1"), group_key("1")]).toEqual(["r1", "g1"]);
  });
});

describe("what groups say", () => {
  it("names every kind", () => {
    const said = (rest: Partial<RunGroup>) => group_text(group("x", rest));
    expect(said({ text: "adam" })).toBe("adam");
    expect(said({ text: "" })).toBe("(empty)");
    expect(said({ kind: "stretch", low: -0.1, high: 0.2 })).toBe("−0.1 to 0.2");
    expect(said({ kind: "above" })).toBe("∞");
    expect(said({ kind: "below" })).toBe("−∞");
    expect(said({ kind: "nan" })).toBe("NaN");
    expect(said({ kind: "absent" })).toBe("(none)");
  });

  const sum = (rest: Partial<GroupMetric>) =>
    sum_texts({ finite: 0, nan: 0, above: 0, below: 0, ...rest });
  it("shows mean and span, and NaN and infinities beside them", () => {
    expect(sum_texts(undefined)).toEqual({ mean: "–", span: "" });
    expect(sum({ finite: 2, min: 1, mean: 1.5, max: 2 })).toEqual({ mean: "1.5", span: "1 … 2" });
    expect(sum({ finite: 1, min: 1, mean: 1, max: 1 })).toEqual({ mean: "1", span: "" });
    expect(sum({ nan: 3, above: 1 })).toEqual({ mean: "3 NaN, 1 ∞", span: "" });
    expect(sum({ finite: 2, min: 1, mean: 1.5, max: 2, below: 1, nan: 1200 }).span).toBe(
      "1 … 2 · 1,200 NaN, 1 −∞",
    );
  });
});
