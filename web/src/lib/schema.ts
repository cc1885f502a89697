import type { DatasetField } from "../api/types";

export interface SchemaRow extends DatasetField {
  change: "same" | "added" | "removed" | "changed";
}

/** The newer schema in its order, then what it lost. */
export function schema_changes(
  before: readonly DatasetField[] | undefined,
  now: readonly DatasetField[],
): SchemaRow[] {
  if (!before) return now.map((f) => ({ ...f, change: "same" }));
  const old = new Map(before.map((f) => [f.name, f]));
  const rows: SchemaRow[] = now.map((f) => {
    const was = old.get(f.name);
    old.delete(f.name);
    if (!was) return { ...f, change: "added" };
    return {
      ...f,
      change: was.type === f.type && was.nullable === f.nullable ? "same" : "changed",
    };
  });
  for (const gone of old.values()) rows.push({ ...gone, change: "removed" });
  return rows;
}
