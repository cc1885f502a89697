// What the views of the comparison take, and the small controls they share.
import type { RunDetail } from "../api/tracking_types";
import type { CompareSearch } from "../app/tracking_routes";

export interface CompareProps {
  runs: RunDetail[]; // Those inside all brushes.
  all: RunDetail[];
  mark: (run_id: string) => number; // Whose colour and dash stay while others come and go.
  search: CompareSearch;
  set: (change: Partial<CompareSearch>) => void;
}

export function Check({
  label,
  checked,
  on_change,
}: {
  label: string;
  checked: boolean;
  on_change: (checked: boolean) => void;
}) {
  return (
    <label className="flex min-h-6 cursor-pointer items-center gap-1.5 text-ink-2 text-xs">
      <input
        type="checkbox"
        className="size-4 accent-(--accent)"
        checked={checked}
        onChange={(event) => on_change(event.target.checked)}
      />
      {label}
    </label>
  );
}

export function Pick({
  label,
  value,
  options,
  on_change,
}: {
  label: string;
  value: string;
  options: readonly string[];
  on_change: (value: string) => void;
}) {
  return (
    <label className="flex items-center gap-1.5 text-ink-2 text-xs">
      {label}
      <select
        value={value}
        onChange={(event) => on_change(event.target.value)}
        className="h-7 max-w-52 rounded-md border border-line-strong bg-panel px-1.5 text-ink"
      >
        {options.map((o) => (
          <option key={o}>{o}</option>
        ))}
      </select>
    </label>
  );
}

/** Which of many keys are shown: a disclosure of check boxes. */
export function PickMany({
  label,
  all,
  chosen,
  on_change,
}: {
  label: string;
  all: readonly string[];
  chosen: readonly string[];
  on_change: (chosen: string[]) => void;
}) {
  return (
    <details className="relative text-xs">
      <summary className="flex h-7 items-center rounded-md px-2 font-medium text-ink-2 ring-1 ring-line-strong ring-inset hover:bg-sunken">
        {label} ({chosen.length} of {all.length})
      </summary>
      <div className="absolute right-0 z-20 mt-1 max-h-72 w-64 overflow-auto rounded-lg border border-line bg-raised p-2 shadow-(--shadow-lg)">
        {all.map((id) => (
          <Check
            key={id}
            label={id}
            checked={chosen.includes(id)}
            on_change={(on) =>
              on_change(on ? [...chosen, id] : chosen.filter((other) => other !== id))
            }
          />
        ))}
      </div>
    </details>
  );
}
