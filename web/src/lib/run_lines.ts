// The lines of the table of runs: runs, groups of runs, and what stands below an opened one. A page
// reads each level by itself; here they become one list.
import type { GroupMetric, RunGroup, RunRow } from "../api/tracking_types";
import { integer } from "./format";
import { figure } from "./odd";

export type Line =
  | { kind: "run"; key: string; depth: number; row: RunRow; open: boolean | null } // Null: a leaf.
  | { kind: "group"; key: string; depth: 0; group: RunGroup; open: boolean }
  | { kind: "more"; key: string; depth: number; of: string; left: number }
  | { kind: "note"; key: string; depth: number; of: string; text: string };

/** What is known of an opened line; undefined while nothing is. */
export interface Branch {
  rows: readonly RunRow[];
  left: number; // That further pages hold.
  error?: string;
}
export type Branches = ReadonlyMap<string, Branch>;

const kDepthMax = 20;

/** In an address runs and groups are told apart by their first letter. */
export const run_key = (id: string) => `r${id}`;
export const group_key = (id: string) => `g${id}`;

function below(of: string, depth: number, open: ReadonlySet<string>, branches: Branches): Line[] {
  const branch = branches.get(of);
  const note = (text: string): Line => ({ kind: "note", key: `${of} note`, depth, of, text });
  if (!branch) return [note("Loading …")];
  if (branch.error !== undefined) return [note(branch.error)];
  const lines = branch.rows.flatMap((row) => run_lines([row], open, branches, depth));
  if (branch.left > 0)
    lines.push({ kind: "more", key: `${of} more`, depth, of, left: branch.left });
  return lines.length > 0 ? lines : [note("No runs")];
}

export function run_lines(
  rows: readonly RunRow[],
  open: ReadonlySet<string>,
  branches: Branches,
  depth = 0,
): Line[] {
  return rows.flatMap((row) => {
    const key = run_key(row.run_id);
    const opens = row.has_children === true && depth < kDepthMax;
    const line: Line = { kind: "run", key, depth, row, open: opens ? open.has(key) : null };
    return opens && open.has(key) ? [line, ...below(key, depth + 1, open, branches)] : [line];
  });
}

export function group_lines(
  groups: readonly RunGroup[],
  open: ReadonlySet<string>,
  branches: Branches,
): Line[] {
  return groups.flatMap((group) => {
    const key = group_key(group.id);
    const line: Line = { kind: "group", key, depth: 0, group, open: open.has(key) };
    return line.open ? [line, ...below(key, 1, open, branches)] : [line];
  });
}

/** Which of the opened keys the page reads: those whose line is there, whatever an address says. */
export function shown_branches(
  tops: readonly (RunRow | RunGroup)[],
  open: ReadonlySet<string>,
  branch: (key: string) => Branch | undefined,
): string[] {
  const found: string[] = [];
  const walk = (key: string, opens: boolean) => {
    if (!opens || !open.has(key) || found.includes(key)) return;
    found.push(key);
    for (const row of branch(key)?.rows ?? []) walk(run_key(row.run_id), row.has_children === true);
  };
  for (const top of tops)
    if ("run_id" in top) walk(run_key(top.run_id), top.has_children === true);
    else walk(group_key(top.id), true);
  return found;
}

/** The line above that this one hangs on; -1 at the top. */
export function parent_of(lines: readonly Line[], index: number): number {
  const depth = lines[index]?.depth ?? 0;
  for (let i = index - 1; i >= 0 && depth > 0; i--) if ((lines[i]?.depth ?? 0) < depth) return i;
  return -1;
}

/** "0.1 to 0.2", "adam", "NaN": what the runs of a group have in common. */
export function group_text(group: RunGroup): string {
  switch (group.kind) {
    case "text":
      return group.text === "" ? "(empty)" : (group.text ?? "");
    case "stretch":
      return `${figure(group.low)} to ${figure(group.high)}`;
    case "above":
      return "∞";
    case "below":
      return "−∞";
    case "nan":
      return "NaN";
    case "absent":
      return "(none)";
  }
}

/** How many values beside the finite ones: "3 NaN, 1 ∞"; "" when there are none. */
export function odd_text(metric: GroupMetric): string {
  return [
    metric.nan > 0 && `${integer(metric.nan)} NaN`,
    metric.above > 0 && `${integer(metric.above)} ∞`,
    metric.below > 0 && `${integer(metric.below)} −∞`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** Mean above, span below; of one value that value alone, of none what there is instead. */
export function sum_texts(metric: GroupMetric | undefined): { mean: string; span: string } {
  if (!metric) return { mean: "–", span: "" };
  const odd = odd_text(metric);
  if (metric.finite === 0) return { mean: odd, span: "" };
  const span = metric.min === metric.max ? "" : `${figure(metric.min)} … ${figure(metric.max)}`;
  return { mean: figure(metric.mean), span: [span, odd].filter(Boolean).join(" · ") };
}
