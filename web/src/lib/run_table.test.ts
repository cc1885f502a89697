import { describe, expect, it } from "vitest";
import type { RunKeys } from "../api/tracking_types";
import {
  all_columns,
  column_of,
  completions,
  default_columns,
  only_differing,
  order_of,
  window_of,
} from "./run_table";

const keys: RunKeys = {
  runs: 3,
  whole: true,
  metrics: [
    { key: "loss", runs: 3, differs: true },
    { key: "val/acc", runs: 2, differs: true },
    { key: "flat", runs: 3, differs: false },
  ],
  params: [
    { key: "lr", runs: 3, differs: true },
    { key: "seed", runs: 3, differs: false },
  ],
  tags: [
    { key: "mlflow.user", runs: 3, differs: false },
    { key: "team", runs: 1, differs: true },
  ],
};
const ids = (columns: { id: string }[]) => columns.map((c) => c.id);

describe("columns", () => {
  it("are read from an address", () => {
    expect(column_of("metrics.a.b")).toEqual({ id: "metrics.a.b", kind: "metrics", key: "a.b" });
    expect(column_of("nothing.x")).toBeNull();
    expect(column_of("metrics.")).toBeNull();
    expect(column_of("metrics")).toBeNull();
  });
  it("show what differs first", () => {
    expect(ids(default_columns(keys)).slice(3)).toEqual([
      "metrics.loss",
      "metrics.val/acc",
      "metrics.flat",
      "params.lr",
      "params.seed",
    ]);
    expect(default_columns(undefined)).toHaveLength(3);
  });
  it("only those that differ", () => {
    const left = ids(only_differing(all_columns(keys), keys));
    expect(left).toContain("params.lr");
    expect(left).not.toContain("params.seed");
    expect(left).toContain("attributes.status");
  });
  it("the client's own tags come last", () => {
    expect(ids(all_columns(keys)).slice(-2)).toEqual(["tags.team", "tags.mlflow.user"]);
  });
  it("order by what the server knows", () => {
    const order = (id: string, down: boolean) => {
      const c = column_of(id);
      return c && order_of(c, down);
    };
    expect(order("metrics.val/acc", true)).toBe("metrics.`val/acc` DESC");
    expect(order("params.lr", false)).toBe("params.lr ASC");
    expect(order("attributes.duration", true)).toBeNull();
  });
});

describe("completions", () => {
  const labels = (filter: string) => completions(filter, keys).map((c) => c.label);
  it("begin with keys", () => {
    expect(labels("")[0]).toBe("metrics.loss");
    expect(labels("los")).toEqual(["metrics.loss"]);
    expect(labels("(lo")[0]).toBe("metrics.loss");
    expect(completions("metrics.v", keys)[0]?.text).toBe("metrics.`val/acc` ");
  });
  it("then operators, then AND, then keys again", () => {
    expect(labels("metrics.loss ")).toContain("<=");
    expect(labels("metrics.loss < ")).toEqual([]);
    expect(labels("metrics.loss < 1 ")).toEqual(["AND", "OR"]);
    expect(completions("metrics.loss < 1 AND lr", keys)[0]?.text).toBe(
      "metrics.loss < 1 AND params.lr ",
    );
  });
  it("know the states", () => {
    expect(labels("attributes.status = ")).toContain("'FINISHED'");
    expect(completions("attributes.status = 'FI", keys)[0]?.text).toBe(
      "attributes.status = 'FINISHED' ",
    );
  });
});

describe("window_of", () => {
  it.each([
    [0, 300, 30, 100, 2, [0, 12]],
    [1500, 300, 30, 100, 2, [48, 62]],
    [9e9, 300, 30, 100, 2, [100, 100]],
    [0, 300, 30, 0, 2, [0, 0]],
  ])("offset %d", (offset, size, item, count, more, want) => {
    expect(window_of(offset, size, item, count, more)).toEqual(want);
  });
});
