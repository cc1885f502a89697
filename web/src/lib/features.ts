// Features as the pages put them: who reads a view, what a key's text means, which share is missing.
import type { Definition, Field, Freshness } from "../api/features";

/** Names of the services and on-demand views that name a view in their features or inputs. */
export function readers_of(view: string, all: readonly Definition[]): Definition[] {
  const names = (value: unknown): boolean => {
    if (typeof value === "string") return value.split(/[@:]/)[0] === view;
    if (Array.isArray(value)) return value.some(names);
    if (value && typeof value === "object") return Object.values(value).some(names);
    return false;
  };
  return all.filter(
    (d) =>
      (d.kind === "FeatureService" && names(d.definition.features)) ||
      (d.kind === "OnDemand" && names(d.definition.inputs)),
  );
}

/** What was typed for a key, as its type has it; null: it is no such value. */
export function key_value(text: string, field: Field): string | number | null {
  const trimmed = text.trim();
  if (!/^int/.test(field.type)) return trimmed === "" ? null : trimmed;
  return /^-?\d+$/.test(trimmed) && Number.isSafeInteger(Number(trimmed)) ? Number(trimmed) : null;
}

/** Shares of the values that were served, by status; null: none was. */
export function served_shares(
  served: Freshness["served"],
): { status: string; n: number; share: number }[] | null {
  const total = Object.values(served).reduce((a, b) => a + b, 0);
  if (total === 0) return null;
  return Object.entries(served).map(([status, n]) => ({ status, n, share: n / total }));
}

/** A value of a feature as text: lists in brackets, nothing as "–". */
export function value_text(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}
