// The table of runs without React: which columns a view shows, what may follow in the filter box,
// which rows and columns are inside the window.
import type { RunKeys } from "../api/tracking_types";

export type ColumnKind = "metrics" | "params" | "tags" | "attributes";
export interface RunColumn {
  id: string; // "metrics.loss": as in an address and in order_by, without quotes.
  kind: ColumnKind;
  key: string;
}

export const kAttributes = ["status", "start_time", "duration", "user_id"] as const;
/** Attributes that the server can order by. */
const kOrdered = new Set(["status", "start_time", "user_id", "run_name"]);

export function column_of(id: string): RunColumn | null {
  const dot = id.indexOf(".");
  const kind = id.slice(0, dot) as ColumnKind;
  const key = id.slice(dot + 1);
  if (!key || !["metrics", "params", "tags", "attributes"].includes(kind)) return null;
  return { id, kind, key };
}

const kShownAtFirst = { metrics: 8, params: 6 };

/** What a view that names no columns shows: what differs first, so that it is worth looking at. */
export function default_columns(keys: RunKeys | undefined): RunColumn[] {
  const some = (kind: "metrics" | "params") =>
    [...(keys?.[kind] ?? [])]
      .sort((a, b) => Number(b.differs) - Number(a.differs) || b.runs - a.runs)
      .slice(0, kShownAtFirst[kind])
      .map((k) => ({ id: `${kind}.${k.key}`, kind, key: k.key }) as RunColumn);
  return [
    ...kAttributes.slice(0, 3).map((key) => column_of(`attributes.${key}`) as RunColumn),
    ...some("metrics"),
    ...some("params"),
  ];
}

/** Every column that there is, for the chooser. Tags of the client's own bookkeeping come last. */
export function all_columns(keys: RunKeys | undefined): RunColumn[] {
  const of = (kind: "metrics" | "params" | "tags") =>
    (keys?.[kind] ?? []).map((k) => ({ id: `${kind}.${k.key}`, kind, key: k.key }) as RunColumn);
  const own = (c: RunColumn) => Number(c.key.startsWith("mlflow."));
  return [
    ...kAttributes.map((key) => column_of(`attributes.${key}`) as RunColumn),
    ...of("metrics"),
    ...of("params"),
    ...of("tags").sort((a, b) => own(a) - own(b)),
  ];
}

/** What runs can be grouped by, params first; a name or a time of its own makes no group. */
export function groupable(keys: RunKeys | undefined): RunColumn[] {
  const order: ColumnKind[] = ["params", "attributes", "metrics", "tags"];
  return all_columns(keys)
    .filter((c) => c.kind !== "attributes" || c.key === "status" || c.key === "user_id")
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

export function only_differing(columns: readonly RunColumn[], keys: RunKeys): RunColumn[] {
  return columns.filter(
    (c) => c.kind === "attributes" || keys[c.kind].some((k) => k.key === c.key && k.differs),
  );
}

const kPlain = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A key as the filter grammar wants it: quoted unless it is one plain word. */
export function quoted(key: string): string {
  if (kPlain.test(key)) return key;
  return key.includes("`") ? `"${key}"` : `\`${key}\``;
}

/** "metrics.`val/loss` DESC"; null for what runs can't be ordered by. */
export function order_of(column: RunColumn, descending: boolean): string | null {
  if (column.kind === "attributes" && !kOrdered.has(column.key)) return null;
  return `${column.kind}.${quoted(column.key)} ${descending ? "DESC" : "ASC"}`;
}

export interface Completion {
  text: string; // What stands in the box when it is taken.
  label: string;
}

const kOps = ["=", "!=", ">", ">=", "<", "<=", "LIKE", "ILIKE", "IN", "IS NULL"];
const kStatuses = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];
const kCompletionsMax = 12;

function keys_of(keys: RunKeys | undefined): string[] {
  const of = (kind: "metrics" | "params" | "tags") =>
    (keys?.[kind] ?? []).map((k) => `${kind}.${quoted(k.key)}`);
  return [
    ...of("metrics"),
    ...of("params"),
    "attributes.status",
    "attributes.run_name",
    "attributes.start_time",
    "attributes.end_time",
    "attributes.user_id",
    ...of("tags"),
  ];
}

const bare = (text: string) => text.toLowerCase().replaceAll(/[`"]/g, "");

/** Of "metrics.loss" both "met" and "lo" are the beginning. */
function begins(text: string, word: string): boolean {
  const lower = bare(text);
  const wanted = bare(word);
  return lower.startsWith(wanted) || lower.slice(lower.indexOf(".") + 1).startsWith(wanted);
}

/** What may come next at the end of a filter: a key, an operator, a status or AND. */
export function completions(filter: string, keys: RunKeys | undefined): Completion[] {
  const start = last_word_start(filter);
  const head = filter.slice(0, start);
  const word = filter.slice(start);
  const done = head.trimEnd();
  const before = /(\S+)$/.exec(done)?.[1]?.toUpperCase() ?? "";
  const make = (texts: readonly string[], tail: string): Completion[] =>
    texts
      .filter((t) => bare(t).includes(bare(word)) && t !== word)
      .sort((a, b) => Number(begins(b, word)) - Number(begins(a, word)))
      .slice(0, kCompletionsMax)
      .map((t) => ({ text: `${head}${t}${tail}`, label: t }));
  if (done === "" || ["AND", "OR", "NOT", "("].includes(before) || done.endsWith("("))
    return make(keys_of(keys), " ");
  if (kOps.includes(before)) {
    const subject = /(\S+)\s+\S+$/.exec(done)?.[1] ?? "";
    return subject.endsWith("status")
      ? make(
          kStatuses.map((s) => `'${s}'`),
          " ",
        )
      : [];
  }
  if (/^(metrics?|params?|tags?|attributes?)\./i.test(before)) return make(kOps, " ");
  return make(["AND", "OR"], " ");
}

/** Where the last word begins: behind the last blank or parenthesis outside quotes. */
function last_word_start(text: string): number {
  let quote = "";
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (quote) {
      if (c === quote) quote = "";
    } else if (c === "'" || c === '"' || c === "`") quote = c;
    else if (/[\s(]/.test(c)) start = i + 1;
  }
  return start;
}

/** First and last index (not counted) of what a window shows, with some more on both sides. */
export function window_of(
  offset: number,
  size: number,
  item: number,
  count: number,
  more: number,
): [number, number] {
  const first = Math.max(0, Math.floor(offset / item) - more);
  const end = Math.min(count, Math.ceil((offset + size) / item) + more);
  return [Math.min(first, end), end];
}
