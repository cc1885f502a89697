import { describe, expect, it } from "vitest";
import type { RunDetail } from "../api/tracking_types";
import { axis_ids, diff_rows, first_axes, joined, listed, value_at } from "./compare";

const run = (
  id: string,
  params: Record<string, string>,
  metrics: Record<string, number | string>,
): RunDetail => ({
  run_id: id,
  name: id,
  experiment_id: "0",
  status: "FINISHED",
  lifecycle: "active",
  user_id: "",
  author: "",
  start_ms: 0,
  end_ms: 1,
  params,
  tags: { "mlflow.runName": id, team: "a" },
  artifact_uri: "",
  metrics: Object.entries(metrics).map(([key, value]) => ({
    key,
    value,
    step: 0,
    timestamp_ms: 0,
  })),
  inputs: [],
  model_outputs: [],
});
const runs = [
  run("a", { lr: "0.1", opt: "adam", seed: "1" }, { loss: 0.5, flat: 1 }),
  run("b", { lr: "1e-2", opt: "sgd", seed: "1" }, { loss: "NaN", flat: 1, extra: "Infinity" }),
];

describe("diff_rows", () => {
  const rows = diff_rows(runs);
  const row = (id: string) => rows.find((r) => r.id === id);
  it("tell what differs", () => {
    expect(row("params.lr")).toMatchObject({ cells: ["0.1", "1e-2"], differs: true });
    expect(row("params.seed")?.differs).toBe(false);
    expect(row("tags.team")?.differs).toBe(false);
    expect(row("run.status")?.cells).toEqual(["finished", "finished"]);
  });
  it("write NaN, infinity and nothing as words", () => {
    expect(row("metrics.loss")?.cells).toEqual(["0.5", "NaN"]);
    expect(row("metrics.extra")?.cells).toEqual(["–", "∞"]);
  });
  it("leave out the name, which always differs", () => {
    expect(row("tags.mlflow.runName")).toBeUndefined();
  });
});

describe("axes", () => {
  it("are metrics and params that are numbers", () => {
    expect(axis_ids(runs)).toEqual([
      "params.lr",
      "params.seed",
      "metrics.extra",
      "metrics.flat",
      "metrics.loss",
    ]);
    expect(first_axes(runs, 4)).toEqual([
      "params.lr",
      "params.seed",
      "metrics.flat",
      "metrics.loss",
    ]);
  });
  it("values", () => {
    const [a, b] = runs as [RunDetail, RunDetail];
    expect(value_at(b, "params.lr")).toBe(0.01);
    expect(value_at(b, "metrics.loss")).toBeNaN();
    expect(value_at(a, "metrics.extra")).toBeNull();
  });
  it("lists travel in an address", () => {
    const items = ["metrics.a,b", "params.x y"];
    expect(listed(joined(items))).toEqual(items);
    expect(listed(undefined)).toEqual([]);
    expect(joined([])).toBeUndefined();
  });
});
