// Runs side by side: their values by column, which of them differ, axes of charts. No React.
import type { RunDetail } from "../api/tracking_types";
import { figure, number_of, param_number } from "./odd";

export interface DiffRow {
  id: string; // "params.lr"
  group: "params" | "metrics" | "tags" | "run";
  name: string;
  cells: string[]; // One per run; "–": it has none.
  differs: boolean;
}

/** Tags in which runs always differ, or that say nothing of how a run was made. */
const kNoise = new Set(["mlflow.runName", "mlflow.log-model.history"]);

export function diff_rows(runs: readonly RunDetail[]): DiffRow[] {
  const rows: DiffRow[] = [];
  const add = (group: DiffRow["group"], name: string, cells: (string | undefined)[]) => {
    const shown = cells.map((c) => c ?? "–");
    rows.push({
      id: `${group}.${name}`,
      group,
      name,
      cells: shown,
      differs: shown.some((c) => c !== shown[0]),
    });
  };
  add(
    "run",
    "status",
    runs.map((r) => r.status.toLowerCase()),
  );
  add(
    "run",
    "data",
    runs.map((r) => r.inputs.map((i) => `${i.name} ${i.digest}`).join(", ") || undefined),
  );
  for (const name of names_of(runs, (r) => Object.keys(r.params))) {
    add(
      "params",
      name,
      runs.map((r) => r.params[name]),
    );
  }
  for (const name of names_of(runs, (r) => r.metrics.map((m) => m.key))) {
    add(
      "metrics",
      name,
      runs.map((r) => {
        const m = r.metrics.find((x) => x.key === name);
        return m && figure(number_of(m.value));
      }),
    );
  }
  for (const name of names_of(runs, (r) => Object.keys(r.tags))) {
    if (kNoise.has(name)) continue;
    add(
      "tags",
      name,
      runs.map((r) => r.tags[name]),
    );
  }
  return rows;
}

function names_of(runs: readonly RunDetail[], keys: (run: RunDetail) => string[]): string[] {
  return [...new Set(runs.flatMap(keys))].sort();
}

/** What charts can put on an axis: metrics, and params that are numbers in every run that has them. */
export function axis_ids(runs: readonly RunDetail[]): string[] {
  const params = names_of(runs, (r) => Object.keys(r.params)).filter((name) =>
    runs.every((r) => r.params[name] === undefined || param_number(r.params[name]) !== null),
  );
  return [
    ...params.map((name) => `params.${name}`),
    ...names_of(runs, (r) => r.metrics.map((m) => m.key)).map((name) => `metrics.${name}`),
  ];
}

export function value_at(run: RunDetail, id: string): number | null {
  const key = id.slice(id.indexOf(".") + 1);
  if (id.startsWith("params.")) return param_number(run.params[key]);
  return number_of(run.metrics.find((m) => m.key === key)?.value);
}

/** The axes to begin with: those that tell runs apart, then others that have a number at all. */
export function first_axes(runs: readonly RunDetail[], max: number): string[] {
  const numbers = (id: string) =>
    new Set(runs.map((r) => value_at(r, id)).filter((v) => v !== null && Number.isFinite(v))).size;
  const ids = axis_ids(runs).filter((id) => numbers(id) > 0);
  return [...ids.filter((id) => numbers(id) > 1), ...ids.filter((id) => numbers(id) === 1)].slice(
    0,
    max,
  );
}

export function listed(text: string | undefined): string[] {
  return (text ?? "").split(",").filter(Boolean).map(decodeURIComponent);
}

export function joined(items: readonly string[]): string | undefined {
  return items.map(encodeURIComponent).join(",") || undefined;
}
